"""Five connection tests at once, against servers that never answer: what the pages notice, and when the tests end.

`python bench/connection_tests.py [--pages 60] [--tests 5]`

A real `serve` (waitress). Pages are asked for one after the other: alone, while the tests run, and alone again;
what is printed is their ratio in the same run. »silent« servers take a connection and never say a word;
»dripping« ones send a character a second and no line ever ends, so that only the limit of 15 seconds for the
whole test ends it. What the tests say in the end is printed as well.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import socket
import statistics
import sys
import tempfile
import threading
import time
from html import unescape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.replies import Browser  # noqa: E402
from tests.servers.serving import Serving  # noqa: E402

PAGES = ("/tickets", "/system/channels", "/system/channels/new")
GOAL, LIMIT = 1.5, 15.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=60)
    parser.add_argument("--tests", type=int, default=5)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.create_server(("127.0.0.1", 0), backlog=50) as server,
    ):
        serving = Serving(Path(folder) / "data")
        serving.create_account()
        serving.start()
        port = server.getsockname()[1]
        try:
            print("silent")
            measure(serving, port, "ssl", arguments.pages, arguments.tests)
            threading.Thread(target=drip, args=(server,), daemon=True).start()
            print("dripping")
            measure(serving, port, "none", arguments.pages, arguments.tests)
        finally:
            serving.stop()


def drip(server: socket.socket) -> None:
    """To each who has connected, one character a second."""
    server.settimeout(1)
    connected: list[socket.socket] = []
    while True:
        try:
            connected.append(server.accept()[0])
        except TimeoutError:
            for one in connected:
                with contextlib.suppress(OSError):
                    one.send(b"*")
        except OSError:
            return  # the end


def measure(serving: Serving, port: int, encryption: str, pages: int, tests: int) -> None:
    clients = [Browser(serving.port) for _ in range(tests + 1)]
    for client in clients:
        client.sign_in()
    spend(clients[0], pages // 3)  # the first ones read templates
    before = spend(clients[0], pages)
    began = time.monotonic()
    tests = [start(client, port, encryption) for client in clients[1:]]
    beside = spend(clients[0], pages)
    running = sum(" aria-busy" in client.get(test) for client, test in zip(clients[1:], tests, strict=True))
    while any(" aria-busy" in (said := client.get(tests[at])) for at, client in enumerate(clients[1:])):
        time.sleep(0.1)
    ended = time.monotonic() - began
    after = spend(clients[0], pages)
    alone = statistics.median(before + after)
    ratio = statistics.median(beside) / alone
    print(f"pages alone          p50 {alone * 1000:6.1f} ms")
    print(
        f"pages beside {tests} tests p50 {statistics.median(beside) * 1000:6.1f} ms  ratio {ratio:.2f}; goal {GOAL}"
    )
    print(
        f"{running} of {tests} tests were still running then; all had ended after {ended:.1f} s; limit {LIMIT:.0f} s"
    )
    print(f"said: {' '.join(sentences(said))}")


def spend(client: Browser, pages: int) -> list[float]:
    """Seconds of each page."""
    spent = []
    for number in range(pages):
        began = time.perf_counter()
        client.get(PAGES[number % len(PAGES)])
        spent.append(time.perf_counter() - began)
    return spent


def start(client: Browser, port: int, encryption: str) -> str:
    """Press »Test the connection«; the address where its steps are asked for."""
    client.get("/system/channels/new")
    form = {
        "key": "Slow", "address": "slow@acme.example", "provider": "own", "protocol": "imap", "server": "127.0.0.1",
        "port": str(port), "user": "slow", "password": "secret", "oauth": "password", "after_fetch": "delete",
        "existing": "take", "allow_plaintext": "y", "smtp_server": "127.0.0.1", "smtp_port": str(port),
        "smtp_encryption": encryption, "smtp_auth": "auto", **({"ssl": "y"} if encryption == "ssl" else {}),
    }  # fmt: skip
    piece = client.post("/system/channels/test", form)
    found = re.search(r'hx-get="(/system/channels/tests/[\w-]+)\?', piece)
    assert found, piece
    return found[1]


def sentences(piece: str) -> list[str]:
    """What the failed steps say and advise."""
    failed = re.findall(r'<li class="step step-failed">(.*?)</li>', piece, re.S)
    return [unescape(" ".join(re.sub(r"<[^>]+>", " ", one).split())) for one in failed]


if __name__ == "__main__":
    main()
