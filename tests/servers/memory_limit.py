"""A memory limit as a container has it: a control group of the kernel, where we may make one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path("/sys/fs/cgroup")
# Of version 1 and 2: the folder of the groups, the file of the limit, and that of how often it ended a process.
KINDS = (
    (ROOT / "memory", "memory.limit_in_bytes", "memory.oom_control"),
    (ROOT, "memory.max", "memory.events"),
)


class MemoryLimit:
    """`launcher`: a command that runs the one in its arguments, and all its children, under the limit."""

    def __init__(self, group: Path, ends: Path) -> None:
        self._group, self._ends = group, ends

    @property
    def launcher(self) -> tuple[str, ...]:
        return ("sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self._group / "cgroup.procs"))

    @property
    def ended(self) -> int:
        """How many processes it has ended."""
        words = self._ends.read_text().split()
        return int(words[words.index("oom_kill") + 1])


@contextlib.contextmanager
def memory_limit(octets: int) -> Iterator[MemoryLimit]:
    """Skips the test where no group can be made."""
    made = next((found for kind in KINDS if (found := _make(*kind, octets))), None)
    if made is None:
        pytest.skip(
            "no memory group of the kernel can be made here (needs root and a writable /sys/fs/cgroup)"
        )
    group, ends = made
    try:
        yield MemoryLimit(group, ends)
    finally:
        for number in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(int(number), 9)
                os.waitpid(int(number), 0)
        group.rmdir()


def _make(folder: Path, limit: str, ends: str, octets: int) -> tuple[Path, Path] | None:
    group = folder / f"poststelle-{os.getpid()}-{octets}"
    try:
        group.mkdir()
    except OSError:
        return None
    try:
        (group / limit).write_text(str(octets))
    except OSError:
        group.rmdir()
        return None
    return group, group / ends
