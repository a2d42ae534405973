"""How quick the mail ledger stays with very many rows: `python -m bench.ledger [ROWS]`, half a million by default.

Prints the median and the slowest of several runs, in milliseconds. The rows are made up, seeded, and put into a
fresh database in a temporary folder (or the one that POSTSTELLE_TEST_DATABASE_URL names, which is emptied).
"""

from __future__ import annotations

import hashlib
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy import insert, select, text

from app import create_app
from config import from_environment
from desk import schema
from desk.agents import accounts
from desk.mailroom import balance, ledger
from desk.mailroom.ledger import Filter
from desk.tools import export
from models import Channel, InboundMail, Outcome, Provider, ServerCopy, db, now
from models.inbound import STATE_OF

SEED, RUNS, CHANNELS = 20261125, 7, 12
# As a real mailbox has them; the rare ones are what a list finds slowly if it is made badly.
WEIGHTS = {
    Outcome.NEW_TICKET: 380, Outcome.REPLY: 400, Outcome.BOUNCE: 10, Outcome.QUIET: 120, Outcome.DUPLICATE: 8,
    Outcome.LEFT_ALONE: 60, Outcome.DROPPED: 20, Outcome.HELD: 1.9, Outcome.FAILED: 0.05, Outcome.PENDING: 0.05,
}  # fmt: skip


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 500_000
    with tempfile.TemporaryDirectory() as folder:
        environment = {"POSTSTELLE_DATA": folder}
        if database := os.environ.get("POSTSTELLE_TEST_DATABASE_URL", ""):
            environment["DATABASE_URL"] = database
        app = create_app(replace(from_environment(environment), testing=True, assets="cdn"))
        with app.app_context():
            schema.bring_up_to_date()
            accounts.create_account(
                "Acme", "acme.example", "en", "UTC", "Alice", "alice@acme.example", "correct horse battery"
            )
            fill(rows)
            measure(rows)
            db.session.remove()
            db.engine.dispose()


def fill(rows: int) -> None:
    dice, start = random.Random(SEED), now() - timedelta(days=700)
    own = [
        Channel(key=f"C{n}", key_fold=f"c{n}", address=f"c{n}@x.example", provider=Provider.OWN)
        for n in range(CHANNELS)
    ]
    db.session.add_all(own)
    db.session.commit()
    ids = [channel.id for channel in own]
    outcomes = dice.choices(list(WEIGHTS), list(WEIGHTS.values()), k=rows)
    for begin in range(0, rows, 10_000):
        some = []
        for number in range(begin, min(begin + 10_000, rows)):
            outcome = outcomes[number]
            some.append(
                {
                    "channel_id": ids[min(int(dice.expovariate(0.5)), CHANNELS - 1)],
                    "via": "imap", "source_id": f"1/7:{number}", "state": STATE_OF[outcome], "outcome": outcome,
                    "server_copy": ServerCopy.DELETED if dice.random() < 0.98 else ServerCopy.KEPT,
                    "reason": "person", "received_at": start + timedelta(minutes=2 * number),
                    "filed_at": start + timedelta(minutes=2 * number),
                    "sender": f"customer{dice.randrange(40_000)}@customer.example",
                    "subject": f"Order {number} and what became of it", "message_id": f"<{number}@customer.example>",
                    "sha256": hashlib.sha256(str(number).encode()).hexdigest(), "raw": "gone",
                }
            )  # fmt: skip
        db.session.execute(insert(InboundMail), some)
        db.session.commit()
    if db.engine.dialect.name == "postgresql":
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE inbound_mail"))


def measure(rows: int) -> None:
    middle, channel_id = rows // 2, db.session.scalar(select(Channel.id).where(Channel.key == "C11"))
    some = db.session.get(InboundMail, middle)
    assert some is not None
    questions: dict[str, Callable[[], object]] = {
        "newest page": lambda: ledger.listing(Filter()),
        "page in the middle": lambda: ledger.listing(Filter(), before=middle),
        "last page": lambda: ledger.listing(Filter(), before=51),
        "one channel, a small one": lambda: ledger.listing(Filter(channel_id=channel_id)),
        "failed (a few)": lambda: ledger.listing(Filter(verdict=Outcome.FAILED)),
        "answers, in the middle": lambda: ledger.listing(Filter(verdict=Outcome.REPLY), before=middle),
        "lies on the server (none)": lambda: ledger.listing(Filter(copy=ServerCopy.PRESENT)),
        "kept, held, last year": lambda: ledger.listing(Filter(None, Outcome.HELD, ServerCopy.KEPT, "year")),
        "by SHA-256": lambda: ledger.listing(Filter(query=some.sha256)),
        "by Message-ID": lambda: ledger.listing(Filter(query=some.message_id)),
        "by sender": lambda: ledger.listing(Filter(query=some.sender)),
        "by words, often": lambda: ledger.listing(Filter(query="became")),
        "by words, nowhere": lambda: ledger.listing(Filter(query="nowhere")),
        "balance of all channels": balance.balances,
        "thorough check": balance.check,
        "export of all rows": lambda: sum(1 for _ in export.ledger()),
    }
    print(f"{rows} rows, {db.engine.dialect.name}: median and slowest of {RUNS} in ms")
    for name, ask in questions.items():
        times = []
        for _ in range(RUNS if name not in ("thorough check", "export of all rows") else 1):
            db.session.rollback()
            db.session.expire_all()
            begin = time.perf_counter()
            ask()
            times.append((time.perf_counter() - begin) * 1000)
        print(f"{name:28} {statistics.median(times):9.1f} {max(times):9.1f}")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main()
