"""What a mail made to be costly may cost, in seconds of the processor: the database is held while it is read."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from mail.showing import added_words, markup_lines, notices
from mail.showing.clean import finish, fold_text, sanitize

OURS = "\n".join(f"Wort{i} und noch{i} etwas{i} mehr{i} Text{i}" for i in range(5_000))[:199_000]
THEIRS = " ".join(f"fremd{i}" for i in range(16_000))
HEADING = "Hallo\n\nAm 20. November 2026 um 10:15 schrieb Carol <carol@kunde.example>:\n"


def _seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


@pytest.mark.parametrize(
    ("opened", "closed"),
    [
        ("<blockquote>x ", "</blockquote>"),
        ('<div class="gmail_quote">x <blockquote>x ', "</blockquote></div>"),
        ("<div>x <blockquote type=cite>x ", "</blockquote></div>"),
    ],
)
def test_a_page_of_nested_quotations_costs_no_more_than_a_few_comparisons(opened: str, closed: str) -> None:
    page = f"<p>Hallo</p>{opened * 200}{THEIRS}{closed * 200}"
    assert len(page) > 150_000
    safe = sanitize(page)
    assert _seconds(lambda: finish(safe, {}, sent=lambda: OURS)) < 1


def test_our_mail_is_read_once_for_all_comparisons() -> None:
    asked: list[int] = []

    def sent() -> str:
        asked.append(1)
        return OURS

    finish(sanitize("<p>Hallo</p>" + "<blockquote>x " * 30 + THEIRS + "</blockquote>" * 30), {}, sent=sent)
    assert len(asked) == 1


@pytest.mark.parametrize("line", ["\n", "> \n", ">\n", "\r\n", "\xa0\n", "\t\n", " ", ">"])
def test_empty_lines_of_ours_cost_nothing(line: str) -> None:
    sent = "Guten Tag,\n" + line * 20_000 + "1. Ende"
    history = "".join(f"> {words}\n" for words in OURS.split("\n")[:500])
    assert _seconds(lambda: fold_text(HEADING + history, sent=lambda: sent)) < 0.5
    assert _seconds(lambda: fold_text(HEADING + sent, sent=lambda: OURS)) < 0.5


PATTERNS = [
    (f"{module.__name__}.{name}", pattern)
    for module in (added_words, markup_lines, notices)  # the others see single lines
    for name, pattern in vars(module).items()
    if isinstance(pattern, re.Pattern)
]  # fmt: skip


@pytest.mark.parametrize(("name", "pattern"), PATTERNS)
@pytest.mark.parametrize("blank", ["\n", "> \n", ">\n", "\r\n", "\n\t", "\n*", "\n-"])
def test_no_pattern_is_quadratic_in_lines_without_words(
    name: str, pattern: re.Pattern[str], blank: str
) -> None:
    text = "x" + blank * 4_000 + "x"
    assert _seconds(lambda: sum(1 for _ in pattern.finditer(text))) < 0.15, name
