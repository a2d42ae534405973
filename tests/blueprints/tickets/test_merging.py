"""Merging, splitting and letting take part on the pages, without JavaScript."""

from __future__ import annotations

import pytest

from desk.tickets import merging
from models import Agent, Channel, Message, Ticket, TicketMove, db
from tests.support.browsing import PageClient
from tests.support.mails import arrive, mail, ticket_of


@pytest.fixture
def two(channel: Channel) -> tuple[Ticket, Ticket]:
    first = ticket_of(arrive(channel, mail(subject="Lamp")))
    return first, ticket_of(arrive(channel, mail("mallory@evil.example", f"Question [#{first.number}]")))


def see(client: PageClient, url: str) -> str:
    db.session.commit()
    page = client.get(url).get_data(as_text=True)
    db.session.rollback()
    return page


def press(client: PageClient, url: str, **fields: str) -> str:
    """Where a form leads."""
    db.session.commit()
    answer = client.post(url, fields)
    db.session.rollback()
    return answer.location or ""


def test_a_ticket_that_may_belong_to_another_is_joined_by_one_click(
    as_bob: PageClient, two: tuple[Ticket, Ticket]
) -> None:
    first, second = two
    page = see(as_bob, f"/tickets/{second.number}")
    assert f"May belong to #{first.number}" in page and f"Merge into #{first.number}" in page
    assert press(as_bob, f"/tickets/{second.number}/merge", into=str(first.number)) == "/tickets/1001"
    assert as_bob.get("/tickets/1002", status=302).location == "/tickets/1001"
    page = see(as_bob, f"/tickets/{first.number}")
    assert "merged ticket #1002 into this one" in page and "Let take part" in page
    move = db.session.query(TicketMove).one()
    assert press(as_bob, f"/moves/{move.id}/undo") == "/tickets/1002"
    assert "Delivery" not in see(as_bob, "/tickets/1002").partition("<h1>")[2].partition("</h1>")[0]


@pytest.mark.parametrize("into", ["", "9999", "1002", "x", "99999999999999999999", "#1002", "１００１"])
def test_a_wrong_number_is_said_beside_the_field(
    as_bob: PageClient, two: tuple[Ticket, Ticket], into: str
) -> None:
    db.session.commit()
    answer = as_bob.post("/tickets/1002/merge", {"into": into}, status=422)
    db.session.rollback()
    assert 'id="into-error"' in answer.text
    assert db.session.query(TicketMove).count() == 0


def test_a_message_is_split_off_and_back(
    as_bob: PageClient, channel: Channel, two: tuple[Ticket, Ticket]
) -> None:
    first, _ = two
    arrive(channel, mail(subject=f"Invoice [#{first.number}]", text="Another matter."))
    message = db.session.query(Message).filter_by(ticket_id=first.id).order_by(Message.id.desc()).first()
    assert message is not None
    assert press(as_bob, f"/messages/{message.id}/split") == "/tickets/1003"
    page = see(as_bob, "/tickets/1003")
    assert "Another matter." in page and "split this ticket off from #1001" in page and ">Origin<" in page
    assert press(as_bob, f"/moves/{db.session.query(TicketMove).one().id}/undo") == "/tickets/1001"
    only = db.session.query(Message).filter_by(ticket_id=two[1].id).one()
    assert press(as_bob, f"/messages/{only.id}/split") == "/tickets/1002"
    as_bob.post("/messages/999/split", {}, status=404)


def test_a_newcomer_is_let_in(as_bob: PageClient, bob: Agent, two: tuple[Ticket, Ticket]) -> None:
    first, second = two
    message = db.session.query(Message).filter_by(ticket_id=second.id).one()
    merging.merge(second, first, bob)
    assert press(as_bob, f"/messages/{message.id}/admit") == f"/tickets/1001#message-{message.id}"
    page = see(as_bob, f"/tickets/{first.number}")
    assert "Let take part" not in page and "mallory@evil.example" in page


def test_the_requester_of_a_forwarded_mail(as_bob: PageClient, channel: Channel) -> None:
    text = "See below.\n\n---------- Forwarded message ---------\nFrom: Zoe <zoe@x.example>\nSubject: Lamp\n\nBroken."
    ticket = ticket_of(arrive(channel, mail("Eve <eve@acme.example>", "Fwd: Lamp", text)))
    page = see(as_bob, f"/tickets/{ticket.number}")
    assert "Forwarded mail of Zoe (zoe@x.example): make this person the requester?" in page
    message = db.session.query(Message).filter_by(ticket_id=ticket.id).one()
    press(as_bob, f"/messages/{message.id}/requester")
    assert "Zoe is the requester, taken from the forwarded mail." in see(as_bob, f"/tickets/{ticket.number}")
    press(as_bob, f"/messages/{message.id}/requester", back="1")
    assert ticket.contact.address == "eve@acme.example"


def test_the_copies_of_the_last_mail_wait_for_a_click(as_bob: PageClient, channel: Channel) -> None:
    ticket = ticket_of(arrive(channel, mail(cc="Dave <dave@x.example>")))
    page = see(as_bob, f"/tickets/{ticket.number}")
    assert "The last mail also went to:" in page and 'name="cc" value=""' in page
    page = see(as_bob, f"/tickets/{ticket.number}?cc=dave@x.example")
    assert 'name="cc" value="dave@x.example"' in page
    page = see(as_bob, f"/tickets/{ticket.number}?cc=mallory@evil.example")
    assert "mallory@evil.example" not in page.partition('id="composer-cc"')[2].partition(">")[0]
