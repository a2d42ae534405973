"""What mail programs write above a mail that they quote: an attribution, a separator, a block of its fields.

The words are those of `program_words`. Here is their grammar: »Am … schrieb … <address>:« in any order, over several
lines, without a verb, or between dashes; Von:/Gesendet:/An:/Betreff: in a row. What a person tells of a letter of
their own is no attribution.
"""

from __future__ import annotations

import re

from mail.showing.program_words import OTHER_LABELS, every, labels

MAX_LINE = 500
MAX_LABEL = 48  # characters up to the colon of a field
MAX_ATTRIBUTION_LINES = 4
WRAPPED = 50  # characters; a line that long may have been broken
MAX_ATTRIBUTION = 600  # characters of them
BLOCK_LINES = 12
MAX_CONTINUED = 2  # lines of one field in it

_MAILBOX = r"[^<>()\s@]{1,100}@[^<>()\s]{1,200}"
_DATE = (
    r"(?:\d{1,4}[./-] ?\d{1,2}[./-] ?\d{1,4}|\d{4}\. ?[^\W\d_]{3,12}\.? \d{1,2}"
    r"|\d{1,2}(?:st|nd|rd|th|\.)? (?:de )?[^\W\d_]{3,14}\.?,? (?:de )?\d{4}"
    r"|[^\W\d_]{3,12}\.? \d{1,2}(?:st|nd|rd|th)?,? \d{4})"
)
_WEEKDAY = r"(?:[^\W\d_]{1,13}(?:-feira)?\.?,? )?"
# What an attribution begins with (Gmail, Apple Mail, Thunderbird, K-9, Yahoo, KMail, Evolution, Roundcube).
_START = re.compile(
    rf"(?i)(?:{every('day')})\s.{{0,60}}?\d"
    rf"|{_WEEKDAY}{_DATE}"
    rf"|(?:\* )?[\"“„]?[^<>\n]{{1,80}}[<(]{{1,2}}{_MAILBOX}[>)]{{1,2}},?\s"
    rf"(?=[\[(]?\d|(?-i:[^\W\dA-ZÀ-Þ]\S{{0,11}} ){{0,2}}(?:\d|{every('wrote')}))"
    rf"|[^<>\n:]{{1,80}}\s(?:{every('wrote')})\s.{{0,40}}?{_DATE}"
)
_VERB = re.compile(rf"(?i)(?<!\w)(?:{every('wrote')})(?!\w)")
_BY_US = re.compile(rf"(?i)(?<!\w)(?:{every('by_us')})(?!\w)")
# A moment and an address, no verb: FairEmail, Apple in Czech, Gmail in Russian, Yandex, Mail.ru, set-ups of mutt.
_WITHOUT_VERB = re.compile(
    rf"(?i)\* .{{1,100}}<{_MAILBOX}> \[\d{{4}}-\d\d-\d\d \d\d:\d\d\]\s*:"
    rf"|{_WEEKDAY}{_DATE}.{{0,20}}?\d{{1,2}}[:.]\d\d.{{0,120}}<{_MAILBOX}>\s*:"
)
_QUOTING = re.compile(rf"(?i)(?:{every('quoting')})\s.{{0,80}}{_MAILBOX}.?\s*:")
# nmh, mailbot, s-nail and mailx name nobody but the writer, or the mail by its Message-ID.
_NAME_ONLY = re.compile(
    r"(?!(?i:i|we|you|s?h[ei][sr]?|they|it|who|my|our|your|their|the|this|that|mr|mrs|ms|dr)\b)"
    r"[\"“„]?[A-ZÀ-ÖØ-Þ0-9][^\s<>:]*(?: [^\s<>:]+){0,3} (?:writes|wrote):"
)
_BY_ID = re.compile(
    rf"(?i)(?:in message <{_MAILBOX}>,? )?[^<>\n]{{1,80}}(?:<{_MAILBOX}> )?(?:writes?|wrote|said)"
    rf"(?: in <{_MAILBOX}>)?:"
)
_ID = re.compile(rf"(?i)in message <{_MAILBOX}>|wrote in <{_MAILBOX}>")
_BETWEEN_DASHES = re.compile(r"-{2,6} ?([^-].{5,}[^-]) ?-{2,6}")  # Zoho
_ADDRESS = re.compile(rf"[<(]{_MAILBOX}[>)]")
_DASHED = r"\s*\*?-{{2,20}}\s*(?:{})\s*-{{2,20}}\*?"
_SEPARATOR = re.compile(rf"(?i){_DASHED.format(every('original'))}\s*\Z")
FORWARDED = re.compile(rf"(?i){_DASHED.format(every('forwarded'))}\s*|\s*(?:{every('begins')})\s?:\s*")
_RULE = re.compile(r"\s*[_-]{10,}\s*\Z")
FIELD = re.compile(
    r"[ \t]*\*{0,2}(?P<name>[^\W\d_][\w.’'/ -]{0,29}?)\*{0,2}[ \t\xa0]?:\*{0,2}[ \t\xa0]*(?P<value>.*)"
)
KINDS: dict[str, str] = {label: "" for label in OTHER_LABELS.split("|")} | {
    label: kind for kind in ("to", "sent", "subject", "sender") for label in labels(kind)
}


