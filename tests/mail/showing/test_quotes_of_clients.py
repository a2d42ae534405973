"""The answers of 35 mail programs: what is new is shown, what they quote is folded, nothing is lost."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from mail.reading.parse import parse
from mail.showing.clean import clean_html, fold_text, text_of
from tests.support.clients import CLIENTS, FOLDER, SAMPLE, expected, filled

OURS = "die fehlenden Teile gehen heute hinaus"
FOLD = re.compile(r'<details class="quote"><summary>…</summary>|</details>')


def squeezed(text: str) -> str:
    return "".join(text.replace("\ufeff", "").split())


def halves(html: str) -> tuple[str, str]:
    """The words outside and inside of what is folded."""
    shown, folded, inside, position = "", "", False, 0
    for mark in FOLD.finditer(html):
        piece = html[position : mark.start()]
        shown, folded = (shown, folded + piece) if inside else (shown + piece, folded)
        inside, position = not mark[0].startswith("</"), mark.end()
    return text_of(shown + html[position:]), text_of(folded)


def test_there_are_many_of_them():
    names = {path.stem.rpartition("-")[0] for path in CLIENTS}
    assert len(names) >= 15
    assert {path.stem for path in CLIENTS} == {
        f"{name}-{language}" for name in names for language in ("de", "en")
    }


@pytest.mark.parametrize("path", CLIENTS, ids=lambda path: path.stem)
def test_the_new_text_is_shown_and_the_rest_is_folded(path: Path) -> None:
    says, mail = expected(path), parse(filled(path))
    folded = fold_text(mail.text)
    assert folded.visible + folded.quoted == mail.text
    forms = [(folded.visible[folded.opening :], folded.visible[: folded.opening] + folded.quoted)]
    if mail.html:
        safe = clean_html(mail.html, {}).html
        assert squeezed(text_of(FOLD.sub("", safe))) == squeezed(text_of(mail.html))
        forms.append(halves(safe))
    for shown, hidden in forms:
        for piece in says["new"]:
            assert squeezed(piece) in squeezed(shown)
        assert bool(hidden.strip()) is says["folds"]
        if says["posting"] != "between":
            assert (OURS in hidden, OURS in shown) == (True, False)
            more = squeezed(shown).replace(squeezed(says["new"][0]), "", 1)
            assert more in ("", squeezed(says["signature"])), (
                "only what nothing marks as a signature may stay"
            )


def test_nearly_all_signatures_are_folded_too():
    seen = {"html": [0, 0], "text": [0, 0]}
    for path in CLIENTS:
        says, mail = expected(path), parse(filled(path))
        if not says["signature"]:
            continue
        forms = {"text": fold_text(mail.text).quoted}
        if mail.html:
            forms["html"] = halves(clean_html(mail.html, {}).html)[1]
        for form, hidden in forms.items():
            seen[form][0] += squeezed(says["signature"]) in squeezed(hidden)
            seen[form][1] += 1
    for form, (folded, all_) in seen.items():
        assert folded / all_ >= 0.8, (form, folded, all_)


BARE = (
    "outlook-classic",
    "outlook-new",
    "outlook-mac",
    "outlook-ios",
    "gmx",
    "lotus-notes",
    "samsung",
    "exchange-no-references",
)
ANSWERS = ("Ja.", "Nein, bitte erst am Freitag liefern.", "88-1204", "Ok")


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("name", [*BARE, "gmail-web", "apple-mail", "thunderbird"])
def test_an_answer_that_nobody_announced_between_our_own_lines_stays_visible(name: str, answer: str) -> None:
    """Programs that mark what they quote need no help in plain text; the others and all HTML are compared."""
    question = "Hilft Ihnen das?"
    between = replace(
        SAMPLE,
        text=SAMPLE.text.replace(question, f"{question}\n{answer}"),
        html=SAMPLE.html.replace(question, f'{question}<br><span style="color:red">{answer}</span>'),
    )
    mail = parse(filled(FOLDER / f"{name}-de.eml", between))
    if name in BARE or not mail.html:
        assert answer in fold_text(mail.text, sent=lambda: SAMPLE.text).visible
    if mail.html:
        assert answer in halves(clean_html(mail.html, {}, sent=lambda: SAMPLE.text).html)[0]


@pytest.mark.parametrize("path", CLIENTS, ids=lambda path: path.stem)
def test_knowing_our_own_words_opens_no_history_without_reason(path: Path) -> None:
    mail = parse(filled(path))
    assert fold_text(mail.text, sent=lambda: SAMPLE.text) == fold_text(mail.text)
    if mail.html:  # more may be folded: what trails the last answer is known to be ours
        known, unknown = (
            halves(clean_html(mail.html, {}, sent=sent).html)[1] for sent in (lambda: SAMPLE.text, None)
        )
        assert squeezed(unknown).replace(">", "") in squeezed(known).replace(">", "")


def test_the_history_of_another_mail_and_a_disclaimer_below_ours_are_no_answers():
    block = "Danke!\n\nVon: Acme <s@acme.example>\nGesendet: Montag\nAn: Carol\nBetreff: Frage\n\n"
    disclaimer = "\nDiese E-Mail ist vertraulich und nur für den Empfänger bestimmt.\n"
    for history in (SAMPLE.text + disclaimer, "Ein ganz anderer Text, den wir nicht geschrieben haben."):
        assert fold_text(block + history, sent=lambda: SAMPLE.text).quoted.endswith(history)


def test_the_templates_leave_nothing_unfilled():
    for path in CLIENTS:
        raw = filled(path)
        assert b"@@" not in raw, path
        mail = parse(raw)
        assert mail.sender.address == "carol@kunde.example" and mail.date is not None
        signals = expected(path)["signals"]
        known = (*mail.in_reply_to, *mail.references)
        assert (SAMPLE.message_id in known) == ("signed_id" in signals), path
        assert (SAMPLE.address in {to.address for to in mail.to}) == ("reply_address" in signals), path
        assert ("[#1042]" in mail.subject) == ("subject" in signals), path
        assert ("ref:1042." in mail.html + mail.text) == ("marker" in signals), path


HEADED = "{above}\n\nVon: Acme <s@acme.example>\nGesendet: Montag\nAn: Carol\nBetreff: Frage\n\n{history}"


@pytest.mark.parametrize(
    "above", ["siehe Anhang", "I see, thanks.", "That is below our price.", "See you", "Hier die Bilder:"]
)
def test_ordinary_words_and_a_colon_open_no_history_that_is_ours(above: str) -> None:
    text = HEADED.format(above=above, history=SAMPLE.text)
    assert fold_text(text, sent=lambda: SAMPLE.text).visible == f"{above}\n\n"
    page = clean_html(filled_above("outlook-classic-de", above), {}, sent=lambda: SAMPLE.text).html
    assert OURS in halves(page)[1]
    if not above.endswith(":"):  # where we do not know what we sent, something is announced
        assert fold_text(text).visible == f"{above}\n\n"


@pytest.mark.parametrize(
    "above",
    [
        "siehe unten", "Please see below.", "Meine Antworten im Text.", "My answers are inline.", "Antworten in rot", "voir ci-dessous",
        "zie hieronder", "vedi sotto", "ver más abajo", "veja abaixo", "patrz poniżej", "viz níže", "см. ниже", "se nedan", "se nedenfor",
        "katso alta", "lásd alább", "vezi mai jos", "δείτε παρακάτω",
    ],
)  # fmt: skip
def test_words_that_point_into_a_history_keep_it_open(above: str) -> None:
    text = HEADED.format(above=above, history="Eine Frage?\nNein.\n")
    assert fold_text(text).quoted == ""
    assert OURS in halves(clean_html(filled_above("outlook-classic-de", above), {}).html)[0]


def filled_above(name: str, above: str) -> str:
    page = parse(filled(FOLDER / f"{name}.eml")).html
    return page.replace("Am Montag schrieb mir Ihr Lager, sie sei unterwegs.", above).replace("Mit freundlichen Grüßen", "").replace(
        '<span lang="DE" style="mso-fareast-language:EN-US">Carol Käfer', "<span>"
    )  # fmt: skip


def test_an_answer_typed_behind_a_quoted_line_stays_visible() -> None:
    quoted = "".join(f"> {line}\n" for line in SAMPLE.text.splitlines())
    text = f"Hallo,\n\nAm 23.11.26 um 10:00 schrieb Acme:\n{quoted}"
    assert fold_text(text, sent=lambda: SAMPLE.text).quoted
    answered = text.replace("Hilft Ihnen das?", "Hilft Ihnen das? Ja")
    assert fold_text(answered, sent=lambda: SAMPLE.text).quoted == ""
    opening = f"Am 23.11.26 um 10:00 schrieb Acme:\n{quoted}\nDanke!\n"
    assert fold_text(opening, sent=lambda: SAMPLE.text).opening
    assert not fold_text(opening.replace("das?", "das? Ja"), sent=lambda: SAMPLE.text).opening


def test_an_answer_below_our_own_signature_is_no_part_of_it() -> None:
    text = HEADED.format(
        above="Guten Tag,", history="Welche Nummer?\n\n-- \nBob\nAcme GmbH\n\nTel. 0151 4711\n"
    )
    sent = "Welche Nummer?\n\n-- \nBob\nAcme GmbH\n"
    assert "4711" in fold_text(text, sent=lambda: sent).visible


def test_one_answer_between_opens_what_lies_deeper() -> None:
    """A block of fields in our own mail begins no second history below a first one with answers in it."""
    ours = "Welche?\n\nVon: Lager <l@acme.example>\nAn: uns\nBetreff: Teile\n\nrot oder blau\n"
    text = HEADED.format(above="Hallo", history=ours.replace("Welche?", "Welche?\nDie rote."))
    assert fold_text(text, sent=lambda: ours).quoted == ""
