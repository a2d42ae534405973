"""W1: mailbox to tickets. How fast mail is taken in, compared in the same run with bare limits.

`python bench/ingest.py [--mails 2000] [--rounds 3] [--seed 1] [--only ours,orm-stdlib] [--tickets 50000]`

Every contestant gets the same mails (bench/corpus.py) in a fresh mailbox of a real Dovecot, runs in a process
of its own, and takes turns with the others, so that whatever else the machine does hits all of them. Time runs
from the call to its return: connecting, fetching, storing, filing, removing from the server. »ours« is
`desk.receiving.fetching.fetch_channel`, with threading, judging, notices queued and the search index; »ours,
full« is the same with 50,000 tickets in the database before; the bare limits are described in bench/bare.py.

After every run it is verified that exactly these mails are there, each in the right thread, that the ledger
adds up, and that the mailbox is empty. A ratio is ours by the bare limit in the same round: 1.0 is as fast.
CPU time leaves out Dovecot and the waiting for the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.corpus import TO, Mail, corpus  # noqa: E402

BARE = ("orm-stdlib", "orm-fast", "sql-stdlib", "sql-fast")
CONTESTANTS = ("ours", "ours-full", *BARE)
# What the goals of the project say: ours by that, at least.
GOALS = {"orm-stdlib": 0.65, "orm-fast": 1.0, "sql-fast": 0.5}
SLOWER_WHEN_FULL = 1.15
MOST_MEMORY = 150  # MiB


def main() -> None:
    arguments = _arguments()
    if arguments.contestant:
        contend(arguments)
        return
    only = arguments.only.split(",")
    with tempfile.TemporaryDirectory(prefix="poststelle-bench-") as folder:
        corpus_mails = corpus(arguments.mails, arguments.seed)
        results = compare(
            Path(folder), corpus_mails, arguments.rounds, only, arguments.tickets, arguments.filled
        )
    report(results, arguments.mails)


# --- the race


def compare(
    folder: Path, corpus_mails: list[Mail], rounds: int, only: list[str], tickets: int, filled: Path | None
) -> dict[str, list[dict[str, float]]]:
    from tests.servers.ca import Authority
    from tests.servers.dovecot import Dovecot

    mails = len(corpus_mails)
    authority = Authority(folder)
    dovecot = Dovecot(authority.issue(file="dovecot"))
    dovecot.start()
    results: dict[str, list[dict[str, float]]] = defaultdict(list)
    try:
        empty = prepare(folder / "empty")
        full = filled or (prepare(folder / "full", tickets) if "ours-full" in only else empty)
        for turn in range(rounds):
            order = only[turn % len(only) :] + only[: turn % len(only)]
            for contestant in order:
                mailbox = dovecot.add_user()
                data = folder / f"{turn}-{contestant}"
                if contestant.startswith("ours"):
                    shutil.copytree(full if contestant == "ours-full" else empty, data)
                else:
                    data.mkdir()
                with _process(contestant, data, authority.environment) as process:
                    _say(process, {"port": dovecot.imaps, "user": mailbox.user, "password": mailbox.password})
                    _heard(process)  # ready
                    for one in corpus_mails:
                        mailbox.deliver(one.raw)
                    os.sync()  # the mailbox is on the disk before the race, not during it
                    _say(process, {})
                    result = json.loads(_heard(process))
                verify(contestant, data, corpus_mails, mailbox.messages())
                shutil.rmtree(data)
                results[contestant].append(result)
                print(
                    f"round {turn + 1}  {contestant:<10}  {mails / result['seconds']:6.0f} mails/s"
                    f"  {result['cpu'] / mails * 1000:5.2f} ms CPU per mail  {result['memory']:4.0f} MiB",
                    flush=True,
                )
    finally:
        dovecot.remove()
    return results


def prepare(data: Path, tickets: int = 0) -> Path:
    """A data folder with an account, and if wanted a well-filled database."""
    environment = _environment(data)
    flask = [sys.executable, "-m", "flask", "--app", "app"]
    account = ["--company", "Bench", "--name", "Bench", "--email", "bench@acme.example", "--password-stdin"]
    for command, given in (
        (["db", "upgrade"], ""),
        (["account", "create", *account], "a long bench password\n"),
    ):
        subprocess.run(
            [*flask, *command],
            cwd=ROOT,
            env=environment,
            input=given,
            text=True,
            check=True,
            capture_output=True,
        )
    if tickets:
        subprocess.run(
            [sys.executable, ROOT / "bench" / "fill.py", str(tickets)], cwd=ROOT, env=environment, check=True
        )
    return data


def verify(contestant: str, data: Path, corpus_mails: list[Mail], left: list[bytes]) -> None:
    assert left == [], f"{len(left)} mails are left in the mailbox"
    database = sqlite3.connect(data / ("poststelle.db" if contestant.startswith("ours") else "bare.db"))
    ids = {one.message_id: one.thread for one in corpus_mails}
    query = "SELECT message_id, ticket_id FROM message"
    if contestant.startswith("ours"):
        query += " WHERE inbound_id IN (SELECT id FROM inbound_mail WHERE via = 'imap')"
    rows = database.execute(query + " ORDER BY id").fetchall()
    assert len(rows) == len(corpus_mails), f"{len(rows)} messages of {len(corpus_mails)} mails"
    assert {message_id for message_id, _ in rows} == ids.keys(), "other messages than mails"
    assert [row[0] for row in rows] == list(ids), "the server showed the mails in another order"
    tickets = defaultdict(set)
    for message_id, ticket in rows:
        tickets[ids[message_id]].add(ticket)
    torn = {thread: found for thread, found in tickets.items() if len(found) > 1}
    assert not torn, f"threads in several tickets: {torn}"
    threads = set(ids.values())
    assert len(set().union(*tickets.values())) == len(threads), "a ticket holds several threads"
    if contestant.startswith("ours"):
        ledger = dict(
            database.execute("SELECT outcome, count(*) FROM inbound_mail WHERE via = 'imap' GROUP BY outcome")
        )
        assert ledger == {"new_ticket": len(threads), "reply": len(corpus_mails) - len(threads)}, ledger
        copies = database.execute(
            "SELECT DISTINCT server_copy FROM inbound_mail WHERE via = 'imap'"
        ).fetchall()
        assert copies == [("deleted",)], copies
        (found,) = database.execute(
            "SELECT count(*) FROM message_search WHERE rowid IN (SELECT id FROM message WHERE inbound_id IN"
            " (SELECT id FROM inbound_mail WHERE via = 'imap'))"
        ).fetchone()
        assert found == len(corpus_mails), "not every message is in the search index"
        (confirmed,) = database.execute(
            "SELECT count(*) FROM outbound_mail WHERE purpose = 'confirmation' AND about_id IS NOT NULL"
        ).fetchone()
        assert confirmed > 0, "no confirmation was queued"
    database.close()


# --- one contestant, in a process of its own


def contend(arguments: argparse.Namespace) -> None:
    server = json.loads(sys.stdin.readline())
    work, statements = _ours(server) if arguments.contestant == "ours" else _bare(arguments, server)
    print("ready", flush=True)
    sys.stdin.readline()
    before, begin = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    work()
    seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    result = {"seconds": seconds, "cpu": cpu, "memory": _peak_memory(), "statements": statements[0]}
    print(json.dumps(result), flush=True)


def _peak_memory() -> float:
    """MiB. Not ru_maxrss: across fork and exec that keeps the peak of who started us, and he holds all mails."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]


