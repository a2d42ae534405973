"""»Zurück ins Postfach legen«: a mail that we deleted on its server lies there again, byte for byte.

First the ledger says that these bytes are to be left alone, then the server gets them: whatever happens in
between, whoever finds them there knows them by their digest, and they never become a ticket a second time.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.exc import IntegrityError

from desk import files
from desk.channels import connections
from desk.failpoints import reach
from desk.receiving.deciding import PUT_BACK
from desk.refusal import Refusal
from models import (
    Agent,
    InboundEvent,
    InboundMail,
    InboundState,
    Protocol,
    RawMail,
    ServerCopy,
    db,
    now,
)
from models.base import rows_changed
from models.inbound import first_verdict
from wire import TransportFailure
from wire.imap import ImapSource


class PutBackRefused(Refusal):
    """`words` are the server's own."""


def refusal(row: InboundMail) -> str:
    """Why this mail cannot be put back, as a code; empty if it can."""
    channel = row.channel
    if not row.sha256 or row.raw != RawMail.KEPT:
        return "raw_gone"
    if not channel.living:
        return "channel_gone"
    if not channel.is_own or row.server_copy == ServerCopy.NONE:
        return "no_mailbox"
    if channel.protocol != Protocol.IMAP:
        return "only_imap"
    if row.state == InboundState.LEFT_ALONE or row.server_copy not in (ServerCopy.DELETED, ServerCopy.MOVED):
        return "still_there"
    if not row.source_id.startswith(f"{channel.mailbox}/"):
        return "moved"
    return ""


def put_back(row: InboundMail, agent: Agent | None, last: datetime | None = None) -> None:
    """Lay the mail back into the inbox of its channel, unseen, with the time at which it arrived there.

    `last`: the `put_back_at` that the person saw who asks for it. Two clicks lay it there once, and a second
    copy is made only for one who knows of the first.

    Raises PutBackRefused. Needs no lease: a fetch that meets the mail before its row is written finds
    the digest and leaves it alone.
    """
    if code := refusal(row):
        raise PutBackRefused(code)
    raw = files.content(row.sha256)
    if raw is None:
        raise PutBackRefused("raw_gone")
    row_id, channel, arrived_at = row.id, row.channel, row.arrived_at or row.received_at
    prefix = f"{channel.mailbox}/"
    same_bytes = (InboundMail.channel_id == row.channel_id, InboundMail.sha256 == row.sha256)
    promised_at, may_lie_there = _promise(row_id, same_bytes, last), False
    reach("put_back_promised")
    try:
        source = connections.open_source(channel)
        db.session.rollback()
        assert isinstance(source, ImapSource)
        with source:
            may_lie_there = True
            source_id = source.append(raw, arrived_at)
    except TransportFailure as failure:
        db.session.rollback()
        if not may_lie_there:
            _take_back(same_bytes, promised_at, last)
        raise PutBackRefused(failure.code, failure.words) from failure
    reach("put_back_done")
    db.session.add(InboundEvent(inbound_id=row_id, code="put_back", agent_id=agent.id if agent else None))
    db.session.commit()
    if source_id:
        _enter(row_id, prefix + source_id)


def _promise(row_id: int, same_bytes: tuple[ColumnElement[bool], ...], last: datetime | None) -> datetime:
    """Every row of these bytes in this channel, since the digest finds the first of them. Answers when."""
    at = now()
    mine = update(InboundMail).where(
        InboundMail.id == row_id, InboundMail.put_back_at.is_not_distinct_from(last)
    )
    if not rows_changed(mine.values(put_back_at=at)):
        db.session.rollback()
        raise PutBackRefused("put_back_before")
    db.session.execute(update(InboundMail).where(*same_bytes).values(put_back_at=at))
    db.session.commit()
    return at


def _take_back(same_bytes: tuple[ColumnElement[bool], ...], at: datetime, last: datetime | None) -> None:
    """The server never got them: the same bytes are no longer ours to leave alone, unless they were before."""
    mine = update(InboundMail).where(*same_bytes, InboundMail.put_back_at == at)
    db.session.execute(mine.values(put_back_at=last).execution_options(synchronize_session=False))
    db.session.commit()


def _enter(original_id: int, source_id: str) -> None:
    """The ledger's row of what lies there now; a fetch may have been quicker."""
    original = db.session.scalars(select(InboundMail).where(InboundMail.id == original_id)).one()
    db.session.add(
        InboundMail(
            channel_id=original.channel_id,
            via=Protocol.IMAP,
            source_id=source_id,
            sha256=original.sha256,
            size=original.size,
            **first_verdict(PUT_BACK.outcome, PUT_BACK.reason),
            server_copy=ServerCopy.PRESENT,
            arrived_at=original.arrived_at,
            filed_at=now(),
            duplicate_of_id=original.duplicate_of_id or original.id,
        )
    )
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
