"""Sending while things happen at once: undo, second processes, delays, and who is told when."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from config import Relay
from desk.office import Office
from desk.sending import outbox, replies, undo_and_resend
from desk.tickets import tickets
from mail.types import Address
from models import Agent, Channel, MailState, OutboundMail, Status, Ticket, TicketEvent, db, now
from tests.servers.smtp_sink import CLOSE, SmtpSink
from tests.support.mails import arrive, mail, ticket_of

CAROL, LATER, NEVER = "carol@customer.example", "later@x.example", "never@x.example"


@pytest.fixture
def relay(app: Flask, office: Office, smtp_sink: SmtpSink) -> SmtpSink:
    office.settings = replace(office.settings, relay=Relay("127.0.0.1", smtp_sink.port, "none"))
    return smtp_sink


@pytest.fixture
def ticket(channel: Channel) -> Ticket:
    return ticket_of(arrive(channel, mail(), predates_channel=True))


@pytest.fixture
def write(ticket: Ticket, alice: Agent) -> Callable[..., OutboundMail]:
    """An answer that is due."""

    def send(text: str = "x", *cc: str) -> OutboundMail:
        copies = tuple(Address("", address) for address in cc)
        sent = replies.send_reply(ticket, alice, replies.Written(text=text, cc=copies)).mail
        due()
        return sent

    return send


def due() -> None:
    db.session.execute(update(OutboundMail).values(send_after=now()))
    db.session.commit()


def events(ticket: Ticket) -> list[str]:
    rows = db.session.query(TicketEvent).filter_by(ticket_id=ticket.id).order_by(TicketEvent.id)
    return [row.kind for row in rows if row.kind.startswith("mail_")]


def in_threads(app: Flask, *works: Callable[[], object]) -> list[object]:
    def run(work: Callable[[], object]) -> object:
        with app.app_context():
            try:
                return work()
            finally:
                db.session.remove()

    db.session.rollback()
    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(run, works))


# --- at once


def test_undo_and_sending_never_both_win(
    app: Flask, relay: SmtpSink, write: Callable[..., OutboundMail]
) -> None:
    ids = [write(f"number {number}").id for number in range(12)]
    db.session.commit()
    stopped, _ = in_threads(
        app, lambda: [mail_id for mail_id in reversed(ids) if outbox.cancel(mail_id)], outbox.deliver_due
    )
    assert isinstance(stopped, list)
    states = {one.id: one.state for one in db.session.query(OutboundMail)}
    assert states == {one: MailState.CANCELLED if one in stopped else MailState.DONE for one in ids}
    sent = {got.raw.split(b"number ")[1].split(b"\r")[0] for got in relay.mails}
    assert sent == {str(n).encode() for n, one in enumerate(ids) if one not in stopped}
    assert len(relay.mails) == len(sent)


def test_two_processes_send_each_mail_once(
    app: Flask, relay: SmtpSink, write: Callable[..., OutboundMail]
) -> None:
    numbers = [write(f"number {number}").message_id for number in range(8)]
    in_threads(app, outbox.deliver_due, outbox.deliver_due)
    ids = [line for got in relay.mails for line in got.raw.decode().split() if line in numbers]
    assert sorted(set(ids)) == sorted(numbers)
    assert len(relay.mails) == 8


def test_the_answers_of_a_ticket_leave_in_order(relay: SmtpSink, write: Callable[..., OutboundMail]) -> None:
    for number in range(4):
        write(f"number {number}")
    outbox.deliver_due()
    assert [got.raw.split(b"number ")[1][:1] for got in relay.mails] == [b"0", b"1", b"2", b"3"]
    assert relay.connections == 1


def test_before_its_time_nothing_leaves(relay: SmtpSink, ticket: Ticket, alice: Agent) -> None:
    sent = replies.send_reply(ticket, alice, replies.Written(text="x"))
    assert outbox.deliver_due() == {}
    assert undo_and_resend.undo(sent.message, alice)
    assert outbox.deliver_due(at_once=True) == {}
    assert relay.mails == []


# --- what can no longer be taken back


def test_what_somebody_has_cannot_be_undone(
    relay: SmtpSink, write: Callable[..., OutboundMail], alice: Agent
) -> None:
    """Also not after »send again« has put the mail back into the queue for the others."""
    sent = write("x", NEVER)
    relay.reject(NEVER)
    outbox.deliver_due()
    db.session.expire_all()
    outbox.send_again(sent)
    assert sent.message is not None
    assert not undo_and_resend.undo(sent.message, alice)
    assert sent.state == MailState.QUEUED


def test_what_was_only_kept_can_be_undone_when_it_is_sent_after_all(
    app: Flask, write: Callable[..., OutboundMail], alice: Agent
) -> None:
    sent = write()
    outbox.deliver_due()
    db.session.expire_all()
    assert sent.state == MailState.KEPT
    outbox.send_again(sent)
    assert sent.message is not None
    assert undo_and_resend.undo(sent.message, alice)


# --- who is told, and when


def test_a_refusal_is_told_at_once_while_others_still_wait(
    relay: SmtpSink, write: Callable[..., OutboundMail], ticket: Ticket, alice: Agent
) -> None:
    sent = write("x", LATER, NEVER)
    tickets.set_status(ticket, Status.RESOLVED, alice)
    relay.reject(NEVER)
    relay.reject(LATER, "450 4.2.1 Greylisted")
    outbox.deliver_due()
    db.session.expire_all()
    assert (events(ticket), ticket.status, sent.state) == (
        ["mail_undeliverable"],
        Status.OPEN,
        MailState.QUEUED,
    )
    relay.rejected.clear()
    due()
    outbox.deliver_due()
    assert events(ticket) == ["mail_undeliverable"]  # once


def test_a_delay_is_told_after_an_hour_and_once(
    relay: SmtpSink, write: Callable[..., OutboundMail], ticket: Ticket
) -> None:
    sent, told = write(), []
    for minutes in (0, 30, 61, 180, 300):
        sent.created_at = now() - timedelta(minutes=minutes)
        due()
        relay.fail_next("mail", "451 4.3.0 Later")
        outbox.deliver_due()
        db.session.expire_all()
        told.append(len(events(ticket)))
    assert told == [0, 0, 1, 1, 1]
    due()
    outbox.deliver_due()
    assert events(ticket) == ["mail_delayed", "mail_sent"]


def test_a_connection_that_breaks_delays_the_rest_and_doubles_nothing(
    relay: SmtpSink, write: Callable[..., OutboundMail]
) -> None:
    for number in range(3):
        write(f"number {number}")
    relay.fail_next("mail", CLOSE, times=2)  # the first, and its second try on a new connection
    outbox.deliver_due()
    due()
    outbox.deliver_due()
    bodies = [got.raw.split(b"number ")[1][:1] for got in relay.mails]
    assert sorted(bodies) == [b"0", b"1", b"2"]
    assert {one.state for one in db.session.query(OutboundMail)} == {MailState.DONE}


def test_silence_after_the_final_dot_does_not_send_twice(
    relay: SmtpSink, write: Callable[..., OutboundMail]
) -> None:
    sent = write()
    relay.fail_next("dot", CLOSE)
    outbox.deliver_due()
    due()
    outbox.deliver_due()
    db.session.expire_all()
    assert (sent.state, len(relay.mails)) == (MailState.DONE, 0)  # taken or not: it is never sent twice


def test_a_bug_in_one_mail_stops_no_other(
    relay: SmtpSink, write: Callable[..., OutboundMail], office: Office
) -> None:
    broken, good = write(), write("good")
    office.blobs.forget(broken.sha256)
    outbox.deliver_due()
    db.session.expire_all()
    assert (broken.state, broken.reason, good.state) == (MailState.FAILED, "internal", MailState.DONE)
