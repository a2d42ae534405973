"""The hostile mails through the receiver of a fresh desk, then a hundred good ones; a program, so that it can be limited.

Prints one JSON object per mail: its name, what became of it, seconds on the clock and of computing, and the status
of its page; ends with 1 if a bound does not hold. The whole process has 512 MB of address space, and so have those
that it starts. `make hostile` runs all of them; arguments name some.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import select

from app import create_app
from config import from_environment
from desk import schema
from desk.agents import accounts
from desk.receiving import intake, receiver
from models import Agent, InboundMail, Ticket, db
from tests.support.hostile_mails import CASES

ADDRESS = "support-acme@poststelle.example"
GOOD = 100
MEMORY = 512 * 1024 * 1024  # octets
PATIENCE = 5.0  # seconds for one mail
VISIBLE = ("new_ticket", "reply", "quiet", "held", "bounce")


def main(names: list[str]) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    failed = 0
    with tempfile.TemporaryDirectory(prefix="hostile-") as data:
        settings = from_environment({"POSTSTELLE_DATA": data, "POSTSTELLE_MAX_MAIL_MB": "60"})
        app = create_app(replace(settings, testing=True, assets="cdn"))
        with app.app_context():
            schema.bring_up_to_date()
            accounts.create_account(
                "Acme GmbH", "poststelle.example", "en", "UTC", "Alice", "alice@acme.example", "correct horse"
            )
            client = app.test_client()
            with client.session_transaction() as session:
                agent = db.session.scalars(select(Agent)).one()
                session["_user_id"], session["_fresh"] = agent.get_id(), True
            for name, raw in _mails(names):
                found = _through_the_receiver(name, raw, client)
                failed += not _holds(found)
                print(json.dumps(found), flush=True)
    return 1 if failed else 0


def _holds(found: dict[str, Any]) -> bool:
    shown = found["page"] == 200 or found["outcome"] == "held" or found["name"] not in CASES
    return shown and found["outcome"] in VISIBLE and found["seconds"] <= PATIENCE


def _mails(names: list[str]) -> Iterator[tuple[str, bytes]]:
    for number, name in enumerate(names or CASES):  # each by somebody else, or they would be a storm
        yield name, CASES[name]().replace(b"mallory@evil.example", b"mallory%d@evil.example" % number)
    for number in range(GOOD):
        yield f"good {number}", _good(number)


def _good(number: int) -> bytes:
    return (
        f"From: Carol <carol{number}@kunde.example>\nTo: {ADDRESS}\nSubject: Frage {number}\n"
        f"Message-ID: <{number}@kunde.example>\n\nGuten Tag, Frage {number}.\n"
    ).encode()


def _through_the_receiver(name: str, raw: bytes, client: FlaskClient) -> dict[str, Any]:
    started, computed = time.perf_counter(), computing()
    taken = receiver.take(raw, "somebody@else.example", [ADDRESS], "smtp")
    found: dict[str, Any] = {"name": name, "seconds": 0.0, "computing": 0.0, "page": None}
    if taken.fault is not None:
        return found | {"outcome": "refused", "reason": repr(taken.fault)}
    for inbound_id in taken.rows:
        intake.process(inbound_id)
    found["seconds"] = round(time.perf_counter() - started, 3)
    found["computing"] = round(computing() - computed, 3)
    row = db.session.scalars(select(InboundMail).where(InboundMail.id.in_(taken.rows))).one()
    found |= {"outcome": row.outcome.value, "reason": row.reason}
    ticket = db.session.get(Ticket, row.ticket_id) if row.ticket_id else None
    page = f"/tickets/{ticket.number}" if ticket and name in CASES else ""
    db.session.rollback()
    return found | {"page": client.get(page).status_code if page else None}


def computing() -> float:
    """Seconds of this process and of those it has waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
