"""Where the history below an answer begins in plain text.

Only what reaches to the end is folded: signature, history, and a signature below it. A wrong fold hides what
a customer wrote, a missed one is merely long: so whenever anything below looks newly written, or nothing
would stay above, nothing is folded. A history that stands above all new text (an answer at the bottom) is
told apart as `opening`. One pass over the lines, each cut to `MAX_LINE` before a pattern sees it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from mail.showing.added_words import Comparison
from mail.showing.headings import (
    MAX_ATTRIBUTION_LINES,
    MAX_LABEL,
    MAX_LINE,
    attribution_end,
    begins_history,
    closes,
    header_labels,
    is_forward_line,
    is_rule,
    is_separator,
    joined,
    labels_end,
    names_an_address,
)
from mail.showing.program_words import every
from mail.showing.signatures import signature_start
from mail.types import Folded

MARKERS = (
    "##- Bitte oberhalb dieser Zeile antworten -##",
    "##- Please reply above this line -##",
)
MAX_LINES = 20_000  # a log, not a conversation

_FORWARD_SUBJECT = re.compile(
    rf"(?i)\s*(?:(?:re|aw|antw|sv)\s*:\s*)*(?:{every('passed_on')})\s*(?:\[\d+\])?\s*:"
)
# »VS« passes mail on in Danish and Norwegian, and answers it in Finnish: then our number stands behind it.
_FINNISH_ANSWER = re.compile(r"(?i)\s*vs\s*:.*\[#\d+\]")
_OUR_MARKER = re.compile(
    r"[\s>]*ref:\d{1,18}\.[a-zA-Z2-7]{26}:ref\s*"
)  # hidden in mails of ours (`mail.ids`)
# Words by which people say that they answered further down, inside the history; in lower case they are found sooner.
_ANSWERED_BELOW = re.compile(rf"(?<!\w)(?:{every('below')})(?!\w)")


def fold_text(text: str, *, forwarded: bool = False, sent: Callable[[], str] | None = None) -> Folded:
    """Split off what trails the new text; `visible + quoted == text` always. Linear in the length.

    `sent` tells the text of the mail of ours that is answered, asked for only if there is a history that may
    hold answers between its lines. Of a forwarded mail (`is_forward`) nothing is folded: it is what the
    sender wants to show.
    """
    lines = text.split("\n")
    if forwarded or len(lines) > MAX_LINES:
        return Folded(text)
    page = _Page(lines, sent)
    tail = signature_start(page.lines, len(lines))
    end = len(lines) if tail is None else tail
    start = _history_start(page, end)
    if start is None and tail is not None and _open_history(page, end):
        return Folded(text)  # that signature may be ours, with an answer below it
    opening = 0 if start is not None else _opening(page, end)
    cut = end if start is None else start
    above = signature_start(page.lines, cut)
    if above is not None and page.own[above] < page.own[opening]:
        cut = above
    if page.own[cut] == page.own[opening] or cut == len(lines):
        return Folded(text, opening=_length(lines, opening))
    length = _length(lines, cut)
    return Folded(text[:length], text[length:], _length(lines, opening))


def is_forward(subject: str) -> bool:
    """Whether the subject says that the mail was passed on (WG:, Fwd:, FW:, TR:, ENC:, VB: …)."""
    return _FORWARD_SUBJECT.match(subject) is not None and not _FINNISH_ANSWER.match(subject)


def is_our_marker(words: str) -> bool:
    """The hidden word that ties an answer to its ticket; nobody wrote it."""
    return _OUR_MARKER.fullmatch(words) is not None


def answered_below(visible: str) -> bool:
    """Whether these words point into the history: »siehe unten«, »my answers inline«, »in rot«."""
    return _ANSWERED_BELOW.search(visible.lower()) is not None


def without_heading(lines: list[str]) -> list[str]:
    """The lines of a history below its separator and labels, or its attribution, as far as there are any."""
    page = _Page(lines)
    below = _history_below(page, page.first) if page.first < len(lines) else None
    return lines[below:] if below is not None else lines


def _length(lines: list[str], count: int) -> int:
    return min(sum(len(line) + 1 for line in lines[:count]), max(sum(map(len, lines)) + len(lines) - 1, 0))


def _history_start(page: _Page, end: int) -> int | None:
    """The line where a history begins that reaches to `end`, below something new."""
    top = _top(page)
    if top is None:
        return None
    for i in range(top, end):
        if not page.filled[i]:
            continue
        if is_forward_line(page.lines[i]):
            return None  # a forwarded mail is what the customer wants to show
        if page.own[i] == page.own[top]:
            continue  # nothing was written yet that could stay visible
        if page.quoted[i] and page.only_quotes(i, end):
            return None if page.adds_words(i, end) else i
        below = _history_below(page, i)
        if below is None:
            continue
        if page.only_quotes(below, end):
            return None if page.adds_words(below, end) else i
        bare = _stands_bare(page, i, below, end)
        if bare is None:
            return None
        if bare:
            return i
    return None


def _open_history(page: _Page, end: int) -> bool:
    """Whether a history without `>` stands above `end`, which was not folded."""
    for i in range(page.first, end):
        if page.filled[i] and not page.quoted[i] and (below := _history_below(page, i)) is not None:
            first = next((k for k in range(below, end) if page.filled[k]), end)
            sure = begins_history(page.lines[i : i + 10]) or names_an_address(joined(page.lines[i:below]))
            if sure and first < end and not page.quoted[first]:
                return True
    return False


def _opening(page: _Page, end: int) -> int:
    """The line below one history that opens the mail, all new text standing under it; else 0."""
    below = _history_below(page, page.first) if page.first < end else None
    first = page.first if below is None else below
    quotes = next((i for i in range(first, end) if page.filled[i]), end)
    if quotes == end or not page.quoted[quotes]:
        return 0
    new = next((i for i in range(quotes, end) if page.filled[i] and not page.quoted[i]), end)
    if new == end or page.quotes[new] != page.quotes[end] or page.adds_words(quotes, new):
        return 0
    return new


def _top(page: _Page) -> int | None:
    """Where one's own words may begin: below a heading that opens the mail, if marked quotes follow it."""
    below = _history_below(page, page.first) if page.first < len(page.lines) else None
    if below is None:
        return page.first
    following = next((i for i in range(below, len(page.lines)) if page.filled[i]), None)
    return following if following is not None and page.quoted[following] else None


