"""A piece that fails says so in its place; the page around it stands."""

from __future__ import annotations

import logging
import re

import pytest
from flask import Flask

from blueprints.page import pieces
from models import Channel, Message, Ticket, db
from tests.support.browsing import PageClient
from tests.support.mails import arrive, mail, ticket_of


@pytest.fixture
def ticket(channel: Channel, app: Flask) -> Ticket:
    app.config[pieces.GUARDED] = True
    return ticket_of(arrive(channel, mail(subject="Broken", text="These words can be read")))


def broken(channel: Channel, ticket: Ticket) -> str:
    """A second mail in the ticket whose row no version of ours would write; answers the address of the page."""
    arrive(channel, mail(subject=f"Re: Broken [#{ticket.number}]", text="These cannot"))
    newest = db.session.query(Message).filter_by(ticket_id=ticket.id).order_by(Message.id.desc()).first()
    assert newest is not None
    newest.seals = [5]
    url = f"/tickets/{ticket.number}"
    db.session.commit()
    return url


def test_a_piece_that_fails_says_so_and_the_page_stands(
    as_bob: PageClient, channel: Channel, ticket: Ticket, caplog: pytest.LogCaptureFixture
) -> None:
    url = broken(channel, ticket)
    with caplog.at_level(logging.ERROR):
        page = as_bob.get(url).get_data(as_text=True)
    assert "These words can be read" in page and "composer-text" in page and "These cannot" not in page
    (reference,) = re.findall(r"this reference: (\w{8})", page)
    assert f"error {reference} in tickets/_message.html" in caplog.text and "Traceback" in caplog.text


def test_in_tests_a_fault_is_a_fault(
    as_bob: PageClient, channel: Channel, ticket: Ticket, app: Flask
) -> None:
    app.config[pieces.GUARDED] = False
    url = broken(channel, ticket)
    with pytest.raises(TypeError):
        as_bob.get(url)


def test_an_icon_that_is_not_in_the_set_is_another(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    icon = app.jinja_env.globals["lucide"]
    assert "<svg" in icon("no-such-icon", size=20) and "no-such-icon" in caplog.text  # type: ignore[operator]
    assert icon("no-such-icon", size=20) != icon("mail", size=20)  # type: ignore[operator]
