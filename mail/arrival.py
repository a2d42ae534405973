"""When a mail arrived at its server, and when it was sent: dates of strangers, and of clocks that run wrong.

All moments are aware, in UTC. `got_at` is when we got the mail, by our own clock: nothing counts as later than that.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from mail.reading.headers import date
from mail.types import Mail

# RFC 822 is of that day, so no mail is older; clocks that nobody has set begin in 1970 or 1980.
EARLIEST = datetime(1982, 8, 13, tzinfo=UTC)
# Nothing arrives before it was written: where it did by more than this, the server's clock is wrong.
EARLY_ARRIVAL = timedelta(days=1)
# A Date that counts as sent: clocks of people are fast, and mail is written on the road and queued for days.
FAST_CLOCK, JOURNEY = timedelta(hours=1), timedelta(days=30)


def arrived(
    mail: Mail, stored_at: datetime | None, got_at: datetime, *, by_last_hop: bool = True
) -> datetime:
    """When the mail arrived at its server.

    `stored_at` says the server (INTERNALDATE); else its topmost Received says it, since any below may be a
    stranger's; else we know only when we got it. `by_last_hop` is False where we are that server, and what stands on
    top was written by whoever spoke to us. What is in the future counts as now, what cannot be is passed over.
    """
    sent = mail.date if mail.date is not None and mail.date <= got_at else EARLIEST
    for moment in _said(mail, stored_at, by_last_hop):
        if moment >= max(sent - EARLY_ARRIVAL, EARLIEST):
            return min(moment, got_at)
    return got_at


def _said(mail: Mail, stored_at: datetime | None, by_last_hop: bool) -> Iterator[datetime]:
    if stored_at is not None:
        yield stored_at
    # The date stands behind the last semicolon (RFC 5321, 4.4).
    if by_last_hop and (moment := date(mail.header("received").rpartition(";")[2].encode())) is not None:
        yield moment


def sent(said: datetime | None, arrived_at: datetime) -> datetime:
    """When the mail was sent, as it says itself if that can be; else when it arrived."""
    if said is None or not arrived_at - JOURNEY <= said <= arrived_at + FAST_CLOCK:
        return arrived_at
    return said
