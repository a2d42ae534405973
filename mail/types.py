"""The values that the mail engine speaks in. All are frozen; none knows the database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox of RFC 5322. `address` keeps the spelling of the mail; compare by `key`."""

    name: str
    address: str

    @property
    def key(self) -> str:
        return self.address.casefold()

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>" if self.name else self.address


@dataclass(frozen=True, slots=True)
class Part:
    """An attachment as it came: `data` is every byte, `name` is cleaned and safe to show.

    `type` is the declared media type in lower case. `content_id` stands without angle brackets.
    `inline` says that the mail's HTML refers to it by `cid:`.
    """

    name: str
    type: str
    data: bytes
    content_id: str = ""
    inline: bool = False


@dataclass(frozen=True, slots=True)
class Mail:
    """What `mail.parse.parse` makes of raw bytes. Missing things are empty, never None but `date`.

    Message-IDs (own, `in_reply_to`, `references`) stand with their angle brackets.
    `text` is the readable text: the plain part, else the text of the HTML. `html` is raw,
    not yet safe. `headers` has every header in order, decoded, names in lower case.
    `defects` names what was repaired or cut, as codes.
    """

    message_id: str = ""
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    subject: str = ""
    sender: Address = Address("", "")  # From, else Reply-To, else Return-Path
    reply_to: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    date: datetime | None = None
    text: str = ""
    html: str = ""
    attachments: tuple[Part, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    defects: tuple[str, ...] = ()

    def header(self, name: str) -> str:
        """The first header of that name, decoded, or an empty string."""
        name = name.lower()
        return next((value for key, value in self.headers if key == name), "")

    def all(self, name: str) -> tuple[str, ...]:
        name = name.lower()
        return tuple(value for key, value in self.headers if key == name)


class Action(StrEnum):
    """What the judge decides to do with a mail (mail rules, section 3)."""

    FILE = "file"  # a person wrote: ticket or reply, notices go out
    QUIET = "quiet"  # a machine wrote: filed, nobody is answered, nothing reopens
    BOUNCE = "bounce"  # tied to the mail that came back
    HOLD = "hold"  # waits for a person in the quarantine
    DROP = "drop"  # our own mail or a blocked sender: logged, not filed


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is a stable code, translated on screen; `detail` the words of the mail behind it."""

    action: Action
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """The questions to the database that the rules need, asked once before judging."""

    own_message_id: bool = False  # Message-ID carries our valid signature: we wrote this mail
    own_loop_header: bool = False  # our loop header with a valid signature
    sender_blocked: bool = False
    recent_from_sender: int = 0  # mails of this sender to this channel in the last hour
    storm_limit: int = 60  # above this many in an hour the rest waits in the quarantine


class ClueKind(StrEnum):
    """The five signals, strongest first (mail rules, section 4)."""

    REPLY_ADDRESS = "reply_address"  # our signed reply address among the recipients
    SIGNED_ID = "signed_id"  # our signed Message-ID in In-Reply-To or References
    FOREIGN_ID = "foreign_id"  # a Message-ID that a ticket may contain
    MARKER = "marker"  # our hidden marker in the quoted body
    SUBJECT = "subject"  # [#number]


@dataclass(frozen=True, slots=True)
class Clue:
    """`ticket` is a ticket number where the clue names one; `message_id` is set for FOREIGN_ID."""

    kind: ClueKind
    ticket: int = 0
    message_id: str = ""

    @property
    def proves_itself(self) -> bool:
        return self.kind in (ClueKind.REPLY_ADDRESS, ClueKind.SIGNED_ID)


@dataclass(frozen=True, slots=True)
class BounceRecipient:
    """`status` is the enhanced status code (RFC 3463) or empty; `permanent` is False for delays."""

    address: str
    status: str = ""
    permanent: bool = True
    words: str = ""  # the server's own words (Diagnostic-Code)


@dataclass(frozen=True, slots=True)
class Bounce:
    """A delivery report. `returned_message_id` is the Message-ID of the mail that came back, or empty."""

    recipients: tuple[BounceRecipient, ...] = ()
    returned_message_id: str = ""


@dataclass(frozen=True, slots=True)
class Folded:
    """Text with its trailing history: `visible + quoted` is exactly the text that went in."""

    visible: str
    quoted: str = ""


@dataclass(frozen=True, slots=True)
class SafeHtml:
    """HTML that passed the allow-list. `remote_images` were blanked and counted.

    The blanked address stands in `data-remote-src`; `mail.clean.show_remote` puts it back.
    """

    html: str
    remote_images: int = 0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Everything that `mail.compose.compose` needs to build one mail.

    Raises nothing here; compose raises ValueError for a header field with CR or LF.
    """

    sender: Address
    to: tuple[Address, ...]
    subject: str
    text: str
    html: str
    message_id: str  # with angle brackets
    date: datetime
    cc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    attachments: tuple[Part, ...] = ()
    automatic: bool = False  # adds Auto-Submitted, X-Auto-Response-Suppress
    headers: tuple[tuple[str, str], ...] = field(default=())
