"""All that we know, as plain data: for scripts, and for leaving."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import aliased, joinedload, selectinload

from desk.tickets import copies
from models import Channel, InboundMail, MailState, Message, OutboundMail, Ticket, db
from models.base import reading

TICKETS_AT_ONCE = 200
MAILS_AT_ONCE = 1000
_MAIL = (
    InboundMail.id,
    InboundMail.via,
    InboundMail.source_id,
    InboundMail.sha256,
    InboundMail.message_id,
    InboundMail.sender,
    InboundMail.subject,
    InboundMail.outcome,
    InboundMail.reason,
    InboundMail.arrived_at,
    InboundMail.received_at,
    InboundMail.filed_at,
    InboundMail.server_copy,
)


def channel(row: Channel) -> dict[str, Any]:
    """One channel, without its secrets."""
    return {
        "id": row.key,
        "address": row.address,
        "aliases": row.aliases.splitlines(),
        "provider": str(row.provider),
        "active": row.active,
        "default": row.is_default,
        "requester_from_reply_to": row.requester_from_reply_to,
        "group": row.group.name if row.group else None,
        "protocol": str(row.protocol) if row.is_own else None,
        "server": row.server,
        "port": row.port if row.is_own else None,
        "ssl": row.ssl if row.is_own else None,
        "user": row.user,
        "after_fetch": str(row.after_fetch) if row.is_own else None,
        "smtp_server": row.smtp_server,
        "smtp_port": row.smtp_port if row.is_own else None,
        "smtp_encryption": row.smtp_encryption if row.is_own else None,
        "smtp_auth": row.smtp_auth if row.is_own else None,
        "last_success_at": _time(row.last_success_at),
        "error": row.error_code or None,
        "error_words": row.error_words or None,
        "next_try_at": _time(row.next_try_at),
    }


def tickets() -> Iterator[dict[str, Any]]:
    """Every ticket with its messages, in the order of their numbers."""
    last = 0
    while lines := _tickets_after(last):
        # Whoever reads the lines may be slow: nothing is held meanwhile, neither rows nor the database.
        yield from lines
        last = lines[-1]["number"]


def _tickets_after(number: int) -> list[dict[str, Any]]:
    with reading():
        rows = db.session.scalars(
            select(Ticket)
            .where(Ticket.number > number)
            .options(joinedload(Ticket.channel), joinedload(Ticket.contact), joinedload(Ticket.assignee))
            .order_by(Ticket.number)
            .limit(TICKETS_AT_ONCE)
        ).all()
        ids = [row.id for row in rows]
        messages, also_in = _messages(ids), copies.numbers_of(ids)
        lines = [_ticket(row, messages.get(row.id, []), also_in) for row in rows]
    db.session.expunge_all()
    return lines


def ledger() -> Iterator[dict[str, Any]]:
    """Every mail that a server showed us, in the order in which they came. Memory stays the same for any number."""
    last, first = 0, aliased(InboundMail)
    question = (
        select(
            *_MAIL,
            Channel.key,
            Ticket.number,
            first.message_id.label("first_message_id"),
            first.sender.label("first_sender"),
            first.subject.label("first_subject"),
        )
        .join(Channel, Channel.id == InboundMail.channel_id)
        .outerjoin(Ticket, Ticket.id == InboundMail.ticket_id)
        .outerjoin(first, first.id == InboundMail.duplicate_of_id)
        .order_by(InboundMail.id)
        .limit(MAILS_AT_ONCE)
    )
    while True:
        with reading():
            rows = db.session.execute(question.where(InboundMail.id > last)).all()
        if not rows:
            return
        yield from map(_mail, rows)
        last = rows[-1].id


def _mail(row: Any) -> dict[str, Any]:
    # What identical mails say of themselves stands with the first of them.
    *_, key, number, message_id, sender, subject = row
    return {
        "channel": key,
        "via": row.via,
        "source_id": row.source_id,
        "sha256": row.sha256 or None,
        "message_id": row.message_id or message_id or "",
        "from": row.sender or sender or "",
        "subject": row.subject or subject or "",
        "verdict": str(row.outcome),
        "reason": row.reason,
        "ticket": number,
        "received_at": _time(row.received_at),
        "filed_at": _time(row.filed_at),
        "server_copy": str(row.server_copy),
        "arrived_at": _time(row.arrived_at),
    }


def _messages(ticket_ids: list[int]) -> dict[int, list[Message]]:
    found: dict[int, list[Message]] = {}
    rows = db.session.scalars(
        select(Message)
        .where(Message.ticket_id.in_(ticket_ids))
        .options(
            selectinload(Message.attachments),
            selectinload(Message.outbound).selectinload(OutboundMail.recipients),
            joinedload(Message.inbound),
        )
        .order_by(Message.id)
    )
    for message in rows:
        if message.outbound is None or message.outbound.state != MailState.CANCELLED:
            found.setdefault(message.ticket_id, []).append(message)
    return found


def _ticket(row: Ticket, messages: list[Message], also_in: dict[int, list[int]]) -> dict[str, Any]:
    return {
        "number": row.number,
        "subject": row.subject,
        "status": str(row.status),
        "priority": str(row.priority),
        "channel": row.channel.key,
        "requester": {"name": row.requester_name or row.contact.name, "email": row.contact.address},
        "assignee": row.assignee.email if row.assignee else None,
        "tags": row.tags,
        "created_at": _time(row.created_at),
        "arrived_at": _time(row.came_at),
        "messages": [_message(message, also_in.get(message.id, [])) for message in messages],
    }


def _message(row: Message, also_in: list[int]) -> dict[str, Any]:
    outbound = row.outbound
    return {
        "kind": str(row.kind),
        "from": {"name": row.from_name, "email": row.from_address},
        "to": _people(row.to),
        "cc": _people(row.cc),
        "subject": row.subject,
        "text": row.text,
        "html": row.html,
        "message_id": row.message_id,
        "sha256": row.inbound.sha256 if row.inbound else None,
        "created_at": _time(row.created_at),
        "arrived_at": _time(row.arrived_at),
        "sent_at": _time(row.sent_at),
        "fetched_at": _time(row.inbound.received_at) if row.inbound else None,
        "attachments": [
            {"name": file.name, "type": file.type, "size": file.size, "sha256": file.sha256}
            for file in row.attachments
        ],
        "delivery": [
            {
                "recipient": recipient.address,
                "state": str(outbound.state) if outbound.state == MailState.KEPT else str(recipient.state),
                "reason": recipient.reply or recipient.reason,
            }
            for recipient in outbound.recipients
        ]
        if outbound
        else [],
        "reason": row.why or (row.inbound.reason if row.inbound else ""),
        "also_in": also_in,
    }


def _people(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{"name": row["name"], "email": row["address"]} for row in rows]


def _time(moment: Any) -> str | None:
    return moment.isoformat(timespec="seconds") if moment is not None else None
