"""The wire: two small protocols and two kinds of failure. Nobody here knows the desk or the database.

A `Source` is a mailbox that mail is fetched from, a `Sender` a server that takes mail.
Both are context managers: entering connects and signs in, leaving says goodbye and never raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self


class TransportFailure(Exception):
    """A fault on the wire. `code` is stable and translated on screen, `words` are the server's own.

    Codes: name_not_found, refused_address, connect_refused, connect_timeout, timeout, connection_lost,
    tls_failed, certificate_invalid, certificate_name, certificate_expired, certificate_self_signed,
    certificate_unknown, starttls_missing, plaintext_refused, wrong_port_ssl, wrong_port_plain, wrong_protocol,
    we_are_blocked, session_too_long, auth_failed, auth_unsupported, auth_required, app_password,
    oauth_required, password_expired, account_locked, protocol_disabled, folder_missing, folder_refused,
    protocol_error, oauth_not_offered, oauth_plaintext, oauth_token_refused, oauth_reconnect,
    oauth_not_connected, oauth_host, oauth_unreachable, oauth_client_refused, mailbox_locked, login_delay,
    over_quota, sender_refused, recipients_refused, too_large, smtputf8_missing, content_refused, server_busy.
    Of a web server besides: not_https, http_status, too_many_redirects, not_readable, name_server_failed.
    `wait`: seconds that the server wants us to stay away, with login_delay.
    """

    def __init__(self, code: str, words: str = "", wait: int = 0) -> None:
        super().__init__(f"{code}: {words}" if words else code)
        self.code = code
        self.words = words
        self.wait = wait


class TemporaryFailure(TransportFailure):
    """We try again by ourselves."""


class PermanentFailure(TransportFailure):
    """Trying again does not help: a person is told."""


class Encryption:
    """How a connection is protected. Plain strings, since they stand in the database."""

    NONE = "none"
    STARTTLS = "starttls"
    SSL = "ssl"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `connect` for TCP and TLS, `command` for every answer after that, `session` for all of it.

    A server that drips, a byte a minute, is always in time with its answers: only the session ends it.
    """

    connect: float = 10.0
    command: float = 60.0
    session: float = 1800.0


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where and how to connect. `allow_private` lifts the refusal of loopback and link-local hosts.

    Encryption is never lowered: with `starttls` a server that does not offer it is an error,
    unless `allow_plaintext` was set by an administrator for this channel.
    """

    host: str
    port: int
    encryption: str = Encryption.SSL
    allow_plaintext: bool = False
    allow_private: bool = False
    timeouts: Timeouts = Timeouts()


@dataclass(frozen=True, slots=True)
class Credentials:
    """`method`: auto, plain, login, cram-md5, none. The password never stands in a repr.

    Where there is a `token`, it is the way in (XOAUTH2): asked at each sign-in for an access token, with the
    one that a server has just refused, so that the next is a fresh one. Raises TransportFailure.
    """

    user: str = ""
    password: str = ""
    method: str = "auto"
    token: Callable[[str], str] | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        return f"Credentials(user={self.user!r}, method={self.method!r})"


@dataclass(frozen=True, slots=True)
class Listed:
    """One mail as a server shows it before it is fetched.

    `source_id` is stable for the channel: `"<uidvalidity>:<uid>"` for IMAP, `"uidl:<uidl>"` for POP3.
    `position` is the UID or the POP3 number of this session. `size` in bytes.
    """

    source_id: str
    position: int
    size: int
    seen: bool
    arrived_at: datetime | None  # INTERNALDATE, aware; None for POP3


@dataclass(frozen=True, slots=True)
class Fetched:
    """One whole mail. `raw` is complete: a short literal is fetched again or left out."""

    listed: Listed
    raw: bytes


class Source(Protocol):
    """A mailbox. `protocol` is `imap` or `pop3`; `generation` the UIDVALIDITY as text, empty for POP3.

    `deletions_kept` counts after leaving, for POP3: whether the server confirmed them at QUIT.
    `refusal`: what the server said when it last refused to remove something.
    `too_large`: ids of mails that a fetch left out since they are larger than was listed, with their size.
    `login_delay`: seconds that the server wants between the beginnings of two conversations; known after entering.
    """

    protocol: str
    generation: str
    deletions_kept: bool
    refusal: str
    too_large: dict[str, int]
    login_delay: int

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def listing(self, since: int = 0) -> Iterator[Listed]:
        """Every mail whose UID is above `since` (IMAP), or every mail (POP3), oldest first.

        Asked for in pieces while it is read, so that the first of a hundred thousand comes at once.
        """
        ...

    def ids(self, read_only: bool) -> Iterable[str]:
        """The ids of all that lies there, or of what is marked as read (for POP3 nothing is), without more."""
        ...

    def present(self, source_ids: Sequence[str]) -> set[str]:
        """Which of these are still on the server (used to finish disposals that a crash cut off)."""
        ...

    def fetch(self, listed: Sequence[Listed]) -> Iterator[Fetched]:
        """The raw mails, in order, with bounded memory: one at a time, asked in batches."""
        ...

    def read(self, source_id: str) -> bytes | None:
        """The whole mail that has this id now.

        None where the server does not hand it out, empty where it is too large to be read.
        """
        ...

    def headers(self, listed: Sequence[Listed]) -> dict[str, bytes]:
        """The header blocks of these mails, by their ids, as far as the server hands them out."""
        ...

    def dispose(self, source_ids: Sequence[str], how: str, folder: str = "") -> dict[str, str]:
        """Delete, move or keep (mark as read) these and only these: `how` is delete, move or keep.

        Answers the state of each server copy: deleted, moved, kept, or present where the server
        refused (then it is tried again later). IMAP: `UID EXPUNGE` only, never a bare EXPUNGE.
        POP3: takes effect when the source is left without an error (QUIT).
        """
        ...

    def cut(self) -> None:
        """From another thread: whoever waits for the server waits no longer, the connection is lost to them."""
        ...

    # A mailbox that rests in IDLE is left without hanging up, watched (idle.py), and entered again later.
    # What came since its last listing makes it stir. POP3 never rests.

    @property
    def stirred(self) -> bool: ...

    def rest(self) -> bool:
        """Rest when the source is left. False where the server cannot, or not any more."""
        ...

    def fileno(self) -> int: ...

    def stirs(self) -> bool:
        """Hear what came, without waiting. Raises TransportFailure when the connection is lost."""
        ...

    def drop(self) -> None:
        """Hang up without a word. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Handover:
    """What a server said of one recipient: accepted, temporary (try again) or permanent."""

    outcome: str  # "accepted" | "temporary" | "permanent"
    reply: str  # "250 2.0.0 Ok: queued as 4F2"


class Sender(Protocol):
    """A server that takes mail. One connection serves a run of mails."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def send(self, raw: bytes, envelope_from: str, recipients: Sequence[str]) -> dict[str, Handover]:
        """Hand over one mail; an answer for every recipient. Raises TransportFailure when none got an answer.

        An empty `envelope_from` is the null sender (RFC 5321 4.5.5). A fault after the server
        accepted the data is no failure: the mail is on its way.
        """
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a connection test: `name` found, connected, encrypted, signed_in, inbox, …

    `state` is ok, warning, failed or skipped; `code` a failure code from TransportFailure;
    `words` what the server said; `facts` small values for the sentence on screen.
    """

    name: str
    state: str
    code: str = ""
    words: str = ""
    facts: tuple[tuple[str, str], ...] = ()
