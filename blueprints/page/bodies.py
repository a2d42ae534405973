"""How much a request may bring: little from a stranger, a form from an agent, files where files are asked for.

The answer is needed before the body is read: by the web server, so that nobody fills a disk with what is
refused anyway, and by Flask, whoever serves it. So it is given by the headers alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, Request, current_app, request
from flask.typing import ResponseReturnValue
from flask_login import COOKIE_NAME
from flask_login.utils import decode_cookie
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from blueprints.page.our_address import at_our_address
from desk.office import Office

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])

KIB, MIB = 1024, 1024 * 1024

# Bytes of a body. What takes files takes the largest mail (POSTSTELLE_MAX_MAIL_MB) and a form beside it.
OF_A_STRANGER = 16 * KIB  # signing in, asking for a link, the set-up
OF_A_FORM = 4 * MIB  # as long as a text may be in a form
BESIDE_FILES = MIB
FIELDS = 1_000  # of a form or an address; Werkzeug counts those of multipart forms only, and each costs microseconds


def takes_files(view: View) -> View:
    """A page whose form has files in it."""
    view.takes_files = True  # type: ignore[attr-defined]
    return view


def init_app(app: Flask) -> None:
    """Before all else that looks into a form. The web server asks `app.extensions["largest_body"]`."""
    app.config["MAX_CONTENT_LENGTH"] = OF_A_FORM
    app.config["MAX_FORM_MEMORY_SIZE"] = OF_A_FORM
    app.before_request(_limit)
    app.extensions["largest_body"] = lambda environ: _asked_by_the_server(app, environ)


def _limit() -> None:
    request.max_content_length = _largest(current_app, request, request.endpoint)
    many = request.query_string.count(b"&") >= FIELDS
    if not many and request.mimetype == "application/x-www-form-urlencoded":
        many = request.get_data().count(b"&") >= FIELDS  # it is kept for the form
    if many:
        raise RequestEntityTooLarge


def _asked_by_the_server(app: Flask, environ: dict[str, Any]) -> int:
    office: Office = app.extensions["poststelle"]
    asked = app.request_class(at_our_address(environ, office.settings.base_url))
    try:
        endpoint, _ = app.create_url_adapter(asked).match()  # type: ignore[union-attr]
    except HTTPException:
        endpoint = None
    return _largest(app, asked, endpoint)


def _largest(app: Flask, asked: Request, endpoint: str | None) -> int:
    if not _was_signed_in(app, asked):
        return OF_A_STRANGER
    if getattr(app.view_functions.get(endpoint or ""), "takes_files", False):
        office: Office = app.extensions["poststelle"]
        return office.settings.max_mail_bytes + BESIDE_FILES
    return OF_A_FORM


def _was_signed_in(app: Flask, asked: Request) -> bool:
    """Whether a cookie of ours says so. Whether it still counts is for the guard to say: that asks the database."""
    try:
        session = app.session_interface.open_session(app, asked)
        if session and "_user_id" in session:
            return True
        remembered = asked.cookies.get(app.config.get("REMEMBER_COOKIE_NAME", COOKIE_NAME), "")
        return decode_cookie(remembered, key=app.secret_key) is not None
    except (ValueError, TypeError):  # a cookie that is none of ours
        return False
