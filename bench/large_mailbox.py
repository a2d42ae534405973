"""A mailbox with 100,000 mails is connected: first ticket, memory, and how late the other channels are.

`python bench/large_mailbox.py [--mails 100000] [--read 0] [--seconds 120] [--all]`

The Maildir of a real Dovecot is filled by writing files, `serve` fetches it beside five small mailboxes
that are due every ten seconds (three by IMAP, two by POP3). It is watched for two minutes, or with `--all`
to the end. Before that, one mail of 49 MB is fetched alone.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.arrival import connect  # noqa: E402
from bench.start import resident  # noqa: E402
from tests.servers.ca import Authority  # noqa: E402
from tests.servers.dovecot import Dovecot, Mailbox  # noqa: E402
from tests.servers.serving import Serving, until  # noqa: E402

INTERVAL = 10  # seconds
OTHERS = ("imap", "imap", "imap", "pop3", "pop3")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mails", type=int, default=100_000)
    parser.add_argument("--read", type=float, default=0.0, help="the share that was read before: 0 to 1")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--all", action="store_true", help="to the end, however long it takes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="poststelle-bench-") as folder:
        authority = Authority(Path(folder))
        dovecot = Dovecot(authority.issue(file="dovecot"))
        dovecot.start()
        environment = {"POSTSTELLE_FETCH_SECONDS": str(INTERVAL), **authority.environment}
        serving = Serving(Path(folder) / "data", **environment)
        try:
            serving.create_account()
            for number, protocol in enumerate(OTHERS):
                connect(serving, protocol, dovecot.add_user(), f"Small{number}")
            serving.start()
            one_large_mail(serving, dovecot)
            seconds = float("inf") if arguments.all else arguments.seconds
            large_mailbox(serving, dovecot, arguments.mails, arguments.read, seconds)
        finally:
            if serving.running:
                serving.stop()
            dovecot.remove()


def one_large_mail(serving: Serving, dovecot: Dovecot) -> None:
    before = resident(process_of(serving))
    mailbox = dovecot.add_user()
    head = (
        "From: a@customer.example\r\nSubject: large\r\nMIME-Version: 1.0\r\n"
        "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    mailbox.deliver(head.encode() + (b"QUJD" * 19 + b"\r\n") * (49 * 1024 * 1024 // 78))
    connect(serving, "imap", mailbox, "LargeMail")
    begin, most = time.perf_counter(), before
    while not serving.sql("SELECT 1 FROM ticket WHERE subject = 'large'"):
        most = max(most, resident(process_of(serving)))
        if time.perf_counter() - begin > 120:
            raise SystemExit("no ticket for the large mail in two minutes")
        time.sleep(0.02)
    until(lambda: not mailbox.messages())
    print(f"one mail of 49 MB      memory {before:.0f} MiB before, {most:.0f} at most", flush=True)


def large_mailbox(serving: Serving, dovecot: Dovecot, mails: int, read: float, seconds: float) -> None:
    mailbox = dovecot.add_user()
    fill(dovecot, mailbox, mails, int(mails * read))
    os.sync()
    database = sqlite3.connect(serving.data / "poststelle.db")
    watched = Watched(database)
    begin = time.perf_counter()
    connect(serving, "imap", mailbox, "Large")
    (channel_id,) = database.execute("SELECT id FROM channel WHERE key = 'Large'").fetchone()
    connected, first, most, said = time.perf_counter(), None, 0.0, 0.0
    query = "SELECT count(*), sum(outcome = 'left_alone') FROM inbound_mail WHERE channel_id = ?"
    while time.perf_counter() - connected < seconds:
        seen, alone = database.execute(query, (channel_id,)).fetchone()
        alone = alone or 0
        memory = resident(process_of(serving))
        most = max(most, memory)
        watched.look()
        if (
            first is None
            and database.execute("SELECT 1 FROM ticket WHERE channel_id = ?", (channel_id,)).fetchone()
        ):
            first = time.perf_counter() - connected
            print(f"first ticket           {first:.1f} s after the channel was saved   goal 10 s", flush=True)
        if time.perf_counter() - said > 15:
            said = time.perf_counter()
            print(
                f"  {said - connected:5.0f} s  {seen:7} seen, {alone:7} left alone  {memory:.0f} MiB",
                flush=True,
            )
        if (
            seen == mails
            and not database.execute(
                "SELECT 1 FROM inbound_mail WHERE channel_id = ? AND state = 'pending'", (channel_id,)
            ).fetchone()
        ):
            break
        time.sleep(0.2)
    took = time.perf_counter() - connected
    print(
        f"{seen} of {mails} mails in {took:.0f} s ({alone} left alone), {(seen - alone) / took:.0f} tickets/s"
    )
    print(f"memory at most         {most:.0f} MiB   goal 300 MiB")
    print(f"other channels         {watched.latest():.1f} intervals late at most   goal 2")
    print(f"(the command that saves the channel took {connected - begin:.1f} s)")
    database.close()


class Watched:
    """When each of the small mailboxes was last fetched, and the longest time between two fetches."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database
        self.last: dict[int, tuple[str, float]] = {}
        self.longest = 0.0

    def look(self) -> None:
        moment = time.perf_counter()
        query = "SELECT id, last_success_at FROM channel WHERE key LIKE 'Small%'"
        for channel_id, success in self.database.execute(query):
            known, since = self.last.get(channel_id, ("", moment))
            self.longest = max(self.longest, moment - since)
            if known != success:
                self.last[channel_id] = (success, moment)

    def latest(self) -> float:
        return max(0.0, self.longest / INTERVAL - 1)


def fill(dovecot: Dovecot, mailbox: Mailbox, mails: int, read: int) -> None:
    mailbox.deliver(made_mail(0), "S" if read else "")
    folder = dovecot.folder / "mail" / mailbox.user / "Maildir" / "cur"
    owner = (folder.stat().st_uid, folder.stat().st_gid)
    for number in range(1, mails):
        raw, flags = made_mail(number), "S" if number < read else ""
        # The ends of the names differ: Dovecot's table of names would else be one long list.
        path = folder / f"{1_700_000_000 + number}.bench.{number:07}:2,{flags}"
        path.write_bytes(raw)
        if os.geteuid() == 0:
            os.chown(path, *owner)


def made_mail(number: int) -> bytes:
    return (
        f"From: Customer {number} <customer{number}@customer.example>\r\nTo: large@acme.test\r\n"
        f"Subject: Request {number}\r\nMessage-ID: <{number}@customer.example>\r\n\r\n"
        f"Hello {number},\r\n{'we have a question about our order, please answer soon.' * 12}\r\n"
    ).encode()


def process_of(serving: Serving) -> int:
    assert serving._process is not None
    return serving._process.pid


if __name__ == "__main__":
    main()
