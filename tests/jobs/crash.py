"""The crash harness: mail comes in while the process is killed again and again, and in the end it adds up.

Moments are random and can be repeated: POSTSTELLE_SEED. `Way` is how mail gets in, `Crash` the run.
"""

from __future__ import annotations

import hashlib
import json
import queue
import random
import re
import signal
import smtplib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from app import create_app
from config import from_environment
from desk.mailroom import balance
from models import db
from tests.servers.dovecot import Mailbox
from tests.servers.forked import Forked
from tests.servers.serving import Serving, until
from tests.servers.smtp_sink import SmtpSink

# What each mail goes through leaves a trace in the database; their number is how far we are.
STEPS = """
SELECT count(*) + count(CASE WHEN state <> 'pending' THEN 1 END)
     + count(CASE WHEN server_copy IN ('deleted', 'moved') THEN 1 END)
FROM inbound_mail WHERE state <> 'duplicate'
"""
MESSAGE_ID = re.compile(rb"^Message-ID: (<[^>]+>)", re.I | re.M)


def made_mail(number: int, to: str) -> bytes:
    """Each from a customer of its own, since very many mails of one sender would be held."""
    return (
        f"From: Customer {number} <customer{number}@customer.example>\r\nTo: {to}\r\n"
        f"Subject: Request {number}\r\nMessage-ID: <{number}@customer.example>\r\n\r\nHello {number}\r\n"
    ).encode()


def message_id(raw: bytes) -> str:
    found = MESSAGE_ID.search(raw)
    return found[1].decode() if found else ""


# --- how mail gets in


class Fetched:
    """It lies in a mailbox of Dovecot, and leaves it when it is safe with us."""

    copies = "deleted"
    steps = 3  # of each mail: stored, decided, removed

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox

    def put(self, raw: bytes) -> None:
        self.mailbox.deliver(raw)

    def given_away(self, sent: dict[str, bytes]) -> set[str]:
        """Message-IDs of the mails that nobody but us has any more."""
        return sent.keys() - {message_id(raw) for raw in self.mailbox.messages()}

    def left_over(self) -> int:
        return len(self.mailbox.flags())


class Delivered:
    """A client that keeps a mail until it hears 250, and tries again until then. Four at once."""

    copies = "none"
    steps = 2  # of each mail: stored, decided

    def __init__(self, protocol: str, port: int, path: Path, to: str) -> None:
        self.protocol, self.port, self.path, self.to = protocol, port, path, to
        self.tries = 0
        self._waiting: queue.Queue[bytes | None] = queue.Queue()
        self._done: set[str] = set()
        self._threads = [threading.Thread(target=self._send_all, daemon=True) for _ in range(4)]
        self._number = 0
        for thread in self._threads:
            thread.start()

    def put(self, raw: bytes) -> None:
        self._number += 1
        self._waiting.put(raw)

    def given_away(self, sent: dict[str, bytes]) -> set[str]:
        return set(self._done)

    def left_over(self) -> int:
        return self._number - len(self._done)

    def end(self) -> None:
        for _ in self._threads:
            self._waiting.put(None)

    def _send_all(self) -> None:
        while (raw := self._waiting.get()) is not None:
            while message_id(raw) not in self._done:
                self.tries += 1
                try:
                    with self._connect() as server:
                        server.sendmail("customer@customer.example", [self.to], raw)
                        self._done.add(message_id(raw))  # before QUIT: 250 is 250
                except (OSError, smtplib.SMTPException):
                    time.sleep(0.05)

    def _connect(self) -> smtplib.SMTP:
        if self.protocol == "lmtp":
            return smtplib.LMTP(str(self.path), local_hostname="client.example")
        return smtplib.SMTP("127.0.0.1", self.port, "client.example", timeout=20)


Way = Fetched | Delivered


# --- the run


