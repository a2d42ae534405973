"""Delivery reports: whom they mark, and which mails quote a link of ours that lets in."""

from __future__ import annotations

from sqlalchemy import select

from desk.office import office, signing_key
from desk.sending import delivery_results
from mail.judging import clues
from mail.types import Bounce, BounceRecipient, Mail
from models import OutboundMail, db


def take_back(sent: OutboundMail, bounce: Bounce) -> None:
    """Mark the recipients that a delivery report names, and tell the author, in the running transaction."""
    for recipient in named(bounce):
        delivery_results.came_back(sent, recipient)


def named(bounce: Bounce) -> tuple[BounceRecipient, ...]:
    """Whom a report speaks of; one that names nobody means our reader."""
    return bounce.recipients or (BounceRecipient(""),)


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
            .where(OutboundMail.message_id.in_(named), OutboundMail.purpose.in_(delivery_results.LINK_MAILS))
            .limit(1)
        )
    )
