"""Story 1 on a real database: what a mail becomes, where it goes, and who hears of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from desk.agents import accounts
from desk.channels import channels
from desk.channels.channel_values import ChannelValues
from desk.mailroom import quarantine
from desk.office import Office, signing_key
from desk.receiving import arrivals, filing, intake, receiver
from desk.sending import brake, outbox, replies, undo_and_resend
from desk.telling import who_hears
from desk.texts.notice_table import BY_NAME
from desk.tickets import contacts, drafts, participants, ticket_list, tickets, uploads
from mail import ids
from mail.types import Address
from models import (
    Agent,
    Channel,
    InboundMail,
    InboundState,
    Kind,
    MailState,
    Message,
    NoticeItem,
    OutboundMail,
    Outcome,
    Status,
    Ticket,
    db,
    now,
)
from tests.support.mails import arrive, mail, ticket_of


def queued(purpose: str) -> list[str]:
    agents = {agent.id: agent.email for agent in accounts.agents()}
    mailed = NoticeItem.due_at.is_not(None)
    items = select(NoticeItem).where(NoticeItem.notice == purpose, mailed).order_by(NoticeItem.id)
    if BY_NAME[purpose].audience == "agents":
        return [agents[item.agent_id] for item in db.session.scalars(items) if item.agent_id]
    rows = db.session.scalars(
        select(OutboundMail).where(OutboundMail.purpose == purpose).order_by(OutboundMail.id)
    )
    return [recipient.address for row in rows for recipient in row.recipients]


def messages(ticket: Ticket) -> list[Message]:
    return list(
        db.session.scalars(select(Message).where(Message.ticket_id == ticket.id).order_by(Message.id))
    )


def answered(channel: Channel, alice: Agent, **how: Any) -> tuple[Ticket, Message]:
    """A ticket of Carol's that Alice has answered."""
    ticket = ticket_of(arrive(channel, mail(**how)))
    sent = replies.send_reply(ticket, alice, replies.Written(text="We look into it."))
    return ticket, sent.message


# --- stored first


def test_a_request_becomes_a_ticket_and_everybody_hears(channel: Channel, alice: Agent, bob: Agent) -> None:
    ticket = ticket_of(
        row := arrive(channel, mail(subject="Grüße", text="Guten Tag, bitte um Hilfe, danke."))
    )
    assert (row.state, row.outcome, row.reason) == (InboundState.FILED, Outcome.NEW_TICKET, "person")
    assert (ticket.number, ticket.status, ticket.locale) == (1001, Status.NEW, "de")
    assert ticket.contact.address == "carol@customer.example"
    assert queued("confirmation") == ["carol@customer.example"]
    assert queued("new_ticket") == ["alice@acme.example", "bob@acme.example"]


def test_the_same_bytes_are_filed_once_and_point_to_the_first(channel: Channel) -> None:
    raw = mail()
    first, second = arrive(channel, raw), arrive(channel, raw)
    assert (second.outcome, second.duplicate_of_id) == (Outcome.DUPLICATE, first.id)
    assert db.session.query(Message).count() == 1


def test_the_same_message_id_with_other_words_is_another_mail(channel: Channel) -> None:
    arrive(channel, mail(message_id="<same@x.example>", text="one"))
    arrive(channel, mail(message_id="<same@x.example>", text="two"))
    assert db.session.query(Message).count() == 2


def test_a_source_id_is_taken_once(channel: Channel) -> None:
    assert arrivals.receive(channel.id, arrivals.Arrival(mail(), "imap", "1/7:42")) is not None
    assert arrivals.receive(channel.id, arrivals.Arrival(mail(), "imap", "1/7:42")) is None


def test_our_own_mail_is_dropped(channel: Channel, alice: Agent) -> None:
    _, reply = answered(channel, alice)
    row = arrive(channel, mail(message_id=reply.message_id))
    assert (row.state, row.reason, row.ticket) == (InboundState.DROPPED, "own_mail", None)


def test_a_machine_is_filed_but_never_answered_and_reopens_nothing(channel: Channel, alice: Agent) -> None:
    ticket, reply = answered(channel, alice)
    tickets.set_status(ticket, Status.RESOLVED, alice)
    before = db.session.query(OutboundMail).count()
    row = arrive(
        channel, mail(subject="Out of office", auto_submitted="auto-replied", in_reply_to=reply.message_id)
    )
    assert (row.outcome, row.ticket_id, ticket.status) == (Outcome.QUIET, ticket.id, Status.RESOLVED)
    assert db.session.query(OutboundMail).count() == before


def test_history_is_told_to_nobody(channel: Channel) -> None:
    assert arrive(channel, mail(), predates_channel=True).outcome == Outcome.NEW_TICKET
    assert db.session.query(OutboundMail).count() == 0


