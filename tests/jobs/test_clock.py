"""The clock and the process: jobs run, no ring is lost, an end is an orderly end, a bad start says why."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.schedulers import SchedulerNotRunningError
from flask import Flask
from sqlalchemy import create_engine, select, text

from desk.office import Office
from desk.receiving import receiver
from jobs import clock as jobs_clock
from jobs import process_mail
from jobs.clock import Clock, Job
from models import Channel, Ticket, db
from tests.jobs.test_kill import connect, imported, mail
from tests.servers import carol
from tests.servers.ca import Authority
from tests.servers.carol import Got
from tests.servers.dovecot import Dovecot
from tests.servers.serving import Serving, until
from tests.servers.smtp_sink import SmtpSink

NEVER = 3600  # seconds: such a job runs at the start and when it is rung


class Work:
    """A job that says when it began and waits until it may go on."""

    def __init__(self) -> None:
        self.runs = 0
        self.began, self.may_end = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self) -> None:
        self.runs += 1
        self.began.release()
        assert self.may_end.acquire(timeout=10)


@pytest.fixture
def started(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Clock]]:
    """Starts a clock with these jobs instead of ours."""
    clocks: list[Clock] = []

    def start(*table: Job) -> Clock:
        monkeypatch.setattr(jobs_clock, "JOBS", table)
        clocks.append(Clock(app))
        clocks[-1].start()
        return clocks[-1]

    yield start
    for clock in clocks:
        with suppress(SchedulerNotRunningError):
            clock.stop()


def test_a_ring_during_a_run_is_not_lost(started: Callable[..., Clock]) -> None:
    work = Work()
    clock = started(Job("work", work, NEVER))
    assert work.began.acquire(timeout=10)
    for _ in range(5):  # what rings while it works may have come too late for this run
        clock.ring("work")
    assert not work.began.acquire(timeout=0.3), "it never runs twice at once"
    work.may_end.release()
    assert work.began.acquire(timeout=10), "so it runs once more"
    clock.ring("work")
    for _ in range(3):
        work.may_end.release()
    assert work.began.acquire(timeout=10)


def test_a_ring_for_later_comes_then(started: Callable[..., Clock]) -> None:
    moments: list[datetime] = []
    came = threading.Semaphore(0)

    def run() -> None:
        moments.append(datetime.now(UTC))
        came.release()

    clock = started(Job("send", run, NEVER))
    assert came.acquire(timeout=10)
    at = datetime.now(UTC) + timedelta(seconds=0.4)
    clock.ring("send", at)
    assert came.acquire(timeout=10)
    assert moments[1] >= at


def test_a_fault_ends_the_run_but_not_the_clock(
    started: Callable[..., Clock], caplog: pytest.LogCaptureFixture
) -> None:
    came = threading.Semaphore(0)

    def run() -> None:
        came.release()
        raise ZeroDivisionError

    clock = started(Job("work", run, NEVER))
    assert came.acquire(timeout=10)
    clock.ring("work")
    assert came.acquire(timeout=10)
    until(lambda: "job work failed" in caplog.text)


def test_the_clock_stops_though_a_job_still_rings(started: Callable[..., Clock], office: Office) -> None:
    began, rang = threading.Event(), threading.Event()

    def run() -> None:
        began.set()
        assert office.stopping.wait(10)
        for _ in range(50):  # as the filing does after each mail
            office.ring("work", None)
            rang.wait(0.01)
        rang.set()

    clock = started(Job("work", run, NEVER))
    assert began.wait(10)
    stopping = threading.Thread(target=clock.stop, daemon=True)
    stopping.start()
    stopping.join(10)
    assert not stopping.is_alive()
    assert rang.is_set(), "what runs comes to its end first"


def test_a_mail_at_the_receiver_is_filed_at_once(started: Callable[..., Clock], channel: Channel) -> None:
    """By the ring, not by the next tick: the receiver's sender waits for nothing, and neither does the agent."""
    ran, address = threading.Event(), channel.address
    db.session.rollback()

    def run() -> None:
        process_mail.run()
        ran.set()

    def filed() -> bool:
        found = db.session.scalar(select(Ticket.subject)) == carol.SUBJECT
        db.session.rollback()  # who looks must not keep the writers waiting
        return found

    started(Job("process", run, NEVER))
    assert ran.wait(10)
    receiver.take(carol.request(address), carol.ADDRESS, [address], "smtp")
    until(filed, every=0.02)


