"""Fetching from a real Dovecot: what is taken, what is left, what happens to the copy on the server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from imapclient import IMAPClient
from sqlalchemy import func, select

from desk.channels import channels, health
from desk.channels.channel_values import ChannelValues, values_of
from desk.office import Office
from desk.receiving import fetching, removal
from models import Channel, InboundMail, Message, OutboundMail, Outcome, ServerCopy, db
from tests.servers.ca import Authority
from tests.servers.dovecot import Mailbox
from tests.support.mails import mail
from wire import TemporaryFailure

pytestmark = pytest.mark.dovecot


@pytest.fixture
def connect(app: Any, mailbox: Mailbox, trusted_ca: Authority) -> Callable[..., Channel]:
    """A channel on the fresh mailbox; keywords are its values."""

    def make(protocol: str = "imap", **values: Any) -> Channel:
        ports = {"imap": mailbox.dovecot.imaps, "pop3": mailbox.dovecot.pop3s}
        return channels.create(
            ChannelValues(
                key="Books", address="books@x.example", provider="own", protocol=protocol, server="localhost",
                port=ports[protocol], user=mailbox.user, password=mailbox.password, smtp_server="localhost",
                smtp_encryption="starttls", **values,
            )
        )  # fmt: skip

    return make


def fetch(channel: Channel) -> fetching.Fetch:
    result = fetching.fetch_channel(channel.id)
    db.session.expire_all()
    return result


def ledger(channel: Channel) -> dict[str, int]:
    rows = db.session.execute(
        select(InboundMail.outcome, func.count())
        .where(InboundMail.channel_id == channel.id)
        .group_by(InboundMail.outcome)
    )
    return {str(outcome): number for outcome, number in rows}


def copies(channel: Channel) -> set[str]:
    return set(map(str, db.session.scalars(select(InboundMail.server_copy))))


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_fetched_filed_and_then_deleted(
    connect: Callable[..., Channel], mailbox: Mailbox, protocol: str
) -> None:
    for number in range(3):
        mailbox.deliver(mail(subject=f"no {number}"))
    channel = connect(protocol)
    assert fetch(channel).as_dict() | {"channel": ""} == {
        "channel": "", "fetched": 3, "removed": 3, "refused": 0, "left_alone": 0, "held": 0, "error": "", "words": "",
    }  # fmt: skip
    assert (mailbox.messages(), copies(channel)) == ([], {"deleted"})
    assert fetch(channel).fetched == 0
    assert ledger(channel) == {"new_ticket": 3}
    assert channel.last_success_at is not None


def test_many_by_pop3_need_several_sessions(connect: Callable[..., Channel], mailbox: Mailbox) -> None:
    for number in range(fetching.BATCH + 5):
        mailbox.deliver(mail(subject=f"no {number}"))
    channel = connect("pop3")
    assert (fetch(channel).fetched, mailbox.messages()) == (fetching.BATCH + 5, [])
    # All of it was there before the channel: nobody is told.
    assert db.session.query(OutboundMail).count() == 0


def test_read_mail_is_left_alone_at_first_and_taken_later(
    connect: Callable[..., Channel], mailbox: Mailbox
) -> None:
    mailbox.deliver(mail(subject="read before"), flags="S")
    mailbox.deliver(mail(subject="unread"))
    channel = connect()
    assert (fetch(channel).fetched, ledger(channel)) == (1, {"left_alone": 1, "new_ticket": 1})
    mailbox.deliver(mail(subject="a phone opened it first"), flags="S")
    assert (fetch(channel).fetched, len(mailbox.messages())) == (1, 1)
    assert ledger(channel) == {"left_alone": 1, "new_ticket": 2}


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_existing_mail_can_be_left(connect: Callable[..., Channel], mailbox: Mailbox, protocol: str) -> None:
    mailbox.deliver(mail(subject="old"))
    channel = connect(protocol, existing="leave")
    assert fetch(channel).left_alone == 1
    mailbox.deliver(mail(subject="new"))
    assert fetch(channel).fetched == 1
    assert [b"Subject: old" in raw for raw in mailbox.messages()] == [True]


@pytest.mark.parametrize(("how", "folder", "copy"), [("move", "Archiv Süd", "moved"), ("keep", "", "kept")])
def test_other_ways_after_the_fetch(
    connect: Callable[..., Channel], mailbox: Mailbox, how: str, folder: str, copy: str
) -> None:
    mailbox.deliver(mail())
    channel = connect(after_fetch=how, move_to=folder)
    assert (fetch(channel).fetched, copies(channel)) == (1, {copy})
    assert len(mailbox.messages(folder or "INBOX")) == 1
    assert fetch(channel).fetched == 0
    if how == "keep":
        assert "S" in mailbox.flags()[0]


def test_only_mail_that_came_later_is_confirmed(connect: Callable[..., Channel], mailbox: Mailbox) -> None:
    channel = connect()
    fetch(channel)
    mailbox.deliver(mail())
    fetch(channel)
    assert "confirmation" in set(db.session.scalars(select(OutboundMail.purpose)))


def test_what_a_crash_left_on_the_server_is_removed_and_not_imported_again(
    connect: Callable[..., Channel], mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox.deliver(mail())
    channel = connect()

    def crash(*_: object) -> None:
        raise TemporaryFailure("connection_lost")

    with monkeypatch.context() as patch:
        patch.setattr(removal.Removals, "remove", crash)
        assert fetch(channel).error == "connection_lost"
    assert (len(mailbox.messages()), copies(channel)) == (1, {"present"})
    result = fetch(channel)
    assert (result.fetched, result.removed, mailbox.messages(), copies(channel)) == (0, 1, [], {"deleted"})
    assert db.session.query(Message).count() == 1


def test_owed_removals_are_finished_without_a_fetch(
    connect: Callable[..., Channel], mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox.deliver(mail())
    channel = connect()
    with monkeypatch.context() as patch:
        patch.setattr(removal.Removals, "remove", lambda *_: None)
        fetch(channel)
    mailbox.deliver(mail(subject="another"))
    assert (fetching.finish_owed(None), len(mailbox.messages())) == (1, 1)


def renumber(channel: Channel) -> None:
    """As if the server had given out new UIDs (another UIDVALIDITY)."""
    channel.generation = "1"
    for row in db.session.scalars(select(InboundMail)):
        row.source_id = row.source_id.replace(row.source_id.split("/")[1].split(":")[0], "1")
    db.session.commit()


def test_another_uidvalidity_imports_nothing_twice(connect: Callable[..., Channel], mailbox: Mailbox) -> None:
    mailbox.deliver(mail(subject="kept"))
    channel = connect(after_fetch="keep")
    fetch(channel)
    assert channel.first_fetch_at is not None
    channel.first_fetch_at -= timedelta(hours=1)  # the mail came later
    renumber(channel)
    assert fetch(channel).fetched == 0
    assert ledger(channel) == {"new_ticket": 1}
    row = db.session.query(InboundMail).filter_by(channel_id=channel.id).one()
    assert row.source_id.startswith(f"{channel.mailbox}/{channel.generation}:")
    assert db.session.query(Message).count() == 1


@pytest.mark.parametrize("existing", ["take", "leave"])
def test_another_uidvalidity_leaves_alone_what_was_left_alone(
    connect: Callable[..., Channel], mailbox: Mailbox, existing: str
) -> None:
    mailbox.deliver(mail(subject="read long ago"), flags="S")
    channel = connect(existing=existing)
    fetch(channel)
    renumber(channel)
    assert (fetch(channel).fetched, len(mailbox.messages())) == (0, 1)
    mailbox.deliver(mail(subject="new"), flags="S")
    assert fetch(channel).fetched == 1


def test_the_same_uid_in_another_mailbox_is_another_mail(
    connect: Callable[..., Channel], mailbox: Mailbox
) -> None:
    """A move to another provider, whose UIDVALIDITY and UIDs happen to be the same."""
    mailbox.deliver(mail(subject="first"))
    channel = connect()
    fetch(channel)
    other = mailbox.dovecot.add_user()
    other.deliver(mail(subject="second"))
    channels.update(channel, replace(values_of(channel), user=other.user, password=other.password))
    for row in db.session.scalars(select(InboundMail)):
        with IMAPClient("localhost", mailbox.dovecot.imap, ssl=False) as client:
            client.starttls()
            client.login(other.user, other.password)
            row.source_id = f"1/{client.folder_status('INBOX', 'UIDVALIDITY')[b'UIDVALIDITY']}:1"
    db.session.commit()
    assert fetch(channel).fetched == 1
    assert ledger(channel) == {"new_ticket": 2}


def test_an_edit_during_the_fetch_stops_it_cleanly(
    connect: Callable[..., Channel], mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "BATCH", 2)
    for number in range(6):
        mailbox.deliver(mail(subject=f"no {number}"))
    channel, real = connect(), fetching.Session._take_in

    def take_in(session: fetching.Session, batch: Any) -> Any:
        taken = real(session, batch)
        row = db.session.get(Channel, channel.id)
        assert row is not None
        channels.set_active(row, False)
        return taken

    with monkeypatch.context() as patch:
        patch.setattr(fetching.Session, "_take_in", take_in)
        assert fetch(channel).error == ""
    assert ledger(channel) == {"new_ticket": 2}
    channels.set_active(channel, True)
    fetch(channel)
    assert (ledger(channel), mailbox.messages()) == ({"new_ticket": 6}, [])


def test_too_large_is_held_and_stays_on_the_server(
    connect: Callable[..., Channel], mailbox: Mailbox, office: Office
) -> None:
    office.settings = replace(office.settings, max_mail_bytes=2000)
    mailbox.deliver(mail(text="x" * 60 + "\n" * 1 + "long line\n" * 400))
    mailbox.deliver(mail(subject="small"))
    channel = connect()
    result = fetch(channel)
    assert (result.fetched, result.held, len(mailbox.messages())) == (1, 1, 1)
    assert ledger(channel) == {"held": 1, "new_ticket": 1}
    assert (
        db.session.scalars(select(InboundMail.sha256).where(InboundMail.outcome == Outcome.HELD)).one() == ""
    )


def test_a_wrong_password_is_said_and_rests(connect: Callable[..., Channel], mailbox: Mailbox) -> None:
    channel = connect()
    channel.password = "wrong"
    db.session.commit()
    assert fetch(channel).error == "auth_failed"
    assert (channel.error_code, channel.failures, channel.active) == ("auth_failed", 1, True)
    assert channel.id not in health.due(channel.last_success_at or channel.created_at, 60)
    channel.password = mailbox.password
    db.session.commit()
    fetch(channel)
    assert (channel.error_code, channel.failing_since) == ("", None)


def test_a_refused_removal_is_tried_again_and_never_imported_again(
    connect: Callable[..., Channel], mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wire.imap import ImapSource

    mailbox.deliver(mail())
    channel = connect()
    with monkeypatch.context() as patch:
        patch.setattr(
            ImapSource, "dispose", lambda _self, ids, *_: dict.fromkeys(ids, str(ServerCopy.PRESENT))
        )
        for _ in range(2):
            fetch(channel)
    assert (len(mailbox.messages()), db.session.query(Message).count()) == (1, 1)
    fetch(channel)
    assert (mailbox.messages(), db.session.query(Message).count()) == ([], 1)
