"""The disk is full or read-only, the database is locked: nothing is taken from anybody, and it goes on by itself.

The long form (POSTSTELLE_LONG=1) locks the database for 60 s, with the time limits of real life.
"""

from __future__ import annotations

import os
import smtplib
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.jobs.crash import made_mail, message_id
from tests.jobs.test_kill import connect, imported
from tests.servers.ca import Authority
from tests.servers.dovecot import Dovecot, Mailbox
from tests.servers.forked import Forked
from tests.servers.serving import Serving, until
from tests.servers.smtp_sink import SmtpSink

LONG = os.environ.get("POSTSTELLE_LONG") == "1"
# Seconds: how long the database is locked, and how long a statement waits for it.
LOCKED, BUSY = (60, 15) if LONG else (5, 1)
SMALL = 24 * 1024 * 1024  # bytes of the disk

pytestmark = [pytest.mark.dovecot, pytest.mark.timeout(600)]


class Desk:
    """A running `serve` with a mailbox to fetch, a receiver, and mails of customers on their way to it."""

    def __init__(self, serving: Serving, mailbox: Mailbox, process: Forked) -> None:
        self.serving, self.mailbox, self.process = serving, mailbox, process
        self.address = serving.create_account()
        self.sent: set[str] = set()

    def to_mailbox(self, number: int) -> None:
        for _ in range(number):
            self.mailbox.deliver(self._made_mail("help@acme.test"))

    def to_receiver(self, raw: bytes) -> int:
        """The answer of our receiver: 250, or the code that it refused with."""
        try:
            with smtplib.SMTP("127.0.0.1", self.serving.smtp_port, timeout=60) as server:
                server.sendmail("carol@customer.example", [self.address], raw)
        except smtplib.SMTPRecipientsRefused as refused:
            return next(iter(refused.recipients.values()))[0]
        except smtplib.SMTPResponseException as refused:
            return refused.smtp_code
        return 250

    def receiver_mail(self) -> bytes:
        return self._made_mail(self.address)

    def fetches_in_vain(self, times: int = 2) -> None:
        """Wait until the fetch has tried and given up."""
        before = self.process.log.read_text().count("job fetch")
        until(lambda: self.process.log.read_text().count("job fetch") >= before + times, patience=60)

    def recovers(self) -> None:
        """Without a restart everything that was sent has its ticket, once, and the mailbox is empty."""
        assert self.process.running
        until(lambda: imported(self.serving).keys() >= self.sent, patience=60)
        until(lambda: not self.mailbox.messages(), patience=60)
        assert set(imported(self.serving).values()) == {1}
        assert imported(self.serving).keys() == self.sent
        waiting = (
            "SELECT id FROM inbound_mail WHERE state IN ('pending', 'failed') OR server_copy = 'present'"
        )
        until(lambda: not self.serving.sql(waiting))
        assert self.process.stop() == 0
        assert "Traceback" not in self.process.log.read_text(), self.process.log.read_text()

    def _made_mail(self, to: str) -> bytes:
        raw = made_mail(len(self.sent), to) + b"x" * 70 * 300 + b"\r\n"
        self.sent.add(message_id(raw))
        return raw


@pytest.fixture
def make_desk(
    make_serving: Callable[..., Serving],
    dovecot: Dovecot,
    smtp_sink: SmtpSink,
    ca: Authority,
    tmp_path: Path,
) -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def make(**environment: str) -> Desk:
        serving = make_serving(**ca.environment, **environment)
        desk = Desk(serving, dovecot.add_user(), Forked(serving, tmp_path / "serve.log"))
        made.append(desk)
        connect(serving, "imap", desk.mailbox, smtp_sink)
        desk.process.start()
        until(lambda: serving.sql("SELECT 1 FROM channel WHERE first_fetch_at IS NOT NULL"))
        return desk

    yield make
    for desk in made:
        if desk.process.running:
            desk.process.kill()


@pytest.fixture
def mount() -> Iterator[Callable[..., None]]:
    """Mounts for one test; only root may."""
    mounted: list[Path] = []
    if os.geteuid() != 0 and os.environ.get("CI") != "true":
        pytest.skip("only root may mount a small disk")

    def mount(target: Path, *arguments: str) -> None:
        target.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", *arguments, str(target)], check=True)
        mounted.append(target)

    yield mount
    for target in reversed(mounted):
        subprocess.run(["umount", "--lazy", str(target)], check=True)


