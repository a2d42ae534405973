"""When an agent's mail leaves: at once, with the digest, and not outside of the working hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

MORNING = time(8)  # when a daily digest leaves for who has no working hours


@dataclass(frozen=True, slots=True)
class Rhythm:
    """`days` are ISO weekdays (1 is Monday) with hours from `begin` to `end` in `zone`; no days: always.

    `digest` is empty, hourly or daily (at the beginning of the working day).
    """

    zone: ZoneInfo
    digest: str = ""
    days: frozenset[int] = frozenset()
    begin: time = time(0)
    end: time = time(0)


def due_at(earliest: datetime, rhythm: Rhythm) -> datetime:
    """The first moment, not before `earliest`, at which a mail may leave."""
    local = earliest.astimezone(rhythm.zone)
    if rhythm.digest == "hourly" and (local.minute, local.second, local.microsecond) != (0, 0, 0):
        earliest += timedelta(hours=1) - timedelta(
            minutes=local.minute, seconds=local.second, microseconds=local.microsecond
        )
    elif rhythm.digest == "daily":
        begin = rhythm.begin if rhythm.days else MORNING
        days = rhythm.days or frozenset(range(1, 8))
        return _next_begin(local, days, begin, rhythm.zone)
    return _within(earliest, rhythm)


def _within(moment: datetime, rhythm: Rhythm) -> datetime:
    """The moment itself in working hours, else the beginning of the next ones."""
    local = moment.astimezone(rhythm.zone)
    if not rhythm.days:
        return moment
    if local.isoweekday() in rhythm.days and rhythm.begin <= local.time() < rhythm.end:
        return moment
    return _next_begin(local, rhythm.days, rhythm.begin, rhythm.zone)


def _next_begin(local: datetime, days: frozenset[int], begin: time, zone: ZoneInfo) -> datetime:
    for ahead in range(8):
        day = local.date() + timedelta(days=ahead)
        start = datetime.combine(day, begin, zone)
        if day.isoweekday() in days and start >= local:
            return start
    raise AssertionError("a week has every day")
