"""Where the history below an answer begins in HTML that has been cleaned already.

Works on the serialised output of the cleaner, where every tag is closed and quoted, and adds nothing
but a constant `<details>` around whole elements: what was safe before stays safe.
The cleaner leaves `MARK` and a kind on elements that mail programs use for their quotes.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from itertools import islice

from mail.quotes import answered_below, header_labels

MARK = "poststelle-quote-"
OPEN, CLOSE = '<details class="quote"><summary>…</summary>', "</details>"
MAX_CANDIDATES = 500
MAX_PREFIX_ELEMENTS = 20
MAX_ATTRIBUTION = 400  # characters that are not spaces

_TAG = re.compile(r'<(/?)([a-z0-9]+)((?:[^<>"]|"[^"]*")*)>')
_LINE_END = re.compile(r"<br>|</?(?:p|div|tr|li)\b[^>]*>")
_NOT_WORDS = re.compile(r"&nbsp;|[\s\u200b\ufeff\u00ad]+")
_VOID = {"br", "hr", "img", "wbr", "col"}
_TOP_RULE = re.compile(r"border-top:\s*solid|border-top:[^;\"]{0,40}\bsolid\b")


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


def fold(markup: str) -> str:
    """Wrap a trailing history, if it is recognised beyond doubt, else return `markup` as it is."""
    elements, total = _elements(markup)
    candidates = (i for i, e in enumerate(elements) if e.kind and e.end > 0 and e.content > 0)
    for index in islice(candidates, MAX_CANDIDATES):
        span = _span(markup, elements, index, total)
        if span is not None:
            start, end = span
            return markup[:start] + OPEN + markup[start:end] + CLOSE + markup[end:]
    return markup


def _elements(markup: str) -> tuple[list[_Element], int]:
    elements: list[_Element] = []
    open_: list[int] = []
    content, position = 0, 0
    for match in _TAG.finditer(markup):
        between = markup[position : match.start()]
        if between and not between.isspace():
            content += len(_NOT_WORDS.sub("", between))
        position = match.end()
        name, attributes = match[2], match[3]
        if match[1]:
            if open_ and elements[open_[-1]].name == name:
                element = elements[open_.pop()]
                element.close, element.end, element.content_end = match.start(), position, content
        elif name in _VOID:
            content += name == "img"
            if name == "hr":
                elements.append(
                    _Element("hr", "", match.start(), position, content, -1, position, position, content)
                )
        else:
            parent = open_[-1] if open_ else -1
            open_.append(len(elements))
            kind = _kind(name, attributes)
            elements.append(_Element(name, kind, match.start(), position, content, parent))
    return elements, content + len(_NOT_WORDS.sub("", markup[position:]))


def _kind(name: str, attributes: str) -> str:
    found = attributes.find(MARK)
    if found >= 0:
        return attributes[found + len(MARK) :].partition('"')[0]
    return "rule" if name == "div" and "border-top" in attributes and _TOP_RULE.search(attributes) else ""


def _span(markup: str, elements: list[_Element], index: int, total: int) -> tuple[int, int] | None:
    element = elements[index]
    if element.kind in ("header", "rule"):
        return _outlook(markup, elements, index, total)
    if element.content_end != total:
        return None  # somebody wrote below
    if element.kind == "container":
        return (element.start, element.end) if _only_quote(elements, index) else None
    if element.kind == "cite":
        return _cite(elements, index)
    return None  # a prefix: the blockquote that follows decides


def _cite(elements: list[_Element], index: int) -> tuple[int, int] | None:
    """A blockquote, with the line »Am … schrieb …:« before it that Thunderbird marks."""
    element = elements[index]
    for before in reversed(elements[max(index - MAX_PREFIX_ELEMENTS, 0) : index]):
        if (
            before.kind == "prefix"
            and before.parent == element.parent
            and before.content_end == element.content
        ):
            return (before.start, element.end) if before.content else None
    parent = element.parent
    while parent >= 0:
        if elements[parent].kind == "container":
            return None  # already looked at as a whole
        parent = elements[parent].parent
    return element.start, element.end


def _only_quote(elements: list[_Element], index: int) -> bool:
    """An attribution and one blockquote; words after or between quotes are answers."""
    outer = elements[index]
    for element in elements[index + 1 :]:
        if element.start > outer.close:
            break
        if element.name == "blockquote" or element.kind == "cite":
            short = element.content - outer.content <= MAX_ATTRIBUTION
            return short and element.content_end == outer.content_end
    return False


def _outlook(markup: str, elements: list[_Element], index: int, total: int) -> tuple[int, int] | None:
    """Outlook puts the history beside its header block, not inside: all that follows up to the end."""
    first = elements[index]
    if not header_labels(_lines(markup[first.inner : first.inner + 4000])):
        return None
    if answered_below(_words(markup[: first.start])):
        return None
    element, end = first, -1
    while True:
        parent = elements[element.parent] if element.parent >= 0 else None
        end = parent.close if parent else len(markup)
        if parent is None or parent.content_end == total:
            break
        if parent.content != first.content or parent.kind == "container":
            return None  # the history would begin in the middle of something else
        element = parent
    return (element.start, end) if end > element.start else None


def _lines(markup: str) -> list[str]:
    text = _LINE_END.sub("\n", markup.replace("\n", " "))
    lines = (" ".join(html.unescape(_TAG.sub("", line)).split()) for line in text.split("\n"))
    return [line for line in lines if line]


def _words(markup: str) -> str:
    return html.unescape(_TAG.sub(" ", markup))
