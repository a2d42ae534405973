"""Tell administrators which channels are in trouble, which brakes hold, and what works again."""

from __future__ import annotations

from desk.notices import alerts
from desk.office import account


def run() -> None:
    if account() is not None:
        alerts.tell_due()
