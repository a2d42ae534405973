"""A mail read safely: ordinary mail right here, all else in a child process with hard limits.

All else is what looks built to hurt (`is_suspicious`), and HTML that is not plainly small: the child cleans it too.
The parser has limits of its own and does not raise. This is the second wall, for what nobody has thought of:
memory and time of the child are the kernel's business. What kills it becomes a mail that says so, with the raw
bytes attached; where only the HTML can have done it, a second child reads the mail without parsing that.
"""

from __future__ import annotations

import io
import logging
import os
import pickle
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from mail import spam_wrapper
from mail.judging.bounces import read_bounce
from mail.providers.server_marks import unwrapped
from mail.reading import html_tree
from mail.reading.html_tree import Where
from mail.reading.mime import Entity, Skeleton
from mail.reading.parse import parse, skeleton_of, unreadable
from mail.showing.clean import sanitize
from mail.showing.forwarded_mail import may_pass_on
from mail.types import Bounce, Mail, SafeHtml

# Signs of a mail that was built to hurt: far above what mail programs make, far below what hurts.
SUSPICIOUS_HEADER = 128 * 1024  # octets of one header block; ARC chains have 20 KB
SUSPICIOUS_FIELD = 64 * 1024  # octets of one field; 500 recipients have 20 KB
SUSPICIOUS_WORDS = 1_000  # encoded words in one header block
SUSPICIOUS_PARTS = 100
SUSPICIOUS_DEPTH = 12
SUSPICIOUS_TEXT = 4 * 1024 * 1024  # octets of one part that is read as text or HTML

MEMORY = (
    256 * 1024 * 1024
)  # octets of address space, the interpreter's included; and for each octet of the mail
MEMORY_PER_OCTET = 6
CPU = 3  # seconds
HEAD = 64 * 1024  # octets of an attached mail that are read for its card
MAX_CARDS = 20  # attached mails of one mail that get a card; the others stay files
PATIENCE = 30.0  # seconds of waiting, for a machine that is busy with other things

ROOT = Path(__file__).resolve().parent.parent
_READ_AS_TEXT = ("text/plain", "text/html", "text/calendar")
FAIL_POINTS = ("child_dies", "child_spins", "child_allocates")  # of the crash tests; see desk/failpoints.py
fail_point = ""  # the one of them that each child of this process reaches

