"""Long conversations and long texts: the page stays small, and everything is one click away."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import event

from desk.tickets.thread import SHOWN
from models import Kind, Message, db, now
from models.message import LONG_TEXT
from tests.support.mails import arrive, mail, ticket_of

COUNT = 95


@pytest.fixture
def number(channel):
    """A ticket of 95 mails, the first through the receiver."""
    ticket = ticket_of(arrive(channel, mail(subject="Long", text="Message 1.")))
    for count in range(2, COUNT + 1):
        at, words = now() + timedelta(seconds=count), f"Message {count}."
        db.session.add(
            Message(
                ticket_id=ticket.id,
                kind=Kind.INBOUND,
                from_address="carol@customer.example",
                text=words,
                visible=len(words),
                created_at=at,
            )
        )
    found = ticket.number
    db.session.commit()
    return found


def shown(page):
    return [int(count) for count in re.findall(r"Message (\d+)\.", page)]


def test_the_newest_come_with_the_page_and_all_others_after_it(as_bob, number):
    page = as_bob.get(f"/tickets/{number}").get_data(as_text=True)
    assert shown(page) == list(range(COUNT - SHOWN + 1, COUNT + 1))
    seen = shown(page)
    for htmx in (True, False):
        text = page
        collected = list(seen)
        while found := re.search(r'href="(/tickets/\d+/earlier\?[^"]+)"', text):
            text = as_bob.get(found[1].replace("&amp;", "&"), htmx=htmx).get_data(as_text=True)
            collected = shown(text) + collected
        assert collected == list(range(1, COUNT + 1)), "each once, in order"


def test_a_long_conversation_asks_no_more_of_the_database(as_bob, number):
    statements: list[str] = []
    as_bob.get(f"/tickets/{number}")  # what is asked once per process
    event.listen(db.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    as_bob.get(f"/tickets/{number}")
    asked = [line for line in statements if line.startswith("SELECT") and "FROM message" in line]
    assert 0 < len(asked) <= 6, asked


def test_a_long_text_is_shown_in_part_and_whole_on_a_page(as_bob, channel):
    text = "Beginning.\n" + "words and more words\n" * 40_000 + "The very end."
    ticket = ticket_of(arrive(channel, mail(text=text)))
    number, message = ticket.number, db.session.query(Message).one().id
    db.session.rollback()
    page = as_bob.get(f"/tickets/{number}").get_data(as_text=True)
    assert "Beginning." in page and "The very end." not in page and len(page) < LONG_TEXT + 60_000
    whole = as_bob.get(f"/messages/{message}/text").get_data(as_text=True)
    assert "Beginning." in whole and "The very end." in whole
