"""Others at the same mailbox: a second client that reads, deletes and expunges, a server that counts anew or refuses."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from imapclient import IMAPClient
from sqlalchemy import select

from desk import channels, fetching, health
from desk.channel_values import ChannelValues
from models import Channel, InboundMail, Incident, Ticket, db
from tests.browsing import PageClient
from tests.desk.letters import mail
from tests.servers.ca import Authority
from tests.servers.dovecot import Mailbox
from tests.servers.faulty import FaultyImap, FaultyPop3, running_servers

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


def pop3(server: FaultyPop3) -> Channel:
    return connect(
        "localhost", server.port, "u", "p", ssl=False, allow_plaintext=True, protocol="pop3"
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
