"""One mail in two channels: the customer's, and an answer of ours that names another channel."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from flask import Flask

from desk.channels import channels
from desk.channels.channel_values import ChannelValues, values_of
from desk.files import content
from desk.receiving import arrivals, intake, receiver
from desk.sending import outbox, replies
from desk.telling import who_hears
from desk.tickets import copies, merging, participants
from desk.tools import export
from mail.types import Address, Part
from models import (
    Agent,
    Channel,
    InboundMail,
    InboundState,
    Kind,
    Message,
    NoticeItem,
    OutboundMail,
    Status,
    Ticket,
    TicketEvent,
    TicketMove,
    db,
)
from tests.support import post
from tests.support.mails import arrive, mail, ticket_of

SUPPORT, SALES = "support-acme@poststelle.example", "sales@poststelle.example"


@pytest.fixture
def sales(channel: Channel) -> Channel:
    return channels.create(ChannelValues("Sales", "sales"))


def both(**headers: str) -> bytes:
    return mail(to=SUPPORT, cc=SALES, **headers)


def confirmations() -> list[str]:
    rows = db.session.query(OutboundMail).filter_by(purpose="confirmation").order_by(OutboundMail.id)
    return [row.recipients[0].address for row in rows]


def events(ticket: Ticket, *kinds: str) -> list[tuple[str, str]]:
    rows = db.session.query(TicketEvent).filter_by(ticket_id=ticket.id).order_by(TicketEvent.id)
    return [(row.kind, row.details["number"]) for row in rows if row.kind in kinds]


def named(ticket: Ticket) -> list[tuple[str, int]]:
    return [(code, other.number) for code, other in merging.related(ticket)]


# --- one mail to two of our channels


def taken_by_the_receiver(_channel: Channel, _sales: Channel, raw: bytes) -> list[InboundMail]:
    taken = receiver.take(raw, "carol@customer.example", [SUPPORT, SALES], "smtp", "192.0.2.1")
    intake.process_pending()
    return [db.session.get_one(InboundMail, number) for number in taken.rows]


def hours_apart(channel: Channel, sales: Channel, raw: bytes) -> list[InboundMail]:
    """And through other servers, which write their lines above."""
    first = arrive(channel, raw)
    first.received_at -= timedelta(hours=5)
    db.session.commit()
    lines = b"Received: from mx.else.example by mx.acme.example; Mon, 23 Nov 2026 14:15:00 +0100\n"
    return [first, arrive(sales, lines + raw)]


def by_a_list(channel: Channel, sales: Channel, raw: bytes) -> list[InboundMail]:
    """Which writes its footer below."""
    return [arrive(channel, raw), arrive(sales, raw + b"\n-- \nSales at Acme\nhttp://lists.acme.example\n")]


@pytest.mark.parametrize("way", [taken_by_the_receiver, hours_apart, by_a_list])
def test_it_is_a_ticket_in_each_with_one_acknowledgement(
    app: Flask, channel: Channel, sales: Channel, way: Callable[..., list[InboundMail]]
) -> None:
    one, other = (ticket_of(row) for row in way(channel, sales, both(message_id="<49@customer.example>")))
    assert (one.channel_id, other.channel_id) == (channel.id, sales.id)
    assert (one.status, other.status) == (Status.NEW, Status.NEW)
    assert confirmations() == ["carol@customer.example"]
    assert named(one) == [("same_mail", other.number)] and named(other) == [("same_mail", one.number)]
    assert events(one, "same_mail") == [("same_mail", str(other.number))]
    assert events(other, "same_mail") == [("same_mail", str(one.number))]
    # The agents of both hear of theirs.
    assert {item.ticket_id for item in db.session.query(NoticeItem)} == {one.id, other.id}
    numbers = [one.number, other.number]
    lines = {line["number"]: line["messages"] for line in export.tickets()}
    assert [[message["also_in"] for message in lines[number]] for number in numbers] == [
        [numbers[1:]],
        [numbers[:1]],
    ]


def test_without_a_message_id_its_bytes_decide(app: Flask, channel: Channel, sales: Channel) -> None:
    raw = both().split(b"\n")
    raw_bytes = b"\n".join(line for line in raw if not line.startswith(b"Message-ID"))
    one, other = (ticket_of(row) for row in taken_by_the_receiver(channel, sales, raw_bytes))
    assert named(one) == [("same_mail", other.number)]
    assert confirmations() == ["carol@customer.example"]


def test_three_channels_know_each_other(channel: Channel, sales: Channel) -> None:
    jobs = channels.create(ChannelValues("Jobs", "jobs"))
    raw = both(message_id="<3@customer.example>")
    tickets = [ticket_of(arrive(one, raw)) for one in (channel, sales, jobs)]
    numbers = {ticket.number for ticket in tickets}
    for ticket in tickets:
        assert {number for _, number in named(ticket)} == numbers - {ticket.number}
    assert len(events(tickets[0], "same_mail")) == 2
    assert confirmations() == ["carol@customer.example"]


@pytest.mark.parametrize(
    "second",
    [
        {"sender": "Dave <dave@customer.example>"},  # whoever copies a Message-ID
        {"text": "Hello, something else."},  # programs that give all their mails one
        {"message_id": "<other@customer.example>"},
    ],
)
def test_another_mail_is_none_of_it(channel: Channel, sales: Channel, second: dict[str, str]) -> None:
    given = {"message_id": "<49@customer.example>"}
    one = ticket_of(arrive(channel, both(**given)))
    other = ticket_of(arrive(sales, both(**(given | second))))
    assert (named(one), named(other)) == ([], [])
    assert len(confirmations()) == 2


def test_the_first_that_is_acknowledged_counts(channel: Channel, sales: Channel) -> None:
    """Where the first channel sends none, the second does."""
    who_hears.switch_channels("confirmation", [channel.id])
    raw = both(message_id="<49@customer.example>")
    arrive(channel, raw)
    assert confirmations() == []
    arrive(sales, raw)
    assert confirmations() == ["carol@customer.example"]


def test_both_answer_and_each_answer_finds_its_own_ticket(
    channel: Channel, sales: Channel, alice: Agent
) -> None:
    raw = both(message_id="<49@customer.example>")
    one, other = ticket_of(arrive(channel, raw)), ticket_of(arrive(sales, raw))
    sent = replies.send_reply(other, alice, replies.Written(text="From sales."))
    row = arrive(sales, mail(text="Thanks!", in_reply_to=sent.message.message_id))
    assert ticket_of(row).id == other.id
    everybody = mail(
        text="To you both.", in_reply_to="<49@customer.example>", message_id="<50@customer.example>"
    )
    assert [ticket_of(arrive(where, everybody)).id for where in (channel, sales)] == [one.id, other.id]


def test_merged_they_are_one_and_taken_back_two(channel: Channel, sales: Channel, alice: Agent) -> None:
    raw = both(message_id="<49@customer.example>")
    one, other = ticket_of(arrive(channel, raw)), ticket_of(arrive(sales, raw))
    elsewhere = ticket_of(arrive(channel, mail(message_id="<else@customer.example>")))
    merging.merge(one, elsewhere, alice)
    assert [number for code, number in named(other) if code == "same_mail"] == [elsewhere.number]
    merging.undo(db.session.get_one(TicketMove, merging.open_moves(elsewhere).pop()), alice)
    db.session.expire_all()
    assert [number for code, number in named(other) if code == "same_mail"] == [one.number]


def test_one_channel_alone_asks_nothing(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ordinary mail costs what it did."""
    monkeypatch.setattr(copies, "same_mail", lambda *_: pytest.fail("asked"))
    assert ticket_of(arrive(channel, mail())).status == Status.NEW


