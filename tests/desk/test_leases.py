"""Leases: one process at a time, and a dead one holds up nobody."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from sqlalchemy import update

from desk import leases
from desk.office import Office, owner_is_gone
from models import Lease, db, now


def owned_by(process: int | str, office: Office, machine: str = "") -> str:
    here = office.owner.rsplit("|", 2)[0]
    return f"{machine or here}|{process}|nonce"


def give(owner: str, for_how_long: timedelta = leases.TTL) -> None:
    leases.take("fetch:1")
    db.session.execute(update(Lease).values(owner=owner, expires_at=now() + for_how_long))
    db.session.commit()


def owner() -> str:
    db.session.expire_all()
    return db.session.query(Lease).one().owner


def test_it_is_held_while_the_block_runs_and_free_after(office: Office) -> None:
    with leases.held("fetch:1"):
        assert owner() == office.owner
    assert owner() == ""


def test_a_fault_in_the_block_gives_it_back(office: Office) -> None:
    with pytest.raises(ZeroDivisionError), leases.held("fetch:1"):
        raise ZeroDivisionError
    assert owner() == ""


def test_who_may_take_it_over(office: Office) -> None:
    second, over = timedelta(seconds=1), timedelta(seconds=-1)
    for process, machine, left, free in (
        (os.getppid(), "", leases.TTL, False),  # another living process of this machine
        (1, "", leases.TTL, False),  # one that we may not signal
        (1, "elsewhere", second * 30, False),  # another machine: nobody can know
        (1, "elsewhere", over, True),  # but its time is over
        (os.getppid(), "", over, True),
        (4_194_304, "", leases.TTL, True),  # above the largest process number: surely dead
        (os.getpid(), "", leases.TTL, True),  # our number, another's nonce: before our restart
        ("nonsense", "", leases.TTL, False),
    ):
        give(owned_by(process, office, machine), left)
        assert leases.take("fetch:1") is free, (process, machine, left)
        assert (owner() == office.owner) is free


def test_who_waits_gets_it_or_hears_that_it_is_held(office: Office) -> None:
    give(owned_by(os.getppid(), office), timedelta(milliseconds=400))
    with leases.held("fetch:1", wait_seconds=5):
        assert owner() == office.owner
    give(owned_by(os.getppid(), office))
    with pytest.raises(leases.LeaseHeld), leases.held("fetch:1"):
        raise AssertionError("never reached")


def test_it_is_renewed_by_its_holder_and_only_given_back_by_it(office: Office) -> None:
    give(office.owner, timedelta(seconds=1))
    assert leases.take("fetch:1")
    assert db.session.query(Lease).one().expires_at > now() + timedelta(minutes=2)
    other = owned_by(os.getppid(), office)
    give(other)
    leases.release("fetch:1")
    assert owner() == other


def test_two_names_do_not_meet(office: Office) -> None:
    give(owned_by(os.getppid(), office))
    assert leases.take("fetch:2")


def test_a_process_is_never_dead_to_itself(office: Office) -> None:
    assert not owner_is_gone(office.owner)
