"""`kill -9` at any moment: no mail is lost, none comes twice, and every mail leaves the server in the end.

`make crash` runs the long form: hundreds of kills. POSTSTELLE_SEED repeats its moments.
"""

from __future__ import annotations

import ast
import os
import random
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from app import create_app
from config import Settings
from desk.channels import channels
from desk.channels.channel_values import ChannelValues
from desk.failpoints import POINTS
from desk.mailroom import retention
from desk.office import Office
from desk.receiving import fetching, intake
from desk.sending import outbox, replies
from models import Agent, Channel, InboundMail, Message, OutboundMail, RawMail, Ticket, db, now
from tests.jobs.crash import Crash, Delivered, Fetched, Way, made_mail
from tests.jobs.sending import Sending, TimedSink
from tests.servers.ca import Authority
from tests.servers.carol import Got
from tests.servers.dovecot import Dovecot, Mailbox
from tests.servers.forked import Forked
from tests.servers.serving import ROOT, Serving, until
from tests.servers.smtp_sink import SmtpSink
from tests.support.mails import arrive

LONG = os.environ.get("POSTSTELLE_LONG") == "1"
SEED = int(os.environ.get("POSTSTELLE_SEED") or random.randrange(1_000_000))
POSTGRES = bool(os.environ.get("POSTSTELLE_TEST_DATABASE_URL"))
# How many mails come in, and how often the process is killed meanwhile.
SHORT_FORM = {"imap": (60, 4), "pop3": (40, 3), "smtp": (40, 3), "lmtp": (30, 2)}
LONG_FORM = {"imap": (2000, 200), "pop3": (250, 25), "smtp": (250, 25), "lmtp": (250, 25)}
LONG_FORM_ON_POSTGRES = {"imap": (250, 25)}
# The same for sending: how many replies wait, and how often the process is killed while they leave.
RELAYS = {"quick": 0.0, "slow": 0.1}  # seconds that the relay takes for each mail
SENT_THROUGH = {"quick": (600, 60), "slow": (240, 40)} if LONG else {"slow": (12, 3)}
SIZES = (LONG_FORM_ON_POSTGRES if POSTGRES else LONG_FORM) if LONG else SHORT_FORM

pytestmark = [pytest.mark.dovecot, pytest.mark.timeout(3600 if LONG else 300)]

# Where a fetch may die, where taking in a mail at our own receiver, and where sending.
FILING = ("stored", "received", "reading", "before_commit", "filed")
FETCHING = (*FILING, "before_removal", "after_removal", "removal_noted", "before_quit", "after_quit")
AT_THE_RECEIVER = ("before_250", "after_250")
RECEIVING = (*FILING, *AT_THE_RECEIVER)
# How often a mail may reach the customer then.
SENDING = {"claimed": 1, "before_handover": 1, "after_handover": 2}
PUTTING_BACK = ("put_back_promised", "put_back_done")  # tests/desk/mailroom/test_put_back.py
FORGETTING = ("raw_going", "raw_removed")
POINTS_OF = {"imap": FETCHING, "pop3": FETCHING, "smtp": RECEIVING, "lmtp": RECEIVING}


def mail(number: int) -> bytes:
    return made_mail(number, "help@acme.test")


