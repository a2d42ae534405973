"""Channels: create, list, test."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from flask.cli import AppGroup
from flask_babel import force_locale

from blueprints.channels.channel_form import said
from cli.preconditions import (
    channel_of,
    password_from_stdin,
    ready,
    require_account,
)
from desk.channels import channels
from desk.channels.channel_values import ChannelValues, InvalidChannel, values_of
from desk.checks import connection_tests
from desk.tools import export

channel_cli = AppGroup("channel", help="Channels.")


@channel_cli.command("create")
@click.option("--id", "key", required=True, help="The channel's name.")
@click.option("--address", required=True)
@click.option("--provider", type=click.Choice(["standard", "own"]), required=True)
@click.option(
    "--alias", "aliases", multiple=True, help="A further address of the same mailbox; several times."
)
@click.option("--protocol", type=click.Choice(["imap", "pop3"]), default="imap", show_default=True)
@click.option("--server", "host", default="")
@click.option("--port", type=int)
@click.option("--ssl/--no-ssl", default=True, show_default=True)
@click.option("--user", default="", help="Default: the address.")
@click.option("--password-stdin", is_flag=True, help="First line of standard input.")
@click.option("--smtp-server", default="")
@click.option("--smtp-port", type=int)
@click.option(
    "--smtp-encryption", type=click.Choice(["none", "starttls", "ssl"]), default="starttls", show_default=True
)
@click.option(
    "--smtp-auth",
    type=click.Choice(["auto", "plain", "login", "cram-md5", "none"]),
    default="auto",
    show_default=True,
)
@click.option("--smtp-user", default="", help="Default: as incoming.")
@click.option("--smtp-password-stdin", is_flag=True, help="Second line of standard input; else as incoming.")
@click.option(
    "--after-fetch", type=click.Choice(["delete", "move", "keep"]), default="delete", show_default=True
)
@click.option("--move-to", default="", help="Folder, with --after-fetch move.")
@click.option("--existing", type=click.Choice(["take", "leave"]), default="take", show_default=True)
@click.option(
    "--requester-from-reply-to", is_flag=True, help="Web forms: requesters of new tickets stand in Reply-To."
)
@click.option("--allow-plaintext", is_flag=True, help="Allow connections without encryption.")
@click.option("--inactive", is_flag=True)
@ready
def channel_create(
    password_stdin: bool,
    smtp_password_stdin: bool,
    host: str,
    inactive: bool,
    aliases: tuple[str, ...],
    **values: Any,
) -> None:
    """Create a channel."""
    require_account()
    password = password_from_stdin() if password_stdin else ""
    smtp_password = password_from_stdin() if smtp_password_stdin else ""
    try:
        channel = channels.create(
            ChannelValues(
                server=host,
                active=not inactive,
                aliases="\n".join(aliases),
                password=password,
                smtp_password=smtp_password,
                **values,
            )
        )
    except InvalidChannel as error:
        with force_locale("en"):  # as all that commands say
            problems = "; ".join(
                f"{field.replace('_', '-')}: {code} ({said(field, code).rstrip('.')})"
                for field, code in error.errors.items()
            )
        raise click.ClickException(f"The channel was not created: {problems}.") from error
    click.echo(channel.address)


@channel_cli.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
@ready
def channel_list(as_json: bool) -> None:
    """List the channels."""
    rows = [export.channel(channel) for channel in channels.living()]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        click.echo(
            f"{row['id']}\t{row['address']}\t{row['provider']}\t{'active' if row['active'] else 'inactive'}"
        )


@channel_cli.command("test")
@click.argument("key", metavar="ID")
@ready
def channel_test(key: str) -> None:
    """Test the connections of a channel, step by step; exit code 1 if one fails."""
    channel = channel_of(key)
    incoming, outgoing = connection_tests.run(values_of(channel), channel)
    for side, steps in (("incoming", incoming), ("outgoing", outgoing)):
        for step in steps:
            words = " ".join(part for part in (step.code, step.words) if part)
            click.echo(f"{side}\t{step.name}\t{step.state}\t{words}".rstrip())
    if any(step.state == "failed" for step in (*incoming, *outgoing)):
        sys.exit(1)
