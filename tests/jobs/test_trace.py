"""What the operating system saw: bytes and commit are on the disk before anybody is told to forget a mail."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.jobs.crash import made_mail
from tests.servers import carol
from tests.servers.dovecot import Dovecot, Mailbox
from tests.servers.serving import ROOT, Serving, until

CALLS = "fsync,fdatasync,pwrite64,rename,renameat,renameat2,sendto,sendmsg,write"
LINE = re.compile(r"(\d+) +(.*)")
# What takes a mail away from the one who still has it, by the way it comes.
TOLD = {"imap": r'"\S+ UID (STORE|MOVE|EXPUNGE) ', "pop3": r'"DELE \d', "smtp": r'"250 2\.0\.0 OK\\r\\n"'}

pytestmark = pytest.mark.dovecot


@dataclass(frozen=True)
class Call:
    """`begun` and `ended` are line numbers of the trace."""

    thread: str
    text: str
    begun: int
    ended: int


def calls(trace: Path) -> Iterator[Call]:
    """What strace wrote, with the halves of interrupted lines put together, in the order of their ends."""
    unfinished: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(trace.read_text(errors="replace").splitlines()):
        found = LINE.match(line)
        if found is None:
            continue
        thread, text = found.groups()
        if text.endswith("<unfinished ...>"):
            unfinished[thread] = (number, text.removesuffix("<unfinished ...>").rstrip())
        elif text.startswith("<... "):
            begun, first = unfinished.pop(thread, (number, ""))
            yield Call(thread, first + text.partition("resumed>")[2].lstrip(), begun, number)
        else:
            yield Call(thread, text, number, number)


def first(seen: list[Call], pattern: str, after: int = -1, thread: str = "") -> Call:
    """The first call that began after a line, maybe of one thread. Fails if there is none."""
    for call in seen:
        if call.begun > after and thread in ("", call.thread) and re.search(pattern, call.text):
            return call
    raise AssertionError(f"no call matches {pattern}")


def committed(seen: list[Call], pattern: str) -> int:
    """The line at which the commit that wrote this was on the disk: its thread has synced the log after it."""
    written = first(seen, rf'^pwrite64\(\d+<[^>]*-wal>, ".*{pattern}')
    return first(seen, r"^f(data)?sync\(\d+<[^>]*-wal>\) += 0", written.ended, written.thread).ended


@pytest.fixture
def strace() -> str:
    found = shutil.which("strace")
    if not found:
        message = "strace is missing (apt install strace)"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    return found


def test_everything_is_on_the_disk_before_anybody_is_told_to_forget_it(
    strace: str,
    make_serving: Callable[..., Serving],
    make_dovecot: Callable[..., Dovecot],
    tmp_path: Path,
) -> None:
    serving = make_serving()
    if "DATABASE_URL" in serving.environment:
        pytest.skip("PostgreSQL syncs in a process of its own")
    address = serving.create_account()
    dovecot = make_dovecot(tls=False)  # what is said to it can be read in the trace
    boxes = {protocol: dovecot.add_user() for protocol in ("imap", "pop3")}
    for protocol, mailbox in boxes.items():
        connect(serving, protocol, mailbox)
    trace = tmp_path / "trace"
    sent: dict[str, bytes] = {}
    with traced(strace, trace, serving):
        until(
            lambda: not serving.sql("SELECT 1 FROM channel WHERE first_fetch_at IS NULL AND provider = 'own'")
        )
        for number, way in enumerate(TOLD):
            sent[way] = made_mail(number, address)
            if way == "smtp":
                carol.send(sent[way], address, serving.smtp_port)
            else:
                boxes[way].deliver(sent[way])
            until(lambda: len(filed(serving)) == len(sent), patience=60)
        until(lambda: not any(mailbox.messages() for mailbox in boxes.values()), patience=60)

    seen = list(calls(trace))
    for way, raw in sent.items():
        digest = hashlib.sha256(raw).hexdigest()
        synced = first(seen, rf"^f(data)?sync\(\d+<[^>]*/blobs/[^>]*{digest[:16]}[^>]*>\) += 0").ended
        named = first(seen, rf"^rename\w*\(.*{digest[:16]}.*/{digest}\"\) += 0", synced).ended
        folder = first(seen, rf"^f(data)?sync\(\d+<[^>]*/blobs/{digest[:2]}>\) += 0", named).ended
        row = committed(seen, digest)
        told = first(seen, rf"^send(to|msg)\(.*{TOLD[way]}", folder)
        assert synced < named < folder < row, "the bytes are safe before a row says so"
        assert row < told.begun, f"{way}: the row is safe before the mail is given up"
        if way != "smtp":
            # The verdict stands in the row behind its digest; no other row lies between them.
            verdict = committed(seen, rf"{digest}(?:(?!pending|filed).)*filednew_ticket")
            assert row < verdict < told.begun, f"{way}: the ticket is safe before the copy is removed"


class traced:
    """`serve` under strace, ended by SIGTERM."""

    def __init__(self, strace: str, trace: Path, serving: Serving) -> None:
        self._command = [
            strace, "-f", "--seccomp-bpf", "-y", "-qq", "-s", "9000", "-e", f"trace={CALLS}", "-e", "signal=none",
            "-o", str(trace), "sh", "-c", 'echo $$; exec "$@"', "sh",
            sys.executable, "-m", "flask", "--app", "app", "serve",
        ]  # fmt: skip
        self._serving = serving

    def __enter__(self) -> None:
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, env=self._serving.environment, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._number = int(self._process.stdout.readline())
        while "received by SMTP" not in self._process.stdout.readline():
            assert self._process.poll() is None

    def __exit__(self, *_: object) -> None:
        os.kill(self._number, signal.SIGTERM)
        try:
            self._process.communicate(timeout=60)
        finally:
            if self._process.poll() is None:
                os.kill(self._number, signal.SIGKILL)
                self._process.communicate()


def connect(serving: Serving, protocol: str, mailbox: Mailbox) -> None:
    port = mailbox.dovecot.imap if protocol == "imap" else mailbox.dovecot.pop3
    serving.flask(
        "channel", "create", "--id", protocol, "--address", f"{protocol}@acme.test", "--provider", "own",
        "--protocol", protocol, "--server", "localhost", "--port", str(port), "--no-ssl", "--allow-plaintext",
        "--user", mailbox.user, "--password-stdin", "--smtp-server", "localhost", "--smtp-port", "9",
        "--smtp-encryption", "none", "--smtp-auth", "none", stdin=mailbox.password + "\n",
    )  # fmt: skip


def filed(serving: Serving) -> list[dict[str, object]]:
    return serving.sql("SELECT id FROM inbound_mail WHERE state = 'filed'")
