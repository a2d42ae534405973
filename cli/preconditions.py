"""What commands need before they run: a database that is up to date, an account, rows by their names."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from flask.cli import with_appcontext

from config import SettingsError
from desk import data_folder, schema
from desk.agents import accounts
from desk.agents.passwords import SHORTEST
from desk.channels import channels
from desk.leases import LeaseHeld
from desk.office import NotSetUp, account
from desk.refusal import Refusal
from desk.sending import replies
from desk.tickets import tickets
from models import Agent, Channel, Ticket

EX_DATAERR, EX_NOUSER, EX_TEMPFAIL = 65, 67, 75  # sysexits.h, as mail servers expect of a pipe
LEASE_WAIT = 30  # seconds


def ready(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command on the database: brought up to date first; a known fault is one sentence and exit code 1."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        os.umask(data_folder.UMASK)
        try:
            schema.bring_up_to_date()
            return command(*args, **kwargs)
        except NotSetUp:
            raise click.ClickException("There is no account yet: run “account create” first.") from None
        except (SettingsError, accounts.AccountRefused, replies.ReplyRefused) as error:
            raise click.ClickException(_sentence(error)) from error
        except LeaseHeld:
            click.echo("Another process is at this work; try again later.", err=True)
            sys.exit(EX_TEMPFAIL)

    return with_appcontext(run)


def password_from_stdin() -> str:
    """One line of standard input, without its line end."""
    return sys.stdin.readline().rstrip("\r\n")


def require_account() -> None:
    if account() is None:
        raise NotSetUp


def channel_of(key: str) -> Channel:
    channel = channels.by_key(key)
    if channel is None:
        raise click.ClickException(f"There is no channel “{key}”.")
    return channel


def agent_of(email: str) -> Agent:
    agent = accounts.agent_by_email(email)
    if agent is None:
        raise click.ClickException(f"There is no agent “{email}”.")
    return agent


def ticket_of(number: int) -> Ticket:
    ticket = tickets.locked(number)
    if ticket is None:
        raise click.ClickException(f"There is no ticket #{number}.")
    return ticket


def _sentence(error: SettingsError | Refusal) -> str:
    if isinstance(error, SettingsError):
        return str(error)
    return _SENTENCES.get(error.code, f"Refused: {error.code}.")


_SENTENCES = {
    "already_set_up": "There is an account already; it is created only once.",
    "email_taken": "There is an agent with this e-mail address already.",
    "email_invalid": "This is not an e-mail address.",
    "inactive": "This agent was deactivated.",
    "password_short": f"The password is too short: at least {SHORTEST} characters.",
    "empty": "There is no text on standard input.",
    "no_recipient": "The ticket has no address to answer to.",
    "too_large": "The attachments are too large.",
}