@pytest.mark.parametrize("room", [0, 30_000, 200_000, 400_000] if LONG else [0, 400_000])
def test_a_full_disk(
    make_desk: Callable[..., Desk], mount: Callable[..., None], tmp_path: Path, room: int
) -> None:
    """Full when a mail's bytes are to be stored, full when its row is to be committed, or half-way."""
    mount(tmp_path / "data", "-t", "tmpfs", "-o", f"size={SMALL},mode=0700", "tmpfs")
    desk = make_desk()
    ballast = tmp_path / "data" / "ballast"
    fill(ballast, room)
    desk.to_mailbox(20)
    raw = desk.receiver_mail()
    desk.fetches_in_vain()
    fill(ballast, 0)  # a batch that did not fit left no half of itself, so there is room for a single mail
    assert 400 <= desk.to_receiver(raw) <= 499
    desk.serving.flask("mail", "receive", "--rcpt", desk.address, stdin=raw, code=75)
    there = {message_id(one) for one in desk.mailbox.messages()}
    assert desk.sent - there - {message_id(raw)} <= imported(desk.serving).keys(), (
        "nothing left without a ticket"
    )
    assert there, "the disk was full indeed"
    ballast.unlink()
    assert until(lambda: desk.to_receiver(raw) == 250)
    desk.recovers()


def fill(ballast: Path, room: int) -> None:
    """Take all of the disk but `room` bytes."""
    with open(ballast, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
        file.truncate(max(0, file.tell() - room))


def test_a_read_only_disk_for_mails(
    make_desk: Callable[..., Desk], mount: Callable[..., None], tmp_path: Path
) -> None:
    desk = make_desk()
    blobs = tmp_path / "data" / "blobs"
    blobs.mkdir(exist_ok=True)
    mount(blobs, "--bind", str(blobs))
    subprocess.run(["mount", "-o", "remount,bind,ro", str(blobs)], check=True)
    desk.to_mailbox(3)
    raw = desk.receiver_mail()
    desk.fetches_in_vain()
    assert 400 <= desk.to_receiver(raw) <= 499
    desk.serving.flask("mail", "receive", "--rcpt", desk.address, stdin=raw, code=75)
    assert (len(desk.mailbox.messages()), imported(desk.serving)) == (3, {})
    subprocess.run(["mount", "-o", "remount,bind,rw", str(blobs)], check=True)
    assert desk.to_receiver(raw) == 250
    desk.recovers()


def test_a_read_only_data_folder(
    make_serving: Callable[..., Serving], mount: Callable[..., None], tmp_path: Path
) -> None:
    """A mail server that pipes mail to us keeps it; `serve` says what is wrong and does not start."""
    serving = make_serving()
    address = serving.create_account()
    raw = made_mail(1, address)
    data = tmp_path / "data"
    mount(data, "--bind", str(data))
    subprocess.run(["mount", "-o", "remount,bind,ro", str(data)], check=True)
    for arguments in (("serve",), ("mail", "receive", "--rcpt", address)):
        said = serving.flask(*arguments, stdin=raw, code=75, errors=True)
        assert "cannot be written to" in said and "Traceback" not in said
    subprocess.run(["mount", "-o", "remount,bind,rw", str(data)], check=True)
    serving.flask("mail", "receive", "--rcpt", address, stdin=raw)
    assert imported(serving) == {message_id(raw): 1}


def test_a_locked_database(make_desk: Callable[..., Desk]) -> None:
    """Another program holds the write lock: readers go on, mail waits outside."""
    if os.environ.get("POSTSTELLE_TEST_DATABASE_URL"):
        pytest.skip("PostgreSQL locks rows, and never all of the database")
    desk = make_desk(POSTSTELLE_BUSY_SECONDS=str(BUSY))
    with closing(sqlite3.connect(desk.serving.data / "poststelle.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        desk.to_mailbox(3)
        raw = desk.receiver_mail()
        assert 400 <= desk.to_receiver(raw) <= 499
        desk.serving.flask("mail", "receive", "--rcpt", desk.address, stdin=raw, code=75)
        with urllib.request.urlopen(f"{desk.serving.url}/login", timeout=30) as page:
            assert page.status == 200
        desk.fetches_in_vain(1)
        time.sleep(max(0.0, LOCKED - (time.monotonic() - begun)))
        assert len(desk.mailbox.messages()) == 3
        other.execute("ROLLBACK")
    assert desk.to_receiver(raw) == 250
    desk.recovers()