# --- our answer that names another channel


@pytest.fixture
def answered(channel: Channel, sales: Channel, alice: Agent) -> Callable[..., tuple[Ticket, bytes]]:
    """An answer to Carol that left, as its readers get it."""

    def write(text: str = "Dear Carol,\n\nsales will call you.", **readers: Any) -> tuple[Ticket, bytes]:
        ticket = readers.pop("ticket", None) or ticket_of(
            arrive(channel, mail(message_id="<q@customer.example>"))
        )
        people = {name: tuple(Address("", one) for one in given) for name, given in readers.items()}
        replies.send_reply(ticket, alice, replies.Written(text=text, **people))
        with post.opened() as office:
            outbox.deliver_due(at_once=True)
        return ticket, next(
            one.raw for one in office.mails if one.to != "carol@customer.example" or not readers
        )

    return write


@pytest.mark.parametrize("field", ["cc", "bcc"])
@pytest.mark.parametrize("form", [SALES, "Sales@Poststelle.example", "sales+you@poststelle.example"])
def test_it_is_filed_there_once_quietly_and_linked(
    channel: Channel, sales: Channel, answered: Any, field: str, form: str
) -> None:
    ticket, raw = answered(**{field: [form]})
    before = db.session.query(NoticeItem).count(), db.session.query(OutboundMail).count()
    row = arrive(sales, b"Received: by mx.acme.example\r\n" + raw, to=SALES)
    there = ticket_of(row)
    assert (str(row.outcome), row.reason, there.channel_id) == ("quiet", "our_answer", sales.id)
    assert named(there) == [("our_answer", ticket.number)]
    assert named(ticket) == [("answer_there", there.number)]
    assert events(ticket, "answer_there") == [("answer_there", str(there.number))]
    assert events(there, "our_answer") == [("our_answer", str(ticket.number))]
    assert (db.session.query(NoticeItem).count(), db.session.query(OutboundMail).count()) == before
    again = arrive(sales, b"Received: by mx2.acme.example\r\n" + raw, to=SALES)
    assert (again.state, again.reason, again.ticket) == (InboundState.DROPPED, "own_mail", None)
    # Carol is whom sales writes to, at once and without our own addresses.
    assert there.contact.address == "carol@customer.example"
    assert [one.address for one in participants.recipients(there)] == ["carol@customer.example"]


