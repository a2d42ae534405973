"""Fill the database of POSTSTELLE_DATA with tickets, past the application: `python bench/fill.py 50000`.

2.5 messages per ticket, a contact for every three, for each mail its row in the ledger, its events and its
place in the search index, for each ticket a confirmation that was sent. The account must exist.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sqlalchemy import func, insert, select, text, update  # noqa: E402

from app import create_app  # noqa: E402
from bench.corpus import SENTENCES, SUBJECTS  # noqa: E402
from desk.tickets.search import normalise  # noqa: E402
from models import (  # noqa: E402
    Channel,
    Contact,
    Counter,
    InboundMail,
    InboundState,
    Kind,
    MailState,
    Message,
    OutboundMail,
    OutboundRecipient,
    Outcome,
    RecipientState,
    ServerCopy,
    Status,
    Ticket,
    TicketEvent,
    db,
    now,
)

NUMBERED = (Contact, Ticket, InboundMail, Message, TicketEvent, OutboundMail, OutboundRecipient)
CHUNK = 2000  # tickets in one transaction
STATES = (Status.CLOSED,) * 16 + (Status.RESOLVED, Status.OPEN, Status.NEW, Status.WAITING)


def fill(tickets: int, seed: int = 1, say: Callable[[str], object] = print) -> None:
    """Add so many tickets; they lie in the past year, the newest last."""
    chance = random.Random(seed)
    channel_id = db.session.scalars(select(Channel.id).where(Channel.is_default)).one()
    first = (db.session.scalar(select(func.max(Ticket.id))) or 0) + 1
    message_id = (db.session.scalar(select(func.max(Message.id))) or 0) + 1
    contact_id = (db.session.scalar(select(func.max(Contact.id))) or 0) + 1
    inbound_id = (db.session.scalar(select(func.max(InboundMail.id))) or 0) + 1
    outbound_id = (db.session.scalar(select(func.max(OutboundMail.id))) or 0) + 1
    number = db.session.scalars(select(Counter.value).where(Counter.name == "ticket")).one()
    contacts: list[tuple[int, str]] = []
    for start in range(0, tickets, CHUNK):
        rows: dict[type, list[dict[str, object]]] = {table: [] for table in NUMBERED}
        indexed = []
        for ticket in range(start, min(start + CHUNK, tickets)):
            if ticket % 3 == 0:
                address = f"person{contact_id}@company{contact_id % 900}.example"
                contacts.append((contact_id, address))
                rows[Contact].append(
                    {"id": contact_id, "name": "Old Customer", "address": address, "address_key": address}
                )
                contact_id += 1
            person, address = chance.choice(contacts)
            language = "de" if chance.random() < 2 / 3 else "en"
            at = now() - timedelta(days=365) * (1 - ticket / tickets) - timedelta(days=1)
            number += 1
            subject = f"{chance.choice(SUBJECTS[language])} {number}"
            status = chance.choice(STATES)
            ended = at if status in (Status.CLOSED, Status.RESOLVED) else None
            rows[Ticket].append(
                {
                    "id": first + ticket, "number": number, "subject": subject, "status": status,
                    "channel_id": channel_id, "contact_id": person, "locale": language, "tags": [],
                    "snippet": subject, "created_at": at, "last_message_at": at, "resolved_at": ended,
                    "closed_at": ended if status == Status.CLOSED else None,
                }
            )  # fmt: skip
            for turn in range(chance.choice((1, 2, 2, 3, 3, 4))):
                words = " ".join(chance.choices(SENTENCES[language], k=chance.randint(2, 8)))
                name = f"<{chance.randbytes(12).hex()}@company{person % 900}.example>"
                rows[InboundMail].append(
                    {
                        "id": inbound_id, "channel_id": channel_id, "via": "smtp", "source_id": f"old:{inbound_id}",
                        "sha256": f"{inbound_id:064x}", "size": 4000, "state": InboundState.FILED,
                        "outcome": Outcome.REPLY if turn else Outcome.NEW_TICKET, "reason": "person",
                        "server_copy": ServerCopy.NONE, "received_at": at, "filed_at": at, "message_id": name,
                        "sender": address, "subject": subject, "ticket_id": first + ticket,
                    }
                )  # fmt: skip
                rows[Message].append(
                    {
                        "id": message_id, "ticket_id": first + ticket, "kind": Kind.INBOUND,
                        "from_name": "Old Customer", "from_address": address, "subject": subject,
                        "text": words, "visible": len(words),
                        "message_id": name, "created_at": at, "why": "foreign_id" if turn else "new",
                        "inbound_id": inbound_id,
                    }
                )  # fmt: skip
                indexed.append(
                    {"id": message_id, "body": normalise(f"{subject} Old Customer {address} {words}")}
                )
                rows[TicketEvent].append(
                    {
                        "ticket_id": first + ticket,
                        "at": at,
                        "kind": "received",
                        "details": {"message": str(message_id)},
                    }
                )
                message_id += 1
                inbound_id += 1
            rows[OutboundMail].append(
                {
                    "id": outbound_id, "channel_id": channel_id, "ticket_id": first + ticket,
                    "message_id": f"<{number}.{chance.randbytes(20).hex()}@poststelle.example>",
                    "purpose": "confirmation", "envelope_from": "", "state": MailState.DONE,
                    "send_after": at, "created_at": at, "done_at": at,
                }
            )  # fmt: skip
            rows[OutboundRecipient].append(
                {
                    "mail_id": outbound_id, "address": address, "address_key": address, "automatic": True,
                    "state": RecipientState.ACCEPTED, "created_at": at,
                }
            )  # fmt: skip
            outbound_id += 1
        for table, values in rows.items():
            if values:
                db.session.execute(insert(table), values)
        db.session.execute(text(_INDEX[db.engine.dialect.name]), indexed)
        db.session.execute(update(Counter).where(Counter.name == "ticket").values(value=number))
        db.session.commit()
        say(f"{min(start + CHUNK, tickets)} of {tickets} tickets")
    if db.engine.dialect.name == "postgresql":  # the ids were given by us
        for table in NUMBERED:
            db.session.execute(
                select(func.setval(f"{table.__tablename__}_id_seq", select(func.max(table.id))))
            )
        db.session.commit()


_INDEX = {
    "sqlite": "INSERT INTO message_search(rowid, body) VALUES (:id, :body)",
    "postgresql": "INSERT INTO message_search(message_id, vector) VALUES (:id, to_tsvector('simple', :body))",
}

if __name__ == "__main__":
    with create_app().app_context():
        fill(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
