"""Mail handed to a server (RFC 5321), through Flask-Mail with a connection class of our own.

Flask-Mail's own connection has no timeout, checks no certificate, throws away what the server says of
single recipients and takes a failing QUIT for a failing mail, so that a retry would double it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import idna
from flask_mail import Connection, Mail, Message, email_dispatched

from wire import (
    Credentials,
    Handover,
    PermanentFailure,
    ServerAddress,
    TemporaryFailure,
    TransportFailure,
)
from wire.failures import words
from wire.smtp_wire import SmtpWire, answers, open_wire

# RFC 5321 4.5.3.2.6 gives a server ten minutes to answer the final dot, ten times the other commands.
_FINAL_DOT_PATIENCE = 10


class SmtpSender:
    """A server that takes mail. One connection for a run of mails; a broken one is opened again."""

    def __init__(self, server: ServerAddress, credentials: Credentials, local_hostname: str) -> None:
        self._connection = ChannelConnection(server, credentials, local_hostname)

    def __enter__(self) -> Self:
        self._connection.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def send(self, raw: bytes, envelope_from: str, recipients: Sequence[str]) -> dict[str, Handover]:
        """Hand over one mail; an answer for every recipient. An empty `envelope_from` is the null sender.

        Raises TransportFailure when no recipient got an answer: connection, sender_refused, too_large,
        smtputf8_missing. An empty `reply` of an accepted one says that the server fell silent after the
        final dot: the mail may be on its way and is not sent twice.
        """
        message = FrozenMessage(raw, envelope_from, recipients)
        message.send(self._connection)
        return message.answers


class FrozenMessage(Message):
    """A mail whose bytes were made once, so that a retry sends the same; and what the server said of it."""

    def __init__(self, raw: bytes, envelope_from: str, recipients: Sequence[str]) -> None:
        # Without the parent's __init__, which asks the network for our own name and the app for a sender.
        self.raw = raw
        self.sender = self.envelope_from = envelope_from
        self.addresses = list(dict.fromkeys(recipients))
        self.recipients = [*self.addresses]
        self.cc, self.bcc = [], []
        self.answers: dict[str, Handover] = {}

    def as_bytes(self) -> bytes:
        return self.raw


class ChannelConnection(Connection):
    """Flask-Mail's connection for one channel: checked address, verified TLS, timeouts, chosen AUTH."""

    host: SmtpWire | None

    def __init__(self, server: ServerAddress, credentials: Credentials, local_hostname: str) -> None:
        super().__init__(Mail())
        self._server, self._credentials, self._local_hostname = server, credentials, local_hostname

    def __enter__(self) -> Self:
        self.host = self.configure_host()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def configure_host(self) -> SmtpWire:
        return open_wire(self._server, self._credentials, self._local_hostname)

    def close(self) -> None:
        host, self.host = self.host, None
        if host is not None:
            host.hang_up()

    def send(self, message: Message, envelope_from: str | tuple[str, str] | None = None) -> None:
        """Hand over a FrozenMessage; the server's answers are in its `answers` then."""
        assert isinstance(message, FrozenMessage)
        was_open = self._is_open()
        try:
            self._send(message)
        except TemporaryFailure as failure:
            # A server may end a connection between two mails. Nothing of this one was taken so far.
            if not was_open or self._is_open() or failure.code in ("timeout", "protocol_error"):
                raise
            message.answers.clear()
            self._send(message)
        email_dispatched.send(self, message=message)

    def _is_open(self) -> bool:
        return self.host is not None and self.host.sock is not None

    def _send(self, message: FrozenMessage) -> None:
        if self.host is None or self.host.sock is None:
            self.host = self.configure_host()
        with answers():
            _Transaction(self.host, message, self._server.timeouts.command).run()