def _ours(server):
    from sqlalchemy import event

    from app import create_app
    from desk.channels import channels
    from desk.channels.channel_values import ChannelValues
    from desk.receiving import fetching
    from jobs.server import keep_what_is_loaded
    from models import db

    context = create_app().app_context()
    keep_what_is_loaded()  # as `serve` does
    context.push()
    channel_id = channels.create(
        ChannelValues(
            key="Help",
            address=TO,
            provider="own",
            server="localhost",
            port=server["port"],
            user=server["user"],
            password=server["password"],
            smtp_server="localhost",
        )
    ).id
    db.session.remove()
    statements = [0]

    @event.listens_for(db.engine, "before_cursor_execute")
    def counted(*_):
        statements[0] += 1

    def work():
        fetch = fetching.fetch_channel(channel_id)
        assert not fetch.error, fetch

    return work, statements


def _bare(arguments, server):
    from bench import bare

    kind, parser = arguments.contestant.split("-")
    folder = Path(os.environ["POSTSTELLE_DATA"])
    return lambda: bare.run(kind, parser, folder, server["port"], server["user"], server["password"]), [0]


# --- what it says


def report(results: dict[str, list[dict[str, float]]], mails: int) -> None:
    print(f"\n{mails} mails, {len(next(iter(results.values())))} rounds; median (least to most)")
    for contestant, runs in results.items():
        rate = _spread([mails / run["seconds"] for run in runs], "{:.0f}")
        cpu = _spread([run["cpu"] / mails * 1000 for run in runs], "{:.2f}")
        print(f"{contestant:<11} {rate:>16} mails/s  {cpu:>20} ms CPU per mail", end="")
        print(f"  {max(run['memory'] for run in runs):4.0f} MiB peak", end="")
        statements = runs[0]["statements"] / mails
        print(f"  {statements:.1f} statements per mail" if statements else "")
    if "ours" not in results:
        return
    print()
    for bare in [name for name in BARE if name in results]:
        goal = f"  goal {GOALS[bare]}" if bare in GOALS else ""
        print(f"ours by {bare:<11} {_ratios(results[bare], results['ours'])}{goal}")
    if "ours-full" in results:
        slower = _ratios(results["ours-full"], results["ours"])
        print(f"slower when full    {slower}  at most {SLOWER_WHEN_FULL}")
    memory = max(run["memory"] for name in results if name.startswith("ours") for run in results[name])
    print(f"peak memory         {memory:.0f} MiB  at most {MOST_MEMORY}")


def _ratios(others: list[dict[str, float]], ours: list[dict[str, float]]) -> str:
    time_, cpu = (
        _spread([other[key] / own[key] for other, own in zip(others, ours, strict=True)], "{:.2f}")
        for key in ("seconds", "cpu")
    )
    return f"{time_:>20}   by CPU {cpu:>20}"


def _spread(values: Iterable[float], form: str) -> str:
    values = sorted(values)
    least, middle, most = (form.format(value) for value in (values[0], statistics.median(values), values[-1]))
    return f"{middle} ({least} to {most})"


# --- processes


def _process(contestant: str, data: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    name = "ours" if contestant.startswith("ours") else contestant
    return subprocess.Popen(
        [sys.executable, __file__, "--contestant", name],
        cwd=ROOT,
        env={**_environment(data), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _environment(data: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("POSTSTELLE_")}
    kept.pop("DATABASE_URL", None)
    return {**kept, "POSTSTELLE_DATA": str(data), "POSTSTELLE_ALLOW_PRIVATE_HOSTS": "1"}


def _say(process: subprocess.Popen[str], what: dict[str, object]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(what) + "\n")
    process.stdin.flush()


def _heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"the contestant ended with code {process.wait()}")
    return line


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mails", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tickets", type=int, default=50_000, help="in the database before, for ours-full")
    parser.add_argument(
        "--filled", type=Path, help="a data folder that prepare() and bench/fill.py made before"
    )
    parser.add_argument("--only", default=",".join(CONTESTANTS), help="contestants, with commas between")
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
