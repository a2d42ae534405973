"""Looking into a mailbox without leaving a trace: no flag changes, nothing is deleted, nothing moves.

IMAP opens the inbox by EXAMINE and reads with BODY.PEEK; POP3 reads the beginning of mails by TOP, since
RETR marks them as read on some servers.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from imapclient import IMAPClient

from wire import Credentials, Encryption, ServerAddress, TransportFailure, imap_wire, pop3_wire, tls
from wire.address import connect

READ = 128 * 1024  # bytes of a mail that are looked at; of a longer one only its beginning
READ_BY_POP3 = 2 * 1024 * 1024  # bytes of all mails together, one after the other; then beginnings
LINES = 200  # below the header of a longer one, by POP3
_PAUSE = 0.5  # seconds between two looks for a mail
_NEWEST = 20  # mails that are looked at, at most


@dataclass(frozen=True, slots=True)
class Glimpse:
    """One mail, or its beginning. `seen` and `arrived_at` are what IMAP alone knows; `size` in bytes."""

    raw: bytes
    size: int
    seen: bool = False
    arrived_at: datetime | None = None
    source_id: str = ""
    cut: bool = False  # there is more of it than was read


@dataclass(frozen=True, slots=True)
class Glance:
    """A mailbox: how many mails there are, how many of them unread (POP3: all), and the newest, newest first."""

    total: int
    unread: int
    mails: tuple[Glimpse, ...]


def glance(protocol: str, server: ServerAddress, credentials: Credentials, newest: int) -> Glance:
    """What lies in the inbox. Raises TransportFailure."""
    by = {"imap": _glance_by_imap, "pop3": _glance_by_pop3}
    return by[protocol](server, credentials, newest)


def wait_for(
    protocol: str, server: ServerAddress, credentials: Credentials, message_id: str, seconds: float
) -> bool:
    """Whether a mail with that Message-ID arrives in the inbox within so many seconds. Never raises."""
    ends = time.monotonic() + seconds
    look = {"imap": _is_there_by_imap, "pop3": _is_there_by_pop3}[protocol]
    while time.monotonic() < ends:
        with contextlib.suppress(TransportFailure):
            if look(server, credentials, message_id, ends):
                return True
        time.sleep(min(_PAUSE * 2, max(ends - time.monotonic(), 0)))
    return False


def _glance_by_imap(server: ServerAddress, credentials: Credentials, newest: int) -> Glance:
    with _examined(server, credentials) as (client, generation):
        everything = sorted(client.search("ALL"))
        unread = client.search("UNSEEN")
        part = f"BODY.PEEK[]<0.{READ}>"
        shown = everything[-newest:]
        found = client.fetch(shown, ["FLAGS", "INTERNALDATE", "RFC822.SIZE", part]) if shown else {}
        mails = []
        for uid in reversed(shown):
            row = found.get(uid, {})
            arrived_at = row.get(b"INTERNALDATE")
            mails.append(
                Glimpse(
                    raw=row.get(b"BODY[]<0>") or b"",
                    size=int(row.get(b"RFC822.SIZE") or 0),
                    seen=b"\\Seen" in row.get(b"FLAGS", ()),
                    arrived_at=arrived_at.astimezone(UTC) if arrived_at else None,
                    source_id=f"{generation}:{uid}",
                    cut=int(row.get(b"RFC822.SIZE") or 0) > READ,
                )
            )
        return Glance(len(everything), len(unread), tuple(mails))


def _glance_by_pop3(server: ServerAddress, credentials: Credentials, newest: int) -> Glance:
    with _listed(server, credentials) as wire:
        sizes, uidls = wire.sizes(), wire.uidls()
        mails, left = [], READ_BY_POP3
        for number in sorted(sizes)[-newest:][::-1]:
            whole = sizes[number] <= min(READ, left)
            raw = wire.beginning(number, READ if whole else LINES)
            left -= len(raw or b"")
            cut = not whole or raw is None  # without TOP nothing was read
            source_id = f"uidl:{uidls.get(number, '')}"
            mails.append(Glimpse(raw or b"", sizes[number], source_id=source_id, cut=cut))
        return Glance(len(sizes), len(sizes), tuple(mails))


def _is_there_by_imap(server: ServerAddress, credentials: Credentials, message_id: str, ends: float) -> bool:
    with _examined(server, credentials) as (client, _):
        while True:
            if client.search(["HEADER", "Message-ID", message_id]):
                return True
            if time.monotonic() > ends - _PAUSE:
                return False
            time.sleep(_PAUSE)
            client.noop()


def _is_there_by_pop3(server: ServerAddress, credentials: Credentials, message_id: str, _ends: float) -> bool:
    with _listed(server, credentials) as wire:
        newest = sorted(wire.sizes())[-_NEWEST:]
        return any(message_id.encode() in (wire.header(number) or b"") for number in reversed(newest))


@contextlib.contextmanager
def _examined(server: ServerAddress, credentials: Credentials) -> Iterator[tuple[IMAPClient, str]]:
    """The inbox, opened for reading only, and its UIDVALIDITY."""
    connection = connect(server)
    if server.encryption == Encryption.SSL:
        connection = tls.wrap(connection, server)
    client = imap_wire.greet(server, connection, largest=READ * (_NEWEST + 1))
    try:
        if server.encryption != Encryption.SSL:
            imap_wire.encrypt(client, server)
        imap_wire.sign_in(client, server, credentials)
        with imap_wire.answers():
            opened = client.select_folder("INBOX", readonly=True)
            yield client, str(opened.get(b"UIDVALIDITY", ""))
    finally:
        imap_wire.hang_up(client)


@contextlib.contextmanager
def _listed(server: ServerAddress, credentials: Credentials) -> Iterator[pop3_wire.Pop3Wire]:
    connection = connect(server)
    if server.encryption == Encryption.SSL:
        connection = tls.wrap(connection, server)
    wire = pop3_wire.greet(server, connection)
    try:
        if server.encryption != Encryption.SSL:
            pop3_wire.encrypt(wire, server)
        pop3_wire.sign_in(wire, server, credentials)
        yield wire
    finally:
        wire.hang_up(keep=True)
