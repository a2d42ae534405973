"""The key that encrypts secrets in the database: a new one, and everything once more with it."""

from __future__ import annotations

import sys
from collections import Counter

import click
from cryptography.fernet import Fernet
from flask.cli import AppGroup

from cli.preconditions import ready
from desk.tools import key_renewal

keys_cli = AppGroup("keys", help="The key that encrypts secrets.")


@keys_cli.command("new")
def keys_new() -> None:
    """Print a new key, to be put before the old one. Changes nothing."""
    click.echo(Fernet.generate_key().decode())


@keys_cli.command("renew")
@click.option("--dry-run", is_flag=True, help="Only count.")
@ready
def keys_renew(dry_run: bool) -> None:
    """Encrypt all secrets with the first key. Exit code 1 if one cannot be read by any of the keys."""
    found = key_renewal.renew(dry_run)
    verb = "would be encrypted" if dry_run else "were encrypted"
    click.echo(f"{found.renewed} secrets {verb} with the first key, {found.up_to_date} were already.")
    for place, count in Counter(found.lost).items():
        click.echo(f"{place}: {count} cannot be read by any of the keys and stay as they are.", err=True)
    if found.lost:
        sys.exit(1)
