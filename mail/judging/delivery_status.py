"""The fields of a delivery status (RFC 3464), wherever they stand: in a part of their own or in the text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice

from mail.judging.bounce_phrases import ADDRESS
from mail.types import BounceRecipient

MAX_BLOCKS = 200  # recipients
LONGEST_FIELD = 4_000  # characters
LONGEST_WORDS = 500

STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b", re.A)


_BLANK = re.compile(r"\n[ \t]*\n")
_FIELD = re.compile(r"([\w-]{1,60})[ \t]*:")

Block = Mapping[str, str]


def blocks(text: str) -> tuple[Block, ...]:
    """The groups of fields (section 2.1), those of recipients only; names in lower case."""
    return tuple(islice(_groups(text), MAX_BLOCKS))


def _groups(text: str) -> Iterator[Block]:
    for group in _BLANK.split(text):
        fields = _fields(group) if "ecipient" in group else {}
        if "final-recipient" in fields or "original-recipient" in fields:
            yield fields


def _fields(group: str) -> dict[str, str]:
    """The first of each name, its folded lines joined."""
    fields: dict[str, str] = {}
    name = ""
    for line in group.split("\n"):
        if line[:1] in (" ", "\t"):
            if name and len(fields[name]) < LONGEST_FIELD:
                fields[name] += " " + line[:LONGEST_FIELD].strip()
        elif found := _FIELD.match(line):
            name = "" if found[1].lower() in fields else found[1].lower()
            if name:
                fields[name] = line[found.end() :][:LONGEST_FIELD].strip()
        else:
            name = ""
    return fields


def recipients(found_blocks: tuple[Block, ...]) -> tuple[BounceRecipient, ...] | None:
    """Those that did not get it, or not yet; None where the blocks speak of nobody of the kind."""
    found: dict[str, BounceRecipient] = {}
    for fields in found_blocks:
        address = _typed(fields.get("original-recipient", "")) or _typed(fields.get("final-recipient", ""))
        action = fields.get("action", "").lower()
        words = re.sub(r"^[\w-]+\s*;\s*", "", fields.get("diagnostic-code", ""))
        status = status_in(fields.get("status", ""), words)
        failed = action.startswith(("fail", "error")) or (not action and status.startswith("5"))
        waits = action.startswith("delay") or (not action and status.startswith("4"))
        if address and (failed or waits):
            found.setdefault(address.lower(), BounceRecipient(address, status, failed, short(words)))
    return tuple(found.values()) or None


def disposition(text: str) -> Block:
    """The fields of a message/disposition-notification (RFC 8098, section 3.1)."""
    return _fields(text.strip("\n"))


def says_nothing(found_blocks: tuple[Block, ...]) -> bool:
    """Recipients are named, but nobody can tell what became of them: then they did not get it."""
    told = ("deliver", "relay", "expand", "delay")
    actions = [fields.get("action", "").lower() for fields in found_blocks]
    return bool(actions) and not any(action.startswith(told) for action in actions)


def _typed(value: str) -> str:
    """The address of `rfc822; <a@x>`; other address types (X.400) are of no use to us."""
    kind, separator, address = value.partition(";")
    if separator and kind.strip().lower() not in ("rfc822", "utf-8", "smtp", ""):
        return ""
    found = re.search(ADDRESS, address if separator else value)
    return found[0] if found else ""


def status_in(value: str, words: str) -> str:
    """The Status field; the server's own words where it only says "undefined"."""
    found = STATUS.search(value)
    better = STATUS.search(words)
    if better and (not found or found[1].endswith(".0.0")):
        return better[1]
    return found[1] if found else ""


def short(words: str) -> str:
    """The server's words on one line."""
    return " ".join(words.split())[:LONGEST_WORDS]
