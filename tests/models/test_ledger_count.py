"""The database counts by itself what each channel was shown, and lets no mail be filed twice."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, exc, insert, select

from models import Channel, InboundMail, LedgerCount, Message, db
from tests.support.mails import arrive, mail, ticket_of


def seen(channel: Channel) -> int | None:
    return db.session.scalar(select(LedgerCount.seen).where(LedgerCount.channel_id == channel.id))


def test_every_row_is_counted_as_it_comes_in_and_none_as_it_goes(channel: Channel) -> None:
    assert seen(channel) is None
    row = arrive(channel, mail())
    many = [{"channel_id": channel.id, "via": "imap", "source_id": f"bulk:{n}"} for n in range(3)]
    db.session.execute(insert(InboundMail), many)
    db.session.commit()
    assert seen(channel) == 4
    db.session.execute(delete(InboundMail).where(InboundMail.id != row.id))
    db.session.commit()
    assert seen(channel) == 4


def test_a_row_that_was_rolled_back_was_never_seen(channel: Channel) -> None:
    arrive(channel, mail())
    db.session.execute(insert(InboundMail).values(channel_id=channel.id, via="imap", source_id="x"))
    db.session.rollback()
    assert seen(channel) == 1


def test_no_mail_becomes_two_messages(channel: Channel) -> None:
    row = arrive(channel, mail())
    ticket = ticket_of(row)
    db.session.add(Message(ticket_id=ticket.id, kind="inbound", inbound_id=row.id))
    with pytest.raises(exc.IntegrityError):
        db.session.commit()
    db.session.rollback()
