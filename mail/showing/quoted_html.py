"""What trails the new text in HTML that has been cleaned already: signature, history, signature.

Works on the serialised output of the cleaner, where every tag is closed and quoted, and adds nothing
but a constant `<details>` around whole elements: what was safe before stays safe.
The cleaner leaves `MARK` and a kind on elements that mail programs use for quotes and signatures.
Content is counted in characters that can be seen; that is how »nothing was written below« is known.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from mail.showing.added_words import Comparison
from mail.showing.headings import begins_history, header_labels, is_attribution
from mail.showing.markup_lines import NO_ASIDES, TAG, lines_of, spelled_out, without_asides
from mail.showing.program_words import every
from mail.showing.quotes import answered_below, is_our_marker, without_heading
from mail.showing.signatures import is_footer, is_signature

MARK = "poststelle-quote-"
OPEN, CLOSE = '<details class="quote"><summary>…</summary>', "</details>"
MAX_CANDIDATES = 300
MAX_ATTRIBUTION = 400  # characters that are not spaces
MAX_SIGNATURE = 2000
MAX_CHECKED = 200_000  # characters of a history that are compared with what we sent
MAX_CLOSINGS = 4  # signature, history, signature, footer

_NOT_WORDS = re.compile(r"&nbsp;|[\s\u200b\ufeff\u00ad]+")
_VOID = {"br", "hr", "img", "wbr", "col"}
_TOP_RULE = re.compile(r"border-top:\s*solid|border-top:[^;\"]{0,40}\bsolid\b")
_BLOCKS = {"div", "p", "blockquote", "td", "center", "section"}


@dataclass(slots=True)
class _Element:
    name: str
    kind: str
    start: int  # offset of the opening tag
    inner: int  # offset after it
    content: int  # characters that can be seen before it
    parent: int
    close: int = -1  # offset of the closing tag
    end: int = -1  # offset after it
    content_end: int = 0


@dataclass(slots=True)
class _Span:
    """A piece of markup between whole siblings."""

    start: int
    end: int
    content: int  # characters that can be seen before it
    content_end: int  # and up to its end
    parent: int
    history: bool = True
    marked: bool = False  # the program says that it is quoted
    announced: bool = False  # stays open where our own words are not known: the words above end in a colon


def fold(markup: str, sent: Callable[[], str] | None = None) -> str:
    """Wrap what trails the new text, if it is recognised beyond doubt, else return `markup` as it is.

    `sent` as in `mail.showing.quotes.fold_text`: a history with other words than ours between its lines stays
    open.
    """
    page = _Page(markup, sent)
    spans: list[_Span] = []
    end, histories = page.total, 0
    for _ in range(MAX_CLOSINGS):
        span = _signature(page, end)
        if span is None and not histories:
            span, histories = _history(page, end), 1
        if span is None:
            break
        spans.append(span)
        end = span.content
    if not any(span.history for span in spans) and (opening := _opening(page, end)) is not None:
        spans.append(opening)
    for span in _merged(spans):
        markup = markup[: span.start] + OPEN + markup[span.start : span.end] + CLOSE + markup[span.end :]
    return markup


class _Page:
    """The elements in order of their opening tags, and what can be seen of them."""

    def __init__(self, markup: str, sent: Callable[[], str] | None = None) -> None:
        self.markup, self._comparison = markup, Comparison(sent)
        self.elements: list[_Element] = []
        open_: list[int] = []
        content, position = 0, 0
        for match in TAG.finditer(markup):
            content += self._seen(position, match.start())
            position = match.end()
            name, attributes = match[2], match[3]
            if match[1]:
                if open_ and self.elements[open_[-1]].name == name:
                    element = self.elements[open_.pop()]
                    element.close, element.end, element.content_end = match.start(), position, content
                continue
            parent = open_[-1] if open_ else -1
            element = _Element(name, _kind(name, attributes), match.start(), position, content, parent)
            if name in _VOID:
                content += name == "img"
                element.close = element.end = position
                element.content_end = content
            else:
                open_.append(len(self.elements))
            if name != "br":  # there are too many of them
                self.elements.append(element)
        self.total = content + self._seen(position, len(markup))

    def _seen(self, start: int, end: int) -> int:
        between = self.markup[start:end]
        if not between or between.isspace() or is_our_marker(between):
            return 0
        return len(_NOT_WORDS.sub("", between))

    def lines(self, element: _Element, limit: int = 4000) -> list[str]:
        return lines_of(self.markup[element.inner : min(element.close, element.inner + limit)])

    def words_before(self, offset: int) -> str:
        """What was written above: where it begins and where it ends, if it is endless."""
        above = self.markup[:offset]
        if offset > 40_000:
            above = above[:20_000] + above[-20_000:]
        return html.unescape(TAG.sub(" ", above))

    def span(self, first: _Element, last: _Element, *, history: bool = True, marked: bool = False) -> _Span:
        return _Span(first.start, last.end, first.content, last.content_end, first.parent, history, marked)

    def adds_words(self, span: _Span) -> bool | None:
        """Whether somebody wrote between its lines; None where what we sent is not known, or was another mail."""
        if self._comparison.known and span.end - span.start > MAX_CHECKED:
            return True
        return self._comparison.adds_words(lambda: self._history(span), marked=span.marked)

    def _history(self, span: _Span) -> str:
        """Its lines below the heading, with what can be seen of them beside words."""
        lines = lines_of(spelled_out(self.markup[span.start : span.end]))
        below = len(without_heading([without_asides(line) for line in lines]))
        return "\n".join(lines[len(lines) - below :]).translate(NO_ASIDES)


def _kind(name: str, attributes: str) -> str:
    found = attributes.find(MARK)
    if found >= 0:
        return attributes[found + len(MARK) :].partition('"')[0]
    return "rule" if name == "div" and "border-top" in attributes and _TOP_RULE.search(attributes) else ""


# --- signatures


def _signature(page: _Page, end: int) -> _Span | None:
    """An element that a program marks as its signature, or a footer in one of its own, reaching to `end`."""
    for index, element in _ending_at(page, end):
        if not 0 < end - element.content <= MAX_SIGNATURE:
            continue
        lines = page.lines(element)
        if element.kind == "signature":
            if is_signature(lines):
                return page.span(_with_dashes(page, index), element, history=False)
        elif element.name in _BLOCKS and len(lines) == 1 and is_footer(lines[0]):
            return page.span(element, element, history=False)
    return None


def _with_dashes(page: _Page, index: int) -> _Element:
    """Gmail's `-- ` stands in an element of its own before the signature."""
    element = page.elements[index]
    for before in _earlier_siblings(page, index):
        if before.kind == "signature" and before.content_end == element.content:
            return before
    return element


