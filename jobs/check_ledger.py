"""Once an hour: does the ledger add up? What does not is red on its page, and in the log."""

from __future__ import annotations

import logging

from desk.mailroom import balance

log = logging.getLogger(__name__)


def run() -> None:
    for row in balance.check():
        if not row.adds_up:
            log.error(
                "the ledger of channel %s does not add up: %s missing, %s",
                row.channel.key,
                row.missing,
                row.findings,
            )
