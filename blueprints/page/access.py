"""Who may: a route is for agents who are signed in, unless it is marked open or belongs to an AdminBlueprint.

Every blueprint below /system/ is an AdminBlueprint; all others are for every agent.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar
from urllib.parse import urlsplit

from flask import Blueprint, Flask, abort, current_app, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, current_user

from blueprints.page.htmx import wants_fragment
from desk.agents import accounts
from desk.office import account, let_go
from models import Agent

# Who asks to stay signed in; all others until the browser is closed.
REMEMBERED = timedelta(days=30)
View = TypeVar("View", bound=Callable[..., ResponseReturnValue])

login_manager = LoginManager()


class AdminBlueprint(Blueprint):
    """A part of »System«: every view in it is for administrators only."""


def init_app(app: Flask) -> None:
    login_manager.init_app(app)
    login_manager.session_protection = None  # changing networks must not sign anybody out
    login_manager.user_loader(accounts.session_agent)
    app.before_request(_guard)


def open_to_all(view: View) -> View:
    """Reachable without signing in."""
    view.is_open = True  # type: ignore[attr-defined]
    return view


def me() -> Agent:
    """The agent who asks. Only for views that are not open to all."""
    agent: Agent = current_user._get_current_object()
    return agent


def safe_next(target: str | None, fallback: str) -> str:
    """A relative address of our own, never another site."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")) or "\\" in target:
        return fallback
    if any(ord(character) < 32 for character in target):
        return fallback
    parts = urlsplit(target)
    return target if not parts.scheme and not parts.netloc else fallback


def _guard() -> ResponseReturnValue | None:
    endpoint = request.endpoint
    if endpoint is None or endpoint == "static":
        return None
    if getattr(current_app.view_functions[endpoint], "is_open", False):
        return None
    if account() is None:
        let_go()
        return redirect(url_for("setup.closed"))
    if not current_user.is_authenticated:
        return _to_login()
    part = current_app.blueprints.get(endpoint.rpartition(".")[0])
    if isinstance(part, AdminBlueprint) and not me().is_admin:
        abort(403)
    return None


def _to_login() -> ResponseReturnValue:
    asked = request.full_path.rstrip("?") if request.method == "GET" and not wants_fragment() else None
    url = url_for("sessions.new", next=asked) if asked and asked != "/" else url_for("sessions.new")
    if wants_fragment():
        response = make_response("", 401)
        response.headers["HX-Redirect"] = url
        return response
    return redirect(url, 303)
