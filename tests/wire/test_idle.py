"""Mailboxes that rest in IDLE: one thread hears them all, and a fetch takes up where the last one left."""

from __future__ import annotations

import contextlib
import queue
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from imapclient import IMAPClient

from tests.servers.ca import Authority
from tests.servers.dovecot import Dovecot, Mailbox
from tests.servers.scripted import ScriptedServer
from wire import Credentials, Encryption, ServerAddress, Timeouts, TransportFailure, idle_watch, imap_idle
from wire.idle_watch import IdleWatch
from wire.imap import ImapSource
from wire.pop3 import Pop3Source

pytestmark = pytest.mark.dovecot


def source(mailbox: Mailbox, encryption: str = Encryption.SSL) -> ImapSource:
    port = mailbox.dovecot.imaps if encryption == Encryption.SSL else mailbox.dovecot.imap
    server = ServerAddress("localhost", port, encryption, allow_private=True)
    return ImapSource(server, Credentials(mailbox.user, mailbox.password), 1_000_000)


def rest(inbox: ImapSource) -> list[int]:
    """As a fetch does: look, and leave it resting."""
    with inbox:
        uids = [one.position for one in inbox.listing()]
        assert inbox.rest()
    return uids


class Calls:
    def __init__(self) -> None:
        self.queue: queue.Queue[tuple[int, float]] = queue.Queue()
        self.watch = IdleWatch(lambda key: self.queue.put((key, time.monotonic())))

    def get(self, seconds: float = 10) -> tuple[int, float]:
        return self.queue.get(timeout=seconds)


@pytest.fixture
def calls(trusted_ca: Authority) -> Iterator[Calls]:
    made = Calls()
    made.watch.start()
    yield made
    made.watch.stop()


@pytest.mark.parametrize("encryption", [Encryption.SSL, Encryption.STARTTLS])
def test_mail_calls_for_its_fetch_which_takes_up_the_connection(
    calls: Calls, mailbox: Mailbox, encryption: str
) -> None:
    inbox = source(mailbox, encryption)
    rest(inbox)
    calls.watch.park(7, 1, inbox)
    for number in range(1, 4):
        mailbox.deliver(b"Subject: x\r\n\r\nx\r\n")
        assert calls.get()[0] == 7
        again = calls.watch.take(7, 1)
        assert again is inbox and calls.watch.resting() == set()
        connection = inbox.fileno()
        assert rest(inbox) == list(range(1, number + 1))
        assert inbox.fileno() == connection, "nobody signed in again"
        calls.watch.park(7, 1, inbox)


def test_many_rest_side_by_side_and_only_the_one_is_called(calls: Calls, dovecot: Dovecot) -> None:
    mailboxes = [dovecot.add_user() for _ in range(5)]
    for key, mailbox in enumerate(mailboxes):
        inbox = source(mailbox)
        rest(inbox)
        calls.watch.park(key, 1, inbox)
    mailboxes[3].deliver(b"Subject: x\r\n\r\nx\r\n")
    assert calls.get()[0] == 3 and calls.queue.empty()


def test_what_comes_after_the_listing_and_before_the_rest_is_not_missed(
    calls: Calls, mailbox: Mailbox
) -> None:
    inbox = source(mailbox)
    with inbox:
        assert list(inbox.listing()) == []
        mailbox.deliver(b"Subject: x\r\n\r\nx\r\n")
        inbox.present([f"{inbox.generation}:1"])  # the server tells of it with another answer
        assert inbox.rest() and inbox.stirred
    calls.watch.park(1, 1, inbox)
    assert calls.get()[0] == 1


def test_very_much_mail_is_not_called_for_one_by_one(
    calls: Calls, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle_watch, "GAP_SECONDS", 1.0)
    inbox = source(mailbox)
    moments = []
    for _ in range(3):
        with inbox:
            list(inbox.listing())
            mailbox.deliver(b"Subject: x\r\n\r\nx\r\n")
            inbox.present([f"{inbox.generation}:1"])
            assert inbox.rest()
        calls.watch.park(1, 1, inbox)
        moments.append(calls.get()[1])
        calls.watch.take(1, 1)
    assert min(moments[1] - moments[0], moments[2] - moments[1]) >= 1.0
    inbox.drop()


def test_an_edited_channel_is_hung_up(calls: Calls, dovecot: Dovecot) -> None:
    inboxes = [source(dovecot.add_user()) for _ in range(3)]
    for key, inbox in enumerate(inboxes):
        rest(inbox)
        calls.watch.park(key, 1, inbox)
    calls.watch.keep_only({0: 1, 1: 2})
    assert calls.watch.resting() == {0}
    assert calls.watch.take(0, 2) is None and calls.watch.resting() == set()
    assert [inbox._open for inbox in inboxes] == [None] * 3


def test_it_is_renewed_before_the_server_ends_it(
    calls: Calls, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap_idle, "RENEW_SECONDS", 0.3)
    assert idle_watch.GAP_SECONDS < 29 * 60
    inbox = source(mailbox)
    rest(inbox)
    parked = time.monotonic()
    calls.watch.park(1, 1, inbox)
    assert calls.get()[1] - parked >= 0.3
    # Nobody came for it: another process has the lease. It is not kept for ever.
    deadline = time.monotonic() + 10
    while calls.watch.resting():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_server_that_leaves_is_forgotten_and_entered_anew(calls: Calls, mailbox: Mailbox) -> None:
    inbox = source(mailbox)
    rest(inbox)
    calls.watch.park(1, 1, inbox)
    socket.socket.shutdown(inbox._client.socket(), socket.SHUT_RD)
    deadline = time.monotonic() + 10
    while calls.watch.resting():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert calls.queue.empty()
    assert rest(inbox) == []
    inbox.drop()


