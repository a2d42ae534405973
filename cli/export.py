"""All data as lines of JSON, and the demo week."""

from __future__ import annotations

import json

import click
from flask.cli import AppGroup

from cli.preconditions import ready, require_account
from desk.tools import export
from models import now

export_cli = AppGroup("export", help="All data, line by line.")


@export_cli.command("tickets")
@click.option("--format", "form", type=click.Choice(["jsonl"]), default="jsonl", show_default=True)
@ready
def export_tickets(form: str) -> None:
    """One JSON object per ticket."""
    for row in export.tickets():
        click.echo(json.dumps(row, ensure_ascii=False))


@export_cli.command("ledger")
@click.option("--format", "form", type=click.Choice(["jsonl"]), default="jsonl", show_default=True)
@ready
def export_ledger(form: str) -> None:
    """One JSON object per mail that a server showed us."""
    for row in export.ledger():
        click.echo(json.dumps(row, ensure_ascii=False))


@click.command()
@ready
def seed() -> None:
    """Fill an empty desk with a week of a small company."""
    from desk.tools import seeds  # its texts are read only when they are wanted

    require_account()
    click.echo(f"{seeds.plant(now())} tickets were made.")
