"""Servers that hang keep nobody waiting: no healthy mailbox, no edit, no end of the process."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import select, update

from desk.channels import channels, health
from desk.channels.channel_values import ChannelValues, values_of
from desk.office import Office
from jobs import clock as jobs_clock
from jobs.clock import JOBS, Clock
from models import Channel, Incident, Ticket, db, now
from tests.jobs.test_kill import mail
from tests.servers.faulty_mailbox import FaultyImap, running_servers
from tests.servers.serving import until

LANE = next(job.threads for job in JOBS if job.name == "fetch_failing")


def connect(name: str, server: FaultyImap) -> int:
    channel_id = channels.create(
        ChannelValues(
            key=name, address=f"{name}@acme.test", provider="own", protocol="imap", server="localhost",
            port=server.port, ssl=False, allow_plaintext=True, user=name, password="x", smtp_server="localhost",
        )
    ).id  # fmt: skip
    db.session.rollback()  # who only looks on must not keep the writers waiting
    return channel_id


def subjects() -> set[str]:
    found = set(db.session.scalars(select(Ticket.subject)))
    db.session.rollback()
    return found


def test_servers_that_hang_keep_no_healthy_mailbox_waiting(app: Flask, office: Office) -> None:
    office.settings = replace(office.settings, fetch_seconds=1)
    hanging = [FaultyImap("greeting", "hang", {1: mail(100 + number)}) for number in range(2 * LANE)]
    well = FaultyImap("nowhere", "", {1: mail(1)})
    with running_servers([*hanging, well]):
        for number, server in enumerate(hanging):
            health.record_failure(connect(f"hanging{number}", server), "timeout", "", True)
        connect("well", well)
        db.session.execute(
            update(Channel).where(Channel.failing_since.is_not(None)).values(next_try_at=now())
        )
        db.session.commit()
        clock = Clock(app)
        clock.start()
        try:
            until(lambda: sum(server.happened for server in hanging) == LANE)  # the lane is full
            until(lambda: "Request 1" in subjects())
            well.mails[2] = mail(2)
            until(lambda: "Request 2" in subjects())
            assert sum(server.happened for server in hanging) == LANE, "and still is"
            for server in hanging:
                server.heal()
                server.stop()  # whoever waits for it hears the end
        finally:
            clock.stop()


def test_the_end_of_the_process_waits_for_no_server(
    app: Flask, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_clock, "PATIENCE", 0.2)
    hanging = [FaultyImap("search", "hang", {1: mail(1)}), FaultyImap("greeting", "hang", {})]
    with running_servers(hanging):
        ids = [connect(f"hanging{number}", server) for number, server in enumerate(hanging)]
        clock = Clock(app)
        clock.start()
        until(lambda: all(server.happened for server in hanging))
        begins = time.monotonic()
        clock.stop()
        assert time.monotonic() - begins < 30, "less than the limit of a command"
    db.session.expire_all()
    assert [db.session.get(Channel, channel_id).failing_since for channel_id in ids] == [None, None]


def test_an_edit_does_not_wait_for_the_old_server(app: Flask, office: Office) -> None:
    hanging, well = FaultyImap("search", "hang", {}), FaultyImap("nowhere", "", {1: mail(1)})
    with running_servers([hanging, well]):
        channel_id = connect("moved", hanging)
        clock = Clock(app)
        clock.start()
        try:
            until(lambda: hanging.happened)
            channel = db.session.get(Channel, channel_id)
            assert channel is not None
            channels.update(channel, replace(values_of(channel), port=well.port, password="x"))
            until(lambda: "Request 1" in subjects(), patience=30)
        finally:
            clock.stop()
    db.session.expire_all()
    assert channel.failing_since is None and db.session.query(Incident).count() == 0
