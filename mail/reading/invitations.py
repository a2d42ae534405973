"""Calendar parts as values: who invites whom to what, when and where (RFC 5545, sent by mail: RFC 6047).

An own reader of the eight fields that are shown, see docs/decisions. What it cannot read stays an attachment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from mail.reading.charsets import decode
from mail.reading.headers import display_name
from mail.types import Address, Attendee, Invitation

MAX_BYTES = 256 * 1024
MAX_LINES = 5_000
MAX_ATTENDEES = 200
MAX_WORDS = 500  # characters of a summary or a place
MAX_DESCRIPTION = 4_000

_FOLD = re.compile(r"\r?\n[ \t]")
_NAME = re.compile(r"[A-Za-z0-9-]{1,60}")
_PARAMETER = re.compile(r';([A-Za-z0-9-]{1,60})=("[^"]*"|[^;:"]*)')
_ESCAPED = re.compile(r"\\([\\;,nN])")
_MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)?(Z?))?", re.A)
_DURATION = re.compile(
    r"([+-]?)P(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?", re.A
)
_OFFSET = re.compile(r"([+-])(\d\d)(\d\d)(\d\d)?", re.A)
# Among the names without a slash only those that mean one zone to everybody.
_ZONE_KEY = re.compile(
    r"[A-Za-z0-9_+-]{1,40}(?:/[A-Za-z0-9_+-]{1,40}){1,2}|UTC|GMT|CET|EET|WET|MET|Japan|Singapore|Turkey", re.A
)
_OFFSET_ZONE = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d\d))?", re.A)
_SUMMER_AND_WINTER = {
    "MEZ": 1,
    "CEST": 2,
    "MESZ": 2,
    "EEST": 3,
    "WEST": 1,
    "BST": 1,
    "Z": 0,
}  # hours ahead of UTC
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@dataclass(frozen=True, slots=True)
class _Line:
    """One property: name in upper case, parameters, value as written."""

    name: str
    parameters: dict[str, str]
    value: str


@dataclass(frozen=True, slots=True)
class _Change:
    """When a zone's clock is set, and to what: a STANDARD or DAYLIGHT block of a VTIMEZONE."""

    first: datetime
    offset: timedelta
    rule: dict[str, str]

    def last_before(self, when: datetime) -> datetime | None:
        for year in (when.year, when.year - 1):
            if self.first <= (onset := self._in_year(year)) <= when:
                return onset
        return self.first if self.first <= when else None

    def _in_year(self, year: int) -> datetime:
        found = re.fullmatch(r"([+-]?\d)?([A-Z]{2})", self.rule.get("BYDAY", ""), re.A)
        if self.rule.get("FREQ") != "YEARLY" or not found or found[2] not in _WEEKDAYS:
            return self.first
        month, weekday, place = int(self.rule["BYMONTH"]), _WEEKDAYS.index(found[2]), int(found[1] or 1)
        if place > 0:
            day = date(year, month, 1)
            day += timedelta(days=(weekday - day.weekday()) % 7 + 7 * (place - 1))
        else:
            day = (date(year, month, 28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
            day -= timedelta(days=(day.weekday() - weekday) % 7 + 7 * (-place - 1))
        return datetime.combine(day, self.first.time())


@dataclass(slots=True)
class _Calendar:
    method: str = ""
    events: list[list[_Line]] = field(default_factory=list)
    zones: dict[str, list[_Change]] = field(default_factory=dict)


def read_invitation(data: bytes, charset: str = "", method: str = "") -> Invitation | None:
    """The first event of a calendar part, or None where there is none or it cannot be read.

    `charset` and `method` are the parameters of its Content-Type; the METHOD inside wins. Never raises.
    """
    if len(data) > MAX_BYTES or b"BEGIN:VEVENT" not in data.upper():
        return None
    try:
        calendar = _calendar(_lines(decode(data, charset)))
        if not calendar.events:
            return None
        # Exceptions of a series carry RECURRENCE-ID; the series itself says more.
        chosen = next((e for e in calendar.events if not _first(e, "RECURRENCE-ID")), calendar.events[0])
        return _invitation(chosen, calendar, method)
    except Exception:  # whatever a stranger's calendar provokes; the part is attached all the same
        return None


def _lines(text: str) -> Iterator[_Line]:
    for number, line in enumerate(_FOLD.sub("", text).splitlines()):
        if number >= MAX_LINES:
            return
        if name := _NAME.match(line):
            position = name.end()
            parameters: dict[str, str] = {}
            while found := _PARAMETER.match(line, position):
                parameters.setdefault(found[1].upper(), found[2].strip('"'))
                position = found.end()
            if line[position : position + 1] == ":":
                yield _Line(name[0].upper(), parameters, line[position + 1 :])


def _calendar(lines: Iterable[_Line]) -> _Calendar:
    calendar = _Calendar()
    open_blocks: list[str] = []
    block: list[_Line] = []
    zone = ""
    for line in lines:
        inside = open_blocks[-1] if open_blocks else ""
        if line.name == "BEGIN":
            open_blocks.append(line.value.strip().upper())
            if open_blocks[-1] in ("VEVENT", "STANDARD", "DAYLIGHT"):
                block = []
        elif line.name == "END":
            if inside == "VEVENT":
                calendar.events.append(block)
            elif inside in ("STANDARD", "DAYLIGHT") and (change := _change(block)):
                calendar.zones.setdefault(zone, []).append(change)
            if open_blocks:
                open_blocks.pop()
        elif inside in ("VEVENT", "STANDARD", "DAYLIGHT"):
            block.append(line)
        elif inside == "VTIMEZONE" and line.name == "TZID":
            zone = line.value.strip()
        elif inside == "VCALENDAR" and line.name == "METHOD":
            calendar.method = line.value
    if open_blocks and "VEVENT" in open_blocks and block not in calendar.events:
        calendar.events.append(block)  # cut off; what was read counts
    return calendar


def _change(block: list[_Line]) -> _Change | None:
    begins, offset = _first(block, "DTSTART"), _first(block, "TZOFFSETTO")
    moment = _MOMENT.fullmatch(begins.value.strip()) if begins else None
    found = _OFFSET.fullmatch(offset.value.strip()) if offset else None
    if not moment or not found:
        return None
    shift = timedelta(hours=int(found[2]), minutes=int(found[3]))
    rule = _first(block, "RRULE")
    pieces = (piece.partition("=") for piece in rule.value.upper().split(";")) if rule else ()
    return _Change(
        datetime(*(int(number or 0) for number in moment.groups()[:6])),  # type: ignore[arg-type]
        -shift if found[1] == "-" else shift,
        {key: value for key, _, value in pieces},
    )


def _invitation(event: list[_Line], calendar: _Calendar, method: str) -> Invitation:
    begins, ends = _first(event, "DTSTART"), _first(event, "DTEND")
    start = _when(begins, calendar) if begins else None
    end = _when(ends, calendar) if ends else None
    lasts = _first(event, "DURATION")
    if start is not None and end is None and lasts:
        end = start + _duration(lasts.value)
    return Invitation(
        method=_one_line(calendar.method or method).lower()[:20],
        summary=_words(event, "SUMMARY"),
        start=start,
        end=end,
        location=_words(event, "LOCATION"),
        description=_unescaped(_value(event, "DESCRIPTION"))[:MAX_DESCRIPTION].strip(),
        organizer=next((_person(line) for line in event if line.name == "ORGANIZER"), Address("", "")),
        attendees=tuple(_attendees(event)),
        uid=_one_line(_value(event, "UID"))[:MAX_WORDS],
        zone=_one_line(begins.parameters.get("TZID", ""))[:80] if begins else "",
        repeats=_first(event, "RRULE") is not None,
    )


def _when(line: _Line, calendar: _Calendar) -> date | datetime | None:
    moment = _MOMENT.fullmatch(line.value.strip())
    if not moment:
        return None
    year, month, day = int(moment[1]), int(moment[2]), int(moment[3])
    if not moment[4]:
        return date(year, month, day)
    when = datetime(year, month, day, int(moment[4]), int(moment[5]), min(int(moment[6] or 0), 59))
    if moment[7]:
        return when.replace(tzinfo=UTC)
    zone = line.parameters.get("TZID", "")
    # What the file says of its zone comes first: a name may mean another zone to its program than to others.
    onsets = [(onset, c.offset) for c in calendar.zones.get(zone, ()) if (onset := c.last_before(when))]
    if onsets:
        return (when - max(onsets)[1]).replace(tzinfo=UTC)
    if (offset := _fixed_offset(zone)) is not None:
        return (when - offset).replace(tzinfo=UTC)
    if _ZONE_KEY.fullmatch(zone):
        try:
            return when.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        except (ValueError, OSError, KeyError, OverflowError):
            pass  # not a name that the zone database knows
    return when


def _fixed_offset(zone: str) -> timedelta | None:
    """Of a zone that nobody defines, neither the file nor the database: `UTC+01:00`, as Python writes it, or CEST."""
    if zone.upper() in _SUMMER_AND_WINTER:
        return timedelta(hours=_SUMMER_AND_WINTER[zone.upper()])
    found = _OFFSET_ZONE.fullmatch(zone)
    if not found:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return -offset if found[1] == "-" else offset


def _duration(value: str) -> timedelta:
    found = _DURATION.fullmatch(value.strip())
    if not found:
        return timedelta()
    weeks, days, hours, minutes, seconds = (int(number or 0) for number in found.groups()[1:])
    lasts = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    return -lasts if found[1] == "-" else lasts


def _attendees(event: list[_Line]) -> Iterator[Attendee]:
    people = [line for line in event if line.name == "ATTENDEE"]
    for line in people[:MAX_ATTENDEES]:
        if (person := _person(line)).address:
            yield Attendee(person, _one_line(line.parameters.get("PARTSTAT", "")).lower()[:20])


def _person(line: _Line) -> Address:
    address = re.sub(r"(?i)^\s*mailto:", "", line.value).strip()
    if "@" not in address:
        address = line.parameters.get("EMAIL", "")
    return Address(display_name(line.parameters.get("CN", "").encode()), _one_line(address)[:500])


def _first(block: list[_Line], name: str) -> _Line | None:
    return next((line for line in block if line.name == name), None)


def _value(block: list[_Line], name: str) -> str:
    found = _first(block, name)
    return found.value if found else ""


def _words(block: list[_Line], name: str) -> str:
    return _one_line(_unescaped(_value(block, name)))[:MAX_WORDS]


def _unescaped(value: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], value)


def _one_line(words: str) -> str:
    return " ".join(words.split())
