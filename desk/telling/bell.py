"""What an agent sees at the bell: events of the last weeks, which of them are unread, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, func, literal_column, select, update
from sqlalchemy.orm import joinedload

from models import Agent, Bell, Message, NoticeItem, Ticket, db

COUNTED = 100  # unread events that are looked at; where there are more the count says »99+«
LISTED = 50  # events on one page
MOST_READ = 10_000  # events of one ticket that are read at once

# A literal, so that the index of those that ring is taken.
RINGS = NoticeItem.bell == literal_column(f"'{Bell.UNREAD}'")
# Where an event stands today: its message may have moved, its ticket may have become part of another one.
TICKET = func.coalesce(Message.ticket_id, Ticket.merged_into_id, Ticket.id)


@dataclass(frozen=True, slots=True)
class Unread:
    """The tickets of the newest unread events, one for each event; COUNTED of them at most."""

    tickets: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        return len(self.tickets)

    def may_concern(self, ticket: Ticket) -> bool:
        return ticket.id in self.tickets or self.count == COUNTED

    def without(self, ticket: Ticket) -> Unread:
        return Unread(tuple(number for number in self.tickets if number != ticket.id))


def unread(agent: Agent) -> Unread:
    """Asked by every page: one statement."""
    query = _placed(select(TICKET)).where(NoticeItem.agent_id == agent.id, RINGS)
    return Unread(tuple(db.session.scalars(query.order_by(NoticeItem.id.desc()).limit(COUNTED))))


def listing(agent: Agent, page: int = 1) -> tuple[list[NoticeItem], bool]:
    """A page of events, the newest first, and whether there are older ones."""
    query = (
        select(NoticeItem)
        .where(NoticeItem.agent_id == agent.id, NoticeItem.bell != Bell.OFF)
        .options(
            joinedload(NoticeItem.ticket),
            joinedload(NoticeItem.about).joinedload(Message.ticket),
            joinedload(NoticeItem.actor),
        )
        .order_by(NoticeItem.created_at.desc(), NoticeItem.id.desc())
        .offset((page - 1) * LISTED)
        .limit(LISTED + 1)
    )
    found = db.session.scalars(query).all()
    return list(found[:LISTED]), len(found) > LISTED


def read_ticket(agent_id: int, ticket_id: int) -> None:
    """Who looks at a ticket knows what happened in it. Commits."""
    seen = _placed(select(NoticeItem.id)).where(
        NoticeItem.agent_id == agent_id, RINGS, TICKET.in_([ticket_id])
    )
    if ids := db.session.scalars(seen.limit(MOST_READ)).all():
        _read(NoticeItem.id.in_(ids))


def read_all(agent: Agent, newest: int) -> None:
    """All that the agent saw in the list: up to the event `newest`. Commits."""
    _read(NoticeItem.agent_id == agent.id, RINGS, NoticeItem.id <= newest)


# --- below


def _placed(query: Select[tuple[int]]) -> Select[tuple[int]]:
    return (
        query.select_from(NoticeItem)
        .join(Ticket, Ticket.id == NoticeItem.ticket_id)
        .outerjoin(Message, Message.id == NoticeItem.about_id)
    )


def _read(*which: ColumnElement[bool]) -> None:
    db.session.execute(
        update(NoticeItem).where(*which).values(bell=Bell.READ).execution_options(synchronize_session=False)
    )
    db.session.commit()
