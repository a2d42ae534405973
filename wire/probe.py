"""The connection test: step by step what works, what does not, and the server's own words about it.

Nothing is changed on the server: a folder is asked for its counts without being opened, and a sender is
only announced and taken back. Only a test mail that was asked for leaves something behind.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from wire import (
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
from wire.address import IPAddress, dial, resolve
from wire.failures import greeting_failure, words

LIMIT = 15.0  # seconds for all steps together
INCOMING = ("found", "connected", "encrypted", "signed_in", "inbox")
OUTGOING = ("found", "connected", "encrypted", "capabilities", "signed_in", "sender")
SENT = "sent"  # one step more where a test mail is asked for
_SILENCE = 4.0  # seconds: a port that waits for SSL says nothing, then we look whether it does
_TLS_TRY = 2.0

Told = Callable[[Step], None]
Client = TypeVar("Client")


def check_incoming(
    protocol: str,
    server: ServerAddress,
    credentials: Credentials,
    folder: str = "INBOX",
    limit: float = LIMIT,
    told: Told = lambda step: None,
) -> list[Step]:
    """Steps found, connected, encrypted, signed_in, inbox; `protocol` is imap or pop3.

    Facts: address; subject, issuer, not_after, protocol of the certificate; unread (IMAP) and total.
    `told` hears of each step when it has been taken, in another thread.
    """
    server = _impatient(server, limit)
    walks = {"imap": lambda: _imap(server, credentials, folder), "pop3": lambda: _pop3(server, credentials)}
    walk = walks[protocol]()
    return _run(INCOMING, walk, limit, told)


def check_outgoing(
    server: ServerAddress,
    credentials: Credentials,
    sender_address: str,
    local_hostname: str = "localhost",
    limit: float = LIMIT,
    told: Told = lambda step: None,
    test_mail: bytes = b"",
) -> list[Step]:
    """Steps found, connected, encrypted, capabilities, signed_in, sender; with a `test_mail` also sent.

    Facts: address; those of the certificate; size, auth, smtputf8. The sender is the recipient as well:
    both are announced and taken back, unless the test mail (CRLF lines) is really sent.
    """
    walk = _smtp(_impatient(server, limit), credentials, sender_address, local_hostname, test_mail)
    return _run((*OUTGOING, SENT) if test_mail else OUTGOING, walk, limit, told)


def _impatient(server: ServerAddress, limit: float) -> ServerAddress:
    given = server.timeouts
    timeouts = Timeouts(min(given.connect, limit / 3), min(given.command, limit * 2 / 3))
    return replace(server, timeouts=timeouts)


def _run(names: tuple[str, ...], walk: Iterator[Step], limit: float, told: Told) -> list[Step]:
    """Walk in a thread of its own, since nothing else bounds a resolver or a server that drips."""
    steps: list[Step] = []
    failures: list[Exception] = []
    turn, over = threading.Lock(), threading.Event()

    def note(step: Step) -> None:
        steps.append(step)
        told(step)

    def go() -> None:
        try:
            for step in walk:
                with turn:
                    if over.is_set():
                        return
                    note(step)
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=go, name="connection test", daemon=True)
    thread.start()
    thread.join(limit)
    with turn:
        over.set()
        if len(steps) == len(names):
            return steps
        failure = failures[0] if failures else TemporaryFailure("timeout")
        if not isinstance(failure, TransportFailure):
            raise failure
        note(Step(names[len(steps)], "failed", failure.code, failure.words))
        for name in names[len(steps) :]:
            note(Step(name, "skipped"))
        return steps


def _imap(server: ServerAddress, credentials: Credentials, folder: str) -> Iterator[Step]:
    client = yield from _reach(server, "imap", lambda connection: imap_wire.greet(server, connection))
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
    wire = yield from _reach(server, "pop3", lambda connection: pop3_wire.greet(server, connection))
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
    server: ServerAddress, credentials: Credentials, address: str, local_hostname: str, test_mail: bytes
) -> Iterator[Step]:
    wire = yield from _reach(
        server, "smtp", lambda connection: smtp_wire.greet(server, connection, local_hostname)
    )
    try:
        if server.encryption != Encryption.SSL:
            smtp_wire.encrypt(wire, server)
        yield _encrypted(wire.sock)
        yield _capabilities(wire)
        smtp_wire.sign_in(wire, server, credentials)
        yield Step("signed_in", "ok")
        yield _announced(wire, address)
        if test_mail:
            with smtp_wire.answers():
                code, reply = wire.data(test_mail)
            if code // 100 != 2:
                raise PermanentFailure("content_refused", f"{code} {words(reply)}")
            yield Step(SENT, "ok", words=f"{code} {words(reply)}")
        wire.reset()
    finally:
        wire.hang_up()


def _announced(wire: smtp_wire.SmtpWire, address: str) -> Step:
    """MAIL and RCPT with the channel's own address: what an answer from it would have to pass."""
    with smtp_wire.answers():
        code, reply = wire.mail(address or "<>")
        if code // 100 == 2 and address:
            code, reply = wire.rcpt(address)
    text = f"{code} {words(reply)}"
    if code // 100 == 2:
        return Step("sender", "ok", words=text)
    if code == 530 or "authentication required" in text.casefold():
        raise PermanentFailure("auth_required", text)
    if code // 100 == 4:
        raise TemporaryFailure("server_busy", text)
    raise PermanentFailure("sender_refused", text)


def _reach(
    server: ServerAddress, protocol: str, greet: Callable[[socket.socket], Client]
) -> Generator[Step, None, Client]:
    """Found and connected. Without SSL the greeting belongs to it: a wrong port often says nothing."""
    addresses = resolve(server.host, server.port, server.allow_private)
    yield Step("found", "ok", facts=(("address", ", ".join(map(str, addresses))),))
    connection = dial(addresses, server.port, server.timeouts.connect)
    if server.encryption == Encryption.SSL:
        yield Step("connected", "ok")
        connection = tls.wrap(connection, server)
    elif _is_silent(connection, server) and _speaks_tls(addresses, server):
        connection.close()
        raise PermanentFailure("wrong_port_plain")
    try:
        client = greet(connection)
    except TransportFailure as failure:
        raise greeting_failure(failure, protocol) from failure
    if server.encryption != Encryption.SSL:
        yield Step("connected", "ok")
    return client


def _is_silent(connection: socket.socket, server: ServerAddress) -> bool:
    patience = min(_SILENCE, server.timeouts.command / 2)
    return not select.select([connection], [], [], patience)[0]


def _speaks_tls(addresses: Sequence[IPAddress], server: ServerAddress) -> bool:
    """Whether a port that keeps silent answers to a TLS handshake, with whatever certificate."""
    patience = min(_TLS_TRY, server.timeouts.connect)
    quick = replace(server, timeouts=Timeouts(patience, patience))
    try:
        with contextlib.closing(dial(addresses, server.port, patience)) as connection:
            tls.wrap(connection, quick).close()
    except TransportFailure as failure:
        return failure.code.startswith("certificate_")
    return True


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
