"""Mail from a pipe, and mail files explained."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator

import click
from flask.cli import AppGroup, with_appcontext
from sqlalchemy.exc import SQLAlchemyError

from cli.preconditions import EX_DATAERR, EX_NOUSER, EX_TEMPFAIL
from desk import data_folder, schema
from desk.channels import channels
from desk.office import NotSetUp, office
from desk.receiving import intake, receiver
from desk.tools.mail_explain import channel_id, explain_files

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
    os.umask(data_folder.UMASK)
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
        return [receiver.take_for(channel, raw, envelope_from)]
    unknown = [address for address in rcpt if not receiver.accepts(address)]
    if unknown or not rcpt:
        raise _Piped(EX_NOUSER, f"Unknown address: {', '.join(unknown) or '(none given)'}")
    taken = receiver.take(raw, envelope_from, rcpt, "pipe")
    if taken.fault is not None:
        raise taken.fault
    return taken.rows


@mail_cli.command("explain")
@click.argument("files", metavar="FILE…", nargs=-1, required=True)
@click.option("--channel", "key", help="Decide as for a mail that comes to this channel now.")
@with_appcontext
def mail_explain(files: tuple[str, ...], key: str | None) -> None:
    """Print one JSON line per mail file: how it is read and judged. Stores nothing; “-”: names from stdin.

    Exit code 1 if a file could not be read; the others are explained all the same.
    """
    try:
        channel = channel_id(key) if key else None
    except NotSetUp:
        raise click.ClickException("There is no account yet: run “account create” first.") from None
    except LookupError:
        raise click.ClickException(f"There is no channel “{key}”.") from None
    except SQLAlchemyError:
        raise click.ClickException("The database cannot be asked; is it up to date (“db upgrade”)?") from None
    failed = False
    for explained in explain_files(_names(files), channel):
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
