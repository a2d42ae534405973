"""What real servers showed (`make neighbours`), with small servers of our own: mbox servers, pauses, refused folders."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from desk.channels import channels, connections, health
from desk.channels.channel_values import ChannelValues
from desk.mailroom import balance
from desk.notices import alerts
from desk.office import office
from desk.receiving import arrivals, fetching
from models import Channel, InboundMail, Incident, Outcome, Ticket, db, now
from tests.servers.faulty_mailbox import FaultyImap, FaultyPop3, FaultyServer, running_servers
from tests.support.mails import mail


def crlf(number: int, **more: Any) -> bytes:
    given = {"subject": f"no {number}", "message_id": f"<no-{number}@customer.example>"} | more
    return mail(**given).replace(b"\n", b"\r\n")


def connect(server: FaultyServer, **values: Any) -> Channel:
    return channels.create(
        ChannelValues(
            key="Books", address="books@x.example", provider="own", server="localhost", port=server.port, user="u",
            password="p", smtp_server="localhost", ssl=False, allow_plaintext=True,
            protocol="imap" if isinstance(server, FaultyImap) else "pop3", **values,
        )
    )  # fmt: skip


def fetch(channel: Channel) -> fetching.Fetch:
    result = fetching.fetch_channel(channel.id)
    db.session.expire_all()
    return result


def subjects() -> Counter[str]:
    return Counter(ticket.subject for ticket in db.session.query(Ticket)) - Counter(["Hello from Poststelle"])


# --- mbox servers


def marked(number: int, raw: bytes, marks: bytes) -> bytes:
    """As GNU mailutils writes its fields: at the end of the header."""
    header, _, body = raw.partition(b"\r\n\r\n")
    own = b"\r\nX-UID: %d\r\n%s" % (number, marks)
    return (
        (header if b"\r\nX-UID:" not in header else header.partition(b"\r\nX-UID:")[0])
        + own
        + b"\r\n\r\n"
        + body
    )


class MboxPop3(FaultyPop3):
    """After each session every mail has the server's fields, and others than before."""

    sessions = 0

    def _answer(self, step: str, connection: Any, answer: bytes) -> None:
        if step == "quit":
            self.sessions += 1
            marks = b"Status: %s\r\nX-UIDL: id.%d" % (b"RO" * self.sessions, self.sessions)
            self.mails = {number: marked(number, raw, marks) for number, raw in self.mails.items()}
        super()._answer(step, connection, answer)


def test_fields_of_an_mbox_server_make_no_second_ticket(app: Flask) -> None:
    server = MboxPop3("nowhere", "", {1: crlf(1), 2: crlf(2)})
    with running_servers([server]):
        channel = connect(server, after_fetch="keep")
        assert [fetch(channel).fetched for _ in range(3)] == [2, 0, 0]
        server.mails[3] = crlf(3)
        assert [fetch(channel).fetched for _ in range(2)] == [1, 0]
        server.mails[2] = crlf(4, text="another mail under the same UIDL\n")
        assert fetch(channel).fetched == 1
    assert subjects() == Counter({"no 1": 1, "no 2": 1, "no 3": 1, "no 4": 1})


def test_a_deletion_that_an_mbox_server_still_owes_is_proven_in_spite_of_its_fields(app: Flask) -> None:
    server = MboxPop3("quit", "no", {1: crlf(1), 2: crlf(2)})
    with running_servers([server]):
        channel = connect(server)
        assert fetch(channel).fetched == 2 and server.mails.keys() == {1, 2}
        server.mails = {number: marked(number, raw, b"Status: RO") for number, raw in server.mails.items()}
        server.heal()
        assert fetch(channel).fetched == 0 and server.mails == {}
    assert subjects() == Counter({"no 1": 1, "no 2": 1})


class MboxImap(FaultyImap):
    """GNU imap4d: nothing is found by `n:*`; who brings mail makes it give new UIDs, and marks are in the mails."""

    bodies = 0

    def bring(self, *raws: bytes) -> None:
        self.generation += 1
        marks = b"Status: %s\r\nX-IMAPbase: %d 9" % (b"O" * (self.generation % 3), self.generation)
        every = [*(marked(number, raw, marks) for number, raw in self.mails.items()), *raws]
        self.mails = dict(enumerate(every, 1))

    def _do(self, step: str, command: bytes) -> bytes:
        return b"* SEARCH\r\n" if command.endswith(b":*") else super()._do(step, command)

    def _send_bodies(self, connection: Any, lines: Any, command: bytes) -> None:
        self.bodies += b"[HEADER]" not in command
        super()._send_bodies(connection, lines, command)


