"""Where the history below an answer begins in plain text.

Only a trailing history is folded. A wrong fold hides what a customer wrote, a missed one is merely long:
so whenever anything below looks newly written, or nothing would stay above, nothing is folded.
One pass over the lines, each cut to `MAX_LINE` before a pattern sees it.
"""

from __future__ import annotations

import re

from mail.types import Folded

MARKERS = (
    "##- Bitte oberhalb dieser Zeile antworten -##",
    "##- Please reply above this line -##",
)
MAX_LINE = 500
MAX_LINES = 20_000  # a log, not a conversation
MAX_ATTRIBUTION_LINES = 3

# What an attribution begins with, and the verb it carries, by language (Gmail, Apple Mail, Thunderbird, K-9).
_ATTRIBUTION_START = re.compile(
    r"(?i)(?:am|on|le|el|il|op|em|den|w dniu|dnia)\s.{0,60}?\d"
    r"|\d{1,4}[./-]\d{1,2}[./-]\d{1,4}"
    r"|[\"“„]?[^<>\n]{1,80}<[^<>\s@]{1,64}@[^<>\s]{1,200}>\s"
)
_ATTRIBUTION_VERB = re.compile(
    r"(?i)\b(?:schrieb|schreibt|wrote|writes|a écrit|ha scritto|escribió|escreveu|schreef|skrev)\b"
)
_FIRST_PERSON = re.compile(
    r"(?i)\b(?:schrieb(?:en)? (?:ich|wir)|(?:i|we) wrote|j['’]ai écrit|nous avons écrit)\b"
)
_EVIDENCE = re.compile(r"\d{1,2}[:.h]\d{2}|@")
_SEPARATOR = re.compile(
    r"(?i)\s*\*?-{2,20}\s*(?:original message|original-nachricht|originalnachricht|ursprüngliche nachricht"
    r"|original appointment|ursprünglicher termin|message d['’]origine|message original"
    r"|oorspronkelijk bericht|messaggio originale|mensaje original)\s*-{2,20}\*?\s*\Z"
)
_FORWARDED = re.compile(
    r"(?i)\s*(?:-{2,20}\s*(?:forwarded message|weitergeleitete nachricht|message transféré)"
    r"|begin forwarded message|anfang der weitergeleiteten nachricht"
    r"|début du message (?:transféré|réexpédié))"
)
_LABEL = re.compile(
    r"(?i)\s*\*{0,2}(?:(?P<sender>von|from|de|expéditeur)|(?P<sent>gesendet|sent|date|datum|envoyé)"
    r"|(?P<to>an|to|à|destinataire)|(?P<subject>betreff|subject|objet)|cc|kopie)\s?(?:\*{0,2}\s?:|:\s?\*{0,2})"
)
_RULE = re.compile(r"\s*[_-]{10,}\s*\Z")
# Words by which people say that they answered further down, inside the history.
_ANSWERED_BELOW = re.compile(
    r"(?i)\b(?:siehe|s\.|see|inline|im text|unten stehend|weiter unten|in rot|in red|en rouge"
    r"|voir|ci-dessous|below|darunter|dazwischen)\b"
)


def fold_text(text: str) -> Folded:
    """Split off the trailing history; `visible + quoted == text` always. Linear in the length."""
    lines = text.split("\n")
    start = _history_start(lines)
    if start is None:
        return Folded(text)
    cut = sum(len(line) + 1 for line in lines[:start])
    return Folded(text[:cut], text[cut:])


def header_labels(lines: list[str]) -> bool:
    """Whether these lines begin with a block such as Von:/Gesendet:/An:/Betreff: (three kinds of them)."""
    kinds: set[str] = set()
    for line in lines[:10]:
        match = _LABEL.match(line[:MAX_LINE])
        if match is None and line.strip() and not kinds:
            return False
        if match is None and not line.strip() and kinds:
            break
        if match is not None and match.lastgroup:
            kinds.add(match.lastgroup)
    return "sender" in kinds and len(kinds) >= 3


