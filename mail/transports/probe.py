"""The connection test: step by step what works, what does not, and the server's own words about it.

Nothing is changed on the server: a folder is asked for its counts without being opened, and a sender is
only announced and taken back.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import TypeVar

from mail.transports import (
    Credentials,
    Encryption,
    PermanentFailure,
    ServerAddress,
    Step,
    TemporaryFailure,
    Timeouts,
    TransportFailure,
    imap_wire,
    pop3_wire,
    smtp_wire,
    tls,
)
from mail.transports.address import dial, resolve
from mail.transports.failures import words

LIMIT = 15.0  # seconds for all steps together
INCOMING = ("found", "connected", "encrypted", "signed_in", "inbox")
OUTGOING = ("found", "connected", "encrypted", "capabilities", "signed_in", "sender")
_SSL_PORTS = frozenset({465, 993, 995})

Client = TypeVar("Client")


def check_incoming(
    protocol: str,
    server: ServerAddress,
    credentials: Credentials,
    folder: str = "INBOX",
    limit: float = LIMIT,
) -> list[Step]:
    """Steps found, connected, encrypted, signed_in, inbox; `protocol` is imap or pop3.

    Facts: address; subject, issuer, not_after, protocol of the certificate; unread (IMAP) and total.
    """
    server = _impatient(server, limit)
    walk = _imap(server, credentials, folder) if protocol == "imap" else _pop3(server, credentials)
    return _run(INCOMING, walk, limit)


def check_outgoing(
    server: ServerAddress,
    credentials: Credentials,
    sender_address: str,
    local_hostname: str = "localhost",
    limit: float = LIMIT,
) -> list[Step]:
    """Steps found, connected, encrypted, capabilities, signed_in, sender.

    Facts: address; those of the certificate; size, auth, smtputf8.
    """
    walk = _smtp(_impatient(server, limit), credentials, sender_address, local_hostname)
    return _run(OUTGOING, walk, limit)


def _impatient(server: ServerAddress, limit: float) -> ServerAddress:
    given = server.timeouts
    timeouts = Timeouts(min(given.connect, limit / 3), min(given.command, limit * 2 / 3))
    return replace(server, timeouts=timeouts)


def _run(names: tuple[str, ...], walk: Iterator[Step], limit: float) -> list[Step]:
    """Walk in a thread of its own, since nothing else bounds a resolver or a server that drips."""
    steps: list[Step] = []
    failures: list[Exception] = []

    def go() -> None:
        try:
            for step in walk:
                steps.append(step)
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=go, name="connection test", daemon=True)
    thread.start()
    thread.join(limit)
    done = steps.copy()
    if len(done) == len(names):
        return done
    failure = failures[0] if failures else TemporaryFailure("timeout")
    if not isinstance(failure, TransportFailure):
        raise failure
    failed = Step(names[len(done)], "failed", failure.code, failure.words)
    return [*done, failed, *(Step(name, "skipped") for name in names[len(done) + 1 :])]


def _imap(server: ServerAddress, credentials: Credentials, folder: str) -> Iterator[Step]:
    client = yield from _reach(server, lambda connection: imap_wire.greet(server, connection))
    try:
        if server.encryption != Encryption.SSL:
            imap_wire.encrypt(client, server)
        yield _encrypted(client.socket())
        imap_wire.sign_in(client, server, credentials)
        yield Step("signed_in", "ok")
        unread, total = imap_wire.unread_and_total(client, folder)
        yield Step("inbox", "ok", facts=(("unread", str(unread)), ("total", str(total))))
    finally:
        imap_wire.hang_up(client)


def _pop3(server: ServerAddress, credentials: Credentials) -> Iterator[Step]:
    wire = yield from _reach(server, lambda connection: pop3_wire.greet(server, connection))
    try:
        if server.encryption != Encryption.SSL:
            pop3_wire.encrypt(wire, server)
        yield _encrypted(wire.sock)
        pop3_wire.sign_in(wire, server, credentials)
        yield Step("signed_in", "ok")
        yield Step("inbox", "ok", facts=(("total", str(wire.total())),))
    finally:
        wire.hang_up(keep=True)


def _smtp(
    server: ServerAddress, credentials: Credentials, sender_address: str, local_hostname: str
) -> Iterator[Step]:
    wire = yield from _reach(server, lambda connection: smtp_wire.greet(server, connection, local_hostname))
    try:
        if server.encryption != Encryption.SSL:
            smtp_wire.encrypt(wire, server)
        yield _encrypted(wire.sock)
        yield _capabilities(wire)
        smtp_wire.sign_in(wire, server, credentials)
        yield Step("signed_in", "ok")
        with smtp_wire.answers():
            code, reply = wire.mail(sender_address or "<>")
            wire.reset()
        if code // 100 != 2:
            raise PermanentFailure("sender_refused", f"{code} {words(reply)}")
        yield Step("sender", "ok", words=f"{code} {words(reply)}")
    finally:
        wire.hang_up()


def _reach(server: ServerAddress, greet: Callable[[socket.socket], Client]) -> Generator[Step, None, Client]:
    """Found and connected. Without SSL the greeting belongs to it: a wrong port often says nothing."""
    addresses = resolve(server.host, server.port, server.allow_private)
    yield Step("found", "ok", facts=(("address", ", ".join(map(str, addresses))),))
    connection = dial(addresses, server.port, server.timeouts.connect)
    if server.encryption == Encryption.SSL:
        yield Step("connected", "ok")
        return greet(tls.wrap(connection, server))
    try:
        client = greet(connection)
    except TransportFailure as failure:
        if server.port in _SSL_PORTS and failure.code in ("timeout", "connection_lost"):
            raise PermanentFailure("wrong_port_ssl", failure.words) from failure
        raise
    yield Step("connected", "ok")
    return client


def _encrypted(connection: socket.socket | None) -> Step:
    """Reached without encryption only where an administrator allowed it: then a warning without code."""
    facts = tls.certificate_facts(connection)
    return Step("encrypted", "ok" if facts else "warning", facts=facts)


def _capabilities(wire: smtp_wire.SmtpWire) -> Step:
    features = wire.esmtp_features
    facts = [
        ("size", features.get("size", "")),
        ("auth", " ".join(wire.mechanisms())),
        ("smtputf8", "yes" if wire.has_extn("smtputf8") else ""),
    ]
    return Step("capabilities", "ok", facts=tuple((name, value) for name, value in facts if value))
