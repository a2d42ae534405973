"""Brakes on what costs or guesses: sign-in, links, connection tests. In memory: one process."""

from __future__ import annotations

import ipaddress

from flask import Flask, Response, request
from flask_limiter import Limiter

# How often in how much time, as Flask-Limiter reads it; more is answered with 429. Counted for each network
# that asks, but what ends in _OF_ONE for each e-mail address that is typed, wherever it is typed.
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


def asking_network() -> str:
    """Who asks, as the brakes count: an IPv4 address, or the /64 of IPv6, of which one line has 2⁶⁴ addresses."""
    try:
        asking = ipaddress.ip_address((request.remote_addr or "").partition("%")[0])
    except ValueError:
        return request.remote_addr or "local"
    asking = getattr(asking, "ipv4_mapped", None) or asking
    return str(ipaddress.ip_network((asking, 64 if asking.version == 6 else 32), strict=False))


limiter = Limiter(asking_network, storage_uri="memory://", headers_enabled=False)


def wrong(response: Response) -> bool:
    """An unknown link, or a form that comes back."""
    return response.status_code in (404, 422)


def init_app(app: Flask) -> None:
    app.config["RATELIMIT_ENABLED"] = not app.testing
    limiter.init_app(app)
