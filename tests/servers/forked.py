"""`flask --app app serve` that starts quickly: forked from a process that has read the code already.

For tests that kill it very often: a start costs a sixth of a second instead of more than one.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

from tests.servers.serving import READY, Serving, run_command


class Forked:
    """Runs on the data and the ports of a Serving. What it says goes to `log`."""

    def __init__(self, serving: Serving, log: Path) -> None:
        self.serving, self.log = serving, log
        log.touch()
        self._process: object = None
        self._said_before = 0  # bytes of the log when it was started last

    def start(self, **environment: str) -> None:
        """Returns at once; it is still on its way up."""
        self._said_before = self.log.stat().st_size
        files = [Path("/dev/null"), self.log, self.log]
        given = {**self.serving.environment, **environment}
        self._process = READY.Process(target=run_command, args=(("serve",), given, files), daemon=True)
        self._process.start()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.exitcode is None

    @property
    def up(self) -> bool:
        """Whether it has said where it runs: from then on SIGTERM ends it cleanly."""
        return b"Poststelle runs at" in self.log.read_bytes()[self._said_before :]

    def kill(self) -> None:
        """SIGKILL: no last word."""
        self._process.kill()
        assert self.wait() == -signal.SIGKILL, self.log.read_text()

    def stop(self) -> int:
        """SIGTERM; answers the exit code."""
        self._process.terminate()
        return self.wait()

    def wait(self, seconds: float = 60) -> int:
        """Until it ends; answers the exit code, negative for a signal."""
        ends = time.monotonic() + seconds
        while self._process.exitcode is None:
            assert time.monotonic() < ends, "it did not end:\n" + self.log.read_text()
            self._process.join(0.2)
        return self._process.exitcode
