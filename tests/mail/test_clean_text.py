"""Folding plain text: the history goes, not one new word with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.clean import fold_text, snippet

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
        pytest.param("Hallo\n-- \nCarol Käfer\nKunde GmbH\n", id="a signature is no history"),
        pytest.param("Preis > 10 €?\nMenge <- 5", id="signs inside a line"),
        pytest.param("", id="nothing"),
        pytest.param("\n\n", id="blank lines"),
    ],
)  # fmt: skip
def test_when_unsure_nothing_is_folded(text: str) -> None:
    assert fold_text(text).quoted == ""


def test_the_last_quote_below_the_answers_is_folded() -> None:
    folded = fold_text("> Frage 1\nAntwort 1\n> Frage 2\nAntwort 2\n> Rest\n> vom Rest\n")
    assert folded.quoted == "> Rest\n> vom Rest\n"
    assert "Antwort 2" in folded.visible


_LINES = st.sampled_from(
    ["Hallo", "> alt", "", ">", "Am 23.11.26 um 10:00 schrieb Support:", "wrote:", "On Nov 23, 2026 at 10:00 X <a@b> wrote:",
     "-----Original Message-----", "Von: a", "Gesendet: b", "An: c", "Betreff: d", "_" * 32, "\u2028", "\x85", "\r", " "]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(_LINES, max_size=25).map("\n".join)))
def test_no_character_is_ever_lost(text: str) -> None:
    folded = fold_text(text)
    assert folded.visible + folded.quoted == text
    assert folded.visible.strip() or not folded.quoted


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
