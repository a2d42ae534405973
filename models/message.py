"""Messages of a ticket: what came in, what went out, and private notes."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text
from sqlalchemy import text as sql_text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.agent import Agent
from models.base import Base, Code, UTCDateTime, now
from models.ticket import Ticket

if TYPE_CHECKING:
    from models.inbound import InboundMail
    from models.outbound import OutboundMail


COPIES = sql_text("copy_of_id IS NOT NULL")  # few of all messages
LONG_TEXT = 60_000  # characters; of longer texts a page shows the beginning and the way to the rest


class Kind(StrEnum):
    INBOUND = "inbound"
    REPLY = "reply"
    NOTE = "note"


class Message(Base):
    """`to`, `cc`, `bcc` and `reply_to` are lists of `{"name", "address"}`.

    `text` is whole: the first `opening` characters are a history above the new text (mostly none), what
    stands from `visible` on is signature and history below it.
    `html` is already safe (cleaned at ingest), with the quoted history in `<details>`.
    """

    __tablename__ = "message"

    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id", ondelete="CASCADE"))
    kind: Mapped[Kind] = mapped_column(Code(Kind))
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("agent.id"))  # who wrote a reply or a note
    from_name: Mapped[str] = mapped_column(String(320), default="")
    from_address: Mapped[str] = mapped_column(String(320), default="")
    # The list, form or provider that stands in From where the author is the person behind it; else empty.
    through: Mapped[str] = mapped_column(String(320), default="", server_default="")
    to: Mapped[list[dict[str, str]]] = mapped_column(JSON, default=list)
    cc: Mapped[list[dict[str, str]]] = mapped_column(JSON, default=list)
    bcc: Mapped[list[dict[str, str]]] = mapped_column(JSON, default=list)
    reply_to: Mapped[list[dict[str, str]]] = mapped_column(JSON, default=list)
    subject: Mapped[str] = mapped_column(Text, default="")
    text: Mapped[str] = mapped_column(Text, default="")
    visible: Mapped[int] = mapped_column(default=0)
    opening: Mapped[int] = mapped_column(default=0)
    html: Mapped[str] = mapped_column(Text, default="")
    remote_images: Mapped[int] = mapped_column(default=0)
    images_shown: Mapped[bool] = mapped_column(default=False)  # an agent wants them shown from now on
    # The event of a calendar part: see `desk.receiving.attached_parts.invitation_row`.
    invitation: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    seals: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))  # smime_signed, pgp_encrypted …
    message_id: Mapped[str] = mapped_column(String(998), default="", index=True)  # RFC 5322, with brackets
    references: Mapped[list[str]] = mapped_column(JSON, default=list)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    reaction: Mapped[str] = mapped_column(
        String(40), default="", server_default=""
    )  # a sign in place of words
    sent_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # the Date header: shown, never sorted by
    # Of a requester's mail: at its server (mail.arrival). Shown, and never sorted by either: what lay somewhere
    # would slip above what was read already.
    arrived_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    quiet: Mapped[bool] = mapped_column(default=False)  # written by a machine
    why: Mapped[str] = mapped_column(String(40), default="")  # the clue that led here, as a code
    newcomer: Mapped[bool] = mapped_column(default=False)  # the sender took no part in the ticket before
    # Whether the sender wrote it: confirmed, unconfirmed or unchecked, and what says so (»SPF, DKIM«).
    sender_state: Mapped[str] = mapped_column(String(20), default="unchecked")
    sender_proof: Mapped[str] = mapped_column(String(100), default="")
    refuted: Mapped[bool] = mapped_column(default=False)  # the check spoke against the sender
    posing: Mapped[bool] = mapped_column(default=False)  # an agent's address in From, and nothing proves it
    # Whom a forwarded mail is from, {"name", "address"}; an agent may make them the requester.
    forwarded_from: Mapped[dict[str, str] | None] = mapped_column(JSON)
    # Which further address of its channel a mail was written to; empty: the channel's own, or nobody knows.
    written_to: Mapped[str] = mapped_column(String(254), default="", server_default="")
    # The first message that the same mail became: in another channel, or the reply of ours that it is.
    copy_of_id: Mapped[int | None] = mapped_column(ForeignKey("message.id", ondelete="SET NULL"))
    # The composer that wrote it: the same form sent twice (a double click, a retry) is one message.
    once: Mapped[str | None] = mapped_column(String(64), unique=True)
    # Unique: the database itself refuses to file a mail twice.
    inbound_id: Mapped[int | None] = mapped_column(ForeignKey("inbound_mail.id"), unique=True)
    # What a spam filter says of the mail, which it had wrapped in that report.
    spam_report: Mapped[str] = mapped_column(Text, default="", server_default="")

    ticket: Mapped[Ticket] = relationship()
    agent: Mapped[Agent | None] = relationship()
    attachments: Mapped[list[Attachment]] = relationship(
        back_populates="message", order_by="Attachment.id", cascade="all, delete-orphan"
    )
    outbound: Mapped[OutboundMail | None] = relationship(
        back_populates="message", uselist=False, foreign_keys="OutboundMail.message_fk"
    )
    inbound: Mapped[InboundMail | None] = relationship(foreign_keys=[inbound_id])

    __table_args__ = (
        Index("ix_message_ticket_id_id", "ticket_id", "id"),
        Index("ix_message_copy_of", "copy_of_id", "ticket_id", sqlite_where=COPIES, postgresql_where=COPIES),
        Index(
            "ix_message_ticket_copies",
            "ticket_id",
            "copy_of_id",
            sqlite_where=COPIES,
            postgresql_where=COPIES,
        ),
    )

    @property
    def came_at(self) -> datetime:
        """When it was there to be read: at its server, or written here."""
        return self.arrived_at or self.created_at

    @property
    def fetched_at(self) -> datetime:
        return self.inbound.received_at if self.inbound is not None else self.created_at

    @property
    def lay_for(self) -> timedelta:
        """How long it was at its server before we got it."""
        return self.fetched_at - self.came_at if self.arrived_at is not None else timedelta()

    @property
    def said_sent_at(self) -> datetime | None:
        """Its Date; a time in the future (a clock that runs wrong) counts as now."""
        return min(self.sent_at, self.fetched_at) if self.sent_at is not None else None

    @property
    def is_wordless(self) -> bool:
        """A requester's mail without new words and without anything else to look at: its subject stands for them."""
        if self.kind != Kind.INBOUND or self.new_text.strip() or self.reaction or self.invitation:
            return False
        return "<img" not in self.html and not self.attachments

    @property
    def new_text(self) -> str:
        return self.text[self.opening or 0 : self.visible]

    @property
    def shown_text(self) -> str:
        """The new text, as much of it as a page shows at once."""
        return self.new_text.strip()[:LONG_TEXT]

    @property
    def is_long(self) -> bool:
        return len(self.text) > LONG_TEXT

    @property
    def opening_text(self) -> str:
        return self.text[: self.opening or 0]

    @property
    def quoted_text(self) -> str:
        return self.text[self.visible :]


