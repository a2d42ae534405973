"""The command line: `flask --app app …`. Stable, since scripts use it; secrets come by standard input."""

from __future__ import annotations

from flask import Flask
from flask_migrate.cli import db as migrate_cli

from cli import accounts, assets, channels, export, jobs, keys, mail, serve, tickets


def init_app(app: Flask) -> None:
    for command in (
        serve.serve,
        serve.worker,
        accounts.account_cli,
        accounts.agent_cli,
        channels.channel_cli,
        jobs.jobs_cli,
        tickets.ticket_cli,
        mail.mail_cli,
        export.export_cli,
        export.seed,
        keys.keys_cli,
        assets.assets_cli,
    ):
        app.cli.add_command(command)
    # Flask-Migrate's own group stays for developers; two are ours: up makes a copy first, down does not exist.
    migrate_cli.commands["upgrade"] = serve.db_upgrade
    migrate_cli.commands["downgrade"] = serve.db_downgrade
