"""Tickets, and the rules of how one moves."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, Index, String, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.agent import Agent
from models.base import Base, Code, UTCDateTime, now
from models.channel import Channel
from models.contact import Contact


class Status(StrEnum):
    NEW = "new"
    OPEN = "open"
    WAITING = "waiting"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Priority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


# »Alle offenen«
OPEN_STATES = (Status.NEW, Status.OPEN, Status.WAITING)

# What a person may choose by hand. New is never chosen: it means that nobody has answered yet.
ALLOWED_MOVES: dict[Status, tuple[Status, ...]] = {
    Status.NEW: (Status.OPEN, Status.WAITING, Status.RESOLVED, Status.CLOSED),
    Status.OPEN: (Status.WAITING, Status.RESOLVED, Status.CLOSED),
    Status.WAITING: (Status.OPEN, Status.RESOLVED, Status.CLOSED),
    Status.RESOLVED: (Status.OPEN, Status.WAITING, Status.CLOSED),
    Status.CLOSED: (Status.OPEN,),
}


def after_reply(status: Status) -> Status:
    """»Antworten« takes a new ticket into work and leaves the others where they are."""
    return Status.OPEN if status == Status.NEW else status


def after_customer_mail(status: Status) -> Status:
    """A requester's mail brings a ticket back into work; a new one stays new."""
    return status if status == Status.NEW else Status.OPEN


class Ticket(Base):
    __tablename__ = "ticket"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(unique=True)  # the number that people see
    subject: Mapped[str] = mapped_column(String(1000))
    status: Mapped[Status] = mapped_column(Code(Status), default=Status.NEW)
    priority: Mapped[Priority] = mapped_column(Code(Priority), default=Priority.NORMAL)
    channel_id: Mapped[int] = mapped_column(ForeignKey("channel.id"), index=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id"), index=True)
    # As the mail that began it called them; empty: as the contact is called. One address may be of many people.
    requester_name: Mapped[str] = mapped_column(String(200), default="", server_default="")
    assignee_id: Mapped[int | None] = mapped_column(ForeignKey("agent.id"), index=True)
    locale: Mapped[str] = mapped_column(String(5))  # the customer's language
    tags: Mapped[list[str]] = mapped_column(JSON, default=list)
    # What a list shows of the last mail, so that it needs no look at the messages.
    snippet: Mapped[str] = mapped_column(String(200), default="")
    wordless: Mapped[bool] = mapped_column(default=False, server_default=false())  # that mail has no text
    has_attachments: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    last_message_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    # When the mails behind these two arrived at their server; lists show that, and keep to our own order.
    arrived_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_arrived_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_inbound_id: Mapped[int] = mapped_column(default=0)  # message id, for unread and for collisions
    resolved_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    continues_id: Mapped[int | None] = mapped_column(
        ForeignKey("ticket.id"), index=True
    )  # the older one of this matter
    # A ticket that this one may belong to: a clue named it, but the sender took no part there.
    maybe_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"), index=True)

    # This ticket became part of another one; its number and its mails lead there for ever.
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"), index=True)

    channel: Mapped[Channel] = relationship()
    contact: Mapped[Contact] = relationship()
    assignee: Mapped[Agent | None] = relationship()
    continues: Mapped[Ticket | None] = relationship(remote_side=[id], foreign_keys=[continues_id])
    maybe: Mapped[Ticket | None] = relationship(remote_side=[id], foreign_keys=[maybe_id])
    merged_into: Mapped[Ticket | None] = relationship(remote_side=[id], foreign_keys=[merged_into_id])

    @property
    def shown_requester(self) -> str:
        return self.requester_name or self.contact.shown_name

    __table_args__ = (
        Index("ix_ticket_status_last", "status", "last_message_at"),
        Index("ix_ticket_assignee_status", "assignee_id", "status", "last_message_at"),
    )

    @property
    def came_at(self) -> datetime:
        return self.arrived_at or self.created_at

    @property
    def last_came_at(self) -> datetime:
        return self.last_arrived_at or self.last_message_at


class TicketMove(Base):
    """Messages that an agent moved from one ticket to another, with all that is needed to move them back.

    `kind` is merge (the whole ticket; also by »join«) or split. `messages` are `{"id", "newcomer"}` as they
    were before; `before` is the status of the ticket that was merged away.
    """

    __tablename__ = "ticket_move"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    source_id: Mapped[int] = mapped_column(ForeignKey("ticket.id", ondelete="CASCADE"), index=True)
    target_id: Mapped[int] = mapped_column(ForeignKey("ticket.id", ondelete="CASCADE"), index=True)
    messages: Mapped[list[dict[str, int]]] = mapped_column(JSON, default=list)
    before: Mapped[str] = mapped_column(String(20), default="")
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("agent.id"))
    at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    undone_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    source: Mapped[Ticket] = relationship(foreign_keys=[source_id])
    target: Mapped[Ticket] = relationship(foreign_keys=[target_id])


class TicketSeen(Base):
    """What an agent has read: unread means a newer inbound message."""

    __tablename__ = "ticket_seen"

    agent_id: Mapped[int] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"), primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id", ondelete="CASCADE"), primary_key=True)
    message_id: Mapped[int]


# A confirmation that a brake withheld. As text, since an index on a part is only used for the very same words.
WITHHELD = text(
    "kind IN ('confirmation_withheld', 'confirmation_withheld_domain', 'confirmation_withheld_total')"
)


class TicketEvent(Base):
    """What happened, in order; never changed. `kind` is a code, `details` small values for the sentence.

    The highest id is the change tag that open pages poll with.
    """

    __tablename__ = "ticket_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    kind: Mapped[str] = mapped_column(String(40))
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("agent.id"))  # None: Poststelle itself
    details: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)

    agent: Mapped[Agent | None] = relationship()

    # Brakes look at these few alone.
    __table_args__ = (
        Index("ix_ticket_event_withheld", "at", sqlite_where=WITHHELD, postgresql_where=WITHHELD),
    )
