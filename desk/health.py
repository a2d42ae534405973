"""How channels fare: what the fetch found, when it tries again, and what arrives day by day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from sqlalchemy import and_, case, func, or_, select, update

from desk.office import office, the_account
from models import Channel, Provider, Ticket, db, now

# How long a channel in trouble rests at most between two tries. What a person has to mend (a wrong
# password, a bad certificate) is asked rarely, since many tries lock accounts; the network often.
LONGEST_REST = {"person": timedelta(hours=1), "network": timedelta(minutes=15)}


def due(at: datetime, fetch_seconds: int) -> list[int]:
    """The own channels whose mailbox is to be fetched now, the longest waiting first.

    The clock that asks ticks in the same interval and never quite on time: a little early counts.
    """
    early = min(timedelta(seconds=5), timedelta(seconds=fetch_seconds) / 2)
    waited = or_(
        Channel.last_success_at.is_(None),
        Channel.last_success_at <= at - timedelta(seconds=fetch_seconds) + early,
    )
    query = select(Channel.id).where(
        Channel.deleted_at.is_(None),
        Channel.active,
        Channel.provider == Provider.OWN,
        or_(Channel.next_try_at <= at, and_(Channel.next_try_at.is_(None), waited)),
    )
    return list(db.session.scalars(query.order_by(Channel.last_success_at, Channel.id)))


def record_success(channel_id: int, edition: int | None = None) -> None:
    """A fetch went through: the trouble, if there was any, is over. Commits.

    `edition` is that of the channel when the fetch began; what has been edited since is not touched.
    """
    _record(
        channel_id,
        edition,
        last_success_at=now(),
        failing_since=None,
        error_code="",
        error_words="",
        failures=0,
        next_try_at=None,
    )


def record_failure(
    channel_id: int, code: str, words: str, temporary: bool, edition: int | None = None
) -> None:
    """A fetch failed: note why and rest longer each time. Never switches a channel off. Commits."""
    failures = db.session.scalar(select(Channel.failures).where(Channel.id == channel_id)) or 0
    at = now()
    _record(
        channel_id,
        edition,
        failing_since=func.coalesce(Channel.failing_since, at),
        error_code=code,
        error_words=words,
        failures=failures + 1,
        next_try_at=at + rest(failures + 1, temporary, office().settings.fetch_seconds),
    )


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


def _record(channel_id: int, edition: int | None, **values: object) -> None:
    change = update(Channel).where(Channel.id == channel_id)
    if edition is not None:
        change = change.where(Channel.edition == edition)
    db.session.execute(change.values(**values).execution_options(synchronize_session=False))
    db.session.commit()
