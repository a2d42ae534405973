"""`kill -9` at any moment: no mail is lost, none comes twice, and every mail leaves the server in the end.

`make crash` runs the long form: ten kills in a fetch of 200 mails. POSTSTELLE_SEED repeats its moments.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import create_engine, select, text

from app import create_app
from config import Settings
from desk import channels, fetching, intake, outbox, replies
from desk.channel_values import ChannelValues
from models import Agent, InboundMail, Message, OutboundMail, Ticket, db
from tests.servers.ca import Authority
from tests.servers.carol import Got
from tests.servers.dovecot import Dovecot, Mailbox
from tests.servers.serving import Serving, until
from tests.servers.smtp_sink import SmtpSink

LONG = os.environ.get("POSTSTELLE_LONG") == "1"
SEED = int(os.environ.get("POSTSTELLE_SEED") or random.randrange(1_000_000))
# How many mails lie in the mailbox, and how often the process is killed while it fetches them.
SIZES = {"imap": (200, 10), "pop3": (200, 10)} if LONG else {"imap": (60, 3), "pop3": (40, 2)}

pytestmark = [pytest.mark.dovecot, pytest.mark.timeout(600 if LONG else 120)]

# Where a fetch may die.
FETCHING = ("stored", "received", "before_commit", "filed", "before_removal", "after_removal")
# Where sending may die, and how often a mail may reach the customer then.
SENDING = {"claimed": 1, "before_handover": 1, "after_handover": 2}


def mail(number: int) -> bytes:
    """Each from a customer of its own, since very many mails of one sender would be held."""
    return (
        f"From: Customer {number} <customer{number}@customer.example>\r\nTo: help@acme.test\r\n"
        f"Subject: Request {number}\r\nMessage-ID: <{number}@customer.example>\r\n\r\nHello {number}\r\n"
    ).encode()


# --- serve, killed in the middle of a fetch


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_serve_is_killed_again_and_again_in_the_middle_of_a_fetch(
    protocol: str, make_serving: Callable[..., Serving], smtp_sink: SmtpSink, ca: Authority, dovecot: Dovecot
) -> None:
    mails, kills = SIZES[protocol]
    wanted = {f"<{number}@customer.example>" for number in range(mails)}
    mailbox = dovecot.add_user()
    serving = make_serving(**ca.environment)
    serving.create_account()
    connect(serving, protocol, mailbox, smtp_sink)
    serving.start()
    until(lambda: serving.sql("SELECT 1 FROM channel WHERE first_fetch_at IS NOT NULL"))
    for number in range(mails):
        mailbox.deliver(mail(number))

    print(f"POSTSTELLE_SEED={SEED}")
    chance = random.Random(SEED)
    for kill in range(kills):
        moment = mails * kill // kills + chance.randrange(1, mails // kills)
        when_it_has_stored(serving, moment, serving.kill, later=chance.random() * 0.05)
        assert serving.exit_code == -signal.SIGKILL
        on_server = {Got(raw, "", ()).header("Message-ID") for raw in mailbox.messages()}
        assert wanted - on_server <= imported(serving).keys(), "what has left the server has its ticket"
        print(f"killed {kill + 1}: {len(imported(serving))} have a ticket, {len(on_server)} on the server")
        serving.start()
    removed = "SELECT id FROM inbound_mail WHERE server_copy = 'deleted'"
    until(lambda: not mailbox.messages() and len(serving.sql(removed)) == mails, patience=90)
    until(lambda: len({ids for _, ids in confirmations(smtp_sink)}) == mails, patience=90)
    assert serving.stop() == 0

    exported = [
        message["message_id"]
        for ticket in serving.tickets()
        for message in ticket["messages"]
        if message["kind"] == "inbound"
    ]
    assert Counter(exported) == Counter(wanted)
    (balance,) = serving.sql(
        "SELECT count(*) AS seen, sum(CASE WHEN state = 'filed' AND outcome = 'new_ticket' THEN 1 ELSE 0 END)"
        " AS tickets, count(DISTINCT source_id) AS mails FROM inbound_mail"
    )
    assert balance == {"seen": mails, "tickets": mails, "mails": mails}
    confirmed = Counter(confirmations(smtp_sink))
    assert len({address for address, _ in confirmed}) == len(confirmed) == mails, "one Message-ID for each"
    assert sum(confirmed.values()) <= mails + kills, "a crash sends at most one mail again"


def connect(serving: Serving, protocol: str, mailbox: Mailbox, sink: SmtpSink) -> None:
    port = mailbox.dovecot.imaps if protocol == "imap" else mailbox.dovecot.pop3s
    serving.flask(
        "channel", "create", "--id", "Help", "--address", "help@acme.test", "--provider", "own",
        "--protocol", protocol, "--server", "localhost", "--port", str(port), "--user", mailbox.user,
        "--password-stdin", "--smtp-server", "localhost", "--smtp-port", str(sink.port),
        "--smtp-encryption", "none", "--smtp-auth", "none", "--allow-plaintext", stdin=mailbox.password + "\n",
    )  # fmt: skip


def when_it_has_stored(serving: Serving, number: int, end: Callable[[], object], later: float = 0) -> None:
    """End the process as soon as so many mails are in the ledger, or some seconds later."""
    engine = create_engine(serving.database_url)
    deadline = time.monotonic() + 30
    with engine.connect() as connection:
        while connection.scalar(text("SELECT count(*) FROM inbound_mail")) < number:
            connection.rollback()
            assert time.monotonic() < deadline and serving.running, "".join(serving.output)
            time.sleep(0.002)
        connection.rollback()
        time.sleep(later)
        end()
    engine.dispose()


def imported(serving: Serving) -> Counter[str]:
    """Message-IDs of the mails that are in a ticket, and how often they are."""
    rows = serving.sql("SELECT message_id FROM message WHERE inbound_id IS NOT NULL")
    return Counter(row["message_id"] for row in rows)


def confirmations(sink: SmtpSink) -> list[tuple[str, str]]:
    """Recipient and Message-ID of what reached customers."""
    return [
        (sunk.recipients[0], Got(sunk.raw, "", ()).header("Message-ID"))
        for sunk in list(sink.mails)
        if sunk.recipients[0].endswith("@customer.example")
    ]


# --- one process, killed at each named point


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
@pytest.mark.parametrize("point", FETCHING)
def test_a_fetch_dies_at_a_named_point(
    point: str,
    protocol: str,
    app: Flask,
    settings: Settings,
    mailbox: Mailbox,
    smtp_sink: SmtpSink,
    trusted_ca: Authority,
) -> None:
    channel_id = own_channel(protocol, mailbox, smtp_sink)
    fetching.fetch_channel(channel_id)  # what comes after the first look is new
    sent = {f"Request {number}": mail(number) for number in range(3)}
    for raw in sent.values():
        mailbox.deliver(raw)

    dies(settings, point, lambda: fetching.fetch_channel(channel_id))
    there = {Got(raw, "", ()).header("Subject") for raw in mailbox.messages()}
    filed = set(db.session.scalars(select(Ticket.subject)))
    assert sent.keys() - there <= filed, "what has left the server has its ticket"
    if point != "after_removal" or protocol == "pop3":  # POP3 deletes with QUIT, and there was none
        assert there == sent.keys()
    db.session.rollback()

    fetching.fetch_channel(channel_id)
    intake.process_pending()
    fetching.finish_owed(channel_id)
    assert mailbox.messages() == []
    assert sorted(db.session.scalars(select(Ticket.subject))) == sorted(sent)
    assert len(list(db.session.scalars(select(Message.id)))) == len(sent)
    ledger = [(row.state, row.outcome, row.server_copy) for row in db.session.scalars(select(InboundMail))]
    assert ledger == [("filed", "new_ticket", "deleted")] * len(sent)


@pytest.mark.parametrize("point", SENDING)
def test_sending_dies_at_a_named_point(
    point: str,
    app: Flask,
    alice: Agent,
    settings: Settings,
    mailbox: Mailbox,
    smtp_sink: SmtpSink,
    trusted_ca: Authority,
) -> None:
    channel_id = own_channel("imap", mailbox, smtp_sink)
    for number in range(2):
        mailbox.deliver(mail(number))
    fetching.fetch_channel(channel_id)
    outbox.deliver_due()
    smtp_sink.clear()  # the confirmations
    wanted = set()
    for ticket in db.session.scalars(select(Ticket)).all():
        reply = replies.send_reply(ticket, alice, replies.Written(text="We look after it."))
        wanted.add((ticket.contact.address, f"<{reply.message.message_id.strip('<>')}>"))

    dies(settings, point, lambda: outbox.deliver_due(at_once=True))
    assert len(smtp_sink.mails) == SENDING[point] - 1, "nothing left before its hand-over"
    outbox.deliver_due(at_once=True)
    delivered = Counter(confirmations(smtp_sink))
    assert delivered.keys() == wanted, "sent again it has the same Message-ID"
    assert sorted(delivered.values()) == [1, SENDING[point]]
    assert len({sunk.raw for sunk in smtp_sink.mails}) == 2, "and the same bytes"
    assert set(db.session.scalars(select(OutboundMail.state))) == {"done"}


def own_channel(protocol: str, mailbox: Mailbox, sink: SmtpSink) -> int:
    dovecot = mailbox.dovecot
    return channels.create(
        ChannelValues(
            key="Help",
            address="help@acme.test",
            provider="own",
            protocol=protocol,
            server="localhost",
            port=dovecot.imaps if protocol == "imap" else dovecot.pop3s,
            user=mailbox.user,
            password=mailbox.password,
            allow_plaintext=True,
            smtp_server="localhost",
            smtp_port=sink.port,
            smtp_encryption="none",
            smtp_auth="none",
        )
    ).id


def dies(settings: Settings, point: str, work: Callable[[], object]) -> None:
    """Do the work in a process of its own, which kills itself at the point."""
    db.session.remove()
    db.engine.dispose()  # no connection is shared with the child
    child = os.fork()
    if child == 0:
        try:
            with create_app(replace(settings, fail_point=point)).app_context():
                work()
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, f"{point} was not reached"
