"""Servers that fail at each step of IMAP and POP3: nothing lost, nothing twice, well again with the next fetch.

One after another for every case, but many cases at once: a fetch with the fault, a fetch without it.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask_babel import force_locale
from sqlalchemy import select

from blueprints.labels.codes import FAILURE
from desk.channels import channels, connections
from desk.channels.channel_values import ChannelValues
from desk.receiving import fetching
from models import Channel, FetchRecord, InboundMail, Incident, ServerCopy, Ticket, db, now
from tests.servers.faulty_mailbox import FaultyImap, FaultyPop3, FaultyServer, running_servers
from wire import ServerAddress, Timeouts

EVERYWHERE = ("reset", "close", "hang", "no", "garbage", "half")
IMAP_STEPS = ("greeting", "capability", "login", "select", "seen", "search", "list", "body", "present", "store", "expunge", "logout")  # fmt: skip
POP3_STEPS = ("greeting", "capa", "user", "pass", "list", "uidl", "retr", "dele", "quit")
CASES = [
    *(("imap", step, kind) for step in IMAP_STEPS for kind in (*EVERYWHERE, "bad", "bye")),
    *(("imap", "body", kind) for kind in ("cut", "cut_hang", "short", "huge")),
    *(("imap", step, "reset_after") for step in ("store", "expunge", "logout")),
    *(("pop3", step, kind) for step in POP3_STEPS for kind in EVERYWHERE),
    *(("pop3", "retr", kind) for kind in ("cut", "cut_hang")),
    *(("pop3", step, "reset_after") for step in ("dele", "quit")),
]  # fmt: skip
# Where a fault costs nothing: all is done by then, or there is another way.
HARMLESS = {
    ("imap", "logout"),
    ("imap", "present"),
    ("imap", "store"),
    ("imap", "expunge"),
    ("pop3", "capa"),
    ("pop3", "uidl"),
    ("pop3", "dele"),
    ("pop3", "quit"),
    ("pop3", "retr"),
    ("imap", "body"),
}
MAILS = 2

pytestmark = pytest.mark.timeout(300)
SHORT, PATIENT = Timeouts(10, 0.3, 60), Timeouts(30, 60, 300)


@dataclass
class Case:
    protocol: str
    step: str
    kind: str
    server: FaultyServer
    channel_id: int = 0
    first: fetching.Fetch | None = None
    second: fetching.Fetch | None = None

    @property
    def name(self) -> str:
        return f"{self.protocol} {self.step} {self.kind}"


def mail(name: str, number: int) -> bytes:
    sender = f"{name.replace(' ', '.')}.{number}@customer.example"
    return (
        f"From: {sender}\r\nTo: help@acme.test\r\nSubject: {name} {number}\r\nMessage-ID: <{sender}>\r\n\r\n"
        f"Hello\r\n{'x' * 70}\r\n"
    ).encode()


def make(protocol: str, step: str, kind: str) -> Case:
    name = f"{protocol} {step} {kind}"
    mails = {number: mail(name, number) for number in range(1, MAILS + 1)}
    server = FaultyImap if protocol == "imap" else FaultyPop3
    return Case(protocol, step, kind, server(step, kind, mails))


def connect(case: Case) -> int:
    local = case.name.replace(" ", ".")
    return channels.create(
        ChannelValues(
            key=case.name, address=f"{local}@acme.test", provider="own", protocol=case.protocol,
            server="localhost", port=case.server.port, ssl=False, allow_plaintext=True, user=local,
            password="secret", smtp_server="localhost",
        )
    ).id  # fmt: skip


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> dict[int, FaultyServer]:
    """Who hangs is given up soon, all others have all the time of a slow machine."""
    servers: dict[int, FaultyServer] = {}
    real = connections.incoming_server

    def incoming(own: Any) -> ServerAddress:
        address, server = real(own), servers.get(own.port)
        hangs = server is not None and "hang" in server.kind and not server.healed
        return replace(address, timeouts=SHORT if hangs else PATIENT)

    monkeypatch.setattr(connections, "incoming_server", incoming)
    return servers


def test_every_fault_at_every_step(app: Flask, limits: dict[int, FaultyServer]) -> None:
    assert len(CASES) == len(set(CASES)) >= 80
    cases = [make(*case) for case in CASES]
    well = [make(protocol, "nowhere", f"well {number}") for protocol in ("imap", "pop3") for number in (1, 2)]

    def fetch(case: Case) -> fetching.Fetch:
        with app.app_context():
            try:
                return fetching.fetch_channel(case.channel_id)
            finally:
                db.session.remove()

    with running_servers([case.server for case in cases + well]):
        for case in cases + well:
            limits[case.server.port] = case.server
            case.channel_id = connect(case)
        db.session.rollback()
        with ThreadPoolExecutor(6) as threads:
            amid = cases[: len(cases) // 2] + well + cases[len(cases) // 2 :]
            for case, first in zip(amid, threads.map(fetch, amid), strict=True):
                case.first = first
            failing = {case.name: said_to(case) for case in cases}
            for case in cases:
                case.server.heal()
            for case, second in zip(cases, threads.map(fetch, cases), strict=True):
                case.second = second

    complaints = {case.name: wrong(case, failing[case.name]) for case in cases}
    assert {name: found for name, found in complaints.items() if found} == {}
    for case in well:
        assert case.first is not None and (case.first.error, case.first.fetched) == ("", MAILS), case.name
    sent = Counter(f"{case.name} {number}" for case in cases + well for number in range(1, MAILS + 1))
    assert Counter(db.session.scalars(select(Ticket.subject))) - Counter(["Hello from Poststelle"]) == sent
    copies = Counter(db.session.scalars(select(InboundMail.server_copy).where(InboundMail.via != "smtp")))
    assert copies == {ServerCopy.DELETED: len(sent)}, "one row for each, all of them done"
    assert db.session.query(Incident).filter(Incident.ended_at.is_(None)).count() == 0


def said_to(case: Case) -> list[str]:
    """What is on screen after the fetch with the fault, and when it is tried again."""
    channel = db.session.get(Channel, case.channel_id, populate_existing=True)
    assert channel is not None and case.first is not None
    found = []
    if case.first.error:
        sentences = []
        for locale in ("en", "de"):
            with force_locale(locale):
                sentences.append(str(FAILURE[case.first.error]))
        if channel.error_code != case.first.error or sentences[0] == sentences[1]:
            found.append(f"not said: {sentences}")
        if channel.next_try_at is None or channel.next_try_at - now() > timedelta(seconds=60):
            found.append(f"tried again too late: {channel.next_try_at}")
        record = db.session.scalars(select(FetchRecord).where(FetchRecord.channel_id == channel.id)).one()
        if record.code != case.first.error:
            found.append("not in the log of fetches")
    elif (case.protocol, case.step) not in HARMLESS:
        found.append("the fault was not noticed")
    db.session.rollback()
    return found


def wrong(case: Case, found: list[str]) -> list[str]:
    assert case.first is not None and case.second is not None
    if not case.server.happened:
        found.append("the fault never happened")
    if "hang" in case.kind and case.first.error not in ("timeout", ""):
        found.append(f"{case.first.error} {case.first.words}")
    if case.first.error == "internal":
        found.append("a fault of ours")
    if (case.second.error, case.second.refused) != ("", 0):
        found.append(f"not well again: {case.second}")
    if case.first.fetched + case.second.fetched != MAILS:
        found.append(f"{case.first.fetched} + {case.second.fetched} fetched")
    if case.server.mails:
        found.append(f"still on the server: {sorted(case.server.mails)}")
    return found
