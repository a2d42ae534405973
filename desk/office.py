"""What every verb of the desk needs: settings, blobs, keys, the account, and a bell for the jobs."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from threading import Event
from typing import ParamSpec, TypeVar

from flask import Flask, current_app
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from config import Relay, Settings
from desk.batch_cache import asked_once
from mail.providers.lookup import Ask
from models import Account, db
from models.base import reading as reading  # views know the desk alone, and so they take these from here
from models.base import writing as writing
from models.blobs import BlobStore
from wire import Source
from wire.discovery import Internet
from wire.idle_watch import IdleWatch
from wire.sender_check import NameServers, Patience

Given = ParamSpec("Given")
Result = TypeVar("Result")


def _silent(job: str, at: datetime | None = None) -> None:
    """No jobs run in this process; another one, or the next start, finds the work in the database."""


@dataclass(slots=True)
class Office:
    """One per app. `ring(job, at)` asks a job to run now or at a time; harmless where no jobs run.

    `owner` names this process in claims and leases; the process number in it tells a restarted
    process that its predecessor is gone.
    """

    settings: Settings
    blobs: BlobStore
    owner: str = field(default_factory=lambda: _owner())
    ring: Callable[[str, datetime | None], None] = _silent
    setup_token: str = ""
    internet: Internet = field(default_factory=Internet)  # where the settings of an address are looked up
    lookup: Ask = field(default_factory=NameServers)  # for the check of senders
    patience: Patience = field(default_factory=Patience)  # with name servers, while other mail waits
    idle: IdleWatch | None = None  # where jobs run: mailboxes rest there between two fetches
    # Mails of the ledger, by number. `slow`: reading them takes time, so they are read where no other mail waits.
    # `survived`: disk or database were in trouble at their last attempt, so the next one is the same one.
    # `unanswered`: those of `slow` that wait for a name server, and when it is asked again.
    slow: set[int] = field(default_factory=set)
    unanswered: dict[int, datetime] = field(default_factory=dict)
    overtakes: bool = (
        False  # whether jobs run that read them beside the others; else each is read in its turn
    )
    survived: set[int] = field(default_factory=set)
    at_hand: set[int] = field(default_factory=set)  # mails of the ledger that a fetch is about to file
    # What fetches are at, by channel: its edition and the mailbox. Cut when it is no longer wanted.
    conversations: dict[int, tuple[int, Source]] = field(default_factory=dict)
    heard_late: set[int] = field(default_factory=set)  # channels whose IDLE does not tell in time
    # When the servers of channels gave out new UIDs lately.
    renumbered: dict[int, list[datetime]] = field(default_factory=dict)
    stopping: Event = field(default_factory=Event)  # set when the process ends: long work stops between mails


def office() -> Office:
    found: Office = current_app.extensions["poststelle"]
    return found


@asked_once
def account() -> Account | None:
    """The company, or None before the set-up is done."""
    return db.session.get(Account, 1)


def the_account() -> Account:
    found = account()
    if found is None:
        raise NotSetUp
    return found


class NotSetUp(Exception):
    """There is no account yet: the set-up comes first."""


def signing_key() -> bytes:
    return the_account().signing_key.encode()


def relay() -> Relay | None:
    """The way out for »Standard« channels: what the environment sets wins over the set-up form."""
    if office().settings.relay is not None:
        return office().settings.relay
    row = account()
    if row is None or not row.relay_host:
        return None
    return Relay(row.relay_host, row.relay_port, row.relay_encryption, row.relay_user, row.relay_password)


def in_background(work: Callable[Given, Result]) -> Callable[Given, Result]:
    """`work`, to be called in another thread or after the answer: with an app and a transaction of its own.

    Whatever it has not committed when it returns is undone. Its exceptions go to whoever calls it.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]

    @wraps(work)
    def run(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        with app.app_context():
            try:
                return work(*args, **kwargs)
            finally:
                db.session.remove()

    return run


@contextmanager
def nothing_stored_after(refusal: type[Exception]) -> Iterator[None]:
    """Around a verb, mostly as its decorator: where it raises this, nothing is stored or held any longer."""
    try:
        yield
    except refusal:
        db.session.rollback()
        raise


def let_go() -> None:
    """End the transaction of a request that stores nothing any more, before it answers what went wrong."""
    db.session.rollback()


def database_answers() -> bool:
    try:
        db.session.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return False
    return True


def owner_is_gone(owner: str) -> bool:
    """Whether the process that wrote this name is surely dead: same machine, and no such process."""
    try:
        machine, number, _nonce = owner.rsplit("|", 2)
        if machine != _machine() or owner == office().owner:
            return False
        if int(number) == os.getpid():
            return True  # our number with another's nonce: our predecessor after a restart
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (ValueError, PermissionError, OverflowError):
        return False
    return False


def _owner() -> str:
    return f"{_machine()}|{os.getpid()}|{secrets.token_hex(6)}"


def _machine() -> str:
    """Host and process namespace: only there do process numbers mean the same."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return f"{socket.gethostname()[:80]}|{namespace}"
