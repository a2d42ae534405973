"""A server that misbehaves at every step: each recipient ends in the right state, with a reason in words,
and no mail is lost or sent twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from blueprints.labels.codes import FAILURE
from blueprints.labels.decisions import REASON
from config import Relay
from desk.channels import connections
from desk.office import Office
from desk.sending import claims, outbox, outbox_page, replies, retry_delays
from models import Agent, MailState, OutboundMail, db, now
from tests.servers.ca import Authority
from tests.servers.smtp_sink import CLOSE, HANG, SmtpSink, SunkMail
from wire import Timeouts

CAROL, DAVE = "carol@customer.example", "dave@customer.example"
Reply = Callable[..., OutboundMail]


@dataclass(frozen=True)
class Fault:
    """What the server does the first time, and what stands in the outbox then. It is well afterwards.

    `arrived` counts Carol's copies in the end: 2 would be a mail sent twice, 0 a lost or refused one.
    """

    stage: str
    reply: str
    state: str  # of the recipient
    reason: str
    arrived: int = 1
    times: int = 1


WAITS, FAILED, TAKEN = "queued", "undeliverable", "accepted"
FAULTS = [
    # before anybody was let in: nothing is any mail's fault
    Fault("connect", "421 4.3.2 overloaded", WAITS, "server_busy"),
    Fault("connect", "554 5.3.2 no service", WAITS, "protocol_error"),
    Fault("connect", CLOSE, WAITS, "connection_lost"),
    Fault("connect", HANG, WAITS, "timeout"),
    Fault("connect", "hello?", WAITS, "protocol_error"),
    Fault("ehlo", "421 4.3.2 bye", WAITS, "connection_lost"),
    Fault("ehlo", "502 5.5.1 what?", TAKEN, ""),  # then HELO is enough
    Fault("ehlo", CLOSE, WAITS, "connection_lost"),
    Fault("ehlo", HANG, WAITS, "timeout"),
    # MAIL
    Fault("mail", "421 4.7.0 too many connections", WAITS, "server_busy", times=2),
    Fault("mail", "450 4.7.1 later", WAITS, "server_busy"),
    Fault("mail", "452 4.3.1 insufficient storage", WAITS, "server_busy"),
    Fault("mail", "501 5.1.7 bad sender", FAILED, "sender_refused", arrived=0),
    Fault("mail", "550 5.7.1 not from you", FAILED, "sender_refused", arrived=0),
    Fault("mail", "552 5.3.4 too big", FAILED, "too_large", arrived=0),
    Fault("mail", CLOSE, WAITS, "connection_lost", times=2),
    Fault("mail", HANG, WAITS, "timeout"),
    # RCPT
    Fault("rcpt", "450 4.2.0 Greylisted, try again in 5 minutes", WAITS, "greylisted"),
    Fault("rcpt", "452 4.2.2 mailbox full", WAITS, "mailbox_full"),
    Fault("rcpt", "421 4.3.2 bye", WAITS, "server_busy", times=2),
    Fault("rcpt", "550 5.1.1 User unknown", FAILED, "unknown_recipient", arrived=0),
    Fault("rcpt", "550 5.2.1 mailbox disabled", FAILED, "mailbox_disabled", arrived=0),
    Fault("rcpt", "552 5.2.2 over quota", FAILED, "mailbox_full", arrived=0),
    Fault("rcpt", "554 5.7.1 Relay access denied", FAILED, "unknown_domain", arrived=0),
    Fault("rcpt", "553 what?", FAILED, "recipients_refused", arrived=0),
    Fault("rcpt", CLOSE, WAITS, "connection_lost", times=2),
    Fault("rcpt", HANG, WAITS, "timeout"),
    # DATA
    Fault("data", "451 4.3.0 later", WAITS, "recipients_refused"),
    Fault("data", "554 5.7.1 no", FAILED, "content_refused", arrived=0),
    Fault("data", "250 go on", WAITS, "recipients_refused"),
    Fault("data", CLOSE, WAITS, "connection_lost", times=2),
    Fault("data", HANG, WAITS, "timeout"),
    # after the final dot: never a second time by itself
    Fault("dot", "451 4.3.0 later", WAITS, "recipients_refused"),
    Fault("dot", "452 4.2.2 mailbox full", WAITS, "mailbox_full"),
    Fault("dot", "552 5.3.4 too big", FAILED, "too_large", arrived=0),
    Fault("dot", "554 5.7.1 spam", FAILED, "content_refused", arrived=0),
    Fault("dot", "421 4.3.2 bye", WAITS, "recipients_refused"),
    Fault("dot", CLOSE, TAKEN, "unconfirmed", arrived=0),
    Fault("dot", HANG, TAKEN, "unconfirmed", arrived=0),
    # goodbye
    Fault("quit", "500 what?", TAKEN, ""),
    Fault("quit", "421 bye", TAKEN, ""),
    Fault("quit", CLOSE, TAKEN, ""),
    Fault("quit", HANG, TAKEN, ""),
]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SEND_TIMEOUTS", Timeouts(connect=5, command=0.3))
    monkeypatch.setattr("wire.smtp._FINAL_DOT_PATIENCE", 1)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.stage}-{fault.reply[:3]}-{fault.reason}")
def test_each_fault_ends_in_the_right_state(relay: SmtpSink, reply: Reply, fault: Fault) -> None:
    mail = reply()
    relay.fail_next(fault.stage, fault.reply, fault.times)
    outbox.deliver_due()
    db.session.refresh(mail)
    (recipient,) = mail.recipients
    assert (recipient.state, recipient.reason) == (fault.state, fault.reason)
    assert not fault.reason or fault.reason in REASON or fault.reason in FAILURE, "it has words"
    if fault.reply[:1].isdigit() and fault.stage in ("mail", "rcpt", "data", "dot"):
        assert fault.reply in recipient.reply, "the server's own words stand beside"
    expected = {WAITS: MailState.QUEUED, FAILED: MailState.FAILED, TAKEN: MailState.DONE}
    assert mail.state == expected[fault.state]

    mail.send_after = now() - timedelta(seconds=1)
    db.session.commit()
    outbox.deliver_due()
    arrived = [sunk for sunk in relay.mails if CAROL in sunk.recipients]
    assert len(arrived) == fault.arrived
    assert len({sunk.raw for sunk in arrived}) <= 1


@pytest.mark.parametrize("stage", ["data", "dot"])
@pytest.mark.parametrize("reply_line", ["451 4.3.0 later", "554 5.7.1 spam"])
def test_who_was_refused_before_keeps_his_own_reason(
    relay: SmtpSink, reply: Reply, stage: str, reply_line: str
) -> None:
    relay.reject(DAVE)
    relay.fail_next(stage, reply_line)
    mail = reply(cc=(DAVE,))
    outbox.deliver_due()
    db.session.refresh(mail)
    found = {recipient.address: (recipient.state, recipient.reason) for recipient in mail.recipients}
    assert found[DAVE] == ("undeliverable", "unknown_recipient")
    assert (
        found[CAROL] == ("queued", "recipients_refused")
        if reply_line[0] == "4"
        else ("undeliverable", "content_refused")
    )


def test_a_mail_too_large_for_the_server_is_known_before_it_is_sent(
    office: Office, make_smtp_sink: Callable[..., SmtpSink], reply: Reply
) -> None:
    sink = make_smtp_sink(max_bytes=2000)
    office.settings = replace(office.settings, relay=Relay("127.0.0.1", sink.port, "none"))
    mail = reply(text="x" * 5000)
    outbox.deliver_due()
    db.session.refresh(mail)
    assert (mail.state, mail.reason, sink.mails) == ("failed", "too_large", [])
    assert not any(command.startswith("MAIL") for command in sink.commands)


@pytest.mark.parametrize(
    ("encryption", "reason"), [("starttls", "starttls_missing"), ("ssl", "wrong_port_ssl")]
)
def test_missing_encryption_sends_nothing(
    office: Office, smtp_sink: SmtpSink, reply: Reply, encryption: str, reason: str
) -> None:
    office.settings = replace(office.settings, relay=Relay("127.0.0.1", smtp_sink.port, encryption))
    mail = reply()
    outbox.deliver_due()
    db.session.refresh(mail)
    assert (mail.state, mail.reason, smtp_sink.mails) == ("queued", reason, [])


def test_a_certificate_that_nobody_knows_sends_nothing(
    office: Office, make_smtp_sink: Callable[..., SmtpSink], ca: Authority, reply: Reply
) -> None:
    sink = make_smtp_sink(context=ca.issue(file="sink").context())
    office.settings = replace(office.settings, relay=Relay("localhost", sink.port, "starttls"))
    mail = reply()
    outbox.deliver_due()
    db.session.refresh(mail)
    assert (mail.state, mail.reason, sink.mails) == ("queued", "certificate_unknown", [])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("421 4.3.2 bye", "server_busy"),
        ("454 4.7.0 later", "server_busy"),
        ("535 5.7.8 wrong password", "auth_failed"),
        ("530 5.7.0 STARTTLS first", "plaintext_refused"),
        ("504 5.5.4 what?", "auth_unsupported"),
        (CLOSE, "connection_lost"),
        (HANG, "timeout"),
    ],
)
def test_who_cannot_sign_in_waits_and_sends_nothing(
    office: Office, make_smtp_sink: Callable[..., SmtpSink], reply: Reply, answer: str, reason: str
) -> None:
    """A password is for an administrator to mend: no mail fails by it."""
    sink = make_smtp_sink(users={"acme": "secret"})
    office.settings = replace(office.settings, relay=Relay("127.0.0.1", sink.port, "none", "acme", "secret"))
    sink.fail_next("auth", answer, times=3)
    mail = reply()
    outbox.deliver_due()
    db.session.refresh(mail)
    assert (mail.state, mail.reason, sink.mails) == ("queued", reason, [])
    assert [one.state for one in mail.recipients] == ["queued"] and reason in FAILURE
    sink.recover()
    mail.send_after = now() - timedelta(seconds=1)
    db.session.commit()
    assert outbox.deliver_due() == {"done": 1} and len(sink.mails) == 1


def test_an_unconfirmed_mail_is_sent_again_only_by_a_person(relay: SmtpSink, reply: Reply) -> None:
    relay.fail_next("dot", CLOSE)
    mail = reply()
    outbox.deliver_due()
    assert outbox.deliver_due(at_once=True) == {} and relay.mails == []
    outbox.send_again(mail)
    assert outbox.deliver_due() == {"done": 1}
    assert (mail.recipients[0].state, mail.recipients[0].reason) == ("accepted", "")
    outbox.send_again(mail)
    assert outbox.deliver_due() == {}, "what is confirmed is not sent again"


# --- order and brake


def test_the_replies_of_a_ticket_leave_in_their_order(relay: SmtpSink, reply: Reply, alice: Agent) -> None:
    first = reply()
    assert first.ticket is not None
    second = replies.send_reply(first.ticket, alice, replies.Written(text="And one thing more.")).mail
    second.send_after = now() - timedelta(seconds=1)
    db.session.commit()
    relay.fail_next("rcpt", "450 4.2.0 later")
    outbox.deliver_due()
    assert relay.mails == [], "the second waits for the first"

    first.send_after = now() - timedelta(seconds=1)
    db.session.commit()
    outbox.deliver_due()
    assert [first.message_id.encode() in sunk.raw for sunk in relay.mails] == [True, False]


def test_an_early_reply_that_cannot_leave_does_not_hold_back_the_others_for_ever(
    relay: SmtpSink, reply: Reply, alice: Agent
) -> None:
    first = reply()
    assert first.ticket is not None
    second = replies.send_reply(first.ticket, alice, replies.Written(text="And one thing more.")).mail
    first.created_at -= claims.IN_ORDER_FOR
    first.send_after = now() + timedelta(hours=1)
    second.send_after = now() - timedelta(seconds=1)
    db.session.commit()
    assert outbox.deliver_due() == {"done": 1}
    assert second.message_id.encode() in relay.mails[0].raw


def test_a_flood_meets_the_brake_and_a_person_lets_single_mails_through(
    relay: SmtpSink, reply: Reply, office: Office
) -> None:
    office.settings = replace(office.settings, send_per_hour=2)
    mails = [reply(question=f"<{number}@customer.example>") for number in range(4)]
    assert outbox.deliver_due() == {"done": 2}
    db.session.expire_all()
    assert [mail.reason for mail in mails] == ["", "", "brake", "brake"]
    assert all(mail.send_after > now() for mail in mails[2:])
    assert outbox.deliver_due() == {}

    outbox_page.retry(mails[3])
    assert outbox.deliver_due() == {"done": 1}
    for mail in mails:  # an hour later
        if mail.done_at:
            mail.done_at -= timedelta(hours=1)
    mails[2].send_after = now() - timedelta(seconds=1)
    db.session.commit()
    assert outbox.deliver_due() == {"done": 1}
    assert len(relay.mails) == 4


def test_retries_grow_and_end() -> None:
    minutes = [retry_delays.after(failures) // timedelta(minutes=1) for failures in (1, 2, 3, 4, 5, 90)]
    assert minutes == [1, 5, 15, 60, 60, 60]
    assert timedelta(days=4) == retry_delays.PATIENCE


@pytest.mark.parametrize(
    ("then", "dave"), [(CLOSE, WAITS), ("450 4.7.1 later", WAITS), ("550 5.7.1 not from you", FAILED)]
)
def test_who_has_the_mail_keeps_it_when_the_next_return_address_is_refused(
    relay: SmtpSink, reply: Reply, then: str, dave: str
) -> None:
    """The server takes the first reader's return address, refuses the second one's, and then fails altogether."""
    sent = reply(cc=(DAVE,))
    for answer in ("", "550 5.7.1 not from you", then, then):
        relay.fail_next("mail", answer)
    outbox.deliver_due()
    assert {one.address: str(one.state) for one in sent.recipients} == {CAROL: TAKEN, DAVE: dave}
    relay.recover()
    outbox.deliver_due(at_once=True)
    assert [CAROL in mail.recipients for mail in relay.mails].count(True) == 1


def test_a_process_that_ends_writes_down_who_has_the_mail(
    relay: SmtpSink, reply: Reply, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two readers of a mail: who waits for all of them may be killed, and then all get it again."""
    sent = reply(cc=(DAVE,))
    keep = relay.keep

    def keep_and_end(mail: SunkMail) -> None:
        keep(mail)
        office.stopping.set()

    monkeypatch.setattr(relay, "keep", keep_and_end)
    try:
        outbox.deliver_due()
    finally:
        office.stopping.clear()
    assert {one.address: str(one.state) for one in sent.recipients} == {CAROL: TAKEN, DAVE: WAITS}