def test_a_connection_that_died_silently_is_replaced(
    trusted_ca: Authority, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = source(mailbox)
    rest(inbox)
    monkeypatch.setattr(imap_idle, "PATIENCE", 0.2)
    monkeypatch.setattr(imap_idle.Idle, "_line", lambda _: (_ for _ in ()).throw(TimeoutError()))
    with inbox:
        assert list(inbox.listing()) == []
        monkeypatch.undo()
        assert inbox.rest()
    inbox.drop()


def test_after_the_end_nothing_rests_any_more(mailbox: Mailbox, trusted_ca: Authority) -> None:
    calls = Calls()
    calls.watch.start()
    inbox, late = source(mailbox), source(mailbox)
    rest(inbox)
    calls.watch.park(1, 1, inbox)
    calls.watch.stop()
    rest(late)
    calls.watch.park(2, 1, late)
    assert (inbox._open, late._open, calls.watch.resting()) == (None, None, set())


@pytest.mark.parametrize("capability", ["IMAP4rev1 UIDPLUS", "IMAP4rev1 UIDPLUS IDLE"])
def test_a_server_without_idle_is_left_as_ever(
    make_dovecot: Callable[..., Dovecot], trusted_ca: Authority, capability: str
) -> None:
    mailbox = make_dovecot(capability=capability).add_user()
    with source(mailbox) as inbox:
        assert inbox.rest() is ("IDLE" in capability)
    inbox.drop()
    assert inbox._open is None


# The answers that lead to an open inbox, each to one command.
OPENED = (
    b"* CAPABILITY IMAP4rev1\r\n{tag} OK done\r\n",
    b"{tag} OK in\r\n",
    b"* CAPABILITY IMAP4rev1 IDLE\r\n{tag} OK done\r\n",
    b"* 0 EXISTS\r\n* OK [UIDVALIDITY 9] x\r\n{tag} OK selected\r\n",
)


def opened(server: ScriptedServer) -> ImapSource:
    limits = Timeouts(10, 10, 30)
    address = ServerAddress("localhost", server.port, Encryption.NONE, True, True, limits)
    return ImapSource(address, Credentials("u", "p"), 1000)


@pytest.mark.parametrize(
    ("answer", "rests", "stirs"),
    [
        (b"+ idling\r\n", True, False),
        (b"* 1 EXISTS\r\n+ idling\r\n", True, True),
        (b"+ idling\r\n* 1 EXISTS\r\n", True, None),  # perhaps in two packets: heard a little later
        (b"+ idling\r\n* 1 EXPUNGE\r\n* OK still here\r\n", True, False),
        (b"{tag} BAD never heard of it\r\n", False, False),
        (b"{tag} NO not now\r\n", False, False),
        (b"* BYE going down\r\n", False, False),
    ],
)
def test_what_servers_say_to_idle(answer: bytes, rests: bool, stirs: bool | None) -> None:
    with ScriptedServer(b"* OK ready\r\n", [*OPENED, answer, b"* BYE\r\n{tag} OK bye\r\n"]) as server:
        with opened(server) as inbox:
            rested = inbox.rest()
        stirred = inbox.stirred
        inbox.drop()
    assert rested is rests and (stirs is None or stirred is stirs)


@pytest.mark.parametrize("news", [b"* 1 EXI", b"STS\r\n"])
def test_half_a_line_keeps_nobody_waiting(news: bytes) -> None:
    """The one thread that hears all mailboxes must not wait for the rest of a line."""
    with ScriptedServer(b"* OK ready\r\n", [*OPENED, b"+ idling\r\n" + news]) as server:
        with opened(server) as inbox:
            rested, began = inbox.rest(), time.monotonic()
        # Where nothing is there to read yet, it takes that for the end: only the selector asks otherwise.
        with contextlib.suppress(TransportFailure):
            assert not inbox.stirs()
        took = time.monotonic() - began
        inbox.drop()
    assert rested and took < 5


def test_pop3_never_rests(mailbox: Mailbox, trusted_ca: Authority) -> None:
    server = ServerAddress("localhost", mailbox.dovecot.pop3s, Encryption.SSL, allow_private=True)
    with Pop3Source(server, Credentials(mailbox.user, mailbox.password), 1000) as inbox:
        assert not inbox.rest() and not inbox.stirred


def test_the_other_client_of_the_mailbox_is_heard_too(calls: Calls, mailbox: Mailbox) -> None:
    """APPEND by another client is mail as well; its flags and deletions are none."""
    inbox = source(mailbox)
    rest(inbox)
    calls.watch.park(1, 1, inbox)
    with IMAPClient("localhost", mailbox.dovecot.imap, ssl=False) as other:
        other.login(mailbox.user, mailbox.password)
        other.append("INBOX", b"Subject: x\r\n\r\nx\r\n")
        assert calls.get()[0] == 1