# --- history


def _history(page: _Page, end: int) -> _Span | None:
    candidates = (
        index
        for index, e in enumerate(page.elements)
        if e.end > 0 and 0 < e.content < end and (e.kind or e.name == "blockquote" or e.name in _BLOCKS)
    )
    tried = 0
    for index in candidates:
        element = page.elements[index]
        if not element.kind and element.name != "blockquote" and not _may_head(page, element):
            continue
        tried += 1
        if tried > MAX_CANDIDATES:
            return None
        span = _span(page, index, end)
        if span is None:
            continue
        added = page.adds_words(span)
        if added:
            return None
        if added is False or not span.announced:
            return span
    return None


_HEADS = re.compile(
    rf"(?i)[\s*]*(?:-{{2,20}}\s*\w|(?:{every('sender')}|{every('sent')}|{every('subject')})\s?(?:</\w+>\s*)*:)"
)
_LEADING_TAGS = re.compile(r"(?:\s|&nbsp;|<[^<>]*>)*")


def _may_head(page: _Page, element: _Element) -> bool:
    """Quickly: whether the first words in a block are those of a heading that no mark announces."""
    start = page.markup[element.inner : element.inner + 600]
    return _HEADS.match(start, _LEADING_TAGS.match(start).end()) is not None  # type: ignore[union-attr]


def _span(page: _Page, index: int, end: int) -> _Span | None:
    element = page.elements[index]
    if element.kind == "container":
        return _container(page, index, end)
    if element.kind == "cite" or element.name == "blockquote":
        if element.content_end != end:
            return None  # somebody wrote below
        span = _cite(page, index)
        named = element.kind == "cite" or (span is not None and span.start < element.start)
        if span is not None and not named and not begins_history(page.lines(element)):
            span.announced = True
        return span
    if element.kind in ("prefix", "signature"):
        return None  # the blockquote that follows decides
    return _outlook(page, index, end)


def _container(page: _Page, index: int, end: int) -> _Span | None:
    """An attribution and one blockquote, or (Yahoo) an attribution and all the rest."""
    outer, inner = page.elements[index], False
    if outer.content_end != end:
        return None
    for element in islice(page.elements, index + 1, index + 200):
        if element.start > outer.close:
            break
        if element.name == "blockquote":
            short = element.content - outer.content <= MAX_ATTRIBUTION
            whole = element.content_end == outer.content_end
            if short:
                return page.span(outer, outer, marked=True) if whole else None
            inner = True
            break
    lines = page.lines(outer)
    sure = lines and is_attribution(lines[0]) and "@" in lines[0]
    if not sure or answered_below(page.words_before(outer.start)):
        return None
    span = page.span(outer, outer)
    span.announced = inner  # what stands above that blockquote may be new
    return span


