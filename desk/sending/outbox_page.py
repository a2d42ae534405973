"""»Postausgang«: what waits, what is delayed and why, what failed; and what a person does about it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import joinedload, selectinload

from desk.office import office
from desk.refusal import Refusal
from desk.sending import delivery_results, link_mails, mail_rendering, outbox, undo_and_resend
from mail.domains import mailbox_key
from mail.reading.addresses import valid_address
from mail.reading.parse import parse
from mail.showing.clean import clean_html
from mail.types import Mail
from models import Agent, MailState, OutboundMail, OutboundRecipient, RecipientState, db, now
from models.base import rows_changed
from models.outbound import move_where

PAGE = 50
VIEWS = ("open", "waiting", "failed", "kept", "sent")

_WAITS = OutboundMail.state.in_((MailState.QUEUED, MailState.SENDING))
# What a person has seen and put aside is no longer open.
_FAILED = and_(OutboundMail.state == MailState.FAILED, OutboundMail.set_aside_at.is_(None))
_KEPT = OutboundMail.state == MailState.KEPT


class OutboxRefused(Refusal):
    """What cannot be done with a mail; `code` is gone (it has left or ended meanwhile) or address."""


@dataclass(frozen=True, slots=True)
class OutboxListing:
    """One page, newest first. `before` is the id to go on from, 0 at the end."""

    mails: list[OutboundMail]
    before: int


def listing(view: str, before: int = 0, ticket_id: int | None = None) -> OutboxListing:
    """The mails of a view of VIEWS, read from the id `before` on downwards; no count, no offset."""
    query = select(OutboundMail).where(_view(view))
    if before:
        query = query.where(OutboundMail.id < before)
    if ticket_id is not None:
        query = query.where(OutboundMail.ticket_id == ticket_id)
    rows = db.session.scalars(
        query.options(
            joinedload(OutboundMail.channel),
            joinedload(OutboundMail.ticket),
            selectinload(OutboundMail.recipients),
        )
        .order_by(OutboundMail.id.desc())
        .limit(PAGE + 1)
    ).all()
    return OutboxListing(list(rows[:PAGE]), rows[PAGE - 1].id if len(rows) > PAGE else 0)


def counts() -> dict[str, int]:
    """How many mails stand in each view that asks for a look; what has left is not counted."""
    rows = db.session.execute(
        select(OutboundMail.state, func.count())
        .where(or_(_WAITS, _FAILED, _KEPT))
        .group_by(OutboundMail.state)
    )
    counted = {state: number for state, number in rows}
    waiting = counted.get(MailState.QUEUED, 0) + counted.get(MailState.SENDING, 0)
    failed, kept = counted.get(MailState.FAILED, 0), counted.get(MailState.KEPT, 0)
    return {"open": waiting + failed + kept, "waiting": waiting, "failed": failed, "kept": kept}


def in_trouble() -> int:
    """For the rail: what failed and nobody put aside, and what was tried in vain and waits."""
    tried_in_vain = and_(OutboundMail.state == MailState.QUEUED, OutboundMail.attempts > 0)
    return db.session.scalar(select(func.count()).where(or_(_FAILED, tried_in_vain))) or 0


def by_id(mail_id: int) -> OutboundMail | None:
    return db.session.get(OutboundMail, mail_id, options=[selectinload(OutboundMail.recipients)])


def may_be_read(mail: OutboundMail) -> bool:
    """A mail with a link that lets in whoever reads it is for its reader alone."""
    return mail.purpose not in link_mails.PURPOSES


def link_is_gone(mail: OutboundMail) -> bool:
    """Whether its personal link was removed, and with it all that could be sent."""
    return link_mails.is_spent(mail)


def octets(mail: OutboundMail) -> bytes | None:
    """The exact mail, or what it will be: a notice is composed when it is first sent. None if it is gone."""
    if not may_be_read(mail):
        return None
    if mail.sha256:
        try:
            return office().blobs.get(mail.sha256)
        except FileNotFoundError:
            return None
    return mail_rendering.compose_queued(mail)


def as_read(raw: bytes) -> Mail:
    """The mail as its reader's program understands it."""
    return parse(raw)


