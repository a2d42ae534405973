"""W5: an agent answers. The click, the hand-over to the server, and how many answers leave in a second.

`python bench/replies.py [--replies 100] [--rounds 3]`

»click« is the request that sends an answer (POST …/replies with htmx), until the page has its swap. »hand-over«
is the time from the end of the undo time until the server has the whole mail. Both with a relay that takes a
mail at once and with one that needs half a second for each. »bare« is a Flask view under the same web server
that does only the necessary: one transaction (synchronous=FULL) with the message and its outbox row, and a
thread that hands the mail over with smtplib; it takes turns with ours. »throughput« drains a queue that was
filled before, over one connection.
"""

from __future__ import annotations

import argparse
import http.client
import re
import smtplib
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.servers.ports import free_port  # noqa: E402
from tests.servers.serving import PASSWORD, Serving, until  # noqa: E402
from tests.servers.smtp_sink import SmtpSink  # noqa: E402

RELAYS = {"quick": 0.0, "slow": 0.5}  # seconds that the relay takes for each mail
UNDO_SECONDS = 1
TEXT = "Guten Tag,\n\nwir haben Ihre Bestellung geprüft und senden die fehlenden Teile heute noch ab.\n" * 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replies", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bare", metavar="FOLDER", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        serve_bare(Path(arguments.bare))
        return
    clicks: dict[str, list[float]] = {}
    handovers: dict[str, list[float]] = {}
    for turn in range(arguments.rounds):
        for relay, seconds in RELAYS.items():
            number = arguments.replies if not seconds else max(10, arguments.replies // 10)
            for who, race in (("ours", ours), ("bare", bare)):
                click, handover = race(seconds, number)
                clicks.setdefault(f"{who} {relay}", []).append(statistics.median(click))
                handovers.setdefault(f"{who} {relay}", []).append(statistics.median(handover))
                print(
                    f"round {turn + 1}  {who} {relay:<5}  click p50 {statistics.median(click) * 1000:6.1f} ms"
                    f"  p95 {quantile(click):6.1f} ms   hand-over p50 {statistics.median(handover) * 1000:6.1f} ms"
                )
    for name, rows in (("click", clicks), ("hand-over", handovers)):
        for who, medians in rows.items():
            low, high = min(medians) * 1000, max(medians) * 1000
            print(
                f"{name:<9} {who:<10} {statistics.median(medians) * 1000:6.1f} ms  ({low:.1f} to {high:.1f})"
            )
    rates = [throughput(arguments.replies * 2) for _ in range(arguments.rounds)]
    print(
        f"throughput {statistics.median(rates):.0f} replies/s  ({min(rates):.0f} to {max(rates):.0f}); goal 60"
    )


def quantile(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)] * 1000


