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
        if match is None and line.strip() and not line[:1].isspace() and not kinds:
            return False
        if match is None and not line.strip() and kinds:
            break
        if match is not None and match.lastgroup:
            kinds.add(match.lastgroup)
    return "sender" in kinds and len(kinds) >= 3


def answered_below(visible: str) -> bool:
    return _ANSWERED_BELOW.search(visible) is not None


def _history_start(lines: list[str]) -> int | None:
    short = [line[:MAX_LINE] for line in lines]
    quoted = [line.lstrip().startswith(">") for line in short]
    filled = [bool(line.strip()) for line in short]
    first_filled = next((i for i, there in enumerate(filled) if there), len(lines))
    unquoted_from = [0] * (len(lines) + 1)  # how many lines of one's own stand at or after each line
    quoted_from = [0] * (len(lines) + 1)
    for i in range(len(lines) - 1, -1, -1):
        unquoted_from[i] = unquoted_from[i + 1] + (filled[i] and not quoted[i])
        quoted_from[i] = quoted_from[i + 1] + quoted[i]
    visible_end = 0
    for i, line in enumerate(short):
        if not filled[i]:
            continue
        if _FORWARDED.match(line):
            return None  # a forwarded mail is what the customer wants to show
        below = _history_below(short, quoted, i)
        if below is not None and i > first_filled:
            only_quotes = quoted_from[below] > 0 and unquoted_from[below] == 0
            bare = quoted_from[below] == 0 and _stands_bare(short, i, below, visible_end)
            if only_quotes or bare:
                return i
        elif quoted[i] and unquoted_from[i] == 0 and i > first_filled and not all(quoted[first_filled:i]):
            return i
        visible_end = i + 1
    return None


def _history_below(short: list[str], quoted: list[bool], i: int) -> int | None:
    """The line after a heading of history that begins at line `i`, or None."""
    line = short[i].strip()
    if line.lstrip("> ") in MARKERS or _SEPARATOR.match(line):
        return i + 1
    if quoted[i]:
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


def _stands_bare(short: list[str], i: int, below: int, visible_end: int) -> bool:
    """Whether an unmarked history may be folded: its heading is sure, and nobody says »siehe unten«."""
    heading = " ".join(short[i : max(below, i + 1)])
    if below > i + 1 or _ATTRIBUTION_START.match(heading.lstrip()):
        sure = _EVIDENCE.search(heading) is not None
    else:
        sure = True
    rest = any(line.strip() for line in short[below:])
    return sure and rest and not answered_below("\n".join(short[:visible_end]))
