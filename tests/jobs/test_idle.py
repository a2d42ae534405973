"""The clock with mailboxes that rest in IDLE: mail is a ticket at once, and who is edited is hung up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import func, select

from desk.channels import channels
from desk.office import Office
from jobs.clock import Clock
from models import Channel, Ticket, db
from tests.jobs.test_kill import connect, imported, mail, own_channel
from tests.servers.ca import Authority
from tests.servers.dovecot import Dovecot, Mailbox
from tests.servers.serving import Serving, until
from tests.servers.smtp_sink import SmtpSink

pytestmark = pytest.mark.dovecot


@pytest.fixture
def clock(app: Flask, office: Office) -> Iterator[Clock]:
    """Polls once an hour: whatever comes sooner, comes by IDLE."""
    office.settings = replace(office.settings, fetch_seconds=3600)
    made = Clock(app)
    yield made
    made.stop()


def tickets() -> int:
    count = db.session.scalar(select(func.count(Ticket.id))) or 0
    db.session.rollback()
    return count


def resting(office: Office) -> set[int]:
    assert office.idle is not None
    return office.idle.resting()


def test_mail_is_a_ticket_at_once_and_an_edit_hangs_up(
    clock: Clock, office: Office, mailbox: Mailbox, smtp_sink: SmtpSink, trusted_ca: Authority
) -> None:
    channel_id = own_channel("imap", mailbox, smtp_sink)
    before = tickets()
    clock.start()
    until(lambda: resting(office) == {channel_id})
    for number in range(1, 4):
        mailbox.deliver(mail(number))
        until(lambda count=before + number: tickets() == count and not mailbox.messages())
        until(lambda: resting(office) == {channel_id})
    channel = db.session.get(Channel, channel_id)
    assert channel is not None
    channels.set_active(channel, False)
    until(lambda: resting(office) == set())
    mailbox.deliver(mail(9))
    channels.set_active(channel, True)
    until(lambda: tickets() == before + 4 and resting(office) == {channel_id})
    channels.delete(channel)
    until(lambda: resting(office) == set())


def test_the_process_ends_while_a_mailbox_rests(
    make_serving: Callable[..., Serving], smtp_sink: SmtpSink, ca: Authority, dovecot: Dovecot
) -> None:
    mailbox = dovecot.add_user()
    serving = make_serving(POSTSTELLE_FETCH_SECONDS="3600", **ca.environment)
    serving.create_account()
    connect(serving, "imap", mailbox, smtp_sink)
    serving.start()
    until(lambda: serving.sql("SELECT 1 FROM channel WHERE last_success_at IS NOT NULL"))
    mailbox.deliver(mail(1))
    until(lambda: imported(serving) == {"<1@customer.example>": 1})
    begins = time.monotonic()
    assert serving.stop() == 0
    assert time.monotonic() - begins < 15
