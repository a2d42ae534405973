"""The only way to the HTML parser: what its tree may cost is known before it sees a stranger's HTML.

The HTML standard has an element that was closed too late opened again, with its attributes, in every block
that follows (WHATWG HTML, 13.2.4.3 and 13.2.6.1), so that a tree may be many times its source. Here an upper
bound of that is counted, without a model of the parser that somebody could lead astray: every formatting
element that is not closed in the very place where it was opened may come back at every tag.
"""

from __future__ import annotations

import re
from enum import Enum

import nh3

MAX_TREE = 16 * 1024 * 1024  # octets that a tree may take here; real mail stays below 2 MB
MAX_HTML_HERE = 256 * 1024  # characters; longer HTML is cleaned where nobody waits for it
MAX_DEPTH = 400  # the parser is quadratic in depth; real mail stays below 100
NODE = 256  # octets of an element with its text, measured

# What the standard calls formatting elements.
_FORMATTING = {
    "a",
    "b",
    "big",
    "code",
    "em",
    "font",
    "i",
    "nobr",
    "s",
    "small",
    "strike",
    "strong",
    "tt",
    "u",
}
# They may stand between a formatting element and its end without anything coming back.
_PHRASING = _FORMATTING | {
    "abbr", "acronym", "bdo", "cite", "del", "dfn", "ins", "kbd", "label", "mark", "o:p", "q", "samp", "span",
    "sub", "sup", "var",
}  # fmt: skip
_EMPTY = {"br", "img", "wbr"}
# Each `<`, so that no comment or quote can hide one. The last group is set for a tag whose attributes are written
# so strictly that every reader sees it end at the same `>`. Possessive throughout, so linear.
_TAG = re.compile(
    r"<(?:(/?)([a-zA-Z][^\s/>\"'<=]*+)"
    r"((?:\s++[^\s\"'<>/=]++(?:\s*+=\s*+(?:\"[^\"<>]*+\"|'[^'<>]*+'|[^\s\"'<>=`]++))?+)*+\s*+/?>)?+)?+"
)
_OPENING = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:-]*)")
# Void elements, and those that the parser closes by itself.
_NO_DEPTH = {
    "br", "img", "hr", "input", "meta", "link", "col", "area", "base", "wbr", "embed", "source", "param",
    "p", "li", "td", "th", "tr", "dt", "dd", "option", "html", "head", "body",
}  # fmt: skip
# A tag with 300 attributes, read as the HTML standard does; the parser compares each with all before.
# Possessive throughout, so linear, and tried at every `<`, so that no comment or quote can hide one.
_MANY_ATTRIBUTES = re.compile(
    r"<[a-zA-Z][^\s/>]*+"
    r"(?>[\s/]*+[^\s/>][^\s/>=]*+(?>\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s>\"'][^\s>]*+)?+)?+){300}"
)


class Where(Enum):
    """HERE: in the process that serves all. LIMITED: in a child whose memory and time are the kernel's business.

    NOWHERE: in a child again, since the parser cost the one before its life.
    """

    HERE = "here"
    LIMITED = "limited"
    NOWHERE = "nowhere"


class TooCostly(Exception):
    """The HTML must not be parsed here."""


_where = Where.HERE


def run_in(where: Where) -> None:
    """Said once, by a child."""
    global _where
    _where = where


def clean(cleaner: nh3.Cleaner, markup: str) -> str:
    """The markup by the allow-list of a cleaner. Raises TooCostly."""
    if _where is Where.NOWHERE or takes_seconds(markup):
        raise TooCostly
    if _where is Where.HERE and not _fits(markup):
        raise TooCostly
    return cleaner.clean(markup)


def is_plainly_small(markup: str) -> bool:
    """Whether its tree takes a moment and a few megabytes, whatever it says."""
    return len(markup) <= MAX_HTML_HERE and _fits(markup)


def _fits(markup: str) -> bool:
    return tree_octets(markup, MAX_TREE) <= MAX_TREE


def tree_octets(markup: str, at_most: int) -> int:
    """An upper bound of what the parsed markup takes in memory; exact only where it may be more than `at_most`."""
    tags = markup.count("<")
    own = 4 * len(markup) + tags * NODE
    if own + tags * tags * NODE // 4 + tags * len(markup) <= at_most:  # the usual case
        return own
    again, attributes = 0, 0  # formatting elements that may come back, and octets of their attributes
    open_here: list[tuple[str, int]] = []

    def let_go() -> None:
        nonlocal again, attributes
        again += len(open_here)
        attributes += sum(size for _, size in open_here)
        open_here.clear()

    for closing, name, strict in _TAG.findall(markup):
        name = name.lower()
        if strict and name in _EMPTY:
            continue
        if name not in _PHRASING:
            let_go()
        elif not strict:
            let_go()
            again, attributes = again + 1, attributes + len(markup)
        elif not closing:
            if name in ("a", "nobr") and any(name == other for other, _ in open_here):
                let_go()  # it ends the one before it
            open_here.append((name, 4 * len(strict)))
        elif open_here and open_here[-1][0] == name:
            open_here.pop()
        else:
            let_go()
            again += 1
    let_go()
    return own + tags * (again * NODE + attributes)


def takes_seconds(markup: str) -> bool:
    """Whether the parser would take seconds: absurdly deep nesting, or absurdly many attributes.

    A closing tag counts for its own name only, as the parser sees it.
    """
    if markup.count("<") < 4 * MAX_DEPTH:  # the usual case; four times the depth is still no harm
        return _MANY_ATTRIBUTES.search(markup) is not None
    opened: dict[str, int] = {}
    depth = 0
    for closing, name in _OPENING.findall(markup):
        name = name.lower()
        if name in _NO_DEPTH:
            continue
        if not closing:
            opened[name] = opened.get(name, 0) + 1
            depth += 1
        elif opened.get(name):
            opened[name] -= 1
            depth -= 1
        if depth > MAX_DEPTH:
            return True
    return _MANY_ATTRIBUTES.search(markup) is not None
