"""What the ticket page says of other channels: the same mail there, and whom Cc and Bcc name."""

from __future__ import annotations

import pytest

from desk.channels import channels
from desk.channels.channel_values import ChannelValues
from desk.tickets import drafts
from models import Agent, Channel, Kind, Ticket, db
from tests.support.browsing import PageClient
from tests.support.mails import arrive, mail, ticket_of

HINT = "Sales is a channel of Poststelle"
OWN = "own address is among the readers"


@pytest.fixture
def sales(channel: Channel) -> Channel:
    return channels.create(ChannelValues("Sales", "sales", aliases="shop"))


@pytest.fixture
def ticket(channel: Channel, sales: Channel) -> Ticket:
    return ticket_of(arrive(channel, mail()))


def page_of(client: PageClient, ticket: Ticket, path: str = "") -> str:
    url = f"/tickets/{ticket.number}{path}"
    db.session.rollback()
    page = client.get(url).get_data(as_text=True)
    db.session.rollback()
    return page


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ({"cc": "sales@poststelle.example"}, HINT),
        ({"bcc": "Dave <dave@else.example>, Shop <SHOP@poststelle.example>"}, HINT),
        ({"cc": "sales+x@poststelle.example, unfinished"}, HINT),
        ({"cc": "support-acme@poststelle.example"}, OWN),
        ({"cc": "dave@else.example"}, ""),
        ({"cc": "sales@poststelle"}, ""),
        ({}, ""),
    ],
)
def test_the_composer_says_who_is_a_channel_while_it_is_written(
    as_bob: PageClient, bob: Agent, ticket: Ticket, typed: dict[str, str], hint: str
) -> None:
    url = f"/tickets/{ticket.number}/drafts/reply"
    db.session.rollback()
    swap = as_bob.post(url, {"body": "", **typed}, 200, True).get_data(as_text=True)
    shown = page_of(as_bob, ticket)  # and when the page is opened again
    for html in (swap, shown):
        assert [text for text in (HINT, OWN) if text in html] == ([hint] if hint else [])
    assert (drafts.of(ticket, bob, Kind.REPLY) is not None) is bool(typed)


def test_a_channel_that_is_switched_off_files_nothing(
    as_bob: PageClient, ticket: Ticket, sales: Channel
) -> None:
    channels.set_active(sales, False)
    url, address = f"/tickets/{ticket.number}/drafts/reply", sales.address
    db.session.rollback()
    assert HINT not in as_bob.post(url, {"cc": address}, 200, True).get_data(as_text=True)


@pytest.mark.parametrize(("cc", "said"), [("shop@poststelle.example", True), ("dave@else.example", False)])
def test_without_scripts_it_is_said_after_sending(
    as_bob: PageClient, ticket: Ticket, cc: str, said: bool
) -> None:
    url = f"/tickets/{ticket.number}/replies"
    db.session.rollback()
    as_bob.post(url, {"body": "Hello", "cc": cc})
    assert ("The answer is filed in Sales too; nobody is notified." in page_of(as_bob, ticket)) is said


def test_each_page_names_and_links_the_other(as_bob: PageClient, channel: Channel, sales: Channel) -> None:
    raw = mail(to=f"{channel.address}, {sales.address}", message_id="<49@customer.example>")
    one, other = ticket_of(arrive(channel, raw)), ticket_of(arrive(sales, raw))
    for ticket, named in ((one, other), (other, one)):
        for path in ("", "?tab=history", "/earlier?before=999"):
            html = page_of(as_bob, ticket, path)
            assert f'The same mail is <a href="/tickets/{named.number}">#{named.number}</a>' in html, path
        html = page_of(as_bob, ticket, "?tab=history")
        assert f"The same mail came to {named.channel.key}: ticket #{named.number}" in html
        related = html.partition("Related tickets")[2]
        assert f'href="/tickets/{named.number}"' in related and "Same mail" in related
