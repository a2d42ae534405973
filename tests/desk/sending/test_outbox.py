"""Story 2's second half against a real SMTP server: what becomes of every mail and every recipient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from flask import Flask
from sqlalchemy import select, update

from config import Relay
from desk.channels import channels
from desk.channels.channel_values import ChannelValues
from desk.notices import notice_mails
from desk.office import Office, signing_key
from desk.receiving import delivery_reports
from desk.sending import outbox
from desk.tickets import tickets, uploads
from mail import ids
from mail.types import BounceRecipient
from models import Agent, Channel, MailState, OutboundMail, OutboundRecipient, Status, db, now
from tests.servers.smtp_sink import CLOSE, SmtpSink
from tests.support.mails import arrive, mail


def states(sent: OutboundMail) -> dict[str, str]:
    db.session.expire_all()
    return {recipient.address: str(recipient.state) for recipient in sent.recipients}


def read(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def test_what_the_customer_gets(
    relay: SmtpSink, reply: Callable[..., OutboundMail], channel: Channel
) -> None:
    sent = reply(
        cc=("dave@x.example",), bcc=("boss@acme.example",), files=(uploads.from_form("Größe.pdf", b"%PDF"),)
    )
    assert outbox.deliver_due() == {"done": 1}
    got = relay.mails[0]
    message, number = read(got.raw), sent.ticket.number
    assert {mail.raw for mail in relay.mails} == {got.raw}
    assert [mail.recipients for mail in relay.mails] == [
        ("carol@customer.example",),
        ("dave@x.example",),
        ("boss@acme.example",),
    ]
    assert {channels.untagged(mail.envelope_from) for mail in relay.mails} == {channel.address}
    assert message["From"] == "Acme GmbH <support-acme@poststelle.example>"
    assert (message["To"], message["Cc"], message["Bcc"]) == (
        "Carol <carol@customer.example>",
        "dave@x.example",
        None,
    )
    assert message["Subject"] == f"Re: Delivery [#{number}]"
    assert message["In-Reply-To"] == "<q@customer.example>"
    assert message["References"] == "<q@customer.example>"
    assert ids.read_message_id(signing_key(), message["Message-ID"]) == number
    reply_to = message["Reply-To"].addresses[0].addr_spec
    assert ids.read_reply_address(signing_key(), reply_to) == (channel.address, number)
    assert message["Auto-Submitted"] is None
    body = message.get_body(("plain",))
    assert body is not None
    text = body.get_content().replace("\r\n", "\n")
    assert text.startswith("Dear Carol,\n\nwe look into it.")
    assert "Alice Admin" in text
    assert "> Hello, please help me with my delivery." in text
    (attached,) = message.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ("Größe.pdf", b"%PDF")
    assert set(states(sent).values()) == {"accepted"}


def test_notices_are_automatic_and_tell_nothing_of_the_mail(relay: SmtpSink, channel: Channel) -> None:
    arrive(channel, mail(subject="Buy pills", text="Buy pills, hello please thank you for your help."))
    notice_mails.gather(at_once=True)
    assert outbox.deliver_due() == {"done": 2}
    mails = {mail.recipients[0]: mail for mail in relay.mails}
    confirmation = read(mails["carol@customer.example"].raw)
    assert mails["carol@customer.example"].envelope_from == ""
    assert confirmation["Auto-Submitted"].startswith("auto-")
    assert confirmation["X-Auto-Response-Suppress"] == "All"
    assert b"pills" not in mails["carol@customer.example"].raw
    assert "1001" in confirmation["Subject"]
    notice = read(mails["alice@acme.example"].raw)
    assert notice["Auto-Submitted"].startswith("auto-")
    assert "Buy pills" in notice["Subject"]


def test_only_the_refused_recipient_is_tried_again(
    relay: SmtpSink, reply: Callable[..., OutboundMail]
) -> None:
    sent = reply(cc=("later@x.example", "never@x.example"))
    relay.reject("later@x.example", "450 4.2.1 Greylisted")
    relay.reject("never@x.example", "550 5.1.1 No such user")
    outbox.deliver_due()
    assert states(sent) == {
        "carol@customer.example": "accepted",
        "later@x.example": "queued",
        "never@x.example": "undeliverable",
    }
    relay.rejected.clear()
    outbox.deliver_due(at_once=True)
    assert [mail.recipients for mail in relay.mails][-1] == ("later@x.example",)
    assert len(relay.mails) == 2
    assert relay.mails[0].raw == relay.mails[1].raw
    assert sent.state == MailState.FAILED  # one of three never got it


def test_delays_grow(relay: SmtpSink, reply: Callable[..., OutboundMail]) -> None:
    sent = reply()
    waits = []
    for _ in range(6):
        relay.fail_next("mail", "451 4.3.0 Later")
        db.session.execute(update(OutboundMail).values(send_after=now()))
        db.session.commit()
        outbox.deliver_due()
        db.session.expire_all()
        waits.append(round((sent.send_after - now()).total_seconds() / 60))
    assert (waits, sent.state) == ([1, 5, 15, 60, 60, 60], MailState.QUEUED)
    assert relay.mails == []


def test_we_give_up_after_four_days(relay: SmtpSink, reply: Callable[..., OutboundMail]) -> None:
    sent = reply()
    sent.created_at = now() - timedelta(days=4, minutes=1)
    db.session.commit()
    relay.fail_next("mail", "451 4.3.0 Later")
    outbox.deliver_due()
    assert (states(sent), sent.state, sent.reason) == (
        {"carol@customer.example": "undeliverable"},
        MailState.FAILED,
        "gave_up",
    )


def test_a_failure_returns_the_ticket_to_its_author_and_can_be_sent_again(
    relay: SmtpSink, reply: Callable[..., OutboundMail], alice: Agent
) -> None:
    sent = reply()
    tickets.set_status(sent.ticket, Status.RESOLVED, alice)
    relay.reject("carol@customer.example", "550 5.1.1 No such user")
    outbox.deliver_due()
    db.session.expire_all()
    assert (sent.state, sent.ticket.status, sent.ticket.assignee_id) == (
        MailState.FAILED,
        Status.OPEN,
        alice.id,
    )
    assert "No such user" in sent.words
    relay.rejected.clear()
    outbox.send_again(sent)
    outbox.deliver_due()
    db.session.expire_all()
    assert (sent.state, len(relay.mails)) == (MailState.DONE, 1)


def test_without_a_relay_all_is_kept_until_a_person_says_so(
    office: Office, smtp_sink: SmtpSink, reply: Callable[..., OutboundMail]
) -> None:
    sent = reply()
    assert outbox.deliver_due() == {"kept": 1}
    office.settings = replace(office.settings, relay=Relay("127.0.0.1", smtp_sink.port, "none"))
    assert outbox.deliver_due(at_once=True) == {}  # never by itself when a relay appears
    outbox.send_again(sent)
    assert outbox.deliver_due() == {"done": 1}


def test_a_dead_process_is_followed_by_the_same_bytes(
    relay: SmtpSink, reply: Callable[..., OutboundMail], office: Office
) -> None:
    sent = reply()
    machine, _number, _nonce = office.owner.rsplit("|", 2)
    db.session.execute(
        update(OutboundMail).values(
            state=MailState.SENDING, claimed_by=f"{machine}|4194300|dead", claimed_at=now()
        )
    )
    db.session.commit()
    raw = office.blobs.get(sent.sha256)
    assert outbox.deliver_due() == {"done": 1}
    # The servers' line ends are CRLF; ours were frozen so.
    assert relay.mails[0].raw == raw


def test_a_living_process_keeps_its_claim(
    relay: SmtpSink, reply: Callable[..., OutboundMail], office: Office
) -> None:
    reply()
    db.session.execute(
        update(OutboundMail).values(state=MailState.SENDING, claimed_by=office.owner, claimed_at=now())
    )
    db.session.commit()
    assert outbox.deliver_due(at_once=True) == {}


@pytest.mark.parametrize(("stage", "reply_line"), [("connect", CLOSE), ("ehlo", "421 busy")])
def test_a_server_that_lets_nobody_in_fails_no_mail(
    relay: SmtpSink, reply: Callable[..., OutboundMail], stage: str, reply_line: str
) -> None:
    sent, other = reply(), reply(question="<other@customer.example>")
    relay.fail_next(stage, reply_line, times=9)
    outbox.deliver_due()
    assert {**states(sent), **states(other)} == {"carol@customer.example": "queued"}
    assert {sent.state, other.state} == {MailState.QUEUED}


def test_an_own_server_is_the_way_out_of_its_channel(
    app: Flask, make_smtp_sink: Callable[..., SmtpSink], reply: Callable[..., OutboundMail], office: Office
) -> None:
    sink = make_smtp_sink(users={"books@x.example": "secret"})
    books = channels.create(
        ChannelValues(
            key="Books", address="books@x.example", provider="own", server="127.0.0.1", port=1, password="secret",
            smtp_server="127.0.0.1", smtp_port=sink.port, smtp_encryption="none", allow_plaintext=True,
        )
    )  # fmt: skip
    sent = reply(on=books)
    arrive(books, mail())
    notice_mails.gather(at_once=True)
    assert outbox.deliver_due()["done"] == 3
    assert {mail.user for mail in sink.mails} == {"books@x.example"}
    assert {mail.envelope_from for mail in sink.mails} == {
        "books@x.example"
    }  # providers refuse the null sender
    message = read(next(mail.raw for mail in sink.mails if sent.message_id.encode() in mail.raw))
    assert (message["From"].addresses[0].addr_spec, message["Reply-To"]) == ("books@x.example", None)


def test_a_deleted_channel_says_that_its_mails_cannot_leave(
    app: Flask, reply: Callable[..., OutboundMail], smtp_sink: SmtpSink
) -> None:
    books = channels.create(
        ChannelValues(
            key="Books", address="books@x.example", provider="own", server="127.0.0.1", port=1, password="secret",
            smtp_server="127.0.0.1", smtp_port=smtp_sink.port, smtp_encryption="none", allow_plaintext=True,
        )
    )  # fmt: skip
    sent = reply(on=books)
    channels.delete(books)
    outbox.deliver_due()
    db.session.expire_all()
    assert (sent.state, sent.reason) == (MailState.FAILED, "password_missing")


def test_a_bounce_marks_the_right_recipient(
    relay: SmtpSink, reply: Callable[..., OutboundMail], channel: Channel
) -> None:
    sent = reply(cc=("dave@x.example",))
    outbox.deliver_due()
    report = (
        "From: MAILER-DAEMON@mx.x.example\nTo: support-acme@poststelle.example\nSubject: Undelivered\n"
        "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
        "--b\nContent-Type: text/plain\n\nSorry.\n--b\nContent-Type: message/delivery-status\n\n"
        "Reporting-MTA: dns; mx.x.example\n\nFinal-Recipient: rfc822; dave@x.example\nAction: failed\n"
        "Status: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 unknown\n\n"
        f"--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: {sent.message_id}\n\n--b--\n"
    )
    to = next(mail.envelope_from for mail in relay.mails if mail.recipients == ("dave@x.example",))
    row = arrive(channel, report.encode(), to=to)
    assert (str(row.outcome), row.ticket_id) == ("bounce", sent.ticket_id)
    assert states(sent) == {"carol@customer.example": "accepted", "dave@x.example": "undeliverable"}
    assert db.session.scalar(
        select(OutboundRecipient.reply).where(OutboundRecipient.address == "dave@x.example")
    )


def test_a_bounce_of_one_does_not_stop_the_others(
    relay: SmtpSink, reply: Callable[..., OutboundMail], channel: Channel
) -> None:
    sent = reply(cc=("later@x.example",))
    relay.reject("later@x.example", "450 4.2.1 Greylisted")
    outbox.deliver_due()
    db.session.expire_all()
    delivery_reports.came_back(sent, BounceRecipient("carol@customer.example"))
    db.session.commit()
    relay.rejected.clear()
    outbox.deliver_due(at_once=True)
    assert states(sent) == {"carol@customer.example": "undeliverable", "later@x.example": "accepted"}
    assert sent.state == MailState.FAILED


def test_a_report_of_a_delay_sends_nothing_again(relay: SmtpSink, reply: Callable[..., OutboundMail]) -> None:
    sent = reply(cc=("dave@x.example",))
    outbox.deliver_due()
    db.session.expire_all()
    delivery_reports.came_back(sent, BounceRecipient("carol@customer.example", permanent=False))
    delivery_reports.came_back(sent, BounceRecipient("dave@x.example"))
    db.session.commit()
    outbox.send_again(sent)
    outbox.deliver_due()
    assert [mail.recipients for mail in relay.mails][2:] == [("dave@x.example",)]


def test_a_claim_that_was_taken_over_while_composing_sends_nothing(
    relay: SmtpSink, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(channel, mail(text="Hello, please thank you for your help."))
    notice_mails.gather(at_once=True)
    composed = outbox.mail_rendering.compose_queued

    def slowly(queued: OutboundMail) -> bytes:
        raw = composed(queued)
        db.session.rollback()
        db.session.execute(update(OutboundMail).values(claimed_by="another process"))
        db.session.commit()
        return raw

    monkeypatch.setattr(outbox.mail_rendering, "compose_queued", slowly)
    outbox.deliver_due()
    assert relay.mails == []
    assert set(db.session.scalars(select(OutboundMail.sha256))) == {""}, (
        "the other process stores its own bytes"
    )
