"""Brakes on what costs or guesses: login, password links, connection tests. In memory: one process."""

from __future__ import annotations

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

limiter = Limiter(get_remote_address, storage_uri="memory://", headers_enabled=False)


def init_app(app: Flask) -> None:
    app.config["RATELIMIT_ENABLED"] = not app.testing
    limiter.init_app(app)
