"""The clock: which job runs when. Started by `serve` and `worker` alone, never by create_app()."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent import futures
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock, Timer
from typing import Any

from apscheduler.executors.pool import BasePoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask

from desk.channels import connections
from desk.office import Office
from desk.trouble import is_trouble
from jobs import (
    alerts,
    check_forwards,
    check_ledger,
    fetch_mail,
    housekeeping,
    process_mail,
    retention,
    send_mail,
    sent_copies,
)
from models import db

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """`seconds`: how often it runs by itself. It is rung awake earlier when there is work.

    `each` names what the job is for, one by one: every mailbox, every outgoing server has a run of its
    own, so that none waits for another. Without it there is one run.
    """

    name: str
    run: Callable[..., None]
    seconds: int
    each: Callable[[], Iterable[Any]] | None = None
    threads: int = 2
    lane_of: str = (
        ""  # another job that does the same work: rung with it, and never at the same thing at once
    )
    rung_with: str = ""  # another job whose ring is for both


# What runs, and how often. How often a mailbox is really fetched is its own interval and back-off.
JOBS = (
    Job("fetch", fetch_mail.run, 5, each=fetch_mail.due, threads=16),
    # Servers that hang take their time here, where no healthy mailbox waits behind them.
    Job("fetch_failing", fetch_mail.run, 5, each=fetch_mail.due_failing, threads=4, lane_of="fetch"),
    Job("process", process_mail.run, 5),
    Job("process_slow", process_mail.run_slow, 5),
    Job("send", send_mail.run, 5, each=send_mail.due, threads=24),
    Job(
        "send_automatic",
        send_mail.run_automatic,
        5,
        each=send_mail.due_automatic,
        threads=24,
        rung_with="send",
    ),
    Job("sent_copies", sent_copies.run, 15, each=sent_copies.due, threads=4),
    Job("alerts", alerts.run, 30),
    Job("housekeeping", housekeeping.run, 3600),
    Job("retention", retention.run, 3600),
    Job("check_forwards", check_forwards.run, 3600),
    Job("check_ledger", check_ledger.run, 3600),
)

PATIENCE = 5  # seconds that fetches have to come to their next safe point when the process ends
NEVER = 36_500  # days: such a run starts when it is rung, not by itself


class Threads(BasePoolExecutor):
    """Threads that can be waited for apart from the scheduler, which keeps its lock while it waits."""

    def __init__(self, count: int) -> None:
        self._threads = futures.ThreadPoolExecutor(count)
        super().__init__(self._threads)

    def join(self) -> None:
        self._threads.shutdown(wait=True)


class Clock:
    """Runs the jobs of one process. A run is never beside itself, and a ring meanwhile is not lost."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._idle = connections.idle_watch(self._fetch_now)
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)
        self._threads = {"default": Threads(len(JOBS))} | {job.name: Threads(job.threads) for job in JOBS}
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors=self._threads,
            job_defaults={"coalesce": True, "misfire_grace_time": None},
        )

    def start(self) -> None:
        for job in JOBS:
            seconds = job.seconds
            if job.run is fetch_mail.run:
                seconds = min(seconds, self._office.settings.fetch_seconds)
            self._scheduler.add_job(
                self._start_due,
                "interval",
                args=[job],
                id=job.name,
                seconds=seconds,
                max_instances=2,
                next_run_time=datetime.now(UTC),
            )
        self._office.overtakes = True
        self._idle.start()
        self._office.idle = self._idle
        self._scheduler.start()
        self._office.ring = self.ring

    def ring(self, name: str, at: datetime | None = None) -> None:
        """Run a job now, or at a time as well."""
        for job in JOBS:
            if name in (job.name, job.lane_of, job.rung_with):
                with suppress(JobLookupError, RuntimeError):  # the clock is stopping
                    self._ring(job, at)

    def _ring(self, job: Job, at: datetime | None) -> None:
        if at is None:
            self._scheduler.modify_job(job.name, next_run_time=datetime.now(UTC))
        else:
            at = max(at, datetime.now(UTC))
            self._scheduler.add_job(
                self._start_due,
                "date",
                run_date=at,
                args=[job],
                id=f"{job.name} at {at.timestamp():.1f}",
                replace_existing=True,
            )

    def stop(self) -> None:
        """Let what runs come to its next safe point, and start nothing more. Who waits for a server is cut off."""
        self._office.stopping.set()
        self._scheduler.pause()
        self._scheduler.get_jobs()  # returns when the round that is going on has ended
        # A job that rings needs the scheduler's lock, so the scheduler must not wait for it.
        self._scheduler.shutdown(wait=False)
        no_longer = Timer(PATIENCE, connections.hang_up, [self._office, {}])
        no_longer.start()
        for threads in self._threads.values():
            threads.join()
        no_longer.cancel()
        self._idle.stop()

    @property
    def _office(self) -> Office:
        office: Office = self._app.extensions["poststelle"]
        return office

    def _start_due(self, job: Job) -> None:
        """Start the runs that are due. Takes no time itself, so it is never the one that keeps a ring waiting."""
        if job.each is None:
            self._start(job.name, job, ())
            return
        found: list[Any] = []
        self._guarded(job.name, lambda: found.extend(job.each() if job.each else ()))
        for item in found:
            self._start(f"{job.name}:{item}", job, (item,))

    def _fetch_now(self, channel_id: int) -> None:
        """A mailbox stirs: its fetch begins, whatever its turn is."""
        for job in JOBS:
            if job.name == "fetch":
                self._start(f"{job.name}:{channel_id}", job, (channel_id,))

    def _start(self, name: str, job: Job, arguments: tuple[Any, ...]) -> None:
        with suppress(RuntimeError):  # the clock is stopping
            try:
                self._scheduler.modify_job(f"run {name}", next_run_time=datetime.now(UTC))
            except JobLookupError:
                # Two instances: while one works, a ring makes the next one wait its turn and look again.
                self._scheduler.add_job(
                    self._run,
                    "interval",
                    days=NEVER,
                    args=[name, job, arguments],
                    id=f"run {name}",
                    executor=job.name,
                    replace_existing=True,
                    max_instances=2,
                    next_run_time=datetime.now(UTC),
                )

    def _run(self, name: str, job: Job, arguments: tuple[Any, ...]) -> None:
        kind, _, item = name.partition(":")
        with self._locks[f"{job.lane_of or kind}:{item}"]:
            if not self._office.stopping.is_set():
                self._guarded(name, lambda: job.run(*arguments))

    def _guarded(self, name: str, work: Callable[[], None]) -> None:
        with self._app.app_context():
            try:
                work()
            except Exception as error:
                # A fault may end this run, never the clock: the work stands in the database.
                if is_trouble(error):
                    log.warning("job %s waits, disk or database are in trouble: %s", name, error)
                else:
                    log.exception("job %s failed; it runs again by itself", name)
            finally:
                db.session.remove()