def test_on_its_own_channel_it_is_dropped(channel: Channel, sales: Channel, answered: Any) -> None:
    _, raw = answered(cc=[SALES, SUPPORT])
    row = arrive(channel, raw, to=SUPPORT)
    assert (row.state, row.reason, row.ticket) == (InboundState.DROPPED, "own_mail", None)


def test_where_it_names_nobody_it_is_dropped(channel: Channel, sales: Channel, answered: Any) -> None:
    """A customer's server, or a list, brings it to a channel that no agent chose."""
    _, raw = answered(cc=["dave@else.example"])
    assert arrive(sales, raw, to=SALES).reason == "own_mail"


def test_a_second_answer_joins_the_first(channel: Channel, sales: Channel, answered: Any) -> None:
    ticket, raw = answered(cc=[SALES])
    there = ticket_of(arrive(sales, raw, to=SALES))
    _, raw = answered("They have called?", ticket=ticket, cc=[SALES])
    row = arrive(sales, raw, to=SALES)
    assert ticket_of(row).id == there.id
    assert db.session.query(Message).filter_by(inbound_id=row.id).one().why == "our_answer_again"


def test_it_joins_the_ticket_that_the_same_mail_has_there(
    channel: Channel, sales: Channel, answered: Any
) -> None:
    raw = both(message_id="<49@customer.example>")
    one, other = ticket_of(arrive(channel, raw)), ticket_of(arrive(sales, raw))
    _, answer = answered(ticket=one, cc=[SALES])
    assert ticket_of(arrive(sales, answer, to=SALES)).id == other.id
    assert (other.status, other.last_inbound_id) == (Status.NEW, other.last_inbound_id)
    # Sales still answers Carol, whose mail it is.
    assert [one.address for one in participants.recipients(other)] == ["carol@customer.example"]


def test_whoever_got_it_cannot_write_another_mail_with_its_number(
    channel: Channel, sales: Channel, answered: Any
) -> None:
    ticket, raw = answered(cc=[SALES])
    message_id = db.session.query(Message).filter_by(ticket_id=ticket.id, kind=Kind.REPLY).one().message_id
    for sender in (f"Acme <{SUPPORT}>", "Carol <carol@customer.example>"):
        row = arrive(sales, mail(sender, text="Pay here.", message_id=message_id), to=SALES)
        assert (row.state, row.reason) == (InboundState.DROPPED, "own_mail")
    assert arrive(sales, raw, to=SALES).reason == "our_answer"


def test_two_channels_that_answer_each_other_in_cc_come_to_an_end(
    channel: Channel, sales: Channel, answered: Any
) -> None:
    ticket, raw = answered(cc=[SALES])
    there = ticket_of(arrive(sales, raw, to=SALES))
    _, back = answered("We called.", ticket=there, cc=[SUPPORT])
    row = arrive(channel, back, to=SUPPORT)
    assert (row.reason, ticket_of(row).id) == ("our_answer", ticket.id)
    with post.opened() as office:
        assert [one.to for one in office.collect() if "poststelle.example" in one.to] == []


