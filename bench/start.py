"""Start time of `serve` and its memory at rest: `python bench/start.py [SECONDS OF REST]`."""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent
FLASK = [sys.executable, "-m", "flask", "--app", "app"]
STARTS = 5


def main() -> None:
    rest = float(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory(prefix="poststelle-bench-") as data:
        environment = {
            **os.environ,
            "POSTSTELLE_DATA": data,
            "POSTSTELLE_PORT": str(free_port()),
            "POSTSTELLE_SMTP_PORT": str(free_port()),
        }
        environment.pop("DATABASE_URL", None)
        subprocess.run([*FLASK, "db", "upgrade"], cwd=ROOT, env=environment, check=True, capture_output=True)
        account = [
            "--company",
            "Bench",
            "--name",
            "Bench",
            "--email",
            "bench@example.com",
            "--password-stdin",
        ]
        subprocess.run(
            [*FLASK, "account", "create", *account],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
            input=b"a long bench password\n",
        )
        measured = [start_and_stop(environment, rest=0) for _ in range(STARTS - 1)]
        measured.append(start_and_stop(environment, rest=rest))
    start, stop = (statistics.median(row[column] for row in measured) for column in (0, 1))
    print(f"start, to the first answer of /healthz   median {start:.2f} s   goal 1.5 s")
    print(f"stop, from SIGTERM to the end            median {stop:.2f} s")
    print(
        f"memory after {rest:.0f} s at rest (RSS)            {measured[-1][2]:.0f} MiB         goal 110 MiB"
    )


def start_and_stop(environment: dict[str, str], rest: float) -> tuple[float, float, float]:
    """Seconds to the first answer, seconds to stop, MiB of resident memory in between."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [*FLASK, "serve"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(f"http://127.0.0.1:{environment['POSTSTELLE_PORT']}/healthz", process)
        started = time.perf_counter() - begin
        time.sleep(rest)
        memory = resident(process.pid)
        begin = time.perf_counter()
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        return started, time.perf_counter() - begin, memory
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"serve ended with code {process.returncode}")
        try:
            with urlopen(url, timeout=1):
                return
        except (URLError, OSError):
            time.sleep(0.01)
    raise SystemExit(f"{url} did not answer in 30 s")


def resident(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("no VmRSS in /proc")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
