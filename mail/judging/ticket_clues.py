"""What ties a mail to a ticket: five signals, strongest first. Whether one may count, the desk decides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from mail.ids import read_markers, read_message_id, read_reply_address
from mail.types import Clue, ClueKind, Mail

# Where mail servers note the recipient of the envelope.
DELIVERY_HEADERS = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to")

MOST_NUMBERS = 5  # of a subject; each is looked up

MOST_OCTETS = 16 * 1024  # of a receipt
_ORIGINAL = re.compile(r"^original-message-id:\s*(<[^<>\s]{1,998}>)", re.I | re.M)
_ADDRESS = re.compile(r"[^\s<>,;\"]{1,64}@[^\s<>,;\"]{1,255}")
_NUMBER = re.compile(r"\[#([1-9][0-9]{0,17})\]", re.A)


def find_clues(mail: Mail, key: bytes, recipients: Iterable[str]) -> tuple[Clue, ...]:
    """The clues of `mail`, each once, strongest first; `recipients` are those of the envelope."""
    clues = (
        *_reply_addresses(mail, key, recipients),
        *_message_ids(mail, key),
        *_markers(mail, key),
        *_numbers(mail),
    )
    return tuple(dict.fromkeys(clues))


def without_ticket(mail: Mail, key: bytes) -> list[str]:
    """The Message-IDs that it answers of mails that we sent about no ticket, such as a link for a password."""
    named = dict.fromkeys((*mail.in_reply_to, *mail.references))
    return [message_id for message_id in named if read_message_id(key, message_id) == 0]


def _reply_addresses(mail: Mail, key: bytes, recipients: Iterable[str]) -> Iterator[Clue]:
    delivered = (
        address
        for header in DELIVERY_HEADERS
        for value in mail.all(header)
        for address in _ADDRESS.findall(value)
    )
    written = (mailbox.address for mailbox in (*mail.to, *mail.cc))
    for address in (*recipients, *delivered, *written):
        if found := read_reply_address(key, address):
            yield Clue(ClueKind.REPLY_ADDRESS, ticket=found[1])


def _message_ids(mail: Mail, key: bytes) -> Iterator[Clue]:
    """In-Reply-To first, then References from the newest; ours before those of others.

    An id of ours without a ticket (a forgotten password) leads nowhere and is left out.
    """
    named = dict.fromkeys((*_receipts(mail), *mail.in_reply_to, *reversed(mail.references)))
    tickets = {message_id: read_message_id(key, message_id) for message_id in named if message_id}
    yield from (Clue(ClueKind.SIGNED_ID, ticket=ticket) for ticket in tickets.values() if ticket)
    for message_id, ticket in tickets.items():
        if ticket is None:
            yield Clue(ClueKind.FOREIGN_ID, message_id=message_id)


def _receipts(mail: Mail) -> Iterator[str]:
    """The mail that a receipt is about, which many programs name nowhere else (RFC 8098, section 3.2.5)."""
    for part in mail.attachments:
        if part.type == "message/disposition-notification":
            yield from _ORIGINAL.findall(part.data[:MOST_OCTETS].decode("ascii", "replace"))[:1]


def _markers(mail: Mail, key: bytes) -> Iterator[Clue]:
    for body in (mail.text, mail.html):
        yield from (Clue(ClueKind.MARKER, ticket=ticket) for ticket in read_markers(key, body))


def _numbers(mail: Mail) -> Iterator[Clue]:
    """Ours stands at the end of the subject, so the last comes first."""
    for number in _NUMBER.findall(mail.subject)[: -MOST_NUMBERS - 1 : -1]:
        yield Clue(ClueKind.SUBJECT, ticket=int(number))
