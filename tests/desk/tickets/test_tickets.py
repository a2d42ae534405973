"""How a ticket moves, what is written down of it, and what the lists show."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import product

import pytest
from sqlalchemy import select

from desk.office import signing_key
from desk.sending import replies
from desk.tickets import participants, thread, ticket_list, tickets
from mail import ids
from models import Agent, Channel, Kind, Priority, Status, Ticket, TicketEvent, db, now
from models.ticket import after_customer_mail, after_reply
from tests.support.mails import arrive, mail, ticket_of

# What a person may choose, by product: all but »new«, and a closed ticket is only opened again.
BY_HAND = {
    "new": {"open", "waiting", "resolved", "closed"},
    "open": {"waiting", "resolved", "closed"},
    "waiting": {"open", "resolved", "closed"},
    "resolved": {"open", "waiting", "closed"},
    "closed": {"open"},
}


@pytest.fixture
def make_ticket(channel: Channel) -> Callable[..., Ticket]:
    def make(status: Status = Status.NEW, **given: str) -> Ticket:
        ticket = ticket_of(arrive(channel, mail(**given)))
        ticket.status = status
        ticket.resolved_at = now() if status == Status.RESOLVED else None
        ticket.closed_at = now() if status == Status.CLOSED else None
        db.session.commit()
        return ticket

    return make


def events(ticket: Ticket) -> list[tuple[str, str]]:
    """Kind, and who did it; without what the arrival itself wrote."""
    rows = db.session.scalars(
        select(TicketEvent).where(TicketEvent.ticket_id == ticket.id).order_by(TicketEvent.id)
    )
    return [
        (row.kind, row.agent.name if row.agent else "")
        for row in rows
        if row.kind not in ("opened", "received")
    ]


# --- moves


def test_what_a_person_may_choose(make_ticket: Callable[..., Ticket], alice: Agent) -> None:
    ticket = make_ticket()
    for old, new in product(Status, Status):
        ticket.status = old
        db.session.commit()
        if new == old or new in BY_HAND[old]:
            tickets.set_status(ticket, new, alice)
            assert ticket.status == new
        else:
            with pytest.raises(tickets.MoveRefused):
                tickets.set_status(ticket, new, alice)
            db.session.rollback()
            assert ticket.status == old


@pytest.mark.parametrize(
    ("move", "expected"),
    [
        (after_reply, {"new": "open"}),
        (after_customer_mail, {"waiting": "open", "resolved": "open", "closed": "open"}),
    ],
)
def test_what_mails_do_by_themselves(move: Callable[[Status], Status], expected: dict[str, str]) -> None:
    assert {str(old): str(move(old)) for old in Status if move(old) != old} == expected


def test_resolved_and_closed_have_their_times(make_ticket: Callable[..., Ticket], alice: Agent) -> None:
    ticket = make_ticket()
    seen = []
    for status in (Status.RESOLVED, Status.CLOSED, Status.OPEN):
        tickets.set_status(ticket, status, alice)
        seen.append((ticket.resolved_at is not None, ticket.closed_at is not None))
    assert seen == [(True, False), (True, True), (False, False)]


@pytest.mark.parametrize(
    ("status", "days", "closes"),
    [
        (Status.RESOLVED, 7.1, True),
        (Status.RESOLVED, 6.9, False),
        (Status.WAITING, 30, False),
        (Status.OPEN, 30, False),
    ],
)
def test_only_the_resolved_close_by_themselves(
    make_ticket: Callable[..., Ticket], status: Status, days: float, closes: bool
) -> None:
    ticket = make_ticket(status)
    ticket.resolved_at = now() - timedelta(days=days)
    db.session.commit()
    assert tickets.close_resolved() == closes
    assert ticket.status == (Status.CLOSED if closes else status)
    assert events(ticket)[-1:] == ([("status", "")] if closes else [])
    assert tickets.close_resolved() == 0


# --- changes by hand, and their events


def test_every_change_leaves_its_event_and_no_change_leaves_none(
    make_ticket: Callable[..., Ticket], alice: Agent, bob: Agent
) -> None:
    ticket = make_ticket()
    before = ticket_list.change_tag()
    tickets.assign(ticket, None, alice)
    tickets.set_status(ticket, Status.NEW, alice)
    tickets.set_priority(ticket, Priority.NORMAL, alice)
    tickets.set_tags(ticket, [" ", ""], alice)
    assert (events(ticket), ticket_list.change_tag()) == ([], before)

    tickets.assign(ticket, bob, alice)
    tickets.set_priority(ticket, Priority.CRITICAL, bob)
    tickets.set_tags(ticket, ["  VIP  customer ", "VIP customer", "x" * 50, *map(str, range(30))], alice)
    tickets.assign(ticket, None, bob)
    assert events(ticket) == [
        ("assigned", "Alice Admin"),
        ("priority", "Bob Berger"),
        ("tags", "Alice Admin"),
        ("assigned", "Bob Berger"),
    ]
    assert (ticket.tags[:2], len(ticket.tags)) == (["VIP customer", "x" * 40], 20)
    assert (ticket.status, ticket.assignee) == (Status.NEW, None)
    assert ticket_list.change_tag() > before


def test_who_was_deactivated_gets_no_ticket(
    make_ticket: Callable[..., Ticket], alice: Agent, bob: Agent
) -> None:
    ticket, bob.active = make_ticket(), False
    with pytest.raises(tickets.MoveRefused):
        tickets.assign(ticket, bob, alice)
    assert ticket.assignee is None


# --- lists


def test_each_view_shows_its_tickets_and_the_counts_agree(
    make_ticket: Callable[..., Ticket], alice: Agent, bob: Agent
) -> None:
    by_name = {
        "new": make_ticket(),
        "mine": make_ticket(Status.OPEN),
        "bobs": make_ticket(Status.WAITING),
        "solved": make_ticket(Status.RESOLVED),
        "closed": make_ticket(Status.CLOSED),
    }
    for name, agent in (("mine", alice), ("bobs", bob), ("solved", alice)):
        by_name[name].assignee = agent
    db.session.commit()
    names = {ticket.id: name for name, ticket in by_name.items()}
    shown = {
        view: {names[ticket.id] for ticket in ticket_list.listing(alice, view).tickets}
        for view in (*ticket_list.VIEWS, "invented")
    }
    assert shown == {
        "mine": {"mine"},
        "unassigned": {"new"},
        "open": {"new", "mine", "bobs"},
        "waiting": {"bobs"},
        "resolved": {"solved", "closed"},
        "invented": {"new", "mine", "bobs"},
    }
    assert ticket_list.counts(alice) == {"open": 3, "mine": 1, "unassigned": 1, "waiting": 1}
    assert ticket_list.counts(bob)["mine"] == 1


def test_counts_of_an_empty_desk_are_nought(alice: Agent) -> None:
    assert set(ticket_list.counts(alice).values()) == {0}


def test_pages_hold_every_ticket_once_newest_mail_first(
    make_ticket: Callable[..., Ticket], alice: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticket_list, "PAGE", 2)
    made = [make_ticket() for _ in range(5)]
    moment = now()
    for ticket in made:  # the same second for all: the order must still be one
        ticket.last_message_at = moment
    made[0].last_message_at = moment + timedelta(minutes=1)
    db.session.commit()
    pages = [ticket_list.listing(alice, page=number) for number in (1, 2, 3)]
    assert [ticket.number for page in pages for ticket in page.tickets] == [1001, 1005, 1004, 1003, 1002]
    assert [page.more for page in pages] == [True, True, False]
    oldest = ticket_list.listing(alice, newest_first=False).tickets
    assert oldest[-1].number != 1001


def test_unread_is_what_a_person_wrote_since_one_looked(
    make_ticket: Callable[..., Ticket], channel: Channel, alice: Agent, bob: Agent
) -> None:
    ticket = make_ticket()
    assert ticket_list.unread_of(alice, [ticket]) == {ticket.id}
    tickets.mark_seen(alice.id, ticket.id, ticket.last_inbound_id)
    assert ticket_list.unread_of(alice, [ticket]) == set()
    assert ticket_list.unread_of(bob, [ticket]) == {ticket.id}
    # Neither one's own answer nor a machine makes it unread again; a person does.
    replies.send_reply(ticket, bob, replies.Written(text="x"))
    arrive(channel, mail(subject=f"Out of office [#{ticket.number}]", auto_submitted="auto-replied"))
    assert ticket_list.unread_of(alice, [ticket]) == set()
    arrive(channel, mail(subject=f"[#{ticket.number}]"))
    assert ticket_list.unread_of(alice, [ticket]) == {ticket.id}
    # An old page that reports late does not make it unread once more.
    tickets.mark_seen(alice.id, ticket.id, ticket.last_inbound_id)
    tickets.mark_seen(alice.id, ticket.id, 1)
    assert ticket_list.unread_of(alice, [ticket]) == set()


def test_news_counts_tickets_since_a_change(make_ticket: Callable[..., Ticket], channel: Channel) -> None:
    old = make_ticket()
    since = ticket_list.change_tag()
    assert ticket_list.news(since) == (0, 0)
    make_ticket()
    for _ in range(2):
        arrive(channel, mail(subject=f"[#{old.number}]"))
    assert ticket_list.news(since) == (1, 2)


def test_the_other_tickets_of_a_requester(make_ticket: Callable[..., Ticket]) -> None:
    first, second = make_ticket(), make_ticket()
    make_ticket(sender="Mallory <mallory@evil.example>")
    third = make_ticket(sender="CAROL <Carol@Customer.EXAMPLE>")
    assert [ticket.id for ticket in tickets.earlier(second)] == [third.id, first.id]


# --- who takes part


def test_who_takes_part_and_who_does_not(
    make_ticket: Callable[..., Ticket], channel: Channel, alice: Agent
) -> None:
    ticket = make_ticket(cc="claimed@x.example")
    written = replies.Written(text="x", cc=replies_to("Dave@X.example"), bcc=replies_to("erin@x.example"))
    sent = replies.send_reply(ticket, alice, written)
    arrive(channel, mail("new@x.example", in_reply_to=sent.message.message_id))
    replies.add_note(ticket, alice, replies.Written(text="see frank@x.example"))
    assert participants.participants(ticket) == {"carol@customer.example", "dave@x.example", "erin@x.example"}
    assert thread.counts(ticket)[0] == {Kind.INBOUND: 2, Kind.REPLY: 1, Kind.NOTE: 1}


def replies_to(address: str) -> tuple[replies.Address, ...]:
    return (replies.Address("", address),)


def test_a_signed_address_of_a_former_alias_is_never_offered(channel: Channel) -> None:
    """Nobody would read what goes there, and it would come back to us."""
    former = ids.sign_reply_address(signing_key(), 1042, "former@poststelle.example")
    raw = mail(cc=f"{former}, Dave <dave@customer.example>", reply_to=f"{former}, erin@customer.example")
    circle = participants.around(ticket_of(arrive(channel, raw)))
    to = circle.recipients()
    assert former not in {one.address for one in to} | set(circle.copies(to)) | set(circle.offered())
    assert "dave@customer.example" in circle.copies(to)
