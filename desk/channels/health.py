"""How channels fare: what the fetch found, when it tries again, when that is a trouble, and what comes day by day."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, case, delete, exists, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from desk import leases
from desk.office import office, the_account
from models import BRAKES, Channel, Ending, FetchRecord, Incident, Provider, Ticket, Trouble, db, now
from models.base import reading, rows_changed
from wire import PermanentFailure, TransportFailure

# A trouble counts when it lasts: the network and servers mend themselves most of the time. What a person has
# to mend, such as a wrong password, counts at once.
LASTING = timedelta(minutes=10)
FAILURES = 3
# How long a channel in trouble rests at most between two tries. What a person has to mend (a wrong
# password, a bad certificate) is asked rarely, since many tries lock accounts; the network often.
LONGEST_REST = {"person": timedelta(hours=1), "network": timedelta(minutes=15)}
# A server whose IDLE tells of a mail so long after its arrival (Courier and Cyrus without idled look once a minute)
# is asked as often besides.
HEARD_LATE = timedelta(seconds=20)
HEARD_LATE_REST = timedelta(seconds=15)
WITHHELD_TRIES = 2  # fetches in a row that did not get a mail whole, until it is a trouble
# A server that gave out new UIDs so often within a day is told of; it is over when it has not for as long.
RENUMBERINGS, RENUMBERING_DAY = 3, timedelta(days=1)
RECORDS_KEPT = 50  # of a channel's fetches that brought something or failed


def due(
    at: datetime, fetch_seconds: int, failing: bool | None = None, heard_late: Collection[int] = ()
) -> list[int]:
    """The own channels whose mailbox is to be fetched now, the longest waiting first.

    `failing`: only those in trouble, or only the others. `heard_late`: what is asked more often.
    The clock that asks ticks in the same interval and never quite on time: a little early counts.
    """
    early = min(timedelta(seconds=5), timedelta(seconds=fetch_seconds) / 2)
    waited = or_(
        Channel.last_success_at.is_(None),
        Channel.last_success_at <= at - timedelta(seconds=fetch_seconds) + early,
        and_(Channel.id.in_(heard_late), Channel.last_success_at <= at - HEARD_LATE_REST),
    )
    query = select(Channel.id).where(
        Channel.deleted_at.is_(None),
        Channel.active,
        Channel.provider == Provider.OWN,
        or_(Channel.next_try_at <= at, and_(Channel.next_try_at.is_(None), waited)),
    )
    if failing is not None:
        query = query.where(
            Channel.failing_since.is_not(None) if failing else Channel.failing_since.is_(None)
        )
    return list(db.session.scalars(query.order_by(Channel.last_success_at, Channel.id)))


def fetched_editions() -> dict[int, int]:
    """The own channels that are fetched, each with the edition in which it stands now."""
    query = select(Channel.id, Channel.edition).where(
        Channel.deleted_at.is_(None), Channel.active, Channel.provider == Provider.OWN
    )
    return {row.id: row.edition for row in db.session.execute(query)}


def record_success(
    channel_id: int,
    edition: int | None = None,
    refused: int = 0,
    words: str = "",
    withheld: Sequence[str] | None = None,
    login_delay: int = 0,
) -> None:
    """A fetch went through: the trouble, if there was any, is over. Commits.

    `edition` is that of the channel when the fetch began; what has been edited since is not touched.
    `refused` copies should be gone from the server and are not; `words` are what it said to that. A goodbye
    without an answer says nothing yet: without words only the second time in a row is a trouble.
    `withheld`: the mails that the server did not hand out whole, None if none was asked for. The first time
    such a mail may just be gone by then; so here too the second time counts.
    `login_delay`: seconds that the server wants between two sessions, which is the least interval then.
    """
    before = select(Channel.refused, Channel.withheld).where(Channel.id == channel_id)
    was_refused, was_withheld = db.session.execute(before).one()
    tries = was_withheld if withheld is None else was_withheld + 1 if withheld else 0
    recorded = _record(
        channel_id,
        edition,
        last_success_at=now(),
        failing_since=None,
        error_code="",
        error_words="",
        failures=0,
        next_try_at=_after(login_delay) if login_delay > office().settings.fetch_seconds else None,
        refused=refused,
        withheld=tries,
    )
    if recorded:
        _end(channel_id, Ending.RECOVERED, Trouble.FETCH)
        if refused and (words or was_refused):
            _continue(channel_id, Trouble.REMOVAL, "removal_refused", words)
        elif not refused:
            _end(channel_id, Ending.RECOVERED, Trouble.REMOVAL)
        if withheld and tries >= WITHHELD_TRIES:
            _continue(channel_id, Trouble.WITHHELD, "mail_withheld", ", ".join(withheld[:10]))
        elif withheld is not None:
            _end(channel_id, Ending.RECOVERED, Trouble.WITHHELD)
    db.session.commit()


def record_failure(
    channel_id: int, code: str, words: str, temporary: bool, edition: int | None = None
) -> bool:
    """A fetch failed: note why and rest longer each time. Never switches a channel off. Commits.

    False if the channel was edited since the fetch began: its failure says nothing about what it is now.
    """
    failures = db.session.scalar(select(Channel.failures).where(Channel.id == channel_id)) or 0
    at = now()
    recorded = _record(
        channel_id,
        edition,
        failing_since=func.coalesce(Channel.failing_since, at),
        error_code=code,
        error_words=words,
        failures=failures + 1,
        next_try_at=at + rest(failures + 1, temporary, office().settings.fetch_seconds),
    )
    if recorded:
        _continue(channel_id, Trouble.FETCH, code, words, needs_person=not temporary)
    db.session.commit()
    return recorded


def record_wait(channel_id: int, seconds: int, edition: int) -> bool:
    """The server wants a pause between two sessions, and somebody was there just now: that is no trouble. Commits.

    False when it says so for the third time in a row: then it keeps us out for good.
    """
    failures = db.session.scalar(select(Channel.failures).where(Channel.id == channel_id)) or 0
    if failures + 1 >= FAILURES:
        return False
    pause = max(seconds, office().settings.fetch_seconds)
    _record(channel_id, edition, failures=failures + 1, next_try_at=_after(pause))
    db.session.commit()
    return True


def record_renumbering(channel_id: int) -> None:
    """The server gave out new UIDs (another UIDVALIDITY). Once is a restored mailbox, often is a storm. Commits.

    Each process counts what it saw itself.
    """
    at = now()
    lately = [one for one in office().renumbered.get(channel_id, []) if one > at - RENUMBERING_DAY]
    office().renumbered[channel_id] = [*lately, at][-RENUMBERINGS:]
    if len(lately) + 1 >= RENUMBERINGS:
        _continue(channel_id, Trouble.RENUMBERED, "renumbered", "", needs_person=True)
        db.session.commit()


def _end_renumberings(at: datetime) -> None:
    storms = select(Incident.channel_id).where(
        Incident.trouble == Trouble.RENUMBERED,
        Incident.ended_at.is_(None),
        Incident.began_at < at - RENUMBERING_DAY,
    )
    for channel_id in db.session.scalars(storms).all():
        if not any(one > at - RENUMBERING_DAY for one in office().renumbered.get(channel_id, [])):
            _end(channel_id, Ending.RECOVERED, Trouble.RENUMBERED)


def record_sending(channel_id: int, failure: TransportFailure | None) -> None:
    """An outgoing server did not let us in, or did (None). Commits; writes only where something changes."""
    if failure is not None:
        needs_person = isinstance(failure, PermanentFailure)
        _continue(channel_id, Trouble.SENDING, failure.code, failure.words, needs_person)
    elif _is_open(channel_id, Trouble.SENDING):
        _end(channel_id, Ending.RECOVERED, Trouble.SENDING)
    db.session.commit()


def _is_open(channel_id: int, trouble: Trouble) -> bool:
    with reading():  # asked with every run of mails, and almost always for nothing
        return bool(db.session.scalar(select(Incident.id).where(*_open(channel_id, trouble)).limit(1)))


def record_stale(at: datetime) -> None:
    """Own channels that nobody fetches although no fault is known; and those that are fetched again. Commits.

    Storms of new UIDs that are over end here as well.
    """
    _end_renumberings(at)
    open_ones = set(
        db.session.scalars(
            select(Incident.channel_id).where(Incident.trouble == Trouble.STALE, Incident.ended_at.is_(None))
        )
    )
    fetched = select(Channel).where(
        Channel.deleted_at.is_(None), Channel.active, Channel.provider == Provider.OWN
    )
    for channel in db.session.scalars(fetched).all():
        # A mailbox with years of mail is fetched for hours: whoever holds its lease is at it.
        stale = is_stale(channel, at) and not leases.is_held(f"fetch:{channel.id}")
        if stale and channel.id not in open_ones:
            _continue(channel.id, Trouble.STALE, "stale", "")
        elif not stale and channel.id in open_ones:
            _end(channel.id, Ending.RECOVERED, Trouble.STALE)
    db.session.commit()


class Brake(NamedTuple):
    """A brake that holds: `code` says why, `whom` whom it concerns, or how many mails wait."""

    code: str
    whom: str


def record_brakes(holding: Mapping[tuple[int, Trouble], Brake]) -> None:
    """Which brakes hold, by channel and kind: they are told of at once, and again when they let go. Commits."""
    with reading():
        query = select(Incident.channel_id, Incident.trouble, Incident.code, Incident.words)
        rows = db.session.execute(
            query.where(Incident.trouble.in_(BRAKES), Incident.ended_at.is_(None))
        ).all()
    known = {(row.channel_id, row.trouble): Brake(row.code, row.words) for row in rows}
    for (channel_id, trouble), brake in holding.items():
        if known.get((channel_id, trouble)) != brake:
            _continue(channel_id, trouble, brake.code, brake.whom, needs_person=True)
    for channel_id, trouble in known.keys() - holding.keys():
        _end(channel_id, Ending.RECOVERED, trouble)
    db.session.commit()


def forget_incidents(channel_id: int) -> None:
    """The channel was changed, switched off or deleted: nobody knows whether its troubles were mended.

    Part of the caller's transaction.
    """
    for trouble in set(Trouble) - set(BRAKES):
        _end(channel_id, Ending.EDITED, trouble)


def keep(record: FetchRecord) -> None:
    """Keep what a fetch did, if it did anything, and drop what is older than the last fifty. Commits."""
    did = (record.fetched, record.removed, record.refused, record.left_alone, record.held, record.code)
    if not any(did):
        return
    of_channel = FetchRecord.channel_id == record.channel_id
    db.session.add(record)
    db.session.flush()
    newest = select(FetchRecord.id).where(of_channel).order_by(FetchRecord.id.desc()).limit(RECORDS_KEPT)
    db.session.execute(
        delete(FetchRecord)
        .where(of_channel, FetchRecord.id.not_in(newest.scalar_subquery()))
        .execution_options(synchronize_session=False)
    )
    db.session.commit()


def last_fetches(channel_id: int, limit: int = 5) -> list[FetchRecord]:
    """The last fetches that brought something or failed, the newest first."""
    query = select(FetchRecord).where(FetchRecord.channel_id == channel_id)
    return list(db.session.scalars(query.order_by(FetchRecord.id.desc()).limit(limit)))


def told_of(channel_id: ColumnElement[int] | InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """Whether a channel is in a trouble that `failing_since` does not show: sending, what waits, or nobody fetches.

    A brake on automatic mail is none: what people write comes and leaves. Its channel says so, for administrators.
    """
    hidden = Incident.trouble.in_((Trouble.SENDING, Trouble.STALE, Trouble.BRAKE))
    return exists().where(Incident.channel_id == channel_id, hidden, Incident.ended_at.is_(None))


def sending_troubles(channel_ids: Sequence[int]) -> dict[int, Incident]:
    """The open trouble of sending of each of these channels that has one: its server, else the widest brake."""
    wide_to_narrow = (Trouble.SENDING, *BRAKES)
    query = select(Incident).where(
        Incident.channel_id.in_(channel_ids),
        Incident.trouble.in_(wide_to_narrow),
        Incident.ended_at.is_(None),
    )
    found = sorted(db.session.scalars(query), key=lambda one: wide_to_narrow.index(one.trouble), reverse=True)
    return {incident.channel_id: incident for incident in found}


def brakes() -> list[tuple[Incident, Channel]]:
    """The brakes that hold just now, the oldest first."""
    query = select(Incident, Channel).join(Channel, Channel.id == Incident.channel_id)
    query = query.where(Incident.trouble.in_(BRAKES), Incident.ended_at.is_(None))
    return [(incident, channel) for incident, channel in db.session.execute(query.order_by(Incident.id))]


def incidents(channel_id: int, limit: int = 5) -> list[Incident]:
    """The troubles of a channel, the newest first."""
    query = select(Incident).where(Incident.channel_id == channel_id)
    return list(db.session.scalars(query.order_by(Incident.id.desc()).limit(limit)))


def rest(failures: int, temporary: bool, fetch_seconds: int) -> timedelta:
    """One interval after the first failure, doubled with every further one up to the longest rest."""
    longest = LONGEST_REST["network" if temporary else "person"]
    return min(longest, timedelta(seconds=fetch_seconds) * 2 ** min(failures - 1, 20))


def record_received(channel: Channel) -> None:
    """A mail came in. Part of the caller's transaction."""
    db.session.execute(
        update(Channel)
        .where(Channel.id == channel.id)
        .values(last_received_at=now())
        .execution_options(synchronize_session=False)
    )