def answered_below(visible: str) -> bool:
    return _ANSWERED_BELOW.search(visible) is not None


def _history_start(lines: list[str]) -> int | None:
    if len(lines) > MAX_LINES:
        return None
    page = _Page(lines)
    top = _top(page)
    if top is None:
        return None
    for i in range(top, len(lines)):
        line = page.lines[i]
        if not page.filled[i]:
            continue
        if _FORWARDED.match(line):
            return None  # a forwarded mail is what the customer wants to show
        if page.own[i] == page.own[top]:
            continue  # nothing was written yet that could stay visible
        below = _history_below(page, i)
        if below is not None and page.only_quotes_from(below):
            return i
        if below is not None and page.no_quotes_from(below) and _stands_bare(page, i, below):
            return i
        if page.quoted[i] and page.only_quotes_from(i):
            return i
    return None


def _top(page: _Page) -> int | None:
    """Where one's own words may begin: below a heading that opens the mail, if marked quotes follow it."""
    below = _history_below(page, page.first) if page.first < len(page.lines) else None
    if below is None:
        return page.first
    following = next((i for i in range(below, len(page.lines)) if page.filled[i]), None)
    return following if following is not None and page.quoted[following] else None


class _Page:
    """The lines, and from each on how many are quoted and how many are one's own."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = [line[:MAX_LINE] for line in lines]
        self.quoted = [line.lstrip().startswith(">") for line in self.lines]
        self.filled = [bool(line.strip()) for line in self.lines]
        self.first = next((i for i, there in enumerate(self.filled) if there), len(lines))
        self.own = [0] * (len(lines) + 1)
        self.quotes = [0] * (len(lines) + 1)
        for i in range(len(lines) - 1, -1, -1):
            self.own[i] = self.own[i + 1] + (self.filled[i] and not self.quoted[i])
            self.quotes[i] = self.quotes[i + 1] + self.quoted[i]
        self._answered: int | None = None

    def only_quotes_from(self, i: int) -> bool:
        return self.quotes[i] > 0 and self.own[i] == 0

    def no_quotes_from(self, i: int) -> bool:
        return self.quotes[i] == 0 and self.own[i] > 0

    def answered_below(self, end: int) -> bool:
        """Whether a line before `end` says that the answers stand further down."""
        if self._answered is None:
            found = (i for i, line in enumerate(self.lines) if answered_below(line))
            self._answered = next(found, len(self.lines))
        return self._answered < end


def _history_below(page: _Page, i: int) -> int | None:
    """The line after a heading of history that begins at line `i`, or None."""
    short = page.lines
    line = short[i].strip()
    if line.lstrip("> ") in MARKERS or _SEPARATOR.match(line):
        return i + 1
    if page.quoted[i]:
        return None
    if _RULE.match(line) and header_labels(short[i + 1 : i + 12]):
        return i + 1
    if header_labels(short[i : i + 10]):
        return i
    return _attribution_end(short, i)


def _attribution_end(short: list[str], i: int) -> int | None:
    if not _ATTRIBUTION_START.match(short[i].lstrip()):
        return None
    joined = ""
    for j in range(i, min(i + MAX_ATTRIBUTION_LINES, len(short))):
        if not short[j].strip() or short[j].lstrip().startswith(">"):
            return None
        joined += " " + short[j].strip()
        if joined.endswith(":"):
            verb = _ATTRIBUTION_VERB.search(joined) and not _FIRST_PERSON.search(joined)
            return j + 1 if verb else None
    return None


def _stands_bare(page: _Page, i: int, below: int) -> bool:
    """Whether a history without `>` may be folded: its heading is sure, and nobody says »siehe unten«."""
    heading = " ".join(page.lines[i : max(below, i + 1)])
    attribution = _ATTRIBUTION_START.match(heading.lstrip()) is not None
    return (not attribution or _EVIDENCE.search(heading) is not None) and not page.answered_below(i)
