"""Stored first: what happens when the disk, the database, two processes or we ourselves are at fault."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import insert, select
from sqlalchemy.exc import OperationalError

from desk.mailroom import quarantine
from desk.office import Office, office, signing_key
from desk.receiving import arrivals, filing, intake
from mail import ids
from models import (
    Agent,
    Channel,
    Contact,
    InboundMail,
    InboundState,
    Message,
    NoticeItem,
    OutboundMail,
    Outcome,
    ServerCopy,
    Ticket,
    db,
    now,
)
from tests.support.mails import arrive, mail, ticket_of


def stored(channel: Channel, raw: bytes, source_id: str, via: str = "smtp") -> int:
    inbound_id = arrivals.receive(channel.id, arrivals.Arrival(raw, via, source_id))
    assert inbound_id is not None
    return inbound_id


def row(inbound_id: int) -> InboundMail:
    return db.session.get_one(InboundMail, inbound_id, populate_existing=True)


def in_threads(app: Flask, work: Callable[[int], object], numbers: Iterable[int]) -> list[object]:
    def run(number: int) -> object:
        with app.app_context():
            try:
                return work(number)
            finally:
                db.session.remove()

    db.session.rollback()
    with ThreadPoolExecutor(4) as threads:
        return list(threads.map(run, numbers))


# --- stored first


@pytest.mark.parametrize(("via", "copy"), [("imap", "present"), ("pop3", "present"), ("smtp", "none"), ("pipe", "none")])  # fmt: skip
def test_a_stored_mail_is_whole_before_anything_is_decided(
    channel: Channel, office: Office, via: str, copy: str
) -> None:
    raw = mail()
    kept = row(stored(channel, raw, "1", via))
    assert (kept.state, kept.outcome, kept.server_copy) == (InboundState.PENDING, Outcome.PENDING, copy)
    assert (office.blobs.get(kept.sha256), kept.size, kept.ticket_id) == (raw, len(raw), None)


def test_a_full_disk_stores_nothing_and_says_so(
    channel: Channel, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_contents: list[bytes]) -> list[str]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(office.blobs), "put_all", lambda _self, contents: full(contents))
    with pytest.raises(OSError, match="No space"):
        stored(channel, mail(), "1")
    assert db.session.query(InboundMail).count() == 0


def test_identities_belong_to_a_channel_and_bytes_too(channel: Channel) -> None:
    other = Channel(
        key="Sales", key_fold="sales", address="s@x.example", address_key="s@x.example", provider="standard"
    )
    db.session.add(other)
    db.session.commit()
    raw = mail()
    rows = [row(stored(one, raw, "same id")) for one in (channel, other)]
    assert [one.state for one in rows] == [InboundState.PENDING] * 2


# --- what goes wrong afterwards


def test_a_missing_blob_is_said_and_healed_when_it_is_back(channel: Channel, office: Office) -> None:
    raw = mail()
    inbound_id = stored(channel, raw, "1")
    office.blobs.forget(row(inbound_id).sha256)
    assert intake.process(inbound_id) == Outcome.FAILED
    assert (row(inbound_id).reason, quarantine.count()) == ("fault", 1)
    assert "FileNotFoundError" in row(inbound_id).details
    office.blobs.put(raw)
    assert quarantine.release(row(inbound_id)) == Outcome.NEW_TICKET


@pytest.mark.parametrize(
    "trouble", [OperationalError("select", {}, Exception("database is locked")), OSError(28, "disk full")]
)
def test_a_database_or_disk_in_trouble_leaves_the_mail_pending(
    channel: Channel, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    first, second = stored(channel, mail(), "1"), stored(channel, mail(subject="second"), "2")
    real = filing.file_mail

    def file_mail(kept: InboundMail, *rest: object) -> None:
        if kept.id == first:
            raise trouble
        real(kept, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(filing, "file_mail", file_mail)
        intake.process_pending()
    assert [row(one).state for one in (first, second)] == [InboundState.PENDING, InboundState.FILED]
    assert intake.process_pending() == 1
    assert row(first).outcome == Outcome.NEW_TICKET


def test_a_fault_after_the_ticket_was_made_takes_it_back_whole(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a filing must never be seen: neither its ticket nor its notices."""

    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(filing.notice_mails, "ticket_opened", fail)
    kept = arrive(channel, mail())
    assert (kept.outcome, kept.reason) == (Outcome.QUIET, "unreadable")
    assert (db.session.query(Ticket).count(), db.session.query(OutboundMail).count()) == (1, 0)