class SlowSink(SmtpSink):
    """Notes when it had the whole mail, then takes its time before it says so."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.arrived: dict[str, float] = {}

    def keep(self, mail) -> None:  # type: ignore[no-untyped-def]
        found = re.search(rb"(?mi)^Message-ID:\s*(\S+)", mail.raw)
        if found:
            self.arrived[found[1].decode()] = time.time()
        super().keep(mail)
        if self.seconds:
            time.sleep(self.seconds)  # its only thread: nobody else is served meanwhile


@contextmanager
def relay(seconds: float) -> Iterator[SlowSink]:
    sink = SlowSink(seconds)
    sink.start()
    try:
        yield sink
    finally:
        sink.stop()


# --- ours


@contextmanager
def desk(sink: SmtpSink, tickets: int, **environment: str) -> Iterator[Serving]:
    with tempfile.TemporaryDirectory(prefix="poststelle-bench-") as folder:
        serving = Serving(
            Path(folder) / "data",
            MAIL_SERVER="127.0.0.1",
            MAIL_PORT=str(sink.port),
            POSTSTELLE_ASSETS="cdn",
            **environment,
        )
        address = serving.create_account()
        serving.sql("UPDATE account SET undo_seconds = :seconds", seconds=UNDO_SECONDS)
        serving.sql(
            "INSERT INTO notice_switch (notice, enabled) VALUES ('confirmation', 0), ('new_ticket', 0)"
        )
        serving.start()
        try:
            with smtplib.SMTP("127.0.0.1", serving.smtp_port) as client:
                for number in range(tickets):
                    client.sendmail(
                        f"customer{number}@customer.example",
                        address,
                        f"From: customer{number}@customer.example\r\nTo: {address}\r\nSubject: Question {number}\r\n"
                        f"Message-ID: <{number}@customer.example>\r\n\r\nGuten Tag\r\n".encode(),
                    )
            until(lambda: serving.sql("SELECT count(*) AS n FROM ticket")[0]["n"] == tickets, patience=120)
            yield serving
        finally:
            serving.stop()


def ours(seconds: float, replies: int) -> tuple[list[float], list[float]]:
    with relay(seconds) as sink, desk(sink, replies) as serving:
        browser = Browser(serving.port)
        browser.sign_in()
        numbers = [row["number"] for row in serving.sql("SELECT number FROM ticket ORDER BY number")]
        clicks = []
        for number in numbers:
            browser.get(f"/tickets/{number}")
            begun = time.perf_counter()
            browser.post(f"/tickets/{number}/replies", {"body": TEXT, "once": f"bench-{number}", "seen": "0"})
            clicks.append(time.perf_counter() - begun)
        until(lambda: len(sink.arrived) == replies, patience=60 + replies * (seconds + 0.1))
        handed = arrivals_after_due(serving, sink)
    return clicks, handed


def arrivals_after_due(serving: Serving, sink: SlowSink) -> list[float]:
    """Seconds from the end of the undo time; behind a slow relay only for mails that nobody was before."""
    rows = serving.sql(
        "SELECT message_id, (julianday(send_after) - 2440587.5) * 86400.0 AS due FROM outbound_mail ORDER BY id"
    )
    waits = [
        (sink.arrived[row["message_id"]], row["due"]) for row in rows if row["message_id"] in sink.arrived
    ]
    free, handed = 0.0, []
    for arrived, due in sorted(waits):
        handed.append(arrived - max(due, free))
        free = arrived + sink.seconds
    return handed


def throughput(replies: int) -> float:
    """Mails by second of a full queue: written while no process sends, then `jobs once send --now`."""
    with relay(0) as sink, desk(sink, 1) as serving:
        serving.stop()
        script = (
            "import sys, time\n"
            "from app import create_app\n"
            "from desk import outbox, replies\n"
            "from models import Agent, Ticket, db\n"
            "with create_app().app_context():\n"
            "    ticket, agent = db.session.query(Ticket).first(), db.session.query(Agent).first()\n"
            f"    for number in range({replies}):\n"
            f"        replies.send_reply(ticket, agent, replies.Written(text={TEXT!r}))\n"
            "    begun = time.perf_counter()\n"
            "    sent = outbox.deliver_due(at_once=True)\n"
            f"    assert sent == {{'done': {replies}}}, sent\n"
            "    print(time.perf_counter() - begun)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=serving.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        serving.start()
    return replies / float(done.stdout.split()[-1])


class Browser:
    """One connection that keeps its cookies; htmx's headers."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.cookies: dict[str, str] = {}
        self.token = ""

    def sign_in(self) -> None:
        self.get("/login")
        self.post("/login", {"email": "alice@acme.example", "password": PASSWORD}, htmx=False)
        self.get("/")

    def get(self, url: str) -> str:
        return self._ask("GET", url, "", {})

    def post(self, url: str, form: dict[str, str], htmx: bool = True) -> str:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if htmx:
            headers |= {"HX-Request": "true", "HX-Request-Type": "partial"}
        return self._ask("POST", url, urlencode({**form, "csrf_token": self.token}), headers)

    def _ask(self, method: str, url: str, body: str, headers: dict[str, str]) -> str:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        self.connection.request(method, url, body or None, {**headers, "Cookie": cookies})
        response = self.connection.getresponse()
        text = response.read().decode("utf-8", "replace")
        assert response.status < 400, (method, url, response.status, text[:500])
        for line in response.headers.get_all("Set-Cookie") or []:
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        if found := re.search(r'name="csrf_token" value="([^"]+)"', text):
            self.token = found[1]
        return text