def is_stale(channel: Channel, at: datetime) -> bool:
    """Whether an own channel that reports no fault has missed three turns: nobody fetches at all."""
    if not (channel.active and channel.is_own) or channel.failing_since is not None:
        return False
    since = channel.last_success_at or channel.activated_at
    if channel.next_try_at is not None:  # its server wants longer pauses
        since = max(since, channel.next_try_at)
    return at - since > max(timedelta(minutes=5), 3 * timedelta(seconds=office().settings.fetch_seconds))


def tickets_per_day(channel_ids: Sequence[int], days: int = 14) -> dict[int, list[int]]:
    """New tickets of each channel per calendar day of the company, oldest first, today last."""
    zone = ZoneInfo(office().settings.timezone or the_account().timezone)
    today = now().astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    # Midnights by the calendar, not by 24 hours: two days a year are longer or shorter.
    starts = [today - timedelta(days=back) for back in reversed(range(days))] + [today + timedelta(days=1)]
    columns = [
        func.sum(case((and_(Ticket.created_at >= start, Ticket.created_at < end), 1), else_=0))
        for start, end in pairwise(starts)
    ]
    query = (
        select(Ticket.channel_id, *columns)
        .where(Ticket.channel_id.in_(channel_ids), Ticket.created_at >= starts[0])
        .group_by(Ticket.channel_id)
    )
    found = {row[0]: [int(count) for count in row[1:]] for row in db.session.execute(query)}
    return {channel_id: found.get(channel_id, [0] * days) for channel_id in channel_ids}


