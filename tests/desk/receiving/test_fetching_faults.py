"""Fetching when something breaks on the way: nothing lost, nothing twice, nothing deleted too early."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from desk import leases
from desk.channels import channels
from desk.channels.channel_values import ChannelValues
from desk.mailroom import quarantine
from desk.office import Office
from desk.receiving import fetching, filing, intake, removal
from models import Channel, InboundMail, InboundState, Incident, Lease, Message, db
from tests.servers.ca import Authority
from tests.servers.dovecot import Mailbox
from tests.support.mails import mail
from wire import TemporaryFailure
from wire.imap import ImapSource
from wire.imap_wire import Wire
from wire.pop3 import Pop3Source
from wire.pop3_wire import Pop3Wire

pytestmark = pytest.mark.dovecot
PROTOCOLS = ("imap", "pop3")


@pytest.fixture
def connect(app: Any, mailbox: Mailbox, trusted_ca: Authority) -> Callable[..., Channel]:
    def make(protocol: str, **values: Any) -> Channel:
        ports = {"imap": mailbox.dovecot.imaps, "pop3": mailbox.dovecot.pop3s}
        return channels.create(
            ChannelValues(
                key="Books", address="books@x.example", provider="own", protocol=protocol, server="localhost",
                port=ports[protocol], user=mailbox.user, password=mailbox.password, smtp_server="localhost",
                **values,
            )
        )  # fmt: skip

    return make


def fetch(channel: Channel) -> fetching.Fetch:
    result = fetching.fetch_channel(channel.id)
    db.session.expire_all()
    return result


def rows() -> list[tuple[str, str]]:
    found = db.session.execute(
        select(InboundMail.state, InboundMail.server_copy).order_by(InboundMail.id)
    ).all()
    return [(str(state), str(copy)) for state, copy in found]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_could_not_be_filed_keeps_its_copy_until_it_is(
    connect: Callable[..., Channel], mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    for subject in ("good", "poison"):
        mailbox.deliver(mail(subject=subject))
    real, poisoned = filing.file_mail, set[int]()

    def file_mail(row: InboundMail, *rest: Any) -> None:
        if row.subject == "poison":
            poisoned.add(row.id)
        if row.id in poisoned:
            raise RuntimeError("a bug")  # also when it is filed as a mail that cannot be read
        real(row, *rest)

    channel = connect(protocol)
    with monkeypatch.context() as patch:
        patch.setattr(filing, "file_mail", file_mail)
        for _ in range(2):
            fetch(channel)
    assert rows() == [("filed", "deleted"), ("failed", "present")]
    assert [b"poison" in raw for raw in mailbox.messages()] == [True]
    failed = db.session.scalars(select(InboundMail).where(InboundMail.state == InboundState.FAILED)).one()
    quarantine.release(failed)
    result = fetch(channel)
    assert (result.fetched, result.removed, mailbox.messages()) == (0, 1, [])
    assert db.session.query(Message).count() == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_database_in_trouble_loses_and_doubles_nothing(
    connect: Callable[..., Channel], mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    for number in range(3):
        mailbox.deliver(mail(subject=f"no {number}"))
    real = filing.file_mail

    def file_mail(row: InboundMail, *rest: Any) -> None:
        if row.subject == "no 1":
            raise OperationalError("insert", {}, Exception("database is locked"))
        real(row, *rest)

    channel = connect(protocol)
    with monkeypatch.context() as patch, pytest.raises(OperationalError):
        patch.setattr(filing, "file_mail", file_mail)
        fetch(channel)
    db.session.rollback()
    # Stored is stored; on the server everything is still there.
    assert rows() == [("filed", "present"), ("pending", "present"), ("pending", "present")]
    assert len(mailbox.messages()) == 3
    assert intake.process_pending() == 2
    fetch(channel)
    assert rows() == [("filed", "deleted")] * 3
    assert (mailbox.messages(), db.session.query(Message).count()) == ([], 3)


def test_a_deletion_by_pop3_counts_only_when_quit_was_answered(
    connect: Callable[..., Channel], mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox.deliver(mail())
    channel, real = connect("pop3"), Pop3Source.__exit__

    def cut(source: Pop3Source, *_: Any) -> None:
        real(source, TemporaryFailure, TemporaryFailure("connection_lost"), None)

    with monkeypatch.context() as patch:
        patch.setattr(Pop3Source, "__exit__", cut)
        fetch(channel)
    assert (rows(), len(mailbox.messages())) == ([("filed", "present")], 1)
    result = fetch(channel)
    assert (result.fetched, rows(), mailbox.messages()) == (0, [("filed", "deleted")], [])
    assert db.session.query(Message).count() == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_copy_that_somebody_else_removed_is_not_owed_for_ever(
    connect: Callable[..., Channel], mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    mailbox.deliver(mail())
    channel = connect(protocol)
    with monkeypatch.context() as patch:
        patch.setattr(removal.Removals, "remove", lambda *_: None)
        fetch(channel)
    folder = mailbox.dovecot.folder / "mail" / mailbox.user / "Maildir"
    for path in (*folder.glob("new/*"), *folder.glob("cur/*")):
        path.unlink()
    fetch(channel)
    assert rows() == [("filed", "deleted")]


def test_pop3_can_keep_everything_and_takes_each_once(
    connect: Callable[..., Channel], mailbox: Mailbox
) -> None:
    mailbox.deliver(mail(subject="one"))
    channel = connect("pop3", after_fetch="keep")
    fetch(channel)
    mailbox.deliver(mail(subject="two"))
    assert fetch(channel).fetched == 1
    assert (rows(), len(mailbox.messages())) == ([("filed", "kept")] * 2, 2)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_same_mail_twice_in_a_mailbox_is_one_ticket_and_both_go(
    connect: Callable[..., Channel], mailbox: Mailbox, protocol: str
) -> None:
    raw = mail()
    mailbox.deliver(raw)
    mailbox.deliver(raw)
    fetch(connect(protocol))
    assert rows() == [("filed", "deleted"), ("duplicate", "deleted")]
    assert (mailbox.messages(), db.session.query(Message).count()) == ([], 1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_held_or_dropped_leaves_the_server_too(
    connect: Callable[..., Channel], mailbox: Mailbox, office: Office, protocol: str
) -> None:
    raw = mail(x_spam_flag="YES")
    mailbox.deliver(raw)
    channel = connect(protocol)
    fetch(channel)
    assert (rows(), mailbox.messages()) == ([("held", "deleted")], [])
    held = db.session.scalars(select(InboundMail)).one()
    assert office.blobs.get(held.sha256).replace(b"\r\n", b"\n") == raw  # every byte is still ours


def test_only_one_process_fetches_a_mailbox(
    connect: Callable[..., Channel], mailbox: Mailbox, office: Office
) -> None:
    mailbox.deliver(mail())
    channel = connect("imap")
    leases.take(f"fetch:{channel.id}")
    other = f"{office.owner.rsplit('|', 2)[0]}|{os.getppid()}|other"
    db.session.execute(update(Lease).values(owner=other))
    db.session.commit()
    with pytest.raises(leases.LeaseHeld):
        fetch(channel)
    assert (len(mailbox.messages()), db.session.query(InboundMail).count()) == (1, 0)


@pytest.mark.parametrize("state", ["inactive", "deleted"])
def test_a_channel_at_rest_is_not_fetched(
    connect: Callable[..., Channel], mailbox: Mailbox, state: str
) -> None:
    mailbox.deliver(mail())
    channel = connect("imap")
    channels.delete(channel) if state == "deleted" else channels.set_active(channel, False)
    assert (fetch(channel).error, len(mailbox.messages()), rows()) == ("", 1, [])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nothing_is_locked_while_we_wait_for_the_server(
    connect: Callable[..., Channel], mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    """A transaction of a slow server's fetch would stop everybody who writes."""
    spoken: list[bytes] = []

    def watched(send: Any) -> Any:
        def say(wire: Any, line: bytes) -> Any:
            spoken.append(bytes(line).strip())
            assert not db.session().in_transaction(), line
            return send(wire, line)

        return say

    channel = connect(protocol)
    channel_id = channel.id
    db.session.rollback()
    monkeypatch.setattr(Wire, "send", watched(Wire.send))
    monkeypatch.setattr(Pop3Wire, "_putline", watched(Pop3Wire._putline))
    for number in range(3):
        mailbox.deliver(mail(subject=f"no {number}"), flags="S" if number == 0 else "")
        fetching.fetch_channel(channel_id)
        with monkeypatch.context() as patch:  # debts for the next one
            patch.setattr(removal.Removals, "remove", lambda *_: True)
            mailbox.deliver(mail(subject=f"owed {number}"))
            fetching.fetch_channel(channel_id)
    fetching.fetch_channel(channel_id)
    said = b"\n".join(spoken)
    for word in (b"SEARCH", b"EXPUNGE", b"LOGOUT") if protocol == "imap" else (b"RETR", b"DELE", b"QUIT"):
        assert word in said


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_mail_that_the_server_withholds_holds_back_no_other_and_shows(
    connect: Callable[..., Channel], mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    channel = connect(protocol)
    for number in range(3):
        mailbox.deliver(mail(subject=f"no {number}"))

    def withholding(fetch: Any) -> Any:
        return lambda source, listed: (one for one in fetch(source, listed) if b"no 1" not in one.raw)

    with monkeypatch.context() as patch:
        for source in (ImapSource, Pop3Source):
            patch.setattr(source, "fetch", withholding(source.fetch))
        assert (fetch(channel).fetched, channel.withheld, db.session.query(Incident).count()) == (2, 1, 0)
        mailbox.deliver(mail(subject="no 3"))
        assert (fetch(channel).fetched, channel.withheld, len(mailbox.messages())) == (1, 2, 1)
        (incident,) = db.session.query(Incident).all()
        assert incident.code == "mail_withheld" and incident.words.startswith(("UID ", "UIDL "))
    assert (fetch(channel).fetched, channel.withheld, mailbox.messages()) == (1, 0, [])
    assert incident.ended_at is not None


LARGE = mail(text="<p>Hello</p>" * 25_000).replace(b"text/plain", b"text/html", 1)  # takes time to read


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_filed_beside_a_fetch_is_not_called_refused(
    connect: Callable[..., Channel],
    mailbox: Mailbox,
    office: Office,
    monkeypatch: pytest.MonkeyPatch,
    protocol: str,
) -> None:
    """The server was not asked for its copy yet; the next fetch asks."""
    mailbox.deliver(LARGE)
    channel = connect(protocol)
    monkeypatch.setattr(office, "overtakes", True)
    real = removal.Removals.remove

    def remove(own: removal.Removals, row_ids: list[int]) -> None:
        real(own, row_ids)
        intake.process_slow()

    monkeypatch.setattr(removal.Removals, "remove", remove)
    first = fetch(channel)
    assert (first.fetched, first.removed, first.refused) == (1, 0, 0)
    assert rows() == [("filed", "present")]
    assert (fetch(channel).removed, mailbox.flags()) == (1, [])