_one_child = Lock()  # so that two of them never take the memory twice

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read; `bounce` is None for all that is no delivery report. `attached`: the mail that it passes on.

    `heads`: of each attachment that is a mail its beginning, for a card; None for the others.
    `safe`: its HTML as `mail.showing.clean.sanitize` answers it, where that was not to be had in a moment.
    """

    mail: Mail
    bounce: Bounce | None = None
    attached: Mail | None = None
    heads: tuple[Mail | None, ...] = ()
    safe: SafeHtml | None = None

    def sanitized(self) -> SafeHtml:
        return self.safe or sanitize(self.mail.html)


class TakesTime(Exception):
    """The mail needs a child, and who asked cannot wait."""


def read(raw: bytes, *, at_once: bool = False, by_pop3: bool = False) -> Reading:
    """Parser and reader of reports over `raw`. A child takes `PATIENCE` at the very worst, of which there may be two;
    and children of one process wait for each other.

    What a POP3 server had wrapped (`by_pop3`) is read as the mail inside; a spam filter's wrapper takes the time
    of two mails.
    Raises nothing but TakesTime, and that only where the answer is wanted `at_once`.
    """
    raw = unwrapped(raw) if by_pop3 else raw
    tree = skeleton_of(raw)
    reading = _read(raw, tree, at_once=at_once)
    if tree is None or (found := spam_wrapper.wrapped(raw, tree)) is None:
        return reading
    inside = _read(found.original, skeleton_of(found.original), at_once=at_once)
    opened = spam_wrapper.opened(reading.mail, inside.mail, found.report)
    return reading if opened is None else Reading(opened, inside.bounce, safe=inside.safe)


def _read(raw: bytes, tree: Skeleton | None, *, at_once: bool) -> Reading:
    suspicious = tree is None or is_suspicious(tree)
    if not suspicious and not _has_long_html(tree):
        mail = parse(raw, tree)
        if html_tree.is_plainly_small(mail.html):
            return Reading(mail, read_bounce(raw, mail))
    if at_once:
        raise TakesTime
    reading = _read_in_child(raw, Where.LIMITED)
    if reading is None and not suspicious:
        reading = _read_in_child(raw, Where.NOWHERE)
    return reading or Reading(unreadable(raw))


def read_with_attached(raw: bytes, *, at_once: bool = False, by_pop3: bool = False) -> Reading:
    """As `read`; of attached mails the heads, and the only one whole, where that may be what it passes on."""
    reading = read(raw, at_once=at_once, by_pop3=by_pop3)
    if any(part.is_mail for part in reading.mail.attachments):
        reading = replace(reading, heads=_heads(reading.mail, raw))
    attached = [part for part in reading.mail.attachments if part.type == "message/rfc822"]
    if len(attached) != 1 or reading.bounce is not None or not may_pass_on(reading.mail):
        return reading
    if attached[0].data == raw:
        return reading  # it could not be read, and is not read a second time
    return replace(reading, attached=read(attached[0].data, at_once=at_once).mail)


def _heads(mail: Mail, raw: bytes) -> tuple[Mail | None, ...]:
    room = MAX_CARDS
    heads: list[Mail | None] = []
    for part in mail.attachments:
        if not part.is_mail or not room:
            heads.append(None)
            continue
        heads.append(mail if part.data == raw else parse(part.data[:HEAD]))  # the first: it could not be read
        room -= 1
    return tuple(heads)


def read_last(raw: bytes) -> Mail:
    """Sender and subject of a mail whose reading has ended our process; by a child, which parses no HTML."""
    reading = _read_in_child(raw, Where.NOWHERE)
    return Mail(sender=reading.mail.sender, subject=reading.mail.subject) if reading else Mail()


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


def _has_long_html(tree: Skeleton | None) -> bool:
    """Whether its HTML, as it is written, is long: it is not parsed here only to be parsed again by the child."""
    return tree is not None and sum(_octets_of_html(tree.root)) > html_tree.MAX_HTML_HERE


def _octets_of_html(entity: Entity) -> Iterator[int]:
    for child in entity.children:
        yield from _octets_of_html(child)
    if not entity.children and entity.type == "text/html":
        yield entity.end - entity.start


def _read_in_child(raw: bytes, where: Where) -> Reading | None:
    """By this very module as a program: no settings and no secrets of ours go along. None: it did not live."""
    memory = MEMORY + MEMORY_PER_OCTET * len(raw)
    limits = [str(CPU), str(memory), where.value, fail_point]
    try:
        with _one_child:
            done = subprocess.run(
                [sys.executable, "-E", "-m", "mail.safe_reading", *limits],
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
    return None


class _Values(pickle.Unpickler):
    """Takes the values of mail from the child and nothing else: no word of a stranger becomes code."""

    ALLOWED = {
        ("mail.safe_reading", "Reading"),
        ("datetime", "datetime"),
        ("datetime", "date"),
        ("datetime", "timezone"),
        ("datetime", "timedelta"),
        *(("mail.types", name) for name in ("Mail", "Address", "Part", "Invitation", "Attendee", "Seal")),
        ("mail.types", "SafeHtml"),
        *(("mail.types", name) for name in ("Bounce", "BounceRecipient")),
    }

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is no value of mail")
        return super().find_class(module, name)


def _be_the_child(cpu: int, memory: int, where: str, point: str) -> None:
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_AS, memory),
    ):
        resource.setrlimit(kind, (limit, limit))
    _go_first()
    _fail(point)
    html_tree.run_in(Where(where))
    from mail import safe_reading  # under its own name, so that the values are those that the parent knows

    raw = sys.stdin.buffer.read()
    mail = parse(raw)
    safe = None if html_tree.is_plainly_small(mail.html) else sanitize(mail.html)
    reading = safe_reading.Reading(mail, read_bounce(raw, mail), safe=safe)
    pickle.dump(reading, sys.stdout.buffer, pickle.HIGHEST_PROTOCOL)


def _go_first() -> None:
    """Where a container's memory ends before the child's own limit, the kernel ends the child and not the server."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:
        log.debug("the kernel chooses by itself whom it ends")


def _fail(point: str) -> None:
    """As a mail would make us, at a point of the crash tests."""
    if point == "child_dies":
        os.kill(os.getpid(), signal.SIGKILL)
    held: list[bytearray] = []
    while point in ("child_spins", "child_allocates"):
        if point == "child_allocates":
            held.append(bytearray(b"x") * (1024 * 1024))


if __name__ == "__main__":
    _be_the_child(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
