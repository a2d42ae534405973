"""Calendar parts: whole days, zones by name and by rule, and what is no event."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from mail.reading.invitations import read_invitation
from mail.types import Address, Attendee, Invitation

# As Outlook writes it: a zone of its own name, with the rules beside it.
ZONE = """BEGIN:VTIMEZONE
TZID:W. Europe Standard Time
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE
"""


def read(
    *lines: str, zone: str = "", method: str = "METHOD:REQUEST", declared: str = ""
) -> Invitation | None:
    event = "\n".join(
        ("BEGIN:VCALENDAR", method, zone + "BEGIN:VEVENT", *lines, "END:VEVENT", "END:VCALENDAR")
    )
    return read_invitation(event.encode(), "utf-8", declared)


def moment(*lines: str, zone: str = "") -> date | datetime | None:
    found = read(*lines, zone=zone)
    return found.start if found else None


def test_who_invites_whom_to_what() -> None:
    found = read(
        'ORGANIZER;CN="Kunde, Carol":mailto:carol@kunde.example',
        "ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;CN=Firma",
        "  Support:MAILTO:support@firma.example",
        "ATTENDEE;PARTSTAT=DECLINED;EMAIL=dave@kunde.example:urn:uuid:1",
        "SUMMARY;LANGUAGE=de-DE:Besprechung\\, Teil 2",
        "LOCATION:Raum 5\\; Wien",
        "DESCRIPTION:Bitte\\nmitbringen",
        "UID:1@kunde.example",
        "RRULE:FREQ=WEEKLY",
        "DTSTART:20261126T090000Z",
        "DURATION:PT1H30M",
    )
    assert found == Invitation(
        method="request",
        summary="Besprechung, Teil 2",
        start=datetime(2026, 11, 26, 9, tzinfo=UTC),
        end=datetime(2026, 11, 26, 10, 30, tzinfo=UTC),
        location="Raum 5; Wien",
        description="Bitte\nmitbringen",
        organizer=Address("Kunde, Carol", "carol@kunde.example"),
        attendees=(
            Attendee(Address("Firma Support", "support@firma.example"), "needs-action"),
            Attendee(Address("", "dave@kunde.example"), "declined"),
        ),
        uid="1@kunde.example",
        repeats=True,
    )


@pytest.mark.parametrize(
    ("line", "zone", "expected"),
    [
        ("DTSTART;VALUE=DATE:20261224", "", date(2026, 12, 24)),
        ("DTSTART:20261126T090000", "", datetime(2026, 11, 26, 9)),  # wherever one is
        ("DTSTART;TZID=Europe/Vienna:20260726T140000", "", datetime(2026, 7, 26, 12, tzinfo=UTC)),
        ("DTSTART;TZID=Europe/Vienna:20261126T140000", "", datetime(2026, 11, 26, 13, tzinfo=UTC)),
        ("DTSTART;TZID=W. Europe Standard Time:20261126T140000", ZONE, datetime(2026, 11, 26, 13, tzinfo=UTC)),
        ("DTSTART;TZID=W. Europe Standard Time:20260726T140000", ZONE, datetime(2026, 7, 26, 12, tzinfo=UTC)),
        ("DTSTART;TZID=W. Europe Standard Time:20260115T140000", ZONE, datetime(2026, 1, 15, 13, tzinfo=UTC)),
        ("DTSTART;TZID=W. Europe Standard Time:20260726T140000", "", datetime(2026, 7, 26, 14)),
        ("DTSTART;TZID=../../etc/passwd:20260726T140000", "", datetime(2026, 7, 26, 14)),
        ("DTSTART:next Tuesday", "", None),
    ],
)  # fmt: skip
def test_when(line: str, zone: str, expected: date | datetime | None) -> None:
    assert moment(line, zone=zone) == expected


@pytest.mark.parametrize(
    ("start", "end", "last"),
    [
        ("20261224", "20261227", date(2026, 12, 26)),
        ("20261224", "20261225", date(2026, 12, 24)),
        ("20261224", "20261224", date(2026, 12, 24)),
        ("20261126T090000Z", "20261126T100000Z", None),
    ],
)
def test_the_last_day_is_the_one_that_people_say(start: str, end: str, last: date | None) -> None:
    found = read(f"DTSTART:{start}", f"DTEND:{end}")
    assert found is not None and found.last_day == last and found.all_day == (last is not None)


def test_the_series_says_more_than_its_exceptions() -> None:
    found = read(
        "SUMMARY:Ausnahme", "RECURRENCE-ID:20261126T090000Z", "END:VEVENT", "BEGIN:VEVENT", "SUMMARY:Reihe"
    )
    assert found is not None and found.summary == "Reihe"


def test_the_method_stands_inside_or_in_the_content_type() -> None:
    for inside, declared in (("METHOD:CANCEL", "REQUEST"), ("VERSION:2.0", "cancel")):
        found = read("SUMMARY:x", method=inside, declared=declared)
        assert found is not None and found.method == "cancel"


def test_a_calendar_that_breaks_off_is_read_as_far_as_it_goes() -> None:
    found = read_invitation(b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Besprechung\nDTSTA")
    assert found is not None and (found.summary, found.start) == ("Besprechung", None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"BEGIN:VCALENDAR\nBEGIN:VTODO\nSUMMARY:x\nEND:VTODO\nEND:VCALENDAR",
        b"BEGIN:VEVENT\nDTSTART:99999999T999999\nEND:VEVENT",
        b"BEGIN:VEVENT\n" + b"A:b\n" * 100_000,
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_event(data: bytes) -> None:
    assert read_invitation(data) is None


@pytest.mark.timeout(10)
def test_hostile_calendars_end() -> None:
    for line in (
        "A" * 200_000,
        "ATTENDEE" + ";A=b" * 50_000,
        "SUMMARY:" + "\\n" * 100_000,
        "X;A=" + '"' * 200_000,
    ):
        read(line, "DTSTART:20261126T090000Z")
    found = read(*["ATTENDEE:mailto:a@b.example"] * 4_000)
    assert found is not None and len(found.attendees) == 200