def test_an_agents_answer_is_dropped_where_the_channel_is_the_forwarded_address_only_of_another(
    channel: Channel, sales: Channel, answered: Any
) -> None:
    """The address elsewhere that is forwarded to a channel names it as well."""
    sales.forwarded_from = "info@acme.example"
    db.session.commit()
    _, raw = answered(cc=["info@acme.example"])
    assert arrive(sales, raw, to=SALES).reason == "our_answer"


def test_notices_that_write_themselves_are_never_filed(channel: Channel, sales: Channel) -> None:
    with post.opened() as office:
        arrive(channel, mail(message_id="<q@customer.example>"))
        sent = [one.raw for one in office.collect()]
    assert sent and {arrive(sales, raw, to=SALES).reason for raw in sent} == {"own_mail"}


def test_a_mail_that_arrives_in_the_middle_is_stored_but_once(
    channel: Channel, sales: Channel, answered: Any
) -> None:
    """Fetched twice before it is filed: two rows, one ticket."""
    _, raw = answered(cc=[SALES])
    rows = [
        arrivals.receive(sales.id, arrivals.Arrival(line + raw, "imap", f"1/{number}"))
        for number, line in enumerate((b"", b"Received: by mx.acme.example\r\n"))
    ]
    intake.process_pending()
    reasons = [db.session.get_one(InboundMail, row).reason for row in rows]
    assert reasons == ["our_answer", "own_mail"]


def with_more(raw: bytes, words: str = "") -> bytes:
    """Our answer as somebody passes it off who got it: with a display name, files, HTML and dates of their own."""
    message = message_from_bytes(raw, policy=default)
    text = message.get_body(("plain",)).get_content()
    forged = EmailMessage()
    for name in ("To", "Cc", "Message-ID"):
        forged[name] = message[name]
    forged["From"] = f"Mallory's Bank <{SUPPORT}>"
    forged["Subject"], forged["Reply-To"] = "New bank account", "mallory@evil.example"
    forged["Cc" if not message["Cc"] else "Resent-To"] = "mallory@evil.example"
    forged.set_content(text + words)
    forged.add_alternative("<p>Pay to Mallory</p>", subtype="html")
    forged.add_attachment(b"%PDF Mallory", maintype="application", subtype="pdf", filename="mallory.pdf")
    return forged.as_bytes()


def test_what_is_filed_is_what_we_sent_whoever_brings_it(
    channel: Channel, sales: Channel, alice: Agent, answered: Any
) -> None:
    ticket, raw = answered(cc=[SALES, "mallory@evil.example"])
    reply = db.session.query(Message).filter_by(ticket_id=ticket.id, kind=Kind.REPLY).one()
    row = arrive(sales, with_more(raw), to=SALES)
    filed = db.session.query(Message).filter_by(inbound_id=row.id).one()
    assert (row.reason, filed.copy_of_id, filed.attachments) == ("our_answer", reply.id, [])
    assert (filed.subject, filed.from_name, filed.from_address) == (reply.subject, "Acme GmbH", SUPPORT)
    assert (filed.to, filed.cc, filed.reply_to) == (reply.to, reply.cc, [])
    assert "sales will call you" in filed.text and "sales will call you" in filed.html
    there = ticket_of(row)
    assert there.subject == reply.subject
    # The true copy is the same words: it is here once.
    assert arrive(sales, raw, to=SALES).reason == "own_mail"
    sent = replies.send_reply(there, alice, replies.Written(text="And sales."))
    assert b"Mallory" not in bytes_of(sent)
    shown = [filed.text, filed.html, there.requester_name, json.dumps(list(export.tickets()), default=str)]
    assert not [words for words in shown if "Mallory" in words or "bank" in words]


def bytes_of(sent: replies.Sent) -> bytes:
    return content(sent.mail.sha256) or b""


