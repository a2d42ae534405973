"""The dry run says what the first fetch will do, and leaves the mailbox as it was."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from imapclient import IMAPClient

from desk.channels import channels
from desk.channels.channel_values import values_of
from desk.checks import connection_tests, dry_run
from desk.mailroom import ledger
from desk.receiving import explanations, fetching
from mail.judging import rules
from models import InboundMail, Outcome, Ticket, db
from models.base import writing
from tests.desk.channels.test_channels import OWN, at_home  # noqa: F401
from tests.servers.scripted import ScriptedServer
from wire.peek import Glance, Glimpse

ALICE = 1
PERSON = b"From: Carol <carol@customer.example>\r\nSubject: %s\r\nMessage-ID: <%s@customer.example>\r\n\r\nHello\r\n"
MACHINE = (
    b"From: robot@customer.example\r\nSubject: Out of office\r\nAuto-Submitted: auto-replied\r\n\r\nAway\r\n"
)


def run(values, channel=None):
    found = dry_run.start(values, channel, ALICE)
    found.wait()
    assert found.done
    return found


def what(mail):
    """The outcome of a mail, or the reason for which it stays."""
    if mail.decision is None:
        return "known"
    return mail.decision.reason if mail.decision.end == "left_alone" else mail.decision.outcome


def state(mailbox):
    """Flags and UIDs as another mail program sees them, without \\Recent."""
    with IMAPClient("localhost", mailbox.dovecot.imap, ssl=False) as client:
        client.login(mailbox.user, mailbox.password)
        opened = client.select_folder("INBOX", readonly=True)
        rows = client.fetch(client.search("ALL"), ["FLAGS"]) if opened[b"EXISTS"] else {}
        flags = {uid: tuple(f for f in row[b"FLAGS"] if f != b"\\Recent") for uid, row in rows.items()}
        return opened[b"UIDVALIDITY"], opened[b"UIDNEXT"], flags


@pytest.fixture
def full(mailbox):
    mailbox.deliver(PERSON % (b"old and read", b"1"), flags="S")
    mailbox.deliver(PERSON % (b"new", b"2"))
    mailbox.deliver(MACHINE)
    return mailbox


@pytest.mark.dovecot
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_what_it_foresees_is_what_happens_and_nothing_is_touched(at_home, full, protocol):  # noqa: F811
    values = replace(at_home, protocol=protocol, port=getattr(full.dovecot, f"{protocol}s"))
    before = state(full)
    found = run(values)
    assert state(full) == before  # nor did it count as a look: no flag, no UID, no order
    assert db.session.query(InboundMail).count() == db.session.query(Ticket).count() == 0
    read_one = "was_read" if protocol == "imap" else "new_ticket"
    assert [(mail.subject, what(mail)) for mail in found.mails] == [
        ("Out of office", "quiet"), ("new", "new_ticket"), ("old and read", read_one),
    ]  # fmt: skip
    assert (found.total, found.takes) == (3, 2 if protocol == "imap" else 3)
    channel = channels.create(values)
    assert fetching.fetch_channel(channel.id).fetched == found.takes
    outcomes = {row.subject: row.outcome for row in db.session.query(InboundMail)}
    assert outcomes["new"] == Outcome.NEW_TICKET and outcomes["Out of office"] == Outcome.QUIET


@pytest.mark.dovecot
def test_the_test_leaves_the_mailbox_as_it_was(at_home, full):  # noqa: F811
    for protocol in ("imap", "pop3"):
        before = state(full)
        incoming, _ = connection_tests.run(
            replace(at_home, protocol=protocol, port=getattr(full.dovecot, f"{protocol}s")), None
        )
        assert incoming[-1].state == "ok" and state(full) == before


@pytest.mark.dovecot
def test_what_is_there_can_be_left_alone(at_home, full):  # noqa: F811
    found = run(replace(at_home, existing="leave"))
    assert {what(mail) for mail in found.mails} == {"existing"} and found.takes == 0


@pytest.mark.dovecot
def test_an_answer_names_its_ticket_and_what_was_fetched_is_known(at_home, mailbox):  # noqa: F811
    channel = channels.create(replace(at_home, after_fetch="keep"))
    mailbox.deliver(PERSON % (b"Question", b"q"))
    fetching.fetch_channel(channel.id)
    answer = PERSON % (b"Re: Question", b"r")
    mailbox.deliver(answer.replace(b"\r\nSubject", b"\r\nIn-Reply-To: <q@customer.example>\r\nSubject"))
    found = run(values_of(channel), channel)
    number = db.session.query(Ticket.number).scalar()
    assert [(what(mail), mail.decision and mail.decision.ticket) for mail in found.mails] == [
        ("reply", number), ("known", None),
    ]  # fmt: skip
    assert found.takes == 1


@pytest.mark.dovecot
def test_the_newest_twenty_of_many(at_home, mailbox):  # noqa: F811
    for number in range(23):
        mailbox.deliver(PERSON % (b"%d" % number, b"%d" % number))
    found = run(at_home)
    assert [mail.subject for mail in found.mails][:2] == ["22", "21"]
    assert (len(found.mails), found.takes) == (20, 23)


@pytest.mark.dovecot
def test_an_answer_to_what_was_not_looked_at_says_so(at_home, mailbox, monkeypatch):  # noqa: F811
    """A first fetch files the mail that it answers, below the newest, before it."""
    monkeypatch.setattr(dry_run, "NEWEST", 2)
    mailbox.deliver(PERSON % (b"first", b"first"))
    mailbox.deliver(PERSON % (b"between", b"between"))
    mailbox.deliver(
        PERSON.replace(b"\r\n\r\n", b"\r\nIn-Reply-To: <first@customer.example>\r\n\r\n")
        % (b"Re: first", b"2")
    )
    found = run(at_home)
    assert [(mail.subject, mail.answers_unseen) for mail in found.mails] == [
        ("Re: first", True),
        ("between", False),
    ]
    monkeypatch.setattr(dry_run, "NEWEST", 3)
    assert not any(mail.answers_unseen for mail in run(at_home).mails)
    channel = channels.create(at_home)
    fetching.fetch_channel(channel.id)
    monkeypatch.setattr(dry_run, "NEWEST", 2)
    assert not any(mail.answers_unseen for mail in run(values_of(channel), channel).mails), (
        "the ledger knows all"
    )


@pytest.mark.dovecot
def test_of_what_lies_there_when_a_channel_is_switched_on_nobody_is_told(at_home, mailbox, alice):  # noqa: F811
    channel = channels.create(at_home)
    fetching.fetch_channel(channel.id)
    channels.set_active(channel, False)
    time.sleep(1.1)  # servers count whole seconds
    mailbox.deliver(PERSON % (b"meanwhile", b"1"))
    time.sleep(1.1)
    (foreseen,) = run(values_of(channel), channel).mails
    channels.set_active(channel, True)
    fetching.fetch_channel(channel.id)
    row = db.session.query(InboundMail).one()
    stored = explanations.stored(row, ledger.message_of(row))
    assert replace(stored, foreseen=False) == foreseen.decision
    assert (stored.confirmation, stored.notice) == ("", "")


@pytest.mark.dovecot
def test_an_empty_mailbox(at_home):  # noqa: F811
    found = run(at_home)
    assert (found.total, found.takes, found.mails, found.failure) == (0, 0, [], "")


def test_nobody_waits_for_its_reading(channel, monkeypatch):
    """Strange mails take seconds to read: no transaction is open meanwhile, and the judging locks nothing."""
    seen = tuple(Glimpse(PERSON % (b"%d" % n, b"%d" % n), 100, source_id=f"7:{n}") for n in range(3))
    monkeypatch.setattr(dry_run, "glance", lambda *_: Glance(3, 3, seen))
    read, judge, told = dry_run.read, rules.judge, []

    def reading(raw, **how):
        told.append(("open", db.session().in_transaction()))
        return read(raw, **how)

    def judging(*given):
        told.append(("writes", writing.get()))
        return judge(*given)

    monkeypatch.setattr(dry_run, "read", reading)
    monkeypatch.setattr(rules, "judge", judging)
    assert [what(mail) for mail in run(values_of(channel), channel).mails] == ["new_ticket"] * 3
    assert told == [("open", False)] * 3 + [("writes", False)] * 3


def test_a_failure_is_told(app):
    with ScriptedServer(b"* BYE overloaded\r\n") as server:
        found = run(replace(OWN, server="localhost", port=server.port, ssl=False, allow_plaintext=True))
    assert found.failure and "planted" not in repr(found)


def test_it_is_shown_to_who_began_it(app):
    found = dry_run.start(replace(OWN, server="127.0.0.1", port=1), None, ALICE)
    assert dry_run.get(found.token, ALICE) is found
    assert dry_run.get(found.token, 2) is None and connection_tests.get(found.token, ALICE) is None
    found.wait()
