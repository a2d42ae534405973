"""Who hears of what: exactly the right people, in their language, and never without end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes
from email.policy import default

import pytest
from sqlalchemy import select, update

from desk import accounts, letters, links, notices, replies, tickets
from desk.office import Office
from mail.language import detect
from models import Agent, Channel, OutboundMail, OutboundRecipient, Role, Ticket, TicketEvent, db, now
from tests.desk.letters import arrive, mail, ticket_of

GERMAN = "Guten Tag, ich habe eine Frage und bitte um Hilfe."


@pytest.fixture
def carols(channel: Channel) -> Ticket:
    """A ticket of which nobody was told."""
    return ticket_of(arrive(channel, mail(), history=True))


@pytest.fixture
def arrive_in(channel: Channel, carols: Ticket) -> Callable[..., None]:
    def write(**letter: str) -> None:
        arrive(channel, mail(subject=f"Re: [#{carols.number}]", **letter))

    return write


def told(purpose: str = "") -> list[str]:
    rows = db.session.scalars(select(OutboundMail).order_by(OutboundMail.id))
    return [r.address for row in rows if row.purpose == purpose or not purpose for r in row.recipients]


def composed(office: Office, purpose: str, address: str) -> str:
    """Subject and plain text of a notice, as it is composed when it is sent."""
    row = next(
        row
        for row in db.session.query(OutboundMail).filter_by(purpose=purpose)
        if row.recipients[0].address == address
    )
    message = message_from_bytes(letters.compose_queued(row), policy=default)
    body = message.get_body(("plain",))  # type: ignore[attr-defined]
    return f"{message['Subject']}\n{body.get_content()}"


def later(hours: float) -> None:
    """As if all that was queued had been queued so long ago."""
    for table in (OutboundMail, OutboundRecipient):
        db.session.execute(update(table).values(created_at=now() - timedelta(hours=hours)))
    db.session.commit()


# --- agents


def test_only_agents_who_can_work_are_told(channel: Channel, bob: Agent, alice: Agent) -> None:
    links.invite_agent("Ivy", "ivy@acme.example", Role.AGENT)
    gone = accounts.create_agent("Gus", "gus@acme.example", Role.AGENT, "a long password")
    accounts.deactivate(gone, alice)
    arrive(channel, mail())
    assert told("new_ticket") == ["alice@acme.example", "bob@acme.example"]


@pytest.mark.parametrize("state", ["invited", "deactivated"])
def test_an_answer_for_somebody_who_cannot_work_goes_to_all(
    arrive_in: Callable[..., None], carols: Ticket, alice: Agent, bob: Agent, state: str
) -> None:
    away = accounts.create_agent("Gus", "gus@acme.example", Role.AGENT, "a long password")
    tickets.assign(carols, away, alice)
    if state == "deactivated":
        accounts.deactivate(away, alice)
    else:
        away.password_hash = ""
        db.session.commit()
    arrive_in()
    assert told("customer_reply") == ["alice@acme.example", "bob@acme.example"]


def test_an_agent_hears_at_most_so_often_of_one_ticket(arrive_in: Callable[..., None]) -> None:
    for number in range(notices.AGENT_PER_TICKET + 2):
        arrive_in(text=f"Answer {number}")
    assert told("customer_reply") == ["alice@acme.example"] * notices.AGENT_PER_TICKET
    later(1.1)
    arrive_in(text="An hour later")
    assert len(told("customer_reply")) == notices.AGENT_PER_TICKET + 1


def test_an_agent_hears_at_most_so_often_of_all(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "AGENT_PER_HOUR", 3)
    for number in range(5):
        arrive(channel, mail(f"c{number}@customer.example"))
    assert len(told("new_ticket")) == 3
    assert len(told("confirmation")) == 5


# --- requesters


def test_confirmations_end_by_the_hour_and_by_the_day(channel: Channel) -> None:
    """To one address, whatever its case and however many tickets; what is withheld is written down."""
    confirmed = []
    for hours in (0, 2, 2, 2, 17):
        later(hours)
        for number in range(3):
            arrive(channel, mail("CAROL@customer.example" if number else "carol@customer.example"))
        confirmed.append(len(told("confirmation")))
    assert confirmed[0] == notices.PER_HOUR
    assert confirmed[1] == 2 * notices.PER_HOUR
    assert confirmed[2] == confirmed[3] == confirmed[4] == notices.PER_DAY
    withheld = db.session.query(TicketEvent).filter_by(kind="confirmation_withheld").count()
    assert withheld == 15 - notices.PER_DAY
    later(25)
    arrive(channel, mail())
    assert len(told("confirmation")) == notices.PER_DAY + 1


def test_one_flooded_address_takes_nothing_from_another(channel: Channel) -> None:
    for _ in range(4):
        arrive(channel, mail())
    arrive(channel, mail("dave@customer.example"))
    assert told("confirmation").count("dave@customer.example") == 1


def test_answers_of_agents_never_count(channel: Channel, carols: Ticket, alice: Agent) -> None:
    for _ in range(notices.PER_DAY + 1):
        replies.send_reply(carols, alice, replies.Written(text="x"))
    arrive(channel, mail())
    assert told("confirmation") == ["carol@customer.example"]


@pytest.mark.parametrize(
    "letter",
    [
        {"auto_submitted": "auto-generated"},
        {"precedence": "bulk"},
        {"list_id": "<news.x.example>"},
        {"sender": "noreply@shop.example"},
        {"sender": "nobody"},
        {"sender": "support-acme+1001-abcdefghijklmnopqrstuvwxyz@poststelle.example"},
        {"reply_to": "Support-Acme@Poststelle.EXAMPLE"},
    ],
    ids=lambda letter: "-".join(letter),
)
def test_who_is_never_confirmed(channel: Channel, letter: dict[str, str]) -> None:
    arrive(channel, mail(**letter))
    assert told("confirmation") == []


def test_a_confirmation_answers_where_the_writer_wants_it(channel: Channel) -> None:
    arrive(channel, mail(reply_to="office@customer.example"))
    assert told("confirmation") == ["office@customer.example"]


# --- words


def test_each_reads_it_in_the_own_language(
    channel: Channel, alice: Agent, bob: Agent, office: Office
) -> None:
    alice.locale, bob.locale = "en", "de"
    db.session.commit()
    arrive(channel, mail(text=GERMAN))
    arrive(channel, mail("dave@customer.example", text="Hello, I have a question, please help me."))
    assert {
        (purpose, address): detect(composed(office, purpose, address))
        for purpose, address in (
            ("confirmation", "carol@customer.example"),
            ("confirmation", "dave@customer.example"),
        )
    } == {
        ("confirmation", "carol@customer.example"): "de",
        ("confirmation", "dave@customer.example"): "en",
    }
    for_alice = composed(office, "new_ticket", "alice@acme.example").replace(GERMAN, "")
    for_bob = composed(office, "new_ticket", "bob@acme.example").replace(GERMAN, "")
    assert for_alice != for_bob


def test_a_notice_tells_agents_what_was_written_and_where(
    arrive_in: Callable[..., None], carols: Ticket, office: Office
) -> None:
    arrive_in(text="It still does not work.")
    text = composed(office, "customer_reply", "alice@acme.example")
    assert "It still does not work." in text
    assert f"/tickets/{carols.number}" in text


def test_an_invitation_is_on_its_way_with_its_link(app: object) -> None:
    agent, token = links.invite_agent("Ivy", "ivy@acme.example", Role.AGENT)
    (row,) = db.session.query(OutboundMail)
    assert (row.purpose, told(), row.agent_id) == ("invitation", ["ivy@acme.example"], agent.id)
    assert token not in row.subject + row.words


# --- switches


@pytest.mark.parametrize("off", ["confirmation", "new_ticket", "customer_reply"])
def test_each_can_be_switched_off_alone_and_on_again(channel: Channel, off: str) -> None:
    notices.switch(off, False)
    ticket = ticket_of(arrive(channel, mail()))
    arrive(channel, mail(subject=f"[#{ticket.number}]"))
    purposes = ["confirmation", "new_ticket", "customer_reply"]
    assert [purpose for purpose in purposes if told(purpose)] == [name for name in purposes if name != off]
    notices.switch(off, True)
    assert all(notices.enabled(name) for name in purposes)


def test_an_unknown_notice_cannot_be_switched(app: object) -> None:
    with pytest.raises(KeyError):
        notices.switch("invented", False)


def test_the_robots_of_two_agents_do_not_keep_each_other_awake(channel: Channel, bob: Agent) -> None:
    """Bob is away, and his robot answers every notice with a mail that says nothing of itself."""
    for number in range(notices.COLLEAGUES_PER_DAY + 3):
        arrive(channel, mail("Bob <bob@acme.example>", subject=f"Thanks {number}", text=f"Later. {number}"))
    assert told("new_ticket") == ["alice@acme.example"] * notices.COLLEAGUES_PER_DAY
