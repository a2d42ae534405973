"""People before robots: strangers by the thousand use up nothing that people write with. `make flood` is the long form.

An hour of simulated time with a real outgoing server; then the real clock with a server that takes its time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from config import Relay
from desk.channels import channels, health
from desk.notices import alerts, notice_mails
from desk.office import Office, the_account
from desk.sending import brake, mail_rendering, outbox, replies
from desk.sending.brake import Lane
from jobs.clock import Clock
from models import Agent, Channel, Incident, MailState, Message, OutboundMail, Ticket, db, now
from tests.servers.serving import until
from tests.servers.smtp_sink import HANG, SmtpSink
from tests.support.browsing import PageClient
from tests.support.mails import arrive, mail, ticket_of

LONG = bool(os.environ.get("POSTSTELLE_LONG"))
STRANGERS, PER_HOUR = (2000, 1000) if LONG else (200, 100)
STEP = 30 if LONG else 120  # seconds of the hour at once
TICK = 5  # while the answer waits: as often as the clock looks at the outbox
GRACE = timedelta(seconds=5)  # that an answer may take beyond the undo time


pytestmark = pytest.mark.timeout(1800 if LONG else 120)


@pytest.fixture
def relay(office: Office, smtp_sink: SmtpSink) -> SmtpSink:
    way_out = Relay("127.0.0.1", smtp_sink.port, "none")
    office.settings = replace(office.settings, relay=way_out, send_per_hour=PER_HOUR)
    return smtp_sink


@pytest.fixture
def carols(channel: Channel) -> Ticket:
    return ticket_of(arrive(channel, mail(message_id="<carol@customer.example>"), predates_channel=True))


@pytest.fixture
def hands() -> Iterator[time_machine.Coordinates]:
    with time_machine.travel(datetime.now(UTC), tick=False) as found:
        yield found


def send() -> None:
    """What the jobs of the clock do."""
    notice_mails.gather()
    for lane in Lane:
        for server in outbox.due_servers(lane):
            outbox.deliver(server, lane)


def to(sink: SmtpSink, address: str) -> list[str]:
    """The subjects of the mails that this address got."""
    mails = [one for one in sink.mails if one.recipients == (address,)]
    return [str(message_from_bytes(one.raw, policy=default)["Subject"]) for one in mails]


def strangers_got(sink: SmtpSink) -> int:
    return sum(one.recipients[0].startswith("stranger@") for one in sink.mails)


def test_a_flood_of_strangers_delays_no_answer_and_is_told(
    relay: SmtpSink, channel: Channel, carols: Ticket, alice: Agent, as_alice: PageClient,
    hands: time_machine.Coordinates,
) -> None:  # fmt: skip
    began, arrived, left_after = now(), 0, None
    written: replies.Sent | None = None
    while (passed := (now() - began).total_seconds()) < 3600:
        hands.shift(TICK if written is not None and left_after is None else STEP)
        while arrived < STRANGERS and arrived * 3600 < (passed + STEP) * STRANGERS:
            arrived += 1
            arrive(channel, mail(f"Stranger <stranger@flood-{arrived}.example>", f"Flood {arrived}"))
        if written is None and passed >= 1800:  # in the midst, when the budget is long spent
            written = replies.send_reply(carols, alice, replies.Written(text="Here is your answer."))
            began_writing = now()
        send()
        alerts.tell_due()
        if written is not None and left_after is None and to(relay, "carol@customer.example"):
            left_after = now() - began_writing

    undo = timedelta(seconds=the_account().undo_seconds)
    assert left_after is not None and undo <= left_after <= undo + GRACE
    assert arrived == STRANGERS == db.session.query(Ticket).count() - 1
    assert strangers_got(relay) == brake.most_in_total() == PER_HOUR // 4

    assert [subject for subject in to(relay, alice.email) if "brake" in subject] == [
        "The brake holds: Support"
    ]
    (told,) = [one for one in relay.mails if b"Subject: The brake holds" in one.raw]
    words = message_from_bytes(told.raw, policy=default).get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "withheld" in words and "flood-" in words and "Look at the newest tickets" in words
    for page in ("/system/outbox", "/system/channels", f"/system/channels/{channel.id}"):
        shown = as_alice.get(page).text
        assert "Unusually many automatic mails" in shown and "flood-" in shown, page

    if LONG:
        print(
            f"\n{STRANGERS} strangers in an hour: {strangers_got(relay)} confirmations left (budget "
            f"{brake.most_in_total()}), the answer {left_after.total_seconds():.0f} s after it was written "
            f"(undo time {undo.total_seconds():.0f} s), {len(relay.mails)} mails in all; told:\n{words}"
        )

    hands.shift(3700)
    alerts.tell_due()
    send()
    assert "The brake lets go: Support" in to(relay, alice.email)
    assert health.brakes() == []
    arrive(channel, mail("Dave <dave@elsewhere.example>"))
    send()
    assert len(to(relay, "dave@elsewhere.example")) == 1


def queue_confirmations(channel: Channel, count: int) -> None:
    """In the outbox already, past the brake that withholds them: from before it, or let through by hand."""
    first = ticket_of(arrive(channel, mail("Robot <robot@flood.example>"), predates_channel=True))
    about = db.session.scalars(select(Message).where(Message.ticket_id == first.id)).one()
    for number in range(count):
        outbox.queue(
            outbox.NewMail(
                purpose="confirmation",
                subject="x",
                recipients=[f"stranger@flood-{number}.example"],
                message_id=mail_rendering.new_message_id(first),
                envelope_from="",
                channel=channel,
                ticket=first,
                about=about,
                automatic=True,
            )
        )
    db.session.commit()


def test_an_answer_overtakes_thousands_that_wait(
    app: Flask, relay: SmtpSink, office: Office, channel: Channel, carols: Ticket, alice: Agent
) -> None:
    """The real clock; the server falls silent in the midst of a confirmation, and people's mail has its own way."""
    queue_confirmations(channel, STRANGERS)
    the_account().undo_seconds = 1
    db.session.commit()
    relay.fail_next("dot", HANG)  # whoever is first: a confirmation
    clock = Clock(app)
    clock.start()
    try:
        until(lambda: any(command.startswith("MAIL") for command in relay.commands))
        began = time.monotonic()
        replies.send_reply(carols, alice, replies.Written(text="Here is your answer."))
        db.session.rollback()
        until(lambda: bool(to(relay, "carol@customer.example")), 30)
        took = time.monotonic() - began
    finally:
        relay.hang_up()
        clock.stop()
    assert took <= 1 + GRACE.total_seconds()
    assert strangers_got(relay) <= PER_HOUR // 4
    if LONG:
        print(
            f"\n{STRANGERS} confirmations queued, the server silent: the answer left after {took:.1f} s (undo 1 s)"
        )


def test_the_budgets_are_apart(relay: SmtpSink, channel: Channel, carols: Ticket, alice: Agent) -> None:
    """Confirmations rest when theirs is spent; an answer and an alert leave; the brake on people's mail is told."""
    queue_confirmations(channel, PER_HOUR // 4 + 3)
    mine = replies.send_reply(carols, alice, replies.Written(text="Here is your answer.")).mail
    mine.send_after = now() - timedelta(seconds=1)
    db.session.commit()
    outbox.deliver_due()
    assert relay.mails[0].recipients == ("carol@customer.example",), "people first, over one connection too"
    assert strangers_got(relay) == PER_HOUR // 4
    waiting = db.session.scalars(select(OutboundMail).where(OutboundMail.state == MailState.QUEUED)).all()
    assert [one.reason for one in waiting] == ["brake_automatic"] * 3
    assert alerts.tell_due() == 1
    send()
    assert to(relay, alice.email) == ["The brake holds: Support"]
    (incident,) = db.session.scalars(select(Incident))
    assert (incident.channel_id, incident.code, incident.words) == (
        channels.default().id,
        "brake_automatic",
        "3",
    )
