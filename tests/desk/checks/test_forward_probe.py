"""Way 2: the check goes out to the forwarded address and has to come back through our receiver."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from config import Relay
from desk.channels import channels
from desk.channels.channel_values import InvalidChannel, values_of
from desk.checks import forward_probe
from desk.checks.forward_probe import CheckRefused, ForwardState
from desk.receiving import arrivals, intake
from desk.sending import outbox
from models import InboundMail, OutboundMail, Outcome, Ticket, db, now
from tests.desk.channels.test_channels import OWN

FORWARDED = "info@acme.example"


@pytest.fixture
def forwarded(channel):
    channels.update(channel, replace(values_of(channel), forwarded_from=FORWARDED))
    return channel


@pytest.fixture
def relay(office, smtp_sink):
    office.settings = replace(office.settings, relay=Relay("localhost", smtp_sink.port, "none"))
    return smtp_sink


def arrive(channel, raw, source_id="1"):
    return intake.process(arrivals.receive(channel.id, arrivals.Arrival(raw, "smtp", source_id)))


def test_the_check_comes_back_and_becomes_no_ticket(forwarded, relay):
    assert forward_probe.state(forwarded, now()) == ForwardState.UNCHECKED
    forward_probe.check(forwarded)
    assert forward_probe.state(forwarded, now()) == ForwardState.WAITING
    outbox.deliver_due()
    (sent,) = relay.mails
    assert (sent.envelope_from, sent.recipients) == (forwarded.address, (FORWARDED,))
    assert arrive(forwarded, b"Received: by provider\r\n" + sent.raw) == Outcome.DROPPED
    assert forward_probe.state(forwarded, now()) == ForwardState.WORKS
    assert db.session.query(Ticket).count() == 0


def test_another_mail_of_ours_is_no_check(forwarded, relay):
    forward_probe.check(forwarded)
    outbox.deliver_due()
    raw = relay.mails[0].raw
    forward_probe.check(forwarded)  # a newer one: only its return counts
    assert arrive(forwarded, raw) == Outcome.DROPPED
    assert forward_probe.state(forwarded, now()) == ForwardState.WAITING


def test_what_does_not_come_back_is_told_after_an_hour(forwarded, relay):
    forward_probe.check(forwarded)
    sent_at = forwarded.forward_sent_at
    assert forward_probe.state(forwarded, sent_at + timedelta(minutes=59)) == ForwardState.WAITING
    assert forward_probe.state(forwarded, sent_at + timedelta(minutes=61)) == ForwardState.LOST


def test_it_is_checked_once_a_day(forwarded, relay):
    assert (forward_probe.check_due(), forward_probe.check_due()) == (1, 0)
    forwarded.forward_sent_at = now() - timedelta(hours=25)
    db.session.commit()
    assert forward_probe.check_due() == 1
    assert db.session.query(OutboundMail).filter_by(purpose="forward_check").count() == 2


def test_what_worked_and_stopped_is_seen_by_the_next_check(forwarded, relay):
    forwarded.forward_sent_at = now() - timedelta(hours=25)
    forwarded.forward_back_at = now() - timedelta(hours=24)
    forward_probe.check_due()
    assert forward_probe.state(forwarded, now() + timedelta(hours=2)) == ForwardState.LOST


def test_without_a_relay_nothing_is_sent(forwarded):
    with pytest.raises(CheckRefused) as refused:
        forward_probe.check(forwarded)
    assert refused.value.code == "no_relay" and forward_probe.check_due() == 0


def test_a_mailbox_of_its_own_is_not_forwarded(app, relay):
    with pytest.raises(CheckRefused):
        forward_probe.check(channels.create(OWN))


@pytest.mark.parametrize(("address", "code"), [
    ("no address", "syntax"), ("support-acme@poststelle.example", "ours"),
    ("SUPPORT-ACME@poststelle.example", "ours"), ("a\r\nBcc: x@y.z", "control"),
])  # fmt: skip
def test_an_address_that_cannot_be_forwarded(channel, address, code):
    with pytest.raises(InvalidChannel) as refused:
        channels.update(channel, replace(values_of(channel), forwarded_from=address))
    assert refused.value.errors == {"forwarded_from": code}


def test_another_forwarded_address_begins_anew(forwarded, relay):
    forward_probe.check(forwarded)
    channels.update(forwarded, replace(values_of(forwarded), forwarded_from="other@acme.example"))
    assert forward_probe.state(forwarded, now()) == ForwardState.UNCHECKED


GMAIL = (
    b"From: Gmail Team <forwarding-noreply@google.com>\r\nTo: support-acme@poststelle.example\r\n"
    b"Subject: (#123456789) Gmail Forwarding Confirmation - Receive Mail from info@acme.example\r\n"
    b"Message-ID: <x@mail.gmail.com>\r\n\r\n"
    b"info@acme.example has requested to automatically forward mail to your email address.\r\n"
    b"Confirmation code: 123456789\r\n\r\nTo allow, please click the link below to confirm the request:\r\n\r\n"
    b"https://mail-settings.google.com/mail/vf-%5BANGjdJ8%5D-abc\r\n"
)


def test_what_the_provider_asks_is_shown_and_answered_by_nobody(channel):
    arrive(channel, GMAIL)
    (asked,) = forward_probe.questions(channel)
    assert (asked.provider, asked.code) == ("Gmail", "123456789")
    assert asked.link.startswith("https://mail-settings.google.com/mail/vf-")
    assert db.session.query(InboundMail).one().reason == "forward_check"
    assert db.session.query(OutboundMail).filter_by(purpose="confirmation").count() == 0
