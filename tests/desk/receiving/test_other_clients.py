"""Others at the same mailbox: a second client that reads, deletes and expunges, a server that counts anew or refuses."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, BinaryIO

import pytest
from imapclient import IMAPClient
from sqlalchemy import select

from desk.channels import channels, health
from desk.channels.channel_values import ChannelValues
from desk.office import office
from desk.receiving import fetching, reused_uidls
from models import Channel, InboundMail, Incident, Ticket, db
from tests.servers.ca import Authority
from tests.servers.dovecot import Mailbox
from tests.servers.faulty_mailbox import FaultyImap, FaultyPop3, running_servers
from tests.support.browsing import PageClient
from tests.support.mails import mail

pytestmark = pytest.mark.dovecot


def connect(server: Any, port: int, user: str, password: str, **values: Any) -> Channel:
    return channels.create(
        ChannelValues(
            key="Books", address="books@x.example", provider="own", server=server, port=port, user=user,
            password=password, smtp_server="localhost", **values,
        )
    )  # fmt: skip


def fetch(channel: Channel) -> fetching.Fetch:
    result = fetching.fetch_channel(channel.id)
    db.session.expire_all()
    return result


def subjects() -> Counter[str]:
    found = Counter(db.session.scalars(select(Ticket.subject)))
    db.session.rollback()
    return found


def subject_of(raw: bytes) -> str:
    found = re.search(rb"^Subject: (.*?)\r?$", raw, re.M)
    assert found is not None
    return found[1].decode()


@pytest.fixture
def other(mailbox: Mailbox) -> Iterator[IMAPClient]:
    """Another mail program of the company, signed in to the same mailbox."""
    client = IMAPClient("localhost", mailbox.dovecot.imap, ssl=False)
    client.login(mailbox.user, mailbox.password)
    client.select_folder("INBOX")
    yield client
    client.logout()


def test_a_second_client_reads_marks_and_expunges_during_the_fetch(
    app: Any, mailbox: Mailbox, other: IMAPClient, trusted_ca: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the first batch it has read all, removed two of its own, and marked two for later."""
    monkeypatch.setattr(fetching, "BATCH", 4)
    for number in range(1, 17):
        mailbox.deliver(mail(subject=f"no {number}"))
    channel = connect("localhost", mailbox.dovecot.imaps, mailbox.user, mailbox.password)
    real, acted = fetching.Session._take_in, threading.Event()

    def take_in(session: fetching.Session, batch: Any) -> Any:
        taken = real(session, batch)
        if not acted.is_set():
            acted.set()
            other.noop()
            other.add_flags(list(range(1, 17)), [b"\\Seen"])
            other.add_flags([9, 10], [b"\\Deleted"])
            other.uid_expunge([9, 10])
            other.add_flags([2, 12], [b"\\Deleted"])  # one that we have already, one that we have not
            mailbox.deliver(mail(subject="came during the fetch"))
        return taken

    monkeypatch.setattr(fetching.Session, "_take_in", take_in)
    first, second = fetch(channel), fetch(channel)
    assert (first.error, second.error, second.refused) == ("", "", 0)
    wanted = {f"no {number}" for number in range(1, 17)} - {"no 9", "no 10"} | {"came during the fetch"}
    assert subjects() == Counter(wanted)
    assert mailbox.messages() == []


def test_what_another_client_has_marked_is_never_expunged_by_us(
    app: Any, mailbox: Mailbox, other: IMAPClient, trusted_ca: Authority
) -> None:
    """Read mail that is left alone, marked as deleted by somebody who may still think better of it."""
    mailbox.deliver(mail(subject="read, and marked as deleted"), flags="ST")
    mailbox.deliver(mail(subject="read"), flags="S")
    mailbox.deliver(mail(subject="new"))
    channel = connect("localhost", mailbox.dovecot.imaps, mailbox.user, mailbox.password)
    assert (fetch(channel).fetched, fetch(channel).fetched) == (1, 0)
    assert {subject_of(raw) for raw in mailbox.messages()} == {"read, and marked as deleted", "read"}
    assert sorted(mailbox.flags()) == ["S", "ST"]


