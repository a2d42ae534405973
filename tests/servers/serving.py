"""The real `flask --app app serve`, as a process of its own on free ports and in a folder of its own."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery"


class Serving:
    """`start` and `stop` or `kill` it as often as you like; the data stays. `flask` runs a command beside it."""

    def __init__(self, data: Path, **environment: str) -> None:
        self.data = data
        self.port, self.smtp_port = free_port(), free_port()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("POSTSTELLE_")},
            "POSTSTELLE_DATA": str(data),
            "POSTSTELLE_PORT": str(self.port),
            "POSTSTELLE_SMTP_PORT": str(self.smtp_port),
            "POSTSTELLE_ALLOW_PRIVATE_HOSTS": "1",
            "POSTSTELLE_FETCH_SECONDS": "1",
            "PYTHONUNBUFFERED": "1",
            **environment,
        }
        database = os.environ.get("POSTSTELLE_TEST_DATABASE_URL", "")
        if database:
            self.environment.setdefault("DATABASE_URL", database)
        self.setup_link = ""
        self.output: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, patience: float = 30, **environment: str) -> None:
        """Returns when it has said where it runs."""
        lines: queue.Queue[str] = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "app", "serve"],
            cwd=ROOT,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, args=(self._process, lines), daemon=True).start()
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            try:
                line = lines.get(timeout=0.2)
            except queue.Empty:
                if self._process.poll() is not None:
                    break
                continue
            if link := re.search(r"http\S+/setup/\S+", line):
                self.setup_link = link.group()
            if "received by SMTP" in line:
                self._await_setup_line(lines)
                return
        raise AssertionError("serve did not start:\n" + "".join(self.output))

    def stop(self) -> int:
        """SIGTERM; answers the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(30)

    def kill(self) -> None:
        """SIGKILL: no last word."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(30)

    def wait(self, seconds: float = 30) -> int:
        """Until it ends by itself (a fail point)."""
        assert self._process is not None
        return self._process.wait(seconds)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def flask(self, *arguments: str, stdin: str = "", code: int | None = 0, **environment: str) -> str:
        """A command of ours, in a process of its own; answers what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "app", *arguments],
            cwd=ROOT,
            env={**self.environment, **environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert code is None or done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def create_account(self, company: str = "Acme GmbH", locale: str = "de") -> str:
        """Alice administers; answers the default address."""
        return self.flask(
            "account", "create", "--company", company, "--name", "Alice Admin", "--email", "alice@acme.example",
            "--locale", locale, "--password-stdin", stdin=PASSWORD + "\n",
        ).strip()  # fmt: skip

    def tickets(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.flask("export", "tickets").splitlines()]

    def _read(self, process: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
        assert process.stdout is not None
        with process.stdout as stdout:
            for line in stdout:
                self.output.append(line)
                lines.put(line)

    def _await_setup_line(self, lines: queue.Queue[str]) -> None:
        try:
            line = lines.get(timeout=0.3)
        except queue.Empty:
            return
        if link := re.search(r"http\S+/setup/\S+", line):
            self.setup_link = link.group()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def until(true: Callable[[], Any], patience: float = 20, every: float = 0.1) -> Any:
    """Wait for something that another process does; answers what `true` answered."""
    deadline = time.monotonic() + patience
    while not (answer := true()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(every)
    return answer
