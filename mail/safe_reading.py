"""A mail read safely: ordinary mail right here, suspicious mail in a child process with hard limits.

The parser has limits of its own and does not raise. This is the second wall, for what nobody has thought of:
memory and time of the child are the kernel's business. What kills it becomes a mail that says so, with the raw
bytes attached. Ordinary mail pays for the look at its skeleton, which it needs anyway.
"""

from __future__ import annotations

import io
import logging
import pickle
import resource
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from mail.judging.bounces import read_bounce
from mail.reading.mime import Entity, Skeleton
from mail.reading.parse import parse, skeleton_of, unreadable
from mail.showing.forwarded_mail import may_pass_on
from mail.types import Bounce, Mail

# Signs of a mail that was built to hurt: far above what mail programs make, far below what hurts.
SUSPICIOUS_HEADER = 128 * 1024  # octets of one header block; ARC chains have 20 KB
SUSPICIOUS_FIELD = 64 * 1024  # octets of one field; 500 recipients have 20 KB
SUSPICIOUS_WORDS = 1_000  # encoded words in one header block
SUSPICIOUS_PARTS = 100
SUSPICIOUS_DEPTH = 12
SUSPICIOUS_TEXT = 4 * 1024 * 1024  # octets of one part that is read as text or HTML

MEMORY = 512 * 1024 * 1024  # octets of address space, the interpreter's included
CPU = 4  # seconds
PATIENCE = 30.0  # seconds of waiting, for a machine that is busy with other things

ROOT = Path(__file__).resolve().parent.parent
_READ_AS_TEXT = ("text/plain", "text/html", "text/calendar")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read; `bounce` is None for all that is no delivery report. `attached`: the mail that it passes on."""

    mail: Mail
    bounce: Bounce | None = None
    attached: Mail | None = None


def read(raw: bytes) -> Reading:
    """Parser and reader of reports over `raw`. Never raises; ends within `PATIENCE` at the very worst."""
    tree = skeleton_of(raw)
    if tree is None or is_suspicious(tree):
        return _read_in_child(raw)
    mail = parse(raw, tree)
    return Reading(mail, read_bounce(raw, mail))


def read_with_attached(raw: bytes) -> Reading:
    """As `read`, and so the only mail among its attachments, where that may be what it passes on."""
    reading = read(raw)
    attached = [part for part in reading.mail.attachments if part.type == "message/rfc822"]
    if len(attached) != 1 or reading.bounce is not None or not may_pass_on(reading.mail):
        return reading
    if attached[0].data == raw:
        return reading  # it could not be read, and is not read a second time
    return replace(reading, attached=read(attached[0].data).mail)


def is_suspicious(tree: Skeleton) -> bool:
    return (
        tree.parts > SUSPICIOUS_PARTS
        or bool(tree.defects.keys() & {"header_cut", "depth_cut", "parts_cut"})
        or _is_suspicious(tree.root)
    )


def _is_suspicious(entity: Entity) -> bool:
    if entity.children:
        if entity.depth >= SUSPICIOUS_DEPTH or any(_is_suspicious(child) for child in entity.children):
            return True
    elif entity.end - entity.start > SUSPICIOUS_TEXT and entity.type in _READ_AS_TEXT:
        return True
    total = words = 0
    for _name, value in entity.fields:
        total += len(value)
        if len(value) > 1_000:
            words += value.count(b"=?")
        if len(value) > SUSPICIOUS_FIELD:
            return True
    return total > SUSPICIOUS_HEADER or words > SUSPICIOUS_WORDS


def _read_in_child(raw: bytes) -> Reading:
    """By this very module as a program: no settings and no secrets of ours go along."""
    try:
        done = subprocess.run(
            [sys.executable, "-E", "-m", "mail.safe_reading", str(CPU), str(MEMORY)],
            input=raw,
            capture_output=True,
            cwd=ROOT,
            env={"LANG": "C.UTF-8"},
            timeout=PATIENCE,
            check=False,
        )
        if done.returncode == 0:
            return _Values(io.BytesIO(done.stdout)).load()  # type: ignore[no-any-return]
        reason = f"it ended with {done.returncode}"
    except (OSError, subprocess.SubprocessError, pickle.UnpicklingError, EOFError) as error:
        reason = repr(error)
    log.warning("a mail of %d octets could not be read within its limits: %s", len(raw), reason)
    return Reading(unreadable(raw))


class _Values(pickle.Unpickler):
    """Takes the values of mail from the child and nothing else: no word of a stranger becomes code."""

    ALLOWED = {
        ("mail.safe_reading", "Reading"),
        ("datetime", "datetime"),
        ("datetime", "date"),
        ("datetime", "timezone"),
        ("datetime", "timedelta"),
        *(("mail.types", name) for name in ("Mail", "Address", "Part", "Invitation", "Attendee", "Seal")),
        *(("mail.types", name) for name in ("Bounce", "BounceRecipient")),
    }

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is no value of mail")
        return super().find_class(module, name)


def _be_the_child(cpu: int, memory: int) -> None:
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_AS, memory),
    ):
        resource.setrlimit(kind, (limit, limit))
    from mail import safe_reading  # under its own name, so that the values are those that the parent knows

    raw = sys.stdin.buffer.read()
    mail = parse(raw)
    pickle.dump(
        safe_reading.Reading(mail, read_bounce(raw, mail)), sys.stdout.buffer, pickle.HIGHEST_PROTOCOL
    )


if __name__ == "__main__":
    _be_the_child(int(sys.argv[1]), int(sys.argv[2]))
