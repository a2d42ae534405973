"""The database binding on a real database: secrets, times, codes, writers that wait for each other."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import exc, select, text, update

from desk import keys
from models import Account, Attachment, Channel, Contact, Counter, Kind, Message, Status, Ticket, db
from models.base import insert_now, update_now, use_cipher, writing
from tests.servers.serving import until

THREADS, ROUNDS = 6, 15
WAITING = 20  # more threads than SQLAlchemy's pool has connections where nobody says how many


def raw(statement: str) -> object:
    return db.session.execute(text(statement)).scalar_one()


@pytest.fixture
def ticket(channel: Channel) -> Ticket:
    contact = Contact(address="c@x.example", address_key="c@x.example")
    ticket = Ticket(number=1, subject="s", channel=channel, contact=contact, locale="en", tags=[])
    db.session.add(ticket)
    db.session.commit()
    return ticket


# --- secrets


@pytest.fixture
def secret(channel: Channel) -> Channel:
    channel.password = "hunter2 Größe"
    db.session.commit()
    db.session.expire_all()
    return channel


def test_a_secret_is_readable_here_and_not_in_the_database(app: Flask, secret: Channel) -> None:
    assert secret.password == "hunter2 Größe"
    stored = str(raw("SELECT password FROM channel"))
    assert stored.startswith("gAAAA")
    db.session.remove()
    settings = app.extensions["poststelle"].settings
    for path in settings.data.rglob("*"):
        if path.is_file():
            assert b"hunter2" not in path.read_bytes(), path


def test_an_empty_secret_stays_empty(channel: Channel) -> None:
    assert (channel.password, raw("SELECT password FROM channel")) == ("", "")


def test_a_lost_key_empties_the_secret_and_breaks_no_page(app: Flask, secret: Channel) -> None:
    use_cipher(keys.cipher((Fernet.generate_key().decode(),)))
    assert (secret.password, secret.address) == ("", "support-acme@poststelle.example")


def test_after_a_change_of_the_key_the_old_secret_is_still_read(make_app: Callable[..., Flask]) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    for used in ((old,), (new, old)):
        with make_app(encryption_keys=used).app_context():
            if db.session.get(Account, 1) is None:
                db.session.add(
                    Account(
                        id=1,
                        company="A",
                        mail_domain="a.example",
                        locale="de",
                        timezone="UTC",
                        signing_key="s",
                    )
                )
                db.session.commit()
            assert db.session.scalars(select(Account.signing_key)).one() == "s"
            db.session.remove()


# --- times and codes


def test_times_come_back_in_utc_whatever_they_were_given_in(ticket: Ticket) -> None:
    ticket.resolved_at = datetime(2026, 7, 1, 14, 30, tzinfo=timezone(timedelta(hours=2)))
    db.session.commit()
    db.session.expire_all()
    assert ticket.resolved_at == datetime(2026, 7, 1, 12, 30, tzinfo=UTC)
    assert ticket.resolved_at.utcoffset() == timedelta(0)
    found = db.session.scalar(
        select(Ticket.id).where(Ticket.resolved_at < datetime(2026, 7, 1, 12, 31, tzinfo=UTC))
    )
    assert found == ticket.id


def test_a_time_without_a_zone_is_refused(ticket: Ticket) -> None:
    ticket.resolved_at = datetime(2026, 7, 1)
    with pytest.raises(exc.StatementError, match="naive"):
        db.session.commit()


def test_a_code_is_kept_as_its_word_and_no_other_is_taken(ticket: Ticket) -> None:
    assert raw("SELECT status FROM ticket") == "new"
    assert ticket.status is Status.NEW
    ticket.status = "sleeping"  # type: ignore[assignment]
    with pytest.raises(exc.StatementError, match="sleeping"):
        db.session.commit()


# --- SQLite as it must be, and writers at the same time


def test_a_commit_is_on_the_disk_and_foreign_keys_hold(app: Flask) -> None:
    if db.engine.dialect.name == "sqlite":
        pragmas = {name: raw(f"PRAGMA {name}") for name in ("journal_mode", "synchronous", "foreign_keys")}
        assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    db.session.add(Ticket(number=7, subject="s", channel_id=999, contact_id=999, locale="en", tags=[]))
    with pytest.raises(exc.IntegrityError):
        db.session.commit()


def in_threads(app: Flask, work: Callable[[], object]) -> list[object]:
    def run(_number: int) -> list[object]:
        with app.app_context():
            try:
                return [work() for _ in range(ROUNDS)]
            finally:
                db.session.remove()

    db.session.rollback()
    with ThreadPoolExecutor(THREADS) as threads:
        return [answer for answers in threads.map(run, range(THREADS)) for answer in answers]


def test_numbers_are_given_out_once(app: Flask) -> None:
    def next_number() -> int:
        number = db.session.execute(
            update(Counter)
            .where(Counter.name == "ticket")
            .values(value=Counter.value + 1)
            .returning(Counter.value)
        ).scalar_one()
        db.session.commit()
        return number

    assert sorted(map(str, in_threads(app, next_number))) == [
        str(number) for number in range(1001, 1001 + THREADS * ROUNDS)
    ]


def test_read_and_then_write_loses_no_update(app: Flask) -> None:
    """What two people do to one ticket: read the row, hold it, change it."""

    def add_one() -> None:
        row = db.session.scalars(select(Counter).where(Counter.name == "ticket").with_for_update()).one()
        row.value = row.value + 1
        db.session.commit()

    in_threads(app, add_one)
    assert db.session.scalars(select(Counter.value)).one() == 1000 + THREADS * ROUNDS


def test_who_only_reads_does_not_wait_for_a_writer(app: Flask) -> None:
    db.session.execute(update(Counter).values(value=5))
    db.session.flush()  # the write lock is ours now

    def read() -> int:
        with app.app_context():
            token = writing.set(False)
            try:
                return db.session.scalars(select(Counter.value)).one()
            finally:
                db.session.remove()
                writing.reset(token)

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(read).result(timeout=5) == 1000
    db.session.rollback()


def test_who_only_reads_does_not_wait_behind_many_writers(app: Flask) -> None:
    """Each of them holds a connection while it waits for the lock; a page gets one of its own all the same."""
    db.session.execute(update(Counter).values(value=5))
    db.session.flush()  # the write lock is ours now

    def write() -> None:
        with app.app_context(), suppress(exc.OperationalError):
            db.session.execute(update(Counter).values(value=6))
            db.session.rollback()

    with ThreadPoolExecutor(WAITING) as threads:
        writers = [threads.submit(write) for _ in range(WAITING)]
        try:
            until(lambda: db.engine.pool.checkedout() > WAITING)  # type: ignore[attr-defined]
            page = app.test_client().get("/login")
            assert page.status_code == 200
            assert not any(writer.done() for writer in writers)
        finally:
            db.session.rollback()


# --- past the ORM


def test_what_has_another_name_in_the_database_is_written_past_the_orm_too(ticket: Ticket) -> None:
    message = Message(
        ticket_id=ticket.id, kind=Kind.INBOUND, from_address="c@x.example", to=[], cc=[], references=[]
    )
    insert_now(message)
    about = {"from": "c@x.example", "subject": "s", "date": ""}
    file = Attachment(
        message_id=message.id,
        sha256="0" * 64,
        name="a",
        type="message/rfc822",
        size=1,
        attached_mail=about,
    )
    insert_now(file)
    assert json.loads(str(raw("SELECT CAST(letter AS TEXT) FROM attachment"))) == about
    file.attached_mail = about | {"subject": "t"}
    update_now(file)
    assert json.loads(str(raw("SELECT CAST(letter AS TEXT) FROM attachment")))["subject"] == "t"
