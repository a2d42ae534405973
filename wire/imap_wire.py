"""IMAP on the wire: greeting, STARTTLS, signing in, and every fault as a TransportFailure."""

from __future__ import annotations

import contextlib
import imaplib
import re
import socket
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError

from wire import (
    Credentials,
    Encryption,
    PermanentFailure,
    ServerAddress,
    TemporaryFailure,
    TransportFailure,
    tls,
)
from wire.address import cut, drop, server_name
from wire.bearer import sign_in_by_token
from wire.failures import folder_failure, network_failure, refuse_control_characters, sign_in_failure, words
from wire.reply_limits import reply_to, without_end

_LARGEST_LITERAL = 1024 * 1024
_LITERALS_BEFORE = 8 * 1024  # bytes, of an ID: before we have signed in no mail comes
_GOODBYE_PATIENCE = 5.0  # seconds

NEWS = re.compile(rb"\* (\d+) EXISTS\b", re.IGNORECASE)
_GONE = re.compile(rb"\* \d+ EXPUNGE\b", re.IGNORECASE)
_WHO_WE_ARE = {"name": "Poststelle", "vendor": "Poststelle"}
_COMMAND = re.compile(rb"[A-Z]+\d+ (?:UID )?([A-Z]+)\b")  # none begins a literal or an answer to a challenge


def greet(server: ServerAddress, connection: socket.socket, largest: int = _LARGEST_LITERAL) -> IMAPClient:
    """Hear the greeting on a connection (encrypted already for SSL).

    `largest` in bytes: all literals of one reply together, of which mails are the large ones.
    """
    with answers():
        try:
            return _Client(server, connection, largest)
        except BaseException:
            drop(connection)
            raise


def encrypt(client: IMAPClient, server: ServerAddress) -> bool:
    """STARTTLS, as `tls.upgrade` has it."""

    def start() -> bool:
        with answers():
            offered: bool = client.has_capability("STARTTLS")
            if offered:
                client.starttls(tls.client_context())
            return offered

    return tls.upgrade(server, start)


def sign_in(client: IMAPClient, server: ServerAddress, credentials: Credentials) -> None:
    """PLAIN where it is offered, since it alone carries other than ASCII characters; else LOGIN."""
    refuse_control_characters(credentials.user + credentials.password, "auth_failed")
    if credentials.token is not None:
        is_offered = client.has_capability("AUTH=XOAUTH2")
        sign_in_by_token(
            client.socket(), is_offered, server, credentials, lambda answer: _bearer(client, answer)
        )
        _introduce(client)
        return
    with answers():
        try:
            _sign_in(client, credentials)
        except LoginError as error:
            cause = error.__context__
            if isinstance(cause, IMAPClientAbortError):
                raise cause from None
            # The context is dropped: a server may have echoed the command, with the password.
            raise sign_in_failure(cause or error, server.host, credentials) from None
    _introduce(client)


def select(client: IMAPClient, folder: str) -> str:
    """Open the folder; its UIDVALIDITY."""
    with answers():
        wire_of(client).exists = 0
        try:
            generation = str(client.select_folder(folder)[b"UIDVALIDITY"])
            wire_of(client).news = False  # it says what is there, not what has come
            return generation
        except IMAPClientAbortError:
            raise
        except IMAPClientError as error:
            raise folder_failure(error, lambda: _is_listed(client, folder)) from error


def unread_and_total(client: IMAPClient, folder: str) -> tuple[int, int]:
    """The counts of a folder, without opening it: nothing changes, not even \\Recent."""
    with answers():
        try:
            status = client.folder_status(folder, ["UNSEEN", "MESSAGES"])
        except IMAPClientAbortError:
            raise
        except IMAPClientError as error:
            raise folder_failure(error, lambda: _is_listed(client, folder)) from error
    return int(status[b"UNSEEN"]), int(status[b"MESSAGES"])


def hang_up(client: IMAPClient, politely: bool = True) -> None:
    """Log out and close; after a fault not `politely`, since nobody may be there to answer. Never raises."""
    with contextlib.suppress(OSError, IMAPClientError, TransportFailure):
        if politely:
            connection = client.socket()
            connection.settimeout(min(_GOODBYE_PATIENCE, connection.gettimeout() or _GOODBYE_PATIENCE))
            client.logout()
            return
    with contextlib.suppress(OSError):
        client.shutdown()


def wire_of(client: IMAPClient) -> Wire:
    """What is under a client of ours."""
    wire = client._imap
    assert isinstance(wire, Wire)
    return wire


@contextlib.contextmanager
def answers() -> Iterator[None]:
    """Translate what imaplib, ssl and the socket raise."""
    try:
        yield
    except TransportFailure:
        raise
    except IMAPClientAbortError as error:
        text = words(error)
        raise TemporaryFailure(
            "protocol_error" if "unexpected" in text else "connection_lost", text
        ) from error
    except IMAPClientError as error:
        raise TemporaryFailure("protocol_error", words(error)) from error
    except OSError as error:
        raise network_failure(error) from error
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        # An answer that is no IMAP makes the libraries stumble in their own ways.
        raise TemporaryFailure("protocol_error", str(error)) from error


class _Client(IMAPClient):
    """IMAPClient over a connection that exists already."""

    def __init__(self, server: ServerAddress, connection: socket.socket, largest: int) -> None:
        self._connection, self._largest = connection, largest
        super().__init__(
            server_name(server.host),
            server.port,
            ssl=server.encryption == Encryption.SSL,
            timeout=SocketTimeout(server.timeouts.command, server.timeouts.command),
        )
        self.normalise_times = False  # INTERNALDATE with its zone

    def _create_IMAP4(self) -> imaplib.IMAP4:
        self._connection.settimeout(self._timeout.read)
        return Wire(self._connection, self.host, self.port, self._largest)


