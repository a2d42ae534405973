"""When a mail arrived, from a real mailbox to the ticket, the list and the notice; and order stays by our own arrival."""

from __future__ import annotations

import importlib
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from imapclient import IMAPClient
from sqlalchemy import select, update

from desk.channels import channels
from desk.channels.channel_values import ChannelValues
from desk.mailroom import quarantine
from desk.receiving import arrivals, fetching, intake
from desk.sending import replies, undo_and_resend
from desk.tickets import merging, ticket_list
from desk.tools import export
from models import Agent, Channel, InboundMail, Message, Ticket, db, now
from tests.servers.ca import Authority
from tests.servers.dovecot import Mailbox
from tests.support.mails import arrive, mail

HOURS = timedelta(hours=1)


def said(moment: datetime) -> str:
    return f"from a.example by mx.example with ESMTP id 1; {moment:%a, %d %b %Y %H:%M:%S} +0000"


def by(channel: Channel, via: str, raw: bytes, peer: str = "", **more: object) -> Message:
    """As a fetch or the receiver hands it in."""
    arrival = arrivals.Arrival(raw, via, f"{via}:{now().timestamp()}", peer=peer, **more)  # type: ignore[arg-type]
    inbound_id = arrivals.receive(channel.id, arrival)
    assert inbound_id is not None
    intake.process(inbound_id)
    return db.session.scalars(select(Message).where(Message.inbound_id == inbound_id)).one()


def seconds(moment: datetime | None) -> datetime | None:
    return moment.replace(microsecond=0) if moment else None


EARLIER = (now() - 30 * HOURS).replace(microsecond=0)


@pytest.mark.dovecot
def test_what_lay_in_a_mailbox_has_the_time_of_its_server(
    app: Flask, mailbox: Mailbox, trusted_ca: Authority, as_bob: object
) -> None:
    with IMAPClient(
        "localhost", mailbox.dovecot.imaps, ssl_context=ssl.create_default_context(cafile=trusted_ca.path)
    ) as imap:
        imap.login(mailbox.user, mailbox.password)
        imap.append("INBOX", mail(received=said(now())), msg_time=EARLIER)
    channel = channels.create(
        ChannelValues(
            key="Books", address="books@x.example", provider="own", protocol="imap", server="localhost",
            port=mailbox.dovecot.imaps, user=mailbox.user, password=mailbox.password, smtp_server="localhost",
            smtp_encryption="starttls",
        )
    )  # fmt: skip
    fetching.fetch_channel(channel.id)
    db.session.expire_all()
    message = db.session.scalars(select(Message)).one()
    ticket = message.ticket
    assert message.arrived_at == ticket.came_at == ticket.last_came_at == EARLIER
    assert now() - message.created_at < HOURS and now() - ticket.last_message_at < HOURS
    assert message.lay_for.days == 1


@pytest.mark.parametrize(
    ("via", "peer", "counts"),
    [
        ("pop3", "", True),
        ("pipe", "", True),
        ("lmtp", "127.0.0.1", True),
        ("smtp", "10.0.0.5", True),  # our own server in front
        ("smtp", "93.184.215.14", False),  # a stranger, who may write what they like
        ("smtp", "2606:4700::1111", False),
    ],
)
def test_the_last_hop_counts_where_it_was_a_server_of_ours(
    channel: Channel, via: str, peer: str, counts: bool
) -> None:
    message = by(channel, via, mail(received=said(EARLIER)), peer)
    row = message.inbound
    assert row is not None and message.arrived_at == (EARLIER if counts else row.received_at)
    assert (row.arrived_at is not None) == counts and row.came_at == message.arrived_at


@pytest.mark.parametrize(
    ("via", "peer", "counts"),
    [
        ("pop3", "", True),
        ("imap", "", True),
        ("pipe", "", False),
        ("lmtp", "127.0.0.1", False),
        ("smtp", "10.0.0.5", False),
    ],
)
@pytest.mark.parametrize("days", [31, 4000])
def test_nobody_carries_a_mail_for_months(
    channel: Channel, via: str, peer: str, counts: bool, days: int
) -> None:
    """A mailbox may have kept it so long; what is handed to us comes now."""
    long_ago = EARLIER - timedelta(days=days)
    raw = mail(received=said(long_ago), date=f"{long_ago:%a, %d %b %Y %H:%M:%S} +0000")
    message = by(channel, via, raw, peer)
    assert message.inbound is not None
    assert (
        message.arrived_at == message.ticket.came_at == (long_ago if counts else message.inbound.received_at)
    )
    weeks_ago = now().replace(microsecond=0) - timedelta(days=28)
    assert by(channel, via, mail(received=said(weeks_ago)), peer).arrived_at == weeks_ago


def test_no_clock_of_others_leads_into_the_future(channel: Channel) -> None:
    ahead = now() + timedelta(days=300)
    raw = mail(received=said(ahead), date=f"{ahead:%a, %d %b %Y %H:%M:%S} +0000")
    for message in (by(channel, "pop3", raw), by(channel, "imap", raw + b"\n", arrived_at=ahead)):
        assert message.inbound is not None
        assert message.arrived_at == message.said_sent_at == message.inbound.received_at
        assert message.sent_at is not None and message.sent_at > now()
        assert message.lay_for == timedelta()


