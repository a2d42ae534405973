"""Who may run what only one process may run: a row with an expiry (one UPDATE decides)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Lock

from sqlalchemy import insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from desk.office import office, owner_is_gone
from models import Lease, db, now
from models.base import rows_changed

TTL = timedelta(minutes=3)  # longer than the longest step between two renewals

_guard, _held_here = Lock(), set[tuple[str, str]]()


class LeaseHeld(Exception):
    """Another living process, or another thread of this one, holds the lease."""


def of_mailbox(channel_id: int) -> str:
    """The lease under which one process at a time fetches a mailbox."""
    return f"fetch:{channel_id}"


@contextmanager
def held(name: str, wait_seconds: float = 0) -> Iterator[None]:
    """Hold the lease while the block runs. Raises LeaseHeld when it is not free within `wait_seconds`."""
    deadline = time.monotonic() + wait_seconds
    with _one_thread(name, deadline):
        while not take(name):
            _wait(name, deadline)
        try:
            yield
        finally:
            release(name)


@contextmanager
def _one_thread(name: str, deadline: float) -> Iterator[None]:
    """The row tells processes apart; within one of them, threads exclude each other here."""
    ours = (office().owner, name)
    while True:
        with _guard:
            if ours not in _held_here:
                _held_here.add(ours)
                break
        _wait(name, deadline)
    try:
        yield
    finally:
        with _guard:
            _held_here.discard(ours)


def _wait(name: str, deadline: float) -> None:
    if time.monotonic() >= deadline:
        raise LeaseHeld(name)
    time.sleep(0.25)


def take(name: str) -> bool:
    """Take or renew the lease; False while another living process has it."""
    db.session.rollback()
    moment, me = now(), office().owner
    row = db.session.execute(select(Lease.owner, Lease.expires_at).where(Lease.name == name)).one_or_none()
    if row is None:
        try:
            db.session.execute(insert(Lease).values(name=name, owner=me, expires_at=moment + TTL))
            db.session.commit()
            return True
        except IntegrityError:
            db.session.rollback()
            return False
    free = [Lease.owner == "", Lease.owner == me, Lease.expires_at < moment]
    if owner_is_gone(row.owner):
        free.append(Lease.owner == row.owner)
    taken = rows_changed(
        update(Lease).where(Lease.name == name, or_(*free)).values(owner=me, expires_at=moment + TTL)
    )
    db.session.commit()
    return bool(taken)


def release(name: str) -> None:
    db.session.rollback()
    db.session.execute(
        update(Lease).where(Lease.name == name, Lease.owner == office().owner).values(owner="")
    )
    db.session.commit()


def is_held(name: str) -> bool:
    """Whether somebody is at it now. Looks only."""
    held_now = (Lease.name == name, Lease.owner != "", Lease.expires_at >= now())
    return db.session.scalar(select(Lease.name).where(*held_now)) is not None
