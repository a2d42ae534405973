"""Who hears of what: exactly the right people, in their language, and never without end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, time, timedelta
from email import message_from_bytes
from email.policy import default
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import delete, event, select, update

from desk.agents import accounts
from desk.channels import channels
from desk.channels.channel_values import ChannelValues
from desk.notices import notice_mails, password_links
from desk.office import Office
from desk.sending import brake, delivery_results, mail_rendering, replies, undo_and_resend
from desk.telling import preferences, who_hears
from desk.texts import notice_texts
from desk.tickets import tickets
from mail.reading.language import detect
from models import (
    Agent,
    Bell,
    Channel,
    Message,
    NoticeItem,
    OutboundMail,
    OutboundRecipient,
    Role,
    Status,
    Ticket,
    TicketEvent,
    db,
    now,
)
from tests.support.mails import arrive, mail, ticket_of

GERMAN = "Guten Tag, ich habe eine Frage und bitte um Hilfe."


@pytest.fixture
def carols(channel: Channel) -> Ticket:
    """A ticket of which nobody was told."""
    return ticket_of(arrive(channel, mail(), predates_channel=True))


@pytest.fixture
def arrive_in(channel: Channel, carols: Ticket) -> Callable[..., None]:
    def write(**given: str) -> None:
        arrive(channel, mail(subject=f"Re: [#{carols.number}]", **given))

    return write


def told(purpose: str = "") -> list[str]:
    """The addresses that a notice went to, or will: each event once, however few mails they become."""
    agents = {agent.id: agent.email for agent in accounts.agents()}
    items = select(NoticeItem).where(NoticeItem.agent_id.is_not(None), NoticeItem.due_at.is_not(None))
    items = items.order_by(NoticeItem.id)
    waiting = [(item.notice, agents[item.agent_id]) for item in db.session.scalars(items)]
    mails = select(OutboundMail).order_by(OutboundMail.id)
    mailed = [
        (row.purpose, recipient.address)
        for row in db.session.scalars(mails)
        if row.purpose not in {notice for notice, _ in waiting} | {"several"}
        for recipient in row.recipients
    ]
    return [address for name, address in waiting + mailed if name == purpose or not purpose]


def ringing(notice: str = "") -> list[str]:
    """The addresses of the agents who see a notice at the bell, once for each event."""
    agents = {agent.id: agent.email for agent in accounts.agents()}
    query = select(NoticeItem).where(NoticeItem.bell != Bell.OFF).order_by(NoticeItem.id)
    return [agents[item.agent_id or 0] for item in db.session.scalars(query) if notice in ("", item.notice)]


def mails_to(address: str) -> int:
    """How many mails an agent gets of what waits."""
    notice_mails.gather(at_once=True)
    rows = db.session.scalars(select(OutboundRecipient).where(OutboundRecipient.address == address))
    return len(list(rows))


def composed(office: Office, purpose: str, address: str) -> str:
    """Subject and plain text of a notice, as it is composed when it is sent."""
    notice_mails.gather(at_once=True)
    row = next(
        row
        for row in db.session.query(OutboundMail).filter_by(purpose=purpose)
        if row.recipients[0].address == address
    )
    message = message_from_bytes(mail_rendering.compose_queued(row), policy=default)
    body = message.get_body(("plain",))  # type: ignore[attr-defined]
    return f"{message['Subject']}\n{body.get_content()}"


def later(hours: float) -> None:
    """As if all that was queued had been queued so long ago."""
    for table in (OutboundMail, OutboundRecipient, NoticeItem):
        db.session.execute(update(table).values(created_at=now() - timedelta(hours=hours)))
    db.session.commit()


# --- agents


def test_only_agents_who_can_work_are_told(channel: Channel, bob: Agent, alice: Agent) -> None:
    password_links.invite_agent("Ivy", "ivy@acme.example", Role.AGENT)
    gone = accounts.create_agent("Gus", "gus@acme.example", Role.AGENT, "a long password")
    accounts.deactivate(gone, alice)
    arrive(channel, mail())
    assert told("new_ticket") == ringing() == ["alice@acme.example", "bob@acme.example"]


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
    assert told("customer_reply") == ringing("customer_reply") == ["alice@acme.example", "bob@acme.example"]


def test_an_agent_hears_at_most_so_often_of_one_ticket(arrive_in: Callable[..., None]) -> None:
    for number in range(who_hears.AGENT_PER_TICKET + 2):
        arrive_in(text=f"Answer {number}")
        notice_mails.gather(at_once=True)
    assert told("customer_reply") == ["alice@acme.example"] * who_hears.AGENT_PER_TICKET
    later(1.1)
    arrive_in(text="An hour later")
    assert len(told("customer_reply")) == who_hears.AGENT_PER_TICKET + 1


def test_two_hundred_events_in_a_minute_are_one_mail_for_each(
    channel: Channel, alice: Agent, bob: Agent, office: Office
) -> None:
    for number in range(200):
        arrive(channel, mail(f"c@customer-{number}.example"))
    assert (len(told("new_ticket")), len(told("confirmation")), len(ringing())) == (400, 200, 400)
    assert (mails_to(alice.email), mails_to(bob.email)) == (1, 1)
    text = composed(office, "several", "alice@acme.example")
    assert text.startswith("200 ") and "150" in text and text.count("/tickets/") == mail_rendering.LISTED


def test_two_processes_that_gather_at_once_make_one_mail(
    app: Flask, channel: Channel, alice: Agent, bob: Agent
) -> None:
    for number in range(5):
        arrive(channel, mail(f"c{number}@customer.example"))
    db.session.rollback()

    def gather(_: int) -> int:
        with app.app_context():
            return notice_mails.gather(at_once=True)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(gather, range(4))) == 2
    db.session.expire_all()
    assert (mails_to("alice@acme.example"), mails_to("bob@acme.example")) == (1, 1)
    assert db.session.query(NoticeItem).filter(NoticeItem.mail_id.is_(None)).count() == 0


def test_events_are_forgotten_when_their_mail_was_written_long_ago(
    channel: Channel, bob: Agent, office: Office
) -> None:
    arrive(channel, mail())
    later(31 * 24)
    assert notice_mails.forget_old() == 0, "nobody was told yet"
    notice_mails.gather(at_once=True)
    assert notice_mails.forget_old() == 0, "the mail is not written yet"
    (mail_to_bob,) = [one for one in db.session.query(OutboundMail) if one.agent_id == bob.id]
    mail_to_bob.sha256 = office.blobs.put(mail_rendering.compose_queued(mail_to_bob))
    db.session.commit()
    assert notice_mails.forget_old() == 1


def test_nothing_is_mailed_before_the_window_is_over(channel: Channel) -> None:
    arrive(channel, mail())
    assert notice_mails.gather() == 0
    db.session.execute(update(NoticeItem).values(due_at=now()))
    db.session.commit()
    assert (notice_mails.gather(), notice_mails.gather()) == (1, 0)


def test_what_is_too_much_for_an_hour_waits_and_comes_together(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice_mails, "AGENT_PER_HOUR", 3)
    for number in range(5):
        arrive(channel, mail(f"c{number}@customer.example"))
        notice_mails.gather(at_once=True)
    assert mails_to("alice@acme.example") == 3
    later(1.1)
    assert mails_to("alice@acme.example") == 4
    assert len(told("new_ticket")) == 5


# --- what colleagues do


def test_who_gets_a_ticket_hears_of_it(carols: Ticket, alice: Agent, bob: Agent, office: Office) -> None:
    tickets.assign(carols, bob, alice)
    assert told() == ringing() == ["bob@acme.example"]
    assert "Alice" in composed(office, "assigned", "bob@acme.example")


def test_who_takes_a_ticket_is_not_told(carols: Ticket, alice: Agent, bob: Agent) -> None:
    tickets.assign(carols, alice, alice)
    tickets.assign(carols, None, alice)
    assert told() == ringing() == []


def test_a_ticket_that_went_on_meanwhile_is_no_news(carols: Ticket, alice: Agent, bob: Agent) -> None:
    tickets.assign(carols, bob, alice)
    tickets.assign(carols, None, alice)
    assert mails_to(bob.email) == 0


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("@Bob please look", ["bob@acme.example"]),
        ("please look,@BOB", ["bob@acme.example"]),
        ("(@bob)", ["bob@acme.example"]),
        ("Ask @Bob, @Alice and @Bob.", ["bob@acme.example"]),
        ("@Bobby", []),
        ("x@bob.example", []),
        ("mail to bob@acme.example", []),
        ("@bob@acme.example", []),
        ("@Alice", []),
        ("@Gus", []),
        ("Bob", []),
    ],
)
def test_a_private_note_tells_whom_it_names(
    carols: Ticket, alice: Agent, bob: Agent, text: str, names: list[str]
) -> None:
    """Alice writes it, so she is not told; Gus cannot sign in."""
    accounts.deactivate(
        accounts.create_agent("Gus", "gus@acme.example", Role.AGENT, "a long password"), alice
    )
    replies.add_note(carols, alice, replies.Written(text=text))
    assert told("mentioned") == told() == ringing() == names


def test_a_first_name_of_two_names_nobody(carols: Ticket, alice: Agent) -> None:
    accounts.create_agent("Jo Kern", "jk@acme.example", Role.AGENT, "a long password")
    accounts.create_agent("Jo Huber", "jh@acme.example", Role.AGENT, "a long password")
    replies.add_note(carols, alice, replies.Written(text="@Jo"))
    replies.add_note(carols, alice, replies.Written(text="@jo huber"))
    assert told("mentioned") == ["jh@acme.example"]


@pytest.mark.parametrize("author", ["works", "left"])
def test_an_undeliverable_answer_is_told_to_its_author(
    carols: Ticket, alice: Agent, bob: Agent, office: Office, author: str
) -> None:
    sent = replies.send_reply(carols, bob, replies.Written(text="x"))
    carols.assignee_id = alice.id
    if author == "left":
        accounts.deactivate(bob, alice)
    sent.mail.recipients[0].reply = "550 5.1.1 User unknown"
    delivery_results.back_to_author(sent.mail, sent.mail.recipients)
    db.session.commit()
    hears = "bob@acme.example" if author == "works" else "alice@acme.example"
    assert told("delivery_failed") == ringing("delivery_failed") == [hears]
    text = composed(office, "delivery_failed", hears)
    assert "carol@customer.example" in text and "User unknown" in text


# --- what agents choose

ALL = ["new_ticket", "customer_reply", "assigned", "mentioned", "delivery_failed"]


@pytest.mark.parametrize(
    ("choice", "hears"),
    [
        ("all", ALL),
        ("mine", ["customer_reply", "assigned", "mentioned", "delivery_failed"]),
        ("mentions", ["mentioned", "delivery_failed"]),
        ("none", []),
    ],
)
def test_an_agent_hears_of_what_he_chose(
    channel: Channel, alice: Agent, bob: Agent, choice: str, hears: list[str]
) -> None:
    """By mail and in the browser, each by a choice of its own."""
    for by_mail, at_bell in ((choice, "none"), ("none", choice)):
        preferences.choose(bob, by_mail, at_bell, "", (), "", "")
        ticket = ticket_of(arrive(channel, mail()))
        tickets.assign(ticket, bob, alice)
        arrive(channel, mail(subject=f"[#{ticket.number}]"))
        replies.add_note(ticket, alice, replies.Written(text="@Bob"))
        sent = replies.send_reply(ticket, bob, replies.Written(text="x"))
        delivery_results.back_to_author(sent.mail, sent.mail.recipients)
        db.session.commit()
        mailed, rung = (
            [name for name in ALL if "bob@acme.example" in heard(name)] for heard in (told, ringing)
        )
        assert (mailed, rung) == ((hears, []) if by_mail == choice else ([], hears)), by_mail
        db.session.execute(delete(NoticeItem))
        db.session.commit()


def test_an_answer_goes_to_the_assignee_alone(
    arrive_in: Callable[..., None], carols: Ticket, alice: Agent, bob: Agent
) -> None:
    tickets.assign(carols, bob, alice)
    arrive_in()
    assert told("customer_reply") == ringing("customer_reply") == ["bob@acme.example"]


def test_what_stands_at_the_bell_is_not_read_when_mail_is_looked_for(channel: Channel, alice: Agent) -> None:
    """The partial index of what waits answers on SQLite; PostgreSQL takes none for a table so small."""
    arrive(channel, mail())
    asked: list[tuple[str, object]] = []

    def note(_connection: object, _cursor: object, text: str, values: object, *_: object) -> None:
        if "FROM notice_item" in text:
            asked.append((text, values))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        assert notice_mails.gather() == 0
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    assert len(asked) == 2
    if db.engine.dialect.name == "sqlite":
        for text, values in asked:
            plan = db.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values).all()
            assert "ix_notice_item_waits" in str(plan)


def test_mine_are_no_answers_in_the_tickets_of_nobody(
    arrive_in: Callable[..., None], alice: Agent, bob: Agent
) -> None:
    preferences.choose(bob, "mine", "mine", "", (), "", "")
    arrive_in()
    assert told() == ringing() == ["alice@acme.example"]


def test_what_comes_outside_of_the_hours_waits_for_them(channel: Channel, alice: Agent) -> None:
    """Alice works on the day after tomorrow only; what is told to her waits until then."""
    at = now().astimezone(ZoneInfo("Europe/Vienna")) + timedelta(days=2)
    preferences.choose(alice, "all", "all", "", str(at.isoweekday()), "08:00", "17:00")
    arrive(channel, mail())
    (item,) = db.session.query(NoticeItem)
    assert item.due_at == datetime.combine(at.date(), time(8), ZoneInfo("Europe/Vienna"))


def test_a_digest_is_one_mail_of_all_that_happened(channel: Channel, alice: Agent, office: Office) -> None:
    preferences.choose(alice, "all", "all", "daily", (), "", "")
    for number in range(3):
        arrive(channel, mail(f"c{number}@customer.example"))
    assert (notice_mails.gather(), len(ringing())) == (0, 3), "the bell waits for no morning"
    db.session.execute(update(NoticeItem).values(due_at=now()))
    db.session.commit()
    assert (notice_mails.gather(), mails_to(alice.email)) == (1, 1)


# --- requesters


def test_confirmations_end_by_the_hour_and_by_the_day(channel: Channel) -> None:
    """To one address, whatever its case and however many tickets; what is withheld is written down."""
    confirmed = []
    for hours in (0, 2, 2, 2, 17):
        later(hours)
        for number in range(3):
            arrive(channel, mail("CAROL@customer.example" if number else "carol@customer.example"))
        confirmed.append(len(told("confirmation")))
    assert confirmed[0] == brake.TO_ADDRESS.hour
    assert confirmed[1] == 2 * brake.TO_ADDRESS.hour
    assert confirmed[2] == confirmed[3] == confirmed[4] == brake.TO_ADDRESS.day
    withheld = db.session.query(TicketEvent).filter_by(kind="confirmation_withheld").count()
    assert withheld == 15 - brake.TO_ADDRESS.day
    later(25)
    arrive(channel, mail())
    assert len(told("confirmation")) == brake.TO_ADDRESS.day + 1


def test_one_flooded_address_takes_nothing_from_another(channel: Channel) -> None:
    for _ in range(4):
        arrive(channel, mail())
    arrive(channel, mail("dave@customer.example"))
    assert told("confirmation").count("dave@customer.example") == 1


def test_answers_of_agents_never_count(channel: Channel, carols: Ticket, alice: Agent) -> None:
    for _ in range(brake.TO_ADDRESS.day + 1):
        replies.send_reply(carols, alice, replies.Written(text="x"))
    arrive(channel, mail())
    assert told("confirmation") == ["carol@customer.example"]


@pytest.mark.parametrize(
    "given",
    [
        {"auto_submitted": "auto-generated"},
        {"precedence": "bulk"},
        {"list_id": "<news.x.example>"},
        {"sender": "noreply@shop.example"},
        {"sender": "nobody"},
        {"sender": "support-acme+1001-abcdefghijklmnopqrstuvwxyz@poststelle.example"},
        {"reply_to": "Support-Acme@Poststelle.EXAMPLE"},
    ],
    ids=lambda given: "-".join(given),
)
def test_who_is_never_confirmed(channel: Channel, given: dict[str, str]) -> None:
    arrive(channel, mail(**given))
    assert told("confirmation") == []


def test_a_confirmation_answers_where_the_writer_wants_it(channel: Channel) -> None:
    arrive(channel, mail(reply_to="office@customer.example"))
    assert told("confirmation") == ["office@customer.example"]


def resolve_and_wait(ticket: Ticket, by: Agent, *statuses: Status) -> list[str]:
    for status in statuses:
        tickets.set_status(ticket, status, by)
    notice_mails.gather(at_once=True)
    return told("resolved")


@pytest.mark.parametrize(
    ("statuses", "often"),
    [
        ((Status.RESOLVED,), 1),
        ((Status.CLOSED,), 1),
        ((Status.RESOLVED, Status.CLOSED), 1),
        ((Status.RESOLVED, Status.OPEN), 0),
        ((Status.WAITING,), 0),
    ],
)
def test_the_requester_hears_once_that_a_ticket_is_resolved(
    carols: Ticket, alice: Agent, statuses: tuple[Status, ...], often: int
) -> None:
    who_hears.switch("resolved", True)
    assert resolve_and_wait(carols, alice, *statuses) == ["carol@customer.example"] * often


def test_resolving_is_not_told_unless_somebody_wants_it(carols: Ticket, alice: Agent) -> None:
    assert resolve_and_wait(carols, alice, Status.RESOLVED) == []


def test_closing_after_a_week_is_not_told_again(carols: Ticket, alice: Agent) -> None:
    who_hears.switch("resolved", True)
    resolve_and_wait(carols, alice, Status.RESOLVED)
    carols.resolved_at = now() - timedelta(days=30)
    db.session.commit()
    assert tickets.close_resolved() == 1
    notice_mails.gather(at_once=True)
    assert told("resolved") == ["carol@customer.example"]


def test_answer_and_resolve_that_is_undone_tells_nobody(carols: Ticket, alice: Agent) -> None:
    who_hears.switch("resolved", True)
    sent = replies.send_reply(carols, alice, replies.Written(text="x"), Status.RESOLVED)
    assert undo_and_resend.undo(sent.message, alice)
    notice_mails.gather(at_once=True)
    assert told("resolved") == []


def test_a_requester_who_resolves_his_own_ticket_is_not_told(
    channel: Channel, alice: Agent, bob: Agent
) -> None:
    who_hears.switch("resolved", True)
    ticket = ticket_of(arrive(channel, mail("Bob <bob@acme.example>"), predates_channel=True))
    assert resolve_and_wait(ticket, bob, Status.RESOLVED) == []


# --- words


def test_each_reads_it_in_the_own_language(
    channel: Channel, alice: Agent, bob: Agent, office: Office
) -> None:
    alice.locale, bob.locale = "en", "de"
    db.session.commit()
    arrive(channel, mail(text=GERMAN))
    notice_mails.gather(at_once=True)
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
    agent, token = password_links.invite_agent("Ivy", "ivy@acme.example", Role.AGENT)
    (row,) = db.session.query(OutboundMail)
    assert (row.purpose, told(), row.agent_id) == ("invitation", ["ivy@acme.example"], agent.id)
    assert token not in row.subject + row.words


# --- switches


@pytest.mark.parametrize("off", ["confirmation", "new_ticket", "customer_reply"])
def test_each_can_be_switched_off_alone_and_on_again(channel: Channel, off: str) -> None:
    who_hears.switch(off, False)
    ticket = ticket_of(arrive(channel, mail()))
    arrive(channel, mail(subject=f"[#{ticket.number}]"))
    purposes = ["confirmation", "new_ticket", "customer_reply"]
    assert [purpose for purpose in purposes if told(purpose)] == [name for name in purposes if name != off]
    assert set(ringing("new_ticket")) == {"alice@acme.example"}, "the switches are about mails"
    who_hears.switch(off, True)
    assert all(who_hears.enabled(name) for name in purposes)


@pytest.mark.parametrize("off", ["resolved", "assigned", "mentioned", "delivery_failed"])
def test_what_colleagues_do_can_be_switched_off_alone(
    carols: Ticket, alice: Agent, bob: Agent, off: str
) -> None:
    names = ["resolved", "assigned", "mentioned", "delivery_failed"]
    for name in names:
        who_hears.switch(name, name != off)
    tickets.assign(carols, bob, alice)
    replies.add_note(carols, alice, replies.Written(text="@Bob"))
    sent = replies.send_reply(carols, bob, replies.Written(text="x"))
    delivery_results.back_to_author(sent.mail, sent.mail.recipients)
    resolve_and_wait(carols, alice, Status.RESOLVED)
    assert [name for name in names if told(name)] == [name for name in names if name != off]
    assert [name for name in names if ringing(name) == [bob.email]] == names[1:], (
        "the switches are about mails"
    )


@pytest.mark.parametrize("silent", ["confirmation", "new_ticket", "customer_reply", "resolved"])
def test_a_notice_can_leave_out_a_channel(channel: Channel, alice: Agent, silent: str) -> None:
    sales = channels.create(ChannelValues(key="Sales", address="sales-acme@poststelle.example"))
    who_hears.switch("resolved", True)
    who_hears.switch_channels(silent, [sales.id])
    for where, sender, often in ((sales, "dave@x.example", 0), (channel, "carol@x.example", 1)):
        ticket = ticket_of(arrive(where, mail(sender, to=where.address)))
        arrive(where, mail(sender, subject=f"[#{ticket.number}]", to=where.address))
        resolve_and_wait(ticket, alice, Status.RESOLVED)
        assert len(told(silent)) == often
    assert len(ringing("new_ticket")) == len(ringing("customer_reply")) == 2


def test_an_unknown_notice_cannot_be_switched(app: object) -> None:
    with pytest.raises(KeyError):
        who_hears.switch("invented", False)


def test_the_robots_of_two_agents_do_not_keep_each_other_awake(channel: Channel, bob: Agent) -> None:
    """Bob is away, and his robot answers every notice with a mail that says nothing of itself."""
    for number in range(who_hears.COLLEAGUES_PER_DAY + 3):
        arrive(channel, mail("Bob <bob@acme.example>", subject=f"Thanks {number}", text=f"Later. {number}"))
    assert told("new_ticket") == ["alice@acme.example"] * who_hears.COLLEAGUES_PER_DAY
    assert set(ringing()) == {"alice@acme.example"}, "nobody is told of his own mail"
    assert len(ringing()) == who_hears.COLLEAGUES_PER_DAY + 3, "the bell wakes no robot"


@pytest.mark.parametrize(("proof", "shown"), [("confirmed", True), ("unconfirmed", False)])
def test_words_of_ours_carry_nothing_of_a_sender_who_may_be_forged(
    channel: Channel, office: Office, proof: str, shown: bool
) -> None:
    notice_texts.save("confirmation", "en", "Thanks: {{ticket.subject}}", "Dear {{requester.name}}")
    ticket = ticket_of(
        arrive(channel, mail(subject="Buy now", text="Hello, I have a question, please help me."))
    )
    db.session.execute(update(Message).values(sender_state=proof))
    db.session.commit()
    text = composed(office, "confirmation", "carol@customer.example")
    assert ("Buy now" in text, "Carol" in text) == (shown, shown)
    assert f"[#{ticket.number}]" in text and (shown or text.startswith(f"Thanks [#{ticket.number}]"))


def test_an_answer_leaves_in_our_words_with_its_history(carols: Ticket, alice: Agent, office: Office) -> None:
    notice_texts.save(
        "ticket_reply", carols.locale, "", "Moin!\n\n{{reply.body}}\n\n{{agent.name}}\n\n{{quoted_history}}"
    )
    sent = replies.send_reply(carols, alice, replies.Written(html="<p>It is <b>done</b>. {{agent.name}}</p>"))
    message = message_from_bytes(office.blobs.get(sent.mail.sha256), policy=default)
    text = message.get_body(("plain",)).get_content().replace("\r", "")  # type: ignore[attr-defined]
    html = message.get_body(("html",)).get_content()  # type: ignore[attr-defined]
    assert text.startswith("Moin!\n\nIt is done. {{agent.name}}\n\nAlice") and "\n> Hello, please" in text
    assert "<b>done</b>" in html and 'class="gmail_quote"' in html and "<p>Moin!</p>" in html
