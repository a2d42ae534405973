"""Merged, joined, split, and taken back: where the messages are, who takes part, what is found."""

from __future__ import annotations

import pytest

from desk.notices import notice_mails
from desk.office import office
from desk.sending import replies
from desk.tickets import merging, participants, requester, ticket_list, tickets
from desk.tickets.merging import MergeRefused
from mail.types import Address
from models import (
    Agent,
    Channel,
    InboundMail,
    Message,
    NoticeItem,
    OutboundMail,
    Status,
    Ticket,
    TicketEvent,
    TicketMove,
    db,
)
from tests.support.mails import arrive, mail, ticket_of


def texts(ticket: Ticket) -> list[str]:
    rows = db.session.query(Message).filter_by(ticket_id=ticket.id).order_by(Message.id)
    return [message.text.strip() for message in rows]


def events(ticket: Ticket) -> list[str]:
    return [
        e.kind for e in db.session.query(TicketEvent).filter_by(ticket_id=ticket.id).order_by(TicketEvent.id)
    ]


def newest(ticket: Ticket) -> Message:
    found = db.session.query(Message).filter_by(ticket_id=ticket.id).order_by(Message.id.desc()).first()
    assert found is not None
    return found


@pytest.fixture
def first(channel: Channel) -> Ticket:
    return ticket_of(arrive(channel, mail(subject="Lamp", text="The first lamp.")))


@pytest.fixture
def second(channel: Channel, first: Ticket) -> Ticket:
    return ticket_of(arrive(channel, mail(subject="Lamp again", text="The second lampshade.")))


def test_all_of_a_ticket_goes_over_and_its_number_leads_there(
    channel: Channel, alice: Agent, first: Ticket, second: Ticket
) -> None:
    reply = replies.send_reply(second, alice, replies.Written(text="Which one?")).message
    merging.merge(second, first, alice)
    assert texts(first) == ["The first lamp.", "The second lampshade.", "Which one?"]
    assert texts(second) == []
    assert (second.status, second.merged_into_id) == (Status.CLOSED, first.id)
    assert tickets.by_number(second.number) is first
    assert (events(first)[-1], events(second)[-1]) == ("merged", "merged_away")
    assert first.snippet == "Which one?"
    # The ledger and the outbox follow, and so do later mails, by whatever names the old ticket.
    assert {row.ticket_id for row in db.session.query(InboundMail)} == {first.id}
    assert db.session.query(OutboundMail).filter_by(message_fk=reply.id).one().ticket_id == first.id
    for how in ({"in_reply_to": reply.message_id}, {"subject": f"Re: [#{second.number}]"}):
        assert arrive(channel, mail(text="More.", **how)).ticket_id == first.id


def test_lists_counts_and_search_know_one_ticket(alice: Agent, first: Ticket, second: Ticket) -> None:
    merging.merge(second, first, alice)
    assert [one.number for one in ticket_list.listing(alice).tickets] == [first.number]
    assert ticket_list.listing(alice, "resolved").tickets == []
    assert ticket_list.counts(alice)["open"] == 1
    for query in ("lampshade", f"#{second.number}", str(first.number)):
        assert [one.number for one in ticket_list.listing(alice, query=query).tickets] == [first.number], (
            query
        )
    assert tickets.earlier(first) == []


def test_merged_tickets_lead_on_for_ever(
    channel: Channel, alice: Agent, first: Ticket, second: Ticket
) -> None:
    third = ticket_of(arrive(channel, mail(subject="Third")))
    merging.merge(first, second, alice)
    merging.merge(second, third, alice)
    assert tickets.by_number(first.number) is third
    assert tickets.locked(first.number) is third
    assert arrive(channel, mail(subject=f"[#{first.number}]")).ticket_id == third.id
    assert len(texts(third)) == 4