# --- two at once


def test_one_mail_is_filed_once_by_however_many_processes(app: Flask, channel: Channel) -> None:
    inbound_id = stored(channel, mail(), "1")
    outcomes = in_threads(app, lambda _number: intake.process(inbound_id), range(4))
    assert set(outcomes) == {Outcome.NEW_TICKET}
    assert db.session.query(Message).count() == 1


def test_a_client_that_tries_again_while_we_still_store_makes_one_ticket(
    app: Flask, channel: Channel
) -> None:
    """It gave up waiting for our 250 and came back by another connection."""
    channel_id, raw = channel.id, mail()
    rows = in_threads(
        app,
        lambda number: arrivals.receive(channel_id, arrivals.Arrival(raw, "smtp", f"smtp:{number}")),
        range(8),
    )
    assert len(set(rows)) == 8
    intake.process_pending()
    outcomes = sorted(map(str, db.session.scalars(select(InboundMail.outcome))))
    assert outcomes == ["duplicate"] * 7 + ["new_ticket"]
    assert db.session.query(Ticket).count() == 1


def test_mails_of_one_new_customer_at_the_same_moment_make_one_contact(app: Flask, channel: Channel) -> None:
    rows = [stored(channel, mail(subject=f"no {number}"), str(number)) for number in range(8)]
    assert set(in_threads(app, intake.process, rows)) == {Outcome.NEW_TICKET}
    assert (db.session.query(Contact).count(), db.session.query(Ticket).count()) == (1, 8)
    assert sorted(db.session.scalars(select(Ticket.number))) == list(range(1001, 1009))


# --- the quarantine


def test_released_once_however_often_it_is_clicked(channel: Channel, alice: Agent) -> None:
    held = arrive(channel, mail(x_spam_flag="YES"))
    assert [quarantine.release(held), quarantine.release(held)] == [Outcome.NEW_TICKET] * 2
    assert db.session.query(Message).count() == 1
    # A person wrote it, says the person who let it in.
    assert db.session.scalars(select(OutboundMail.purpose)).all() == ["confirmation"]
    assert db.session.scalars(select(NoticeItem.notice)).all() == ["new_ticket"]


def test_discarded_is_not_filed_and_the_bytes_stay_until_somebody_thinks_again(
    channel: Channel, office: Office
) -> None:
    held = arrive(channel, mail(x_spam_flag="YES"))
    quarantine.discard(held)
    assert (held.state, held.outcome, held.reason) == (InboundState.DROPPED, Outcome.DROPPED, "discarded")
    assert office.blobs.get(held.sha256)
    assert (quarantine.count(), db.session.query(Ticket).count()) == (0, 0)
    assert quarantine.release(held) == Outcome.NEW_TICKET, "one may think again"
    assert quarantine.release(held) == Outcome.NEW_TICKET
    assert db.session.query(Ticket).count() == 1


@pytest.mark.parametrize(("before", "history", "held"), [(60, False, True), (59, False, False), (60, True, False)])  # fmt: skip
def test_a_storm_waits_but_old_mail_of_a_new_mailbox_does_not(
    channel: Channel, before: int, history: bool, held: bool
) -> None:
    db.session.execute(
        insert(InboundMail),
        [
            {
                "channel_id": channel.id, "via": "imap", "source_id": f"x{number}", "state": InboundState.FILED,
                "outcome": Outcome.NEW_TICKET, "sender": "carol@customer.example",
                "received_at": now() - timedelta(minutes=50), "server_copy": ServerCopy.NONE,
            }
            for number in range(before)
        ],
    )  # fmt: skip
    db.session.commit()
    kept = arrive(channel, mail(), predates_channel=history)
    assert (kept.state == InboundState.HELD, kept.reason == "storm") == (held, held)


