"""`make realmail MAILS=folder`: collections of real mail, each sent through the receiver into a fresh desk.

Below MAILS any folder with an `expected.json` is a collection: an object that has, per file name, what is known
of the mail: `subject`, `from_email`, `leaves` (parts at the ends, attached mails opened), `attachments_count`,
`auto` (a machine wrote it), `bounce`. Every key may be missing. Prints each miss and a summary; ends with 1
when a bound does not hold.
"""

from __future__ import annotations

import io
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flask import Flask, current_app
from sqlalchemy import func, select

from app import create_app
from cli.mail import mail_cli
from config import Relay, from_environment
from desk import schema
from desk.agents import accounts
from mail.judging.bounces import read_bounce
from mail.judging.rules import as_machine
from mail.reading.parse import parse
from mail.reading.part_count import count_leaves
from mail.types import Action
from models import Contact, InboundMail, InboundState, Message, Outcome, Ticket, db
from tests.support import real_bounces
from tests.support.hostile_run import computing

# What must hold, and what is aimed at. A share of what is known; a count where nothing may happen at all.
BOUNDS = {
    "subjects and senders": (0.98, 0.985),
    "leaves": (0.97, 0.97),
    "attachments": (0.97, 0.97),
    "bounces": (0.98, 0.99),
    "failed recipients": (0.98, 0.99),
    "machines": (0.98, 0.985),
    # As if they spoke of replies that we really sent (tests/support/real_bounces.py).
    "bounces at their message": (0.98, 0.99),
    "bounces at their recipient": (0.98, 0.99),
}
SLOWEST = 1.0  # seconds of computing for one mail through the receiver; the clock also counts what others do
ALLOWED = {
    "false bounces": 0,
    "false machines": 0,
    "faults": 0,
    "too slow": 0,
    "tickets of mail servers": 0,
    "delays taken for failures": 0,
}
_COMMENT = re.compile(r"\((?:[^()\\]|\\.)*\)")


@dataclass(slots=True)
class Score:
    """What was right of what is known, and what happened that must not."""

    known: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, float, str] = (0.0, 0.0, "")  # on the clock, of computing, which

    def expect(self, what: str, name: str, found: object, expected: object) -> None:
        self.known[what] += 1
        self.right[what] += found == expected
        if found != expected:
            print(f"{what}: {name}: {found!r} instead of {expected!r}")

    def must_not(self, what: str, name: str, words: object) -> None:
        self.bad[what] += 1
        print(f"{what}: {name}: {words}")


def main(folder: str) -> int:
    score = Score()
    with (
        tempfile.TemporaryDirectory(prefix="realmail-") as data,
        real_bounces.relay() as relay,
        _desk(data, relay.port).app_context(),
    ):
        for path, expected in _mails(Path(folder)):
            _through_the_receiver(path, expected, score)
        _no_ticket_of_a_mail_server(score)
        for path, expected in _mails(Path(folder)):
            if expected.get("bounce") and (told := real_bounces.told_by(path.read_bytes())):
                real_bounces.send_and_bounce(path, told, score)
        db.session.remove()
        db.engine.dispose()
    return _summary(score)