class _Page:
    """The lines, and from each on how many are quoted and how many are one's own."""

    def __init__(self, lines: list[str], sent: Callable[[], str] | None = None) -> None:
        self._comparison = Comparison(sent)
        self.lines = [line[:MAX_LINE] for line in lines]
        self.whole = lines
        self.quoted = [line.lstrip().startswith(">") for line in self.lines]
        self.filled = [bool(line.strip()) and not _OUR_MARKER.fullmatch(line) for line in self.lines]
        self.first = next((i for i, there in enumerate(self.filled) if there), len(lines))
        self.own = [0] * (len(lines) + 1)
        self.quotes = [0] * (len(lines) + 1)
        for i in range(len(lines) - 1, -1, -1):
            self.own[i] = self.own[i + 1] + (self.filled[i] and not self.quoted[i])
            self.quotes[i] = self.quotes[i + 1] + self.quoted[i]
        self.next_quote = [len(lines)] * (len(lines) + 1)
        for i in range(len(lines) - 1, -1, -1):
            self.next_quote[i] = i if self.quoted[i] else self.next_quote[i + 1]
        self.next_end = [len(lines)] * (len(lines) + 1)  # of an attribution
        for i in range(len(lines) - 1, -1, -1):
            self.next_end[i] = i if closes(self.lines[i]) else self.next_end[i + 1]
        self._answered, self._looked_at = False, 0

    def only_quotes(self, start: int, end: int) -> bool:
        return self.quotes[start] > self.quotes[end] and self.own[start] == self.own[end]

    def no_quotes(self, start: int, end: int) -> bool:
        return self.quotes[start] == self.quotes[end] and self.own[start] > self.own[end]

    def adds_words(self, start: int, end: int) -> bool | None:
        """Whether something stands between our own lines; None where that is not known."""
        marked = self.own[start] == self.own[end]

        def history() -> str:
            lines = self.whole[start:end]
            if marked:  # Apple Mail and Open-Xchange put the heading within
                lines = without_heading([line.lstrip()[1:].lstrip(" ") for line in lines])
            return "\n".join(lines)

        return self._comparison.adds_words(history, marked=marked)

    def answered_below(self, end: int) -> bool:
        """Whether a line before `end` says that the answers stand further down."""
        if not self._answered:
            self._answered = any(map(answered_below, self.lines[self._looked_at : end]))
            self._looked_at = max(end, self._looked_at)
        return self._answered


def _history_below(page: _Page, i: int) -> int | None:
    """The line after a heading of history that begins at line `i`, or None."""
    line = page.lines[i].strip()
    if line[-3:] == "-##" and line.lstrip("> ") in MARKERS:
        return i + 1
    if page.quoted[i]:
        return None
    separated = line[:1] in "*-" and is_separator(line)
    labels = i + 1 if separated or (line[:1] in "_-" and is_rule(line)) else i
    if (labels > i or ":" in line[:MAX_LABEL]) and header_labels(page.lines[labels : labels + 10]):
        return labels_end(page.lines, labels)
    if separated:
        return i + 1
    if page.next_end[i] >= i + MAX_ATTRIBUTION_LINES:
        return None
    following = next((k for k in range(i + 1, min(i + 4, len(page.lines))) if page.filled[k]), None)
    quoted_below = following is not None and page.quoted[following]
    return attribution_end(page.lines, i, quoted_below=quoted_below)


def _stands_bare(page: _Page, i: int, below: int, end: int) -> bool | None:
    """Whether a history without `>` may be folded; None if there are answers in it, and nothing may.

    Nobody says »siehe unten«; then our own words decide. Where those are not known: its heading is sure, nobody
    announces what follows, and marked quotes in it are the older history at its end.
    """
    first = next((k for k in range(below, end) if page.filled[k]), end)
    if page.answered_below(i) or first == end or page.quoted[first]:
        return False
    added = page.adds_words(
        below, len(page.lines)
    )  # a signature below our words may be ours, with answers under it
    if added is not None:
        return None if added else True
    if attribution_end(page.lines, i) == below and not names_an_address(joined(page.lines[i:below])):
        return False
    above = next((page.lines[k] for k in range(i - 1, max(i - 6, -1), -1) if page.filled[k]), "")
    if above.rstrip().endswith(":"):
        return False
    if page.no_quotes(below, end):
        return True
    older = page.next_quote[below]
    before = [k for k in range(max(below, older - 4), older) if page.filled[k]]
    named = any(attribution_end(page.lines, k) == before[-1] + 1 for k in before)
    return page.own[below] > page.own[older] and named and page.only_quotes(older, len(page.lines))
