"""The brakes count by mailbox, by organisation and in total, and each kind of mail has a budget of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event, update

from desk.office import Office
from desk.sending import brake
from desk.sending.brake import BUDGETS, TO_ADDRESS, TO_DOMAIN, Lane
from desk.texts.notice_table import NOTICES
from models import Channel, OutboundMail, OutboundRecipient, RecipientState, TicketEvent, db, now
from tests.support.mails import arrive, mail

Sent = Callable[..., None]


@pytest.fixture
def sent(channel: Channel) -> Sent:
    def put(*addresses: str, hours: float = 0, automatic: bool = True, state: str = "accepted") -> None:
        for number, address in enumerate(addresses):
            row = OutboundMail(
                purpose="confirmation",
                message_id=f"<{number}-{now().timestamp()}@x.example>",
                envelope_from="",
                send_after=now(),
            )
            row.recipients = [
                OutboundRecipient(
                    address=address,
                    address_key=address.lower(),
                    automatic=automatic,
                    state=RecipientState(state),
                    created_at=now() - timedelta(hours=hours),
                )
            ]
            db.session.add(row)
        db.session.commit()

    return put


@pytest.mark.parametrize(
    ("before", "address", "held"),
    [
        (["a@x.example"], "a@x.example", ""),
        (["a@x.example"] * 2, "a@x.example", "withheld"),
        (["a+1@x.example", "a+2@x.example"], "a@x.example", "withheld"),
        (["a@x.example", "a+2@x.example"], "a+3@x.example", "withheld"),
        (["A+1@x.example", "a@x.example"], "a@X.example", "withheld"),
        (["ab@x.example"] * 2, "a@x.example", ""),
        (["a+1@y.example"] * 2, "a@x.example", ""),
        (["a_b@x.example"] * 2, "axb@x.example", ""),
        (["axb+1@x.example"] * 2, "a_b@x.example", ""),
        (["a%@x.example"] * 2, "a%@x.example", "withheld"),
    ],
)
def test_one_mailbox_whatever_stands_behind_its_plus(
    sent: Sent, before: list[str], address: str, held: str
) -> None:
    sent(*before)
    assert brake.withholding(address) == held


@pytest.mark.parametrize(
    ("domain", "reader", "held"),
    [
        ("victim.example", "me@victim.example", "withheld_domain"),
        ("mail-{}.victim.example", "me@victim.example", "withheld_domain"),
        ("victim.example", "me@sub.victim.example", "withheld_domain"),
        ("victim.co.uk", "me@other.co.uk", ""),
        ("a.victim.co.uk", "me@b.victim.co.uk", "withheld_domain"),
        ("notvictim.example", "me@victim.example", ""),
        ("victim.example", "me@elsewhere.example", ""),
    ],
)
def test_one_organisation(sent: Sent, domain: str, reader: str, held: str) -> None:
    sent(*(f"u{number}@{domain.format(number)}" for number in range(TO_DOMAIN.hour)))
    assert brake.withholding(reader) == held


def test_all_together(sent: Sent, office: Office) -> None:
    office.settings = replace(office.settings, send_per_hour=40)
    sent(*(f"u@d{number}.example" for number in range(9)))
    assert brake.withholding("me@new.example") == ""
    assert brake.withholding("me@new.example", ["foreseen@d9.example"]) == "withheld_total"
    sent("u@d9.example")
    assert brake.withholding("me@new.example") == "withheld_total"
    office.settings = replace(office.settings, send_per_hour=0)
    assert brake.withholding("me@new.example") == ""


def test_what_does_not_count(sent: Sent) -> None:
    sent(*["a@x.example"] * 5, automatic=False)
    sent(*["a@x.example"] * 5, state="cancelled")
    sent(*["a@x.example"] * (TO_ADDRESS.day - 1), hours=2)
    assert brake.withholding("a@x.example") == ""
    sent("a@x.example", hours=2)
    assert brake.withholding("a@x.example") == "withheld", "the day is full"
    db.session.execute(update(OutboundRecipient).values(created_at=now() - timedelta(hours=25)))
    assert brake.withholding("a@x.example") == ""


def test_it_costs_one_statement_that_reads_automatic_mail_alone(channel: Channel) -> None:
    asked: list[tuple[str, object]] = []

    def note(conn: object, cursor: object, statement: str, values: object, *_: object) -> None:
        if "outbound_recipient" in statement and statement.startswith("SELECT"):
            asked.append((statement, values))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        arrive(channel, mail())
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    ((statement, values),) = asked
    if db.engine.dialect.name == "sqlite":
        plan = str(db.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all())
        assert "ix_outbound_recipient_automatic (created_at>?)" in plan and "COVERING" in plan


def test_a_ticket_says_which_brake_it_was(channel: Channel, office: Office) -> None:
    office.settings = replace(office.settings, send_per_hour=8)
    for number in range(3):
        arrive(channel, mail(f"c{number}@d{number}.example"))
    (withheld,) = db.session.query(TicketEvent).filter(TicketEvent.kind.startswith("confirmation_"))
    assert (withheld.kind, withheld.details) == ("confirmation_withheld_total", {"to": "c2@d2.example"})


# --- as mails leave


@pytest.mark.parametrize(
    ("purpose", "lane", "share"),
    [
        ("ticket_reply", Lane.PEOPLE, 1),
        ("invitation", Lane.PEOPLE, 1),
        ("password_link", Lane.PEOPLE, 1),
        ("forward_check", Lane.PEOPLE, 1),
        ("test_mail", Lane.PEOPLE, 1),
        ("channel_trouble", Lane.PEOPLE, None),
        ("new_ticket", Lane.AUTOMATIC, 0.5),
        ("several", Lane.AUTOMATIC, 0.5),
        ("confirmation", Lane.AUTOMATIC, 0.25),
        ("resolved", Lane.AUTOMATIC, 0.25),
    ],
)
def test_of_which_budget_a_mail_is(purpose: str, lane: Lane, share: float | None) -> None:
    found = brake.budget_of(purpose)
    assert (found.lane, found.share) == (lane, share)


def test_every_notice_has_one_budget(channel: Channel) -> None:
    """By the conditions for the database as by the table; both lanes together are all mails, none is in two."""
    purposes = [notice.name for notice in NOTICES] + ["several", "invitation", "forward_check"]
    for number, purpose in enumerate(purposes):
        db.session.add(
            OutboundMail(purpose=purpose, message_id=f"<{number}@x>", envelope_from="", send_after=now())
        )
    db.session.commit()

    def found(*conditions: object) -> list[str]:
        return sorted(one.purpose for one in db.session.query(OutboundMail).filter(*conditions))

    by_budget = [found(brake.within(budget)) for budget in BUDGETS]
    assert sorted(purpose for some in by_budget for purpose in some) == sorted(purposes)
    for budget, some in zip(BUDGETS, by_budget, strict=True):
        assert some == sorted(purpose for purpose in purposes if brake.budget_of(purpose) == budget)
    assert sorted(found(brake.in_lane(Lane.PEOPLE)) + found(brake.in_lane(Lane.AUTOMATIC))) == sorted(
        purposes
    )