def test_what_waits_in_quarantine_keeps_its_arrival(channel: Channel) -> None:
    row = arrive(channel, mail(x_spam_flag="YES", received=said(EARLIER)))
    assert row.came_at == EARLIER
    db.session.execute(update(InboundMail).values(received_at=EARLIER + 2 * HOURS))
    db.session.commit()
    quarantine.release(db.session.get_one(InboundMail, row.id))
    message = db.session.scalars(select(Message)).one()
    assert (message.arrived_at, message.lay_for) == (EARLIER, 2 * HOURS), "it lay here, not there"


def test_nothing_slips_above_what_was_read(channel: Channel, as_bob: object, bob: Agent) -> None:
    """A mail that lay for a day stands below what came here before it, in the ticket and in the list."""
    first = by(channel, "pop3", mail(message_id="<a@x.example>"))
    late = by(
        channel, "pop3", mail(received=said(EARLIER), in_reply_to="<a@x.example>", subject="Re: Delivery")
    )
    other = by(channel, "pop3", mail(sender="Dora <dora@other.example>", received=said(EARLIER - HOURS)))
    assert late.ticket_id == first.ticket_id != other.ticket_id
    assert late.came_at < first.came_at and late.id > first.id
    listed = ticket_list.listing(bob).tickets
    assert [ticket.id for ticket in listed] == [other.ticket_id, first.ticket_id]
    assert [ticket.last_came_at for ticket in listed] == [EARLIER - HOURS, EARLIER]


def test_a_list_shows_our_answer_by_its_own_time(channel: Channel, bob: Agent) -> None:
    ticket = by(channel, "pop3", mail(received=said(EARLIER))).ticket
    assert ticket.last_came_at == EARLIER
    sent = replies.send_reply(ticket, bob, replies.Written(text="Yes."))
    assert ticket.last_came_at == ticket.last_message_at and now() - ticket.last_came_at < HOURS
    assert ticket.came_at == EARLIER
    assert undo_and_resend.undo(sent.message, bob)
    assert ticket.last_came_at == EARLIER


def test_a_mail_takes_its_arrival_along(channel: Channel, bob: Agent) -> None:
    by(channel, "pop3", mail(message_id="<a@x.example>"))
    late = by(channel, "pop3", mail(received=said(EARLIER), in_reply_to="<a@x.example>"))
    target = merging.split(late, bob)
    assert target.came_at == target.last_came_at == EARLIER
    assert now() - db.session.get_one(Ticket, 1).last_came_at < HOURS


def test_an_answer_quotes_by_the_time_of_writing(channel: Channel, bob: Agent, app: Flask) -> None:
    wrote, came = datetime(2026, 3, 4, 6, 30, tzinfo=UTC), datetime(2026, 3, 5, 7, 45, tzinfo=UTC)

    def quoted(date: datetime) -> str:
        message = by(channel, "pop3", mail(received=said(came), date=f"{date:%a, %d %b %Y %H:%M:%S} +0000"))
        sent = replies.send_reply(message.ticket, bob, replies.Written(text="Yes."))
        raw = replies.office().blobs.get(sent.mail.sha256)
        return raw.decode("utf-8", "replace")

    assert "7:30" in quoted(wrote) and "March 4" in quoted(wrote), "in Vienna"
    never_set = quoted(datetime(1990, 1, 1, tzinfo=UTC))
    assert "8:45" in never_set and "March 5" in never_set


def test_exports_say_all_three_times(channel: Channel) -> None:
    message = by(
        channel, "pop3", mail(received=said(EARLIER), date=f"{EARLIER - HOURS:%a, %d %b %Y %H:%M:%S} +0000")
    )
    created = message.created_at
    (ticket,) = export.tickets()
    (told,) = ticket["messages"]
    assert (told["arrived_at"], told["sent_at"]) == (EARLIER.isoformat(), (EARLIER - HOURS).isoformat())
    assert ticket["arrived_at"] == EARLIER.isoformat() and told["created_at"] == created.isoformat(
        timespec="seconds"
    )
    assert told["fetched_at"] >= told["arrived_at"]
    assert [line["arrived_at"] for line in export.ledger()] == [EARLIER.isoformat()]


def test_the_migration_fills_in_what_the_ledger_knows(channel: Channel, bob: Agent) -> None:
    migration = importlib.import_module("migrations.versions.0025_arrivals")
    known = by(channel, "imap", mail(), arrived_at=EARLIER)
    unknown = by(channel, "pop3", mail(sender="Dora <dora@other.example>"))
    ahead = by(channel, "imap", mail(sender="Eva <eva@third.example>"), arrived_at=now() + 90 * HOURS)
    replies.send_reply(ahead.ticket, bob, replies.Written(text="Yes."))
    db.session.execute(update(Message).values(arrived_at=None))
    db.session.execute(update(Ticket).values(arrived_at=None, last_arrived_at=None))
    for statement in (migration.OF_MESSAGES, migration.OF_TICKETS):
        db.session.execute(db.text(statement))
    db.session.commit()
    db.session.expire_all()
    assert known.inbound and unknown.inbound and ahead.inbound
    assert known.arrived_at == known.ticket.arrived_at == known.ticket.last_arrived_at == EARLIER
    assert unknown.arrived_at == unknown.ticket.arrived_at == unknown.inbound.received_at
    assert ahead.arrived_at == ahead.inbound.received_at and ahead.ticket.last_arrived_at is None