def called(*names: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call of a function or method of these names in our code, with its module."""
    for room in ("blueprints", "desk", "jobs", "mail", "models", "wire"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in names:
                    yield path.relative_to(ROOT).as_posix(), node


def test_one_place_takes_mail_off_a_server_and_one_commits_a_verdict() -> None:
    """Stored, decided, removed: the order can be read at these two places."""
    assert [module for module, _ in called("dispose") if module != "desk/schema.py"] == [
        "desk/receiving/removal.py"
    ]
    points = {node.args[0].value: module for module, node in called("reach") if node.args}
    assert points["before_commit"] == points["filed"] == "desk/receiving/intake.py"
    assert points["before_removal"] == points["after_removal"] == "desk/receiving/removal.py"


def test_every_point_in_the_code_is_died_at() -> None:
    """A point that no test knows proves nothing."""
    found = Counter(
        node.args[0].value
        for _module, node in called("reach", "reached")
        if node.args and isinstance(node.args[0], ast.Constant)
    )
    assert found == dict.fromkeys(POINTS, 1), "each stands at one place, and in the table"
    assert {*FETCHING, *RECEIVING, *SENDING, *PUTTING_BACK, *FORGETTING} == POINTS.keys()


# --- serve, killed again and again while mail comes in


@pytest.mark.parametrize("way", SIZES)
def test_serve_is_killed_again_and_again(
    way: str,
    make_serving: Callable[..., Serving],
    smtp_sink: SmtpSink,
    ca: Authority,
    dovecot: Dovecot,
    tmp_path: Path,
) -> None:
    relay = {"MAIL_SERVER": "localhost", "MAIL_PORT": str(smtp_sink.port)}
    serving = make_serving(**ca.environment, **relay, POSTSTELLE_LMTP=str(tmp_path / "lmtp.sock"))
    to = serving.create_account()
    mails, kills = SIZES[way]
    mailbox = dovecot.add_user()
    process = Forked(serving, tmp_path / "serve.log")
    way_in: Way
    if way in ("imap", "pop3"):
        connect(serving, way, mailbox, smtp_sink)
        process.start()
        until(lambda: serving.sql("SELECT 1 FROM channel WHERE first_fetch_at IS NOT NULL"))
        process.kill()
        way_in, to = Fetched(mailbox), "help@acme.test"
    else:
        way_in = Delivered(way, serving.smtp_port, tmp_path / "lmtp.sock", to)
    crash = Crash(serving, process, way_in, smtp_sink, to, SEED, mails, kills)
    # Those of a fetch and of sending have short forms of their own below.
    if LONG:
        crash.points = (*POINTS_OF[way], *SENDING)
    elif way in ("smtp", "lmtp"):
        crash.points = AT_THE_RECEIVER
    try:
        crash.run()
    finally:
        if isinstance(way_in, Delivered):
            way_in.end()


def connect(serving: Serving, protocol: str, mailbox: Mailbox, sink: SmtpSink) -> None:
    port = mailbox.dovecot.imaps if protocol == "imap" else mailbox.dovecot.pop3s
    serving.flask(
        "channel", "create", "--id", "Help", "--address", "help@acme.test", "--provider", "own",
        "--protocol", protocol, "--server", "localhost", "--port", str(port), "--user", mailbox.user,
        "--password-stdin", "--smtp-server", "localhost", "--smtp-port", str(sink.port),
        "--smtp-encryption", "none", "--smtp-auth", "none", "--allow-plaintext", stdin=mailbox.password + "\n",
    )  # fmt: skip


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
    gone = (
        ("after_quit",)
        if protocol == "pop3"
        else ("after_removal", "removal_noted", "before_quit", "after_quit")
    )
    assert bool(there) == (point not in gone), "POP3 deletes with QUIT, IMAP at once"
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


@pytest.mark.parametrize("relay", SENT_THROUGH)
def test_sending_is_killed_again_and_again(
    relay: str, make_serving: Callable[..., Serving], tmp_path: Path
) -> None:
    """At most one reply is sent twice by one kill, with the same bytes; none is lost."""
    queued, kills = SENT_THROUGH[relay]
    sink = TimedSink()
    sink.seconds = RELAYS[relay]
    sink.start()
    try:
        serving = make_serving(MAIL_SERVER="localhost", MAIL_PORT=str(sink.port))
        serving.create_account()
        serving.sql("UPDATE account SET undo_seconds = 0")
        process = Forked(serving, tmp_path / "serve.log")
        Sending(serving, process, sink, SEED, queued, kills, tuple(SENDING) if LONG else ()).run()
    finally:
        sink.stop()


@pytest.mark.parametrize("point", FORGETTING)
def test_forgetting_old_raw_mails_dies_at_a_named_point(
    point: str, app: Flask, office: Office, channel: Channel, settings: Settings
) -> None:
    """No row claims bytes that are not there, and the next run finishes what this one began."""
    row = arrive(channel, mail(1))
    row_id, digest = row.id, row.sha256
    row.filed_at = now() - timedelta(days=31)
    db.session.commit()
    os.utime(office.blobs.root / digest[:2] / digest, (0, 0))
    dies(settings, point, retention.purge)
    after = db.session.get_one(InboundMail, row_id, populate_existing=True)
    assert after.raw == RawMail.GOING
    db.session.rollback()
    retention.purge()
    assert db.session.get_one(InboundMail, row_id, populate_existing=True).raw == RawMail.GONE
    with pytest.raises(FileNotFoundError):
        office.blobs.get(digest)
    assert db.session.query(Message).count() == 1, "the message stays"


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
