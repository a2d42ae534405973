"""Raw mails go when their time is over."""

from __future__ import annotations

from desk.mailroom import retention
from desk.office import account


def run() -> None:
    if account() is not None:
        retention.purge()
