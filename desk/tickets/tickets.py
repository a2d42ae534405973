"""Tickets: open one, move it, assign it. Every change leaves an event."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Select, insert, select, update
from sqlalchemy.orm import joinedload
from sqlalchemy.orm.attributes import set_committed_value

from desk.office import nothing_stored_after, the_account
from desk.refusal import Refusal
from desk.telling import who_hears
from desk.texts import requester_languages
from mail.shared_addresses import is_shared
from models import (
    Agent,
    Channel,
    Contact,
    Counter,
    Priority,
    Status,
    Ticket,
    TicketEvent,
    TicketSeen,
    db,
    now,
)
from models.base import insert_now
from models.ticket import ALLOWED_MOVES


class MoveRefused(Refusal):
    """A status that does not follow from the present one, or an agent who has left. Nothing was stored."""


# --- reading


def by_number(number: int) -> Ticket | None:
    """The ticket of that number, or the one that it became part of."""
    ticket = db.session.scalar(whole().where(Ticket.number == number))
    return standing(ticket) if ticket is not None else None


def locked(number: int) -> Ticket | None:
    """The ticket, held for a change: two changes at once follow each other."""
    ticket = db.session.scalar(
        select(Ticket)
        .where(Ticket.number == number)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if ticket is not None and ticket.merged_into is not None:
        return locked(ticket.merged_into.number)
    return ticket


def earlier(ticket: Ticket, limit: int = 5) -> list[Ticket]:
    """Other tickets of the same requester, newest first; where many share the address, of the same name."""
    others = select(Ticket).where(
        Ticket.contact_id == ticket.contact_id,
        Ticket.id != ticket.id,
        Ticket.merged_into_id.is_(None),
    )
    if is_shared(ticket.contact.address):
        others = others.where(Ticket.requester_name == ticket.requester_name)
    return list(db.session.scalars(others.order_by(Ticket.created_at.desc()).limit(limit)))


def standing(ticket: Ticket) -> Ticket:
    """The ticket itself, or the one that it became part of, however often that happened."""
    while ticket.merged_into is not None:
        ticket = ticket.merged_into
    return ticket


# Needed for every mail, so they are put together once.
EVENT = insert(TicketEvent)
NEXT_NUMBER = (
    update(Counter).where(Counter.name == "ticket").values(value=Counter.value + 1).returning(Counter.value)
)


# --- changing; each verb is one transaction


def open_ticket(
    subject: str,
    channel: Channel,
    contact: Contact,
    locale: str,
    continues: Ticket | None,
    maybe: Ticket | None,
    arrived_at: datetime | None = None,
    requester_name: str = "",
) -> Ticket:
    """Add a ticket to the running transaction (the caller commits).

    `arrived_at`: its first mail, at its server. `requester_name`: as the mail calls who wrote it; empty: as the
    contact is called.
    """
    number = db.session.connection().scalar(NEXT_NUMBER)
    ticket = Ticket(
        number=number,
        subject=subject[:1000],
        channel_id=channel.id,
        contact_id=contact.id,
        requester_name=requester_name[:200],
        locale=locale,
        continues_id=continues.id if continues else None,
        maybe_id=maybe.id if maybe else None,
        status=Status.NEW,
        tags=[],
        arrived_at=arrived_at,
    )
    insert_now(ticket)
    set_committed_value(ticket, "channel", channel)
    set_committed_value(ticket, "contact", contact)
    note_event(ticket, "opened", channel=channel.key)
    return ticket


def note_event(ticket: Ticket, kind: str, agent: Agent | None = None, **details: str) -> None:
    """Write down what happens, in the running transaction."""
    db.session.connection().execute(
        EVENT,
        {"ticket_id": ticket.id, "kind": kind, "agent_id": agent.id if agent else None, "details": details},
    )


@nothing_stored_after(MoveRefused)
def assign(ticket: Ticket, assignee: Agent | None, by: Agent) -> None:
    """Hand a ticket to an agent or to nobody. Assigning changes nothing else."""
    if assignee is not None and not assignee.active:
        raise MoveRefused("inactive")
    if ticket.assignee_id != (assignee.id if assignee else None):
        ticket.assignee = assignee
        note_event(ticket, "assigned", by, to=assignee.name if assignee else "")
        db.session.flush()
        who_hears.assigned(ticket, by)
    db.session.commit()


@nothing_stored_after(MoveRefused)
def set_status(ticket: Ticket, status: Status, by: Agent | None) -> None:
    """Move a ticket by hand. Raises MoveRefused for a move that the table does not allow."""
    if status != ticket.status:
        if status not in ALLOWED_MOVES[ticket.status]:
            raise MoveRefused(status)
        before = ticket.status
        move(ticket, status, by)
        who_hears.moved(ticket, before, by)
    db.session.commit()


def move(ticket: Ticket, status: Status, by: Agent | None) -> None:
    """Change the status in the running transaction, with its event and its times."""
    if status == ticket.status:
        return
    note_event(ticket, "status", by, old=ticket.status, new=status)
    ticket.status = status
    ticket.resolved_at = (
        now() if status == Status.RESOLVED else None if status != Status.CLOSED else ticket.resolved_at
    )
    ticket.closed_at = now() if status == Status.CLOSED else None


def set_priority(ticket: Ticket, priority: Priority, by: Agent) -> None:
    if priority != ticket.priority:
        note_event(ticket, "priority", by, old=ticket.priority, new=priority)
        ticket.priority = priority
    db.session.commit()


def set_language(ticket: Ticket, locale: str, by: Agent) -> None:
    """The language that the requester is written to in, here and in tickets to come. KeyError: not offered."""
    names = requester_languages.offered()
    if locale != ticket.locale:
        old = names.get(ticket.locale, ticket.locale)
        note_event(ticket, "language", by, old=old, new=names[locale])
        ticket.locale = ticket.contact.locale = locale
    db.session.commit()


def set_tags(ticket: Ticket, tags: list[str], by: Agent) -> None:
    """Replace the tags: trimmed, each once, at most 20 of 40 characters."""
    clean = list(dict.fromkeys(" ".join(tag.split())[:40] for tag in tags if tag.strip()))[:20]
    if clean != ticket.tags:
        note_event(ticket, "tags", by, new=", ".join(clean))
        ticket.tags = clean
    db.session.commit()


def mark_seen(agent_id: int, ticket_id: int, message_id: int) -> None:
    """Remember that the agent has read up to this inbound message."""
    row = db.session.get(TicketSeen, (agent_id, ticket_id))
    if row is None:
        db.session.add(TicketSeen(agent_id=agent_id, ticket_id=ticket_id, message_id=message_id))
    elif row.message_id < message_id:
        row.message_id = message_id
    db.session.commit()


def close_resolved() -> int:
    """Close what has been resolved for long enough (a job runs this every hour)."""
    limit = now() - timedelta(days=the_account().close_days)
    rows = db.session.scalars(
        select(Ticket).where(Ticket.status == Status.RESOLVED, Ticket.resolved_at < limit).limit(500)
    ).all()
    for ticket in rows:
        move(ticket, Status.CLOSED, None)
    db.session.commit()
    return len(rows)


def whole() -> Select[Ticket]:
    return select(Ticket).options(
        joinedload(Ticket.channel), joinedload(Ticket.contact), joinedload(Ticket.assignee)
    )