def test_new_uids_bring_back_no_mail_that_is_known(app: Flask) -> None:
    server = MboxImap("nowhere", "", {})
    server.bring(crlf(1), crlf(2))
    with running_servers([server]):
        channel = connect(server, after_fetch="keep")
        assert fetch(channel).fetched == 2
        for number in (3, 4):
            server.bring(crlf(number))
            assert fetch(channel).fetched == 1
        assert server.bodies == 3, "only what is new is fetched whole"
        rows = db.session.query(InboundMail).filter_by(channel_id=channel.id, via="imap").all()
        assert sorted(row.source_id for row in rows) == [f"1/{server.generation}:{n}" for n in (1, 2, 3, 4)]
        assert {row.outcome for row in rows} == {Outcome.NEW_TICKET}
        assert fetch(channel).fetched == 0


def test_what_new_uids_leave_ambiguous_is_told_by_its_bytes(app: Flask) -> None:
    """Two mails of the same header, size and time: which row is whose says nobody but their digests."""
    server = FaultyImap("nowhere", "", {1: crlf(1, text="aaa\n"), 2: crlf(1, text="bbb\n"), 3: crlf(3)})
    with running_servers([server]):
        channel = connect(server, after_fetch="keep")
        assert fetch(channel).fetched == 3
        tickets = subjects()
        assert channel.first_fetch_at is not None
        channel.first_fetch_at -= timedelta(days=365)  # the mails came later
        db.session.commit()
        server.generation += 1
        server.mails = {1: server.mails[2], 2: crlf(5), 3: crlf(3), 4: crlf(1, text="ccc\n")}
        assert fetch(channel).fetched == 3
        outcomes = Counter(str(row.outcome) for row in db.session.query(InboundMail).filter_by(via="imap"))
    assert subjects() - tickets == Counter({"no 5": 1, "no 1": 1})
    assert outcomes["duplicate"] == 1, "bbb was known"


@pytest.mark.parametrize("lost", [False, True])
def test_marks_make_no_second_ticket_where_a_known_mail_is_fetched_whole(app: Flask, lost: bool) -> None:
    """Its size and header leave it ambiguous, or the stored bytes are gone by now."""
    server = MboxImap("nowhere", "", {})
    server.bring(crlf(1, text="aaa\n"), crlf(1, text="aaa\n", subject="no 2"), crlf(1, text="bbb\n"))
    with running_servers([server]):
        channel = connect(server, after_fetch="keep")
        assert fetch(channel).fetched == 3
        assert channel.first_fetch_at is not None
        channel.first_fetch_at -= timedelta(days=365)
        if lost:
            for row in db.session.query(InboundMail).filter_by(via="imap"):
                office().blobs.forget(row.sha256)
        db.session.commit()
        server.bring()
        assert fetch(channel).fetched == (3 if lost else 2)
        assert [one.findings for one in balance.check() if one.findings] == []
    assert subjects() == Counter({"no 1": 2, "no 2": 1})


def test_a_server_that_comes_back_to_its_numbers_disturbs_nothing(app: Flask) -> None:
    server = FaultyImap("nowhere", "", {number: crlf(number) for number in (1, 2)})
    with running_servers([server]):
        channel = connect(server, after_fetch="keep")
        fetched = []
        for generation in (7, 8, 7, 8):
            server.generation = generation
            fetched.append(fetch(channel).fetched)
        assert fetched == [2, 0, 0, 0]
    assert subjects() == Counter({"no 1": 1, "no 2": 1})


def test_a_storm_of_new_uids_is_told_and_ends(app: Flask) -> None:
    server = FaultyImap("nowhere", "", {1: crlf(1)})
    with running_servers([server]):
        channel = connect(server, after_fetch="keep")
        for changes in range(4):
            fetch(channel)
            assert len(health.incidents(channel.id)) == (changes >= 3), changes
            server.generation += 1
    (incident,) = health.incidents(channel.id)
    assert (incident.code, incident.needs_person) == ("renumbered", True)
    health.record_stale(now())
    assert incident.ended_at is None
    incident.began_at -= timedelta(days=2)
    office().renumbered.clear()
    db.session.commit()
    health.record_stale(now())
    assert str(health.incidents(channel.id)[0].ending) == "recovered"


# --- pauses between two sessions


