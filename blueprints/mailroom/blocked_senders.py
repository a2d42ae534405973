"""»System >> Posteingangsbuch >> Gesperrte Absender«: whose mail is dropped, and how much of it was."""

from __future__ import annotations

from flask import request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from blueprints.mailroom.mail_page import BLOCK_REFUSED
from blueprints.page.access import AdminBlueprint, me
from blueprints.page.htmx import go, invalid, page
from desk.receiving import blocking

blueprint = AdminBlueprint("blocked_senders", __name__, url_prefix="/system/blocked-senders")


@blueprint.get("")
def index() -> ResponseReturnValue:
    return page("mailroom/blocked.html", senders=blocking.blocked(), typed="")


@blueprint.post("")
def create() -> ResponseReturnValue:
    typed = request.form.get("pattern", "")[:320]
    try:
        pattern = blocking.block(typed, me())
    except blocking.BlockRefused as refused:
        error = BLOCK_REFUSED[refused.code]
        return invalid("mailroom/blocked.html", senders=blocking.blocked(), typed=typed, error=error)
    return go(url_for(".index"), gettext("Mail from %(sender)s is dropped from now on.", sender=pattern))


@blueprint.post("/<int:blocked_id>/removal")
def remove(blocked_id: int) -> ResponseReturnValue:
    pattern = blocking.unblock(blocked_id)
    said = gettext("Mail from %(sender)s is taken in again.", sender=pattern) if pattern else ""
    return go(url_for(".index"), said)
