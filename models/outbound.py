"""The outbox: every mail that leaves, frozen when it was written, and what became of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Code, UTCDateTime, now
from models.channel import Channel
from models.message import Message
from models.ticket import Ticket


class MailState(StrEnum):
    QUEUED = "queued"
    SENDING = "sending"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    KEPT = "kept"  # no relay: shown, never sent by itself


class RecipientState(StrEnum):
    QUEUED = "queued"
    ACCEPTED = "accepted"
    DELAYED = "delayed"
    UNDELIVERABLE = "undeliverable"
    CANCELLED = "cancelled"


ALLOWED_MOVES: dict[MailState, tuple[MailState, ...]] = {
    MailState.QUEUED: (MailState.SENDING, MailState.CANCELLED, MailState.KEPT, MailState.FAILED),
    MailState.SENDING: (MailState.DONE, MailState.QUEUED, MailState.FAILED),
    MailState.DONE: (),
    MailState.FAILED: (MailState.QUEUED,),
    MailState.CANCELLED: (),
    MailState.KEPT: (MailState.QUEUED, MailState.FAILED),
}


class OutboundMail(Base):
    __tablename__ = "outbound_mail"

    id: Mapped[int] = mapped_column(primary_key=True)
    # The channel whose server takes the mail; None: the relay, in the install's own name.
    channel_id: Mapped[int | None] = mapped_column(ForeignKey("channel.id"), index=True)
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"), index=True)
    message_fk: Mapped[int | None] = mapped_column(ForeignKey("message.id"), unique=True)
    message_id: Mapped[str] = mapped_column(String(255), unique=True)  # RFC 5322, with brackets
    purpose: Mapped[str] = mapped_column(String(40))  # reply, or the name of a notice
    subject: Mapped[str] = mapped_column(String(1000), default="")
    # The frozen MIME in the blob store. A reply is frozen when it is written, a notice when it is first
    # sent, so that taking in mail does not wait for the composing of notices; a retry sends the same bytes.
    sha256: Mapped[str] = mapped_column(String(64), default="")
    about_id: Mapped[int | None] = mapped_column(ForeignKey("message.id"))  # the message a notice speaks of
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("agent.id"))  # the agent a notice is for
    # The incidents that an alert speaks of. Such a mail takes any way out, and another one when that fails.
    incidents: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True))
    envelope_from: Mapped[str] = mapped_column(String(320))  # empty: the null sender
    state: Mapped[MailState] = mapped_column(Code(MailState), default=MailState.QUEUED)
    attempts: Mapped[int] = mapped_column(default=0)
    send_after: Mapped[datetime] = mapped_column(UTCDateTime)
    reason: Mapped[str] = mapped_column(String(40), default="")  # a code, translated on screen
    words: Mapped[str] = mapped_column(Text, default="")  # the server's own
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    claimed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    claimed_by: Mapped[str] = mapped_column(String(160), default="")
    done_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    sent_copy: Mapped[str] = mapped_column(String(10), default="", index=True)  # wanted, stored or failed
    hurried: Mapped[bool] = mapped_column(default=False)  # a person said »now«: the brake lets it through
    settled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # a person put the failure aside

    channel: Mapped[Channel | None] = relationship()
    ticket: Mapped[Ticket | None] = relationship()
    message: Mapped[Message | None] = relationship(back_populates="outbound", foreign_keys=[message_fk])
    recipients: Mapped[list[OutboundRecipient]] = relationship(
        back_populates="mail", order_by="OutboundRecipient.id", cascade="all, delete-orphan"
    )

    __table_args__ = (
        Index("ix_outbound_mail_state", "state", "send_after"),
        Index("ix_outbound_mail_done", "channel_id", "done_at"),
        Index("ix_outbound_mail_agent", "agent_id", "created_at"),
    )


class OutboundRecipient(Base):
    __tablename__ = "outbound_recipient"

    id: Mapped[int] = mapped_column(primary_key=True)
    mail_id: Mapped[int] = mapped_column(ForeignKey("outbound_mail.id", ondelete="CASCADE"), index=True)
    address: Mapped[str] = mapped_column(String(320))
    address_key: Mapped[str] = mapped_column(String(320))
    automatic: Mapped[bool] = mapped_column(default=False)  # counts for the brake on automatic mail
    state: Mapped[RecipientState] = mapped_column(Code(RecipientState), default=RecipientState.QUEUED)
    reply: Mapped[str] = mapped_column(Text, default="")  # the server's answer
    reason: Mapped[str] = mapped_column(String(40), default="")
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)

    mail: Mapped[OutboundMail] = relationship(back_populates="recipients")

    __table_args__ = (Index("ix_outbound_recipient_address", "address_key", "automatic", "created_at"),)
