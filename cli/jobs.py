"""Jobs that run once, by hand."""

from __future__ import annotations

import json
from typing import Any

import click
from flask.cli import AppGroup

from cli.preconditions import (
    LEASE_WAIT,
    channel_of,
    ready,
    require_account,
)
from desk.channels import channels
from desk.notices import notice_mails
from desk.receiving import fetching, intake
from desk.sending import outbox
from models import db

jobs_cli = AppGroup("jobs", help="Run a job by hand.")


@jobs_cli.command("once")
@click.argument("job", type=click.Choice(["fetch", "process", "send"]))
@click.option("--channel", "key", help="Only this channel.")
@click.option("--now", "at_once", is_flag=True, help="send: ignore the undo time and delays.")
@ready
def jobs_once(job: str, key: str | None, at_once: bool) -> None:
    """Run one job to its end and print one JSON line. Exit code 75 if another process is at it."""
    require_account()
    channel = channel_of(key) if key else None
    result: dict[str, Any]
    if job == "fetch":
        chosen = [channel] if channel else [c for c in channels.living() if c.is_own and c.active]
        ids = [c.id for c in chosen]
        db.session.rollback()
        # What an earlier run stored and did not live to file; the fetch then clears its copy on the server.
        intake.process_pending(10**9, channel.id if channel else None)
        fetches = [
            fetching.fetch_channel(channel_id, wait_seconds=LEASE_WAIT).as_dict() for channel_id in ids
        ]
        counted = ("fetched", "removed", "refused", "left_alone", "held")
        totals = {name: sum(f[name] for f in fetches) for name in counted}
        result = {"job": job, **totals, "channels": fetches}
    elif job == "process":
        result = {"job": job, "processed": intake.process_pending(10**9, channel.id if channel else None)}
        result["removed"] = fetching.finish_owed(channel.id if channel else None, LEASE_WAIT)
    else:
        notice_mails.gather(at_once)
        ended = outbox.deliver_due(at_once, channel.id if channel else None)
        result = {"job": job, "sent": ended.pop("done", 0), **ended}
    click.echo(json.dumps(result, ensure_ascii=False))