class Attachment(Base):
    """A file of a message. Its bytes lie in the blob store under `sha256`."""

    __tablename__ = "attachment"

    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"), index=True)
    sha256: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(255))
    type: Mapped[str] = mapped_column(String(127))
    size: Mapped[int] = mapped_column(BigInteger)  # bytes
    content_id: Mapped[str] = mapped_column(String(998), default="")
    inline: Mapped[bool] = mapped_column(default=False)
    # The media type that the bytes themselves prove, when it may be shown inside a page; else empty.
    shown_as: Mapped[str] = mapped_column(String(40), default="")
    # Of an attached mail: {"from", "subject", "date"}, so that the page need not read it.
    attached_mail: Mapped[dict[str, str] | None] = mapped_column("letter", JSON(none_as_null=True))

    message: Mapped[Message] = relationship(back_populates="attachments")


class Draft(Base):
    """What an agent is writing: one per agent, ticket and kind, saved while typing."""

    __tablename__ = "draft"

    agent_id: Mapped[int] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"), primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[Kind] = mapped_column(Code(Kind), primary_key=True)
    body: Mapped[str] = mapped_column(Text, default="")  # HTML of the editor, or text
    cc: Mapped[str] = mapped_column(Text, default="")
    bcc: Mapped[str] = mapped_column(Text, default="")
    # Files that came back with an undone or refused reply: {"sha256", "name", "type", "size"}.
    files: Mapped[list[dict[str, str]]] = mapped_column(JSON, default=list)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now, onupdate=now)