def _mails(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for known in sorted(folder.rglob("expected.json")):
        expected = json.loads(known.read_text())
        for path in sorted(known.parent.iterdir()):
            if path.is_file() and path.name not in ("expected.json", "README.md"):
                yield path, expected.get(path.name, {})


def _desk(data: str, relay_port: int) -> Flask:
    settings = from_environment({"POSTSTELLE_DATA": data, "POSTSTELLE_SEND_PER_HOUR": "0"})
    relay = Relay("127.0.0.1", relay_port, "none")
    app = create_app(replace(settings, testing=True, assets="cdn", relay=relay))
    with app.app_context():
        schema.bring_up_to_date()
        accounts.create_account(
            "Acme GmbH",
            "poststelle.example",
            "en",
            "UTC",
            "Alice",
            "alice@acme.example",
            "correct horse battery",
        )
    return app


def _through_the_receiver(path: Path, expected: dict[str, Any], score: Score) -> None:
    raw, name = path.read_bytes(), f"{path.parent.name}/{path.name}"
    last = db.session.scalar(select(func.max(InboundMail.id))) or 0
    db.session.rollback()
    started, computed = time.perf_counter(), computing()
    runner = current_app.test_cli_runner()
    result = runner.invoke(
        mail_cli, ["receive", "--rcpt", "support-acme@poststelle.example"], input=io.BytesIO(raw)
    )
    seconds, spent = time.perf_counter() - started, computing() - computed
    score.slowest = max(score.slowest, (seconds, spent, name))
    rows = db.session.scalars(select(InboundMail).where(InboundMail.id > last)).all()
    if result.exit_code or len(rows) != 1:
        score.must_not(
            "faults", name, f"exit code {result.exit_code}, {len(rows)} rows: {result.output.strip()}"
        )
        return
    (row,) = rows
    score.outcomes[row.outcome.value] += 1
    if row.state in (InboundState.PENDING, InboundState.FAILED) or row.reason in ("fault", "unreadable"):
        score.must_not("faults", name, f"{row.state.value} {row.reason} {row.details}")
    if row.outcome in (Outcome.NEW_TICKET, Outcome.REPLY) and row.ticket_id is None:
        score.must_not("faults", name, "filed without a ticket")
    if spent > SLOWEST:
        score.must_not("too slow", name, f"{spent:.2f} s, {seconds:.2f} s on the clock")
    _compare_row(row, raw, name, expected, score)
    _compare_reading(raw, name, expected, score)


def _compare_row(row: InboundMail, raw: bytes, name: str, expected: dict[str, Any], score: Score) -> None:
    """What the desk has of it: the ledger, and the message where there is one."""
    subject, sender = row.subject, row.sender
    if row.outcome == Outcome.DUPLICATE:  # the same bytes were read the first time
        mail = parse(raw)
        subject, sender = mail.subject, mail.sender.key
    if "subject" in expected:
        score.expect(
            "subjects and senders", name, " ".join(subject.split()), " ".join(expected["subject"].split())
        )
    if "from_email" in expected:
        score.expect("subjects and senders", name, sender, _same_address(expected["from_email"]))
    message = db.session.scalar(select(Message).where(Message.inbound_id == row.id))
    if "attachments_count" in expected and message is not None:
        score.expect("attachments", name, len(message.attachments), expected["attachments_count"])


def _compare_reading(raw: bytes, name: str, expected: dict[str, Any], score: Score) -> None:
    """What the ledger does not keep: parts, and why a machine was seen in it."""
    if "leaves" in expected:
        score.expect("leaves", name, count_leaves(raw), expected["leaves"])
    mail = parse(raw)
    bounce = read_bounce(raw, mail)
    machine = as_machine(mail, bounce)
    if expected.get("bounce"):
        score.expect("bounces", name, bounce is not None, True)
        score.expect("failed recipients", name, bounce is not None and bounce.recipients != (), True)
    elif expected.get("bounce") is False and bounce is not None:
        score.must_not("false bounces", name, bounce)
    if expected.get("auto"):
        score.expect("machines", name, machine is not None, True)
    elif (
        expected.get("auto") is False
        and machine is not None
        and machine.action in (Action.QUIET, Action.BOUNCE)
    ):
        score.must_not("false machines", name, machine)


def _same_address(address: str) -> str:
    """Comments say nothing in an address (RFC 5322, 3.2.2), upper case nothing to us."""
    return _COMMENT.sub("", address).replace(" ", "").casefold()


def _no_ticket_of_a_mail_server(score: Score) -> None:
    """No report, recognised or not, makes a requester of MAILER-DAEMON."""
    found = select(Ticket.number, Contact.address_key).join(Contact, Ticket.contact_id == Contact.id)
    for number, address in db.session.execute(found):
        if re.match(r"mailer-?daemon", address):
            score.must_not("tickets of mail servers", f"ticket {number}", address)


def _summary(score: Score) -> int:
    print("\noutcomes: " + ", ".join(f"{count} {outcome}" for outcome, count in score.outcomes.most_common()))
    failed = False
    for what, (bound, goal) in BOUNDS.items():
        if known := score.known[what]:
            share = score.right[what] / known
            failed = failed or share < bound
            word = "goal" if share >= goal else "ok" if share >= bound else "TOO FEW"
            print(f"{what}: {score.right[what]} of {known}, {share:.1%} (at least {bound:.0%}): {word}")
    for what, most in ALLOWED.items():
        failed = failed or score.bad[what] > most
        print(
            f"{what}: {score.bad[what]} (at most {most}): {'ok' if score.bad[what] <= most else 'TOO MANY'}"
        )
    seconds, spent, name = score.slowest
    print(f"slowest: {seconds:.2f} s on the clock, {spent:.2f} s of computing: {name}")
    if not score.outcomes:
        print("There is no mail below this folder: it needs collections with an expected.json.")
    return 1 if failed or not score.outcomes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
