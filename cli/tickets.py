"""Tickets: an answer, a note."""

from __future__ import annotations

import sys

import click
from flask.cli import AppGroup

from cli.preconditions import agent_of, ready, ticket_of
from desk.sending import replies
from desk.tickets import uploads
from models import Status

ticket_cli = AppGroup("ticket", help="Answer tickets.")


@ticket_cli.command("reply")
@click.argument("number", type=int)
@click.option("--agent", "email", required=True)
@click.option("--resolve", is_flag=True)
@click.option("--cc", multiple=True)
@click.option("--attach", multiple=True, type=click.Path(exists=True, dir_okay=False))
@ready
def ticket_reply(
    number: int, email: str, resolve: bool, cc: tuple[str, ...], attach: tuple[str, ...]
) -> None:
    """Answer a ticket with the text on standard input."""
    ticket, agent = ticket_of(number), agent_of(email)
    try:
        copies = uploads.addresses(", ".join(cc))
    except uploads.AddressError as error:
        raise click.ClickException(f"--cc: not an e-mail address: {error.text}") from error
    written = replies.Written(
        text=sys.stdin.read(), cc=copies, files=tuple(uploads.from_disk(p) for p in attach)
    )
    sent = replies.send_reply(ticket, agent, written, Status.RESOLVED if resolve else None)
    click.echo(sent.message.message_id)


@ticket_cli.command("note")
@click.argument("number", type=int)
@click.option("--agent", "email", required=True)
@ready
def ticket_note(number: int, email: str) -> None:
    """Add a private note with the text on standard input."""
    replies.add_note(ticket_of(number), agent_of(email), replies.Written(text=sys.stdin.read()))
    click.echo("The note was added.")
