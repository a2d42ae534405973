"""The real `flask --app app serve`, as a process of its own on free ports and in a folder of its own."""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask.cli
import pytest
from sqlalchemy import create_engine, text

from config import from_environment
from tests.servers.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery"

# Commands are processes of their own, forked from one that has read the code already: most of a
# command's time is the reading.
READY = multiprocessing.get_context("forkserver")
READY.set_forkserver_preload(["app"])


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
            "POSTSTELLE_NOTICE_SECONDS": "1",
            "POSTSTELLE_SEND_PER_HOUR": "0",  # many tests send more in a minute than a company in a day
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "",  # as everywhere else; without it each process compiles all anew
            **environment,
        }
        self.database_url = f"sqlite:///{data / 'poststelle.db'}"
        database = os.environ.get("POSTSTELLE_TEST_DATABASE_URL", "")
        if database:
            self.environment["DATABASE_URL"] = database
            self.database_url = from_environment({"DATABASE_URL": database}).database_url
            self.sql("DROP SCHEMA public CASCADE")
            self.sql("CREATE SCHEMA public")
        self.output: list[str] = []
        self.printed = ""  # by the commands beside it, to both outputs
        self._begin = 0
        self.launcher: tuple[str, ...] = ()  # a command that ends as the one that its arguments say
        self._process: subprocess.Popen[str] | None = None

    def beside(self) -> Serving:
        """Another process on the same data, with ports of its own; not started yet."""
        other = copy.copy(self)
        other.port, other.smtp_port = free_port(), free_port()
        ports = {"POSTSTELLE_PORT": str(other.port), "POSTSTELLE_SMTP_PORT": str(other.smtp_port)}
        other.environment = {**self.environment, **ports}
        other.output, other.printed, other._begin, other._process = [], "", 0, None
        return other

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def setup_link(self) -> str:
        """The one-time link of this start; it is printed last."""
        return str(until(lambda: re.search(r"http\S+/setup/\S+", self.said)).group())

    @property
    def said(self) -> str:
        """What it has printed since its last start."""
        return "".join(self.output[self._begin :])

    def start(self, patience: float = 30, **environment: str) -> None:
        """Returns when it has said where it runs."""
        lines: queue.Queue[str] = queue.Queue()
        self._begin = len(self.output)
        self._process = subprocess.Popen(
            [*self.launcher, sys.executable, "-m", "flask", "--app", "app", "serve"],
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
            if "received by SMTP" in line:
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
    def exit_code(self) -> int | None:
        """Negative: the signal that ended it. None while it runs."""
        return self._process.poll() if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def flask(
        self,
        *arguments: str,
        stdin: str | bytes = "",
        code: int | None = 0,
        errors: bool = False,
        **environment: str,
    ) -> str:
        """A command of ours, in a process of its own; answers what it printed, or what it complained of."""
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / name for name in ("stdin", "stdout", "stderr")]
            files[0].write_bytes(stdin.encode() if isinstance(stdin, str) else stdin)
            process = READY.Process(
                target=run_command, args=(arguments, {**self.environment, **environment}, files), daemon=True
            )
            process.start()
            process.join(120)
            if process.exitcode is None:
                process.kill()
            said, complained = (path.read_text(encoding="utf-8") for path in files[1:])
        assert code is None or process.exitcode == code, (arguments, process.exitcode, said, complained)
        self.printed += said + complained
        return complained if errors else said

    def create_account(self, company: str = "Acme GmbH", locale: str = "de") -> str:
        """Alice administers; answers the default address."""
        return self.flask(
            "account", "create", "--company", company, "--name", "Alice Admin", "--email", "alice@acme.example",
            "--locale", locale, "--password-stdin", stdin=PASSWORD + "\n",
        ).strip()  # fmt: skip

    def tickets(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.flask("export", "tickets").splitlines()]

    def sql(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        """Look into the database, or change it, past the application. Answers the rows of a question."""
        engine = create_engine(self.database_url)
        try:
            with engine.begin() as connection:
                result = connection.execute(text(statement), values)
                return [dict(row) for row in result.mappings()] if result.returns_rows else []
        finally:
            engine.dispose()

    def _read(self, process: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
        assert process.stdout is not None
        with process.stdout as stdout:
            for line in stdout:
                self.output.append(line)
                lines.put(line)


@pytest.fixture
def make_serving(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    """Builds a Serving that is not started yet; keywords are its environment. `beside` another: on its data.

    One that still runs at the end gets SIGTERM and must leave well; none may have printed a traceback.
    """
    made: list[Serving] = []

    def make(beside: Serving | None = None, **environment: str) -> Serving:
        made.append(
            beside.beside() if beside else Serving(tmp_path / f"data{len(made) or ''}", **environment)
        )
        return made[-1]

    yield make
    try:
        for serving in made:
            assert not serving.running or serving.stop() == 0, "".join(serving.output)
            assert "Traceback" not in "".join(serving.output), "".join(serving.output)
    finally:
        for serving in made:
            if serving.running:
                serving.kill()


def run_command(arguments: tuple[str, ...], environment: dict[str, str], files: list[Path]) -> None:
    """What a shell does for a command: its directory, its environment, its three streams."""
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    for number, (path, mode) in enumerate(zip(files, ("r", "a", "a"), strict=True)):
        with open(path, mode) as file:
            os.dup2(file.fileno(), number)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, closefd=False) for number, mode in enumerate(("r", "w", "w"))
    )
    sys.argv = ["flask", "--app", "app", *arguments]
    flask.cli.main()


def until(true: Callable[[], Any], patience: float = 20, every: float = 0.1) -> Any:
    """Wait for something that another process does; answers what `true` answered."""
    deadline = time.monotonic() + patience
    while not (answer := true()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(every)
    return answer
