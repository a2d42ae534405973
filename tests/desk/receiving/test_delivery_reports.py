"""Mails that come back: the right recipient of the right mail, whoever else says so, and the contact's mark."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm.attributes import set_committed_value

from config import Relay
from desk.office import Office, signing_key
from desk.receiving import delivery_reports
from desk.receiving.speakers import Speaker
from desk.sending import delivery_results, outbox, retry_delays
from desk.tickets import merging, undeliverable
from mail import ids
from mail.judging.authentication_results import SenderState, SenderVerdict
from mail.judging.bounces import read_bounce
from mail.reading.parse import parse
from mail.types import Address
from models import (
    Agent,
    Channel,
    Contact,
    InboundMail,
    MailState,
    OutboundMail,
    OutboundRecipient,
    RecipientState,
    TicketEvent,
    db,
    now,
)
from tests.desk.sending.test_outbox import states
from tests.servers.smtp_sink import SmtpSink
from tests.support.mails import arrive, mail, ticket_of
from wire import PermanentFailure, TemporaryFailure, TransportFailure

Reply = Callable[..., OutboundMail]
CAROL, DAVE, DECOY = "carol@customer.example", "dave@x.example", "decoy@x.example"
MAILS = Path(__file__).parents[2] / "mails"


def said_of(path: Path) -> dict:
    return json.loads(path.with_suffix(".json").read_text())["bounce"]


# Our own traps that return a Message-ID. What the report names is known from beside the mail.
REPORTS = [
    path
    for path in sorted(MAILS.glob("bounce-*.eml"))
    if said_of(path)["returned_message_id"] and said_of(path)["recipients"]
]


def report(sent: OutboundMail, address: str, action: str = "failed", status: str = "5.1.1") -> bytes:
    return (
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.x.example\nTo: support-acme@poststelle.example\n"
        "Subject: Undelivered\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.x.example\n\n"
        f"Final-Recipient: rfc822; {address}\nAction: {action}\nStatus: {status}\n\n"
        f"--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: {sent.message_id}\n\n--b--\n"
    ).encode()


def way_back(sent: OutboundMail, address: str) -> str:
    """The envelope's sender under which the mail left for this recipient."""
    (number,) = (one.id for one in sent.recipients if one.address == address)
    return ids.sign_return_address(signing_key(), number, sent.envelope_from)


def contact(address: str = CAROL) -> Contact:
    return db.session.query(Contact).filter_by(address=address).populate_existing().one()


def events(sent: OutboundMail) -> list[str]:
    rows = db.session.query(TicketEvent).filter_by(ticket_id=sent.ticket_id).order_by(TicketEvent.id)
    return [row.kind for row in rows if row.kind.startswith("mail_")]


# --- the right recipient of the right message


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)
def test_a_report_of_any_server_reaches_what_it_speaks_of(
    path: Path, relay: SmtpSink, reply: Reply, channel: Channel
) -> None:
    said = said_of(path)
    named = list(dict.fromkeys(one["address"] for one in said["recipients"]))
    other = reply(question="<other@customer.example>")
    sent = reply(cc=(*named, DECOY))
    outbox.deliver_due()
    raw = path.read_bytes().replace(said["returned_message_id"].encode(), sent.message_id.encode())
    if not re.search(rb"(?im)^return-path:", raw):
        raw = b"Return-Path: <>\n" + raw
    for address in named:  # each of them left with a return address of its own
        row = arrive(channel, f"X-To: {address}\n".encode() + raw, to=way_back(sent, address))
        assert (str(row.outcome), row.ticket_id) == ("bounce", sent.ticket_id)
    failed = {one["address"] for one in said["recipients"] if one["permanent"]}
    late = set(named) - failed
    assert states(sent) == {
        address: "undeliverable" if address in failed else "accepted" for address in (CAROL, *named, DECOY)
    }
    assert {one.address for one in sent.recipients if one.reason == "delayed"} == late
    assert events(sent).count("mail_undeliverable") == len(failed)
    assert set(states(other).values()) == {"accepted"}


def test_a_report_that_names_another_mailbox_or_none_means_the_only_reader(
    relay: SmtpSink, reply: Reply, channel: Channel
) -> None:
    """Carol's address passes her mail on; and some servers do not say whom they mean."""
    for number, named in enumerate(("carol.weiss@elsewhere.example", "")):
        sent = reply(question=f"<{number}@customer.example>")
        outbox.deliver_due()
        arrive(channel, report(sent, named))
        assert states(sent) == {CAROL: "undeliverable"}, named


