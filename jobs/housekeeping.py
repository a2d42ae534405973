"""Once an hour: resolved tickets close by themselves, and what was told long ago is forgotten."""

from __future__ import annotations

from desk import notices, tickets
from desk.office import account


def run() -> None:
    if account() is not None:
        tickets.close_resolved()
        notices.forget_old()
