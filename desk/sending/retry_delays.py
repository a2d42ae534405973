"""When a mail that did not leave is tried again, for how long, and from when on its delay is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

# Minutes after each failed attempt; the last one repeats until PATIENCE is over.
RETRY_MINUTES = (1, 5, 15, 60)
PATIENCE = timedelta(days=4)  # RFC 5321, 4.5.4.1: at least four to five days
TELL_AFTER = timedelta(hours=1)  # a mail that waits longer is shown as delayed

# Alerts take any way out. Minutes of rest after all ways failed, one round after the other; the last one repeats.
ROUND_MINUTES = (1, 5, 15, 60)
ROUNDS_REFUSED = 2  # a way that refuses for good may stand beside one that is only down for a while


def after(failures: int, minutes: Sequence[int] = RETRY_MINUTES) -> timedelta:
    """The rest after so many failures in a row, of which there is at least one."""
    return timedelta(minutes=minutes[min(max(failures, 1), len(minutes)) - 1])
