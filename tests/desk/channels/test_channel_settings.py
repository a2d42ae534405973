"""Per-channel settings: e-mail design, language, literal UNSEEN, a copy of what was sent."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from desk import files
from desk.channels import channels
from desk.channels.channel_values import ChannelValues, InvalidChannel, values_of
from desk.receiving import arrivals, fetching, intake
from desk.sending import outbox, replies, sent_copies
from desk.texts import mail_designs
from desk.tools import export
from models import InboundMail, MailState, Message, OutboundMail, Outcome, Ticket, db
from tests.desk.channels.test_channels import OWN, at_home  # noqa: F401
from tests.servers.smtp_sink import CLOSE

CAROL = b"From: Carol <carol@customer.example>\r\nSubject: Question\r\nMessage-ID: <q%d@customer.example>\r\n\r\n%s\r\n"


def answered(channel, alice, text="Here you are."):
    """A ticket in the channel, and an answer that waits to be sent."""
    number = db.session.query(InboundMail).count()
    raw = CAROL % (number, b"Hello, where is my order? I have been waiting for two weeks now.")
    intake.process(arrivals.receive(channel.id, arrivals.Arrival(raw, "imap", f"1/9:{number}")))
    ticket = db.session.query(Ticket).order_by(Ticket.id.desc()).first()
    return replies.send_reply(ticket, alice, replies.Written(text=text))


@pytest.fixture
def home(at_home, make_smtp_sink, mailbox):  # noqa: F811
    sink = make_smtp_sink(users={mailbox.user: mailbox.password})
    values = replace(
        at_home, smtp_port=sink.port, smtp_encryption="none", allow_plaintext=True, keep_sent=True
    )
    return channels.create(values), sink


def test_settings_are_kept_and_shown_again(app):
    design = mail_designs.create(mail_designs.DesignValues("Acme"))
    values = replace(
        OWN, design_id=design.id, locale="de", only_unseen=True, keep_sent=True, authserv_id="mx.acme"
    )
    channel = channels.create(values)
    db.session.expire_all()
    again = values_of(channel)
    assert (again.design_id, again.locale, again.only_unseen, again.keep_sent) == (
        design.id,
        "de",
        True,
        True,
    )
    assert again.authserv_id == "mx.acme"
    assert not again.requester_from_reply_to
    channels.update(channel, replace(again, server="elsewhere.example", password="x", smtp_password="y"))
    assert channel.authserv_id == ""  # the name of another server means nothing


@pytest.mark.parametrize("values", [OWN, ChannelValues("Forms", "forms-acme@poststelle.example")])
def test_a_channel_of_forms(app, values):
    channel = channels.create(replace(values, requester_from_reply_to=True))
    db.session.expire_all()
    assert values_of(channel).requester_from_reply_to
    assert export.channel(channel)["requester_from_reply_to"] is True
    channels.update(channel, replace(values_of(channel), requester_from_reply_to=False))
    assert export.channel(channel)["requester_from_reply_to"] is False


@pytest.mark.parametrize(("change", "errors"), [
    ({"locale": "xx"}, {"locale": "choice"}),
    ({"design_id": 999}, {"design_id": "choice"}),
])  # fmt: skip
def test_what_cannot_be_stored(app, change, errors):
    with pytest.raises(InvalidChannel) as refused:
        channels.create(replace(OWN, **change))
    assert refused.value.errors == errors


def test_the_language_is_that_of_customers_nobody_knows_yet(channel):
    channels.update(channel, replace(values_of(channel), locale="de"))
    raw = b"From: x@y.example\r\nSubject: 4711\r\n\r\n4711\r\n"
    intake.process(arrivals.receive(channel.id, arrivals.Arrival(raw, "smtp", "1")))
    assert db.session.query(Ticket).one().locale == "de"


@pytest.mark.dovecot
def test_literal_unseen_leaves_alone_what_somebody_has_opened(at_home, mailbox):  # noqa: F811
    channel = channels.create(replace(at_home, only_unseen=True))
    fetching.fetch_channel(channel.id)
    mailbox.deliver(CAROL % (1, b"seen on the phone"), flags="S")
    mailbox.deliver(CAROL % (2, b"unread"))
    assert (fetching.fetch_channel(channel.id).fetched, mailbox.flags()) == (1, ["S"])
    outcomes = sorted(str(row.outcome) for row in db.session.query(InboundMail))
    assert outcomes == [Outcome.LEFT_ALONE, Outcome.NEW_TICKET]
    assert fetching.fetch_channel(channel.id).fetched == 0


@pytest.mark.dovecot
def test_a_copy_of_an_answer_lies_in_the_sent_folder_once(home, alice, mailbox):
    channel, sink = home
    answered(channel, alice)
    outbox.deliver_due(at_once=True)
    mail = db.session.query(OutboundMail).filter_by(purpose="ticket_reply").one()
    assert (mail.state, mail.sent_copy) == (MailState.DONE, "wanted")
    assert sent_copies.due() == [channel.id] and sent_copies.put_down(channel.id) == 1
    (copy,) = mailbox.messages("Sent")
    (sent,) = [one for one in sink.mails if b"Here you are." in one.raw]
    assert copy == sent.raw.replace(b"\r\n", b"\n") and mailbox.flags("Sent") == ["S"]
    # The process died before it could note it: the same Message-ID is not put there twice.
    db.session.expire_all()
    mail = db.session.query(OutboundMail).filter_by(purpose="ticket_reply").one()
    assert mail.sent_copy == "stored"
    mail.sent_copy = "wanted"
    db.session.commit()
    sent_copies.put_down(channel.id)
    assert len(mailbox.messages("Sent")) == 1 and sent_copies.due() == []


@pytest.mark.dovecot
def test_a_copy_that_cannot_be_put_there_changes_nothing_about_the_mail(home, alice):
    channel, sink = home
    answered(channel, alice)
    outbox.deliver_due(at_once=True)
    channel.password = "wrong"
    db.session.commit()
    assert sent_copies.put_down(channel.id) == 0
    db.session.expire_all()
    mail = db.session.query(OutboundMail).filter_by(purpose="ticket_reply").one()
    assert (mail.state, mail.sent_copy, mail.attempts) == (MailState.DONE, "failed", 1)
    outbox.deliver_due(at_once=True)
    assert len([one for one in sink.mails if b"Here you are." in one.raw]) == 1


@pytest.mark.dovecot
def test_no_copy_is_owed_for_what_did_not_leave(home, alice):
    channel, sink = home
    answered(channel, alice)
    sink.fail_next("connect", CLOSE, times=5)
    outbox.deliver_due(at_once=True)
    assert db.session.query(OutboundMail).filter_by(purpose="ticket_reply").one().sent_copy == ""


def test_the_signature_stands_below_an_answer(channel, alice):
    design = mail_designs.create(mail_designs.DesignValues("Acme", signature="Acme Service\nVienna, Austria"))
    channels.update(channel, replace(values_of(channel), design_id=design.id))
    answered(channel, alice)
    mail = db.session.query(OutboundMail).filter_by(purpose="ticket_reply").one()
    raw = files.content(mail.sha256)
    assert re.search(rb"Alice Admin\r\nAcme Service\r\nVienna, Austria", raw)
    assert b"Acme GmbH\r\n" not in raw.split(b"Alice Admin", 1)[1][:60]
    assert db.session.query(Message).count() == 2
