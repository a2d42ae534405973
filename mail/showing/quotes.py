"""Where the history below an answer begins in plain text.

Only what reaches to the end is folded: signature, history, and a signature below it. A wrong fold hides what
a customer wrote, a missed one is merely long: so whenever anything below looks newly written, or nothing
would stay above, nothing is folded. A history that stands above all new text (an answer at the bottom) is
told apart as `opening`. One pass over the lines, each cut to `MAX_LINE` before a pattern sees it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from mail.showing.added_words import adds_words
from mail.showing.signatures import signature_start
from mail.types import Folded

MARKERS = (
    "##- Bitte oberhalb dieser Zeile antworten -##",
    "##- Please reply above this line -##",
)
MAX_LINE = 500
MAX_LINES = 20_000  # a log, not a conversation
MAX_ATTRIBUTION_LINES = 3
MAX_COMPARED = 5  # headings from which on a history is compared with what we sent

# What an attribution begins with, and the verb it carries, by language (Gmail, Apple Mail, Thunderbird, K-9).
_ATTRIBUTION_START = re.compile(
    r"(?i)(?:am|on|le|el|il|op|em|den|w dniu|dnia)\s.{0,60}?\d"
    r"|\d{1,4}[./-]\d{1,2}[./-]\d{1,4}"
    r"|(?:\* )?[\"“„]?[^<>\n]{1,80}<[^<>\s@]{1,64}@[^<>\s]{1,200}>\s"
)
_ATTRIBUTION_VERB = re.compile(
    r"(?i)\b(?:schrieb|schreibt|geschrieben|wrote|writes|a écrit|ha scritto|escribió|escreveu|schreef|skrev)\b"
)
_FIRST_PERSON = re.compile(
    r"(?i)\b(?:schrieb(?:en)? (?:ich|wir)|(?:i|we) wrote|j['’]ai écrit|nous avons écrit)\b"
)
# FairEmail and some set-ups of mutt: a moment and an address, no verb.
_WITHOUT_VERB = re.compile(
    r"\s*(?:\* .{1,100}<[^<>\s]+@[^<>\s]+> \[\d{4}-\d\d-\d\d \d\d:\d\d\]"
    r"|\d{1,4}[./-]\d{1,2}[./-]\d{1,4},? \d{1,2}:\d\d(?::\d\d)? .{0,100}<[^<>\s]+@[^<>\s]+>)\s*:\Z"
)
_ADDRESS = re.compile(r"<[^<>\s]+@[^<>\s]+>")
_SEPARATOR = re.compile(
    r"(?i)\s*\*?-{2,20}\s*(?:original message|original-nachricht|originalnachricht|original mail"
    r"|ursprüngliche (?:nachricht|mail|e-mail)"
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
_FORWARD_SUBJECT = re.compile(r"(?i)\s*(?:(?:re|aw|antw)\s*:\s*)*(?:fwd?|wg|tr|i|doorst)\s*:")
_OUR_MARKER = re.compile(
    r"[\s>]*ref:\d{1,18}\.[a-zA-Z2-7]{26}:ref\s*"
)  # hidden in mails of ours (`mail.ids`)
_RULE = re.compile(r"\s*[_-]{10,}\s*\Z")
# Words by which people say that they answered further down, inside the history.
_ANSWERED_BELOW = re.compile(
    r"(?i)\b(?:siehe|s\.|see|inline|im text|unten stehend|weiter unten|in rot|in red|en rouge"
    r"|voir|ci-dessous|below|darunter|dazwischen)\b"
)


def fold_text(text: str, *, forwarded: bool = False, sent: Callable[[], str] | None = None) -> Folded:
    """Split off what trails the new text; `visible + quoted == text` always. Linear in the length.

    `sent` tells the text of the mail of ours that is answered, asked for only if a history without `>` may
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
    """Whether the subject says that the mail was passed on (WG:, Fwd:, FW:, TR:)."""
    return _FORWARD_SUBJECT.match(subject) is not None


def is_our_marker(words: str) -> bool:
    """The hidden word that ties an answer to its ticket; nobody wrote it."""
    return _OUR_MARKER.fullmatch(words) is not None


def is_attribution(words: str) -> bool:
    """Whether these lines are »Am … schrieb …:« and nothing else."""
    lines = [line.strip()[:MAX_LINE] for line in words.split("\n") if line.strip()]
    return 0 < len(lines) <= MAX_ATTRIBUTION_LINES and _attribution_end(lines, 0) == len(lines)


def without_heading(lines: list[str]) -> list[str]:
    """The lines of a history below its separator and labels, or its attribution, as far as there are any."""
    page = _Page(lines)
    below = _history_below(page, page.first) if page.first < len(lines) else None
    return lines[below:] if below is not None else lines