@dataclass
class Crash:
    """A quarter of the `mails` is there at once, the others come bit by bit while the process is killed
    `kills` times; then come three more for every one of `points`, and it dies there."""

    serving: Serving
    process: Forked
    way: Way
    sink: SmtpSink
    to: str
    seed: int
    mails: int
    kills: int
    points: tuple[str, ...] = ()
    sent: dict[str, bytes] = field(default_factory=dict)
    killed: int = 0
    under_way: int = 0  # kills that met mails on their way in
    died: list[str] = field(default_factory=list)

    def run(self) -> None:
        self.chance = random.Random(self.seed)
        began = time.monotonic()
        print(f"\nPOSTSTELLE_SEED={self.seed}")
        with self._database() as self.engine:
            self._kill_at_random_moments()
            for point in self.points:
                self._die_at(point)
            self.process.start()
            until(lambda: self.process.up and self._is_done(), patience=120)
            assert self.process.stop() == 0, self.process.log.read_text()
        self._adds_up()
        print(f"{self.told()} in {time.monotonic() - began:.0f} s")

    def told(self) -> str:
        ledger = self.serving.sql("SELECT outcome, count(*) AS number FROM inbound_mail GROUP BY outcome")
        return (
            f"{len(self.sent)} mails, {self.killed} kills at random moments "
            f"({self.under_way} with mails on their way in), {len(self.died)} at named points: "
            f"0 lost, 0 doubled, {self.way.left_over()} left over, {self.doubled_notices()} notices doubled, ledger "
            + ", ".join(f"{row['outcome']} {row['number']}" for row in ledger)
        )

    def doubled_notices(self) -> int:
        return sum(number - 1 for number in Counter(self._notices()).values())

    def _kill_at_random_moments(self) -> None:
        self._deliver(self.mails // 4)
        for left in range(self.kills, 0, -1):
            self._deliver(-(-(self.mails - len(self.sent)) // left))
            self._kill_once()
            if self.killed % 20 == 0:
                print(f"{self.killed} kills: {len(self.sent)} mails, {self.way.left_over()} still outside")

    def _kill_once(self) -> None:
        """Some steps after its start, and some milliseconds later."""
        done = self._steps()
        work = self.way.steps * len(self.sent) - done
        target = done + self.chance.randrange(
            max(1, min(work, 2 * self.way.steps * self.mails // self.kills))
        )
        self.process.start()
        ends = time.monotonic() + 300
        while self._steps() < target:
            assert self.process.running and time.monotonic() < ends, self.process.log.read_text()
            time.sleep(0.02)
        time.sleep(self.chance.random() * 0.04)
        self.process.kill()
        self.killed += 1
        self.under_way += self._steps() < self.way.steps * len(self.sent)
        self._nothing_is_lost()
        self._blame_no_mail()

    def _die_at(self, point: str) -> None:
        self._deliver(3)
        self.process.start(POSTSTELLE_FAIL_POINT=point)
        assert self.process.wait() == -signal.SIGKILL, f"{point} was not reached"
        self.died.append(point)
        self._nothing_is_lost()
        self._blame_no_mail()

    def _blame_no_mail(self) -> None:
        """We killed it, again and again at the same mail; what a mail did three times is shown unread elsewhere
        (test_mail_that_ends_us.py).
        """
        self.serving.sql("UPDATE inbound_mail SET attempts = 0")

    def _deliver(self, number: int) -> None:
        for _ in range(number):
            raw = made_mail(len(self.sent), self.to)
            self.sent[message_id(raw)] = raw
            self.way.put(raw)

    def _nothing_is_lost(self) -> None:
        """What its sender or server does not have any more is in our ledger, and its bytes are on the disk."""
        given_away = self.way.given_away(self.sent)
        rows = self.serving.sql("SELECT sha256 FROM inbound_mail")
        here = {row["sha256"] for row in rows}
        for one in given_away:
            assert _digest(self.sent[one]) in here, f"{one} is lost"
        if self.way.copies == "deleted":
            filed = self._imported()
            assert given_away <= filed.keys(), "what has left the server has its ticket"
            assert max(filed.values(), default=1) == 1

    def _imported(self) -> Counter[str]:
        rows = self.serving.sql("SELECT message_id FROM message WHERE inbound_id IS NOT NULL")
        return Counter(row["message_id"] for row in rows)

    def _is_done(self) -> bool:
        waiting = text(
            "SELECT (SELECT count(*) FROM inbound_mail WHERE state = 'pending' OR server_copy = 'present')"
            " + (SELECT count(*) FROM outbound_mail WHERE state IN ('queued', 'sending'))"
        )
        with self.engine.connect() as connection:
            return not self.way.left_over() and connection.scalar(waiting) == 0

    def _steps(self) -> int:
        with self.engine.connect() as connection:
            return int(connection.scalar(text(STEPS)) or 0)

    def _notices(self) -> list[tuple[str, str]]:
        """Recipient and Message-ID of everything that was sent."""
        return [(sunk.recipients[0], message_id(sunk.raw)) for sunk in list(self.sink.mails)]

    @contextmanager
    def _database(self) -> Iterator[Engine]:
        engine = create_engine(self.serving.database_url)
        try:
            yield engine
        finally:
            engine.dispose()

    # --- the end

    def _adds_up(self) -> None:
        number, deaths = len(self.sent), self.killed + len(self.died)
        assert self.killed == self.kills and tuple(self.died) == self.points
        assert self.way.left_over() == 0, "0 left over"
        exported = [
            message["message_id"]
            for ticket in self.serving.tickets()
            for message in ticket["messages"]
            if message["kind"] == "inbound"
        ]
        assert Counter(exported) == Counter(self.sent.keys()), "0 lost, 0 doubled"
        rows = [json.loads(line) for line in self.serving.flask("export", "ledger").splitlines()]
        assert {row["sha256"] for row in rows} == {_digest(raw) for raw in self.sent.values()}, (
            "every byte is here"
        )
        ledger = Counter((row["verdict"], row["server_copy"]) for row in rows)
        again = ledger.pop(("duplicate", "none"), 0)
        assert ledger == {("new_ticket", self.way.copies): number}
        assert self._balances(), "the ledger adds up"
        assert again == 0 if self.way.copies == "deleted" else again <= 4 * deaths
        confirmed = {to for to, _ in self._notices() if to.endswith("@customer.example")}
        assert confirmed == {f"customer{one}@customer.example" for one in range(number)}
        by_customer = Counter(to for to, _ in set(self._notices()) if to.endswith("@customer.example"))
        assert set(by_customer.values()) == {1}, "one confirmation each, sent again under its own Message-ID"
        assert self.doubled_notices() <= deaths, "at most one doubled notice per kill"
        said = self.process.log.read_text()
        assert "Traceback" not in said, said

    def _balances(self) -> bool:
        """By the thorough check that the clock makes every night: rows, counts, files."""
        with create_app(from_environment(self.serving.environment)).app_context():
            try:
                return all(found.adds_up for found in balance.check())
            finally:
                db.session.remove()
                db.engine.dispose()


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
