"""When a mail arrived: by its server, by its last hop, by us; and which of these cannot be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mail.arrival import arrived, sent
from mail.reading.parse import parse

GOT = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
BEFORE = GOT - timedelta(hours=3)


def written(*lines: str) -> bytes:
    return "\r\n".join(("From: Carol <carol@customer.example>", *lines, "", "Hello")).encode()


@pytest.mark.parametrize(
    "field",
    [
        "from mx.example by store.example with LMTP id 7; Mon, 30 Nov 2026 09:00:00 +0000",
        "from a.example (a.example [192.0.2.1])\r\n\tby mx.example (Postfix) with ESMTPS id 4;\r\n\tMon, 30 Nov 2026 10:00:00 +0100 (CET)",
        "from a.example by mx.example (envelope-from <odd;name@a.example>) id 1; Mon, 30 Nov 2026 09:00:00 GMT",
        "(qmail 1204 invoked by uid 500); 30 Nov 2026 09:00:00 -0000",
        "by 2002:a05:6a10 with SMTP id x; Mon, 30 Nov 2026 01:00:00 -0800 (PST)",
        "from a.example by mx.example; Mon, 30 Nov 2026 10:00:00 MEZ",
    ],
)
def test_the_last_hop_says_when(field: str) -> None:
    assert arrived(parse(written(f"Received: {field}")), None, GOT) == BEFORE


def test_only_the_topmost_counts() -> None:
    """Whatever stands below may be a stranger's; also where the topmost says nothing."""
    older = "Received: from x by y; Sat, 28 Nov 2026 09:00:00 +0000"
    mail = parse(written("Received: from a by b; Mon, 30 Nov 2026 09:00:00 +0000", older))
    assert arrived(mail, None, GOT) == BEFORE
    assert arrived(parse(written("Received: from a by b without a date", older)), None, GOT) == GOT


def test_the_server_knows_it_better_than_the_last_hop() -> None:
    mail = parse(written("Received: from a by b; Sun, 29 Nov 2026 09:00:00 +0000"))
    assert arrived(mail, BEFORE, GOT) == BEFORE


def test_where_we_are_the_server_no_strangers_field_counts() -> None:
    mail = parse(written("Received: from a by b; Sun, 29 Nov 2026 09:00:00 +0000"))
    assert arrived(mail, None, GOT, by_last_hop=False) == GOT


@pytest.mark.parametrize("stored", [None, GOT + timedelta(days=400)])
def test_the_future_counts_as_now(stored: datetime | None) -> None:
    mail = parse(written("Received: from a by b; Wed, 30 Nov 2033 09:00:00 +0000"))
    assert arrived(mail, stored, GOT) == GOT


DATED = "Date: Mon, 30 Nov 2026 08:00:00 +0000"


@pytest.mark.parametrize("stored", [datetime(1970, 1, 1, tzinfo=UTC), datetime(1980, 1, 1, tzinfo=UTC)])
@pytest.mark.parametrize("date", ["", DATED])
def test_a_clock_that_was_never_set_is_passed_over(stored: datetime, date: str) -> None:
    mail = parse(written("Received: from a by b; Mon, 30 Nov 2026 09:00:00 +0000", *filter(None, [date])))
    assert arrived(mail, stored, GOT) == BEFORE
    assert arrived(parse(written(*filter(None, [date]))), stored, GOT) == GOT


def test_nothing_arrives_before_it_was_written() -> None:
    """A server two years behind; but a sender who is hours or years ahead moves nothing."""
    behind = "Received: from a by b; Sat, 30 Nov 2024 09:00:00 +0000"
    assert arrived(parse(written(behind, DATED)), None, GOT) == GOT
    assert arrived(parse(written(behind, DATED)), datetime(2024, 11, 30, tzinfo=UTC), GOT) == GOT
    hours_ahead = parse(written("Date: Mon, 30 Nov 2026 11:30:00 +0000"))
    assert arrived(hours_ahead, BEFORE, GOT) == BEFORE
    years_ahead = parse(written("Date: Sat, 30 Nov 2030 08:00:00 +0000"))
    assert arrived(years_ahead, BEFORE, GOT) == BEFORE


def test_old_mail_keeps_its_old_date() -> None:
    """A mailbox of years, connected today."""
    old = datetime(2011, 3, 4, 5, 6, tzinfo=UTC)
    mail = parse(
        written(
            "Received: from a by b; Fri, 04 Mar 2011 05:06:00 +0000", "Date: Fri, 04 Mar 2011 05:05:00 +0000"
        )
    )
    assert arrived(mail, None, GOT) == arrived(mail, old, GOT) == old


@pytest.mark.parametrize(
    ("ahead", "counts"),
    [
        (timedelta(minutes=30), True),  # a fast clock
        (timedelta(hours=-2), True),
        (timedelta(days=-6), True),  # written on a journey
        (timedelta(days=2), False),
        (timedelta(days=-20_000), False),  # a clock that was never set
    ],
)
def test_a_sent_time_that_cannot_be_gives_way_to_the_arrival(ahead: timedelta, counts: bool) -> None:
    assert sent(BEFORE + ahead, BEFORE) == (BEFORE + ahead if counts else BEFORE)
    assert sent(None, BEFORE) == BEFORE
