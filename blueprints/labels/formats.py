"""Moments, sizes and names as a screen writes them, in the reader's language and time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from babel.numbers import format_decimal
from flask_babel import (
    format_date,
    format_datetime,
    format_time,
    get_locale,
    gettext,
    ngettext,
    to_user_timezone,
)


def relative_time(moment: datetime | None) -> str:
    """Short and relative, for lists: “12 min”, “yesterday”, “20 Nov”."""
    if moment is None:
        return ""
    age = datetime.now(UTC) - moment
    if age < timedelta(minutes=1):
        return gettext("now")
    if age < timedelta(hours=1):
        return gettext("%(count)s min", count=int(age.total_seconds() // 60))
    local, today = to_user_timezone(moment), to_user_timezone(datetime.now(UTC))
    days = (today.date() - local.date()).days
    if days == 0:
        return ngettext("%(num)s hr", "%(num)s hrs", max(1, int(age.total_seconds() // 3600)))
    if days == 1:
        return gettext("yesterday")
    return format_date(moment, gettext("d MMM") if local.year == today.year else "short")


def full_time(moment: datetime | None) -> str:
    """Whole, for messages and titles: “today, 09:12”, else date and time."""
    if moment is None:
        return ""
    local, today = to_user_timezone(moment), to_user_timezone(datetime.now(UTC))
    days = (today.date() - local.date()).days
    if days == 0:
        return gettext("today, %(time)s", time=format_time(moment, "short"))
    if days == 1:
        return gettext("yesterday, %(time)s", time=format_time(moment, "short"))
    return format_datetime(moment, "short")


def lay_for(age: timedelta) -> str:
    """A sentence where a mail lay on its server for a day or longer before it came here, else nothing."""
    return (
        ngettext(
            "This mail lay on its server for %(num)s day before it came here.",
            "This mail lay on its server for %(num)s days before it came here.",
            age.days,
        )
        if age.days >= 1
        else ""
    )


def file_size(size: int) -> str:
    """Bytes in the unit that a person reads: 184 kB, 1.2 MB."""
    if size < 1000:
        return f"{size} B"
    unit, value = ("kB", size / 1000) if size < 1_000_000 else ("MB", size / 1_000_000)
    return f"{format_decimal(value, '#,##0' if value >= 10 else '#,##0.#', get_locale())} {unit}"


def initials(name: str) -> str:
    """One or two letters for an avatar."""
    words = [word for word in name.replace("@", " ").replace(".", " ").split() if word[:1].isalnum()]
    return "".join(word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words[:1])).upper()
