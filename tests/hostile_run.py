"""The hostile mails through the door of a fresh desk, then a hundred good ones; a program, so that it can be limited.

Prints one JSON object per mail: its name, what became of it, seconds, and the status of its page. The caller
sets the limits of memory; a mail that takes longer than `PATIENCE` ends the program.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace

from flask.testing import FlaskClient
from sqlalchemy import select

from app import create_app
from config import from_environment
from desk import accounts, door, intake, schema
from models import Agent, InboundMail, Ticket, db
from tests.hostile_mails import CASES

ADDRESS = "support-acme@poststelle.example"
GOOD = 100


def main(names: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="hostile-") as data:
        settings = from_environment({"POSTSTELLE_DATA": data, "POSTSTELLE_MAX_MAIL_MB": "60"})
        app = create_app(replace(settings, testing=True, assets="cdn"))
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
            client = app.test_client()
            with client.session_transaction() as session:
                agent = db.session.scalars(select(Agent)).one()
                session["_user_id"], session["_fresh"] = agent.get_id(), True
            for name, raw in _mails(names):
                print(json.dumps(_through_the_door(name, raw, client)), flush=True)
            usage = [
                resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
            ]
            print(json.dumps({"name": "memory", "kilobytes": usage}))


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


def _through_the_door(name: str, raw: bytes, client: FlaskClient) -> dict[str, object]:
    started = time.perf_counter()
    taken = door.take(raw, "somebody@else.example", [ADDRESS], "smtp")
    if taken.fault is not None:
        return {"name": name, "outcome": "refused", "reason": repr(taken.fault), "seconds": 0.0, "page": 0}
    for inbound_id in taken.rows:
        intake.process(inbound_id)
    seconds = time.perf_counter() - started
    row = db.session.scalars(select(InboundMail).where(InboundMail.id.in_(taken.rows))).one()
    found = {"name": name, "outcome": row.outcome.value, "reason": row.reason, "seconds": round(seconds, 3)}
    ticket = db.session.get(Ticket, row.ticket_id) if row.ticket_id else None
    page = f"/tickets/{ticket.number}" if ticket else ""
    db.session.rollback()
    return found | {"page": client.get(page).status_code if page else None}


if __name__ == "__main__":
    main(sys.argv[1:])