def _cite(page: _Page, index: int) -> _Span | None:
    """A blockquote, with the line »Am … schrieb …:« before it if that is an element of its own."""
    element = page.elements[index]
    first = element
    for before in _earlier_siblings(page, index):
        if before.content_end != element.content:
            break
        if before.content == before.content_end:
            continue
        if before.kind == "prefix" or is_attribution("\n".join(page.lines(before, 1500))):
            first = before
        break
    parent, announced = element.parent, False
    while parent >= 0:
        if page.elements[parent].kind == "container":
            announced = True  # already looked at as a whole
        parent = page.elements[parent].parent
    if not first.content:
        return None
    span = page.span(first, element, marked=True)
    span.announced = announced
    return span


def _outlook(page: _Page, index: int, end: int) -> _Span | None:
    """Outlook puts the history beside its header block, not inside: all that follows up to the end."""
    first = page.elements[index]
    heading = _heading_from(page, index)
    if not heading:
        return None
    before = page.words_before(first.start)
    if answered_below(before):
        return None
    element, outer = first, first.parent
    while outer >= 0 and page.elements[outer].content_end != end:
        parent = page.elements[outer]
        if parent.content != first.content or parent.kind == "container":
            return None  # the history would begin in the middle of something else
        element, outer = parent, parent.parent
    if outer < 0 and page.total != end:
        return None
    stop = page.elements[outer].close if outer >= 0 else len(page.markup)
    start = element.start
    for empty in _earlier_siblings(page, page.elements.index(element)):
        if empty.content != first.content or empty.content_end != first.content:
            break
        if empty.name != "hr" and empty.inner != empty.close:
            break
        start = empty.start
    if stop <= start:
        return None
    return _Span(start, stop, first.content, end, outer, announced=before.rstrip().endswith(":"))


def _heading_from(page: _Page, index: int) -> bool:
    """Whether the block, with its later siblings for programs that use one for each line, is a heading."""
    element = page.elements[index]
    close = page.elements[element.parent].close if element.parent >= 0 else len(page.markup)
    within = page.lines(element)
    if element.kind in ("header", "rule"):
        return header_labels(within)
    if begins_history(within) and header_labels(within[1:] if within[0].startswith("-") else within):
        return True
    around = _Element("", "", element.start, element.start, 0, -1, close=close)
    lines = page.lines(around, 3000)
    return bool(lines) and lines[0].startswith("-") and begins_history(lines) and header_labels(lines[1:])


def _opening(page: _Page, end: int) -> _Span | None:
    """One history that opens the mail, all new text standing below it (Thunderbird's way)."""
    quotes = [i for i, e in enumerate(page.elements) if e.name == "blockquote" and e.end > 0]
    if not quotes:
        return None
    element = page.elements[quotes[0]]
    if any(page.elements[i].start > element.close for i in quotes) or element.content_end >= end:
        return None
    if element.content > MAX_ATTRIBUTION:
        return None
    span = _opened_by(page, quotes[0], element)
    return None if span is None or page.adds_words(span) else span


def _opened_by(page: _Page, index: int, element: _Element) -> _Span | None:
    """The blockquote with the line »Am … schrieb …:« above it, if there is any."""
    if element.content == 0:
        return page.span(element, element, marked=True) if element.kind == "cite" else None
    for before in _earlier_siblings(page, index):
        if before.content == 0 and before.content_end == element.content:
            words = "\n".join(page.lines(before, 1500))
            named = is_attribution(words) or (before.kind == "prefix" and element.kind == "cite")
            return page.span(before, element, marked=True) if named else None
    return None


# --- elements and spans


def _ending_at(page: _Page, end: int) -> Iterator[tuple[int, _Element]]:
    found = (
        (index, element)
        for index, element in enumerate(page.elements)
        if element.end > 0 and element.content < end == element.content_end and element.content > 0
    )
    return islice(found, MAX_CANDIDATES)


def _earlier_siblings(page: _Page, index: int) -> Iterator[_Element]:
    """Nearest first, at most 20 elements back."""
    parent = page.elements[index].parent
    for before in reversed(page.elements[max(index - 40, 0) : index]):
        if before.parent == parent and before.end > 0:
            yield before


def _merged(spans: list[_Span]) -> list[_Span]:
    """Last first; siblings with nothing to be seen between them become one, and one click opens both."""
    merged: list[_Span] = []
    for span in sorted(spans, key=lambda span: -span.start):
        below = merged[-1] if merged else None
        if below is not None and (below.parent, below.content) == (span.parent, span.content_end):
            below.start, below.content = span.start, span.content
        else:
            merged.append(span)
    return merged
