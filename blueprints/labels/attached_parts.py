"""Words of what mails carry: invitations, answers to them, signatures and encryption."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from flask_babel import format_date, format_datetime, format_time, gettext, lazy_gettext, to_user_timezone

from blueprints.labels.formats import full_time

METHOD = {
    "request": lazy_gettext("Invitation"),
    "cancel": lazy_gettext("The event is cancelled"),
    "reply": lazy_gettext("Answer to an invitation"),
    "counter": lazy_gettext("Another time is proposed"),
    "publish": lazy_gettext("Event"),
}
ANSWER = {
    "accepted": lazy_gettext("accepts"),
    "declined": lazy_gettext("declines"),
    "tentative": lazy_gettext("perhaps"),
    "needs-action": lazy_gettext("has not answered"),
    "delegated": lazy_gettext("sends somebody else"),
}
SEAL = {
    "smime_signed": lazy_gettext("Signed (S/MIME). Poststelle does not check the signature."),
    "pgp_signed": lazy_gettext("Signed (PGP). Poststelle does not check the signature."),
    "smime_encrypted": lazy_gettext(
        "Encrypted (S/MIME). Poststelle cannot open it; the content is attached as a file."
    ),
    "pgp_encrypted": lazy_gettext(
        "Encrypted (PGP). Poststelle cannot open it; the content is attached as a file."
    ),
}


def iso_moment(text: str) -> str:
    return full_time(datetime.fromisoformat(text))


def event_time(event: dict[str, Any]) -> str:
    """When an event is, in the agent's zone; without a zone the hours count wherever one is, and so they stay."""
    start, end = event["start"], event["end"]
    if event["all_day"]:
        first, last = date.fromisoformat(start), date.fromisoformat(end or start)
        return _from_to(format_date(first, "full"), format_date(last, "full"))
    begins = _moment(start)
    ends = _moment(end) if end and len(end) > len("2026-11-25") else None
    if ends is None or ends <= begins:
        return format_datetime(begins, "full", rebase=False)
    if ends.date() == begins.date():
        day = format_date(begins.date(), "full")
        first, last = format_time(begins, "short", rebase=False), format_time(ends, "short", rebase=False)
        return gettext("%(day)s, %(start)s to %(end)s", day=day, start=first, end=last)
    return _from_to(
        format_datetime(begins, "medium", rebase=False), format_datetime(ends, "medium", rebase=False)
    )


def _from_to(first: str, last: str) -> str:
    return first if first == last else gettext("%(start)s to %(end)s", start=first, end=last)


def _moment(text: str) -> datetime:
    """Local to the agent, without a zone any more."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        return moment
    return to_user_timezone(moment.astimezone(UTC)).replace(tzinfo=None)
