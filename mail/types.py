"""The values that the mail engine speaks in. All are frozen; none knows the database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from mail.domains import mailbox_key


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox of RFC 5322. `address` keeps the spelling of the mail; compare by `key`."""

    name: str
    address: str

    @property
    def key(self) -> str:
        return mailbox_key(self.address)

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>" if self.name else self.address


@dataclass(frozen=True, slots=True)
class Part:
    """An attachment as it came: `data` is every byte, `name` is cleaned and safe to show.

    `type` is the declared media type in lower case. `content_id` stands without angle brackets.
    `inline` says that the mail's HTML refers to it by `cid:`. An attached mail is one of the type
    message/rfc822: `mail.reading.parse.parse(data)` reads it as any other, one level at a time.
    """

    name: str
    type: str
    data: bytes
    content_id: str = ""
    inline: bool = False

    @property
    def is_mail(self) -> bool:
        return self.type in ("message/rfc822", "message/global")


class Seal(StrEnum):
    """Cryptography that a mail came in. Recognised, not checked: a seal proves nothing by itself.

    What was signed is read like any other; what was encrypted stays in its attachment.
    """

    SMIME_SIGNED = "smime_signed"
    SMIME_ENCRYPTED = "smime_encrypted"
    PGP_SIGNED = "pgp_signed"
    PGP_ENCRYPTED = "pgp_encrypted"

    @property
    def is_encrypted(self) -> bool:
        return self in (Seal.SMIME_ENCRYPTED, Seal.PGP_ENCRYPTED)


@dataclass(frozen=True, slots=True)
class Attendee:
    """Somebody invited. `answer` is PARTSTAT in lower case: accepted, declined, tentative, needs-action."""

    address: Address
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Invitation:
    """The event of a calendar part (RFC 5545; sent by mail: RFC 6047).

    `method` in lower case: request (invites or changes), cancel, reply (an attendee answers), counter,
    publish, or empty. `start` and `end` are dates for whole days, aware datetimes in UTC where the part
    says its zone, naive ones where it does not (then the hour counts wherever one is). `zone` is its name
    as written. `end` is exclusive, as in the RFC; `last_day` is what people say.
    """

    method: str = ""
    summary: str = ""
    start: date | datetime | None = None
    end: date | datetime | None = None
    location: str = ""
    description: str = ""
    organizer: Address = Address("", "")
    attendees: tuple[Attendee, ...] = ()
    uid: str = ""
    zone: str = ""
    repeats: bool = False

    @property
    def all_day(self) -> bool:
        return self.start is not None and not isinstance(self.start, datetime)

    @property
    def last_day(self) -> date | None:
        """Of a whole-day event; the day itself where it lasts one."""
        if self.start is None or isinstance(self.start, datetime):
            return None
        if self.end is None or isinstance(self.end, datetime) or self.end <= self.start:
            return self.start
        return self.end - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ForwardCheck:
    """A provider asks the holder of an address whether mail may be forwarded there.

    Read by mail/judging/forward_requests. `link` leads to the provider's own host and nowhere else; `code` is
    what is typed in at the provider. One of the two may be empty. `account` is the mailbox that wants to
    forward, where the mail says it.
    """

    provider: str
    link: str = ""
    code: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """What `mail.reading.parse.parse` makes of raw bytes. Missing things are empty, never None but `date`.

    Message-IDs (own, `in_reply_to`, `references`) stand with their angle brackets.
    `text` is the readable text: the plain part, else the text of the HTML. `html` is raw,
    not yet safe. `headers` has every header in order, decoded, names in lower case.
    `invitation` is what the first calendar part says; the part is among the attachments too.
    `reaction`: the sign that answers a mail of ours in place of words (Gmail), or empty.
    `seals` are the signatures and encryptions found, outermost first.
    `spam_report`: what a spam filter says of the mail, where it had wrapped it (mail.spam_wrapper); then nothing that
    is said of the wrapper vouches for the header fields `only_inside`.
    `through`: who stands in From where `sender` is the person behind (mail/written_for.py), else None.
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
    invitation: Invitation | None = None
    reaction: str = ""
    seals: tuple[Seal, ...] = ()
    through: Address | None = None
    headers: tuple[tuple[str, str], ...] = ()
    defects: tuple[str, ...] = ()
    spam_report: str = ""
    only_inside: frozenset[str] = frozenset()

    @property
    def is_encrypted(self) -> bool:
        """Nothing of the content can be read here."""
        return not self.text and any(seal.is_encrypted for seal in self.seals)

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
    names_this_channel: bool = False  # a reply of ours that left by another channel and names this one
    own_loop_header: bool = False  # our loop header with a valid signature
    sender_blocked: bool = False
    holds_a_link: bool = False  # answers or quotes our mail with somebody's link for a password
    own_addresses: frozenset[str] = frozenset()  # of the channel, casefolded
    recent_from_sender: int = 0  # earlier mails of this sender to this channel, within limits.STORM_SECONDS


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

    @property
    def is_final(self) -> bool:
        """Nobody tries any more, for one recipient at least; a report that names none is taken for one."""
        return not self.recipients or any(recipient.permanent for recipient in self.recipients)


@dataclass(frozen=True, slots=True)
class Folded:
    """Text with its trailing history and signature: `visible + quoted` is exactly the text that went in.

    `opening` counts the characters at the beginning of `visible` that are a history above the new text.
    """

    visible: str
    quoted: str = ""
    opening: int = 0


@dataclass(frozen=True, slots=True)
class SafeHtml:
    """HTML that passed the allow-list. `remote_images` were blanked and counted.

    The blanked address stands in `data-remote-src`; `mail.showing.clean.show_remote` puts it back.
    """

    html: str
    remote_images: int = 0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Everything that `mail.writing.compose.compose` needs to build one mail.

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
