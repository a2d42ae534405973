"""Our own door for mail: an SMTP (RFC 5321) or LMTP (RFC 2033) server in a thread of its own.

It takes mail for known addresses only, relays nothing, and says 250 only after `deliver` has returned.
Every fault of ours is a 451: the sender keeps the mail and tries again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session, TLSSetupException, syntax

log = logging.getLogger(__name__)
logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd logs every line of every client

RECIPIENTS = 100  # in one mail
CONNECTIONS = 200  # altogether
_OUR_FAULT = "451 4.3.0 Something went wrong here, please try again later"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A mail as it came in. `recipients` are as given, each once; an empty `envelope_from` is a bounce's."""

    raw: bytes
    envelope_from: str
    recipients: tuple[str, ...]
    client: str  # address of the other side
    tls: bool


class Receiver:
    """Listens on `host` and `port` (0: any free one) until stopped.

    `accept` says whether an address is ours, `deliver` makes a mail durable; both run in worker threads
    and may raise. `max_bytes` is announced as SIZE. STARTTLS is offered if a `tls_context` is given.
    """

    def __init__(
        self,
        host: str,
        port: int,
        accept: Callable[[str], bool],
        deliver: Callable[[Arrival], None],
        max_bytes: int,
        hostname: str,
        tls_context: ssl.SSLContext | None = None,
        lmtp: bool = False,
        timeout: float = 300.0,
        connections_per_client: int = 20,
    ) -> None:
        self.host, self.port = host, port
        self._new_door = partial(_Door, accept, deliver, connections_per_client)
        self._door = self._new_door()
        self._protocol = _Lmtp if lmtp else _Smtp
        self._options: dict[str, Any] = {
            "data_size_limit": max_bytes,
            "enable_SMTPUTF8": True,
            "hostname": hostname,
            "ident": "Poststelle",
            "tls_context": tls_context,
            "timeout": timeout,
        }
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen. Raises OSError with a sentence that names host and port, for instance if it is taken."""
        try:
            family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
            listening = socket.create_server(
                (self.host, self.port), family=family, dualstack_ipv6=self.host == "::"
            )
        except OSError as error:
            reason = error.strerror or str(error)
            raise OSError(error.errno, f"Cannot receive mail on {self.host}:{self.port}: {reason}") from error
        self.port = listening.getsockname()[1]
        self._door = self._new_door()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._run, args=(self._loop, listening), name="receiver", daemon=True
        )
        self._thread.start()

    def stop(self, patience: float = 10.0) -> None:
        """Take no more connections, let deliveries in flight finish (at most `patience` seconds), hang up."""
        loop, self._loop = self._loop, None
        if loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._door.close(patience), loop)
        self._thread.join()

    def _run(self, loop: asyncio.AbstractEventLoop, listening: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(self._serve(listening))

    async def _serve(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: self._protocol(self._door, loop=loop, **self._options), sock=listening
        )
        try:
            await self._door.closed.wait()
        finally:
            for transport in self._door.transports:
                transport.abort()
            server.close()
            await server.wait_closed()


class _Door:
    """The decisions of the server: aiosmtpd calls the `handle_` methods."""

    def __init__(
        self, accept: Callable[[str], bool], deliver: Callable[[Arrival], None], connections_per_client: int
    ) -> None:
        self.closing = False
        self.closed = asyncio.Event()
        self.connections_per_client = connections_per_client
        self.connections: Counter[str] = Counter()
        self.transports: set[asyncio.WriteTransport] = set()
        self._accept, self._deliver = accept, deliver
        self._deliveries: set[asyncio.Future[bool]] = set()

    async def close(self, patience: float) -> None:
        self.closing = True
        if self._deliveries:
            await asyncio.wait(self._deliveries, timeout=patience)
            await asyncio.sleep(0.05)  # for their sessions to say 250
        self.closed.set()

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [line for line in responses if not line.startswith("250-AUTH")]  # nobody signs in here

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.closing:
            return "421 4.3.2 Going down, please try again later"
        if not address.isprintable():
            return "553 5.1.7 Malformed address"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not address.isprintable():
            return "553 5.1.3 Malformed address"
        if len(envelope.rcpt_tos) >= RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        try:
            known = await asyncio.to_thread(self._accept, address)
        except Exception:
            log.exception("Looking up a recipient failed")
            return _OUR_FAULT
        if not known:
            return "550 5.1.1 No such address here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        raw = envelope.original_content or b""
        if not raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r"):
            # Two servers that read line ends differently can be made to see two mails in one.
            return "550 5.6.0 Bare CR or LF is not allowed"
        assert session.peer is not None
        arrival = Arrival(
            raw=raw,
            envelope_from=_without_null(envelope.mail_from or ""),
            recipients=tuple(dict.fromkeys(envelope.rcpt_tos)),
            client=str(session.peer[0]),
            tls=session.ssl is not None,
        )
        delivery = asyncio.ensure_future(asyncio.to_thread(self._keep, arrival))
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._deliveries.discard)
        return "250 2.0.0 OK" if await asyncio.shield(delivery) else _OUR_FAULT

    def _keep(self, arrival: Arrival) -> bool:
        try:
            self._deliver(arrival)
        except Exception:
            log.exception("Receiving a mail failed")
            return False
        return True

    async def handle_exception(self, error: Exception) -> str:
        if isinstance(error, TLSSetupException):
            log.info("A client broke off STARTTLS: %s", error.__cause__)
        else:
            log.error("A session of the receiver failed", exc_info=error)
        return _OUR_FAULT


class _Smtp(SMTP):
    """One connection."""

    line_length_limit = 100_000  # real mails have lines far beyond the 998 of RFC 5322

    def __init__(self, door: _Door, **options: Any) -> None:
        super().__init__(door, **options)
        self._door = door
        self._client = ""
        self._accepted: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._accepted is None:  # STARTTLS comes by here a second time
            assert isinstance(transport, asyncio.WriteTransport)
            self._accepted = transport
            self._client = str((transport.get_extra_info("peername") or ["?"])[0])
            self._door.transports.add(transport)
            self._door.connections[self._client] += 1
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._accepted in self._door.transports:  # aiosmtpd also calls it after a broken STARTTLS
            self._door.transports.discard(self._accepted)
            self._door.connections[self._client] -= 1
            self._door.connections += Counter()  # drops those at zero
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        self._reset_timeout()  # aiosmtpd counts from the last command: a long mail would be cut off
        super().data_received(data)

    async def _handle_client(self) -> None:
        counts = self._door.connections
        if counts[self._client] > self._door.connections_per_client or counts.total() > CONNECTIONS:
            with contextlib.suppress(OSError):
                await self.push("421 4.7.0 Too many connections, please try again later")
            assert self.transport is not None
            self.transport.close()
            return
        await super()._handle_client()


class _Lmtp(_Smtp):
    """LMTP: LHLO instead of EHLO, and after DATA one reply for every recipient that was accepted."""

    _replies = 0

    @syntax("LHLO hostname")
    async def smtp_LHLO(self, arg: str) -> None:
        await super().smtp_EHLO(arg)

    async def smtp_HELO(self, arg: str) -> None:
        await self.push('500 5.5.1 Use "LHLO"')

    async def smtp_EHLO(self, arg: str) -> None:
        await self.push('500 5.5.1 Use "LHLO"')

    async def push(self, status: str | bytes) -> None:
        text = status.encode() if isinstance(status, str) else status
        if text.startswith(b"354"):
            assert self.envelope is not None
            self._replies = len(self.envelope.rcpt_tos)
        elif self._replies:
            text = b"\r\n".join([text] * self._replies)
            self._replies = 0
        await super().push(text)


def _without_null(address: str) -> str:
    return "" if address == "<>" else address
