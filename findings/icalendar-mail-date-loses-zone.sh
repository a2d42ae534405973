#!/bin/sh
# icalendar: the Date of a mail becomes an event whose zone is lost.
#
# Surprise: a time with a fixed offset, as email.utils makes it of every mail's Date line, is written as
#   DTSTART;TZID="UTC+01:00" and there is no VTIMEZONE of that name. RFC 5545, section 3.2.19, asks for one,
#   so the line names nothing. add_missing_timezones() knows that it is missing and adds none. Read again by
#   icalendar itself, the event has a time without any zone: the hour of offset is gone.
# One would have guessed: an offset without the name of a place is written in UTC (080000Z), or the VTIMEZONE
#   comes with it.
# What to do: turn it into UTC first, with astimezone(timezone.utc).
# Versions: icalendar 7.3.2 (tzdata 2026.6, python-dateutil 2.9.0.post0).
#   Seen on 2026-11-30. Needs python3 3.10 or newer.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM HUP
cd "$work"
changed() { printf 'CHANGED: %s\n' "$1"; exit 1; }
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install icalendar==7.3.2 tzdata==2026.6 \
    python-dateutil==2.9.0.post0 six==1.17.0 typing_extensions==4.15.0 || exit 2
cat > event.py <<'PY'
import sys
from datetime import timezone
from email.utils import parsedate_to_datetime
from importlib.metadata import version

from icalendar import Calendar, Event


def written(start):
    """The calendar with one event, and what icalendar reads out of it again."""
    calendar, event = Calendar(), Event()
    event.add("uid", "1@example.org")
    event.add("dtstart", start)
    calendar.add_component(event)
    calendar.add_missing_timezones()
    text = calendar.to_ical().decode()
    again = Calendar.from_ical(text).walk("VEVENT")[0]["dtstart"].dt
    line = next(line for line in text.splitlines() if line.startswith("DTSTART"))
    return line, "BEGIN:VTIMEZONE" in text, calendar.get_missing_tzids(), again


date = parsedate_to_datetime("Mon, 30 Nov 2026 09:00:00 +0100")
print("icalendar", version("icalendar"), "| the mail's Date:", date)
line, zone, missing, again = written(date)
print(line, "| VTIMEZONE:", zone, "| missing:", *missing, "| read again:", again, again.tzinfo)
utc_line, _, _, utc_again = written(date.astimezone(timezone.utc))
print(utc_line, "| read again:", utc_again)
as_seen = (
    line == 'DTSTART;TZID="UTC+01:00":20261130T090000'
    and not zone
    and missing == {"UTC+01:00"}
    and again.tzinfo is None
    and utc_again == date
)
sys.exit(not as_seen)
PY
timeout 50 venv/bin/python event.py || changed "see the lines above"
echo "as described: the event names a zone that the file does not hold"
