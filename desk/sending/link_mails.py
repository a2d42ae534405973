"""Mails with a link that lets their reader choose a password: encrypted while they wait, and then without it.

Whoever reads the data folder or a copy of it must not get in by what lies there. So the bytes of such a mail are
encrypted with the key of the house until a server has the mail, and are removed then; the row stays, with its subject
and its addresses. They also go when the link leads nowhere any more, and without a way out they are not stored at
all: the administrator sees the link once.

They go in two steps that may be interrupted: first the file, then the row's note of it (`sha256`). Empty is without.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlalchemy.orm import aliased

from desk.office import office
from models import Agent, MailState, OutboundMail, OutboundRecipient, RecipientState, db, now
from models.base import is_sealed, reading, seal, unseal
from models.outbound import move_where

PURPOSES = ("invitation", "password_link")
UNCONFIRMED = "unconfirmed"  # the reason of a recipient whose server took the mail without a word


def put(purpose: str, raw: bytes) -> str:
    """Store the bytes of any mail, of these encrypted; answers the blob's digest."""
    return office().blobs.put(seal(raw) if purpose in PURPOSES else raw)


def octets(mail: OutboundMail) -> bytes:
    """The stored bytes of any mail as they leave. Raises FileNotFoundError where they are gone."""
    data = office().blobs.get(mail.sha256)
    # Before they were encrypted some were stored as they are; no mail looks like an encrypted one.
    return unseal(data) if mail.purpose in PURPOSES and is_sealed(data) else data


def is_spent(mail: OutboundMail) -> bool:
    """Whether it was such a mail and its link is gone: it can never leave again."""
    return mail.purpose in PURPOSES and not mail.sha256


def forget_what_left(mail_id: int) -> None:
    """A server has the mail. Unless it took it without a word: then a person may want to send it again. Commits."""
    if db.session.scalar(select(OutboundMail.id).where(OutboundMail.id == mail_id, _has_left())):
        forget(mail_id)
    db.session.rollback()


def forget(mail_id: int) -> None:
    """Remove what is stored of such a mail, if it is one. Commits."""
    one = (OutboundMail.id == mail_id, OutboundMail.purpose.in_(PURPOSES), OutboundMail.sha256 != "")
    digest = db.session.scalar(select(OutboundMail.sha256).where(*one))
    if digest:
        office().blobs.forget(digest)
        db.session.execute(update(OutboundMail).where(*one).values(sha256=""))
    db.session.commit()


def forget_spent() -> int:
    """What has left, is kept without a way out, or has a link that leads nowhere; answers how many. Commits.

    One that still waits for its server is stopped: its reader could do nothing with it.
    """
    goes = or_(_has_left(), OutboundMail.state == MailState.KEPT, _leads_nowhere())
    with reading():
        query = select(OutboundMail.id).where(
            OutboundMail.purpose.in_(PURPOSES), OutboundMail.sha256 != "", goes
        )
        found = db.session.scalars(query.where(OutboundMail.state != MailState.SENDING)).all()
    for mail_id in found:
        stopped = move_where(
            MailState.FAILED,
            OutboundMail.id == mail_id,
            OutboundMail.state == MailState.QUEUED,
            reason="link_expired",
            words="",
            done_at=now(),
            set_aside_at=now(),
            claimed_at=now(),
        )
        if stopped:
            move_where(RecipientState.CANCELLED, OutboundRecipient.mail_id == mail_id)
        db.session.commit()
        forget(mail_id)
    return len(found)


def _has_left() -> ColumnElement[bool]:
    unsure = exists().where(
        OutboundRecipient.mail_id == OutboundMail.id, OutboundRecipient.reason == UNCONFIRMED
    )
    return and_(OutboundMail.state == MailState.DONE, ~unsure)


def _leads_nowhere() -> ColumnElement[bool]:
    """It was used, is too old, or another one was made since: an agent has one open link."""
    later = aliased(OutboundMail)
    newest = (
        select(func.max(later.id))
        .where(later.agent_id == OutboundMail.agent_id, later.purpose.in_(PURPOSES))
        .scalar_subquery()
    )
    still_open = exists().where(Agent.id == OutboundMail.agent_id, Agent.link_expires_at > now())
    return or_(~still_open, OutboundMail.id < newest)