@pytest.mark.parametrize("text", ["Ok", "Dear Carol,\n\nsales will call you."])
def test_words_beside_ours_make_it_another_mail(
    channel: Channel, sales: Channel, answered: Any, text: str
) -> None:
    """And the true one, which comes later, is filed."""
    ticket, raw = answered(text, cc=[SALES, "mallory@evil.example"])
    message_id = db.session.query(Message).filter_by(ticket_id=ticket.id, kind=Kind.REPLY).one().message_id
    head = {"to": "carol@customer.example", "cc": SALES, "message_id": message_id}
    more = (
        with_more(raw, "New bank account: Mallory\n"),
        mail(f"Acme <{SUPPORT}>", text=f"{text} or pay Mallory.", **head),
        mail(f"Acme <{SUPPORT}>", text=text, **head),  # without what stood below
    )
    assert {arrive(sales, forged, to=SALES).reason for forged in more} == {"own_mail"}
    assert arrive(sales, raw, to=SALES).reason == "our_answer"


def test_an_answer_of_files_alone_is_no_name_for_any_other(
    channel: Channel, sales: Channel, alice: Agent
) -> None:
    ticket = ticket_of(arrive(channel, mail()))
    file = Part("offer.txt", "text/plain", b"Our offer.")
    sent = replies.send_reply(ticket, alice, replies.Written(files=(file,), cc=(Address("", SALES),)))
    raw = bytes_of(sent)
    forged = mail(f"Acme <{SUPPORT}>", text="Pay Mallory.", message_id=sent.message.message_id)
    assert arrive(sales, forged, to=SALES).reason == "own_mail"
    row = arrive(sales, raw, to=SALES)
    filed = db.session.query(Message).filter_by(inbound_id=row.id).one()
    assert (row.reason, [one.name for one in filed.attachments]) == ("our_answer", ["offer.txt"])


def test_a_lists_footer_below_it_is_not_filed(channel: Channel, sales: Channel, answered: Any) -> None:
    _, raw = answered(cc=[SALES])
    message = message_from_bytes(raw, policy=default)
    part = message.get_body(("plain",))
    part.set_content(part.get_content() + "\n" + "_" * 40 + "\nsales mailing list\n")
    row = arrive(sales, message.as_bytes(), to=SALES)
    filed = db.session.query(Message).filter_by(inbound_id=row.id).one()
    assert row.reason == "our_answer" and "mailing list" not in filed.text


@pytest.mark.parametrize(
    ("line", "results"),
    [
        (b"X-Spam-Flag: YES\r\n", False),
        (b"Authentication-Results: mx.acme.example; dmarc=fail header.from=poststelle.example\r\n", True),
    ],
)
def test_neither_what_is_spam_nor_what_is_refuted_is_ours(
    channel: Channel, sales: Channel, answered: Any, line: bytes, results: bool
) -> None:
    _, raw = answered(cc=[SALES])
    sales.authserv_id = "mx.acme.example"
    db.session.commit()
    assert arrive(sales, line + raw, to=SALES).reason == "own_mail"
    passed = line.replace(b"YES", b"NO").replace(b"fail", b"pass")
    assert arrive(sales, passed + raw, to=SALES).reason == "our_answer"


def test_the_ticket_there_is_the_customers_by_name(channel: Channel, sales: Channel, answered: Any) -> None:
    _, raw = answered(cc=[SALES])
    there = ticket_of(arrive(sales, raw, to=SALES))
    assert (there.requester_name, there.contact.name) == ("Carol", "Carol")


# --- one mail that is delivered twice to one channel


def delivered(channel: Channel, raw: bytes, to: str, **more: Any) -> InboundMail:
    """By a server that notes above for whom."""
    line = f"Delivered-To: {to}\nReceived: by mx.acme.example for <{to}>; Mon, 23 Nov 2026 14:15:00 +0100\n"
    return arrive(channel, line.encode() + raw, to=to, **more)


def with_file(data: bytes = b"%PDF 1", **headers: str) -> bytes:
    message = message_from_bytes(mail(message_id="<49@customer.example>", **headers), policy=default)
    message.add_alternative("<p>Hello, please help me with my delivery.</p>", subtype="html")
    message.add_attachment(data, maintype="application", subtype="pdf", filename="order.pdf")
    return message.as_bytes()