def test_our_loop_header_is_known_only_with_our_signature(channel: Channel) -> None:
    ours = ids.sign_loop(signing_key(), "abcdefgh")
    theirs = ids.sign_loop(b"another key", "abcdefgh")
    headers = ({"x_poststelle_loop": value} for value in (ours, theirs))
    assert [arrive(channel, mail(**given)).outcome for given in headers] == [
        Outcome.DROPPED,
        Outcome.NEW_TICKET,
    ]


def test_the_ledger_balances(channel: Channel) -> None:
    raw = mail()
    ticket = ticket_of(arrive(channel, raw))
    for given in (
        raw,
        mail(subject=f"[#{ticket.number}]"),
        mail(x_spam_flag="YES"),
        mail(auto_submitted="auto-replied"),
        mail(message_id=ids.system_message_id(signing_key(), "abcdefgh", "x.example")),
    ):
        arrive(channel, given)
    stored(channel, mail(), "waits")
    outcomes = sorted(map(str, db.session.scalars(select(InboundMail.outcome))))
    assert outcomes == ["dropped", "duplicate", "held", "new_ticket", "pending", "quiet", "reply"]


# --- attempts, and the lane for what takes time


LARGE = mail(text="<p>Hello</p>" * 25_000).replace(b"text/plain", b"text/html", 1)  # read in the child


@pytest.fixture
def lane() -> Iterator[Office]:
    """As where the jobs run; each `restart` forgets what the process knew."""
    here = office()
    here.overtakes = True
    yield here
    here.overtakes = False
    restart(here)


def restart(here: Office) -> None:
    here.slow.clear()
    here.survived.clear()


def attempts() -> list[int]:
    db.session.rollback()
    return list(db.session.scalars(select(InboundMail.attempts).order_by(InboundMail.id)))


def test_what_waits_for_its_turn_is_not_blamed_for_restarts(channel: Channel, lane: Office) -> None:
    stored(channel, LARGE, "1")
    intake.take_in(channel.id, [arrivals.Arrival(LARGE + b"x", "imap", "2")])
    for _ in range(5):
        restart(lane)
        intake.process_pending()
        assert attempts() == [0, 0]
    assert len(lane.slow) == 2 and intake.process_slow() == 2
    assert [one.outcome for one in db.session.scalars(select(InboundMail))] == [Outcome.NEW_TICKET] * 2


def test_one_in_trouble_does_not_block_the_lane(
    channel: Channel, lane: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = stored(channel, LARGE, "1"), stored(channel, LARGE + b"x", "2")
    intake.process_pending()
    real = office().blobs.get
    digest = row(first).sha256

    def get(wanted: str) -> bytes:
        if wanted == digest:
            raise OSError(5, "input/output error")
        return real(wanted)

    with monkeypatch.context() as patch:
        patch.setattr(office().blobs, "get", get)
        intake.process_slow()
    assert [row(one).state for one in (first, second)] == [InboundState.PENDING, InboundState.FILED]
    assert lane.slow == {first}
    intake.process_slow()
    assert row(first).state == InboundState.FILED and not lane.slow


def test_what_a_stopping_process_leaves_was_no_attempt(channel: Channel, lane: Office) -> None:
    office().stopping.set()
    try:
        intake.take_in(channel.id, [arrivals.Arrival(mail(subject=f"{n}"), "imap", f"{n}") for n in range(3)])
    finally:
        office().stopping.clear()
    assert attempts() == [0, 0, 0]


def test_giving_up_survives_a_lost_original(channel: Channel) -> None:
    lost = stored(channel, mail(), "1")
    row(lost).attempts = intake.ATTEMPTS
    db.session.commit()
    office().blobs.forget(row(lost).sha256)
    intake.process_pending()
    assert row(lost).state == InboundState.FAILED


def test_who_processes_all_again_begins_anew(channel: Channel) -> None:
    failed = stored(channel, mail(), "1")
    raw = office().blobs.get(row(failed).sha256)
    office().blobs.forget(row(failed).sha256)
    for _ in range(intake.ATTEMPTS + 1):
        intake.process_pending()
        assert row(failed).state == InboundState.FAILED
        quarantine.process_all_again()
    office().blobs.put(raw)
    intake.process_pending()
    assert row(failed).outcome == Outcome.NEW_TICKET
