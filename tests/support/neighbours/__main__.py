"""`make neighbours`: real mail servers of a Debian as neighbours, each in a root file system of its own.

NEIGHBOURS names some of them (exim postfix cyrus courier mailutils dovecot). Nothing of them is installed on this
machine, and they listen on 127.0.0.1 alone. Cyrus wants a minute between two sessions by POP3, so it takes that long.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.support.neighbours import mailboxes, senders
from tests.support.neighbours.servers import MAILBOX_SERVERS


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was made is removed
    missing = "root" if os.geteuid() != 0 else "debootstrap" if not shutil.which("debootstrap") else ""
    if missing:
        print(f"Skipped: the neighbours live in file systems of their own, which needs {missing}.")
        return int(os.environ.get("CI") == "true")
    wanted = os.environ.get("NEIGHBOURS", "").split() or [*senders.SENDERS, *MAILBOX_SERVERS]
    began, failed = time.monotonic(), []
    for name in wanted:
        try:
            with tempfile.TemporaryDirectory(prefix="poststelle-neighbours-") as data:
                if name in senders.SENDERS:
                    senders.prove(name, Path(data), _say)
                else:
                    mailboxes.prove(name, data, _say)
        except (mailboxes.Wrong, RuntimeError, OSError) as error:
            failed.append(name)
            _say(f"{name}: WRONG: {error}")
    verdict = f"wrong: {' '.join(failed)}" if failed else "all right"
    _say(f"{len(wanted)} neighbours in {time.monotonic() - began:.0f} s: {verdict}")
    return len(failed)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
