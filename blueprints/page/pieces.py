"""A piece of a page that fails says so in its place, and the rest stands: one odd mail hides no ticket."""

from __future__ import annotations

import logging
import secrets
from functools import cache
from typing import Any

from flask import Flask, current_app, request
from jinja2 import pass_context
from jinja2.runtime import Context
from lucide import jinja as lucide
from markupsafe import Markup
from sqlalchemy.exc import OperationalError

log = logging.getLogger(__name__)

GUARDED = "PIECES_MAY_FAIL"  # of the app's config; not in tests, where a fault shall be seen
UNKNOWN_ICON = "circle"


def init_app(app: Flask) -> None:
    app.config.setdefault(GUARDED, not app.testing)
    app.jinja_env.globals["piece"] = _piece
    app.jinja_env.globals["lucide"] = _icon


@cache
def _icon(name: str, **attributes: Any) -> str:
    """A drawing of the set, kept: a page has dozens, and each is an XML tree that would be copied and written anew.

    One that the set does not have is no reason to show no page.
    """
    try:
        return lucide.lucide(name, **attributes)
    except Exception:
        log.warning("there is no icon “%s”", name)
        return lucide.lucide(UNKNOWN_ICON, **attributes)


@pass_context
def _piece(context: Context, template: str, **values: Any) -> Markup:
    """As `include`, but a fault in it is written into the log, and a sentence with its reference stands there.

    A database that is busy concerns the whole page.
    """
    known = {**context.get_all(), **values}
    try:
        return Markup(context.environment.get_template(template).render(known))
    except OperationalError:
        raise
    except Exception:
        if not current_app.config[GUARDED]:
            raise
        reference = secrets.token_hex(4)
        log.exception("error %s in %s at %s", reference, template, request.path)
        broken = context.environment.get_template("_broken.html")
        return Markup(broken.render({**known, "reference": reference}))