# --- the bare limit


def bare(seconds: float, replies: int) -> tuple[list[float], list[float]]:
    with relay(seconds) as sink, tempfile.TemporaryDirectory(prefix="poststelle-bench-") as folder:
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, __file__, "--bare", folder],
            env={"PATH": "/usr/bin:/bin", "BARE_PORT": str(port), "BARE_RELAY": str(sink.port)},
        )
        try:
            until(lambda: answers(lambda: Browser(port).get("/")), patience=30)
            browser = Browser(port)
            clicks = []
            for number in range(replies):
                begun = time.perf_counter()
                browser.post(f"/replies/{number}", {"body": TEXT})
                clicks.append(time.perf_counter() - begun)
            until(lambda: len(sink.arrived) == replies, patience=60 + replies * (seconds + 0.1))
        finally:
            process.terminate()
            process.wait(20)
        rows = sqlite3.connect(Path(folder) / "bare.db").execute(
            "SELECT message_id, due FROM outbox ORDER BY id"
        )
        free, handed = 0.0, []
        for arrived, due in sorted((sink.arrived[message_id], due) for message_id, due in rows):
            handed.append(arrived - max(due, free))
            free = arrived + sink.seconds
    return clicks, handed


def answers(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except OSError:
        return False
    return True


def serve_bare(folder: Path) -> None:
    """One table each for messages and mails, one transaction a click, one thread that sends what is due."""
    import os
    from email.message import EmailMessage

    from flask import Flask, request
    from waitress import serve

    app, due = Flask(__name__), threading.Event()

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(folder / "bare.db", isolation_level=None, timeout=15)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    with connect() as first:
        first.execute("CREATE TABLE message (id INTEGER PRIMARY KEY, ticket INTEGER, text TEXT)")
        first.execute(
            "CREATE TABLE outbox "
            "(id INTEGER PRIMARY KEY, message_id TEXT, raw BLOB, due REAL, done INTEGER DEFAULT 0)"
        )
    local = threading.local()

    @app.get("/")
    def home() -> str:
        return "ready"

    @app.post("/replies/<int:number>")
    def reply(number: int) -> str:
        local.connection = getattr(local, "connection", None) or connect()
        mail, text = EmailMessage(), request.form["body"]
        mail["From"], mail["To"], mail["Subject"] = (
            "bench@acme.example",
            "customer@customer.example",
            f"Re: {number}",
        )
        mail["Message-ID"] = f"<{number}@bare.example>"
        mail.set_content(text)
        local.connection.execute("BEGIN IMMEDIATE")
        local.connection.execute("INSERT INTO message (ticket, text) VALUES (?, ?)", (number, text))
        local.connection.execute(
            "INSERT INTO outbox (message_id, raw, due) VALUES (?, ?, ?)",
            (mail["Message-ID"], mail.as_bytes(), time.time() + UNDO_SECONDS),
        )
        local.connection.execute("COMMIT")
        due.set()
        return f"<p>{text}</p>"

    def send() -> None:
        connection, client = connect(), None
        while True:
            row = connection.execute(
                "SELECT id, raw, due FROM outbox WHERE done = 0 ORDER BY id LIMIT 1"
            ).fetchone()
            if row is None:
                due.wait(1)
                due.clear()
                continue
            time.sleep(max(0.0, row[2] - time.time()))
            client = client or smtplib.SMTP("127.0.0.1", int(os.environ["BARE_RELAY"]))
            client.sendmail("bench@acme.example", ["customer@customer.example"], row[1])
            connection.execute("UPDATE outbox SET done = 1 WHERE id = ?", (row[0],))

    threading.Thread(target=send, daemon=True).start()
    serve(app, host="127.0.0.1", port=int(os.environ["BARE_PORT"]), threads=8, _quiet=True)


if __name__ == "__main__":
    main()
