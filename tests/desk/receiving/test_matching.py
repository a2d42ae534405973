"""Which ticket: what proves itself, what only a participant may say, and what comes first."""

from __future__ import annotations

import pytest

from desk.channels import channels
from desk.channels.channel_values import ChannelValues
from desk.office import signing_key
from desk.sending import replies
from mail import ids
from models import Agent, Channel, Message, Ticket, db
from tests.support.mails import arrive, mail, ticket_of


@pytest.fixture
def sales(channel: Channel) -> Channel:
    return channels.create(ChannelValues(key="Sales", address="sales-acme@poststelle.example"))


def message_of(ticket: Ticket) -> Message:
    found = db.session.query(Message).filter_by(ticket_id=ticket.id).order_by(Message.id.desc()).first()
    assert found is not None
    return found


@pytest.mark.parametrize(("sender", "joins"), [("carol@customer.example", True), ("mallory@evil.example", False)])  # fmt: skip
def test_the_mark_in_the_quoted_text_counts_for_participants(
    channel: Channel, sender: str, joins: bool
) -> None:
    ticket = ticket_of(arrive(channel, mail()))
    marker = ids.sign_marker(signing_key(), ticket.number)
    found = ticket_of(arrive(channel, mail(sender, text=f"Thank you.\n\n> {marker}\n")))
    assert (found.id == ticket.id) is joins
    assert (message_of(found).why, found.maybe_id) == (("marker", None) if joins else ("maybe", ticket.id))


def test_the_stronger_clue_wins(channel: Channel, alice: Agent) -> None:
    first, second, third = (ticket_of(arrive(channel, mail(message_id=f"<{n}@c.example>"))) for n in "abc")
    reply = replies.send_reply(second, alice, replies.Written(text="x")).message
    address = ids.sign_reply_address(signing_key(), first.number, channel.address)
    for expected, given in (
        (first, {"to": address, "in_reply_to": reply.message_id, "subject": f"[#{third.number}]"}),
        (second, {"in_reply_to": "<c@c.example>", "references": reply.message_id, "subject": "Re"}),
        (third, {"in_reply_to": "<c@c.example>", "subject": f"[#{first.number}]"}),
        (third, {"subject": f"Re: [#{first.number}] old [#{third.number}]"}),
    ):
        assert ticket_of(arrive(channel, mail(**given))).id == expected.id, given


def test_a_clue_that_does_not_hold_gives_way_to_the_next(channel: Channel) -> None:
    """Mallory's ticket is named first, but Carol takes part in her own alone."""
    mallorys = ticket_of(arrive(channel, mail("mallory@evil.example", message_id="<m@evil.example>")))
    carols = ticket_of(arrive(channel, mail()))
    given = mail(in_reply_to="<m@evil.example>", subject=f"[#{carols.number}]")
    assert ticket_of(arrive(channel, given)).id == carols.id
    assert db.session.query(Message).filter_by(ticket_id=mallorys.id).count() == 1


@pytest.mark.parametrize("subject", ["[#9999]", "[#0]", "[#1001", "#1001", "[#99999999999999999999]", "[#-1]"])  # fmt: skip
def test_what_names_no_ticket_opens_one_without_a_hint(channel: Channel, subject: str) -> None:
    ticket_of(arrive(channel, mail()))
    found = ticket_of(arrive(channel, mail(subject=subject)))
    assert (found.number, found.maybe_id, message_of(found).why) == (1002, None, "new")


@pytest.mark.parametrize("clue", ["subject", "foreign_id", "signed_id"])
def test_forwarded_to_another_of_our_addresses_is_a_matter_of_its_own(
    channel: Channel, sales: Channel, alice: Agent, clue: str
) -> None:
    ticket = ticket_of(arrive(channel, mail(message_id="<first@customer.example>")))
    reply = replies.send_reply(ticket, alice, replies.Written(text="x")).message
    given = {
        "subject": {"subject": f"WG: Delivery [#{ticket.number}]"},
        "foreign_id": {"subject": "Fwd: Delivery", "references": "<first@customer.example>"},
        "signed_id": {"subject": "WG: Delivery", "references": reply.message_id},
    }[clue]
    found = ticket_of(arrive(sales, mail(to=sales.address, **given)))
    assert (found.channel.key, found.maybe_id) == ("Sales", ticket.id)


def test_an_answer_to_a_mail_that_two_channels_got_goes_to_the_ticket_of_its_channel(
    channel: Channel, sales: Channel
) -> None:
    raw = mail(message_id="<both@customer.example>")
    support_ticket, sales_ticket = ticket_of(arrive(channel, raw)), ticket_of(arrive(sales, raw))
    for own, expected in ((channel, support_ticket), (sales, sales_ticket)):
        found = ticket_of(arrive(own, mail(in_reply_to="<both@customer.example>", text=f"to {own.key}")))
        assert found.id == expected.id, own.key


def test_the_answer_to_a_deleted_channel_comes_home(channel: Channel, sales: Channel, alice: Agent) -> None:
    """The reply left from the default address, so the customer answers to that."""
    ticket = ticket_of(arrive(sales, mail()))
    channels.delete(sales)
    reply = replies.send_reply(ticket, alice, replies.Written(text="x")).message
    assert ticket_of(arrive(channel, mail(in_reply_to=reply.message_id))).id == ticket.id


def test_the_signature_of_another_install_proves_nothing(channel: Channel, alice: Agent) -> None:
    ticket = ticket_of(arrive(channel, mail()))
    foreign = ids.sign_message_id(b"theirs", ticket.number, "abcdefgh", "other.example")
    found = ticket_of(arrive(channel, mail("eve@other.example", in_reply_to=foreign)))
    assert (found.id == ticket.id, found.maybe_id) == (False, None)


def test_the_case_of_an_address_is_the_same_person(channel: Channel) -> None:
    ticket = ticket_of(arrive(channel, mail()))
    given = mail("CAROL@Customer.Example", subject=f"[#{ticket.number}]")
    assert ticket_of(arrive(channel, given)).id == ticket.id


def test_a_machine_names_no_ticket_that_it_takes_no_part_in(channel: Channel) -> None:
    ticket = ticket_of(arrive(channel, mail()))
    given = mail("robot@shop.example", subject=f"Re: [#{ticket.number}]", precedence="bulk")
    found = ticket_of(arrive(channel, given))
    assert (found.id == ticket.id, found.maybe_id) == (False, ticket.id)
