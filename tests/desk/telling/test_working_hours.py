"""When an agent's mail leaves; in Vienna unless it says otherwise."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from desk.telling.working_hours import Rhythm, due_at

VIENNA = ZoneInfo("Europe/Vienna")
OFFICE = Rhythm(VIENNA, "", frozenset(range(1, 6)), time(8), time(17))


def at(text: str, zone: ZoneInfo = VIENNA) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("moment", "leaves"),
    [
        ("2026-11-25T10:00", "2026-11-25T10:00"),  # a Wednesday
        ("2026-11-25T08:00", "2026-11-25T08:00"),
        ("2026-11-25T07:59", "2026-11-25T08:00"),
        ("2026-11-25T17:00", "2026-11-26T08:00"),
        ("2026-11-25T23:59", "2026-11-26T08:00"),
        ("2026-11-27T17:30", "2026-11-30T08:00"),  # Friday evening waits for Monday
        ("2026-11-28T12:00", "2026-11-30T08:00"),
        ("2026-03-27T18:00", "2026-03-30T08:00"),  # clocks change in between
        ("2026-10-23T18:00", "2026-10-26T08:00"),
    ],
)
def test_what_comes_outside_waits_for_the_next_working_hour(moment: str, leaves: str) -> None:
    assert due_at(at(moment).astimezone(UTC), OFFICE) == at(leaves)


def test_the_hours_are_those_of_the_agents_own_clock() -> None:
    tokyo = Rhythm(ZoneInfo("Asia/Tokyo"), "", frozenset({3}), time(9), time(17))
    assert due_at(datetime(2026, 11, 24, 23, 30, tzinfo=UTC), tokyo) == datetime(2026, 11, 25, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "leaves"),
    [
        ("2026-11-25T10:00", "2026-11-25T10:00"),
        ("2026-11-25T10:01", "2026-11-25T11:00"),
        ("2026-11-25T16:30", "2026-11-26T08:00"),
        ("2026-11-28T12:34", "2026-11-30T08:00"),
    ],
)
def test_an_hourly_digest_leaves_at_the_full_hour(moment: str, leaves: str) -> None:
    assert due_at(at(moment), Rhythm(VIENNA, "hourly", OFFICE.days, OFFICE.begin, OFFICE.end)) == at(leaves)


@pytest.mark.parametrize(
    ("rhythm", "moment", "leaves"),
    [
        (Rhythm(VIENNA, "daily"), "2026-11-28T07:00", "2026-11-28T08:00"),
        (Rhythm(VIENNA, "daily"), "2026-11-28T08:01", "2026-11-29T08:00"),
        (
            Rhythm(VIENNA, "daily", OFFICE.days, time(9, 30), time(17)),
            "2026-11-27T10:00",
            "2026-11-30T09:30",
        ),
    ],
)
def test_a_daily_digest_leaves_in_the_morning(rhythm: Rhythm, moment: str, leaves: str) -> None:
    assert due_at(at(moment), rhythm) == at(leaves)


def test_an_hour_that_does_not_exist_begins_all_the_same() -> None:
    """On the last Sunday of March 02:30 is skipped."""
    night = Rhythm(VIENNA, "", frozenset({7}), time(2, 30), time(4))
    begins = due_at(at("2026-03-29T00:30"), night)
    assert begins.astimezone(UTC) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_the_hour_that_comes_twice_is_no_trap_for_the_hourly_digest() -> None:
    first = datetime(2026, 10, 25, 0, 10, tzinfo=UTC)  # 02:10, and again an hour later
    assert due_at(first, Rhythm(VIENNA, "hourly")) == datetime(2026, 10, 25, 1, tzinfo=UTC)
