"""Starting it, and its database."""

from __future__ import annotations

import os

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from cli.preconditions import ready
from desk import data_folder, schema
from jobs import server
from models import db


@click.command("upgrade")
@with_appcontext
def db_upgrade() -> None:
    """Bring the database up to date (serve and all other commands do this by themselves)."""
    os.umask(data_folder.UMASK)
    changed = schema.bring_up_to_date()
    click.echo("The database was brought up to date." if changed else "The database is up to date.")


@click.command("downgrade", context_settings={"ignore_unknown_options": True})
@click.argument("wanted", nargs=-1)
def db_downgrade(wanted: tuple[str, ...]) -> None:
    """Not possible: mail that an older version knows no place for would be lost."""
    raise click.ClickException(
        "There is no way back to an older database. Stop Poststelle, put the copy from before the update in its"
        " place (backups/ in the data folder; with PostgreSQL your own dump), and start the older version."
    )


@click.command()
@ready
def serve() -> None:
    """Web, jobs and SMTP receiver in one process."""
    current_app.extensions["assets"].check()
    server.serve(_app())


@click.command()
@ready
def worker() -> None:
    """Jobs and SMTP receiver only."""
    server.work(_app())


def _app() -> Flask:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    db.session.remove()
    return app
