"""German and English: the profile decides, else the browser. Times in the agent's zone."""

from __future__ import annotations

from flask import Flask, Response, current_app, has_request_context, request
from flask_babel import Babel, get_locale
from flask_login import current_user

from config import LOCALES
from desk.office import account, office


def init_app(app: Flask) -> None:
    app.config["BABEL_DEFAULT_LOCALE"] = "en"
    app.config["BABEL_DEFAULT_TIMEZONE"] = "UTC"
    Babel(app, locale_selector=choose_locale, timezone_selector=choose_timezone)
    app.after_request(_keep_choice)
    app.jinja_env.globals["get_locale"] = get_locale  # the lang of a page


def choose_locale() -> str:
    if not has_request_context():
        return "en"
    if current_user and current_user.is_authenticated and current_user.locale:
        return str(current_user.locale)
    asked = request.args.get("lang") or request.cookies.get("lang") or ""
    if asked in LOCALES:
        return asked
    return request.accept_languages.best_match(LOCALES) or "en"


def choose_timezone() -> str:
    if has_request_context() and current_user and current_user.is_authenticated and current_user.timezone:
        return str(current_user.timezone)
    row = account()
    return office().settings.timezone or (row.timezone if row else "Europe/Vienna")


def _keep_choice(response: Response) -> Response:
    """`?lang=de` before signing in holds for the pages after it."""
    chosen = request.args.get("lang", "")
    if chosen in LOCALES and chosen != request.cookies.get("lang"):
        secure = bool(current_app.config["SESSION_COOKIE_SECURE"])
        response.set_cookie("lang", chosen, 31_536_000, secure=secure, httponly=True, samesite="Lax")
    return response
