"""Once a day each forwarded address is checked; the job looks every hour which of them are due."""

from __future__ import annotations

from desk.checks import forward_probe
from desk.office import account


def run() -> None:
    if account() is not None:
        forward_probe.check_due()
