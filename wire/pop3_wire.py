"""POP3 on the wire: poplib with limits of our own (reply_limits), every fault as a TransportFailure."""

from __future__ import annotations

import base64
import contextlib
import io
import poplib
import re
import socket
from collections.abc import Callable, Iterator

from wire import (
    Credentials,
    ServerAddress,
    TemporaryFailure,
    TransportFailure,
    tls,
)
from wire.address import drop, server_name
from wire.bearer import sign_in_by_token
from wire.failures import network_failure, refuse_control_characters, sign_in_failure, words
from wire.reply_limits import reply_to

_PIECE = 64 * 1024  # octets of a mail that are read at once, where its lines are longer
_LARGEST_HEADER = 256 * 1024
_GOODBYE_PATIENCE = 5.0  # seconds


class _ConnectionEnded(poplib.error_proto):
    pass


class TooLarge(Exception):
    """A mail that was read to its end, `size` bytes, and is larger than anybody wanted it."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes")
        self.size = size


class Pop3Wire(poplib.POP3):
    """poplib over a connection that exists already. Mails come byte for byte, dots unstuffed."""

    _shortcmd: Callable[[str], bytes]

    def __init__(self, server: ServerAddress, connection: socket.socket) -> None:
        self._connection, self._reply = connection, reply_to("POP3")
        # Seconds that the server wants between two sessions (RFC 2449 6.5); known after sign-in.
        self.login_delay = 0
        connection.settimeout(server.timeouts.command)
        try:
            super().__init__(server_name(server.host), server.port, timeout=server.timeouts.command)
        except BaseException:
            self.file.close()  # poplib leaves it open, and with it the connection
            raise

    def sizes(self) -> dict[int, int]:
        """Message number to octets."""
        with answers():
            return {int(row[0]): int(row[1]) for row in self._rows("LIST")}

    def uidls(self) -> dict[int, str]:
        """Message number to UIDL; empty where the server has none."""
        with answers():
            try:
                return {int(row[0]): row[1].decode("ascii", "replace") for row in self._rows("UIDL")}
            except _ConnectionEnded:
                raise
            except poplib.error_proto:
                return {}

    def total(self) -> int:
        """The number of mails."""
        with answers():
            return self.stat()[0]

    def retrieve(self, number: int, largest: int) -> bytes | None:
        """A whole mail, or None if the server refuses it. Raises TooLarge beyond `largest` bytes."""
        return self._body(f"RETR {number}", largest)

    def header(self, number: int) -> bytes | None:
        """The header of a mail (TOP), or None."""
        return self._top(number, 0, _LARGEST_HEADER)

    def beginning(self, number: int, lines: int) -> bytes | None:
        """The header and so many lines below it (TOP), or None."""
        return self._top(number, lines, _LARGEST_HEADER * 4)

    def delete(self, number: int) -> str | None:
        """Mark for deletion at QUIT. None, or what the server says if it refuses."""
        with answers():
            try:
                self.dele(number)
            except _ConnectionEnded:
                raise
            except poplib.error_proto as error:
                return _spoken(error)
            return None

    def hang_up(self, keep: bool) -> bool:
        """QUIT carries the deletions out; without `keep` they are taken back. Never raises.

        True only if the server said that it did as it was told (RFC 1939 section 6).
        """
        try:
            with contextlib.suppress(OSError, poplib.error_proto, TransportFailure):
                if keep:
                    self.quit()
                else:
                    # Some servers delete at any end of a session; nobody may be there to answer, though.
                    self.sock.settimeout(min(_GOODBYE_PATIENCE, self.sock.gettimeout() or _GOODBYE_PATIENCE))
                    self.rset()
                return True
            return False
        finally:
            with contextlib.suppress(OSError):
                self.close()

    def _create_socket(self, timeout: float) -> socket.socket:
        return self._connection

    def _putcmd(self, line: str) -> None:
        # PASS, a challenge's answer and all that is not named has one line.
        self._reply = reply_to("POP3", line.partition(" ")[0])
        super()._putcmd(line)  # type: ignore[misc]

    def _getline(self) -> tuple[bytes, int]:
        line = self._reply.line(self.file)
        if not line:
            raise _ConnectionEnded()
        return line.rstrip(b"\r\n"), len(line)

    def _rows(self, command: str) -> Iterator[list[bytes]]:
        self._shortcmd(command)
        while (line := self._getline()[0]) != b".":
            row = line.split(maxsplit=2)
            if len(row) >= 2 and row[0].isdigit():
                yield row

    def _top(self, number: int, lines: int, largest: int) -> bytes | None:
        try:
            return self._body(f"TOP {number} {lines}", largest)
        except TooLarge:
            return None

    def _body(self, command: str, largest: int) -> bytes | None:
        with answers():
            try:
                self._shortcmd(command)
            except _ConnectionEnded:
                raise
            except poplib.error_proto:
                return None
            return self._read_body(largest)

    def _read_body(self, largest: int) -> bytes:
        """Read to the lone dot. What is beyond `largest` is read too: after it comes the next answer."""
        body = io.BytesIO()  # a list of short lines would take many times their octets
        size = 0
        starts_line = True
        while True:
            piece = self.file.readline(_PIECE)
            if not piece:
                raise _ConnectionEnded()
            self._reply.take(len(piece), rows=1)
            if starts_line and piece.startswith(b"."):
                if piece in (b".\r\n", b".\n"):
                    if size > largest:
                        raise TooLarge(size)
                    return body.getvalue()
                piece = piece[1:]
            starts_line = piece.endswith(b"\n")
            size += len(piece)
            if size <= largest:
                body.write(piece)
            else:
                body = io.BytesIO()


def greet(server: ServerAddress, connection: socket.socket) -> Pop3Wire:
    """Hear the greeting on a connection (encrypted already for SSL)."""
    with answers():
        try:
            return Pop3Wire(server, connection)
        except BaseException:
            drop(connection)
            raise


def encrypt(wire: Pop3Wire, server: ServerAddress) -> bool:
    """STLS (RFC 2595), as `tls.upgrade` has it."""

    def start() -> bool:
        if "STLS" not in (_capabilities(wire) or ()):
            return False
        with answers():
            wire.stls(tls.client_context())
        return True

    return tls.upgrade(server, start)


def sign_in(wire: Pop3Wire, server: ServerAddress, credentials: Credentials) -> None:
    """USER and PASS; other than ASCII characters go as UTF-8."""
    refuse_control_characters(credentials.user + credentials.password, "auth_failed")
    capabilities = _capabilities(wire)
    _speak_utf8(wire, capabilities or {})
    wire.login_delay = _least_interval(capabilities or {})
    if credentials.token is not None:
        mechanisms = None if capabilities is None else capabilities.get("SASL", ())
        is_offered = mechanisms is None or "XOAUTH2" in mechanisms
        sign_in_by_token(wire.sock, is_offered, server, credentials, lambda answer: _bearer(wire, answer))
        return
    with answers():
        try:
            wire.user(credentials.user)
            wire.pass_(credentials.password)
        except _ConnectionEnded:
            raise
        except poplib.error_proto as error:
            # The context is dropped: a server may have echoed the command, with the password.
            failure = sign_in_failure(_spoken(error), server.host, credentials)
            failure.wait = wire.login_delay
            raise failure from None


def _bearer(wire: Pop3Wire, answer: str) -> str | None:
    """One try of XOAUTH2 (RFC 5034; a token is too long for the line of the command). None, or what was said."""
    with answers():
        try:
            wire._shortcmd("AUTH XOAUTH2")
            said = wire._shortcmd(base64.b64encode(answer.encode()).decode())
            if not said.startswith(b"+ "):
                return None
            wire._shortcmd("")  # the error that the server described is taken note of
        except _ConnectionEnded:
            raise
        except poplib.error_proto as error:
            return _spoken(error)
    return None


@contextlib.contextmanager
def answers() -> Iterator[None]:
    """Translate what poplib, ssl and the socket raise."""
    try:
        yield
    except TransportFailure:
        raise
    except _ConnectionEnded as error:
        raise TemporaryFailure("connection_lost") from error
    except poplib.error_proto as error:
        raise TemporaryFailure("protocol_error", _spoken(error)) from error
    except OSError as error:
        raise network_failure(error) from error
    except (LookupError, ValueError) as error:  # numbers that are none
        raise TemporaryFailure("protocol_error", str(error)) from error


def _speak_utf8(wire: Pop3Wire, capabilities: dict[str, list[str]]) -> None:
    """UTF8 (RFC 6856): to who does not say it, Courier hands out a notice of its own in the place of each mail
    that has an 8-bit byte in its header."""
    if "UTF8" in capabilities:
        with answers():
            try:
                wire._shortcmd("UTF8")
            except _ConnectionEnded:
                raise
            except poplib.error_proto:
                return  # then the mails come as they come


def _least_interval(capabilities: dict[str, list[str]]) -> int:
    """Seconds; 0 where the server names none."""
    given = capabilities.get("LOGIN-DELAY", [])[:1]
    return int(given[0]) if given and given[0].isdecimal() and len(given[0]) < 8 else 0


def _capabilities(wire: Pop3Wire) -> dict[str, list[str]] | None:
    """What the server can do now, with its arguments, in capitals; None where it does not know CAPA (RFC 2449)."""
    with answers():
        try:
            return {name.upper(): [one.upper() for one in given] for name, given in wire.capa().items()}
        except _ConnectionEnded:
            raise
        except poplib.error_proto:
            return None


def _spoken(error: poplib.error_proto) -> str:
    return re.sub(r"^-ERR\s*", "", words(error))
