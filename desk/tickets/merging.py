"""Tickets that belong together, and mails that do not: merge, split, and the way back.

A ticket that became part of another one stays as a number that leads there, for pages and for mails
(`tickets.standing`). Whoever takes no part in the ticket that their messages came to is marked as newly involved: an
agent's click lets them in.
"""

from __future__ import annotations

from sqlalchemy import or_, select, update

from desk.office import nothing_stored_after
from desk.refusal import Refusal
from desk.texts import requester_languages
from desk.tickets import copies, participants, requester, tickets
from desk.tickets.copies import Same
from desk.tickets.list_lines import note_last
from models import (
    Agent,
    Draft,
    InboundMail,
    Kind,
    Message,
    NoticeItem,
    OutboundMail,
    Status,
    Ticket,
    TicketMove,
    db,
    now,
)


class MergeRefused(Refusal):
    """Then nothing was changed. `code` is unknown, itself, only_message, no_mail, moved_on or undone."""


# --- each verb is one transaction


@nothing_stored_after(MergeRefused)
def merge(source: Ticket, target: Ticket | None, by: Agent) -> TicketMove:
    """»Zusammenführen«, and »gehört vielleicht zu« by one click: all of `source` goes to `target`."""
    move = _merge(source, target, by)
    db.session.commit()
    return move


def _merge(source: Ticket, target: Ticket | None, by: Agent) -> TicketMove:
    if target is None:
        raise MergeRefused("unknown")
    if source.id == target.id:
        raise MergeRefused("itself")
    found = db.session.scalars(
        select(Message).where(Message.ticket_id == source.id).order_by(Message.id)
    ).all()
    move = _carry("merge", list(found), source, target, by)
    move.before = source.status
    tickets.move(source, Status.CLOSED, by)
    source.merged_into = target
    source.assignee = None
    for draft in db.session.scalars(select(Draft).where(Draft.ticket_id == source.id)).all():
        there = db.session.get(Draft, (draft.agent_id, target.id, draft.kind))
        if there is None:
            draft.ticket_id = target.id
        else:  # one composer per agent: it shows both
            there.body = (there.body or "") + (draft.body or "")
            there.files = (there.files or []) + (draft.files or [])
            db.session.delete(draft)
    if target.status in (Status.RESOLVED, Status.CLOSED) and Status(move.before) not in (
        Status.RESOLVED,
        Status.CLOSED,
    ):
        tickets.move(target, Status.OPEN, by)
    db.session.flush()
    tickets.note_event(source, "merged_away", by, into=str(target.number))
    tickets.note_event(target, "merged", by, number=str(source.number), move=str(move.id))
    return move


@nothing_stored_after(MergeRefused)
def split(message: Message, by: Agent) -> Ticket:
    """»Abtrennen«: one mail becomes a ticket of its own, with its sender as requester."""
    source = message.ticket
    if message.kind != Kind.INBOUND:
        raise MergeRefused("no_mail")
    mails = select(Message.id).where(Message.ticket_id == source.id, Message.kind != Kind.NOTE).limit(2)
    if len(db.session.scalars(mails).all()) < 2:
        raise MergeRefused("only_message")
    contact = requester.author_of(message, message.from_name, message.from_address)
    target = tickets.open_ticket(
        subject=message.subject or source.subject,
        channel=source.channel,
        contact=contact,
        locale=requester_languages.of_requester(contact, source.channel),
        continues=None,
        maybe=None,
        arrived_at=message.arrived_at,
        requester_name=message.from_name,
    )
    move = _carry("split", [message], source, target, by)
    tickets.note_event(source, "split_off", by, number=str(target.number), move=str(move.id))
    tickets.note_event(target, "split_from", by, number=str(source.number))
    db.session.commit()
    return target


def held_move(move_id: int) -> TicketMove | None:
    """A move with both its tickets held for a change, as it is once they are: a second click waits for the first."""
    move = db.session.get(TicketMove, move_id)
    if move is not None:
        for number in sorted({move.source.number, move.target.number}):
            tickets.locked(number)
        db.session.refresh(move)
    return move


@nothing_stored_after(MergeRefused)
def undo(move: TicketMove, by: Agent) -> Ticket:
    """Take a merge or a split back; answers the ticket where the messages are again.

    Raises MergeRefused when that was done already or the messages were moved on since.
    """
    if move.undone_at is not None:
        raise MergeRefused("undone")
    if move.kind == "split":
        return _undo_split(move, by)
    found = _messages(move)
    if any(message.ticket_id != move.target_id for message in found):
        raise MergeRefused("moved_on")
    source, target = move.source, move.target
    before = {entry["id"]: entry for entry in move.messages}
    source.merged_into = None
    for message in found:
        message.ticket_id = source.id
        message.newcomer = bool(before[message.id]["newcomer"])
        message.why = str(before[message.id]["why"])
    _follow(found, source)
    move.undone_at = now()
    tickets.move(source, Status(move.before), by)
    _look_again(source, target)
    tickets.note_event(source, "unmerged", by, number=str(target.number))
    tickets.note_event(target, "unmerged", by, number=str(source.number))
    db.session.commit()
    return source


# --- reading


def open_moves(ticket: Ticket) -> set[int]:
    """The moves of this ticket that can still be taken back."""
    rows = db.session.scalars(
        select(TicketMove.id).where(
            (TicketMove.target_id == ticket.id) | (TicketMove.source_id == ticket.id),
            TicketMove.undone_at.is_(None),
        )
    )
    return set(rows)


