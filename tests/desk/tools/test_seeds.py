"""The demo's week: complete, in order, and none of it leaves."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from sqlalchemy import select

from desk import office
from desk.sending import outbox
from desk.tools import seeds
from models import (
    Attachment,
    Channel,
    InboundMail,
    MailState,
    Message,
    OutboundMail,
    Outcome,
    Status,
    Ticket,
    TicketEvent,
    db,
    now,
)


@pytest.fixture
def planted(app):
    at = now()
    assert seeds.plant(at) == 24
    return at


def everything(table):
    return list(db.session.scalars(select(table).order_by(table.id)))


def test_a_week_of_a_small_company(planted):
    tickets = everything(Ticket)
    assert [ticket.number for ticket in tickets] == list(range(1001, 1025))
    assert Counter(ticket.status for ticket in tickets) == {
        Status.NEW: 4,
        Status.OPEN: 10,
        Status.WAITING: 4,
        Status.RESOLVED: 3,
        Status.CLOSED: 3,
    }
    assert {ticket.assignee.name for ticket in tickets if ticket.assignee} == {
        "Alice Admin",
        "Jonas Kern",
        "Lea Moser",
    }
    assert {ticket.locale for ticket in tickets} == {"de", "en"}
    assert [(channel.key, channel.active) for channel in everything(Channel)] == [
        ("Support", True),
        ("Verkauf", True),
        ("Buchhaltung", False),
    ]
    assert {file.name for file in everything(Attachment)} >= {"Lieferschein.pdf", "IMG_2031.png"}
    assert sum(message.remote_images for message in everything(Message)) == 1


def test_nothing_of_it_leaves_and_all_is_accounted_for(planted):
    outbound = everything(OutboundMail)
    assert Counter(mail.state for mail in outbound) == {
        MailState.DONE: len(outbound) - 2,
        MailState.FAILED: 2,
    }
    assert {mail.purpose for mail in outbound} == {"ticket_reply"}
    assert {mail.reason for mail in outbound if mail.state == MailState.FAILED} == {
        "unknown_recipient",
        "mailbox_full",
    }
    assert outbox.deliver_due(at_once=True) == {}
    assert office.the_account().undo_seconds == 10

    inbound = everything(InboundMail)
    assert Counter(row.outcome for row in inbound) == {
        Outcome.NEW_TICKET: 24,
        Outcome.REPLY: 6,
        Outcome.QUIET: 1,
        Outcome.BOUNCE: 1,
        Outcome.HELD: 1,
    }
    assert len(inbound) == sum(message.inbound_id is not None for message in everything(Message)) + 1

    for table, column in ((Ticket, "created_at"), (Message, "created_at"), (TicketEvent, "at")):
        times = [getattr(row, column) for row in everything(table)]
        assert all(first <= second for first, second in pairwise([*times, planted])), table

    assert seeds.plant(now()) == 0
    assert len(everything(InboundMail)) == len(inbound)
