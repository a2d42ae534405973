"""The words of HTML, as a person would type them.

On nh3's parser, because that reads any tag soup in the same way as the browser later does. Libraries
that write Markdown escape what the sender wrote (`1\\.`) and cost twenty times as much.
"""

from __future__ import annotations

import html
import re

import nh3

from mail.reading import html_tree

MAX_HTML = 500_000  # characters
MAX_LINK = 300  # longer targets are tracking, not reading matter
MAX_PREFIXES = 10

_PARAGRAPHS = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "pre"}
_LINES = {"table", "div", "tr", "li", "center", "section", "article", "dt", "dd"}
_CLEANER = nh3.Cleaner(
    tags=_PARAGRAPHS | _LINES | {"br", "hr", "td", "th", "blockquote", "a"},
    attributes={"a": {"href"}},
    clean_content_tags={"script", "style", "title", "template", "noscript"},
    url_schemes={"http", "https"},
    link_rel=None,
)
# For the few mails that keep their lines by a style; it costs more.
_STYLED = nh3.Cleaner(
    tags=_PARAGRAPHS | _LINES | {"br", "hr", "td", "th", "blockquote", "a", "span"},
    attributes={"a": {"href"}, "*": {"style"}},
    filter_style_properties={"white-space"},
    clean_content_tags={"script", "style", "title", "template", "noscript"},
    url_schemes={"http", "https"},
    link_rel=None,
)
_KEEPS_LINES = re.compile(r"(?i)white-space\s*:\s*(?:pre|break-spaces)")
ENRICHED = ("text/enriched", "text/richtext")
_ENRICHED_PARAMETER = re.compile(r"(?i)<param>[^<]{0,1000}</param>")
_ENRICHED_LINE_ENDS = re.compile(r"\n+")
_ENRICHED_TAG = re.compile(r"</?[a-zA-Z0-9-]{1,60}>")
_STYLE = r'(?: style="white-space:([a-zA-Z-]+)[^"]*")?'
_TOKEN = re.compile(rf'<(/?)([a-z0-9]+){_STYLE}(?: href="([^"]*)")?{_STYLE}[^<>]*>|([^<]+)')
_SPACES = re.compile(r"\s+")
_DATA_URI = re.compile(r"data:[\w/+.-]{1,80};base64,[A-Za-z0-9+/=\s%]*")
_ANY_TAG = re.compile(r"<[^<>]*>?")
_MANY_BLANKS = re.compile(r"\n{3,}")


def text_of(markup: str) -> str:
    """Plain text of HTML: paragraphs, lines, lists, `> ` quotes, link targets in brackets.

    Reads at most `MAX_HTML` characters. Never raises.
    """
    if "base64," in markup:
        markup = _DATA_URI.sub("", markup)
    markup = markup[:MAX_HTML]
    styled = "white-space" in markup.lower() and _KEEPS_LINES.search(markup) is not None
    try:
        return _Writer(styled).write(html_tree.clean(_STYLED if styled else _CLEANER, markup))
    except html_tree.TooCostly:
        return html.unescape(_ANY_TAG.sub(" ", markup)).strip()


def text_of_enriched(words: str) -> str:
    """The words of text/enriched (RFC 1896) and of its forerunner text/richtext (RFC 1341).

    A line end alone is a blank, further ones are line ends; a doubled `<` is one.
    """
    words = _ENRICHED_PARAMETER.sub("", words[:MAX_HTML])
    words = _ENRICHED_LINE_ENDS.sub(lambda found: found[0][1:] or " ", words)
    words = words.replace("<nl>", "\n").replace("<np>", "\n\n").replace("<lt>", "<<").replace("<<", "\0")
    return _ENRICHED_TAG.sub("", words).replace("\0", "<").strip()


def unflowed(text: str) -> str:
    """The paragraphs of format=flowed with DelSp=yes (RFC 3676), whose lines may end within a word.

    Without DelSp a reader loses nothing by lines as they are, and a quotation keeps its marks.
    """
    lines: list[str] = []
    flows = False  # the last of them goes on in the next
    depth = 0
    for line in text.split("\n"):
        marks = len(line) - len(line.lstrip(">"))
        words = line[marks:].removeprefix(" ")
        if flows and marks == depth and words != "-- ":
            lines[-1] += words
        else:
            lines.append((">" * marks + " " if marks else "") + words)
        flows, depth = words.endswith(" ") and words != "-- ", marks
        if flows:
            lines[-1] = lines[-1][:-1]
    return "\n".join(lines)


