"""One connection to our receiver: SMTP (RFC 5321) or LMTP (RFC 2033), through aiosmtpd.

aiosmtpd speaks the commands. Ours are the reading of a mail (lines of any length, a bounded memory,
no line ends but CRLF), one answer per recipient, enhanced status codes and the limits.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP, syntax

from wire.listener_limits import Client, client_of

if TYPE_CHECKING:
    from wire.listener import Handler

COMMAND = 2000  # bytes of a line, after EHLO
END = b"\r\n.\r\n"
OUR_FAULT = "451 4.3.0 Something went wrong here, please try again later"
TOO_LARGE = "552 5.3.4 The mail is larger than is taken here"
TOO_MUCH = "452 4.3.1 Too much comes in at this moment, please try again later"
BARE = "550 5.6.0 Bare CR or LF is not allowed"

# RFC 2034: every final reply but the greeting carries such a code; aiosmtpd's own have none.
ENHANCED = {
    b"221": b"2.0.0",
    b"250": b"2.0.0",
    b"252": b"2.5.0",
    b"454": b"4.7.0",
    b"500": b"5.5.2",
    b"501": b"5.5.4",
    b"502": b"5.5.1",
    b"503": b"5.5.1",
    b"504": b"5.5.4",
    b"552": b"5.3.4",
    b"553": b"5.1.3",
    b"555": b"5.5.4",
}


class Refused(Exception):
    """The mail was read to its end and is not taken; the text is the reply."""


class SmtpSession(SMTP):
    line_length_limit = 64 * 1024  # what is read at once, not how long a line may be

    def __init__(self, handler: Handler, **options: Any) -> None:
        super().__init__(handler, **options)
        # With what extensions add; aiosmtpd's own is shared by all connections and grows with every EHLO.
        self.command_size_limits = defaultdict(lambda: COMMAND)
        self._handler = handler
        self.client = Client("", "", is_neighbour=False)
        self._accepted: asyncio.WriteTransport | None = None
        self._greets = False
        self._errors = self.mails = 0
        self.heard = 0.0  # when something last came from the client, in seconds of the loop
        self.is_keeping = False  # a mail that has arrived is made durable: no time to hang up
        self._is_welcome = True
        self._timers: list[asyncio.TimerHandle] = []

    # --- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._accepted is None:  # STARTTLS comes by here a second time
            assert isinstance(transport, asyncio.WriteTransport)
            self._accepted = transport
            self.client = client_of(transport.get_extra_info("peername"))
            self.heard = self.loop.time()
            self._is_welcome = self._handler.enter(self)
            limits = self._handler.limits
            self._timers = [
                self.loop.call_later(limits.session, self.abort),
                self.loop.call_later(limits.until_mail, self._expects_mail),
            ]
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._handler.leave(self)
        for timer in self._timers:
            timer.cancel()
        super().connection_lost(error)  # aiosmtpd also calls it after a broken STARTTLS

    def data_received(self, data: bytes) -> None:
        self.heard = self.loop.time()
        self._reset_timeout()  # aiosmtpd counts from the last command: a long mail would be cut off
        super().data_received(data)

    def eof_received(self) -> bool | None:
        """The client says no more, and may still listen: Exim sends the final dot and QUIT and closes its half
        at once. What it asked for is done and answered; then there is nothing to read, and the session ends.
        """
        assert self.session is not None
        if self.session.ssl is not None:  # no half of it can be closed
            return super().eof_received()
        return asyncio.StreamReaderProtocol.eof_received(self)  # aiosmtpd's cancels the running command

    async def handle_exception(self, error: Exception) -> str:
        if not isinstance(error, asyncio.IncompleteReadError):
            return await super().handle_exception(error)
        assert self.transport is not None and self._handler_coroutine is not None
        self.transport.close()  # after what is written already
        self._handler_coroutine.cancel()
        return "421 4.4.2 The connection was closed"

    async def _handle_client(self) -> None:
        if not self._is_welcome:
            await self.hang_up("421 4.7.0 Too many connections, please try again later")
            return
        await super()._handle_client()

    async def hang_up(self, reply: str) -> None:
        with contextlib.suppress(OSError):
            await super().push(reply)
        if self.transport is not None:
            self.transport.close()

    def drop(self, reply: str) -> None:
        """Hang up at once, whatever the client is doing; one that does not even read that gets a second for it."""
        if isinstance(self.transport, asyncio.WriteTransport) and not self.transport.is_closing():
            self.transport.write(reply.encode() + b"\r\n")
            self.transport.close()
        self._timers.append(self.loop.call_later(1, self.abort))

    def abort(self) -> None:
        if self._accepted is not None:
            with contextlib.suppress(
                AttributeError
            ):  # Python 3.11.2: it just lost the TLS below it, so it ends
                self._accepted.abort()

    def _expects_mail(self) -> None:
        if not self.mails:
            self.drop("421 4.4.2 No mail was begun in time, goodbye")

    # --- replies

    async def push(self, status: str | bytes) -> None:
        reply = status.encode() if isinstance(status, str) else status
        if not self._greets:
            reply = _with_enhanced_code(reply)
        await super().push(reply)
        self._errors += reply.startswith(b"5")
        if self._errors > self._handler.limits.errors and self.transport is not None:
            await self.hang_up("421 4.7.0 Too many errors, goodbye")

    async def smtp_EHLO(self, arg: str) -> None:
        self._greets = True
        try:
            await super().smtp_EHLO(arg)
        finally:
            self._greets = False

    async def smtp_HELO(self, arg: str) -> None:
        self._greets = True
        try:
            await super().smtp_HELO(arg)
        finally:
            self._greets = False

    # --- a mail

    @syntax("DATA")
    async def smtp_DATA(self, arg: str) -> None:
        if await self.check_helo_needed():
            return
        assert self.envelope is not None
        if not self.envelope.rcpt_tos:
            await self.push("503 5.5.1 Error: need RCPT command")
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        recipients = list(self.envelope.rcpt_tos)
        with self._handler.holding() as hold:
            try:
                raw = await self._mail(hold)
                self.is_keeping = True
                replies = await self._handler.keep(self, raw)
            except Refused as refused:
                replies = [str(refused)] * len(recipients)
            finally:
                self.is_keeping = False
            self._set_post_data_state()
            await self._answer(replies)
        if any(reply.startswith("250") for reply in replies):
            self._handler.reached("after_250")

    async def _answer(self, replies: list[str]) -> None:
        """One for the whole mail: it is taken only if it is safe for everybody. A second try brings
        again what some have already, and their channels know it by its digest."""
        await self.push(next((reply for reply in replies if not reply.startswith("250")), replies[0]))

    async def _mail(self, hold: Hold) -> bytes:
        """The mail up to its final dot, with the dots of transparency removed (RFC 5321 4.5.2).

        It ends at CRLF.CRLF and nowhere else, and has no other CR or LF. Raises Refused.
        """
        reader, pieces, refused = self._reader, [], ""
        # The line end of DATA is the first of the mail's end, if there is nothing in it.
        reader._buffer[:0] = b"\r\n"  # type: ignore[attr-defined]
        while True:
            try:
                piece, ended = await reader.readuntil(END), True
            except asyncio.LimitOverrunError as overrun:
                piece, ended = await reader.read(overrun.consumed), False
            if not refused:
                pieces.append(piece)
                refused = hold.more(len(piece), self.data_size_limit or 0)
                if refused:
                    pieces.clear()
            if ended:
                break
        if refused:
            raise Refused(refused)
        pieces[0] = pieces[0][2:]
        pieces[-1] = pieces[-1][:-3]
        raw = b"".join(pieces)
        pieces.clear()
        if not raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r"):
            # Two servers that read line ends differently can be made to see two mails in one.
            raise Refused(BARE)
        if b"\r\n." in raw:
            raw = raw.replace(b"\r\n.", b"\r\n")
        return raw.removeprefix(b".")


class LmtpSession(SmtpSession):
    """LHLO instead of EHLO, and after DATA one reply for every recipient that was accepted, in their order."""

    @syntax("LHLO hostname")
    async def smtp_LHLO(self, arg: str) -> None:
        await super().smtp_EHLO(arg)

    async def smtp_HELO(self, arg: str) -> None:
        await self.push('500 5.5.1 Use "LHLO"')

    async def smtp_EHLO(self, arg: str) -> None:
        await self.push('500 5.5.1 Use "LHLO"')

    async def _answer(self, replies: list[str]) -> None:
        await self.push("\r\n".join(replies))


class Hold:
    """The memory that a mail takes while it comes in, as part of what all of them may take."""

    def __init__(self, handler: Handler) -> None:
        self._handler, self.size = handler, 0

    def more(self, size: int, largest: int) -> str:
        """Count a piece; answers the refusal when this mail, or all of them together, become too large."""
        self.size += size
        self._handler.held += size
        if largest and self.size > largest + len(END):
            return self._let_go(TOO_LARGE)
        if self._handler.held > max(self._handler.limits.held_bytes, largest + len(END)):
            return self._let_go(TOO_MUCH)
        return ""

    def release(self) -> None:
        self._let_go("")

    def _let_go(self, refusal: str) -> str:
        self._handler.held -= self.size
        self.size = 0
        return refusal


def _with_enhanced_code(reply: bytes) -> bytes:
    code, text = reply[:3], reply[4:]
    if code not in ENHANCED or text[1:2] == b"." or reply[3:4] != b" ":
        return reply
    return b"%s %s %s" % (code, ENHANCED[code], text)
