"""The mail ledger (»Posteingangsbuch«): one row for every mail that a server ever showed us."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    Update,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.agent import Agent
from models.base import Base, Code, ImpossibleMove, UTCDateTime, now
from models.channel import Channel
from models.ticket import Ticket


class State(StrEnum):
    PENDING = "pending"  # the bytes are safe, nothing is decided yet
    FILED = "filed"
    HELD = "held"  # quarantine
    DROPPED = "dropped"
    FAILED = "failed"  # a fault of ours; "process again"
    LEFT_ALONE = "left_alone"  # stays on the server untouched
    DUPLICATE = "duplicate"  # byte for byte what this channel already has


class Outcome(StrEnum):
    """The exclusive verdicts of the balance: for every channel they add up to what was seen."""

    NEW_TICKET = "new_ticket"
    REPLY = "reply"
    BOUNCE = "bounce"
    QUIET = "quiet"
    DUPLICATE = "duplicate"
    LEFT_ALONE = "left_alone"
    DROPPED = "dropped"
    HELD = "held"
    FAILED = "failed"
    PENDING = "pending"


class ServerCopy(StrEnum):
    PRESENT = "present"
    DELETED = "deleted"
    MOVED = "moved"
    KEPT = "kept"
    NONE = "none"  # it came by SMTP: there never was a copy to remove


class RawMail(StrEnum):
    """What became of the bytes as they came, here (their copy on the server is another matter)."""

    KEPT = "kept"
    GOING = "going"  # its time is over; the file goes after this is committed
    GONE = "gone"


# The state that each verdict of the balance stands for.
STATE_OF = {
    Outcome.NEW_TICKET: State.FILED,
    Outcome.REPLY: State.FILED,
    Outcome.BOUNCE: State.FILED,
    Outcome.QUIET: State.FILED,
    Outcome.DUPLICATE: State.DUPLICATE,
    Outcome.LEFT_ALONE: State.LEFT_ALONE,
    Outcome.DROPPED: State.DROPPED,
    Outcome.HELD: State.HELD,
    Outcome.FAILED: State.FAILED,
    Outcome.PENDING: State.PENDING,
}

# How a row of the ledger begins, and what may become of it then. Nothing else writes a state than
# `first_verdict`, `InboundMail.move` and `moved`, which ask these tables.
FIRST_STATES = (State.PENDING, State.HELD, State.LEFT_ALONE, State.DUPLICATE)
ALLOWED_MOVES: dict[State, tuple[State, ...]] = {
    State.PENDING: (State.FILED, State.HELD, State.DROPPED, State.FAILED),
    State.FAILED: (State.PENDING, State.FILED, State.HELD, State.DROPPED, State.FAILED),
    State.HELD: (State.PENDING, State.DROPPED),  # a person lets it in, or throws it away
    State.DROPPED: (State.PENDING,),  # a person thinks again
    State.FILED: (),
    State.LEFT_ALONE: (),
    State.DUPLICATE: (),
}

# Read and judged when its turn comes; an earlier attempt may have failed.
UNDECIDED = (State.PENDING, State.FAILED)
# Only these may lose their server copy: whatever is not decided keeps it (mail rules, 1.1).
DECIDED = (State.FILED, State.HELD, State.DROPPED, State.DUPLICATE)


def first_verdict(outcome: Outcome, reason: str = "") -> dict[str, Any]:
    """The columns of a new row that say what the mail is. Raises ImpossibleMove."""
    if STATE_OF[outcome] not in FIRST_STATES:
        raise ImpossibleMove(f"a row begins as {outcome}")
    return _verdict(outcome, reason)


def moved(outcome: Outcome, reason: str, *where: ColumnElement[bool]) -> Update:
    """The UPDATE that moves all rows that `where` chooses and that may move there; more values may be added."""
    state = STATE_OF[outcome]
    before = [old for old, allowed in ALLOWED_MOVES.items() if state in allowed]
    return update(InboundMail).where(InboundMail.state.in_(before), *where).values(_verdict(outcome, reason))


def _verdict(outcome: Outcome, reason: str) -> dict[str, Any]:
    return {"state": STATE_OF[outcome], "outcome": outcome, "reason": reason}


RAW_IS_HERE = text("raw <> 'gone' AND sha256 <> ''")


class InboundMail(Base):
    __tablename__ = "inbound_mail"

    id: Mapped[int] = mapped_column(primary_key=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("channel.id"))
    via: Mapped[str] = mapped_column(String(10))  # imap, pop3, smtp, pipe
    source_id: Mapped[str] = mapped_column(String(255))  # the identity on the server, per channel
    sha256: Mapped[str] = mapped_column(String(64), default="", index=True)  # empty: not fetched
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    envelope_from: Mapped[str | None] = mapped_column(String(320))  # None: not known (fetched)
    envelope_to: Mapped[str] = mapped_column(String(320), default="")
    peer: Mapped[str] = mapped_column(String(60), default="")  # who brought it to our receiver, an IP address
    state: Mapped[State] = mapped_column(Code(State), default=State.PENDING)
    outcome: Mapped[Outcome] = mapped_column(Code(Outcome), default=Outcome.PENDING)
    reason: Mapped[str] = mapped_column(String(40), default="")  # a code, translated on screen
    details: Mapped[str] = mapped_column(Text, default="")
    server_copy: Mapped[ServerCopy] = mapped_column(Code(ServerCopy), default=ServerCopy.PRESENT)
    predates_channel: Mapped[bool] = mapped_column(
        "history", default=False
    )  # older than the channel: nobody is told
    arrived_at: Mapped[datetime | None] = mapped_column(
        UTCDateTime
    )  # at its server: INTERNALDATE, else the last hop
    received_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    filed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    removed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # when the server copy went
    # From here on the same bytes are ours to leave alone: set before they are put back into the mailbox.
    put_back_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    raw: Mapped[RawMail] = mapped_column(Code(RawMail), default=RawMail.KEPT)
    attempts: Mapped[int] = mapped_column(default=0)
    # What the mail says of itself, for the ledger's search.
    message_id: Mapped[str] = mapped_column(String(998), default="")
    sender: Mapped[str] = mapped_column(String(320), default="")
    subject: Mapped[str] = mapped_column(String(1000), default="")
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"), index=True)
    duplicate_of_id: Mapped[int | None] = mapped_column(ForeignKey("inbound_mail.id"))

    channel: Mapped[Channel] = relationship()
    ticket: Mapped[Ticket | None] = relationship()
    duplicate_of: Mapped[InboundMail | None] = relationship(remote_side=[id])

    __table_args__ = (
        UniqueConstraint("channel_id", "source_id"),
        Index("ix_inbound_mail_state", "state", "id"),
        Index("ix_inbound_mail_copy", "channel_id", "server_copy", "state"),
        Index("ix_inbound_mail_sender", "channel_id", "sender", "received_at"),
        Index("ix_inbound_mail_balance", "channel_id", "outcome", "id"),
        # Only what the retention has still to look at, so that it never reads years of rows.
        Index("ix_inbound_mail_raw", "id", sqlite_where=RAW_IS_HERE, postgresql_where=RAW_IS_HERE),
    )

    def move(self, outcome: Outcome, reason: str, details: str = "") -> None:
        """It becomes this, for that reason; `details` are the words of the mail behind it. Raises ImpossibleMove."""
        if STATE_OF[outcome] not in ALLOWED_MOVES[self.state]:
            raise ImpossibleMove(f"{self.state} to {outcome}")
        for name, value in _verdict(outcome, reason).items():
            setattr(self, name, value)
        self.details = details[:500]

    @property
    def came_at(self) -> datetime:
        """When it arrived at its server, which is never later than that we got it."""
        return min(self.arrived_at or self.received_at, self.received_at)

    @property
    def described(self) -> InboundMail:
        """The row that says who wrote what: of identical bytes it is the first."""
        return self.duplicate_of or self


class InboundEvent(Base):
    """What persons did with a mail of the ledger. Append-only."""

    __tablename__ = "inbound_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    inbound_id: Mapped[int] = mapped_column(ForeignKey("inbound_mail.id"), index=True)
    code: Mapped[str] = mapped_column(String(40))  # translated on screen
    words: Mapped[str] = mapped_column(Text, default="")
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("agent.id"))
    at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)

    agent: Mapped[Agent | None] = relationship()


class LedgerCount(Base):
    """How many mails each channel was ever shown. The database counts itself, by a trigger (migration 0002),
    when a row comes in and never when one goes: so the balance notices a row that is lost or changed twice."""

    __tablename__ = "ledger_count"

    channel_id: Mapped[int] = mapped_column(ForeignKey("channel.id"), primary_key=True, autoincrement=False)
    seen: Mapped[int] = mapped_column(BigInteger, default=0)
    checked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # What the last thorough check found: {code: number of mails}.
    findings: Mapped[dict[str, int]] = mapped_column(JSON, default=dict)
