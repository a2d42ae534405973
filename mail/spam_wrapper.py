"""SpamAssassin's wrapper (`report_safe` 1 and 2): its report above the customer's mail, which is attached.

It is read as the mail inside, with the report beside it. The wrapper's header stays the one that speaks for the way
here, for spam and for the sender check: it is what servers wrote. What stands inside is a stranger's, so it is taken
only where the wrapper names the same writer, readers and Message-ID, as SpamAssassin's does; and nothing that was
found about the wrapper vouches for a field that has no equal outside (docs/decisions/027).
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from mail.judging.proven_fields import SINGLE, doubled
from mail.reading.charsets import decode
from mail.reading.headers import text
from mail.reading.mime import Entity, Skeleton
from mail.reading.transfer_encodings import decoded
from mail.types import Mail

# As SpamAssassin calls the original, in both forms; the parameter stays where the description is translated.
_DESCRIPTION = "original message before spamassassin"
_KIND = ("x-spam-type", "original")
_ORIGINALS = ("message/rfc822", "text/plain")
LONGEST_REPORT = 20_000  # characters

# What servers wrote on the way, or what speaks of it: of the mail inside anybody may have written it. Its signatures
# stay, since they can only narrow what a pass covers.
_OF_THE_WAY = frozenset(
    {"received", "received-spf", "authentication-results", "arc-authentication-results"}
    | {"arc-seal", "arc-message-signature", "delivered-to", "x-original-to", "envelope-to"}
)


class Wrapped(NamedTuple):
    report: str
    original: bytes


def wrapped(raw: bytes, tree: Skeleton) -> Wrapped | None:
    """What SpamAssassin's wrapper holds; None for any other mail."""
    root = tree.root
    if root.type != "multipart/mixed" or len(root.children) != 2:
        return None
    if text(root.get("x-spam-flag")[:100]).upper() != "YES":
        return None
    report, inside = root.children
    if report.type != "text/plain" or inside.type not in _ORIGINALS or not _is_called_original(inside):
        return None
    words = decode(_content(raw, report), report.parameters.get("charset", ""))
    return Wrapped(words.replace("\r\n", "\n").strip()[:LONGEST_REPORT], _content(raw, inside))


def _content(raw: bytes, entity: Entity) -> bytes:
    encoding = text(entity.get("content-transfer-encoding")[:200]).lower()
    return decoded(raw[entity.start : entity.end], encoding, is_text=False)[0]


def _is_called_original(entity: Entity) -> bool:
    name, value = _KIND
    described = text(entity.get("content-description")[:200]).lower() == _DESCRIPTION
    return described or entity.parameters.get(name, "").lower() == value


def opened(wrapper: Mail, inside: Mail, report: str) -> Mail | None:
    """The mail inside with the wrapper's report and way; None if the wrapper is not SpamAssassin's own."""
    if doubled(wrapper) or "unreadable" in inside.defects or not _is_repeated(wrapper, inside):
        return None
    outside = [field for field in wrapper.headers if _stays_outside(field[0])]
    within = [field for field in inside.headers if field[0] not in _OF_THE_WAY]
    return replace(
        inside,
        headers=(*outside, *within),
        defects=tuple(dict.fromkeys((*inside.defects, *wrapper.defects))),
        spam_report=report,
        only_inside=frozenset(name for name in SINGLE if wrapper.header(name) != inside.header(name)),
    )


def _stays_outside(name: str) -> bool:
    return name not in SINGLE and name != "mime-version" and not name.startswith("content-")


def _is_repeated(wrapper: Mail, inside: Mail) -> bool:
    """It copies From, To, Cc and Message-ID (Mail::SpamAssassin::PerMsgStatus, rewrite_report_safe)."""
    if not wrapper.header("from") or not inside.header("from") or wrapper.sender.key != inside.sender.key:
        return False
    readers = [[one.key for one in (*mail.to, *mail.cc)] for mail in (wrapper, inside)]
    return readers[0] == readers[1] and wrapper.message_id in ("", inside.message_id)
