"""Several hundred channels: the list and the form beside those of five, and whether each is fetched on time.

`python bench/channels.py [--channels 300] [--seconds 150] [--interval 60] [--dead 10]`

A real `serve` and a real Dovecot; each channel has a mailbox of its own there, fetched by POP3, which has no IDLE,
so that every one is fetched once in each interval; `--dead` of them in a hundred point at a server that takes
connections and never says a word. »late« is by how much a healthy channel's next success came after its interval;
with a look every second. Threads are counted from outside, in /proc.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.large_mailbox import process_of  # noqa: E402
from bench.replies import Browser  # noqa: E402
from tests.servers.ca import Authority  # noqa: E402
from tests.servers.dovecot import Dovecot  # noqa: E402
from tests.servers.serving import Serving  # noqa: E402

FEW, PAGES = 5, 40
GOAL = 1.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, default=300)
    parser.add_argument("--seconds", type=int, default=150)
    parser.add_argument("--interval", type=int, default=60)
    parser.add_argument("--dead", type=int, default=10)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.create_server(("127.0.0.1", 0), backlog=500) as silent,
    ):
        authority = Authority(Path(folder))
        dovecot = Dovecot(authority.issue(file="dovecot"))
        dovecot.start()
        environment = {"POSTSTELLE_FETCH_SECONDS": str(arguments.interval), **authority.environment}
        few, many = (Serving(Path(folder) / name, **environment) for name in ("few", "many"))
        try:
            seed(few, dovecot, FEW, 0, 0)
            seed(many, dovecot, arguments.channels, arguments.dead, silent.getsockname()[1])
            few.start()
            many.start()
            watch(many, arguments.seconds, arguments.interval)
            pages(few, many, arguments.channels)
        finally:
            for serving in (few, many):
                if serving.running:
                    serving.stop()
            dovecot.remove()


def seed(serving: Serving, dovecot: Dovecot, number: int, dead: int, silent: int) -> None:
    """The first by the command, all others like it, with users of their own."""
    serving.create_account()
    user = dovecot.add_user().user
    serving.flask(
        "channel", "create", "--id", "Channel 0", "--address", "channel0@acme.example", "--protocol", "pop3",
        "--provider", "own", "--server", "localhost", "--port", str(dovecot.pop3s), "--ssl", "--user", user,
        "--smtp-server", "localhost", "--password-stdin", stdin="secret\n",
    )  # fmt: skip
    (first,) = serving.sql("SELECT * FROM channel WHERE \"key\" = 'Channel 0'")
    names = [name for name in first if name != "id"]
    columns, places = ", ".join(f'"{name}"' for name in names), ", ".join(f":{name}" for name in names)
    for at in range(1, number):
        key, address = f"Channel {at}", f"channel{at}@acme.example"
        is_dead = at * dead // 100 != (at - 1) * dead // 100
        row = first | {"key": key, "key_fold": key.casefold(), "address": address, "address_key": address}
        row |= {"user": dovecot.add_user().user} | ({"port": silent} if is_dead else {})
        serving.sql(f"INSERT INTO channel ({columns}) VALUES ({places})", **row)


def watch(serving: Serving, seconds: int, interval: int) -> None:
    """How late each healthy channel was, after its first fetch, and how many threads there were at most."""
    process = process_of(serving)
    began, last, late, threads = time.monotonic(), dict[int, datetime](), list[float](), 0
    while time.monotonic() - began < seconds:
        threads = max(threads, int(thread_count(process)))
        rows = serving.sql("SELECT id, last_success_at FROM channel WHERE last_success_at IS NOT NULL")
        for row in rows:
            at = datetime.fromisoformat(row["last_success_at"]).replace(tzinfo=UTC)
            if (before := last.get(row["id"])) not in (None, at):
                late.append((at - before).total_seconds() - interval)
            last[row["id"]] = at
        time.sleep(1)
    failing = serving.sql("SELECT count(*) AS n FROM channel WHERE failing_since IS NOT NULL")[0]["n"]
    print(f"fetched            {len(last)} channels, {len(late)} times again; {failing} in trouble")
    if late:
        ordered = sorted(late)
        middle, most = statistics.median(late), ordered[int(len(late) * 0.95)]
        print(f"late by            p50 {middle:.1f} s, p95 {most:.1f} s, at most {ordered[-1]:.1f} s")
    silent = sum((datetime.now(UTC) - at).total_seconds() > 2 * interval for at in last.values())
    print(f"without success    {silent} channels for two intervals; goal 0")
    print(f"threads            {threads} at most")


def pages(few: Serving, many: Serving, number: int) -> None:
    browsers = [Browser(serving.port) for serving in (few, many)]
    for browser in browsers:
        browser.sign_in()
    newest = [serving.sql("SELECT max(id) AS id FROM channel")[0]["id"] for serving in (few, many)]
    for name, urls in (
        ("list", ["/system/channels"] * 2),
        ("form", [f"/system/channels/{one}" for one in newest]),
    ):
        spent: tuple[list[float], list[float]] = ([], [])
        for _ in range(PAGES):
            for browser, url, times in zip(browsers, urls, spent, strict=True):
                began = time.perf_counter()
                browser.get(url)
                times.append(time.perf_counter() - began)
        with_few, with_many = (statistics.median(times) * 1000 for times in spent)
        print(
            f"{name:<18} {FEW} channels {with_few:.1f} ms, {number} channels {with_many:.1f} ms,"
            f" ratio {with_many / with_few:.2f}; goal {GOAL}"
        )


def thread_count(process: int) -> str:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("Threads:"))


if __name__ == "__main__":
    main()
