"""Send what is due from the outbox."""

from __future__ import annotations

from desk import outbox


def run() -> None:
    outbox.deliver_due()
