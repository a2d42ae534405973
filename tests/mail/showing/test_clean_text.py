"""Folding plain text: the history goes, not one new word with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.showing.clean import fold_text, is_forward, snippet
from mail.types import Folded

ABOVE = "Hallo,\n\nvielen Dank!\n\n"
QUOTE = "> Ihre Anfrage\n>\n> ist gelöst.\n"

HISTORY = {
    "german": "Am Mo., 23. Nov. 2026 um 10:00 Uhr schrieb Support <s@firma.example>:\n\n" + QUOTE,
    "german thunderbird": "Am 23.11.26 um 10:00 schrieb Support:\n" + QUOTE,
    "english": "On Mon, Nov 23, 2026 at 10:00 AM Support <s@firma.example> wrote:\n" + QUOTE,
    "french": "Le lun. 23 nov. 2026 à 10:00, Support <s@firma.example> a écrit :\n" + QUOTE,
    "wrapped over two lines": "On Mon, Nov 23, 2026 at 10:00 AM Support Team of Firma\n<s@firma.example> wrote:\n"
    + QUOTE,
    "wrapped before the verb": "Am Montag, 23. November 2026 um 10:00 Uhr\nschrieb Support <s@firma.example>:\n"
    + QUOTE,
    "name first": "Support <s@firma.example> schrieb am 23.11.2026 um 10:00:\n" + QUOTE,
    "no signs before the quote": "On Nov 23, 2026, at 10:00, Support <s@firma.example> wrote:\n\nIhre Anfrage ist gelöst.\n",
    "original message": "-----Original Message-----\nFrom: Support\nSent: Monday\nTo: Carol\nSubject: Frage\n\nAlt\n",
    "ursprüngliche nachricht": "-----Ursprüngliche Nachricht-----\nVon: Support\nGesendet: Montag\n\nAlt\n",
    "outlook german": "Von: Support <s@firma.example>\nGesendet: Montag, 23. November 2026 10:00\nAn: Carol\nBetreff: Frage\n\nAlt\n",
    "outlook english, ruled": "________________________________\nFrom: Support\nSent: Monday\nTo: Carol\nSubject: Q\n\nAlt\n",
    "outlook french": "De : Support\nEnvoyé : lundi\nÀ : Carol\nObjet : Question\n\nAlt\n",
    "outlook bold": "*Von:* Support\n*Gesendet:* Montag\n*An:* Carol\n*Betreff:* Frage\n\nAlt\n",
    "gmx": "Gesendet: Montag, 23. November 2026\nVon: Support\nAn: Carol\nBetreff: Frage\n\nAlt\n",
    "only signs": QUOTE,
    "our line": "##- Bitte oberhalb dieser Zeile antworten -##\n\nAlt\n",
    "our line in english, quoted": "> ##- Please reply above this line -##\n> Alt\n",
}


@pytest.mark.parametrize("history", HISTORY.values(), ids=HISTORY.keys())
def test_trailing_history_is_folded(history: str) -> None:
    folded = fold_text(ABOVE + history)
    assert (folded.visible, folded.quoted) == (ABOVE, history)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(history, id=f"nothing above: {name}")
        for name, history in HISTORY.items()
    ]
    + [
        pytest.param(ABOVE + HISTORY["german"] + "\nMeine Antwort steht unten.", id="answer below"),
        pytest.param(ABOVE + "> Frage 1\nAntwort 1\n> Frage 2\nAntwort 2\n", id="answers between the lines"),
        pytest.param("Siehe meine Antworten unten im Text.\n\n" + HISTORY["outlook german"], id="answers in an unmarked history"),
        pytest.param("Am 3.3. um 10:00 schrieb ich Ihnen:\nBitte liefern Sie bald.\n", id="telling of an own letter"),
        pytest.param("Hallo,\nAm 3. März schrieb Herr Huber folgendes:\nEr kommt nicht.\n", id="telling of a letter without time"),
        pytest.param("Hallo,\nAn: das Team\nBetreff: Urlaub\nwir fahren weg.\n", id="labels without a sender"),
        pytest.param("Zur Info\n\n---------- Forwarded message ---------\nFrom: Max\nDate: Monday\nTo: Carol\nSubject: X\n\nText\n", id="forwarded"),
        pytest.param("Zur Info\n\n-------- Weitergeleitete Nachricht --------\nVon: Max\nAn: Carol\nBetreff: X\n\nText", id="weitergeleitet"),
        pytest.param("Am 3. März um 10:15 schrieb Herr Huber:\nEr kommt nicht.\nAm 4. März um 9:00 schrieb er dann:\nDoch.", id="telling of letters with a time"),
        pytest.param("Hallo,\n\nbitte buchen:\nVon: Wien\nAn: Graz\nDatum: 3.5. um 10:00\nPersonen: 2\n", id="labels of a journey"),
        pytest.param("Hallo, ich bekam das hier:\n\n" + HISTORY["outlook german"], id="a pasted mail that is announced"),
        pytest.param("Menge\n--\nfünf Stück bitte, wie immer\n", id="a line of dashes"),
        pytest.param("Hallo\n-- \nCarol\n\nPS: Bitte bis morgen.\n", id="a postscript below the signature"),
        pytest.param("Hallo\n-- \nCarol\n\nDas hier kommt noch dazu.\n", id="a paragraph below the signature"),
        pytest.param("Hallo\n-- \nKommt das noch?\n", id="a question below dashes"),
        pytest.param("Was ist mit dem Paket?\nGesendet mit DHL am Montag", id="sent, but not by a mail program"),
        pytest.param("Die Mail habe ich mit\nOutlook für iOS beziehen wollen", id="words of a footer inside a sentence"),
        pytest.param("Von meinem iPhone gesendet", id="nothing but a footer"),
        pytest.param("Preis > 10 €?\nMenge <- 5", id="signs inside a line"),
        pytest.param("", id="nothing"),
        pytest.param("\n\n", id="blank lines"),
    ],
)  # fmt: skip
def test_when_unsure_nothing_is_folded(text: str) -> None:
    assert fold_text(text).quoted == ""


SIGNATURES = {
    "dashes": "-- \nCarol Käfer\nKunde GmbH\n",
    "dashes without the blank, as from HTML": "--\nCarol Käfer\nKunde GmbH\n",
    "paragraphs that prove themselves": "-- \nCarol Käfer\n\nTel. +43 1 555\nwww.kunde.example\n\nDiese E-Mail ist vertraulich.\n",
    "iphone": "Von meinem iPhone gesendet\n",
    "galaxy": "Sent from my Galaxy S24\n",
    "outlook with a link": "Get Outlook for iOS<https://aka.ms/o0ukef>\n",
    "proton": "Sent with Proton Mail secure email.\n",
    "k-9": "-- \nDiese Nachricht wurde von meinem Android-Gerät mit K-9 Mail gesendet.\n",
    "footer below a signature": "-- \nCarol\n\nVon meinem iPad gesendet\n",
}


@pytest.mark.parametrize("signature", SIGNATURES.values(), ids=SIGNATURES.keys())
@pytest.mark.parametrize(
    "history",
    ["", HISTORY["german"], HISTORY["outlook german"]],
    ids=["alone", "above quotes", "above a block"],
)
def test_a_signature_is_folded_with_what_follows(signature: str, history: str) -> None:
    folded = fold_text(ABOVE + signature + history)
    assert (folded.visible, folded.quoted) == (ABOVE, signature + history)


@pytest.mark.parametrize("signature", SIGNATURES.values(), ids=SIGNATURES.keys())
def test_a_signature_below_the_quotes_is_folded_with_them(signature: str) -> None:
    folded = fold_text(ABOVE + HISTORY["german"] + "\n" + signature)
    assert folded.visible == ABOVE


def test_a_history_above_all_new_text_is_told_apart() -> None:
    text = HISTORY["german"] + "\nDanke, das hilft.\n-- \nCarol\n"
    folded = fold_text(text)
    assert (folded.visible[folded.opening :], folded.quoted) == ("Danke, das hilft.\n", "-- \nCarol\n")
    assert fold_text(HISTORY["german"] + "\nJa.\n> Noch etwas?\nNein.").opening == 0


def test_of_a_forwarded_mail_nothing_is_folded() -> None:
    assert fold_text(ABOVE + HISTORY["outlook german"], forwarded=True) == Folded(
        ABOVE + HISTORY["outlook german"]
    )
    assert [is_forward(s) for s in ("WG: Frage", "Fwd: x", "AW: WG: x", "Re: FW: x", "AW: Wgh", "Frage")] == [
        True,
        True,
        True,
        True,
        False,
        False,
    ]


def test_the_last_quote_below_the_answers_is_folded() -> None:
    folded = fold_text("> Frage 1\nAntwort 1\n> Frage 2\nAntwort 2\n> Rest\n> vom Rest\n")
    assert folded.quoted == "> Rest\n> vom Rest\n"
    assert "Antwort 2" in folded.visible


_MAIL_LINES = [
    "Hallo", "> alt", "", ">", "> > älter", "Am 23.11.26 um 10:00 schrieb Support:", "wrote:", "-- ", "--", "Carol Käfer",
    "On Nov 23, 2026 at 10:00 X <a@b> wrote:", "-----Original Message-----", "Von: a", "Gesendet: b", "An: c", "Betreff: d",
    "_" * 32, "\u2028", "\x85", "\r", " ", "Von meinem iPhone gesendet", "Tel. +43 1 5", "PS: doch", "WG:", "ja?",
]  # fmt: skip
_TEXTS = st.lists(st.sampled_from(_MAIL_LINES), max_size=30).map("\n".join)


@given(st.one_of(st.text(), _TEXTS))
def test_no_character_is_ever_lost(text: str) -> None:
    folded = fold_text(text)
    assert folded.visible + folded.quoted == text
    assert folded.visible.strip() or not folded.quoted
    assert 0 <= folded.opening <= len(folded.visible)
    assert folded.visible[folded.opening :].strip() or not folded.opening


_ANSWER = st.text(alphabet="abcdefg äöü.,!?:-_", min_size=1, max_size=40).map(lambda words: f"Neu {words}")


@given(
    st.lists(st.sampled_from(_MAIL_LINES), max_size=12),
    _ANSWER,
    st.lists(st.sampled_from(["> alt", ">", "", "> > älter"]), max_size=8),
)
def test_nothing_before_an_answer_below_a_marked_quote_is_hidden(
    above: list[str], answer: str, below: list[str]
) -> None:
    """Whatever stands above: a line of one's own after a `>` line is new, and so it stays, unless a block of
    Von:/Betreff: or a separator begins an unmarked history, in which older quotes may stand."""
    lines = [
        "Hallo",
        "Am 23.11.26 um 10:00 schrieb Support <s@x.example>:",
        "> Frage",
        answer,
        "> Frage 2",
        *below,
    ]
    assert answer in fold_text("\n".join(lines)).visible
    marked = [line for line in above if line.startswith(">") or line in ("", "Hallo", "ja?")]
    assert answer in fold_text("\n".join([*marked, *lines])).visible


@given(st.lists(st.one_of(_ANSWER, st.sampled_from(["> alt", "", "> > älter"])), max_size=25))
def test_without_headings_and_signatures_only_trailing_quotes_are_hidden(lines: list[str]) -> None:
    hidden = fold_text("\n".join(lines)).quoted
    assert all(not line.strip() or line.startswith(">") for line in hidden.split("\n"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hallo,\n\nvielen   Dank!\n" + QUOTE, "Hallo, vielen Dank!"),
        (QUOTE, "> Ihre Anfrage > > ist gelöst."),
        ("wort " * 100, "wort " * 27 + "wort…"),
        ("x" * 200, "x" * 139 + "…"),
        ("", ""),
    ],
)
def test_snippet_is_one_short_line_of_what_is_new(text: str, expected: str) -> None:
    assert snippet(text) == expected
    assert len(snippet(text)) <= 140


def test_many_headings_are_compared_with_our_mail_a_few_times_only() -> None:
    asked: list[int] = []

    def sent() -> str:
        asked.append(1)
        return "Hallo Welt " * 100

    text = "neu\n" + "> a\nAm 3.3. um 10:00 schrieb a <a@b.example>:\n" * 2_000
    folded = fold_text(text, sent=sent)
    assert folded.visible + folded.quoted == text
    assert len(asked) <= 1
