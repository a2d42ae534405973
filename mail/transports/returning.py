"""Waiting for one mail of ours to come back into a mailbox, without touching it or any other."""

from __future__ import annotations

import contextlib
import time

from mail.transports import (
    Credentials,
    Encryption,
    ServerAddress,
    TransportFailure,
    imap_wire,
    pop3_wire,
    tls,
)
from mail.transports.address import connect

_PAUSE = 0.5  # seconds between two looks by IMAP; by POP3 each look is a session of its own
_NEWEST = 20  # mails that are looked at by POP3


def wait_for(
    protocol: str, server: ServerAddress, credentials: Credentials, message_id: str, seconds: float
) -> bool:
    """Whether a mail with that Message-ID arrives in the inbox within so many seconds. Never raises.

    IMAP opens the inbox by EXAMINE, POP3 reads headers by TOP: no flag changes, nothing is deleted.
    """
    ends = time.monotonic() + seconds
    look = _by_imap if protocol == "imap" else _by_pop3
    while time.monotonic() < ends:
        with contextlib.suppress(TransportFailure):
            if look(server, credentials, message_id, ends):
                return True
        time.sleep(min(_PAUSE * 2, max(ends - time.monotonic(), 0)))
    return False


def _by_imap(server: ServerAddress, credentials: Credentials, message_id: str, ends: float) -> bool:
    connection = connect(server)
    if server.encryption == Encryption.SSL:
        connection = tls.wrap(connection, server)
    client = imap_wire.greet(server, connection)
    try:
        if server.encryption != Encryption.SSL:
            imap_wire.encrypt(client, server)
        imap_wire.sign_in(client, server, credentials)
        with imap_wire.answers():
            client.select_folder("INBOX", readonly=True)
            while True:
                if client.search(["HEADER", "Message-ID", message_id]):
                    return True
                if time.monotonic() > ends - _PAUSE:
                    return False
                time.sleep(_PAUSE)
                client.noop()
    finally:
        imap_wire.hang_up(client)


def _by_pop3(server: ServerAddress, credentials: Credentials, message_id: str, _ends: float) -> bool:
    connection = connect(server)
    if server.encryption == Encryption.SSL:
        connection = tls.wrap(connection, server)
    wire = pop3_wire.greet(server, connection)
    try:
        if server.encryption != Encryption.SSL:
            pop3_wire.encrypt(wire, server)
        pop3_wire.sign_in(wire, server, credentials)
        newest = sorted(wire.sizes())[-_NEWEST:]
        return any(message_id.encode() in (wire.header(number) or b"") for number in reversed(newest))
    finally:
        wire.hang_up(keep=True)
