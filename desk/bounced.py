"""A mail came back: the right recipient of the right mail is marked, and its author is told."""

from __future__ import annotations

from sqlalchemy import select

from desk import filing, matching, settling, tickets
from desk.matching import Match
from desk.office import office, signing_key
from desk.senders import Speaker
from mail import clues, guards
from mail.types import Bounce, BounceRecipient, Clue, ClueKind, Mail
from models import InboundMail, InboundState, OutboundMail, Outcome, Ticket, db


def take_back(row: InboundMail, mail: Mail, bounce: Bounce, speaker: Speaker) -> bool:
    """Tie a delivery report to the mail that it speaks of, in the running transaction.

    The returned Message-ID carries our signature, so nobody can invent one; but who got our mail can copy it.
    So what only looks like a report, from a person's address, marks nothing: it is filed like any answer.
    False for a report that belongs to nothing of ours: it never becomes a requester MAILER-DAEMON by itself.
    """
    sent = db.session.scalar(
        select(OutboundMail)
        .where(OutboundMail.message_id == bounce.returned_message_id)
        .limit(1)
        .with_for_update()  # it may be on its way out: what the sending notes is not overwritten
        .execution_options(populate_existing=True)
    )
    if sent is None or not bounce.returned_message_id:
        return False
    ticket = db.session.get(Ticket, sent.ticket_id) if sent.ticket_id else None
    if not guards.speaks_for_a_server(mail, row.envelope_from):
        if ticket is None:
            return False
        clue = Clue(ClueKind.SIGNED_ID, ticket=ticket.number)
        filing.file_mail(row, mail, matching.find_ticket([clue], speaker, row.channel), True, speaker)
        return True
    for recipient in bounce.recipients or (BounceRecipient(""),):  # it names nobody, and means our reader
        settling.came_back(sent, recipient)
    if ticket is not None:
        match = Match(tickets.standing(ticket), "bounce")
        filing.file_mail(row, mail, match, True, speaker)
    row.state, row.outcome = InboundState.FILED, Outcome.BOUNCE
    return True


def holds_a_link(mail: Mail) -> bool:
    """Whether it answers or quotes our mail with somebody's link for a password: an out-of-office reply does."""
    address = f"{office().settings.public_url}/password/"
    if any(address in text for text in (mail.text, mail.html)):
        return True
    if any(
        address.encode() in part.data.replace(b"=\r\n", b"").replace(b"=\n", b"") for part in mail.attachments
    ):
        return True
    named = clues.without_ticket(mail, signing_key())
    return bool(named) and bool(
        db.session.scalar(
            select(OutboundMail.id)
            .where(OutboundMail.message_id.in_(named), OutboundMail.purpose.in_(settling.LINK_MAILS))
            .limit(1)
        )
    )
