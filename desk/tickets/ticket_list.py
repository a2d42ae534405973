"""The list of tickets: its views and their filters, the search in it, what is unread, and what is new.

A new view is a name in VIEWS, its condition in `_view`, and its label and icon in blueprints/page/rail.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, case, func, select

from desk.tickets import drafts, search
from desk.tickets.tickets import whole
from models import Agent, Channel, Status, Ticket, TicketEvent, TicketSeen, db
from models.ticket import OPEN_STATES

PAGE = 50
VIEWS = ("mine", "unassigned", "open", "waiting", "resolved")


@dataclass(frozen=True, slots=True)
class TicketListing:
    """One page of a list. `more` says that there is another page; nothing is ever counted in full."""

    tickets: list[Ticket]
    unread: set[int]  # ticket ids
    drafts: set[int]  # ticket ids in which the agent has begun to write
    page: int
    more: bool


def listing(
    agent: Agent, view: str = "open", query: str = "", page: int = 1, newest_first: bool = True
) -> TicketListing:
    """The tickets of a view, or those that match a query wherever they are."""
    condition = search.matching(query) if query.strip() else _view(view, agent)
    condition = and_(condition, Ticket.merged_into_id.is_(None))
    order = Ticket.last_message_at.desc() if newest_first else Ticket.last_message_at.asc()
    rows = db.session.scalars(
        whole().where(condition).order_by(order, Ticket.id.desc()).limit(PAGE + 1).offset((page - 1) * PAGE)
    ).all()
    tickets = list(rows[:PAGE])
    begun = drafts.tickets_with_drafts(agent, tickets)
    return TicketListing(tickets, unread_of(agent, tickets), begun, page, len(rows) > PAGE)


def counts(agent: Agent) -> dict[str, int]:
    """How many tickets stand in the views that ask for work; one statement over two indexes."""
    mine = _number_of(Ticket.assignee_id == agent.id)
    unassigned = _number_of(Ticket.assignee_id.is_(None))
    waiting = _number_of(Ticket.status == Status.WAITING)
    row = db.session.execute(
        select(func.count(), mine, unassigned, waiting).where(Ticket.status.in_(OPEN_STATES))
    ).one()
    return {"open": row[0], "mine": row[1] or 0, "unassigned": row[2] or 0, "waiting": row[3] or 0}


def unread_of(agent: Agent, tickets: list[Ticket]) -> set[int]:
    """Tickets with an inbound message that this agent has not seen."""
    ids = [ticket.id for ticket in tickets]
    if not ids:
        return set()
    rows = db.session.execute(
        select(TicketSeen.ticket_id, TicketSeen.message_id).where(
            TicketSeen.agent_id == agent.id, TicketSeen.ticket_id.in_(ids)
        )
    )
    seen = {ticket_id: message_id for ticket_id, message_id in rows}
    return {ticket.id for ticket in tickets if ticket.last_inbound_id > seen.get(ticket.id, 0)}


def change_tag() -> int:
    """Rises with every change to any ticket; open pages poll with it."""
    return db.session.scalar(select(func.max(TicketEvent.id))) or 0


def news(since: int) -> tuple[int, int]:
    """How many tickets were opened, and how many got mail, after that change tag."""
    rows = db.session.execute(
        select(TicketEvent.kind, func.count(TicketEvent.ticket_id.distinct()))
        .where(TicketEvent.id > since, TicketEvent.kind.in_(("opened", "received")))
        .group_by(TicketEvent.kind)
    )
    counted = {kind: number for kind, number in rows}
    return counted.get("opened", 0), counted.get("received", 0)


def beginning() -> Channel | None:
    """The default channel while there is no ticket at all: the list then tells how to send the first mail."""
    if db.session.scalar(select(Ticket.id).limit(1)) is not None:
        return None
    return db.session.scalar(select(Channel).where(Channel.is_default))


def _view(view: str, agent: Agent) -> ColumnElement[bool]:
    is_open = Ticket.status.in_(OPEN_STATES)
    return {
        "mine": and_(is_open, Ticket.assignee_id == agent.id),
        "unassigned": and_(is_open, Ticket.assignee_id.is_(None)),
        "open": is_open,
        "waiting": Ticket.status == Status.WAITING,
        "resolved": Ticket.status.in_((Status.RESOLVED, Status.CLOSED)),
    }[view if view in VIEWS else "open"]


def _number_of(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))
