"""The bell on every page, and the list behind it."""

from __future__ import annotations

import re

import pytest

from desk.agents import accounts
from desk.channels import channels
from desk.sending import replies
from desk.tickets import ticket_list, tickets
from models import Ticket, db
from tests.blueprints.visitor import Visitor
from tests.support.mails import arrive, mail, ticket_of


@pytest.fixture
def bob(house):
    visitor = Visitor(house)
    visitor.sign_in("bob@acme.test")
    return visitor


@pytest.fixture
def number(house):
    """Of a ticket of Carol's that Alice assigned to Bob, with a note for him."""
    with house.app_context():
        alice, bob = accounts.agents()
        ticket = ticket_of(arrive(channels.default(), mail()))
        tickets.assign(ticket, bob, alice)
        replies.add_note(ticket, alice, replies.Written(text="@Bob, please look"))
        return ticket.number


def count(page):
    """What the bell says, and what it shows."""
    (label,) = re.findall(r'id="bell"[^>]*aria-label="([^"]*)"', page)
    shown = re.findall(r'class="bell-count"[^>]*>([^<]*)<', page)
    return label, shown


def test_the_bell_counts_and_the_list_leads_to_the_message(bob, number):
    assert count(bob.get("/").text) == ("Your notifications, 3 unread", ["3"])
    page = bob.get("/notices").text
    links = re.findall(r'<li class="pick unread".*?href="([^"]+)"', page, re.S)
    assert [re.sub(r"\d+$", "", link) for link in links] == [
        f"/tickets/{number}?tab=note#note-",
        "/tickets/",
        f"/tickets/{number}#message-",
    ]
    assert "Alice mentioned you" in page and "Assigned to you by Alice" in page and "New ticket" in page
    for link in (links[0], links[2]):
        path, _, anchor = link.partition("#")
        assert f'id="{anchor}"' in bob.get(path).text


def test_looking_at_the_ticket_reads_what_happened_in_it(bob, number):
    answer = bob.get(f"/tickets/{number}")
    assert count(answer.text) == ("Your notifications", [])
    answer.close()  # as the server does when it has sent the page
    assert count(bob.get("/notices").text) == ("Your notifications", [])
    assert "New ticket" in bob.page and "Mark all as read" not in bob.page


def test_all_are_marked_as_read(bob, number):
    newest = re.search(r'name="newest" value="(\d+)"', bob.get("/notices").text)[1]
    assert bob.post("/notices/read", {"newest": newest}).headers["Location"] == "/notices"
    assert count(bob.get("/notices").text) == ("Your notifications", [])


def test_an_agent_reads_only_what_is_his(house, bob, number):
    alice = Visitor(house)
    alice.sign_in("alice@acme.test")
    bob.get("/notices")
    bob.post("/notices/read", {"newest": "999999"})
    assert count(alice.get("/").text) == ("Your notifications, 1 unread", ["1"])
    assert "mentioned you" not in alice.get("/notices").text


def test_an_empty_list_says_what_it_is_for(bob):
    assert "Nothing rings" in bob.get("/notices").text


def test_the_polls_of_the_list_and_of_a_ticket_bring_the_count(house, bob, number):
    with house.app_context():
        since = ticket_list.change_tag()
        seen = db.session.query(Ticket).one().last_inbound_id
    quiet = [f"/tickets/news?tag={since}&bell=3", f"/tickets/{number}/news?seen={seen}&bell=3"]
    assert [bob.get(url, headers={"HX-Request": "true"}).status_code for url in quiet] == [204, 204]
    with house.app_context():
        arrive(channels.default(), mail("dave@customer.example"))
    for url in quiet:
        swap = bob.get(url, headers={"HX-Request": "true"})
        assert swap.status_code == 200 and count(swap.text) == ("Your notifications, 4 unread", ["4"])
        again = re.search(r'hx-get="([^"]+)"', swap.text)[1].replace("&amp;", "&")
        assert "bell=4" in again
    assert bob.get(again, headers={"HX-Request": "true"}).status_code == 204