def related(ticket: Ticket, same: Same | None = None) -> list[tuple[str, Ticket]]:
    """What hangs together with this ticket, each with the code of how: continues, continued_by, maybe,
    maybe_here, split_from, split_off, and those of `same`. One statement.

    `same`: what `copies.of` answers, which is asked where it is not given.
    """
    splits = select(TicketMove.source_id, TicketMove.target_id).where(
        TicketMove.kind == "split", TicketMove.undone_at.is_(None)
    )
    split_off = splits.with_only_columns(TicketMove.target_id).where(TicketMove.source_id == ticket.id)
    split_from = splits.with_only_columns(TicketMove.source_id).where(TicketMove.target_id == ticket.id)
    rows = db.session.execute(
        select(Ticket, Ticket.id.in_(split_off), Ticket.id.in_(split_from))
        .where(
            Ticket.id.in_([ticket.continues_id or 0, ticket.maybe_id or 0])
            | (Ticket.continues_id == ticket.id)
            | (Ticket.maybe_id == ticket.id)
            | Ticket.id.in_(split_off)
            | Ticket.id.in_(split_from),
            Ticket.merged_into_id.is_(None),
            Ticket.id != ticket.id,
        )
        .order_by(Ticket.id.desc())
        .limit(20)
    )
    found = [(_relation(ticket, other, off, whence), other) for other, off, whence in rows]
    known = {other.id for _, other in found}
    mails = (copies.of(ticket) if same is None else same).values()
    named = {other.id: (code, other) for one in mails for code, other in one}
    return [*found, *(one for number, one in named.items() if number not in known)]


# --- below


def _relation(ticket: Ticket, other: Ticket, split_off: bool, split_from: bool) -> str:
    if split_off or split_from:
        return "split_off" if split_off else "split_from"
    if ticket.maybe_id == other.id or other.maybe_id == ticket.id:
        return "maybe" if ticket.maybe_id == other.id else "maybe_here"
    return "continues" if ticket.continues_id == other.id else "continued_by"


def _carry(kind: str, found: list[Message], source: Ticket, target: Ticket, by: Agent) -> TicketMove:
    known = participants.participants(target)
    move = TicketMove(
        kind=kind,
        source_id=source.id,
        target_id=target.id,
        agent_id=by.id,
        messages=[{"id": one.id, "newcomer": one.newcomer, "why": one.why} for one in found],
    )
    db.session.add(move)
    for message in found:
        message.newcomer = (kind == "merge" and message.newcomer) or not requester.brings(message) <= known
        message.why = message.why if message.why == "bounce" or message.kind != Kind.INBOUND else kind
        message.ticket_id = target.id
    _follow(found, target)
    _look_again(source, target)
    return move


def _follow(found: list[Message], ticket: Ticket) -> None:
    """The ledger's rows and the outbox's go where their messages went; notices where what they speak of went."""
    db.session.flush()
    ids = [message.id for message in found]
    inbound = [message.inbound_id for message in found if message.inbound_id]
    db.session.execute(
        update(InboundMail).where(InboundMail.id.in_(inbound)).values(ticket_id=ticket.id),
        execution_options={"synchronize_session": False},
    )
    db.session.execute(
        update(OutboundMail)
        .where(or_(OutboundMail.message_fk.in_(ids), OutboundMail.about_id.in_(ids)))
        .values(ticket_id=ticket.id),
        execution_options={"synchronize_session": False},
    )
    db.session.execute(  # what is told later names the ticket where it stands then
        update(NoticeItem).where(NoticeItem.about_id.in_(ids)).values(ticket_id=ticket.id),
        execution_options={"synchronize_session": False},
    )
    db.session.expire_all()


def _look_again(*changed: Ticket) -> None:
    """What a list shows of a ticket, from the messages that it has now."""
    db.session.flush()
    for ticket in changed:
        shown = select(Message).where(Message.ticket_id == ticket.id, Message.kind != Kind.NOTE)
        newest = db.session.scalar(shown.order_by(Message.id.desc()).limit(1))
        loud = shown.where(Message.kind == Kind.INBOUND, Message.quiet.is_(False))
        last = db.session.scalar(loud.order_by(Message.id.desc()).limit(1))
        ticket.last_inbound_id = last.id if last else 0
        if newest is not None:
            note_last(ticket, newest)
        with_files = select(Message.id).where(Message.ticket_id == ticket.id, Message.attachments.any())
        ticket.has_attachments = db.session.scalar(with_files.limit(1)) is not None


def _messages(move: TicketMove) -> list[Message]:
    ids = [entry["id"] for entry in move.messages]
    return list(db.session.scalars(select(Message).where(Message.id.in_(ids)).order_by(Message.id)))


def _undo_split(move: TicketMove, by: Agent) -> Ticket:
    """The new ticket goes back whole, with all that came to it since."""
    source, target = tickets.standing(move.source), move.target
    if target.merged_into_id is not None:
        raise MergeRefused("moved_on")
    first = {entry["id"]: entry for entry in move.messages}
    move.undone_at = now()
    _merge(target, source, by)
    for message in _messages(move):
        message.newcomer = bool(first[message.id]["newcomer"])
        message.why = str(first[message.id]["why"])
    db.session.commit()
    return source
