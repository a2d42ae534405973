"""The process: web server, clock and SMTP receiver side by side; SIGTERM lets what is in flight finish."""

from __future__ import annotations

import contextlib
import errno
import gc
import logging
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TypeVar

import click
from flask import Flask

from config import Settings, SettingsError
from desk.office import Office, account
from desk.receiving import receiver
from jobs.clock import Clock
from jobs.web_server import web_server
from models import db

Given = TypeVar("Given")
Answer = TypeVar("Answer")

GRACE_SECONDS = 10  # for requests in flight
YOUNG_OBJECTS = 10_000  # between two looks for garbage among the newest


def serve(app: Flask) -> None:
    """Run everything until SIGTERM or Ctrl+C. Raises SettingsError with one sentence if a port is taken."""
    settings = _settings(app)
    listening = _listen(settings.host, settings.port)
    server = web_server(app, listening)
    with _background(app), _stop_on_signals():
        _announce(app, listening.getsockname()[1])
        with contextlib.suppress(SystemExit, KeyboardInterrupt):
            server.run()
        click.echo("Stopping: what is in flight is finished first.")
        server.task_dispatcher.shutdown(cancel_pending=False, timeout=GRACE_SECONDS)
        server.close()


def work(app: Flask) -> None:
    """Jobs and receiver without the web."""
    with _background(app), _stop_on_signals():
        click.echo("The worker runs: fetching, filing, sending, and receiving by SMTP.")
        with contextlib.suppress(SystemExit, KeyboardInterrupt):
            threading.Event().wait()


def keep_what_is_loaded() -> None:
    """Modules, routes and mappings stay as long as the process: nobody looks for garbage among them any more.

    A mail makes thousands of short-lived objects; to look at them less often than every 700 is a few
    hundredths of what a mail costs, and nothing in memory (bench/ingest.py).
    """
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)


@contextlib.contextmanager
def _background(app: Flask) -> Iterator[None]:
    keep_what_is_loaded()
    clock = Clock(app)
    with contextlib.ExitStack() as listening:
        for receiver in _receivers(app):
            try:
                receiver.start()
            except OSError as error:
                raise SettingsError(
                    f"{error} (POSTSTELLE_SMTP_PORT and POSTSTELLE_LMTP choose another place)."
                ) from error
            listening.callback(receiver.stop)
        clock.start()
        try:
            yield
        finally:
            listening.close()
            clock.stop()


def _receivers(app: Flask) -> list[receiver.Receiver]:
    def in_app(verb: Callable[[Given], Answer]) -> Callable[[Given], Answer]:
        def call(given: Given) -> Answer:
            with app.app_context():
                try:
                    return verb(given)
                finally:
                    db.session.remove()

        return call

    return receiver.receivers(
        _settings(app), in_app(receiver.accepts), in_app(receiver.deliver_smtp), in_app(receiver.deliver_lmtp)
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SettingsError(
                f"Port {port} on {host} is taken by another program; POSTSTELLE_PORT chooses another one."
            ) from error
        raise SettingsError(f"Cannot listen on {host}:{port}: {error.strerror}.") from error


def _announce(app: Flask, port: int) -> None:
    office: Office = app.extensions["poststelle"]
    settings = office.settings
    address = (
        settings.base_url or f"http://{'127.0.0.1' if settings.host == '0.0.0.0' else settings.host}:{port}"
    )
    with app.app_context():
        ready = account() is not None
        db.session.remove()
    click.echo(f"Poststelle runs at {address}")
    if settings.lmtp is not None:
        click.echo(f"Mail is received by LMTP on {settings.lmtp}")
    click.echo(f"Mail is received by SMTP on {settings.smtp_host}:{settings.smtp_port}")
    if not ready:
        office.setup_token = secrets.token_urlsafe(32)
        click.echo(f"Set it up here (this link works once): {address}/setup/{office.setup_token}")
    sys.stdout.flush()
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)


@contextlib.contextmanager
def _stop_on_signals() -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _settings(app: Flask) -> Settings:
    office: Office = app.extensions["poststelle"]
    return office.settings
