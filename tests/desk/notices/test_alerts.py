"""A channel in trouble: administrators hear of it once, by a way that works, and once when it is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.policy import default

import pytest
from flask import Flask
from sqlalchemy import select, update

from config import Relay
from desk.agents import accounts
from desk.channels import channels, health
from desk.channels.channel_values import ChannelValues
from desk.notices import alerts
from desk.office import Office
from desk.sending import outbox
from desk.telling import who_hears
from models import Agent, Channel, Incident, MailState, OutboundMail, Role, Trouble, db, now
from tests.servers.ports import free_port
from tests.servers.smtp_sink import SmtpSink
from tests.support.browsing import PageClient
from wire import PermanentFailure

OwnChannel = Callable[..., Channel]


@pytest.fixture
def own(app: Flask) -> OwnChannel:
    def make(key: str, port: int = 1) -> Channel:
        """A channel whose outgoing server is on this port; its mailbox is never really fetched here."""
        return channels.create(
            ChannelValues(
                key=key, address=f"{key.lower()}@acme.example", provider="own", protocol="imap",
                server="localhost", port=993, user=key.lower(), password="secret", smtp_server="127.0.0.1",
                smtp_port=port, smtp_encryption="none", smtp_auth="none", allow_plaintext=True,
            )
        )  # fmt: skip

    return make


@pytest.fixture
def relay(office: Office, smtp_sink: SmtpSink) -> SmtpSink:
    office.settings = replace(office.settings, relay=Relay("127.0.0.1", smtp_sink.port, "none"))
    return smtp_sink


def wrong_password(channel: Channel) -> None:
    health.record_failure(channel.id, "auth_failed", "NO [AUTHENTICATIONFAILED]", temporary=False)


def earlier(minutes: float) -> None:
    """As if every incident had begun so long ago."""
    db.session.execute(update(Incident).values(began_at=now() - timedelta(minutes=minutes)))
    db.session.commit()


def queued() -> list[OutboundMail]:
    return list(db.session.scalars(select(OutboundMail).order_by(OutboundMail.id)))


def text_of(raw: bytes) -> str:
    body = message_from_bytes(raw, policy=default).get_body(("plain",))
    assert body is not None
    return str(body.get_content())


# --- when


def test_a_wrong_password_is_told_at_once_and_once(own: OwnChannel, relay: SmtpSink) -> None:
    books = own("Books")
    for _ in range(3):
        wrong_password(books)
        alerts.tell_due()
    outbox.deliver_due()
    (mail,) = relay.mails
    assert mail.recipients == ("alice@acme.example",) and mail.envelope_from == ""
    parsed = message_from_bytes(mail.raw, policy=default)
    assert parsed["Subject"] == "Channel in trouble: Books"
    assert parsed["From"] == "Acme GmbH <support-acme@poststelle.example>"
    assert parsed["Auto-Submitted"] == "auto-generated"
    words = text_of(mail.raw)
    for said in ("“Books” (books@acme.example)", "Sign-in refused", "NO [AUTHENTICATIONFAILED]"):
        assert said in words
    assert f"/system/channels/{books.id}" in words and "is not being fetched" in words


@pytest.mark.parametrize(("locale", "worked"), [("en", True), ("de", True), ("en", False)])
def test_a_server_that_worked_before_is_said_to_be_silent_and_nothing_to_be_changed(
    own: OwnChannel, relay: SmtpSink, alice: Agent, locale: str, worked: bool
) -> None:
    books = own("Books")
    alice.locale = locale
    if worked:
        health.record_success(books.id)
    for _ in range(3):
        health.record_failure(books.id, "connect_refused", "", True)
    alerts.tell_due()
    outbox.deliver_due()
    words = " ".join(text_of(relay.mails[0].raw).split())
    silent = {"en": "; until then it worked.", "de": "nicht mehr, bis dahin ging es."}[locale]
    stay = {"en": "Nothing has to be changed here", "de": "Hier ist nichts zu ändern"}[locale]
    assert (silent in words, stay in words) == (worked, worked)
    assert ("refuses connections" in words) is not worked and "Check the port" not in words


def test_the_network_counts_after_three_failures_or_ten_minutes(own: OwnChannel, relay: SmtpSink) -> None:
    books, desk = own("Books"), own("Desk")
    for _ in range(2):
        health.record_failure(books.id, "timeout", "", True)
    health.record_failure(desk.id, "connect_refused", "", True)
    assert alerts.tell_due() == 0
    health.record_failure(books.id, "timeout", "", True)
    assert alerts.tell_due() == 1
    earlier(11)
    assert alerts.tell_due() == 1
    assert [mail.incidents for mail in queued()] == [[1], [2]]


def test_what_mended_itself_before_it_counted_is_never_told(own: OwnChannel, relay: SmtpSink) -> None:
    books = own("Books")
    health.record_failure(books.id, "timeout", "", True)
    health.record_success(books.id)
    earlier(60)
    assert alerts.tell_due() == 0 and queued() == []


def test_the_recovery_is_told_once(own: OwnChannel, relay: SmtpSink) -> None:
    books = own("Books")
    wrong_password(books)
    alerts.tell_due()
    for _ in range(2):
        health.record_success(books.id)
        alerts.tell_due()
    outbox.deliver_due()
    subjects = [message_from_bytes(mail.raw, policy=default)["Subject"] for mail in relay.mails]
    assert subjects == ["Channel in trouble: Books", "Channel works again: Books"]
    wrong_password(books)
    assert alerts.tell_due() == 1  # another incident is told anew


def test_after_an_edit_the_next_success_is_the_recovery(own: OwnChannel, relay: SmtpSink) -> None:
    books = own("Books")
    wrong_password(books)
    alerts.tell_due()
    channels.set_active(books, False)
    channels.set_active(books, True)
    assert alerts.tell_due() == 0
    health.record_success(books.id)
    assert alerts.tell_due() == 1
    assert [mail.purpose for mail in queued()] == ["channel_trouble", "channel_recovered"]


def test_a_mailbox_that_nobody_fetches_is_told(own: OwnChannel, relay: SmtpSink) -> None:
    books = own("Books")
    books.last_success_at = now() - timedelta(minutes=20)
    db.session.commit()
    assert alerts.tell_due() == 0
    earlier(11)
    assert alerts.tell_due() == 1
    outbox.deliver_due()
    assert "no fault is known" in text_of(relay.mails[0].raw)
    health.record_success(books.id)
    assert alerts.tell_due() == 1 and queued()[-1].purpose == "channel_recovered"


def test_many_at_once_are_one_mail(own: OwnChannel, relay: SmtpSink) -> None:
    for number in range(4):
        wrong_password(own(f"Box{number}"))
    assert alerts.tell_due() == 4
    outbox.deliver_due()
    (mail,) = relay.mails
    assert message_from_bytes(mail.raw, policy=default)["Subject"] == "4 channels in trouble"
    assert all(f"“Box{number}”" in text_of(mail.raw) for number in range(4))


# --- to whom


def test_administrators_are_told_in_their_language_and_nobody_else(
    own: OwnChannel, relay: SmtpSink, bob: Agent
) -> None:
    ada = accounts.create_agent("Ada", "ada@acme.example", Role.ADMIN, "a long password")
    ada.locale = "de"
    wrong_password(own("Books"))
    alerts.tell_due()
    outbox.deliver_due()
    told = {
        mail.recipients[0]: message_from_bytes(mail.raw, policy=default)["Subject"] for mail in relay.mails
    }
    assert told == {
        "alice@acme.example": "Channel in trouble: Books",
        "ada@acme.example": "Kanal gestört: Books",
    }


def test_a_switched_off_notice_is_not_sent(own: OwnChannel, relay: SmtpSink) -> None:
    books = own("Books")
    for notice in ("channel_trouble", "channel_recovered"):
        who_hears.switch(notice, False)
    wrong_password(books)
    assert alerts.tell_due() == 0
    who_hears.switch("channel_trouble", True)
    assert alerts.tell_due() == 1
    health.record_success(books.id)
    alerts.tell_due()
    who_hears.switch("channel_recovered", True)
    assert alerts.tell_due() == 0  # it was over while nobody wanted to know


# --- which way


def test_never_through_the_broken_channel(own: OwnChannel, smtp_sink: SmtpSink) -> None:
    broken, sound = own("Broken", smtp_sink.port), own("Sound", smtp_sink.port)
    wrong_password(broken)
    alerts.tell_due()
    assert [mail.channel_id for mail in queued()] == [sound.id]
    outbox.deliver_due()
    assert smtp_sink.mails[0].envelope_from == "sound@acme.example"
    assert b"From: Acme GmbH <sound@acme.example>" in smtp_sink.mails[0].raw


def test_while_one_way_works_the_alert_arrives(
    office: Office, own: OwnChannel, make_smtp_sink: Callable[..., SmtpSink]
) -> None:
    """The relay and all channels but the last are broken, each in its own way."""
    refusing, silent, closing, works = (make_smtp_sink() for _ in range(4))
    office.settings = replace(office.settings, relay=Relay("127.0.0.1", free_port(), "none"))
    refusing.fail_next("mail", "550 5.7.1 sender refused", times=9)
    silent.fail_next("rcpt", "550 5.7.1 relaying denied", times=9)
    closing.fail_next("connect", "421 not now", times=9)
    broken = own("Broken", works.port)
    for key, sink in (("One", refusing), ("Two", silent), ("Three", closing), ("Four", works)):
        own(key, sink.port)
    wrong_password(broken)
    alerts.tell_due()
    for _ in range(5):
        outbox.deliver_due()
    (mail,) = works.mails
    assert mail.envelope_from == "four@acme.example" and mail.recipients == ("alice@acme.example",)
    assert next(row.state for row in queued() if row.purpose == "channel_trouble") == MailState.DONE
    assert [len(sink.mails) for sink in (refusing, silent, closing)] == [0, 0, 0]


def test_all_ways_broken_is_waited_for_and_arrives_later(
    own: OwnChannel, make_smtp_sink: Callable[..., SmtpSink]
) -> None:
    one, two = make_smtp_sink(), make_smtp_sink()
    wrong_password(own("Broken"))
    own("One", one.port), own("Two", two.port)
    for sink in (one, two):
        sink.fail_next("mail", "451 later", times=1)
    alerts.tell_due()
    for _ in range(4):
        outbox.deliver_due()
    (mail,) = queued()
    assert mail.state == MailState.QUEUED and mail.attempts == 2 and mail.send_after > now()
    db.session.execute(update(OutboundMail).values(send_after=now()))
    db.session.commit()
    outbox.deliver_due()
    assert len(one.mails) + len(two.mails) == 1


def test_without_any_other_way_the_channels_own_server_is_better_than_silence(
    own: OwnChannel, smtp_sink: SmtpSink
) -> None:
    wrong_password(own("Only", smtp_sink.port))
    alerts.tell_due()
    outbox.deliver_due()
    assert len(smtp_sink.mails) == 1


# --- an outgoing server in trouble


def test_a_way_out_that_does_not_let_us_in_is_a_trouble(
    own: OwnChannel, relay: SmtpSink, as_alice: PageClient, alice: Agent
) -> None:
    books = own("Books", free_port())
    for _ in range(3):
        outbox.queue(outbox.NewMail(
            purpose="password_link", subject="x", recipients=["alice@acme.example"], channel=books,
            message_id=f"<{len(queued())}@x.example>", envelope_from="", raw=b"Subject: x\r\n\r\nx\r\n",
        ))  # fmt: skip
        db.session.commit()
        outbox.deliver(books.id)
    (incident,) = db.session.scalars(select(Incident)).all()
    assert (incident.channel_id, incident.trouble, incident.failures) == (books.id, Trouble.SENDING, 3)
    assert alerts.tell_due() == 1 and queued()[-1].channel_id is None
    page = as_alice.get("/system/channels").text
    assert "no mail leaves since" in page
    assert f'class="channel-state" href="/system/channels/{books.id}"' in page  # one click to the diagnosis
    health.record_sending(books.id, None)
    assert alerts.tell_due() == 1 and "no mail leaves since" not in as_alice.get("/system/channels").text


def test_the_relay_in_trouble_is_told_by_an_own_channel(
    office: Office, own: OwnChannel, smtp_sink: SmtpSink, channel: Channel
) -> None:
    office.settings = replace(office.settings, relay=Relay("127.0.0.1", free_port(), "none"))
    own("Sound", smtp_sink.port)
    health.record_sending(channel.id, PermanentFailure("auth_failed", "535 no"))
    alerts.tell_due()
    outbox.deliver_due()
    assert smtp_sink.mails[0].envelope_from == "sound@acme.example"
    assert "do not leave" in text_of(smtp_sink.mails[0].raw)
