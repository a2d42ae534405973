"""Mails of the cast, made by hand: Carol asks, Mallory is a stranger."""

from __future__ import annotations

import itertools
from email.message import EmailMessage

from desk.receiving import arrivals, intake
from models import Channel, InboundMail, Ticket, db

_numbers = itertools.count(1)


def mail(
    sender: str = "Carol <carol@customer.example>",
    subject: str = "Delivery",
    text: str = "Hello, please help me with my delivery.",
    to: str = "support-acme@poststelle.example",
    **headers: str,
) -> bytes:
    """A plain mail; keywords are further headers, `in_reply_to` becomes In-Reply-To."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Message-ID"] = headers.pop("message_id", f"<mail-{next(_numbers)}@customer.example>")
    for name, value in headers.items():
        message["-".join(part.capitalize() for part in name.split("_"))] = value
    message.set_content(text)
    return message.as_bytes()


def arrive(
    channel: Channel,
    raw: bytes,
    to: str = "",
    predates_channel: bool = False,
    envelope_from: str | None = None,
    peer: str = "",
) -> InboundMail:
    """Through the receiver and to its end; answers the ledger's row."""
    arrival = arrivals.Arrival(
        raw,
        "smtp",
        f"test:{next(_numbers)}",
        envelope_from=envelope_from,
        envelope_to=to,
        predates_channel=predates_channel,
        peer=peer,
    )
    inbound_id = arrivals.receive(channel.id, arrival)
    assert inbound_id is not None
    intake.process(inbound_id)
    row = db.session.get(InboundMail, inbound_id, populate_existing=True)
    assert row is not None
    return row


def ticket_of(row: InboundMail) -> Ticket:
    assert row.ticket is not None, (row.outcome, row.reason, row.details)
    return row.ticket
