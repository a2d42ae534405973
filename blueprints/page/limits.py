"""Brakes on what costs or guesses: sign-in, links, connection tests. In memory: one process."""

from __future__ import annotations

from flask import Flask, Response
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

# How often in how much time, as Flask-Limiter reads it; more is answered with 429. Counted for each address of
# the network that asks, but what ends in _OF_ONE for each e-mail address that is typed, wherever it is typed.
# Of the WRONG_ ones only those count that were refused, so that nobody is locked out by working.
WRONG_SIGN_INS = "30 per 5 minutes"  # a wrong e-mail address or password
WRONG_SIGN_INS_OF_ONE = "10 per 5 minutes"
WRONG_OLD_PASSWORDS = "10 per 5 minutes"  # before agents set a new one
LINK_REQUESTS = "20 per hour"  # forgotten passwords: each may send a mail
LINK_REQUESTS_OF_ONE = "5 per hour"
WRONG_LINKS = "30 per minute"  # of invitations and forgotten passwords
WRONG_SETUP_LINKS = "20 per minute"
CONNECTION_TESTS = "10 per minute"  # and all else that asks servers which a form of a channel names
DELIVERABILITY_CHECKS = "10 per minute"
OAUTH_SIGN_INS = "20 per minute"
TEST_MAILS = "20 per hour"  # of notices, and of templates

limiter = Limiter(get_remote_address, storage_uri="memory://", headers_enabled=False)


def wrong(response: Response) -> bool:
    """An unknown link, or a form that comes back."""
    return response.status_code in (404, 422)


def init_app(app: Flask) -> None:
    app.config["RATELIMIT_ENABLED"] = not app.testing
    limiter.init_app(app)