def test_a_merge_is_taken_back(channel: Channel, alice: Agent, first: Ticket, second: Ticket) -> None:
    tickets.set_status(second, Status.WAITING, alice)
    move = merging.merge(second, first, alice)
    arrive(channel, mail(text="Since.", subject=f"[#{first.number}]"))
    assert merging.open_moves(first) == {move.id}
    merging.undo(move, alice)
    assert (texts(first), texts(second)) == (["The first lamp.", "Since."], ["The second lampshade."])
    assert (second.status, second.merged_into_id, newest(second).why) == (Status.WAITING, None, "new")
    assert (events(first)[-1], events(second)[-1]) == ("unmerged", "unmerged")
    assert merging.open_moves(first) == set()
    assert [one.number for one in ticket_list.listing(alice, query="lampshade").tickets] == [second.number]
    with pytest.raises(MergeRefused, match="undone"):
        merging.undo(move, alice)


def test_what_was_moved_on_is_not_taken_back_first(
    channel: Channel, alice: Agent, first: Ticket, second: Ticket
) -> None:
    third = ticket_of(arrive(channel, mail(subject="Third")))
    earlier, later = merging.merge(first, second, alice), merging.merge(second, third, alice)
    with pytest.raises(MergeRefused, match="moved_on"):
        merging.undo(earlier, alice)
    merging.undo(later, alice)
    merging.undo(earlier, alice)
    assert [len(texts(one)) for one in (first, second, third)] == [1, 1, 1]


def test_an_open_matter_opens_the_ticket_it_comes_to(alice: Agent, first: Ticket, second: Ticket) -> None:
    tickets.set_status(first, Status.RESOLVED, alice)
    merging.merge(second, first, alice)
    assert first.status == Status.OPEN


def test_a_ticket_is_not_merged_with_itself_or_nothing(alice: Agent, first: Ticket, second: Ticket) -> None:
    for source, target, code in ((first, first, "itself"), (first, None, "unknown")):
        with pytest.raises(MergeRefused, match=code):
            merging.merge(source, target, alice)


# --- no history to strangers


def test_who_takes_no_part_is_newly_involved_after_a_merge(
    channel: Channel, alice: Agent, first: Ticket
) -> None:
    """Mallory names Carol's ticket; the agent joins them by mistake."""
    strange = ticket_of(arrive(channel, mail("mallory@evil.example", f"[#{first.number}]", "Tell me.")))
    assert [code for code, _ in merging.related(strange)] == ["maybe"]
    assert [code for code, _ in merging.related(first)] == ["maybe_here"]
    replies.send_reply(strange, alice, replies.Written(text="What about?"))
    move = merging.merge(strange, first, alice)
    assert "mallory@evil.example" not in participants.participants(first)
    assert [one.address for one in participants.recipients(first)] == ["carol@customer.example"]
    assert arrive(channel, mail("mallory@evil.example", f"[#{first.number}]")).ticket_id != first.id
    merging.undo(move, alice)
    assert "mallory@evil.example" in participants.participants(strange)


def test_an_agent_lets_a_newcomer_in(channel: Channel, alice: Agent, first: Ticket) -> None:
    strange = ticket_of(arrive(channel, mail("dave@customer.example", f"[#{first.number}]", "Me too.")))
    merging.merge(strange, first, alice)
    message = newest(first)
    assert message.newcomer
    requester.admit(message, alice)
    assert not message.newcomer
    assert "dave@customer.example" in participants.participants(first)
    assert [one.address for one in participants.recipients(first)] == ["dave@customer.example"]
    assert events(first)[-1] == "admitted"


# --- split


def test_a_message_becomes_a_ticket_of_its_own(channel: Channel, alice: Agent, first: Ticket) -> None:
    row = arrive(
        channel, mail("Carol <carol@customer.example>", f"Invoice [#{first.number}]", "Another matter.")
    )
    ticket = merging.split(newest(first), alice)
    assert (texts(first), texts(ticket)) == (["The first lamp."], ["Another matter."])
    assert (ticket.contact.address, ticket.status) == ("carol@customer.example", Status.NEW)
    assert (newest(ticket).why, first.snippet) == ("split", "The first lamp.")
    assert db.session.get(InboundMail, row.id, populate_existing=True).ticket_id == ticket.id  # type: ignore[union-attr]
    assert [code for code, _ in merging.related(first)] == ["split_off"]
    assert [code for code, _ in merging.related(ticket)] == ["split_from"]
    assert (events(first)[-1], events(ticket)[-1]) == ("split_off", "split_from")
    assert [one.number for one in ticket_list.listing(alice, query="another").tickets] == [ticket.number]


