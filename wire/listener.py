"""Our own receiver of mail: an SMTP (RFC 5321) or LMTP (RFC 2033) server in a thread of its own.

It takes mail for known addresses only, relays nothing, and says 250 only after `deliver` has returned.
Every fault of ours is a 451: the sender keeps the mail and tries again. How a connection speaks stands
in `listener_wire.py`, what a client may do in `listener_limits.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import ssl
import stat
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from aiosmtpd.smtp import Envelope, Session, TLSSetupException

from wire.listener_limits import Limits, Rate
from wire.listener_wire import OUR_FAULT, Hold, LmtpSession, SmtpSession

log = logging.getLogger(__name__)
logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd logs every line of every client

TAKEN = "250 2.0.0 OK"
USUAL = Limits()


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """A mail as it came in. `recipients` are as given, each once; an empty `envelope_from` is a bounce's."""

    raw: bytes
    envelope_from: str
    recipients: tuple[str, ...]
    client: str  # address of the other side; `local` for a unix socket
    tls: bool


class Receiver:
    """Listens on `host` and `port` (0: any free one), or on a unix socket at `path`, until stopped.

    `accept` says whether an address is ours. `deliver` makes a mail durable and answers for which
    recipients it is; both run in worker threads and may raise. `max_bytes` is announced as SIZE.
    STARTTLS is offered if `tls` is given; it is asked for every connection. `reached` is told the points
    at which a crash test may end the process.
    """

    def __init__(
        self,
        host: str,
        port: int,
        accept: Callable[[str], bool],
        deliver: Callable[[ReceivedMail], Collection[str]],
        max_bytes: int,
        hostname: str,
        tls: Callable[[], ssl.SSLContext] | None = None,
        lmtp: bool = False,
        path: Path | None = None,
        limits: Limits = USUAL,
        reached: Callable[[str], None] = lambda point: None,
    ) -> None:
        self.host, self.port, self.path = host, port, path
        self._new_handler = partial(Handler, accept, deliver, limits, reached)
        self._handler = self._new_handler()
        self._session = LmtpSession if lmtp else SmtpSession
        self._tls = tls
        self._options: dict[str, Any] = {
            "data_size_limit": max_bytes,
            "enable_SMTPUTF8": True,
            "hostname": hostname,
            "ident": "Poststelle",
            "timeout": limits.silence,
        }
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen. Raises OSError with a sentence that names the place, for instance if it is taken."""
        try:
            listening = self._listen()
        except OSError as error:
            reason = error.strerror or str(error)
            raise OSError(error.errno, f"Cannot receive mail on {self.place}: {reason}") from error
        self._handler = self._new_handler()
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
        asyncio.run_coroutine_threadsafe(self._handler.close(patience), loop)
        self._thread.join()
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    @property
    def place(self) -> str:
        return str(self.path or f"{self.host}:{self.port}")

    def _listen(self) -> socket.socket:
        if self.path is not None:
            return _unix_socket(self.path)
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listening = socket.create_server(
            (self.host, self.port), family=family, dualstack_ipv6=self.host == "::"
        )
        # Connections inherit it (asyncio sets it for sockets of its own making only): else the second line of our
        # answer to EHLO waits 40 ms for the client's delayed ACK.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = listening.getsockname()[1]
        return listening

    def _run(self, loop: asyncio.AbstractEventLoop, listening: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(self._serve(listening))

    async def _serve(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()

        def session() -> SmtpSession:
            context = self._tls() if self._tls else None
            return self._session(self._handler, loop=loop, tls_context=context, **self._options)

        if self.path is not None:
            server: asyncio.Server = await loop.create_unix_server(session, sock=listening)
        else:
            server = await loop.create_server(session, sock=listening)
        try:
            await self._handler.closed.wait()
        finally:
            for connected in tuple(self._handler.sessions):
                connected.abort()
            server.close()
            await server.wait_closed()


class Handler:
    """The handler of all sessions: aiosmtpd calls the `handle_` methods, the sessions the others."""

    def __init__(
        self,
        accept: Callable[[str], bool],
        deliver: Callable[[ReceivedMail], Collection[str]],
        limits: Limits,
        reached: Callable[[str], None],
    ) -> None:
        self.limits, self.reached = limits, reached
        self.closing = False
        self.closed = asyncio.Event()
        self.sessions: set[SmtpSession] = set()
        self.held = 0  # bytes of mails that are coming in
        self._connections: Counter[str] = Counter()
        self._from, self._to = Rate(limits.from_a_stranger, monotonic), Rate(limits.to_an_address, monotonic)
        self._accept, self._deliver = accept, deliver
        self._deliveries: set[asyncio.Future[list[str]]] = set()

    async def close(self, patience: float) -> None:
        self.closing = True
        if self._deliveries:
            await asyncio.wait(self._deliveries, timeout=patience)
            await asyncio.sleep(0.05)  # for their sessions to say 250
        self.closed.set()

    # --- who is here

    def enter(self, newcomer: SmtpSession) -> bool:
        """Whether there is room, or one that rests could be made to leave for it."""
        self.sessions.add(newcomer)
        self._connections[newcomer.client.key] += 1
        key = newcomer.client.key
        own = self.limits.per_neighbour if newcomer.client.is_neighbour else self.limits.per_stranger
        if self._connections[key] > own:
            return self._makes_room(newcomer, [one for one in self.sessions if one.client.key == key])
        if len(self.sessions) > self.limits.connections:
            return self._makes_room(newcomer, list(self.sessions))
        return True

    def leave(self, session: SmtpSession) -> None:
        if session in self.sessions:
            self.sessions.discard(session)
            self._connections[session.client.key] -= 1
            self._connections += Counter()  # drops those at zero

    def _makes_room(self, newcomer: SmtpSession, among: list[SmtpSession]) -> bool:
        resting = [session for session in among if session is not newcomer and not session.is_keeping]
        if not resting:
            return False
        longest = min(resting, key=lambda session: (session.mails > 0, session.heard))
        self.leave(longest)
        longest.drop("421 4.7.0 Too many connections, and this one rested longest")
        return True

    @contextlib.contextmanager
    def holding(self) -> Iterator[Hold]:
        hold = Hold(self)
        try:
            yield hold
        finally:
            hold.release()

    # --- what is asked

    async def handle_EHLO(
        self, server: SmtpSession, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        *lines, last = [line for line in responses if not line.startswith("250-AUTH")]  # nobody signs in here
        return [*lines, "250-PIPELINING", "250-ENHANCEDSTATUSCODES", last]

    async def handle_MAIL(
        self, server: SmtpSession, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.closing:
            return "421 4.3.2 Going down, please try again later"
        if not address.isprintable():
            return "553 5.1.7 Malformed address"
        server.mails += 1
        if not server.client.is_neighbour:
            if server.mails > self.limits.mails:
                return "451 4.7.0 Enough mails for one connection, please connect again"
            if not self._from.allows(server.client.key):
                return "451 4.7.1 Too many mails from you, please try again later"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self, server: SmtpSession, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not address.isprintable():
            return "553 5.1.3 Malformed address"
        if len(envelope.rcpt_tos) >= self.limits.recipients:
            return "452 4.5.3 Too many recipients"
        try:
            known = await asyncio.to_thread(self._accept, address)
        except Exception:
            log.exception("Looking up a recipient failed")
            return OUR_FAULT
        if not known:
            return "550 5.1.1 No such address here"
        if not server.client.is_neighbour and not self._to.allows(address.casefold()):
            return "451 4.7.1 Too many mails for this address, please try again later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def keep(self, server: SmtpSession, raw: bytes) -> list[str]:
        """Make a mail durable; the reply for each of its recipients, as often as it was named."""
        assert server.envelope is not None and server.session is not None
        recipients = list(server.envelope.rcpt_tos)
        received = ReceivedMail(
            raw=raw,
            envelope_from=_without_null(server.envelope.mail_from or ""),
            recipients=tuple(dict.fromkeys(recipients)),
            client=server.client.address,
            tls=server.session.ssl is not None,
        )
        delivery = asyncio.ensure_future(asyncio.to_thread(self._keep, received, recipients))
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._deliveries.discard)
        return await asyncio.shield(delivery)  # it goes on if the client hangs up: it may be safe already

    def _keep(self, received: ReceivedMail, recipients: list[str]) -> list[str]:
        try:
            safe = self._deliver(received)
        except Exception:
            log.exception("Receiving a mail failed")
            return [OUR_FAULT] * len(recipients)
        self.reached("before_250")
        return [TAKEN if address in safe else OUR_FAULT for address in recipients]

    async def handle_exception(self, error: Exception) -> str:
        if isinstance(error, TLSSetupException):
            log.info("A client broke off STARTTLS: %s", error.__cause__)
        else:
            log.error("A session of the receiver failed", exc_info=error)
        return OUR_FAULT


def _unix_socket(path: Path) -> socket.socket:
    """A new socket in place of one that nobody answers on any more (a crash leaves it behind).

    Everybody who reaches its folder may deliver, as everybody on this machine may on a port.
    """
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.stat().st_mode):
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(str(path))
                except ConnectionRefusedError:
                    path.unlink()
    listening = socket.socket(socket.AF_UNIX)
    try:
        listening.bind(str(path))
        os.chmod(path, 0o666)
        listening.listen(100)
    except OSError:
        listening.close()
        raise
    return listening


def _without_null(address: str) -> str:
    return "" if address == "<>" else address