@pytest.mark.parametrize("after_fetch", ["delete", "keep"])
def test_a_server_that_counts_anew_doubles_nothing(
    app: Any, mailbox: Mailbox, trusted_ca: Authority, after_fetch: str
) -> None:
    """Dovecot without its lists gives out another UIDVALIDITY and other UIDs, as after a restore."""
    for number in range(1, 7):
        mailbox.deliver(mail(subject=f"no {number}"), flags="S" if number == 1 else "")
    channel = connect(
        "localhost", mailbox.dovecot.imaps, mailbox.user, mailbox.password, after_fetch=after_fetch
    )
    with pytest.MonkeyPatch.context() as patch:
        if after_fetch == "delete":
            # It stops before the last removal, so that filed mail still lies there when it is counted anew.
            patch.setattr(fetching.removal.Removals, "remove", lambda *_: True)
        assert (fetch(channel).fetched, fetch(channel).fetched) == (5, 0)
    before = channel.generation
    folder = mailbox.dovecot.folder / "mail" / mailbox.user / "Maildir"
    for path in folder.glob("dovecot*"):
        path.unlink()
    while time.time() < int(before) + 1:  # Dovecot takes the second of its first look
        time.sleep(0.05)
    mailbox.deliver(mail(subject="new"))
    for _ in range(2):
        assert fetch(channel).error == ""
    assert channel.generation not in ("", before)
    assert subjects() == Counter({**{f"no {number}": 1 for number in range(2, 7)}, "new": 1})
    left = {subject_of(raw) for raw in mailbox.messages()}
    assert left == ({"no 1"} if after_fetch == "delete" else {"new", *(f"no {n}" for n in range(1, 7))})


@pytest.mark.parametrize(("server", "step"), [(FaultyImap, "expunge"), (FaultyPop3, "dele")])
def test_a_refused_deletion_is_said_tried_again_and_never_imported_again(
    app: Any, as_alice: PageClient, server: Callable[..., Any], step: str
) -> None:
    mails = {number: mail(subject=f"no {number}") + b"\r\n" for number in (1, 2)}
    refuses = server(step, "no", {number: raw.replace(b"\n", b"\r\n") for number, raw in mails.items()})
    with running_servers([refuses]):
        channel = connect(
            "localhost", refuses.port, "u", "p", ssl=False, allow_plaintext=True,
            protocol="imap" if server is FaultyImap else "pop3",
        )  # fmt: skip
        for fetched in (2, 0, 0):
            result = fetch(channel)
            assert (result.fetched, result.refused, result.error) == (fetched, 2, "")
        assert refuses.happened >= 3, "it is asked again and again"
        assert (channel.refused, channel.failing_since) == (2, None)
        page = as_alice.get(f"/system/channels/{channel.id}").text
        assert "The server does not remove mails that became tickets." in page and "broken" in page
        assert (
            "The server does not remove mails that became tickets." in as_alice.get("/system/channels").text
        )
        refuses.heal()
        assert (fetch(channel).removed, refuses.mails) == (2, {})
    assert (channel.refused, subjects()) == (0, Counter({"no 1": 1, "no 2": 1}))
    incident = db.session.query(Incident).one()
    assert (incident.code, incident.failures, str(incident.ending)) == ("removal_refused", 3, "recovered")
    assert [str(one.server_copy) for one in db.session.query(InboundMail)] == ["deleted"] * 2
    assert health.incidents(channel.id) == [incident]


def pop3(server: FaultyPop3, **values: Any) -> Channel:
    return connect(
        "localhost", server.port, "u", "p", ssl=False, allow_plaintext=True, protocol="pop3", **values
    )  # fmt: skip