def test_a_notice_that_waits_names_the_ticket_where_its_message_stands(
    channel: Channel, alice: Agent, first: Ticket
) -> None:
    arrive(channel, mail(subject=f"Invoice [#{first.number}]", text="Another matter."))
    ticket = merging.split(newest(first), alice)
    db.session.query(NoticeItem).filter_by(notice="new_ticket").delete()
    db.session.commit()
    notice_mails.gather(at_once=True)
    assert db.session.query(OutboundMail).filter_by(purpose="customer_reply").one().ticket is ticket
    merging.undo(db.session.query(TicketMove).filter_by(kind="split").one(), alice)
    assert {item.ticket_id for item in db.session.query(NoticeItem)} == {first.id}


def test_a_split_is_taken_back_with_all_that_came_since(
    channel: Channel, alice: Agent, first: Ticket
) -> None:
    arrive(channel, mail(subject=f"Invoice [#{first.number}]", text="Another matter."))
    ticket = merging.split(newest(first), alice)
    replies.send_reply(ticket, alice, replies.Written(text="To the invoice."))
    move = db.session.query(TicketMove).filter_by(kind="split").one()
    assert merging.undo(move, alice) is first
    assert texts(first) == ["The first lamp.", "Another matter.", "To the invoice."]
    assert tickets.by_number(ticket.number) is first
    assert [m.why for m in db.session.query(Message).filter_by(ticket_id=first.id).order_by(Message.id)] == [
        "new", "subject", "",
    ]  # fmt: skip


def test_a_newcomers_message_is_his_own_after_the_split(
    channel: Channel, alice: Agent, first: Ticket
) -> None:
    reply = replies.send_reply(first, alice, replies.Written(text="x")).message
    arrive(channel, mail("dave@customer.example", in_reply_to=reply.message_id))
    ticket = merging.split(newest(first), alice)
    assert (ticket.contact.address, newest(ticket).newcomer) == ("dave@customer.example", False)
    assert [one.address for one in participants.recipients(ticket)] == ["dave@customer.example"]


def test_the_only_message_and_replies_are_not_split_off(alice: Agent, first: Ticket) -> None:
    with pytest.raises(MergeRefused, match="only_message"):
        merging.split(newest(first), alice)
    reply = replies.send_reply(first, alice, replies.Written(text="x")).message
    with pytest.raises(MergeRefused, match="no_mail"):
        merging.split(reply, alice)


# --- forwarded by a colleague

FORWARDED = (
    "Please look after her, she is difficult.\n\n---------- Forwarded message ---------\n"
    "From: Carol Huber <carol@customer.example>\nDate: Mon, 2 Nov 2026\nSubject: Lieferung\nTo: <bob@acme.example>\n\n"
    "Guten Tag, meine Lieferung ist leider nicht gekommen. Bitte um Hilfe, danke.\n"
)  # fmt: skip


def test_the_first_author_of_a_forwarded_mail_becomes_the_requester_by_a_click(
    channel: Channel, alice: Agent, bob: Agent
) -> None:
    ticket = ticket_of(arrive(channel, mail("Bob <bob@acme.example>", "Fwd: Lieferung", FORWARDED)))
    message = newest(ticket)
    assert message.forwarded_from == {"name": "Carol Huber", "address": "carol@customer.example"}
    assert ticket.contact.address == "bob@acme.example"
    requester.take_over(message, alice)
    assert (ticket.contact.address, ticket.locale) == ("carol@customer.example", "de")
    assert participants.recipients(ticket) == (Address("Carol Huber", "carol@customer.example"),)
    sent = replies.send_reply(ticket, alice, replies.Written(text="Guten Tag."))
    assert b"difficult" not in office().blobs.get(sent.mail.sha256)
    requester.give_back(message, alice)
    assert ticket.contact.address == "bob@acme.example"
    assert events(ticket).count("requester") == 2


def test_a_redirect_by_a_provider_keeps_its_author(channel: Channel) -> None:
    raw = b"Resent-From: owner@acme.example\r\nX-Forwarded-To: " + channel.address.encode() + b"\r\n" + mail()
    ticket = ticket_of(arrive(channel, raw))
    assert (ticket.contact.address, newest(ticket).forwarded_from) == ("carol@customer.example", None)