def test_a_bug_of_ours_still_makes_a_ticket_with_the_original(
    channel: Channel, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, raw = contacts.detect, mail(subject="Poison")

    def fails_once(*_: object) -> None:
        monkeypatch.setattr(contacts, "detect", real)
        raise RuntimeError("a bug")

    monkeypatch.setattr(contacts, "detect", fails_once)
    ticket = ticket_of(row := arrive(channel, raw))
    assert (row.outcome, row.reason) == (Outcome.QUIET, "unreadable")
    (attachment,) = messages(ticket)[0].attachments
    assert office.blobs.get(attachment.sha256) == raw


def test_a_poison_mail_stops_nobody(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        arrivals.receive(
            channel.id, arrivals.Arrival(mail(subject=f"no {number}"), "smtp", f"poison:{number}")
        )
        for number in range(3)
    ]
    real = filing.file_mail

    def file_mail(row: InboundMail, read: Any, *rest: Any) -> None:
        if row.id == rows[1]:
            raise RuntimeError("always")  # also when it is filed as a mail that cannot be read
        real(row, read, *rest)

    monkeypatch.setattr(filing, "file_mail", file_mail)
    intake.process_pending()
    states = db.session.scalars(select(InboundMail.state).order_by(InboundMail.id)).all()
    assert states == [InboundState.FILED, InboundState.FAILED, InboundState.FILED]


def test_spam_waits_and_can_be_let_in(channel: Channel) -> None:
    row = arrive(channel, mail(x_spam_flag="YES"))
    assert (row.state, row.ticket, quarantine.count()) == (InboundState.HELD, None, 1)
    assert quarantine.release(row) == Outcome.NEW_TICKET
    assert quarantine.count() == 0


# --- which ticket


@pytest.mark.parametrize("clue", ["signed_id", "reply_address", "subject", "foreign_id", "references"])
def test_carols_answer_finds_its_ticket(channel: Channel, alice: Agent, clue: str) -> None:
    ticket, reply = answered(channel, alice, message_id="<first@customer.example>")
    address = ids.sign_reply_address(signing_key(), ticket.number, channel.address)
    given = {
        "signed_id": {"in_reply_to": reply.message_id},
        "references": {"references": f"<other@x.example> {reply.message_id}"},
        "reply_address": {"to": address},
        "subject": {"subject": f"Re: x [#{ticket.number}]"},
        "foreign_id": {"in_reply_to": "<first@customer.example>"},
    }[clue]
    tickets.set_status(ticket, Status.RESOLVED, alice)
    row = arrive(channel, mail(**given))
    assert (row.outcome, row.ticket_id) == (Outcome.REPLY, ticket.id)
    assert ticket.status == Status.OPEN
    assert messages(ticket)[-1].why == {"references": "signed_id"}.get(clue, clue)


@pytest.mark.parametrize("clue", ["subject", "foreign_id", "guessed_id", "forged_address", "cc"])
def test_mallory_gets_a_ticket_of_her_own(channel: Channel, alice: Agent, clue: str) -> None:
    ticket, _ = answered(
        channel, alice, message_id="<first@customer.example>", cc="Mallory <mallory@evil.example>"
    )
    signed = ids.sign_reply_address(b"another key", ticket.number, channel.address)
    given = {
        "subject": {"subject": f"Re: [#{ticket.number}]"},
        "foreign_id": {"in_reply_to": "<first@customer.example>"},
        "guessed_id": {"in_reply_to": ids.sign_message_id(b"another key", ticket.number, "abc", "x.example")},
        "forged_address": {"to": signed},
        "cc": {"in_reply_to": "<first@customer.example>"},
    }[clue]
    row = arrive(channel, mail("Mallory <mallory@evil.example>", **given), to=given.get("to", ""))
    assert row.outcome == Outcome.NEW_TICKET
    assert row.ticket_id != ticket.id
    assert len(messages(ticket)) == 2
    if clue in ("subject", "foreign_id", "cc"):
        assert ticket_of(row).maybe_id == ticket.id


def test_a_newcomer_with_our_signature_is_let_in_and_said_so(channel: Channel, alice: Agent) -> None:
    ticket, reply = answered(channel, alice)
    row = arrive(channel, mail("Dave <dave@customer.example>", in_reply_to=reply.message_id))
    assert row.ticket_id == ticket.id
    assert messages(ticket)[-1].newcomer
    # He is not answered, and takes no part by this alone.
    assert participants.recipients(ticket)[0].address == "carol@customer.example"
    assert "dave@customer.example" not in participants.participants(ticket)


@pytest.mark.parametrize(("days", "same"), [(13, True), (15, False)])
def test_a_closed_ticket_is_reopened_for_two_weeks(
    channel: Channel, alice: Agent, days: int, same: bool
) -> None:
    ticket, reply = answered(channel, alice)
    tickets.set_status(ticket, Status.CLOSED, alice)
    ticket.closed_at = now() - timedelta(days=days)
    db.session.commit()
    row = arrive(channel, mail(in_reply_to=reply.message_id))
    assert (row.ticket_id == ticket.id) is same
    assert same or ticket_of(row).continues_id == ticket.id


def test_one_mail_to_two_addresses_is_a_ticket_in_each(channel: Channel) -> None:
    sales = channels.create(ChannelValues(key="Sales", address="sales-acme@poststelle.example"))
    raw = mail(to=f"{channel.address}, {sales.address}")
    assert arrive(channel, raw).ticket_id != arrive(sales, raw).ticket_id


# --- who hears


def test_switches_and_assignee(channel: Channel, alice: Agent, bob: Agent) -> None:
    for name in ("confirmation", "new_ticket"):
        who_hears.switch(name, False)
    ticket = ticket_of(arrive(channel, mail()))
    assert db.session.query(OutboundMail).count() == 0
    arrive(channel, mail(subject=f"[#{ticket.number}]"))
    tickets.assign(ticket, bob, alice)
    arrive(channel, mail(subject=f"[#{ticket.number}]"))
    assert queued("customer_reply") == ["alice@acme.example", "bob@acme.example", "bob@acme.example"]
    with pytest.raises(ValueError, match="ticket_reply"):
        who_hears.switch("ticket_reply", False)


def test_confirmations_end_by_counting(channel: Channel) -> None:
    for number in range(6):
        arrive(channel, mail(subject=f"Question {number}"))
    assert queued("confirmation") == ["carol@customer.example"] * brake.TO_ADDRESS.hour


def test_we_never_write_to_ourselves(channel: Channel) -> None:
    sales = channels.create(ChannelValues(key="Sales", address="sales-acme@poststelle.example"))
    arrive(channel, mail(f"Loop <{sales.address}>"))
    arrive(channel, mail("Loop <x@y.example>", reply_to=channel.address))
    assert queued("confirmation") == []


def test_an_agent_is_not_told_of_his_own_mail(channel: Channel, bob: Agent) -> None:
    arrive(channel, mail("Bob <BOB@acme.example>"))
    assert queued("new_ticket") == ["alice@acme.example"]


# --- answering


def test_the_moves_of_a_ticket(channel: Channel, alice: Agent) -> None:
    ticket = ticket_of(arrive(channel, mail()))
    tickets.assign(ticket, alice, alice)
    assert ticket.status == Status.NEW
    replies.send_reply(ticket, alice, replies.Written(text="a"))
    assert ticket.status == Status.OPEN
    replies.send_reply(ticket, alice, replies.Written(text="b"), Status.WAITING)
    assert ticket.status == Status.WAITING
    replies.send_reply(ticket, alice, replies.Written(text="c"))
    assert ticket.status == Status.WAITING
    replies.send_reply(ticket, alice, replies.Written(text="d"), Status.RESOLVED)
    assert ticket.status == Status.RESOLVED
    ticket.resolved_at = now() - timedelta(days=8)
    db.session.commit()
    assert tickets.close_resolved() == 1
    assert ticket.status == Status.CLOSED


def test_undo_gives_everything_back(channel: Channel, alice: Agent) -> None:
    ticket = ticket_of(arrive(channel, mail()))
    written = replies.Written(
        html="<div><strong>Bold</strong> text</div>",
        cc=(Address("Dave", "dave@x.example"),),
        files=(uploads.from_form("a.txt", b"file"),),
    )
    sent = replies.send_reply(ticket, alice, written, Status.RESOLVED)
    assert undo_and_resend.undo(sent.message, alice)
    draft = drafts.of(ticket, alice, replies.Kind.REPLY)
    assert draft is not None
    assert "<strong>Bold</strong>" in draft.body
    assert (draft.cc, draft.files[0]["name"], ticket.status) == ("Dave <dave@x.example>", "a.txt", Status.NEW)
    assert sent.mail.state == MailState.CANCELLED
    assert outbox.deliver_due(at_once=True).get("done", 0) == 0
    # And it can be sent with the kept file.
    again = replies.send_reply(
        ticket, alice, replies.Written(text="x", kept_files=(draft.files[0]["sha256"],))
    )
    assert [file.name for file in again.message.attachments] == ["a.txt"]


def test_undo_is_for_the_author_and_in_time(channel: Channel, alice: Agent, bob: Agent) -> None:
    ticket = ticket_of(arrive(channel, mail()))
    sent = replies.send_reply(ticket, alice, replies.Written(text="x"))
    assert not undo_and_resend.undo(sent.message, bob)
    outbox.deliver_due(at_once=True)
    assert not undo_and_resend.undo(sent.message, alice)


def test_a_newer_mail_stops_the_answer(channel: Channel, alice: Agent) -> None:
    ticket = ticket_of(arrive(channel, mail()))
    seen = messages(ticket)[-1].id
    arrive(channel, mail(subject=f"[#{ticket.number}] more"))
    with pytest.raises(replies.ReplyRefused, match="newer_message"):
        replies.send_reply(ticket, alice, replies.Written(text="x", seen=seen))
    assert len(messages(ticket)) == 2


def test_files_of_others_cannot_be_attached(channel: Channel, alice: Agent) -> None:
    ticket = ticket_of(arrive(channel, mail()))
    digest = db.session.scalars(select(InboundMail.sha256)).first()
    with pytest.raises(replies.ReplyRefused, match="files_changed"):
        replies.send_reply(ticket, alice, replies.Written(text="x", kept_files=(digest or "",)))
    assert db.session.scalars(select(Message).where(Message.kind == Kind.REPLY)).all() == []


def test_without_a_channel_the_default_address_answers(channel: Channel, alice: Agent) -> None:
    sales = channels.create(ChannelValues(key="Sales", address="sales-acme@poststelle.example"))
    ticket = ticket_of(arrive(sales, mail()))
    channels.delete(sales)
    sent = replies.send_reply(ticket, alice, replies.Written(text="x"))
    assert sent.message.from_address == channel.address
    assert accounts.agents()


def test_the_same_form_twice_is_one_answer(channel: Channel, alice: Agent) -> None:
    ticket = ticket_of(arrive(channel, mail()))
    written = replies.Written(text="x", once="composer-1")
    first, second = replies.send_reply(ticket, alice, written), replies.send_reply(ticket, alice, written)
    assert first.message.id == second.message.id
    assert len(queued("ticket_reply")) == 1


def test_a_claimed_requester_cannot_divert_the_answer(channel: Channel, alice: Agent) -> None:
    ticket, _ = answered(channel, alice)
    arrive(channel, mail(subject=f"[#{ticket.number}]", reply_to="Carol <thief@evil.example>"))
    assert [str(one) for one in participants.recipients(ticket)] == ["Carol <carol@customer.example>"]


@pytest.mark.parametrize(
    ("reply_to", "expected"),
    [
        ("Form <person@x.example>", ["person@x.example"]),
        ("support-acme@poststelle.example", ["carol@customer.example"]),
        ("support-acme+1042-abc@poststelle.example", ["carol@customer.example"]),
        (", ".join(f"a{n}@x.example" for n in range(200)), ["a0@x.example", "a1@x.example", "a2@x.example"]),
        ("nonsense", ["carol@customer.example"]),
    ],
)
def test_where_an_answer_goes(channel: Channel, reply_to: str, expected: list[str]) -> None:
    ticket = ticket_of(arrive(channel, mail(reply_to=reply_to)))
    assert [one.address for one in participants.recipients(ticket)] == expected


def test_undo_respects_what_happened_meanwhile(channel: Channel, alice: Agent) -> None:
    ticket = ticket_of(arrive(channel, mail()))
    sent = replies.send_reply(
        ticket,
        alice,
        replies.Written(text="secretword", cc=(Address("", "typo@evil.example"),)),
        Status.WAITING,
    )
    arrive(channel, mail(subject=f"[#{ticket.number}] more"))
    assert ticket.status == Status.OPEN
    assert undo_and_resend.undo(sent.message, alice)
    assert ticket.status == Status.OPEN
    assert "typo@evil.example" not in participants.participants(ticket)
    assert ticket_list.listing(alice, query="secretword").tickets == []
    assert "secretword" not in ticket.snippet


def test_a_mail_is_only_taken_for_addresses_that_are_taken_now(channel: Channel) -> None:
    sales = channels.create(ChannelValues(key="Sales", address="sales-acme@poststelle.example"))
    assert receiver.accepts(sales.address)
    channels.set_active(sales, False)
    taken = receiver.take(mail(), "carol@customer.example", [sales.address], "smtp")
    assert (taken.rows, taken.safe, type(taken.fault)) == ([], [], LookupError)


def test_a_released_bounce_gets_out_of_the_quarantine(channel: Channel) -> None:
    report = (
        "From: MAILER-DAEMON@mx.example\nSubject: Undelivered Mail Returned to Sender\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nSorry.\n"
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"
        "Final-Recipient: rfc822; x@y.example\nAction: failed\nStatus: 5.1.1\n\n--b--\n"
    )
    row = arrive(channel, report.encode())
    assert (row.state, row.reason) == (InboundState.HELD, "bounce")
    assert quarantine.release(row) == Outcome.QUIET
