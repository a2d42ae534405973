"""SMTP on the wire: greeting, STARTTLS, AUTH as chosen, every fault as a TransportFailure."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hmac
import smtplib
import socket
import ssl
from collections.abc import Iterator
from typing import BinaryIO

from wire import (
    Credentials,
    Encryption,
    PermanentFailure,
    ServerAddress,
    TemporaryFailure,
    TransportFailure,
    tls,
)
from wire.address import connect, drop, server_name
from wire.bearer import sign_in_by_token
from wire.failures import network_failure, refuse_control_characters, sign_in_failure, words
from wire.reply_limits import reply_to

# For "auto". Without encryption the password itself is not shown if there is a way around it.
_PREFERRED = ("PLAIN", "LOGIN", "CRAM-MD5")
_PREFERRED_IN_PLAINTEXT = ("CRAM-MD5", "PLAIN", "LOGIN")
_LONGEST_INITIAL_RESPONSE = 480  # what is left of a command line of 512 octets
_OAUTH = {"XOAUTH2", "OAUTHBEARER"}


class SmtpWire(smtplib.SMTP):
    """smtplib over a connection that exists already."""

    def __init__(self, server: ServerAddress, connection: socket.socket, local_hostname: str) -> None:
        self._connection = connection
        connection.settimeout(server.timeouts.command)
        our_name = server_name(local_hostname) if local_hostname else "localhost"
        super().__init__(server_name(server.host), server.port, our_name, timeout=server.timeouts.command)

    def getreply(self) -> tuple[int, bytes]:
        """As smtplib reads a reply, but of bounded size. The connection is closed where it is lost or at fault."""
        if self.file is None:
            assert self.sock is not None
            self.file = self.sock.makefile("rb")
        try:
            code, lines = self._read_reply(self.file)
        except OSError as error:
            self.close()
            raise smtplib.SMTPServerDisconnected(str(error)) from error
        except TransportFailure:
            self.close()
            raise
        return code, b"\n".join(lines)

    def reset(self) -> None:
        """RSET, where a lost connection is for the next command to find."""
        with contextlib.suppress(OSError, TransportFailure):
            self.rset()

    def hang_up(self) -> None:
        """QUIT. An error here says nothing about the mails that were accepted before. Never raises."""
        with contextlib.suppress(OSError, TransportFailure):
            self.quit()
        self.close()

    def mechanisms(self) -> list[str]:
        """The AUTH mechanisms that the server offers, in its order."""
        return self.esmtp_features.get("auth", "").upper().split()

    def is_encrypted(self) -> bool:
        return isinstance(self.sock, ssl.SSLSocket)

    @staticmethod
    def _read_reply(file: BinaryIO) -> tuple[int, list[bytes]]:
        """The code, -1 where there is none, and the text of each line."""
        reply, lines = reply_to("SMTP"), list[bytes]()
        while line := reply.line(file):
            lines.append(line[4:].strip())
            if not line[:3].isdigit():
                return -1, lines
            if line[3:4] != b"-":
                return int(line[:3]), lines
        raise ConnectionResetError("Connection unexpectedly closed")

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._connection


def open_wire(server: ServerAddress, credentials: Credentials, local_hostname: str) -> SmtpWire:
    """Connect, encrypt, sign in. Raises TransportFailure."""
    connection = connect(server)
    if server.encryption == Encryption.SSL:
        connection = tls.wrap(connection, server)
    wire = greet(server, connection, local_hostname)
    try:
        if server.encryption != Encryption.SSL:
            encrypt(wire, server)
        sign_in(wire, server, credentials)
    except BaseException:
        wire.close()
        raise
    return wire


def greet(server: ServerAddress, connection: socket.socket, local_hostname: str) -> SmtpWire:
    """Greeting and EHLO on a connection (encrypted already for SSL)."""
    with answers():
        try:
            wire = SmtpWire(server, connection, local_hostname)
        except BaseException:
            drop(connection)
            raise
        try:
            wire.ehlo_or_helo_if_needed()
        except BaseException:
            wire.close()
            raise
        return wire


def encrypt(wire: SmtpWire, server: ServerAddress) -> bool:
    """STARTTLS (RFC 3207), as `tls.upgrade` has it."""

    def start() -> bool:
        with answers():
            if not wire.has_extn("starttls"):
                return False
            wire.starttls(context=tls.client_context())
            wire.ehlo_or_helo_if_needed()
        return True

    return tls.upgrade(server, start)


def sign_in(wire: SmtpWire, server: ServerAddress, credentials: Credentials) -> None:
    """AUTH by the chosen mechanism; "auto" takes the best one offered, "none" or no user name none."""
    if credentials.method == "none" or not credentials.user:
        return
    refuse_control_characters(credentials.user + credentials.password, "auth_failed")
    if credentials.token is not None:
        is_offered = "XOAUTH2" in wire.mechanisms()
        sign_in_by_token(wire.sock, is_offered, server, credentials, lambda answer: _bearer(wire, answer))
        return
    for mechanism in _mechanisms(wire, credentials.method):
        with answers():
            code, reply = _authenticate(wire, mechanism, credentials)
        if code in (235, 503):  # 503: signed in already
            return
        if code not in (500, 502, 504):  # these say: not this mechanism
            break
    text = f"{code} ".encode() + reply
    if code == 421:
        raise TemporaryFailure("server_busy", words(text, credentials))
    failure = sign_in_failure(text, server.host, credentials)
    if code in (500, 502, 504):
        failure = PermanentFailure("auth_unsupported", failure.words)
    elif code == 530 or code == 538:
        failure = PermanentFailure("plaintext_refused", failure.words)
    elif code // 100 == 4 and failure.code == "auth_failed":
        failure = TemporaryFailure("server_busy", failure.words)
    raise failure


@contextlib.contextmanager
def answers() -> Iterator[None]:
    """Translate what smtplib, ssl and the socket raise."""
    try:
        yield
    except TransportFailure:
        raise
    except smtplib.SMTPResponseException as error:
        kind = PermanentFailure if error.smtp_code // 100 == 5 else TemporaryFailure
        code = "server_busy" if error.smtp_code // 100 == 4 else "protocol_error"
        said = f"{error.smtp_code} " if error.smtp_code > 0 else ""  # -1: it is no SMTP at all
        raise kind(code, said + words(error.smtp_error)) from error
    except smtplib.SMTPServerDisconnected as error:
        # smtplib hides the timeout behind it.
        code = "timeout" if isinstance(error.__context__, TimeoutError) else "connection_lost"
        raise TemporaryFailure(code) from error
    except smtplib.SMTPException as error:
        raise TemporaryFailure("protocol_error", words(error)) from error
    except OSError as error:
        raise network_failure(error) from error
    except binascii.Error as error:  # a challenge that is no base64
        raise TemporaryFailure("protocol_error", str(error)) from error


def _mechanisms(wire: SmtpWire, method: str) -> list[str]:
    offered = wire.mechanisms()
    if method != "auto":
        return [method.upper()]
    preferred = _PREFERRED if wire.is_encrypted() else _PREFERRED_IN_PLAINTEXT
    usable = [mechanism for mechanism in preferred if mechanism in offered]
    if usable:
        return usable
    if not offered and not wire.is_encrypted() and wire.has_extn("starttls"):
        raise PermanentFailure("plaintext_refused")  # signing in is offered after STARTTLS only
    if _OAUTH & set(offered):
        raise PermanentFailure("oauth_required", " ".join(offered))
    raise PermanentFailure("auth_unsupported", " ".join(offered))


def _authenticate(wire: SmtpWire, mechanism: str, credentials: Credentials) -> tuple[int, bytes]:
    """One try. The values go as UTF-8, which smtplib's own methods cannot do."""
    user, password = credentials.user.encode(), credentials.password.encode()
    if mechanism == "PLAIN":
        return wire.docmd("AUTH", "PLAIN " + _base64(b"\0" + user + b"\0" + password))
    code, reply = wire.docmd("AUTH", mechanism)
    if code == 334 and mechanism == "CRAM-MD5":
        digest = hmac.new(password, base64.b64decode(reply), "md5").hexdigest()
        return wire.docmd(_base64(user + b" " + digest.encode()))
    if code == 334 and mechanism == "LOGIN":
        code, reply = wire.docmd(_base64(user))
        if code == 334:
            return wire.docmd(_base64(password))
    return code, reply


def _bearer(wire: SmtpWire, answer: str) -> str | None:
    """One try of XOAUTH2. None, or what the server said. A long token needs a line of its own (RFC 4954, 4)."""
    encoded = _base64(answer.encode())
    with answers():
        if len(encoded) <= _LONGEST_INITIAL_RESPONSE:
            code, reply = wire.docmd("AUTH", f"XOAUTH2 {encoded}")
        else:
            code, reply = wire.docmd("AUTH", "XOAUTH2")
            if code == 334:
                code, reply = wire.docmd(encoded)
        if code == 334:  # the error, in base64: an empty line asks for the refusal itself
            code, reply = wire.docmd("")
    text = f"{code} {words(reply)}"
    if code == 421:
        raise TemporaryFailure("server_busy", text)
    return None if code in (235, 503) else text


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
