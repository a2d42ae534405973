"""Fetch the mailboxes that are due, each in a job of its own, so that none waits for another."""

from __future__ import annotations

import logging

from desk.channels import connections, health
from desk.leases import LeaseHeld
from desk.office import office
from desk.receiving import fetching
from models import now

log = logging.getLogger(__name__)


def due() -> list[int]:
    """The healthy channels whose turn it is. Where a channel was changed meanwhile, its server is hung up."""
    desk = office()
    if desk.conversations or (desk.idle is not None and desk.idle.resting()):
        connections.hang_up(desk, health.fetched_editions())
    return health.due(now(), desk.settings.fetch_seconds, failing=False, heard_late=desk.heard_late)


def due_failing() -> list[int]:
    """The channels in trouble whose next try has come."""
    return health.due(now(), office().settings.fetch_seconds, failing=True)


def run(channel_id: int) -> None:
    try:
        result = fetching.fetch_channel(channel_id)
    except LeaseHeld:
        log.debug("channel %s is being fetched by another process", channel_id)
        return
    if result.error:
        log.warning("channel %s: %s %s", result.channel, result.error, result.words)
    elif result.fetched:
        log.info("channel %s: %s mails fetched, %s removed", result.channel, result.fetched, result.removed)
