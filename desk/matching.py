"""Which ticket does a mail belong to? Five signals, strongest first, and no stranger gets in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select

from desk import tickets
from desk.office import the_account
from mail.types import Clue, ClueKind
from models import Channel, Message, Status, Ticket, db, now


@dataclass(frozen=True, slots=True)
class Match:
    """`ticket` is None for a new one. `why` is the code shown as »Warum hier?«.

    `newcomer`: the sender proved a signature of ours but took no part so far. `continues`: the ticket was
    closed too long ago, so a new, linked one follows it. `maybe`: a clue without proof named this ticket.
    """

    ticket: Ticket | None
    why: str
    newcomer: bool = False
    continues: Ticket | None = None
    maybe: Ticket | None = None


def find_ticket(clues: Iterable[Clue], sender: str, channel: Channel) -> Match:
    """The first clue that holds decides. `sender` is the address of From; it is only a claim,
    so clues that do not prove themselves count for participants alone."""
    maybe: Ticket | None = None
    for clue in clues:
        ticket = _named_by(clue, channel)
        if ticket is None:
            continue
        takes_part = sender.casefold() in tickets.participants(ticket)
        if not takes_part and not clue.proves_itself:
            maybe = maybe or ticket
            continue
        if not clue.proves_itself and ticket.channel_id != channel.id:
            # WG:/Fwd: to another of our addresses is a matter of its own, linked to the first.
            maybe = maybe or ticket
            continue
        if _closed_for_good(ticket):
            return Match(None, "reopened_late", continues=ticket)
        return Match(ticket, clue.kind.value, newcomer=not takes_part)
    return Match(None, "maybe" if maybe else "new", maybe=maybe)


def _named_by(clue: Clue, channel: Channel) -> Ticket | None:
    if clue.kind == ClueKind.FOREIGN_ID:
        # A mail to two of our addresses is in two tickets: its answers belong to that of their own channel.
        return db.session.scalar(
            select(Ticket)
            .join(Message, Message.ticket_id == Ticket.id)
            .where(Message.message_id == clue.message_id)
            .order_by(Ticket.channel_id != channel.id, Message.id)
            .limit(1)
        )
    return db.session.scalar(select(Ticket).where(Ticket.number == clue.ticket))


def _closed_for_good(ticket: Ticket) -> bool:
    if ticket.status != Status.CLOSED or ticket.closed_at is None:
        return False
    return ticket.closed_at < now() - timedelta(days=the_account().reopen_days)
