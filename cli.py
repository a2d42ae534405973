"""The command line: `flask --app app …`. Stable, since scripts use it; secrets come by standard input."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext
from flask_migrate.cli import db as migrate_cli

from blueprints.assets import assets_cli
from config import LOCALES, SettingsError
from desk import (
    accounts,
    channels,
    door,
    explaining,
    export,
    fetching,
    intake,
    notices,
    outbox,
    replies,
    schema,
    tickets,
    trials,
    uploads,
)
from desk.channel_values import ChannelValues, InvalidChannel, values_of
from desk.leases import LeaseHeld
from desk.office import NotSetUp, account, office
from jobs import server
from models import Agent, Channel, Status, Ticket, db, now

EX_DATAERR, EX_NOUSER, EX_TEMPFAIL = 65, 67, 75  # sysexits.h, as mail servers expect of a pipe
LEASE_WAIT = 30  # seconds


def init_app(app: Flask) -> None:
    for command in (
        serve,
        worker,
        account_cli,
        agent_cli,
        channel_cli,
        jobs_cli,
        ticket_cli,
        mail_cli,
        export_cli,
    ):
        app.cli.add_command(command)
    app.cli.add_command(seed)
    # Flask-Migrate's own group stays for developers; two are ours: up makes a copy first, down does not exist.
    migrate_cli.commands["upgrade"] = db_upgrade
    migrate_cli.commands["downgrade"] = db_downgrade
    app.cli.add_command(assets_cli)


def ready(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command on the database: brought up to date first; a known fault is one sentence and exit code 1."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            schema.bring_up_to_date()
            return command(*args, **kwargs)
        except NotSetUp:
            raise click.ClickException("There is no account yet: run “account create” first.") from None
        except (SettingsError, accounts.Refused, replies.ReplyRefused) as error:
            raise click.ClickException(_sentence(error)) from error
        except LeaseHeld:
            click.echo("Another process is at this work; try again later.", err=True)
            sys.exit(EX_TEMPFAIL)

    return with_appcontext(run)


def password_from_stdin() -> str:
    """One line of standard input, without its line end."""
    return sys.stdin.readline().rstrip("\r\n")


# --- running


@click.command("upgrade")
@with_appcontext
def db_upgrade() -> None:
    """Bring the database up to date (serve and all other commands do this by themselves)."""
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


# --- account and agents

account_cli = AppGroup("account", help="The company.")
agent_cli = AppGroup("agent", help="People.")


@account_cli.command("create")
@click.option("--company", required=True)
@click.option("--name", required=True, help="Name of the administrator.")
@click.option("--email", required=True)
@click.option("--password-stdin", is_flag=True, required=True, help="Read the password from standard input.")
@click.option("--locale", type=click.Choice(LOCALES), default="de", show_default=True)
@click.option("--mail-domain", default="poststelle.example", show_default=True)
@ready
def account_create(
    company: str, name: str, email: str, password_stdin: bool, locale: str, mail_domain: str
) -> None:
    """Create the account with its default address; closes the set-up."""
    zone = office().settings.timezone or "Europe/Vienna"
    accounts.create_account(company, mail_domain, locale, zone, name, email, password_from_stdin())
    click.echo(channels.default().address)


@agent_cli.command("create")
@click.option("--name", required=True)
@click.option("--email", required=True)
@click.option("--role", type=click.Choice(["agent", "admin"]), required=True)
@click.option("--password-stdin", is_flag=True, required=True)
@ready
def agent_create(name: str, email: str, role: str, password_stdin: bool) -> None:
    """Create an agent with a password."""
    _require_account()
    agent = accounts.create_agent(name, email, role, password_from_stdin())
    click.echo(agent.email)


@agent_cli.command("password")
@click.argument("email")
@click.option("--password-stdin", is_flag=True, required=True)
@ready
def agent_password(email: str, password_stdin: bool) -> None:
    """Set an agent's password; ends all of the agent's sessions."""
    accounts.set_password(_agent(email), password_from_stdin())
    click.echo("The password was changed.")


# --- channels

channel_cli = AppGroup("channel", help="Channels.")


@channel_cli.command("create")
@click.option("--id", "key", required=True, help="The channel's name.")
@click.option("--address", required=True)
@click.option("--provider", type=click.Choice(["standard", "own"]), required=True)
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
@click.option("--allow-plaintext", is_flag=True, help="Allow connections without encryption.")
@click.option("--inactive", is_flag=True)
@ready
def channel_create(
    password_stdin: bool, smtp_password_stdin: bool, host: str, inactive: bool, **values: Any
) -> None:
    """Create a channel."""
    _require_account()
    password = password_from_stdin() if password_stdin else ""
    smtp_password = password_from_stdin() if smtp_password_stdin else ""
    try:
        channel = channels.create(
            ChannelValues(
                server=host,
                active=not inactive,
                password=password,
                smtp_password=smtp_password,
                **values,
            )
        )
    except InvalidChannel as error:
        problems = "; ".join(f"{field.replace('_', '-')}: {code}" for field, code in error.errors.items())
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
    channel = _channel(key)
    incoming, outgoing = trials.run(values_of(channel), channel)
    for side, steps in (("incoming", incoming), ("outgoing", outgoing)):
        for step in steps:
            words = " ".join(part for part in (step.code, step.words) if part)
            click.echo(f"{side}\t{step.name}\t{step.state}\t{words}".rstrip())
    if any(step.state == "failed" for step in (*incoming, *outgoing)):
        sys.exit(1)


# --- jobs

jobs_cli = AppGroup("jobs", help="Run a job by hand.")


@jobs_cli.command("once")
@click.argument("job", type=click.Choice(["fetch", "process", "send"]))
@click.option("--channel", "key", help="Only this channel.")
@click.option("--now", "at_once", is_flag=True, help="send: ignore the undo time and delays.")
@ready
def jobs_once(job: str, key: str | None, at_once: bool) -> None:
    """Run one job to its end and print one JSON line. Exit code 75 if another process is at it."""
    _require_account()
    channel = _channel(key) if key else None
    result: dict[str, Any]
    if job == "fetch":
        chosen = [channel] if channel else [c for c in channels.living() if c.is_own and c.active]
        ids = [c.id for c in chosen]
        db.session.rollback()
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
        notices.gather(at_once)
        ended = outbox.deliver_due(at_once, channel.id if channel else None)
        result = {"job": job, "sent": ended.pop("done", 0), **ended}
    click.echo(json.dumps(result, ensure_ascii=False))


# --- tickets

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
    ticket, agent = _ticket(number), _agent(email)
    try:
        copies = uploads.addresses(", ".join(cc))
    except ValueError as error:
        raise click.ClickException(f"--cc: not an e-mail address: {getattr(error, 'text', error)}") from error
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
    replies.add_note(_ticket(number), _agent(email), replies.Written(text=sys.stdin.read()))
    click.echo("The note was added.")


# --- mail

mail_cli = AppGroup("mail", help="Mail from a pipe.")


@mail_cli.command("receive")
@click.option("--channel", "key", help="The channel that gets the mail.")
@click.option("--rcpt", multiple=True, help="The recipient's address, as the mail server got it.")
@click.option("--sender", help="The envelope's sender, as the mail server got it; empty for a bounce.")
@with_appcontext
def mail_receive(key: str | None, rcpt: tuple[str, ...], sender: str | None) -> None:
    """Take one mail from standard input: exit 0 when it is safe, 65 nonsense, 67 unknown address, 75 try again."""
    try:
        stored = _received(sys.stdin.buffer.read(), key, rcpt, sender)
    except _Piped as answer:
        click.echo(answer, err=True)
        sys.exit(answer.code)
    except Exception as error:
        words = error.format_message() if isinstance(error, click.ClickException) else str(error)
        click.echo(f"The mail could not be stored, try again: {words}", err=True)
        sys.exit(EX_TEMPFAIL)
    # The mail is safe from here on; what goes wrong now is no reason to send it again.
    with contextlib.suppress(Exception):
        for inbound_id in stored:
            intake.process(inbound_id)


class _Piped(Exception):
    """Why a mail is not taken, with what the mail server is told."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


