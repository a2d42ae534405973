"""Servers that hang keep no healthy mailbox waiting, however many they are."""

from __future__ import annotations

from dataclasses import replace

from flask import Flask
from sqlalchemy import select, update

from desk import channels, health
from desk.channel_values import ChannelValues
from desk.office import Office
from jobs import JOBS, Clock
from models import Channel, Ticket, db, now
from tests.jobs.test_kill import mail
from tests.servers.faulty import FaultyImap, running_servers
from tests.servers.serving import until

LANE = next(job.threads for job in JOBS if job.name == "fetch_failing")


def connect(name: str, server: FaultyImap) -> int:
    return channels.create(
        ChannelValues(
            key=name, address=f"{name}@acme.test", provider="own", protocol="imap", server="localhost",
            port=server.port, ssl=False, allow_plaintext=True, user=name, password="x", smtp_server="localhost",
        )
    ).id  # fmt: skip


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
