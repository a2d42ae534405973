"""A mail as it came, to look at: its text, its headers and its source, as plain text and of bounded length."""

from __future__ import annotations

import re
from dataclasses import dataclass

from desk import files
from mail.safe_reading import read
from models import InboundMail, RawMail

LONGEST_HEADERS, LONGEST_SOURCE, LONGEST_TEXT = 64 * 1024, 256 * 1024, 20_000  # bytes, bytes, characters
# Control characters, and those that turn the direction of writing: shown, they would lie about the rest.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


@dataclass(frozen=True, slots=True)
class RawView:
    """`files`: name and size in bytes of what is attached. `report`: of a spam filter that had wrapped it.
    `cut`: only the beginning of the source is shown."""

    sender: str
    to: str
    text: str
    files: tuple[tuple[str, int], ...]
    report: str
    headers: str
    source: str
    cut: bool


def view(row: InboundMail) -> RawView | None:
    """None where the bytes are not here (any more)."""
    raw = content(row)
    if raw is None:
        return None
    mail = read(raw, by_pop3=row.via == "pop3").mail
    end = re.search(rb"\r?\n\r?\n", raw[: LONGEST_HEADERS + 4])
    return RawView(
        sender=shown(str(mail.sender)),
        to=shown(", ".join(str(address) for address in (*mail.to, *mail.cc)[:50])),
        text=shown(mail.text[:LONGEST_TEXT]),
        files=tuple((part.name, len(part.data)) for part in mail.attachments),
        report=shown(mail.spam_report),
        headers=_text(raw[: end.start() if end else LONGEST_HEADERS]),
        source=_text(raw[:LONGEST_SOURCE]),
        cut=len(raw) > LONGEST_SOURCE,
    )


def content(row: InboundMail) -> bytes | None:
    """The mail byte for byte."""
    return files.content(row.sha256) if row.sha256 and row.raw == RawMail.KEPT else None


def shown(text: str) -> str:
    return _UNSEEN.sub("\ufffd", text)


def _text(raw: bytes) -> str:
    return shown(raw.decode("utf-8", "replace").replace("\r\n", "\n"))
