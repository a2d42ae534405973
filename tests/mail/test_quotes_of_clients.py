"""The answers of 35 mail programs: what is new is shown, what they quote is folded, nothing is lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mail.clean import clean_html, fold_text, text_of
from mail.parse import parse
from tests.clients import CLIENTS, SAMPLE, expected, filled

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