class _Transaction:
    """One mail on an open connection: MAIL, RCPT, DATA."""

    def __init__(self, wire: SmtpWire, message: FrozenMessage, patience: float) -> None:
        self._wire, self._message, self._patience = wire, message, patience
        self._body = _on_the_wire(message.as_bytes())

    def run(self) -> None:
        sender = _ascii_domain(self._message.envelope_from)
        recipients = {address: _ascii_domain(address) for address in self._message.addresses}
        options = self._options(sender, recipients)
        self._mail(sender, options)
        accepted = [address for address in recipients if self._rcpt(address, recipients[address])]
        if accepted:
            handover = self._data()
            self._message.answers.update(dict.fromkeys(accepted, handover))
        if any(answer.outcome != "accepted" for answer in self._message.answers.values()):
            self._wire.reset()

    def _options(self, sender: str, recipients: dict[str, str]) -> list[str]:
        wire, options = self._wire, []
        largest = wire.esmtp_features.get("size", "")
        if largest.isdigit() and 0 < int(largest) < len(self._body):
            raise PermanentFailure("too_large", f"SIZE {largest}")
        if wire.has_extn("size"):
            options.append(f"SIZE={len(self._body)}")
        if not self._body.isascii() and wire.has_extn("8bitmime"):
            options.append("BODY=8BITMIME")
        header = self._body[: self._body.find(b"\r\n\r\n")]
        in_mail = not (header.isascii() and sender.isascii())
        in_recipients = [address for address, ascii in recipients.items() if not ascii.isascii()]
        if wire.has_extn("smtputf8"):
            return [*options, "SMTPUTF8"] if in_mail or in_recipients else options
        if in_mail or len(in_recipients) == len(recipients):
            raise PermanentFailure("smtputf8_missing")
        for address in in_recipients:  # the others get the mail
            self._message.answers[address] = Handover("permanent", "550 5.6.7 SMTPUTF8 is not offered")
            del recipients[address]
        return options

    def _mail(self, sender: str, options: list[str]) -> None:
        code, reply = self._wire.mail(sender or "<>", options)
        if code // 100 == 2:
            return
        text = self._refused(code, reply).reply
        self._wire.reset()
        if code // 100 != 5:
            raise TemporaryFailure("server_busy", text)
        if code == 530:
            raise PermanentFailure("plaintext_refused" if "STARTTLS" in text else "auth_failed", text)
        raise PermanentFailure("too_large" if code == 552 or "5.3.4" in text else "sender_refused", text)

    def _rcpt(self, address: str, ascii: str) -> bool:
        if re.search(r"[\x00-\x20\x7f<>]", ascii) or not ascii:
            self._message.answers[address] = Handover("permanent", "553 5.1.3 Malformed address")
            return False
        code, reply = self._wire.rcpt(ascii)
        if code // 100 == 2:
            return True
        self._message.answers[address] = self._refused(code, reply)
        if code == 421:
            raise TemporaryFailure("server_busy", self._message.answers[address].reply)
        return False

    def _data(self) -> Handover:
        wire = self._wire
        code, reply = wire.docmd("DATA")
        if code != 354:
            return self._refused(code, reply)
        wire.send(self._body + b".\r\n")
        # From here on the mail may be on its way: no error leads to a second sending.
        try:
            if wire.sock is not None:
                wire.sock.settimeout(self._patience * _FINAL_DOT_PATIENCE)
            code, reply = wire.getreply()
        except (OSError, TransportFailure):
            return Handover("accepted", "")
        finally:
            if wire.sock is not None:
                wire.sock.settimeout(self._patience)
        if code // 100 in (4, 5):
            return self._refused(code, reply)
        return Handover("accepted", f"{code} {words(reply)}" if code // 100 == 2 else "")

    def _refused(self, code: int, reply: bytes) -> Handover:
        if code == 421:  # the server ends the connection
            self._wire.close()
        outcome = "permanent" if code // 100 == 5 else "temporary"
        return Handover(outcome, f"{code} {words(reply)}")


def _on_the_wire(raw: bytes) -> bytes:
    """CRLF line ends, a line end last, dots at the start of a line doubled (RFC 5321 4.5.2)."""
    if not raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r"):
        raw = re.sub(rb"\r\n|\r|\n", b"\r\n", raw)
    if not raw.endswith(b"\r\n"):
        raw += b"\r\n"
    return re.sub(rb"(?m)^\.", b"..", raw)


def _ascii_domain(address: str) -> str:
    """An international domain in its ASCII form, if the local part is ASCII: then no SMTPUTF8 is needed."""
    local, at, domain = address.rpartition("@")
    if domain.isascii() or not local.isascii():
        return address
    try:
        return local + at + idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError:
        return address