def test_a_uidl_that_is_given_to_another_mail_hides_it_not(app: Any) -> None:
    """A server that counts from 1 in each mailbox: the next mail has the UIDL of the one that was deleted."""
    server = FaultyPop3("nowhere", "", {})
    with running_servers([server]):
        channel = pop3(server)
        for number in range(1, 4):
            server.mails[1] = mail(subject=f"no {number}").replace(b"\n", b"\r\n")
            assert (fetch(channel).fetched, server.mails) == (1, {})
        assert fetch(channel).fetched == 0
    assert subjects() == Counter({"no 1": 1, "no 2": 1, "no 3": 1})


def test_a_server_that_only_says_it_deletes_doubles_nothing_and_is_believed_no_longer(app: Any) -> None:
    server = FaultyPop3("nowhere", "", {1: mail(subject="for ever").replace(b"\n", b"\r\n")})
    server.lies = True
    with running_servers([server]):
        channel = pop3(server)
        assert [fetch(channel).fetched for _ in range(6)] == [1, 1, 1, 0, 0, 0]
        server.mails[2] = mail(subject="new").replace(b"\n", b"\r\n")
        assert fetch(channel).fetched == 1
    assert subjects() == Counter({"for ever": 1, "new": 1})
    outcomes = Counter(str(one.outcome) for one in db.session.query(InboundMail))
    assert outcomes == {"new_ticket": 2, "duplicate": 2}


@pytest.mark.parametrize("after_fetch", ["delete", "keep"])
def test_mails_with_the_same_uidl_are_told_apart_by_their_bytes(app: Any, after_fetch: str) -> None:
    server = FaultyPop3("nowhere", "", {})
    server.uidls = dict.fromkeys(range(1, 9), b"same")
    server.mails |= {number: mail(subject=f"no {number}").replace(b"\n", b"\r\n") for number in (1, 2, 3)}
    with running_servers([server]):
        channel = connect(
            "localhost", server.port, "u", "p", ssl=False, allow_plaintext=True, protocol="pop3",
            after_fetch=after_fetch,
        )  # fmt: skip
        assert [fetch(channel).fetched for _ in range(2)] == [3, 0]
        assert len(server.mails) == (0 if after_fetch == "delete" else 3)
    assert subjects() == Counter({"no 1": 1, "no 2": 1, "no 3": 1})


@pytest.mark.parametrize(
    ("number", "fetched"), [(2, 1), (1, 0)], ids=["another mail", "the same, which was not deleted"]
)
def test_a_goodbye_that_was_lost_deletes_nothing_unread(app: Any, number: int, fetched: int) -> None:
    """The server deletes, its answer to QUIT is lost, and the next mail comes with the UIDL of the one it deleted."""
    server = FaultyPop3("quit", "reset_after", {1: crlf(1)})
    with running_servers([server]):
        channel = pop3(server)
        assert (fetch(channel).fetched, server.mails) == (1, {})
        server.heal()
        server.mails[1] = crlf(number)
        result = fetch(channel)
        assert (result.fetched, result.refused, server.mails) == (fetched, 0, {})
    assert subjects() == Counter({f"no {one}": 1 for one in {1, number}})
    assert {str(one.server_copy) for one in db.session.query(InboundMail)} == {"deleted"}


def test_an_old_mail_that_is_not_handed_out_any_more_is_not_deleted(app: Any) -> None:
    """Nobody knows whether it is the one that we have."""
    server = FaultyPop3("quit", "reset_after", {1: crlf(1)})
    with running_servers([server]):
        channel = pop3(server)
        assert fetch(channel).fetched == 1
        server.step, server.kind = "retr", "no"
        server.mails[1] = crlf(2)
        result = fetch(channel)
        assert (result.fetched, result.removed, result.refused, len(server.mails)) == (0, 0, 1, 1)
        server.heal()
        assert (fetch(channel).fetched, server.mails) == (1, {})
    assert subjects() == Counter({"no 1": 1, "no 2": 1})


