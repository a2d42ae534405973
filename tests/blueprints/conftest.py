"""For tests with several visitors: each request has a context of its own, as in the server."""

from __future__ import annotations

import pytest

from blueprints.page.limits import limiter
from desk.agents import accounts
from models import Role
from tests.blueprints.visitor import PASSWORDS


@pytest.fixture
def house(empty_app):
    """Set up by Alice; Bob is an agent. No context is pushed: nobody's login leaks into the next request."""
    alice, bob = PASSWORDS
    with empty_app.app_context():
        accounts.create_account(
            "Acme GmbH", "acme.test", "en", "Europe/Vienna", "Alice", alice, PASSWORDS[alice]
        )
        accounts.create_agent("Bob", bob, Role.AGENT, PASSWORDS[bob])
    return empty_app


@pytest.fixture
def brakes(empty_app):
    """The limits of logins and links, which rest in all other tests."""
    empty_app.config["RATELIMIT_ENABLED"] = True
    limiter.init_app(empty_app)
    limiter.reset()
    yield
    limiter.reset()
    limiter.enabled = False