def _after(seconds: int) -> datetime:
    """A second more, since servers count in whole ones."""
    return now() + timedelta(seconds=seconds + 1)


def _record(channel_id: int, edition: int | None, **values: object) -> bool:
    """False if the channel has been edited since."""
    change = update(Channel).where(Channel.id == channel_id)
    if edition is not None:
        change = change.where(Channel.edition == edition)
    return bool(rows_changed(change.values(**values).execution_options(synchronize_session=False)))


def _continue(channel_id: int, trouble: Trouble, code: str, words: str, needs_person: bool = False) -> None:
    """One more failure of an open incident, or the first of a new one."""
    open_one = update(Incident).where(*_open(channel_id, trouble))
    values: dict[str, Any] = {"code": code, "words": words, "needs_person": needs_person}
    more = open_one.values(**values, failures=Incident.failures + 1)
    if not rows_changed(more.execution_options(synchronize_session=False)):
        db.session.add(Incident(channel_id=channel_id, trouble=trouble, **values))


def _end(channel_id: int, ending: Ending, trouble: Trouble) -> None:
    db.session.execute(
        update(Incident)
        .where(*_open(channel_id, trouble))
        .values(ended_at=now(), ending=ending)
        .execution_options(synchronize_session=False)
    )


def _open(channel_id: int, trouble: Trouble) -> tuple[ColumnElement[bool], ...]:
    return (Incident.channel_id == channel_id, Incident.trouble == trouble, Incident.ended_at.is_(None))