def begins_history(lines: list[str]) -> bool:
    """Whether a separator of mail programs, or a block of Von:/Gesendet:/An:/Betreff:, stands first."""
    first = next((i for i, line in enumerate(lines) if line.strip()), None)
    if first is None:
        return False
    return _SEPARATOR.match(lines[first][:MAX_LINE]) is not None or header_labels(lines[first:])


def header_labels(lines: list[str]) -> bool:
    """Whether these lines begin with a block such as Von:/Gesendet:/An:/Betreff: (three kinds of them).

    Sender and subject are asked for: Von:/An:/Datum: is how people ask for a journey.
    """
    kinds: set[str] = set()
    for line in lines[:10]:
        match = _LABEL.match(line[:MAX_LINE])
        if match is None and line.strip() and not kinds:
            return False
        if match is None and not line.strip() and kinds:
            break
        if match is not None and match.lastgroup:
            kinds.add(match.lastgroup)
    return {"sender", "subject"} <= kinds and len(kinds) >= 3


def answered_below(visible: str) -> bool:
    return _ANSWERED_BELOW.search(visible) is not None


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
        if _FORWARDED.match(page.lines[i]):
            return None  # a forwarded mail is what the customer wants to show
        if page.own[i] == page.own[top]:
            continue  # nothing was written yet that could stay visible
        if page.quoted[i] and page.only_quotes(i, end):
            return i
        below = _history_below(page, i)
        if below is None:
            continue
        if page.only_quotes(below, end) or _stands_bare(page, i, below, end):
            return i
    return None


def _opening(page: _Page, end: int) -> int:
    """The line below one history that opens the mail, all new text standing under it; else 0."""
    below = _history_below(page, page.first) if page.first < end else None
    first = page.first if below is None else below
    quotes = next((i for i in range(first, end) if page.filled[i]), end)
    if quotes == end or not page.quoted[quotes]:
        return 0
    new = next((i for i in range(quotes, end) if page.filled[i] and not page.quoted[i]), end)
    return new if new < end and page.quotes[new] == page.quotes[end] else 0


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
        self._sent, self._compared = sent, 0
        self._sent_text: str | None = None
        self.lines = [line[:MAX_LINE] for line in lines]
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
        self._answered: int | None = None

    def only_quotes(self, start: int, end: int) -> bool:
        return self.quotes[start] > self.quotes[end] and self.own[start] == self.own[end]

    def no_quotes(self, start: int, end: int) -> bool:
        return self.quotes[start] == self.quotes[end] and self.own[start] > self.own[end]

    def adds_words_from(self, i: int) -> bool | None:
        """Whether something stands between our own lines; None where that is not known, or was asked too often."""
        if self._sent is None or self._compared == MAX_COMPARED:
            return None
        self._compared += 1
        self._sent_text = self._sent() if self._sent_text is None else self._sent_text
        return adds_words("\n".join(self.lines[i:]), self._sent_text)

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
    if line.lstrip("> ") in MARKERS:
        return i + 1
    separated = _SEPARATOR.match(line) is not None
    if page.quoted[i] and not separated:
        return None
    labels = i + 1 if separated or _RULE.match(line) else i
    if header_labels(short[labels : labels + 10]):
        return _labels_end(short, labels)
    return i + 1 if separated else _attribution_end(short, i)


def _labels_end(short: list[str], i: int) -> int:
    """The line after a block of Von:/Gesendet:/An:/Betreff:, of which any may be several lines long."""
    while i < len(short) and not short[i].strip():
        i += 1
    end = i
    for j in range(i, min(i + 12, len(short))):
        if not short[j].strip():
            break
        if _LABEL.match(short[j]):
            end = j + 1
    return end


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
            return j + 1 if verb or _WITHOUT_VERB.match(joined) else None
    return None


def _stands_bare(page: _Page, i: int, below: int, end: int) -> bool:
    """Whether a history without `>` may be folded: its heading is sure, nobody says »siehe unten« or
    announces what follows, and marked quotes in it are the older history at its end."""
    heading = " ".join(page.lines[i : max(below, i + 1)])
    if _ATTRIBUTION_START.match(heading.lstrip()) and not _ADDRESS.search(heading):
        return False
    above = next((page.lines[k] for k in range(i - 1, max(i - 6, -1), -1) if page.filled[k]), "")
    if above.rstrip().endswith(":") or page.answered_below(i):
        return False
    added = page.adds_words_from(below)
    if added is not None:
        return not added
    if page.no_quotes(below, end):
        return True
    older = page.next_quote[below]
    before = [k for k in range(max(below, older - 4), older) if page.filled[k]]
    named = any(_attribution_end(page.lines, k) == before[-1] + 1 for k in before)
    return page.own[below] > page.own[older] and named and page.only_quotes(older, len(page.lines))
