"""The crash harness of sending: a full queue, and the process is killed again and again while it empties it.

`Sending` is the run; its moments are random and can be repeated: POSTSTELLE_SEED.
"""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flask import Flask

from app import create_app
from config import from_environment
from desk.sending import replies
from desk.tickets import tickets
from desk.tickets.contacts import contact_for
from mail.types import Address
from models import Agent, Channel, OutboundMail, Ticket, db
from tests.jobs.crash import message_id
from tests.servers.forked import Forked
from tests.servers.serving import Serving, until
from tests.servers.smtp_sink import SmtpSink, SunkMail

PER_TICKET = 3  # replies of one ticket leave in their order, whatever happens between them
AT_A_POINT = 3  # replies that are queued before the process dies at a named point


class TimedSink(SmtpSink):
    """Says nothing for a while when it has a whole mail: a kill meanwhile meets a mail that is on its way."""

    seconds = 0.0

    def keep(self, mail: SunkMail) -> None:
        super().keep(mail)
        time.sleep(self.seconds)


@dataclass
class Sending:
    """`queued` replies to several people each lie in the outbox; `kills` times the process is killed while it
    sends them, then it dies once at every one of `points` with some more of them."""

    serving: Serving
    process: Forked
    sink: TimedSink
    seed: int
    queued: int
    kills: int
    points: tuple[str, ...] = ()
    expected: dict[str, frozenset[str]] = field(default_factory=dict)  # Message-ID to its recipients
    in_order: dict[int, list[str]] = field(default_factory=dict)  # ticket to its Message-IDs
    killed: int = 0
    met_a_mail: int = 0  # kills after which a mail was sent a second time
    died: list[str] = field(default_factory=list)

    def run(self) -> None:
        self.chance = random.Random(self.seed)
        began = time.monotonic()
        print(f"\nPOSTSTELLE_SEED={self.seed}")
        with self._desk():
            self._write(self.queued)
        for left in range(self.kills, 0, -1):
            self._kill_once(left)
            if self.killed % 20 == 0:
                print(f"{self.killed} kills: {len(self._copies())} of {self.queued} replies arrived")
        for point in self.points:
            self._die_at(point)
        self._let_it_finish()
        self._adds_up()
        print(f"{self.told()} in {time.monotonic() - began:.0f} s")

    def told(self) -> str:
        return (
            f"{len(self.expected)} replies to {sum(map(len, self.expected.values()))} recipients, "
            f"server takes {self.sink.seconds:g} s: {self.killed} kills at random moments, {len(self.died)} at named "
            f"points; 0 lost, {self._again()} sent twice ({self.met_a_mail} kills did it), at most 1 by one kill, "
            "same bytes, in order"
        )

    # --- what is done to it

    def _kill_once(self, left: int) -> None:
        """Some mails after its start, and some milliseconds later."""
        before, again = len(self.sink.mails), self._again()
        waiting = len(self.expected) - len(self._copies())
        self.process.start()
        target = before + self.chance.randrange(max(1, 2 * waiting // left))
        until(lambda: len(self.sink.mails) >= target or not self._waits(), patience=60, every=0.002)
        time.sleep(self.chance.random() * (0.02 + self.sink.seconds))
        self.process.kill()
        self.killed += 1
        self._at_most_one_again(again)

    def _die_at(self, point: str) -> None:
        with self._desk():
            self._write(AT_A_POINT)
        again = self._again()
        self.process.start(POSTSTELLE_FAIL_POINT=point)
        assert self.process.wait() == -signal.SIGKILL, f"{point} was not reached"
        self.died.append(point)
        self._at_most_one_again(again)

    def _let_it_finish(self) -> None:
        again = self._again()
        self.process.start()
        until(lambda: self.process.up and not self._waits(), patience=120)
        assert self.process.stop() == 0, self.process.log.read_text()
        self._at_most_one_again(again)

    def _at_most_one_again(self, before: int) -> None:
        """Each run of the process sends again what the death before it left unsure: one mail at most."""
        time.sleep(self.sink.seconds)  # what had reached the server counts, also when nobody hears its answer
        again = self._again() - before
        assert again <= 1, f"{again} mails were sent again after one kill"
        self.met_a_mail += again

    # --- looking

    def _copies(self) -> dict[str, int]:
        """How often each mail was sent, by its Message-ID: as often as to the reader who got it most often."""
        got = Counter((message_id(mail.raw), to) for mail in list(self.sink.mails) for to in mail.recipients)
        copies: dict[str, int] = {}
        for (mail_id, _), number in got.items():
            copies[mail_id] = max(number, copies.get(mail_id, 0))
        return copies

    def _again(self) -> int:
        return sum(number - 1 for number in self._copies().values())

    def _waits(self) -> int:
        asked = "SELECT count(*) AS number FROM outbound_mail WHERE state IN ('queued', 'sending')"
        return int(self.serving.sql(asked)[0]["number"])

    # --- the queue

    @contextmanager
    def _desk(self) -> Iterator[Flask]:
        app = create_app(from_environment(self.serving.environment))
        with app.app_context():
            try:
                yield app
            finally:
                db.session.remove()
                db.engine.dispose()

    def _write(self, number: int) -> None:
        agent = db.session.query(Agent).first()
        assert agent is not None
        for count in range(number):
            if count % PER_TICKET == 0:
                ticket = self._ticket(len(self.expected))
            n = len(self.expected)
            copies = tuple(Address("", f"copy{n}-{c}@customer.example") for c in range(n % 3))
            written = replies.Written(
                text=f"Reply {n}", cc=copies, bcc=(Address("", f"hidden{n}@acme.example"),)
            )
            mail = replies.send_reply(ticket, agent, written).mail
            self.expected[mail.message_id] = frozenset(one.address for one in mail.recipients)
            self.in_order.setdefault(ticket.id, []).append(mail.message_id)

    def _ticket(self, number: int) -> Ticket:
        channel = db.session.query(Channel).filter_by(is_default=True).one()
        contact = contact_for("", f"customer{number}@customer.example", lambda: "en")
        return tickets.open_ticket(
            subject=f"Request {number}",
            channel=channel,
            contact=contact,
            locale="en",
            continues=None,
            maybe=None,
        )

    # --- the end

    def _adds_up(self) -> None:
        assert self.killed == self.kills and tuple(self.died) == self.points
        arrived = list(self.sink.mails)
        assert self._copies().keys() == self.expected.keys(), "0 lost, and nothing else was sent"
        readers: dict[str, frozenset[str]] = {}
        for mail in arrived:  # in a transaction for each
            before = readers.get(message_id(mail.raw), frozenset())
            readers[message_id(mail.raw)] = before | frozenset(mail.recipients)
        assert readers == self.expected
        assert len({mail.raw for mail in arrived}) == len(self.expected), "sent again it has the same bytes"
        first = list(dict.fromkeys(message_id(mail.raw) for mail in arrived))
        for ids in self.in_order.values():
            assert [one for one in first if one in ids] == ids, "the replies of a ticket keep their order"
        self._database_says_so()
        said = self.process.log.read_text()
        assert "Traceback" not in said, said

    def _database_says_so(self) -> None:
        with self._desk():
            twice = {one for one, number in self._copies().items() if number > 1}
            for mail in db.session.query(OutboundMail):
                assert mail.state == "done", (mail.id, mail.state, mail.reason)
                assert {(one.address, one.state, one.reason) for one in mail.recipients} == {
                    (address, "accepted", "") for address in self.expected[mail.message_id]
                }
            rows = self.serving.sql(
                "SELECT DISTINCT outbound_mail.message_id FROM outbound_mail "
                "JOIN ticket_event ON ticket_event.ticket_id = outbound_mail.ticket_id "
                "WHERE ticket_event.kind = 'mail_interrupted'"
            )
            assert twice <= {row["message_id"] for row in rows}, "the ticket's history tells of it"
