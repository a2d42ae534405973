"""What a ticket page shows: the conversation in order, the composer's beginnings, who takes part."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from desk import drafts, letters, people, replies, undeliverable
from models import Agent, Kind, Message, Ticket, TicketEvent, db

# Beside the mails of the tab »Antwort« only what concerns them; the rest stands under »Verlauf«.
BESIDE_MAILS = (
    "mail_sent",
    "mail_kept",
    "mail_delayed",
    "mail_undeliverable",
    "confirmation_withheld",
    "confirmation_refuted",
    "merged",
    "unmerged",
    "split_off",
    "split_from",
)
# The newest messages come with the page, earlier ones by as many more when somebody asks.
SHOWN = 20
AS_MESSAGES = ("received", "replied", "noted")

newer_messages = replies.newer_messages


@dataclass(frozen=True, slots=True)
class Added:
    """What an agent has written this moment: everything before it is on screen, and the composer is empty."""

    message: Message
    circle: people.Circle | None = None  # who stands around the ticket now, if that is known


def shown(ticket: Ticket, agent: Agent, tab: str, added: Added | None = None) -> dict[str, Any]:
    """The values of a ticket page for one tab: reply, note or history; after `added` as little as changed."""
    kind = Kind.NOTE if tab == "note" else Kind.REPLY
    counted = replies.counts(ticket)
    sender = letters.sender_address(letters.sending_channel(ticket))
    circle = (added and added.circle) or people.around(ticket)
    to = circle.recipients()
    entries, earlier = ([added.message], None) if added is not None else conversation(ticket, tab)
    return {
        "entries": entries,
        "earlier_messages": earlier,
        "counts": {
            "reply": counted.get(Kind.INBOUND, 0) + counted.get(Kind.REPLY, 0),
            "note": counted.get(Kind.NOTE, 0),
        },
        "draft": None if added and added.circle else drafts.of(ticket, agent, kind),
        "sender": str(sender),
        "elsewhere": ticket.channel.id != letters.sending_channel(ticket).id,
        "recipients": to,
        "undeliverable": undeliverable.among((one.address for one in to), ticket.contact),
        "copies": circle.copies(to),
        "last_mail": circle.last,
        "once": secrets.token_urlsafe(16),
        "participants": circle.others(),
        "seen": max((entry.id for entry in entries if isinstance(entry, Message)), default=0),
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
    messages = replies.conversation(ticket, kinds, SHOWN + 1, before)
    earlier = messages[1].id if len(messages) > SHOWN else None
    messages = messages[-SHOWN:]
    entries: list[Message | TicketEvent] = list(messages)
    if tab != "note":
        first = messages[0].created_at if earlier is not None else None
        end = _created(before)
        entries += [
            event
            for event in replies.events(ticket)
            if _stands_here(event, tab) and _between(event.at, first, end)
        ]
    return sorted(entries, key=_moment), earlier


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