def test_a_uidl_that_another_mail_has_is_noticed_by_the_size_where_mails_are_kept(app: Any) -> None:
    server = FaultyPop3("nowhere", "", {1: crlf(1), 2: crlf(2)})
    with running_servers([server]):
        channel = pop3(server, after_fetch="keep")
        assert [fetch(channel).fetched for _ in range(2)] == [2, 0]
        for subject in ("a third one", "no 1", "and a fourth"):
            server.mails[1] = mail(subject=subject, message_id=f"<{len(subject)}@x>").replace(b"\n", b"\r\n")
            assert [fetch(channel).fetched for _ in range(2)] == [1, 0]
    assert subjects() == Counter({"no 1": 2, "no 2": 1, "a third one": 1, "and a fourth": 1})


def test_a_server_that_only_estimates_sizes_is_asked_for_few_mails_again(app: Any) -> None:
    server = Estimating("nowhere", "", {number: crlf(number) for number in range(1, 9)})
    with running_servers([server]):
        channel = pop3(server, after_fetch="keep")
        assert (fetch(channel).fetched, server.handed_out) == (8, 8)
        assert (fetch(channel).fetched, server.handed_out) == (0, 8 + reused_uidls.LIES)
    assert db.session.query(InboundMail).count() == 8


def test_a_mail_that_is_larger_than_its_server_says_is_fetched_once_and_shown(app: Any) -> None:
    office().settings = replace(office().settings, max_mail_bytes=2000)
    large = mail(subject="large", text="a line of it\n" * 300).replace(b"\n", b"\r\n")
    server = Estimating("nowhere", "", {1: large, 2: crlf(2)})
    with running_servers([server]):
        channel = pop3(server)
        results = [fetch(channel) for _ in range(2)]
        assert [(one.fetched, one.held) for one in results] == [(1, 1), (0, 0)]
        assert (server.handed_out, list(server.mails)) == (2, [1])
    row = db.session.query(InboundMail).filter_by(outcome="held").one()
    assert (str(row.state), row.reason, str(row.server_copy)) == ("held", "oversize", "present")
    assert row.size == len(large)


def test_a_batch_that_is_not_handed_out_in_time_does_not_begin_for_ever(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next batch has its turn: only a conversation that brought something is followed by another."""
    server = Withholding("nowhere", "", {number: crlf(number) for number in (1, 2, 3)})
    monkeypatch.setattr(fetching, "BATCH", 1)
    monkeypatch.setattr(fetching, "SESSION_SECONDS", -1)
    conversations = []
    real = fetching.Session.run

    def run(session: fetching.Session) -> bool:
        conversations.append(session)
        assert len(conversations) < 9, "it begins again and again"
        return real(session)

    monkeypatch.setattr(fetching.Session, "run", run)
    with running_servers([server]):
        channel = connect(
            "localhost", server.port, "u", "p", ssl=False, allow_plaintext=True, protocol="imap"
        )  # fmt: skip
        assert fetch(channel).fetched == 2
    assert subjects() == Counter({"no 2": 1, "no 3": 1})


class Estimating(FaultyPop3):
    """Its LIST tells 100 bytes of every mail."""

    handed_out = 0

    def _rows(self, step: str) -> bytes:
        if step == "list":
            return b"".join(b"%d 100\r\n" % number for number in sorted(self.mails)) + b".\r\n"
        return super()._rows(step)

    def _send_mail(self, connection: socket.socket, lines: BinaryIO, number: int) -> None:
        self.handed_out += 1
        super()._send_mail(connection, lines, number)


class Withholding(FaultyImap):
    """It says OK to whoever asks for the first mail, and sends nothing."""

    def _send_bodies(self, connection: socket.socket, lines: BinaryIO, command: bytes) -> None:
        if command.split(b" ")[2] != b"1":
            super()._send_bodies(connection, lines, command)


def crlf(number: int) -> bytes:
    return mail(subject=f"no {number}", message_id=f"<no-{number}@customer.example>").replace(b"\n", b"\r\n")