class _Writer:
    """Lines grow at the end; blocks only ask for breaks, so that nested ones do not add up."""

    def __init__(self, styled: bool) -> None:
        self.styled = styled
        self.keeps: list[
            bool
        ] = []  # whether the open elements keep their lines by a style, the innermost last
        self.lines: list[str] = []
        self.line = ""
        self.quotes = 0
        self.pre = 0
        self.lists: list[int] = []  # the next number, or 0 for bullets
        self.links: list[tuple[str, int, int]] = []  # target and where its words began

    def write(self, markup: str) -> str:
        for closing, name, before, href, after, words in _TOKEN.findall(markup):
            if words:
                self._words(html.unescape(words) if "&" in words else words)
            elif closing:
                self._close(name)
                if self.keeps:
                    self.keeps.pop()
            else:
                self._open(name, html.unescape(href))
                if self.styled and name not in ("br", "hr"):
                    self.keeps.append(self._keeps_lines(before or after))
        self._end_line()
        return _MANY_BLANKS.sub("\n\n", "\n".join(self.lines)).strip("\n")

    def _keeps_lines(self, white_space: str) -> bool:
        if white_space:
            return white_space.lower().startswith(("pre", "break-spaces"))
        return bool(self.keeps) and self.keeps[-1]

    def _words(self, words: str) -> None:
        if self.pre or (self.keeps and self.keeps[-1]):
            first, *more = words.split("\n")
            self.line += first
            for line in more:
                self._end_line(always=True)
                self.line = line
            return
        words = _SPACES.sub(" ", words)
        self.line += words.lstrip() if not self.line or self.line.endswith(" ") else words

    def _open(self, name: str, href: str) -> None:
        if name == "br":
            self._end_line(always=True)
        elif name in ("td", "th"):
            self._words(" ")
        elif name == "a":
            self.links.append((href, len(self.lines), len(self.line)))
        elif name == "li":
            self._end_line()
            number = self.lists[-1] if self.lists else 0
            self.line = "  " * (len(self.lists[:MAX_PREFIXES]) - 1) + (f"{number}. " if number else "- ")
            if number:
                self.lists[-1] = number + 1
        elif name == "hr":
            self._end_line()
            self.lines.append(self._prefix() + "-" * 20)
        elif name in _PARAGRAPHS or name == "blockquote":
            self._blank_line(nested=name in ("ul", "ol") and bool(self.lists))
        elif name in _LINES:
            self._end_line()
        if name in ("ul", "ol"):
            self.lists.append(1 if name == "ol" else 0)
        self.quotes += name == "blockquote"
        self.pre += name == "pre"

    def _close(self, name: str) -> None:
        if name == "a" and self.links:
            self._name_target(*self.links.pop())
        elif name == "blockquote":
            self._end_line()
            self.quotes = max(self.quotes - 1, 0)
            self._blank_line()
        elif name in _PARAGRAPHS:
            if name in ("ul", "ol") and self.lists:
                self.lists.pop()
            self._blank_line(nested=bool(self.lists))
        elif name in _LINES:
            self._end_line()
        self.pre -= name == "pre" and self.pre > 0

    def _name_target(self, href: str, line: int, column: int) -> None:
        words = self.line[column:] if line == len(self.lines) else " ".join((*self.lines[line:], self.line))
        bare = href.partition("://")[2].rstrip("/").removeprefix("www.")
        if words.strip() and bare and bare not in words and len(href) <= MAX_LINK:
            self.line = f"{self.line.rstrip()} ({href})"

    def _prefix(self) -> str:
        return "> " * min(self.quotes, MAX_PREFIXES)

    def _end_line(self, *, always: bool = False) -> None:
        if always or self.line.strip():
            self.lines.append((self._prefix() + self.line).rstrip())
        self.line = ""

    def _blank_line(self, *, nested: bool = False) -> None:
        self._end_line()
        prefix = self._prefix().rstrip()
        if self.lines and not self.lines[-1].strip("> "):
            self.lines[-1] = min(self.lines[-1], prefix, key=len)
        elif self.lines and not nested:
            self.lines.append(prefix)
