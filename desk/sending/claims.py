"""Which mail may leave next, and whose it is: of several processes one conditional UPDATE gives it to one."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, exists, or_, select, update
from sqlalchemy.orm import aliased

from desk.failpoints import reach
from desk.office import office, owner_is_gone
from desk.sending import link_mails
from desk.sending.brake import RANK, Budget, Lane, in_lane, within
from desk.sending.delivery_results import note
from models import MailState, OutboundMail, db, now
from models.base import reading
from models.outbound import move_where

log = logging.getLogger(__name__)

STUCK_AFTER = timedelta(minutes=15)  # no hand-over takes longer; its process is gone
IN_ORDER_FOR = timedelta(hours=1)  # so long a reply waits for an earlier one of its ticket
BRAKE_REST = timedelta(minutes=5)  # until the brake is asked again; it looks back one hour
AT_ONCE = 500  # mails kept in one run


# --- what is due


def due(
    at_once: bool = False, channel_id: int | None = None, lane: Lane | None = None
) -> ColumnElement[bool]:
    """The condition of what may leave now, of one channel and lane or of all.

    `at_once` ignores delays and undo time.
    """
    found: ColumnElement[bool] = OutboundMail.state == MailState.QUEUED
    if at_once:
        # A mail that was tried just now waits for the next call; else a failing server would be asked for ever.
        found = and_(found, or_(OutboundMail.claimed_at.is_(None), OutboundMail.claimed_at < now()))
    else:
        found = and_(found, OutboundMail.send_after <= now())
    found = and_(found, ~_behind_another())
    if lane is not None:
        found = and_(found, in_lane(lane))
    return and_(found, OutboundMail.channel_id == channel_id) if channel_id is not None else found


def _behind_another() -> ColumnElement[bool]:
    """Customers read the replies of a ticket in the order in which they were written."""
    earlier = aliased(OutboundMail)
    waits = exists().where(
        earlier.ticket_id == OutboundMail.ticket_id,
        earlier.id < OutboundMail.id,
        earlier.purpose == "ticket_reply",
        earlier.state.in_((MailState.QUEUED, MailState.SENDING)),
        earlier.created_at > now() - IN_ORDER_FOR,
    )
    return and_(OutboundMail.purpose == "ticket_reply", waits)


# --- whose it is


class Claimed(NamedTuple):
    """A mail that is ours to send."""

    mail_id: int
    purpose: str


def claim(condition: ColumnElement[bool]) -> Claimed | None:
    """Take the next mail, people's first: the conditional UPDATE lets only one process have it. Commits.

    None when no mail meets the condition.
    """
    next_one = select(OutboundMail.id, OutboundMail.purpose).where(condition)
    next_one = next_one.order_by(RANK, OutboundMail.id).limit(1)
    while True:
        found = db.session.execute(next_one).first()
        if found is None:
            db.session.rollback()
            return None
        mail_id, purpose = found
        taken = move_where(
            MailState.SENDING,
            OutboundMail.id == mail_id,
            attempts=OutboundMail.attempts + 1,
            claimed_at=now(),
            claimed_by=office().owner,
        )
        db.session.commit()
        if taken:
            reach("claimed")
            return Claimed(mail_id, purpose)


def still_ours(mail_id: int) -> ColumnElement[bool]:
    """The condition that this process holds the claim of a mail."""
    return and_(
        OutboundMail.id == mail_id,
        OutboundMail.state == MailState.SENDING,
        OutboundMail.claimed_by == office().owner,
    )


def free_abandoned() -> None:
    """A process that died while sending: the same bytes with the same Message-ID are sent again. Commits."""
    with reading():
        rows = db.session.execute(
            select(OutboundMail.id, OutboundMail.claimed_by, OutboundMail.claimed_at).where(
                OutboundMail.state == MailState.SENDING
            )
        ).all()
    for mail_id, owner, claimed_at in rows:
        if owner_is_gone(owner) or (claimed_at and claimed_at < now() - STUCK_AFTER):
            freed = move_where(
                MailState.QUEUED,
                OutboundMail.id == mail_id,
                OutboundMail.state == MailState.SENDING,
                OutboundMail.claimed_by == owner,
            )
            if freed:
                log.warning("mail %s was being sent when its process ended; it is sent again", mail_id)
                note(db.session.get_one(OutboundMail, mail_id), "interrupted")
    db.session.commit()


# --- what may not leave


def keep(condition: ColumnElement[bool]) -> int:
    """Without a relay nothing leaves and nothing is dropped: kept until a person says »send now«. Commits."""
    ids = db.session.scalars(select(OutboundMail.id).where(condition).limit(AT_ONCE)).all()
    for mail_id in ids:
        if move_where(MailState.KEPT, OutboundMail.id == mail_id, reason="no_relay"):
            note(db.session.get_one(OutboundMail, mail_id, populate_existing=True), "kept")
        db.session.commit()
        link_mails.forget(mail_id)
    return len(ids)


def rest(condition: ColumnElement[bool], budget: Budget) -> ColumnElement[bool]:
    """Unusually much of a budget has left: what is due of it rests and says why, but for what a person let through.

    Answers the condition of what is still due. Commits.
    """
    spent = within(budget)
    db.session.execute(
        update(OutboundMail)
        .where(condition, spent, OutboundMail.hurried.is_(False))
        .values(send_after=now() + BRAKE_REST, reason=budget.reason)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    return and_(condition, or_(~spent, OutboundMail.hurried))
