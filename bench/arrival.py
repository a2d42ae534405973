"""W7: from the arrival of a mail to its ticket, by IDLE and by our own receiver.

`python bench/arrival.py [--mails 20] [--gap 2]`

A real `serve` and a real Dovecot; the mailbox is polled once an hour, so what comes sooner comes by IDLE.
A mail has arrived by IMAP when it lies in the Maildir (Dovecot itself tells of it up to half a second
later), by SMTP when its last byte was sent. Its ticket is there when another connection to the database
sees it.
"""

from __future__ import annotations

import argparse
import smtplib
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.servers.ca import Authority  # noqa: E402
from tests.servers.dovecot import Dovecot, Mailbox  # noqa: E402
from tests.servers.serving import Serving, until  # noqa: E402

GOAL = 1.0  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mails", type=int, default=20)
    parser.add_argument("--gap", type=float, default=2.0, help="seconds between two mails")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="poststelle-bench-") as folder:
        authority = Authority(Path(folder))
        dovecot = Dovecot(authority.issue(file="dovecot"))
        dovecot.start()
        environment = {"POSTSTELLE_FETCH_SECONDS": "3600", **authority.environment}
        serving = Serving(Path(folder) / "data", **environment)
        try:
            measure(serving, dovecot.add_user(), arguments.mails, arguments.gap)
        finally:
            if serving.running:
                serving.stop()
            dovecot.remove()


def measure(serving: Serving, mailbox: Mailbox, mails: int, gap: float) -> None:
    address = serving.create_account()
    connect(serving, "imap", mailbox, "Help")
    serving.start()
    until(lambda: serving.sql("SELECT 1 FROM channel WHERE last_success_at IS NOT NULL"))
    time.sleep(gap)
    database = sqlite3.connect(serving.data / "poststelle.db")
    report("IDLE", [seconds(database, mailbox.deliver, f"idle {n}", gap) for n in range(mails)])

    def send(raw: bytes) -> None:
        with smtplib.SMTP("127.0.0.1", serving.smtp_port) as client:
            client.sendmail("carol@customer.example", [address], raw)

    report("receiver", [seconds(database, send, f"receiver {n}", gap) for n in range(mails)])
    database.close()


def connect(serving: Serving, protocol: str, mailbox: Mailbox, key: str) -> None:
    port = mailbox.dovecot.imaps if protocol == "imap" else mailbox.dovecot.pop3s
    serving.flask(
        "channel", "create", "--id", key, "--address", f"{key.lower()}@acme.test", "--provider", "own",
        "--protocol", protocol, "--server", "localhost", "--port", str(port), "--user", mailbox.user,
        "--password-stdin", "--smtp-server", "localhost", "--smtp-port", "1", "--smtp-encryption", "none",
        "--smtp-auth", "none", "--allow-plaintext", stdin=mailbox.password + "\n",
    )  # fmt: skip


def seconds(database: sqlite3.Connection, deliver: Callable[[bytes], object], name: str, gap: float) -> float:
    raw = (
        f"From: {name.replace(' ', '.')}@customer.example\r\nTo: help@acme.test\r\nSubject: {name}\r\n"
        f"Message-ID: <{name.replace(' ', '.')}@customer.example>\r\n\r\nHello\r\n"
    ).encode()
    begin = time.perf_counter()
    deliver(raw)
    while not database.execute("SELECT 1 FROM ticket WHERE subject = ?", (name,)).fetchone():
        if time.perf_counter() - begin > 60:
            raise SystemExit(f"no ticket for “{name}” in a minute")
        time.sleep(0.002)
    took = time.perf_counter() - begin
    time.sleep(gap)
    return took


def report(way: str, took: list[float]) -> None:
    took = sorted(took)
    late = sum(one > GOAL for one in took)
    print(
        f"arrival to ticket by {way:<9} median {statistics.median(took):.3f} s   "
        f"least {took[0]:.3f}   most {took[-1]:.3f}   goal {GOAL} s, missed by {late} of {len(took)}",
        flush=True,
    )


if __name__ == "__main__":
    main()
