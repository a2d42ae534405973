"""Once an hour: resolved tickets close by themselves."""

from __future__ import annotations

from desk import tickets
from desk.office import account


def run() -> None:
    if account() is not None:
        tickets.close_resolved()