@pytest.mark.dovecot
def test_sigterm_stops_a_fetch_between_two_mails(
    make_serving: Callable[..., Serving], smtp_sink: SmtpSink, ca: Authority, dovecot: Dovecot
) -> None:
    mails, mailbox = 200, dovecot.add_user()
    for number in range(mails):
        mailbox.deliver(mail(number))
    serving = make_serving(**ca.environment)
    serving.create_account()
    connect(serving, "imap", mailbox, smtp_sink)
    serving.start()
    took: list[float] = []

    def stop() -> None:
        begins = time.monotonic()
        serving.stop()
        took.append(time.monotonic() - begins)

    when_it_has_stored(serving, 5, stop)
    assert serving.exit_code == 0 and took[0] < 15
    filed = imported(serving)
    assert len(filed) < mails, "it did not take in what was left"
    on_server = {Got(raw, "", ()).header("Message-ID") for raw in mailbox.messages()}
    assert len(filed.keys() | on_server) == mails, "each has its ticket or lies on the server"
    serving.start()
    until(lambda: not mailbox.messages(), patience=60)
    assert imported(serving) == Counter(f"<{number}@customer.example>" for number in range(mails))


def when_it_has_stored(serving: Serving, number: int, end: Callable[[], object]) -> None:
    """End the process as soon as so many mails are in the ledger."""
    engine = create_engine(serving.database_url)
    with engine.connect() as connection:

        def stored() -> bool:
            connection.rollback()
            assert serving.running, "".join(serving.output)
            return bool(connection.scalar(text("SELECT count(*) FROM inbound_mail")) >= number)

        until(stored, patience=60, every=0.002)
        connection.rollback()
        end()
    engine.dispose()


# --- a start that cannot be: one sentence, and an exit code


@pytest.mark.parametrize("port", ["POSTSTELLE_PORT", "POSTSTELLE_SMTP_PORT"])
def test_a_taken_port_is_said(make_serving: Callable[..., Serving], port: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1])
        sentence = refused(make_serving(**{port: number}))
    assert number in sentence and port in sentence


def test_a_data_folder_that_cannot_be_written_is_said(
    make_serving: Callable[..., Serving], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    serving = make_serving(POSTSTELLE_DATA=str(tmp_path / "file" / "data"))
    assert "POSTSTELLE_DATA" in refused(serving, code=75)
    # A mail server that pipes mail to us keeps it until the folder is there.
    serving.flask("mail", "receive", "--rcpt", "support@acme.test", stdin=b"Subject: x\n\ny\n", code=75)


def test_a_database_of_a_newer_version_is_said(make_serving: Callable[..., Serving]) -> None:
    serving = make_serving()
    serving.create_account()
    serving.sql("UPDATE alembic_version SET version_num = 'from-the-future'")
    assert "newer version" in refused(serving)


def refused(serving: Serving, code: int = 1) -> str:
    """What `serve` says as it refuses to start."""
    said = serving.flask("serve", code=code, errors=True)
    assert said.startswith("Error: ") and said.count("\n") == 1, said
    return said


def test_a_slow_server_keeps_no_other_waiting(started: Callable[..., Clock]) -> None:
    slow, quick = threading.Event(), threading.Semaphore(0)

    def run(server: str) -> None:
        if server == "slow":
            assert slow.wait(10)
        else:
            quick.release()

    clock = started(Job("send", run, NEVER, each=lambda: ["slow", "quick"], threads=4))
    assert quick.acquire(timeout=10)
    clock.ring("send")
    assert quick.acquire(timeout=10)
    slow.set()
