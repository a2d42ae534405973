"""The clock: which job runs when. Started by `serve` and `worker` alone, never by create_app()."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask

from desk.office import Office
from jobs import fetch_mail, housekeeping, process_mail, send_mail
from models import db

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """`seconds`: how often it runs by itself. It is rung awake earlier when there is work."""

    name: str
    run: Callable[[], None]
    seconds: int


# What runs, and how often.
JOBS = (
    Job("process", process_mail.run, 5),
    Job("send", send_mail.run, 5),
    Job("housekeeping", housekeeping.run, 3600),
)
# How often is looked at most which mailboxes are due; each has its own interval and back-off, and its own job.
LOOK_SECONDS = 5
FETCHES_AT_ONCE = 16


class Clock:
    """Runs the jobs of one process. Each job is at most once at work; a ring during its run is not lost."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._locks = {job.name: Lock() for job in JOBS}
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(12), "fetch": ThreadPoolExecutor(FETCHES_AT_ONCE)},
            job_defaults={"coalesce": True, "misfire_grace_time": None},
        )

    def start(self) -> None:
        now = datetime.now(UTC)
        for job in JOBS:
            # Two instances: while one works, a ring makes the next one wait its turn and look again.
            self._scheduler.add_job(
                self._run,
                "interval",
                args=[job],
                id=job.name,
                seconds=job.seconds,
                max_instances=2,
                next_run_time=now,
            )
        self._scheduler.add_job(
            self._look_for_mailboxes,
            "interval",
            id="fetch",
            seconds=min(LOOK_SECONDS, self._office.settings.fetch_seconds),
            next_run_time=now,
        )
        self._scheduler.start()
        self._office.ring = self.ring

    def ring(self, name: str, at: datetime | None = None) -> None:
        """Run a job now, or at a time as well."""
        with suppress(JobLookupError, RuntimeError):  # the clock is stopping
            if at is None:
                self._scheduler.modify_job(name, next_run_time=datetime.now(UTC))
            else:
                job = next(job for job in JOBS if job.name == name)
                self._scheduler.add_job(self._run, "date", run_date=at, args=[job])

    def stop(self) -> None:
        """Let what runs come to its next safe point, and start nothing more."""
        self._office.stopping.set()
        self._scheduler.shutdown(wait=True)

    @property
    def _office(self) -> Office:
        office: Office = self._app.extensions["poststelle"]
        return office

    def _look_for_mailboxes(self) -> None:
        """One job per due channel; a channel whose fetch still runs is not started a second time."""
        with self._app.app_context():
            try:
                due = fetch_mail.due()
            except Exception:
                log.exception("cannot look for due mailboxes; it is tried again")
                return
            finally:
                db.session.remove()
        for channel_id in due:
            self._scheduler.add_job(
                self._fetch,
                args=[channel_id],
                id=f"fetch:{channel_id}",
                executor="fetch",
                replace_existing=True,
                max_instances=1,
            )

    def _fetch(self, channel_id: int) -> None:
        self._guarded(f"fetch:{channel_id}", lambda: fetch_mail.run(channel_id))

    def _run(self, job: Job) -> None:
        with self._locks[job.name]:
            self._guarded(job.name, job.run)

    def _guarded(self, name: str, work: Callable[[], None]) -> None:
        with self._app.app_context():
            try:
                work()
            except Exception:
                # A fault may end this run, never the clock: the work stands in the database.
                log.exception("job %s failed; it runs again by itself", name)
            finally:
                db.session.remove()