@pytest.mark.parametrize(
    "to", [SUPPORT, f"{SUPPORT}, info@poststelle.example", f"{SUPPORT}, shop@else.example"]
)
@pytest.mark.parametrize("alone", [True, False])
def test_delivered_twice_it_is_one_ticket(channel: Channel, alone: bool, to: str) -> None:
    if not alone:
        channels.create(ChannelValues("Sales", "sales"))
    channels.update(channel, replace(values_of(channel), aliases="info"))
    raw = with_file(to=to)
    one, other = delivered(channel, raw, SUPPORT), delivered(channel, raw, "info@poststelle.example")
    assert ticket_of(other).id == ticket_of(one).id and db.session.query(Ticket).count() == 1
    assert (str(one.outcome), str(other.outcome), other.reason) == ("new_ticket", "quiet", "again")
    second = db.session.query(Message).filter_by(inbound_id=other.id).one()
    assert (second.quiet, second.why, second.copy_of_id) == (True, "again", None)
    assert confirmations() == ["carol@customer.example"]
    assert db.session.query(NoticeItem).count() == db.session.query(NoticeItem.ticket_id).distinct().count()
    assert merging.related(ticket_of(one)) == []


def test_delivered_twice_to_two_channels_each_has_one(channel: Channel, sales: Channel) -> None:
    raw = with_file(to=f"{SUPPORT}, {SALES}")
    one, other = (ticket_of(delivered(where, raw, to)) for where, to in ((channel, SUPPORT), (sales, SALES)))
    again = [
        delivered(where, raw, "+x@".join(to.split("@"))) for where, to in ((channel, SUPPORT), (sales, SALES))
    ]
    assert [ticket_of(row).id for row in again] == [one.id, other.id]
    assert events(one, "same_mail") == [("same_mail", str(other.number))]
    assert confirmations() == ["carol@customer.example"]


@pytest.mark.parametrize(
    "second",
    [
        with_file(b"%PDF 2"),
        with_file(text="Hello, something else."),
        with_file(subject="Another"),
        with_file(sender="Dave <dave@customer.example>"),
        with_file(cc="mallory@evil.example"),
        with_file(reply_to="mallory@evil.example"),
        mail(message_id="<49@customer.example>"),  # without its file
        with_file(text="Hello, please help me with my delivery.\n\n-- \nfooter of a list\n"),
        with_file().replace(b"<49@", b"<50@"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_what_differs_stays_two(channel: Channel, second: bytes, first: bool) -> None:
    """Whoever brings it first hides nothing of what comes next."""
    raws = (with_file(), second) if first else (second, with_file())
    one, other = (delivered(channel, raw, f"{SUPPORT.replace('@', f'+{n}@')}") for n, raw in enumerate(raws))
    assert ticket_of(one).id != ticket_of(other).id and other.reason == "person"


@pytest.mark.parametrize(
    "line",
    [
        b"Auto-Submitted: auto-replied\n",
        b"Authentication-Results: mx.acme.example; dmarc=fail header.from=customer.example\n",
    ],
)
def test_what_was_doubted_hides_nothing(channel: Channel, line: bytes) -> None:
    channel.authserv_id = "mx.acme.example"
    db.session.commit()
    raw = with_file(cc="dave@else.example")
    one, other = arrive(channel, line + raw), arrive(channel, raw)
    assert ticket_of(one).id != ticket_of(other).id and str(other.outcome) == "new_ticket"
    # The other way round it adds nothing.
    assert arrive(channel, b"Received: x\n" + line + raw).reason == "again"


def test_who_brings_a_mail_twice_still_takes_no_part(channel: Channel, sales: Channel, alice: Agent) -> None:
    """Mallory holds a mail of ours: a newcomer at the first delivery, and at every further one."""
    ticket = ticket_of(arrive(channel, mail()))
    sent = replies.send_reply(ticket, alice, replies.Written(text="We look into it.")).mail
    raw = mail("Mallory <mallory@evil.example>", in_reply_to=sent.message_id, message_id="<m@evil.example>")
    rows = [delivered(channel, b"X-Way: %d\n" % way + raw, channel.address) for way in range(3)]
    assert "again" in {row.reason for row in rows} or "copy" in {row.reason for row in rows}
    brought = db.session.query(Message).filter_by(from_address="mallory@evil.example").all()
    assert len(brought) >= 2 and all(message.newcomer for message in brought)
    assert "mallory@evil.example" not in participants.participants(ticket)
