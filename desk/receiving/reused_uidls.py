"""POP3 servers that give the UIDL of a deleted mail to another one, or only say that they deleted it.

RFC 1939 forbids the first, some servers count from 1 in each mailbox all the same. A known UIDL alone would
hide the new mail for ever; so what we have seen deleted and is there again gets an identity of its own, and
its digest tells whether it is another mail. Where mails are kept, another size raises the suspicion; what an mbox
server wrote into the header meanwhile makes no other mail of it.

And IMAP servers that give all mails new UIDs (another UIDVALIDITY), some of them at every restart: what is known is
told by its size, its INTERNALDATE and its header block, and not fetched again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import TypeVar

from sqlalchemy import ColumnElement, or_, select, update

from desk import files
from desk.batches import batches
from desk.receiving import arrivals, removal
from desk.receiving.arrivals import Arrival
from mail.providers.server_marks import has_marks, header_block, unmarked, without_marks
from models import InboundMail, ServerCopy, db
from wire import Listed, Source

# The same bytes under one UIDL so often: this server deletes nothing, and is no longer believed.
TOO_OFTEN = 3

# So many mails of a page whose size is another, and whose bytes are not: this server only estimates.
LIES = 3

LOOKED_AT_ONCE = 200  # mails under new UIDs

Found = TypeVar("Found", int, str)
# What tells a mail under any UID: its INTERNALDATE, and digests of its header and its size, both without marks.
Sight = tuple[datetime, bytes]


def know_again(source: Source, channel_id: int, prefix: str, go_on: Callable[[], None]) -> None:
    """The rows of what still lies there get the new UIDs. What differs, or fits several, is left to be fetched
    whole: then its digest tells. `go_on` is asked between two pages.
    """
    old = (
        InboundMail.channel_id == channel_id,
        InboundMail.source_id.startswith(prefix, autoescape=True),
        ~InboundMail.source_id.startswith(f"{prefix}{source.generation}:", autoescape=True),
        InboundMail.sha256 != "",
        InboundMail.arrived_at.is_not(None),
        InboundMail.server_copy.in_((ServerCopy.KEPT, ServerCopy.PRESENT)),
    )
    dates = set(db.session.scalars(select(InboundMail.arrived_at).where(*old)))
    db.session.rollback()  # nobody waits for us while we wait for the server
    there = _single(_seen_there(source, channel_id, prefix, dates, go_on)) if dates else {}
    here = _single(_seen_here(old, go_on)) if there else {}
    again = [(here[sight], source_id) for sight, source_id in there.items() if sight in here]
    for some in batches(again, LOOKED_AT_ONCE):
        go_on()
        for row_id, source_id in some:
            renumber = (
                update(InboundMail).where(InboundMail.id == row_id).values(source_id=prefix + source_id)
            )
            db.session.execute(renumber.execution_options(synchronize_session=False))
        db.session.commit()


def _seen_there(
    source: Source,
    channel_id: int,
    prefix: str,
    dates: Collection[datetime | None],
    go_on: Callable[[], None],
) -> Iterator[tuple[Sight, str]]:
    for page in batches(source.listing(), LOOKED_AT_ONCE):
        go_on()
        known = _with_row(channel_id, [prefix + one.source_id for one in page])  # it had these numbers before
        asked = [one for one in page if one.arrived_at in dates and prefix + one.source_id not in known]
        headers = source.headers(asked)
        for one in asked:
            if one.arrived_at is not None and (header := headers.get(one.source_id)) is not None:
                yield _sight(one.arrived_at, header, one.size), one.source_id


def _seen_here(
    old: tuple[ColumnElement[bool], ...], go_on: Callable[[], None]
) -> Iterator[tuple[Sight, int]]:
    after = 0
    while True:
        query = select(InboundMail.id, InboundMail.arrived_at, InboundMail.sha256).where(
            *old, InboundMail.id > after
        )
        rows = db.session.execute(query.order_by(InboundMail.id).limit(LOOKED_AT_ONCE)).all()
        go_on()
        if not rows:
            return
        after = rows[-1].id
        for row in rows:
            if (raw := files.content(row.sha256)) is not None:
                yield _sight(row.arrived_at, raw, len(raw)), row.id


def _single(seen: Iterable[tuple[Sight, Found]]) -> dict[Sight, Found]:
    """Without what was seen more than once."""
    found: dict[Sight, Found] = {}
    several = set()
    for sight, one in seen:
        if sight in found:
            several.add(sight)
        found[sight] = one
    return {sight: one for sight, one in found.items() if sight not in several}


def _sight(arrived_at: datetime, raw: bytes, size: int) -> Sight:
    """`raw` may be the header block alone; `size` is that of the mail."""
    header = header_block(raw)
    bare = without_marks(header)
    told = sha256(bare.replace(b"\r\n", b"\n")).digest() + (size - len(header) + len(bare)).to_bytes(8, "big")
    return arrived_at, told


def _with_row(channel_id: int, ours: Sequence[str]) -> set[str]:
    query = select(InboundMail.source_id).where(
        InboundMail.channel_id == channel_id, InboundMail.source_id.in_(ours)
    )
    found = set(db.session.scalars(query))
    db.session.rollback()
    return found


def as_before(channel_id: int, batch: Sequence[Arrival]) -> list[Arrival]:
    """What an mbox server has marked since it was known to us is taken as it was before, and so is known again."""
    before = {n: unmarked(one.raw) for n, one in enumerate(batch) if has_marks(one.raw)}
    digests = {n: sha256(raw).hexdigest() for n, raw in before.items()}
    known = arrivals.first_of(channel_id, list(digests.values())) if digests else {}
    return [replace(one, raw=before[n]) if digests.get(n) in known else one for n, one in enumerate(batch)]


def told_apart(source: Source, channel_id: int, prefix: str, page: Sequence[Listed]) -> list[Listed]:
    """The page, with `uidl:… 2` for a second mail of that UIDL (a space cannot be in a UIDL)."""
    named = _named(channel_id, prefix, page)
    replaced = _replaced(source, channel_id, prefix, named)
    if not replaced:
        return named
    removal.note(dict.fromkeys(replaced, ServerCopy.DELETED))  # not by us, but gone
    return _named(channel_id, prefix, page)


def _replaced(source: Source, channel_id: int, prefix: str, page: Sequence[Listed]) -> list[int]:
    """The rows of fetched mails whose UIDL another mail has now: of another size, and with other bytes.

    The newest are looked at first, since a mail that took the UIDL of another has just come.
    """
    rows = {
        row.source_id: row
        for row in db.session.execute(
            select(InboundMail.id, InboundMail.source_id, InboundMail.size, InboundMail.sha256).where(
                InboundMail.channel_id == channel_id,
                InboundMail.source_id.in_([prefix + listed.source_id for listed in page]),
                InboundMail.server_copy != ServerCopy.DELETED,
                InboundMail.sha256 != "",
            )
        )
    }
    db.session.rollback()  # nobody waits for us while we wait for the server
    replaced, lies = [], 0
    for listed in reversed(page):
        row = rows.get(prefix + listed.source_id)
        if row is None or row.size == listed.size:
            continue
        found = source.read(listed.source_id)
        if found is not None and not removal.is_copy_of(found, row.sha256):
            replaced.append(row.id)
            continue
        lies += 1
        if lies == LIES:
            break
    return replaced


def _named(channel_id: int, prefix: str, page: Sequence[Listed]) -> list[Listed]:
    gone = set(
        db.session.scalars(
            select(InboundMail.source_id).where(
                InboundMail.channel_id == channel_id,
                InboundMail.source_id.in_([prefix + listed.source_id for listed in page]),
                InboundMail.server_copy == ServerCopy.DELETED,
            )
        )
    )
    if not gone:
        return list(page)
    return [
        replace(listed, source_id=_identity(channel_id, prefix, listed.source_id))
        if prefix + listed.source_id in gone
        else listed
        for listed in page
    ]


def _identity(channel_id: int, prefix: str, source_id: str) -> str:
    ours = prefix + source_id
    rows = db.session.execute(
        select(InboundMail.source_id, InboundMail.server_copy, InboundMail.sha256)
        .where(
            InboundMail.channel_id == channel_id,
            or_(InboundMail.source_id == ours, InboundMail.source_id.startswith(f"{ours} ", autoescape=True)),
        )
        .order_by(InboundMail.id.desc())
    ).all()
    newest = rows[0]
    never_deleted = len(rows) >= TOO_OFTEN and len({row.sha256 for row in rows[:TOO_OFTEN]}) == 1
    if newest.server_copy != ServerCopy.DELETED or never_deleted:
        return newest.source_id.removeprefix(prefix)
    return f"{source_id} {len(rows) + 1}"