def _received(raw: bytes, key: str | None, rcpt: tuple[str, ...], sender: str | None) -> list[int]:
    """Store it for the channel, or for its recipients: for all of them or with exit code 75."""
    schema.bring_up_to_date()
    if not raw.strip():
        raise _Piped(EX_DATAERR, "There is no mail on standard input.")
    if len(raw) > office().settings.max_mail_bytes:
        raise _Piped(EX_DATAERR, "The mail is larger than allowed (POSTSTELLE_MAX_MAIL_MB).")
    envelope_from = None if sender is None else sender.removeprefix("<").removesuffix(">")
    if key is not None:
        channel = channels.by_key(key)
        if channel is None:
            raise _Piped(EX_NOUSER, f"There is no channel “{key}”.")
        return [door.take_for(channel, raw, envelope_from)]
    unknown = [address for address in rcpt if not door.accepts(address)]
    if unknown or not rcpt:
        raise _Piped(EX_NOUSER, f"Unknown address: {', '.join(unknown) or '(none given)'}")
    taken = door.take(raw, envelope_from, rcpt, "pipe")
    if taken.fault is not None:
        raise taken.fault
    return taken.rows


@mail_cli.command("explain")
@click.argument("files", metavar="FILE…", nargs=-1, required=True)
@with_appcontext
def mail_explain(files: tuple[str, ...]) -> None:
    """Print one JSON line per mail file: how it is read and judged. Stores nothing; “-”: names from stdin.

    Exit code 1 if a file could not be read; the others are explained all the same.
    """
    failed = False
    for explained in explaining.explain_files(_names(files)):
        failed = failed or "error" in explained
        sys.stdout.write(json.dumps(explained, ensure_ascii=False) + "\n")
    sys.stdout.flush()
    sys.exit(1 if failed else 0)


