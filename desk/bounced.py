"""A mail came back: the right recipient of the right mail is marked, and its author is told."""

from __future__ import annotations

from sqlalchemy import select

from desk import filing, settling
from desk.matching import Match
from mail.types import Bounce, Mail
from models import InboundMail, InboundState, OutboundMail, Outcome, Ticket, db


def take_back(row: InboundMail, mail: Mail, bounce: Bounce) -> bool:
    """Tie a delivery report to the mail that it speaks of, in the running transaction.

    The returned Message-ID carries our signature, so nobody can invent one. False for a report that
    belongs to nothing of ours: it never becomes a requester MAILER-DAEMON by itself.
    """
    sent = db.session.scalar(
        select(OutboundMail).where(OutboundMail.message_id == bounce.returned_message_id).limit(1)
    )
    if sent is None or not bounce.returned_message_id:
        return False
    for recipient in bounce.recipients:
        settling.came_back(sent, recipient)
    ticket = db.session.get(Ticket, sent.ticket_id) if sent.ticket_id else None
    if ticket is not None:
        filing.file_mail(row, mail, Match(ticket, "bounce"), quiet=True)
    row.state, row.outcome = InboundState.FILED, Outcome.BOUNCE
    return True
