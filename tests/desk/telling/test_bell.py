"""The bell: what an agent is told in the browser, until he has read it, for thirty days."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event, update

from desk.notices import notice_mails
from desk.sending import replies
from desk.telling import bell, preferences
from desk.tickets import merging, tickets
from models import Agent, Bell, Channel, NoticeItem, Ticket, db, now
from tests.support.mails import arrive, mail, ticket_of


@pytest.fixture
def carols(channel: Channel) -> Ticket:
    return ticket_of(arrive(channel, mail(), predates_channel=True))


def test_events_ring_until_the_ticket_is_looked_at(channel: Channel, alice: Agent, bob: Agent) -> None:
    first, second = (ticket_of(arrive(channel, mail(f"c{n}@customer.example"))) for n in range(2))
    arrive(channel, mail("c0@customer.example", subject=f"[#{first.number}]"))
    assert bell.unread(bob) == bell.Unread((first.id, second.id, first.id))
    bell.read_ticket(bob.id, first.id)
    assert bell.unread(bob) == bell.Unread((second.id,))
    assert bell.unread(alice).count == 3, "what Bob reads is not read by Alice"
    items, more = bell.listing(bob)
    assert ([item.bell for item in items], more) == ([Bell.READ, Bell.UNREAD, Bell.READ], False)


def test_all_are_read_but_those_that_came_meanwhile(channel: Channel, bob: Agent) -> None:
    arrive(channel, mail())
    newest = bell.listing(bob)[0][0].id
    arrive(channel, mail("dave@customer.example"))
    bell.read_all(bob, newest)
    assert bell.unread(bob).count == 1


def test_events_go_where_their_message_goes(channel: Channel, alice: Agent, bob: Agent) -> None:
    """A merged ticket rings as the ticket that it became part of, and as itself when that is undone."""
    one, other = (ticket_of(arrive(channel, mail(f"c{n}@customer.example"))) for n in range(2))
    tickets.assign(one, bob, alice)
    move = merging.merge(one, other, alice)
    assert set(bell.unread(bob).tickets) == {other.id}
    merging.undo(move, alice)
    assert sorted(bell.unread(bob).tickets) == [one.id, one.id, other.id]
    merging.merge(one, other, alice)
    bell.read_ticket(bob.id, other.id)
    assert bell.unread(bob).count == 0


def test_mail_and_browser_are_switched_apart(channel: Channel, bob: Agent) -> None:
    preferences.choose(bob, "none", "all", "", (), "", "")
    arrive(channel, mail())
    assert (bell.unread(bob).count, notice_mails.gather(at_once=True)) == (1, 1), "the mail is Alice's"
    preferences.choose(bob, "all", "none", "", (), "", "")
    arrive(channel, mail("dave@customer.example"))
    assert (bell.unread(bob).count, notice_mails.gather(at_once=True)) == (1, 2)


def test_what_is_no_news_for_a_mail_stays_at_the_bell(carols: Ticket, alice: Agent, bob: Agent) -> None:
    tickets.assign(carols, bob, alice)
    tickets.assign(carols, None, alice)
    assert notice_mails.gather(at_once=True) == 0
    assert [item.notice for item in bell.listing(bob)[0]] == ["assigned"]
    assert notice_mails.gather(at_once=True) == 0
    preferences.choose(bob, "all", "none", "", (), "", "")
    tickets.assign(carols, bob, alice)
    tickets.assign(carols, None, alice)
    assert (notice_mails.gather(at_once=True), db.session.query(NoticeItem).count()) == (0, 1)


def test_after_thirty_days_it_is_forgotten(channel: Channel, alice: Agent, bob: Agent) -> None:
    for agent in (alice, bob):
        preferences.choose(agent, "none", "all", "", (), "", "")
    arrive(channel, mail())
    for days, gone in ((29, 0), (31, 2)):
        db.session.execute(update(NoticeItem).values(created_at=now() - timedelta(days=days)))
        db.session.commit()
        assert notice_mails.forget_old() == gone
    assert bell.listing(bob) == ([], False)


def test_many_events_are_counted_to_an_end_and_listed_in_pages(
    channel: Channel, carols: Ticket, bob: Agent
) -> None:
    row = {"notice": "new_ticket", "agent_id": bob.id, "ticket_id": carols.id, "details": {}}
    row |= {"bell": Bell.UNREAD, "created_at": now()}
    db.session.connection().execute(NoticeItem.__table__.insert(), [row] * (bell.COUNTED + 30))
    db.session.commit()
    assert bell.unread(bob).count == bell.COUNTED
    assert [(len(items), more) for items, more in (bell.listing(bob, page) for page in (1, 3, 4))] == [
        (bell.LISTED, True),
        (30, False),
        (0, False),
    ]
    bell.read_ticket(bob.id, carols.id)
    assert bell.unread(bob).count == 0


def test_a_page_asks_one_statement_that_an_index_answers(channel: Channel, bob: Agent) -> None:
    asked: list[tuple[str, object]] = []

    def note(_connection: object, _cursor: object, text: str, values: object, *_: object) -> None:
        asked.append((text, values))

    bob_id = bob.id  # loads what the last commit let go
    event.listen(db.engine, "before_cursor_execute", note)
    try:
        bell.unread(bob)
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    (statement,) = asked
    assert bob_id
    if db.engine.dialect.name == "sqlite":  # PostgreSQL takes no index for a table so small
        plan = db.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement[0]}", statement[1])
        assert any("ix_notice_item_rings" in str(line) for line in plan)


def test_nobody_sees_his_own_doing(carols: Ticket, channel: Channel, alice: Agent, bob: Agent) -> None:
    tickets.assign(carols, bob, bob)
    replies.add_note(carols, bob, replies.Written(text="@Bob remember"))
    arrive(channel, mail("Bob <bob@acme.example>"))
    assert bell.unread(bob).count == 0
