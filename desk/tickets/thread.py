"""What a ticket page shows: the conversation in order, the composer's beginnings, who takes part."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import joinedload, selectinload

from desk.channels import channels
from desk.tickets import drafts, participants, undeliverable
from models import Agent, InboundMail, Kind, MailState, Message, OutboundMail, Ticket, TicketEvent, db

# Beside the mails of the tab »Antwort« only what concerns them; the rest stands under »Verlauf«.
BESIDE_MAILS = (
    "mail_sent",
    "mail_kept",
    "mail_delayed",
    "mail_undeliverable",
    "mail_alleged",
    "confirmation_withheld",
    "confirmation_withheld_domain",
    "confirmation_withheld_total",
    "confirmation_refuted",
    "merged",
    "unmerged",
    "split_off",
    "split_from",
)
# The newest messages come with the page, earlier ones by as many more when somebody asks.
SHOWN = 20
AS_MESSAGES = ("received", "replied", "noted")


@dataclass(frozen=True, slots=True)
class Added:
    """What an agent has written this moment: everything before it is on screen, and the composer is empty."""

    message: Message
    circle: participants.Circle | None = None  # who stands around the ticket now, if that is known


def reactions(entries: Sequence[Message | TicketEvent]) -> dict[int, list[Message]]:
    """The signs that stand at a mail among these entries, by its number."""
    messages = [entry for entry in entries if isinstance(entry, Message)]
    ours = {message.message_id: message.id for message in messages if message.message_id}
    placed: dict[int, list[Message]] = {}
    for message in messages:
        answered = next((ours[one] for one in reversed(message.references) if one in ours), None)
        if message.reaction and answered is not None:
            placed.setdefault(answered, []).append(message)
    return placed


def shown(ticket: Ticket, agent: Agent, tab: str, added: Added | None = None) -> dict[str, Any]:
    """The values of a ticket page for one tab: reply, note or history; after `added` as little as changed."""
    kind = Kind.NOTE if tab == "note" else Kind.REPLY
    counted, newest = counts(ticket)
    circle = (added and added.circle) or participants.around(ticket)
    channel = channels.sending_channel(ticket)
    sender = channels.sender_address(channel, channels.written_to(channel, circle.last))
    to = circle.recipients()
    entries, earlier = ([added.message], None) if added is not None else conversation(ticket, tab)
    draft = None if added and added.circle else drafts.of(ticket, agent, kind)
    return {
        "entries": entries,
        "earlier_messages": earlier,
        "counts": {
            "reply": counted.get(Kind.INBOUND, 0) + counted.get(Kind.REPLY, 0),
            "note": counted.get(Kind.NOTE, 0),
        },
        "draft": draft,
        "named_channels": drafts.named_channels(draft),
        "sender": str(sender),
        "elsewhere": ticket.channel.id != channels.sending_channel(ticket).id,
        "recipients": to,
        "undeliverable": undeliverable.among((one.address for one in to), ticket.contact),
        "copies": circle.copies(to),
        "offered": circle.offered(),
        "last_mail": circle.last,
        "once": secrets.token_urlsafe(16),
        "participants": circle.others(),
        # Of all tabs: what came before the page was opened is no news, wherever it stands.
        "seen": newest if added is None else added.message.id,
    }


def conversation(
    ticket: Ticket, tab: str, before: int | None = None
) -> tuple[list[Message | TicketEvent], int | None]:
    """The newest entries (older than the message `before`), oldest first, and what to ask for next.

    The second value is the id of the oldest message shown if there are earlier ones, else None.
    """
    kinds = {
        "reply": (Kind.INBOUND, Kind.REPLY),
        "note": (Kind.NOTE,),
        "history": (Kind.INBOUND, Kind.REPLY, Kind.NOTE),
    }[tab]
    messages = messages_of(ticket, kinds, SHOWN + 1, before)
    earlier = messages[1].id if len(messages) > SHOWN else None
    messages = messages[-SHOWN:]
    entries: list[Message | TicketEvent] = list(messages)
    if tab != "note":
        first = messages[0].created_at if earlier is not None else None
        end = _created(before)
        entries += [
            event for event in events(ticket) if _stands_here(event, tab) and _between(event.at, first, end)
        ]
    return sorted(entries, key=_moment), earlier


# --- the rows


def message(message_id: int, *kinds: Kind) -> Message | None:
    """The message of that number, if it is of one of these kinds; of any kind where none is named."""
    found = db.session.get(Message, message_id)
    return found if found is not None and (not kinds or found.kind in kinds) else None


def messages_of(
    ticket: Ticket, kinds: Sequence[Kind], newest: int = 200, before: int | None = None
) -> list[Message]:
    """Messages of these kinds, oldest first, with all that their cards show; three statements in all.

    `before` is the id of a message: only older ones are meant then.
    """
    rows = db.session.scalars(
        select(Message)
        .outerjoin(OutboundMail, OutboundMail.message_fk == Message.id)
        .where(
            Message.ticket_id == ticket.id,
            Message.kind.in_(kinds),
            or_(OutboundMail.state.is_(None), OutboundMail.state != MailState.CANCELLED),
            *((Message.id < before,) if before is not None else ()),
        )
        .options(
            selectinload(Message.attachments),
            joinedload(Message.agent),
            joinedload(Message.inbound).load_only(InboundMail.received_at, InboundMail.via),
            joinedload(Message.outbound).selectinload(OutboundMail.recipients),
        )
        .order_by(Message.id.desc())
        .limit(newest)
    ).unique()
    return list(reversed(rows.all()))


def events(ticket: Ticket) -> list[TicketEvent]:
    return list(
        db.session.scalars(
            select(TicketEvent)
            .where(TicketEvent.ticket_id == ticket.id)
            .options(joinedload(TicketEvent.agent))
            .order_by(TicketEvent.id)
        )
    )


def counts(ticket: Ticket) -> tuple[dict[Kind, int], int]:
    """How many messages there are of each kind, and the number of the newest (0: none)."""
    rows = db.session.execute(
        select(Message.kind, func.count(), func.max(Message.id))
        .outerjoin(OutboundMail, OutboundMail.message_fk == Message.id)
        .where(
            Message.ticket_id == ticket.id,
            or_(OutboundMail.state.is_(None), OutboundMail.state != MailState.CANCELLED),
        )
        .group_by(Message.kind)
    ).all()
    return {kind: number for kind, number, _ in rows}, max((newest for _, _, newest in rows), default=0)


def newer_messages(ticket: Ticket, agent: Agent, seen: int) -> bool:
    """Whether a customer's mail or a colleague's reply came after what the agent saw."""
    return bool(
        db.session.scalar(
            select(Message.id)
            .where(
                Message.ticket_id == ticket.id,
                Message.id > seen,
                Message.quiet.is_(False),
                or_(
                    Message.kind == Kind.INBOUND,
                    (Message.kind == Kind.REPLY) & (Message.agent_id != agent.id),
                ),
            )
            .limit(1)
        )
    )


# --- below


def _created(message_id: int | None) -> datetime | None:
    message = db.session.get(Message, message_id) if message_id is not None else None
    return message.created_at if message is not None else None


def _between(moment: datetime, first: datetime | None, end: datetime | None) -> bool:
    return (first is None or moment >= first) and (end is None or moment < end)


def _stands_here(event: TicketEvent, tab: str) -> bool:
    if tab == "history":
        return event.kind not in AS_MESSAGES
    # What became of a reply stands under the reply itself.
    return event.kind in BESIDE_MAILS and event.details.get("purpose", "confirmation") == "confirmation"


def _moment(entry: Message | TicketEvent) -> datetime:
    return entry.created_at if isinstance(entry, Message) else entry.at
