"""An SMTP server that takes every mail, remembers it, and fails when it is told to."""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
import socket
import ssl
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from aiosmtpd.smtp import SMTP, AuthResult

HANG, CLOSE = "hang", "close"


@dataclass(frozen=True)
class SunkMail:
    """`raw` as it came, CRLF; `envelope_from` is empty for the null sender; `user` who signed in."""

    raw: bytes
    envelope_from: str
    recipients: tuple[str, ...]
    user: str
    tls: bool
    options: tuple[str, ...]


class SmtpSink:
    """`users` (name to password), or `accepts` (user, token) for XOAUTH2, makes signing in a duty; `context` offers STARTTLS, or TLS at once if `ssl`.

    Stages at which it can fail: connect, ehlo, auth, mail, rcpt, data (instead of 354), dot (after the
    mail), quit. A reply is a line like `451 later`, HANG (says nothing more) or CLOSE (ends the connection).
    """

    host = "localhost"

    def __init__(
        self,
        users: dict[str, str] | None = None,
        context: ssl.SSLContext | None = None,
        ssl: bool = False,
        mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN", "CRAM-MD5"),
        smtputf8: bool = True,
        max_bytes: int = 50 * 1024 * 1024,
        accepts: Callable[[str, str], bool] | None = None,
    ) -> None:
        self.port = 0
        self.mails: list[SunkMail] = []
        self.commands: list[str] = []
        self.connections = 0
        self.transports: set[asyncio.BaseTransport] = set()
        self.rejected: dict[str, str] = {}
        self.users, self.context, self.ssl = users or {}, context, ssl
        self.accepts = accepts
        self.mechanisms, self.smtputf8, self.max_bytes = mechanisms, smtputf8, max_bytes
        self._failures: dict[str, deque[str]] = defaultdict(deque)
        self._arrived = threading.Condition()

    def start(self) -> None:
        logging.getLogger("mail.log").setLevel(logging.ERROR)
        listening = socket.create_server(("127.0.0.1", self.port))
        # Connections inherit it: else the second line of an answer waits 40 ms for the other side's delayed ACK.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = listening.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._run, args=(listening,), daemon=True, name="smtp sink")
        self._thread.start()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    def fail_next(self, stage: str, reply: str, times: int = 1) -> None:
        """Answer the next command of a stage with this reply."""
        self._failures[stage].extend([reply] * times)

    def recover(self) -> None:
        """All that it was told to answer is forgotten."""
        self._failures.clear()

    def hang_up(self) -> None:
        """End all connections, those in which it says nothing more as well."""
        for transport in list(self.transports):
            self._loop.call_soon_threadsafe(transport.abort)

    def reject(self, recipient: str, reply: str = "550 5.1.1 User unknown") -> None:
        """Refuse a recipient at RCPT, from now on."""
        self.rejected[recipient] = reply

    def wait_for(self, number: int, timeout: float = 10) -> list[SunkMail]:
        """All mails, once there are so many. Raises AssertionError after `timeout` seconds."""
        with self._arrived:
            there = self._arrived.wait_for(lambda: len(self.mails) >= number, timeout)
            assert there, f"{len(self.mails)} of {number} mails after {timeout} s"
            return list(self.mails)

    def clear(self) -> None:
        with self._arrived:
            self.mails.clear()

    def keep(self, mail: SunkMail) -> None:
        with self._arrived:
            self.mails.append(mail)
            self._arrived.notify_all()

    def failure(self, stage: str) -> str:
        failures = self._failures[stage]
        return failures.popleft() if failures else ""

    def _run(self, listening: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(listening))

    async def _serve(self, listening: socket.socket) -> None:
        server = await self._loop.create_server(
            lambda: _Session(self, self._loop), sock=listening, ssl=self.context if self.ssl else None
        )
        await self._stopped.wait()
        for transport in list(self.transports):
            with suppress(
                AttributeError
            ):  # Python 3.11.2: it is just being closed, and has no TLS below any more
                transport.abort()
        server.close()
        await server.wait_closed()


