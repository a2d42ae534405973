"""Two checkouts side by side: CPU time and SQL statements per mail and per page, in turns.

    python bench/trees.py OLD NEW [rounds]

Only what is stable is used (commands, addresses of pages, sample mails of the older tree), so that a tree from
before a regrouping can be compared with one from after it. CPU time is user and system, children included.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

MAILS, PAGE_ROUNDS = 400, 30
PASSWORD = "correct horse battery"
PAGES = (
    "/tickets", "/tickets?view=resolved", "/tickets?q=printer", "/tickets/1001", "/tickets/1001?tab=history",
    "/system/ledger", "/system/ledger/3", "/quarantine", "/system/channels", "/system/channels/new",
    "/system/channels/1", "/system/notifications", "/system/agents", "/profile",
)  # fmt: skip


def cpu() -> float:
    """Seconds of this process and of its children that have ended."""
    spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in spent)


def measure(mails: Path) -> dict[str, Any]:
    """In the tree that is the working directory: {what: [CPU seconds, statements]}, each for one mail or page."""
    from sqlalchemy import event

    from app import create_app
    from models import db

    app = create_app()
    counted = 0

    def count(*_: Any) -> None:
        nonlocal counted
        counted += 1

    def command(*arguments: str, given: bytes = b"") -> None:
        result = app.test_cli_runner().invoke(args=list(arguments), input=given)
        assert result.exit_code == 0, result.output

    command(
        "account", "create", "--company", "Acme", "--name", "Alice", "--email", "alice@acme.example",
        "--password-stdin", given=f"{PASSWORD}\n".encode(),
    )  # fmt: skip
    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", count)
    samples = sorted(path for path in mails.rglob("*.eml") if "hostile" not in path.name)
    before, started = cpu(), counted
    for number in range(MAILS):
        raw = samples[number % len(samples)].read_bytes() + f"\r\n{number}\r\n".encode()
        command("mail", "receive", "--rcpt", "support-acme@poststelle.example", given=raw)
    command("jobs", "once", "process")
    found: dict[str, Any] = {"mail": [(cpu() - before) / MAILS, (counted - started) / MAILS]}
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    answer = client.post("/login", data={"email": "alice@acme.example", "password": PASSWORD})
    assert answer.status_code == 303, (answer.status_code, answer.text[:300])
    for page in PAGES:
        status = client.get(page).status_code  # once for the compiled template
        if status != 200:
            sys.exit(f"{page} answered {status}")
        before, started = cpu(), counted
        for _ in range(PAGE_ROUNDS):
            client.get(page)
        found[page] = [(cpu() - before) / PAGE_ROUNDS, (counted - started) / PAGE_ROUNDS]
    return found


def run(tree: Path, mails: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as data:
        environment = os.environ | {
            "PYTHONPATH": str(tree), "POSTSTELLE_DATA": data, "POSTSTELLE_ASSETS": "cdn", "PYTHONHASHSEED": "0",
        }  # fmt: skip
        command = [sys.executable, str(Path(__file__).resolve()), "--measure", str(mails)]
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{tree}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    old, new = (Path(argument).resolve() for argument in sys.argv[1:3])
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    turns = [(run(old, old / "tests/mails"), run(new, old / "tests/mails")) for _ in range(rounds)]
    print(
        f"{'':32}{'old ms':>9}{'new ms':>9}{'ratio':>8}{'old SQL':>9}{'new SQL':>9}   (medians of {rounds})"
    )
    ratios = []
    for what in turns[0][0]:
        before, after = ([turn[side][what] for turn in turns] for side in (0, 1))
        ratio = statistics.median(b[0] / a[0] for a, b in zip(before, after, strict=True) if a[0])
        ratios.append(ratio)
        times = [statistics.median(one[0] for one in side) * 1000 for side in (before, after)]
        said = [statistics.median(one[1] for one in side) for side in (before, after)]
        print(f"{what:32}{times[0]:9.2f}{times[1]:9.2f}{ratio:8.2f}{said[0]:9.2f}{said[1]:9.2f}")
    print(f"median of the ratios {statistics.median(ratios):.2f}, highest {max(ratios):.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(Path(sys.argv[2]))))
    else:
        main()