def test_a_report_of_a_stranger_to_the_mail_marks_nobody(
    relay: SmtpSink, reply: Reply, channel: Channel
) -> None:
    sent = reply(cc=(DAVE,))
    outbox.deliver_due()
    row = arrive(channel, report(sent, "mallory@evil.example"))
    assert row.ticket_id == sent.ticket_id, "it is to be seen"
    assert set(states(sent).values()) == {"accepted"} and events(sent) == ["mail_sent"]


@pytest.mark.parametrize("state", ["queued", "delayed", "cancelled"])
def test_what_never_left_does_not_come_back(
    relay: SmtpSink, reply: Reply, channel: Channel, state: str
) -> None:
    """Dave got it and copies its Message-ID into a forged report about Carol, who got nothing yet."""
    relay.reject(CAROL, "450 4.2.0 later")
    sent = reply(cc=(DAVE,))
    outbox.deliver_due()
    carol = db.session.query(OutboundRecipient).filter_by(address=CAROL).one()
    carol.state = RecipientState(state)
    db.session.commit()
    arrive(channel, report(sent, CAROL))
    assert states(sent) == {CAROL: state, DAVE: "accepted"}
    assert "mail_undeliverable" not in events(sent) and not contact().undeliverable_since


def test_a_report_that_is_faster_than_our_note_of_the_hand_over_counts(
    relay: SmtpSink, reply: Reply, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = reply(cc=(DAVE,))
    real_settle = outbox.settle

    def settle(mail_id: int, *rest: object, **more: object) -> str:
        assert len(relay.mails) == 2
        arrive(channel, report(sent, DAVE), to=way_back(sent, DAVE))
        return real_settle(mail_id, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(outbox, "settle", settle)
    outbox.deliver_due()
    assert states(sent) == {CAROL: "accepted", DAVE: "undeliverable"}
    assert sent.state == "failed"


def test_a_second_report_of_the_same_tells_nobody_again(
    relay: SmtpSink, reply: Reply, channel: Channel
) -> None:
    sent = reply()
    outbox.deliver_due()
    for status in ("5.1.1", "5.0.0"):
        arrive(channel, report(sent, CAROL, status=status))
    assert events(sent).count("mail_undeliverable") == 1
    arrive(channel, report(sent, CAROL, action="delayed", status="4.4.1"))
    assert (states(sent)[CAROL], sent.recipients[0].reason) == ("undeliverable", "unknown_recipient")


def test_the_bounce_of_a_confirmation_finds_its_ticket_after_merge_and_undo(
    relay: SmtpSink, channel: Channel, alice: Agent
) -> None:
    first = ticket_of(arrive(channel, mail(subject="Lamp")))
    second = ticket_of(arrive(channel, mail(sender="Dave <dave@x.example>", subject="Lamp again")))
    outbox.deliver_due()
    confirmation = db.session.query(OutboundMail).filter_by(ticket_id=second.id, purpose="confirmation").one()
    move = merging.merge(second, first, alice)
    db.session.refresh(confirmation)
    assert confirmation.ticket_id == first.id
    assert arrive(channel, report(confirmation, DAVE)).ticket_id == first.id
    assert states(confirmation) == {DAVE: "undeliverable"}
    assert contact(DAVE).undeliverable_reason == "unknown_recipient"

    merging.undo(move, alice)
    db.session.refresh(confirmation)
    assert confirmation.ticket_id == second.id


# --- who may say so of a mail that several have


def test_a_mail_to_several_leaves_with_a_return_address_for_each(relay: SmtpSink, reply: Reply) -> None:
    sent = reply(cc=(DAVE,))
    outbox.deliver_due()
    assert {mail.recipients[0]: mail.envelope_from for mail in relay.mails} == {
        address: way_back(sent, address) for address in (CAROL, DAVE)
    }
    alone = reply(question="<alone@customer.example>")
    outbox.deliver_due()
    assert relay.mails[-1].envelope_from == alone.envelope_from


def test_who_is_in_cc_forges_no_report_about_another_reader(
    relay: SmtpSink, reply: Reply, channel: Channel
) -> None:
    """Dave has our mail, its Message-ID and his own return address, and writes a perfect report about Carol."""
    sent = reply(cc=(DAVE,))
    outbox.deliver_due()
    for number, to in enumerate(
        (channel.address, way_back(sent, DAVE), f"support-acme+b1-{'a' * 26}@x.example")
    ):
        row = arrive(channel, f"X-Number: {number}\n".encode() + report(sent, CAROL), to=to)
        assert (str(row.outcome), row.ticket_id) == ("bounce", sent.ticket_id), "nothing is lost"
    carol = next(one for one in sent.recipients if one.address == CAROL)
    assert (carol.state, carol.reason, sent.state) == ("accepted", "alleged", "done")
    assert contact().undeliverable_since is None
    assert events(sent) == ["mail_sent", "mail_alleged"], "told once"
    arrive(channel, report(sent, CAROL, status="5.2.2"), to=way_back(sent, CAROL))
    assert (states(sent)[CAROL], carol.reason) == ("undeliverable", "mailbox_full"), "the true one counts"


def test_a_report_to_a_return_address_need_not_name_it(
    relay: SmtpSink, reply: Reply, channel: Channel
) -> None:
    sent = reply(cc=(DAVE,))
    outbox.deliver_due()
    arrive(channel, report(sent, "elsewhere@other.example"), to=way_back(sent, CAROL))
    assert states(sent) == {CAROL: "undeliverable", DAVE: "accepted"}


@pytest.mark.parametrize(
    ("via", "received", "author", "confirmed", "counts"),
    [
        ("imap", "by mailbox.example (Postfix) id 1", "MAILER-DAEMON@mailbox.example", False, True),
        ("imap", "from dave.example by mailbox.example", "MAILER-DAEMON@mailbox.example", False, False),
        ("smtp", "by mailbox.example (Postfix) id 1", "MAILER-DAEMON@mailbox.example", False, False),
        ("smtp", "from mx by us", "MAILER-DAEMON@mx.customer.example", True, True),
        ("smtp", "from mx by us", "MAILER-DAEMON@mx.customer.example", False, False),
        ("smtp", "from mx by us", "MAILER-DAEMON@x.example", True, False),
        ("smtp", "from mx by us", "MAILER-DAEMON@relay.example", True, True),
        ("smtp", "from mx by us", "MAILER-DAEMON@other-relay.example", True, False),
        ("smtp", "from mx by us", "mallory@customer.example", True, False),  # a mailbox beside Carol's
        ("smtp", "from mx by us", "mallory@relay.example", True, False),
        (
            "smtp",
            "from mx by us",
            "mailer.daemon@relay.example",
            True,
            False,
        ),  # large providers give that away
    ],
)
def test_without_a_return_address_it_counts_where_it_came_from(
    relay: SmtpSink, office: Office, reply: Reply, channel: Channel,
    via: str, received: str, author: str, confirmed: bool, counts: bool,
) -> None:  # fmt: skip
    """Made by the mailbox's server, or written by the recipient's domain or by whom we gave it to."""
    sent = reply(cc=(DAVE,))
    outbox.deliver_due()
    office.settings = replace(office.settings, relay=Relay("smtp.relay.example", 25, "none"))
    raw = f"Received: {received}\n".encode() + report(sent, CAROL)
    read = parse(raw)
    bounce = read_bounce(raw, read)
    assert bounce is not None
    state = SenderState.CONFIRMED if confirmed else SenderState.UNCONFIRMED
    row = InboundMail(id=0, via=via, envelope_to=channel.address)
    delivery_reports.take_back(sent, bounce, row, read, Speaker(author, SenderVerdict(state)))
    db.session.commit()
    assert states(sent)[CAROL] == ("undeliverable" if counts else "accepted")


# --- contacts


def test_who_cannot_be_reached_is_marked_until_a_mail_comes_from_there(
    relay: SmtpSink, reply: Reply, channel: Channel
) -> None:
    sent = reply()
    outbox.deliver_due()
    assert contact().undeliverable_since is None
    arrive(channel, report(sent, CAROL))
    marked = contact()
    assert marked.undeliverable_since and marked.undeliverable_reason == "unknown_recipient"
    since = marked.undeliverable_since

    outbox.send_again(sent)
    outbox.deliver_due()
    assert states(sent) == {CAROL: "accepted"}
    assert contact().undeliverable_since == since, "that server takes everything at first"
    arrive(channel, report(sent, CAROL, status="5.2.2"))
    assert (contact().undeliverable_since, contact().undeliverable_reason) == (since, "mailbox_full")

    arrive(channel, mail(text="I am still here."), predates_channel=True)
    assert contact().undeliverable_since == since, "a mail of years ago says nothing"
    arrive(channel, mail(text="I am still here."))
    assert (contact().undeliverable_since, contact().undeliverable_reason, contact().came_back) == (
        None,
        "",
        False,
    )


def test_a_refusal_at_a_server_is_refuted_there(relay: SmtpSink, reply: Reply) -> None:
    relay.reject(CAROL)
    sent = reply()
    outbox.deliver_due()
    assert contact().undeliverable_since
    relay.rejected.clear()
    outbox.send_again(sent)
    outbox.deliver_due()
    assert contact().undeliverable_since is None


@pytest.mark.parametrize(
    ("stage", "answer"),
    [("mail", "550 5.1.7 bad sender"), ("dot", "554 5.7.1 spam"), ("rcpt", "450 4.2.2 full")],
)
def test_what_is_not_the_address_s_fault_marks_nobody(
    relay: SmtpSink, reply: Reply, stage: str, answer: str
) -> None:
    reply()
    relay.fail_next(stage, answer)
    outbox.deliver_due()
    assert contact().undeliverable_since is None


def test_delays_mark_nobody(relay: SmtpSink, reply: Reply, channel: Channel) -> None:
    sent = reply()
    outbox.deliver_due()
    arrive(channel, report(sent, CAROL, action="delayed", status="4.4.1"))
    assert (states(sent), sent.recipients[0].reason) == ({CAROL: "accepted"}, "delayed")
    assert contact().undeliverable_since is None and sent.state == "done"


@pytest.mark.parametrize("subject", [
    "Delivery Status Notification (Delay)", "Delivery Status Notification (Success)",
    "Mail delivery delayed", "Warning: message delayed 4 hours",
])  # fmt: skip
def test_a_server_that_names_nobody_and_still_tries_marks_nobody(
    relay: SmtpSink, reply: Reply, channel: Channel, subject: str
) -> None:
    sent = reply()
    outbox.deliver_due()
    words = f"You do not need to resend your message.\n\nMessage-ID: {sent.message_id}\n"
    arrive(
        channel,
        mail(text=words, sender="MAILER-DAEMON@mx.x.example", subject=subject, in_reply_to=sent.message_id),
    )
    assert states(sent) == {CAROL: "accepted"} and sent.state == "done"
    assert contact().undeliverable_since is None


@pytest.mark.parametrize("ours", [TemporaryFailure("connect_refused"), PermanentFailure("auth_failed")])
def test_an_outage_of_our_own_server_says_nothing_of_an_address(reply: Reply, ours: TransportFailure) -> None:
    sent = reply()
    sent.created_at = now() - retry_delays.PATIENCE - timedelta(hours=1)
    db.session.commit()
    delivery_results.settle(sent.id, ours, connected=False)
    assert states(sent) == {CAROL: "undeliverable"} and contact().undeliverable_since is None


def test_a_mail_on_its_way_is_not_sent_again(reply: Reply) -> None:
    """A colleague clicked a moment before, and another process has taken the mail since this page was read."""
    sent = reply()
    sent.state = MailState.SENDING
    db.session.commit()
    assert sent.state == MailState.SENDING
    set_committed_value(sent, "state", MailState.FAILED)  # as it stood when the page was read
    outbox.send_again(sent)
    assert db.session.scalar(select(OutboundMail.state)) == MailState.SENDING


def test_the_marked_among_those_who_are_written_to(relay: SmtpSink, reply: Reply, channel: Channel) -> None:
    sent = reply()
    outbox.deliver_due()
    arrive(channel, report(sent, CAROL))
    stranger = ticket_of(arrive(channel, mail(sender=f"Dave <{DAVE}>"))).contact
    asked = [Address("", "Carol@Customer.example"), Address("", DAVE)]
    assert undeliverable.among((one.address for one in asked), stranger).keys() == {"Carol@Customer.example"}
    assert undeliverable.among([DAVE], stranger) == {}