def _names(files: tuple[str, ...]) -> Iterator[str]:
    for file in files:
        if file == "-":
            yield from (os.fsdecode(line.rstrip(b"\r\n")) for line in sys.stdin.buffer if line.strip())
        else:
            yield file


# --- export and demo

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
    from desk import seeds  # its texts are read only when they are wanted

    _require_account()
    click.echo(f"{seeds.plant(now())} tickets were made.")


# --- below


def _app() -> Flask:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    db.session.remove()
    return app


def _require_account() -> None:
    if account() is None:
        raise NotSetUp


def _channel(key: str) -> Channel:
    channel = channels.by_key(key)
    if channel is None:
        raise click.ClickException(f"There is no channel “{key}”.")
    return channel


def _agent(email: str) -> Agent:
    agent = accounts.agent_by_email(email)
    if agent is None:
        raise click.ClickException(f"There is no agent “{email}”.")
    return agent


def _ticket(number: int) -> Ticket:
    ticket = tickets.locked(number)
    if ticket is None:
        raise click.ClickException(f"There is no ticket #{number}.")
    return ticket


def _sentence(error: Exception) -> str:
    if isinstance(error, SettingsError):
        return str(error)
    code = getattr(error, "code", "") or str(error)
    return _SENTENCES.get(code, f"Refused: {code}.")


_SENTENCES = {
    "already_set_up": "There is an account already; it is created only once.",
    "email_taken": "There is an agent with this e-mail address already.",
    "email_invalid": "This is not an e-mail address.",
    "password_short": "The password is too short: at least 10 characters.",
    "empty": "There is no text on standard input.",
    "no_recipient": "The ticket has no address to answer to.",
    "too_large": "The attachments are too large.",
}
