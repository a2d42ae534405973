"""»Zurück ins Postfach legen«: a mail that we deleted on its server lies there again, byte for byte.

First the ledger says that these bytes are to be left alone, then the server gets them: whatever happens in
between, whoever finds them there knows them by their digest, and they never become a ticket a second time.
"""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from desk import channels, files
from desk.failpoints import reach
from mail.transports import TransportFailure
from mail.transports.imap import ImapSource
from models import (
    Agent,
    InboundEvent,
    InboundMail,
    InboundState,
    Outcome,
    Protocol,
    RawMail,
    ServerCopy,
    db,
    now,
)


class PutBackRefused(Exception):
    """`code` is translated on screen, `words` are the server's own."""

    def __init__(self, code: str, words: str = "") -> None:
        super().__init__(code)
        self.code, self.words = code, words


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
    return ""


def put_back(row: InboundMail, agent: Agent | None) -> None:
    """Lay the mail back into the inbox of its channel, unseen, with the time at which it arrived there.

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
    _promise(row)
    reach("put_back_promised")
    try:
        source = channels.open_source(channel)
        db.session.rollback()
        assert isinstance(source, ImapSource)
        with source:
            source_id = source.append(raw, arrived_at)
    except TransportFailure as failure:
        raise PutBackRefused(failure.code, failure.words) from failure
    reach("put_back_done")
    db.session.add(InboundEvent(inbound_id=row_id, code="put_back", agent_id=agent.id if agent else None))
    db.session.commit()
    if source_id:
        _enter(row_id, prefix + source_id)


def _promise(row: InboundMail) -> None:
    """Every row of these bytes in this channel, since the digest finds the first of them."""
    db.session.execute(
        update(InboundMail)
        .where(InboundMail.channel_id == row.channel_id, InboundMail.sha256 == row.sha256)
        .values(put_back_at=now())
    )
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
            state=InboundState.LEFT_ALONE,
            outcome=Outcome.LEFT_ALONE,
            reason="put_back",
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