def field_kind(name: str) -> str | None:
    """What a label of any language names: sender, sent, to or subject; "" is another field, None no label."""
    return KINDS.get(name.casefold())


def is_separator(line: str) -> bool:
    """Whether the line is »-----Ursprüngliche Nachricht-----« or the like."""
    return _SEPARATOR.match(line[:MAX_LINE]) is not None


def is_rule(line: str) -> bool:
    return _RULE.match(line) is not None


def is_forward_line(line: str) -> bool:
    """Whether the line stands above a mail that is passed on, and above nothing else."""
    if "--" not in line and ":" not in line[-4:]:
        return False
    return FORWARDED.fullmatch(line[:MAX_LINE]) is not None


def is_attribution(words: str) -> bool:
    """Whether these lines are »Am … schrieb …:« and nothing else."""
    lines = [line.strip()[:MAX_LINE] for line in words.split("\n") if line.strip()]
    return 0 < len(lines) <= MAX_ATTRIBUTION_LINES and attribution_end(lines, 0) == len(lines)


def names_an_address(heading: str) -> bool:
    return _ADDRESS.search(heading) is not None


def attribution_end(lines: list[str], i: int, *, quoted_below: bool = False) -> int | None:
    """The line after an attribution that begins at line `i`; one that names only a person has quotes below."""
    last = next((j for j in range(i, min(i + MAX_ATTRIBUTION_LINES, len(lines))) if closes(lines[j])), None)
    if last is None or any(not line.strip() or line.lstrip().startswith(">") for line in lines[i : last + 1]):
        return None
    words = joined(lines[i : last + 1])
    if len(words) > MAX_ATTRIBUTION:
        return None
    if dashed := _BETWEEN_DASHES.fullmatch(words.rstrip(":")):
        words = dashed[1].rstrip(" :") + ":"
    elif not words.endswith(":"):
        return None
    if last > i and not _begins_one(lines[i].strip()):
        return None
    known = (_says_who(words) and not _BY_US.search(words)) or _names_the_mail(words)
    return last + 1 if known or (quoted_below and last == i and _NAME_ONLY.fullmatch(words)) else None


def _begins_one(line: str) -> bool:
    """Whether an attribution of several lines may begin with this one, and no greeting of somebody's above it."""
    return len(line) >= WRAPPED or "<" in line or bool(_START.match(line) or _VERB.search(line))


def closes(line: str) -> bool:
    """Whether an attribution may end with this line."""
    end = line.rstrip()
    return end.endswith((":", "--"))


def joined(lines: list[str]) -> str:
    """One line of several; an address that was broken within its brackets is whole again."""
    words = ""
    for line in lines:
        within = words.rfind("<") > words.rfind(">")
        words += ("" if within or not words else " ") + line.strip()
    return " ".join(words.split())


def _says_who(words: str) -> bool:
    return _START.match(words) is not None and _VERB.search(words) is not None


def _names_the_mail(words: str) -> bool:
    if _WITHOUT_VERB.fullmatch(words) or _QUOTING.fullmatch(words):
        return True
    return _ID.search(words) is not None and _BY_ID.fullmatch(words) is not None


def header_labels(lines: list[str]) -> bool:
    """Whether these lines begin with a block such as Von:/Gesendet:/An:/Betreff: (three kinds of them).

    Sender and subject are asked for: Von:/An:/Datum: is how people ask for a journey.
    """
    kinds: set[str] = set()
    for line in lines[:10]:
        if not line.strip():
            if kinds:
                break
            continue
        kind = _kind(line)
        if kind is None and not kinds:
            return False
        if kind:
            kinds.add(kind)
    return {"sender", "subject"} <= kinds and len(kinds) >= 3


def labels_end(lines: list[str], i: int) -> int:
    """The line after a block of Von:/Gesendet:/An:/Betreff:.

    Of these any may be several lines long if another follows; one that comes a second time is no more of the block.
    """
    while i < len(lines) and not lines[i].strip():
        i += 1
    end, kinds = i, set[str]()
    for j in range(i, min(i + BLOCK_LINES, len(lines))):
        kind = _kind(lines[j])
        if (
            not lines[j].strip()
            or j > end + MAX_CONTINUED
            or (kind in kinds if kind else kind == "" and j > end)
        ):
            break
        if kind is not None:
            end = j + 1
            kinds.add(kind)
    return end


def begins_history(lines: list[str]) -> bool:
    """Whether a separator of mail programs, or a block of Von:/Gesendet:/An:/Betreff:, stands first."""
    first = next((i for i, line in enumerate(lines) if line.strip()), None)
    return first is not None and (is_separator(lines[first]) or header_labels(lines[first:]))


def _kind(line: str) -> str | None:
    if ":" not in line[:MAX_LABEL]:
        return None
    found = FIELD.match(line[:MAX_LINE])
    return field_kind(found["name"]) if found else None