class Delaying(FaultyPop3):
    """Courier and Cyrus: CAPA names an interval, and who comes too early is not let in."""

    too_early = False

    def _rows(self, step: str) -> bytes:
        return b"UIDL\r\nLOGIN-DELAY 90\r\n.\r\n" if step == "capa" else super()._rows(step)

    def _answer(self, step: str, connection: Any, answer: bytes) -> None:
        if step == "pass" and self.too_early:
            answer = b"-ERR [LOGIN-DELAY] minimum time between mail checks\r\n"
        super()._answer(step, connection, answer)


def test_the_pause_that_a_server_wants_is_kept_and_no_trouble(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "BATCH", 1)
    server = Delaying("nowhere", "", {number: crlf(number) for number in (1, 2, 3)})
    with running_servers([server]):
        channel = connect(server)
        assert fetch(channel).fetched == 3, "in one conversation, since another would not be let in"
        assert server.mails == {}
        assert channel.next_try_at is not None
        assert timedelta(seconds=85) < channel.next_try_at - now() < timedelta(seconds=95)
        assert channel.id not in health.due(now() + timedelta(seconds=70), 60)
        assert channel.id in health.due(now() + timedelta(seconds=95), 60)
        server.too_early = True
        for _ in range(2):
            assert fetch(channel).error == ""
            assert channel.failing_since is None and channel.next_try_at > now() + timedelta(seconds=85)
        assert db.session.query(Incident).count() == 0
        assert not health.is_stale(channel, now() + timedelta(minutes=5))
        assert fetch(channel).error == "login_delay", "for the third time in a row: it never lets us in"
        server.too_early = False
        assert (fetch(channel).error, channel.failures) == ("", 0)


# --- a refused SELECT, and IDLE that is late


class RefusingSelect(FaultyImap):
    words = b""

    def refusal(self, tag: bytes) -> bytes:
        return tag + b" NO " + self.words + b"\r\n"


@pytest.mark.parametrize(
    "words",
    [
        b"[UNAVAILABLE] Temporary System problem. Try again later.",
        b"[SERVERBUG] Internal error",
        b"[INUSE] Mailbox is locked",
        b"Server Unavailable. 15",
        b"SELECT Unsafe Login. Please contact help@imap.example",
    ],
)
def test_a_refused_folder_is_tried_again_and_told_the_third_time(app: Flask, words: bytes) -> None:
    server = RefusingSelect("select", "no", {1: crlf(1)})
    server.words = words
    with running_servers([server]):
        channel = connect(server)
        for failures in (1, 2, 3):
            assert fetch(channel).error in ("server_busy", "folder_refused")
            assert len(alerts._begun(now())) == (failures >= 3)
        server.heal()
        assert (fetch(channel).fetched, channel.failing_since) == (1, None)


def test_a_mailbox_whose_idle_is_late_is_asked_in_between(channel: Channel, app: Flask) -> None:
    at = now()
    connections.note_idle(1, None, at - timedelta(minutes=1))  # it did not rest
    connections.note_idle(2, at - timedelta(seconds=30), at - timedelta(minutes=1))  # it came before
    connections.note_idle(3, at - timedelta(minutes=2), at - timedelta(seconds=2))  # told in time
    connections.note_idle(4, at - timedelta(minutes=2), None)
    assert office().heard_late == set()
    server = FaultyImap("nowhere", "", {})
    with running_servers([server]):
        own = connect(server)
        fetch(own)
    connections.note_idle(own.id, at - timedelta(minutes=2), at - timedelta(seconds=50))
    later = now() + timedelta(seconds=20)
    assert own.id not in health.due(later, 60, failing=False)
    assert own.id in health.due(later, 60, failing=False, heard_late=office().heard_late)


# --- what an earlier run left behind


@pytest.mark.parametrize("arguments", [(), ("--channel", "Books")])
def test_once_fetch_files_what_a_crash_left_pending(app: Flask, arguments: tuple[str, ...]) -> None:
    server = FaultyImap("nowhere", "", {1: crlf(1), 2: crlf(2)})
    with running_servers([server]):
        channel = connect(server)
        prefix = f"{channel.mailbox}/{server.generation}:"
        arrivals.receive(
            channel.id, arrivals.Arrival(server.mails[1], "imap", f"{prefix}1")
        )  # and then it died
        answer = app.test_cli_runner().invoke(args=["jobs", "once", "fetch", *arguments])
        assert (answer.exit_code, server.mails) == (0, {})
    assert subjects() == Counter({"no 1": 1, "no 2": 1})