def html_of(raw: bytes) -> str:
    """The mail's HTML, cleaned like everybody's; its pictures stay in the download."""
    return clean_html(parse(raw).html, {}).html


# --- what a person does; each is one transaction


def retry(mail: OutboundMail) -> None:
    """Now instead of at the next try; a mail that failed or was kept begins anew.

    Raises OutboxRefused for a mail that is being sent or has ended.
    """
    if link_mails.is_spent(mail):
        raise OutboxRefused("gone")
    if mail.state in (MailState.FAILED, MailState.KEPT):
        outbox.send_again(mail)
        return
    hurried = rows_changed(
        update(OutboundMail)
        .where(OutboundMail.id == mail.id, OutboundMail.state == MailState.QUEUED)
        .values(send_after=now(), hurried=True)
    )
    db.session.commit()
    if not hurried:
        raise OutboxRefused("gone")
    office().ring("send", None)


def stop(mail: OutboundMail, by: Agent) -> None:
    """Try no more: who has not got it does not get it, unless somebody says »send again«.

    Raises OutboxRefused when it is being sent just now or has ended.
    """
    stopped = move_where(
        MailState.FAILED,
        OutboundMail.id == mail.id,
        OutboundMail.state.in_((MailState.QUEUED, MailState.KEPT)),
        reason="stopped",
        words="",
        done_at=now(),
        set_aside_at=now(),
        claimed_at=now(),  # from now on »undo« is too late, as for a mail that was tried
    )
    if not stopped:
        db.session.rollback()
        raise OutboxRefused("gone")
    move_where(RecipientState.CANCELLED, OutboundRecipient.mail_id == mail.id)
    delivery_results.note(mail, "stopped", by)
    db.session.commit()


def set_aside(mail: OutboundMail) -> None:
    """Put a failed mail aside: it has been seen and is no longer counted. Raises OutboxRefused for others."""
    done = rows_changed(
        update(OutboundMail).where(OutboundMail.id == mail.id, _FAILED).values(set_aside_at=now())
    )
    db.session.commit()
    if not done:
        raise OutboxRefused("gone")


def correct_address(mail: OutboundMail, recipient_id: int, address: str, by: Agent) -> None:
    """Send to another address in place of one that has not got the mail: its header names it too.

    The Message-ID stays, since an answer to it must find its ticket. Raises OutboxRefused.
    """
    address = address.strip()
    if not valid_address(address):
        raise OutboxRefused("address")
    held = outbox.hold(mail)
    recipient = next((row for row in mail.recipients if row.id == recipient_id), None)
    if not held or recipient is None or not can_correct(mail, recipient):
        db.session.rollback()
        raise OutboxRefused("gone")
    before, taken = recipient.address, {row.address_key for row in mail.recipients if row is not recipient}
    if mailbox_key(address) in taken:
        db.session.rollback()
        raise OutboxRefused("address")
    recipient.address, recipient.address_key = address, mailbox_key(address)
    recipient.move(RecipientState.QUEUED)
    recipient.reason = recipient.reply = ""
    if mail.message is not None:
        mail.sha256 = office().blobs.put(undo_and_resend.readdressed(mail.message, before, address))
    else:
        mail.sha256 = ""  # a notice is composed anew when it is sent
    outbox.begin_anew(mail)
    delivery_results.note(mail, "readdressed", by, old=before, to=address)
    db.session.commit()
    office().ring("send", None)


def can_correct(mail: OutboundMail, recipient: OutboundRecipient) -> bool:
    """Whether this recipient's address may be changed: not for mail on its way, nor for agents' own mail."""
    return (
        mail.state in (MailState.QUEUED, MailState.FAILED, MailState.KEPT)
        and mail.agent_id is None
        and recipient.state != RecipientState.ACCEPTED
    )


def _view(view: str) -> ColumnElement[bool]:
    return {
        "open": or_(_WAITS, _FAILED, _KEPT),
        "waiting": _WAITS,
        "failed": _FAILED,
        "kept": _KEPT,
        "sent": or_(
            OutboundMail.state.in_((MailState.DONE, MailState.CANCELLED)),
            and_(OutboundMail.state == MailState.FAILED, OutboundMail.set_aside_at.is_not(None)),
        ),
    }[view if view in VIEWS else "open"]