class Wire(imaplib.IMAP4):
    """imaplib over a connection that exists already.

    `news`: the server told of a mail since this was reset. `exists`: how many mails it says are in the folder.
    """

    def __init__(self, connection: socket.socket, host: str, port: int, largest: int) -> None:
        self._connection, self._largest, self._greeted = connection, largest, False
        self.news, self.exists = False, 0
        self._reply, self._literals = reply_to("IMAP"), 0
        super().__init__(host, port)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return self._connection

    def send(self, data: Any) -> None:
        """Each command begins a reply; whatever else is sent, like the answer to a challenge, belongs to it."""
        if command := _COMMAND.match(data):
            has_signed_in = self.state in ("AUTH", "SELECTED")
            self._reply = reply_to("IMAP", _kind(command[1], has_signed_in))
            self._literals = self._largest if has_signed_in else _LITERALS_BEFORE
        super().send(data)

    def read(self, size: int) -> bytes:
        if size > self._literals:
            raise self._given_up(without_end())
        self._literals -= size
        return super().read(size)

    def append(self, mailbox: Any, flags: Any, date_time: Any, message: Any) -> Any:
        """APPEND without imaplib's mending of line ends: a mail is put back as it came."""
        self.literal = message
        return self._simple_command("APPEND", mailbox, flags, date_time)

    def readline(self) -> bytes:
        try:
            line = self._reply.line(cast("BinaryIO", self.file))
            self._reply.take(0, rows=line.count(b" "))
        except TransportFailure as failure:
            raise self._given_up(failure) from None
        if not self._greeted and line and not line.startswith(b"*"):
            # imaplib takes the "+OK" of a POP3 server for a continuation and waits for ever.
            raise self.abort(f"unexpected response: {words(line)}")
        self._greeted = True
        self.hear(line)
        # imaplib takes a lone LF (GNU imap4d, after AUTHENTICATE) for a line without its end.
        return line.removesuffix(b"\n").removesuffix(b"\r") + b"\r\n" if line.endswith(b"\n") else line

    def hear(self, line: bytes) -> None:
        """A line that the server says, asked or not."""
        if told := NEWS.match(line):
            self.news, self.exists = True, int(told[1])
        elif _GONE.match(line):
            self.exists -= 1

    def _given_up(self, failure: TransportFailure) -> TransportFailure:
        """Nobody shall go on in the middle of a reply."""
        cut(self.sock)
        return failure

    def _new_tag(self) -> bytes:
        # What was said unasked would pile up, and come to be an answer to another command: also what somebody
        # on the way said before STARTTLS.
        lasting = ("BYE",) if self.state == "NONAUTH" else ("BYE", "CAPABILITY")
        said = self.untagged_responses
        self.untagged_responses = {kind: said[kind][-1:] for kind in lasting if kind in said}
        tag: bytes = super()._new_tag()  # type: ignore[misc]
        return tag

    def _log(self, line: str) -> None:
        """imaplib keeps the last ten lines for its debugging, and they are long."""


def _introduce(client: IMAPClient) -> None:
    """ID (RFC 2971), where it is offered: 163.com, 126.com and others open no folder for who does not say it."""
    with answers():
        if client.has_capability("ID"):
            try:
                client.id_(_WHO_WE_ARE)
            except IMAPClientAbortError:
                raise
            except IMAPClientError:
                pass  # then it is not needed either


def _is_listed(client: IMAPClient, folder: str) -> bool:
    """INBOX is always there (RFC 3501 5.1). Where LIST is refused as well, nobody knows that it is missing."""
    try:
        return folder.upper() == "INBOX" or bool(client.folder_exists(folder))
    except IMAPClientAbortError:
        raise
    except IMAPClientError:
        return True


def _kind(command: bytes, has_signed_in: bool) -> str:
    if not has_signed_in:
        return ""
    return "SEARCH" if command == b"SEARCH" else "signed in"


def _bearer(client: IMAPClient, answer: str) -> str | None:
    """One try of XOAUTH2. None, or what the server said: in its challenge, else in its refusal."""
    challenges: list[bytes] = []

    def respond(challenge: bytes) -> bytes:
        challenges.append(challenge)
        return answer.encode() if len(challenges) == 1 else b""

    with answers():
        try:
            client.sasl_login("XOAUTH2", respond)
        except LoginError as error:
            if isinstance(error.__context__, IMAPClientAbortError):
                raise error.__context__ from None
            return " ".join([words(error.__context__ or error), *map(words, challenges[1:])])
    return None


def _sign_in(client: IMAPClient, credentials: Credentials) -> None:
    if client.has_capability("AUTH=PLAIN"):
        client.plain_login(credentials.user, credentials.password)
    elif client.has_capability("LOGINDISABLED"):
        has_oauth = any(client.has_capability(f"AUTH={name}") for name in ("XOAUTH2", "OAUTHBEARER"))
        raise PermanentFailure("oauth_required" if has_oauth else "plaintext_refused")
    elif not (credentials.user + credentials.password).isascii():
        raise PermanentFailure("auth_unsupported")
    else:
        # imaplib quotes the password, but not the user.
        user = credentials.user.replace("\\", "\\\\").replace('"', '\\"')
        client.login(f'"{user}"', credentials.password)