class _Session(SMTP):
    def __init__(self, sink: SmtpSink, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            _Handler(sink),
            enable_SMTPUTF8=sink.smtputf8,
            data_size_limit=sink.max_bytes,
            hostname="sink.example",
            ident="sink",
            tls_context=None if sink.ssl else sink.context,
            auth_require_tls=False,
            authenticator=_authenticate,
            auth_exclude_mechanism=[name for name in ("LOGIN", "PLAIN") if name not in sink.mechanisms],
            loop=loop,
        )
        self.sink = sink

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._original_transport is None:  # else it is the same one after STARTTLS
            self.accepted = transport
            self.sink.transports.add(transport)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.sink.transports.discard(self.accepted)
        super().connection_lost(error)

    async def _handle_client(self) -> None:
        self.sink.connections += 1
        reply = self.sink.failure("connect")
        if reply:
            await self._fail(reply)
            self.transport.close()
            return
        await super()._handle_client()

    async def smtp_EHLO(self, arg: str) -> None:
        await (self._failed("ehlo") or super().smtp_EHLO(arg))

    async def smtp_AUTH(self, arg: str) -> None:
        self.sink.commands.append(f"AUTH {arg.split()[0]}")
        await (self._failed("auth") or super().smtp_AUTH(arg))

    async def smtp_MAIL(self, arg: str | None) -> None:
        self.sink.commands.append(f"MAIL {arg}")
        if (self.sink.users or self.sink.accepts) and not self.session.authenticated:
            await self.push("530 5.7.0 Authentication required")
        else:
            await (self._failed("mail") or super().smtp_MAIL(arg))

    async def smtp_RCPT(self, arg: str | None) -> None:
        await (self._failed("rcpt") or super().smtp_RCPT(arg))

    async def smtp_DATA(self, arg: str) -> None:
        await (self._failed("data") or super().smtp_DATA(arg))

    async def smtp_QUIT(self, arg: str) -> None:
        self.sink.commands.append("QUIT")
        await (self._failed("quit") or super().smtp_QUIT(arg))

    def _failed(self, stage: str):
        reply = self.sink.failure(stage)
        return self._fail(reply) if reply else None

    async def _fail(self, reply: str) -> None:
        if reply == CLOSE:
            self.transport.close()
        elif reply == HANG:
            await asyncio.Event().wait()
        else:
            await self.push(reply)
            if reply.startswith("421"):
                self.transport.close()


class _Handler:
    def __init__(self, sink: SmtpSink) -> None:
        self.sink = sink
        if "CRAM-MD5" in sink.mechanisms:
            self.auth_CRAM__MD5 = self._cram_md5
        if "XOAUTH2" in sink.mechanisms:
            self.auth_XOAUTH2 = self._xoauth2

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        auth = [f"250-AUTH {' '.join(self.sink.mechanisms)}"] if self.sink.users or self.sink.accepts else []
        *lines, last = [line for line in responses if not line.startswith("250-AUTH")]
        return [*lines, *auth, last]

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.sink.rejected:
            return self.sink.rejected[address]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        reply = self.sink.failure("dot")
        if reply in (HANG, CLOSE):
            await server._fail(reply)
        if reply and not reply.startswith("2"):
            return reply
        self.sink.keep(
            SunkMail(
                raw=envelope.original_content,
                envelope_from="" if envelope.mail_from == "<>" else envelope.mail_from,
                recipients=tuple(envelope.rcpt_tos),
                user=session.auth_data or "",
                tls=session.ssl is not None or self.sink.ssl,
                options=tuple(envelope.mail_options),
            )
        )
        return reply or f"250 2.0.0 OK queued as {len(self.sink.mails)}"

    async def _cram_md5(self, server, args):
        challenge = b"<1.2@sink.example>"
        await server.push("334 " + base64.b64encode(challenge).decode())
        answer = base64.b64decode((await server._reader.readline()).strip())
        user, _, digest = answer.decode().rpartition(" ")
        password = self.sink.users.get(user, "")
        right = hmac.new(password.encode(), challenge, "md5").hexdigest() == digest
        return AuthResult(success=right and bool(password), handled=False, auth_data=user)

    async def _xoauth2(self, server, args):
        encoded = args[1].encode() if len(args) == 2 else b""
        if not encoded:
            await server.push("334 ")
            encoded = (await server._reader.readline()).strip()
        user, _, rest = base64.b64decode(encoded).decode().removeprefix("user=").partition("\1")
        token = rest.removeprefix("auth=Bearer ").rstrip("\1")
        right = self.sink.accepts(user, token)
        if not right:  # Google's way: the error as a challenge, the refusal after an empty answer
            await server.push("334 " + base64.b64encode(b'{"status":"400","schemes":"Bearer"}').decode())
            assert (await server._reader.readline()).strip() == b""
        return AuthResult(success=right, handled=False, auth_data=user)


def _authenticate(server, session, envelope, mechanism, login):
    """`login` has bytes for PLAIN and LOGIN."""
    user, password = login.login.decode(), login.password.decode()
    return AuthResult(success=server.sink.users.get(user) == password, handled=False, auth_data=user)
