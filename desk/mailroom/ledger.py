"""»Posteingangsbuch«: what became of every mail that a server showed us, found quickly among very many.

The pages of a list go by the id of their last row, never by an offset. A filter is answered as the union of
small questions, each of which an index answers in the order of the ids; so the last page is as quick as the
first, and a rare kind of mail is found without reading all the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, or_, select, true, union_all
from sqlalchemy.orm import joinedload

from models import Channel, InboundMail, Message, Outcome, ServerCopy, db, now
from models.inbound import STATE_OF

PAGE = 50
PERIODS = {"day": 1, "week": 7, "month": 30, "quarter": 91, "year": 365}  # days back
# No ticket has them, but they were read: a Message-ID is looked for among these themselves.
UNFILED = (Outcome.DROPPED, Outcome.HELD, Outcome.FAILED, Outcome.PENDING)
_QUESTIONS_AT_ONCE = 100  # SQLite takes at most 500 in one union
_DIGEST = re.compile(r"[0-9a-f]{8,64}")

Conditions = tuple[ColumnElement[bool], ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """What is looked for; nothing set is everything. `period` is a key of PERIODS."""

    channel_id: int | None = None
    verdict: Outcome | None = None
    copy: ServerCopy | None = None
    period: str = ""
    query: str = ""


@dataclass(frozen=True, slots=True)
class LedgerListing:
    """One page, the newest first. `newer` and `older` are the ids to go on from, or None at an end."""

    rows: Sequence[InboundMail]
    newer: int | None
    older: int | None


def listing(asked: Filter, before: int | None = None, after: int | None = None) -> LedgerListing:
    """The page of what is older than the row `before`, or newer than the row `after`, or the newest page."""
    upwards = after is not None
    ids = _ids(asked, before, after, PAGE + 1)
    more, ids = len(ids) > PAGE, ids[:PAGE]
    ids.sort(reverse=True)
    rows = _rows(ids)
    first, last = (ids[0], ids[-1]) if ids else (None, None)
    newer = first if (more if upwards else before is not None) else None
    older = last if (more or upwards) else None
    return LedgerListing(rows, newer, older)


def by_id(inbound_id: int) -> InboundMail | None:
    return db.session.get(InboundMail, inbound_id)


def channels_seen() -> list[Channel]:
    """Every channel there ever was, the deleted ones last: their mail stays in the ledger."""
    query = select(Channel).order_by(Channel.deleted_at.is_not(None), Channel.is_default.desc())
    return list(db.session.scalars(query.order_by(func.lower(Channel.key), Channel.id)))


def message_of(row: InboundMail) -> Message | None:
    """The message that the mail became; for identical bytes that of the first."""
    query = select(Message).where(Message.inbound_id == row.described.id)
    return db.session.scalar(query.options(joinedload(Message.ticket)))


def copies_of(row: InboundMail) -> list[InboundMail]:
    """The other rows of the same bytes in the same channel."""
    if not row.sha256:
        return []
    query = select(InboundMail).where(
        InboundMail.sha256 == row.sha256, InboundMail.channel_id == row.channel_id
    )
    return list(db.session.scalars(query.where(InboundMail.id != row.id).order_by(InboundMail.id).limit(20)))


def _rows(ids: Sequence[int]) -> Sequence[InboundMail]:
    return db.session.scalars(
        select(InboundMail)
        .where(InboundMail.id.in_(ids))
        .options(
            joinedload(InboundMail.channel),
            joinedload(InboundMail.ticket),
            joinedload(InboundMail.duplicate_of).joinedload(InboundMail.ticket),
        )
        .order_by(InboundMail.id.desc())
    ).all()


def _ids(asked: Filter, before: int | None, after: int | None, limit: int) -> list[int]:
    """At most `limit` ids: the largest below `before`, or the smallest above `after`."""
    direction = InboundMail.id.asc() if after is not None else InboundMail.id.desc()
    always = [*_period(asked.period), *_search(asked.query)]
    if before is not None:
        always.append(InboundMail.id < before)
    if after is not None:
        always.append(InboundMail.id > after)
    found: list[int] = []
    for questions in _some(list(_questions(asked))):
        parts = [
            select(InboundMail.id).where(*question, *always).order_by(direction).limit(limit)
            for question in questions
        ]
        union = union_all(*(select(part.subquery().c.id) for part in parts)) if len(parts) > 1 else parts[0]
        found += db.session.scalars(union)
    return sorted(found, reverse=after is None)[:limit]


def _questions(asked: Filter) -> Iterator[Conditions]:
    """Conditions that exclude each other, and that begin one of the indexes up to the id."""
    if asked.copy is None and asked.verdict is None and asked.channel_id is None:
        yield ()
        return
    channel_ids = (
        [asked.channel_id] if asked.channel_id is not None else list(db.session.scalars(select(Channel.id)))
    )
    verdicts = [asked.verdict] if asked.verdict is not None else list(STATE_OF)
    for channel_id in channel_ids:
        here = InboundMail.channel_id == channel_id
        if asked.copy is None:
            yield from ((here, InboundMail.outcome == verdict) for verdict in verdicts)
            continue
        only = (InboundMail.outcome == asked.verdict,) if asked.verdict is not None else ()
        for state in dict.fromkeys(STATE_OF[verdict] for verdict in verdicts):
            yield (here, InboundMail.server_copy == asked.copy, InboundMail.state == state, *only)


def _period(period: str) -> Conditions:
    """Rows come in the order of their time, so a period is a range of ids: its first one is looked up once."""
    if period not in PERIODS:
        return ()
    since = now() - timedelta(days=PERIODS[period])
    first = _first_since(since)
    return (InboundMail.id >= first, InboundMail.received_at >= since) if first else (~true(),)


def _first_since(since: datetime) -> int | None:
    """The smallest id received since then, by halving: no index on the time is needed for that."""
    low, high = db.session.execute(select(func.min(InboundMail.id), func.max(InboundMail.id))).one()
    if high is None:
        return None
    while low < high:
        middle = (low + high) // 2
        received = db.session.scalar(
            select(InboundMail.received_at).where(InboundMail.id >= middle).order_by(InboundMail.id).limit(1)
        )
        if received is None or received >= since:
            high = middle
        else:
            low = middle + 1
    return int(low)


def _search(query: str) -> Conditions:
    """A SHA-256 (or its beginning), a Message-ID, an address, or words of sender and subject."""
    query = query.strip()
    if not query:
        return ()
    key = query.casefold()
    if _DIGEST.fullmatch(key):
        return (InboundMail.sha256 >= key, InboundMail.sha256 < key + "g")
    if "@" in key.strip("@") and " " not in key and (exact := _exactly(query)):
        return (InboundMail.id.in_(exact),)
    return tuple(
        or_(
            InboundMail.sender.contains(word, autoescape=True),  # in lower case already
            InboundMail.subject.icontains(word, autoescape=True),
        )
        for word in key.split()[:6]
    )


def _exactly(query: str, most: int = 2000) -> list[int]:
    """The rows of this very Message-ID or sender, by index; the newest ones of very many."""
    spellings = [query, f"<{query.strip('<>')}>"]
    channel_ids = list(db.session.scalars(select(Channel.id)))
    filed = select(Message.inbound_id).where(
        Message.message_id.in_(spellings), Message.inbound_id.is_not(None)
    )
    unfiled = select(InboundMail.id).where(
        InboundMail.channel_id.in_(channel_ids),
        InboundMail.outcome.in_(UNFILED),
        InboundMail.message_id.in_(spellings),
    )
    written = (
        select(InboundMail.id)
        .where(InboundMail.channel_id.in_(channel_ids), InboundMail.sender == query.casefold())
        .order_by(InboundMail.id.desc())
        .limit(most)
    )
    found = {one for part in (filed, unfiled, written) for one in db.session.scalars(part) if one is not None}
    return sorted(found, reverse=True)[:most]


def _some(questions: list[Conditions]) -> Iterator[list[Conditions]]:
    return (questions[at : at + _QUESTIONS_AT_ONCE] for at in range(0, len(questions), _QUESTIONS_AT_ONCE))
