"""The outbox: every mail that leaves, frozen when it was written, and what became of it.

A mail's state and its recipients' are written here and nowhere else: see `move` and `move_where`.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ColumnElement, ForeignKey, Index, String, Text, update
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Code, ImpossibleMove, UTCDateTime, now, rows_changed
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


# What has not got the mail and still gets it.
UNSENT = (RecipientState.QUEUED, RecipientState.DELAYED)
# What ended: nothing happens to it any more unless a person or a delivery report begins something.
ENDED = (MailState.DONE, MailState.FAILED, MailState.CANCELLED)

# What may follow what. Done and failed follow sending; straight from queued or kept they follow a hand-over
# that was given up for dead, and its answer came after all. A person stops what is queued or kept.
MAIL_MOVES: dict[MailState, tuple[MailState, ...]] = {
    MailState.QUEUED: (
        MailState.SENDING,
        MailState.DONE,
        MailState.FAILED,
        MailState.CANCELLED,
        MailState.KEPT,
    ),
    MailState.SENDING: (MailState.DONE, MailState.FAILED, MailState.QUEUED),  # queued: for its next try
    MailState.DONE: (MailState.FAILED, MailState.QUEUED),  # it came back; sent again, as nobody confirmed it
    MailState.FAILED: (MailState.QUEUED,),  # sent again
    MailState.CANCELLED: (),  # its text is in the composer again
    MailState.KEPT: (MailState.QUEUED, MailState.DONE, MailState.FAILED),
}
RECIPIENT_MOVES: dict[RecipientState, tuple[RecipientState, ...]] = {
    RecipientState.QUEUED: (
        RecipientState.ACCEPTED,
        RecipientState.DELAYED,
        RecipientState.UNDELIVERABLE,
        RecipientState.CANCELLED,
    ),
    RecipientState.DELAYED: (
        RecipientState.ACCEPTED,
        RecipientState.QUEUED,  # patience began anew
        RecipientState.UNDELIVERABLE,
        RecipientState.CANCELLED,
    ),
    RecipientState.ACCEPTED: (RecipientState.UNDELIVERABLE, RecipientState.QUEUED),  # as a mail that is done
    RecipientState.UNDELIVERABLE: (RecipientState.QUEUED,),
    RecipientState.CANCELLED: (RecipientState.QUEUED,),
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
    set_aside_at: Mapped[datetime | None] = mapped_column(
        "settled_at", UTCDateTime
    )  # a person put the failure aside

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

    def move(self, state: MailState) -> None:
        """Write the state of a row that is held, in the running transaction. To stay is no move.

        Raises ImpossibleMove. Two processes at once are told apart by `move_where` instead.
        """
        if state != self.state and state not in MAIL_MOVES[self.state]:
            raise ImpossibleMove(f"mail {self.id}: {self.state} to {state}")
        self.state = state


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

    __table_args__ = (
        Index("ix_outbound_recipient_address", "address_key", "automatic", "created_at"),
        # What the brake counts for every mail that comes in, and nothing else.
        Index(
            "ix_outbound_recipient_automatic",
            "created_at",
            "address_key",
            "state",
            "automatic",  # so that SQLite need not look at the rows for it
            sqlite_where=automatic.is_(True),
            postgresql_where=automatic.is_(True),
        ),
    )

    def move(self, state: RecipientState) -> None:
        """As a mail moves."""
        if state != self.state and state not in RECIPIENT_MOVES[self.state]:
            raise ImpossibleMove(f"recipient {self.id}: {self.state} to {state}")
        self.state = state


def move_where(to: MailState | RecipientState, *where: ColumnElement[bool], **columns: Any) -> int:
    """Move the rows that meet a condition and may, by one UPDATE that decides between processes.

    In the running transaction; answers how many moved. `columns` are written with the state. The states that
    rows come from stand in the tables above; a condition can only narrow them.
    """
    if isinstance(to, MailState):
        before: list[Any] = [state for state, after in MAIL_MOVES.items() if to in after]
        statement = update(OutboundMail).where(OutboundMail.state.in_(before))
    else:
        before = [state for state, after in RECIPIENT_MOVES.items() if to in after]
        statement = update(OutboundRecipient).where(OutboundRecipient.state.in_(before))
    return rows_changed(statement.where(*where).values(state=to, **columns))
