"""Once a day each forwarded address is checked; the job looks every hour which of them are due."""

from __future__ import annotations

from desk import forwards
from desk.office import account


def run() -> None:
    if account() is not None:
        forwards.check_due()
