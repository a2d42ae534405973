"""What went wrong, in a sentence, as a page or as a notice; and that nothing was lost."""

from __future__ import annotations

import logging
import secrets

from flask import Flask, Response, render_template, request, url_for
from flask_babel import force_locale, gettext
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from blueprints.page.access import safe_next
from blueprints.page.htmx import go, wants_fragment
from config import LOCALES
from desk.office import NotSetUp, let_go

log = logging.getLogger(__name__)


def init_app(app: Flask) -> None:
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(CSRFError, _expired)
    app.register_error_handler(NotSetUp, lambda _error: go(url_for("setup.closed")))
    app.register_error_handler(OperationalError, _busy)
    if not app.testing:
        app.register_error_handler(Exception, _bug)


def _http(error: HTTPException) -> Response | HTTPException:
    words = {
        400: (gettext("The request was incomplete."), gettext("Go back, reload the page and try again.")),
        403: (gettext("You may not do this."), gettext("Ask an administrator if you need to.")),
        404: (
            gettext("This page does not exist."),
            gettext("It may have been deleted, or the link is wrong."),
        ),
        405: (gettext("This cannot be done here."), gettext("Go back and use the buttons of the page.")),
        409: (gettext("This cannot be changed."), error.description or ""),
        413: (
            gettext("This is too large."),
            gettext("Choose smaller files or shorten the text, and try again."),
        ),
        429: (gettext("Too many attempts."), gettext("Wait a minute and try again.")),
    }
    if error.code is None or error.code < 400:
        return error
    title, advice = words.get(error.code, (error.name, ""))
    return _answer(error.code, title, advice)


def _expired(_error: CSRFError) -> Response:
    return _answer(
        400,
        gettext("This page was open for too long."),
        gettext("Reload it and try again; nothing was saved."),
    )


def _busy(error: OperationalError) -> Response:
    """Plain words: the page itself would ask the database who is signed in."""
    let_go()
    log.error("database: %s", error.orig)
    with force_locale(request.accept_languages.best_match(LOCALES) or "en"):
        words = gettext("The database is busy.") + " " + gettext("Nothing was lost. Try again in a moment.")
    return Response(words + "\n", status=503, mimetype="text/plain", headers={"Retry-After": "5"})


def _bug(error: Exception) -> Response:
    let_go()
    reference = secrets.token_hex(4)
    log.exception("error %s at %s %s", reference, request.method, request.path, exc_info=error)
    return _answer(
        500,
        gettext("Poststelle made a mistake."),
        gettext(
            "Nothing was lost. Tell your administrator this reference: %(reference)s", reference=reference
        ),
    )


def _answer(status: int, title: str, advice: str) -> Response:
    template = "errors/_notice.html" if wants_fragment() else "errors/show.html"
    back = safe_next(request.args.get("next"), "/")
    response = Response(
        render_template(template, title=title, advice=advice, status=status, back=back), status=status
    )
    if wants_fragment():
        # A failed click must not replace the piece it came from: the notice goes to the notices.
        response.headers["HX-Retarget"] = "#notices"
        response.headers["HX-Reswap"] = "beforeend"
    return response
