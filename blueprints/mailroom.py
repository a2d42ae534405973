"""»Quarantäne«: mails that wait for a person, because a rule held them or we failed on them."""

from __future__ import annotations

from flask import Blueprint, abort, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from blueprints.access import me
from blueprints.attachments import sent
from blueprints.htmx import go, page
from desk import files, intake
from models import InboundMail, InboundState, db

blueprint = Blueprint("mailroom", __name__)

WAITING = (InboundState.HELD, InboundState.FAILED)
# A returned mail lies inside: it may be one of ours with somebody's link for a password.
REPORTS = ("bounce", "delayed")


@blueprint.get("/quarantine")
def index() -> ResponseReturnValue:
    return page("mailroom/index.html", mails=intake.waiting_for_a_person(), may_open=_may_open)


@blueprint.post("/quarantine/<int:inbound_id>/release")
def release(inbound_id: int) -> ResponseReturnValue:
    """Let it in: it becomes a ticket as if a person's mail had come."""
    mail = _waiting(inbound_id)
    _guard(mail)
    if not mail.sha256:
        abort(404)
    intake.release(mail)
    if mail.ticket is None:
        return go(url_for("mailroom.index"), gettext("The mail could not be filed; it still waits here."))
    return go(url_for("tickets.show", number=mail.ticket.number), gettext("The mail was let in."))


@blueprint.post("/quarantine/<int:inbound_id>/discard")
def discard(inbound_id: int) -> ResponseReturnValue:
    intake.discard(_waiting(inbound_id))
    return go(url_for("mailroom.index"), gettext("The mail was deleted."))


@blueprint.get("/quarantine/<int:inbound_id>/original")
def original(inbound_id: int) -> ResponseReturnValue:
    mail = _waiting(inbound_id)
    _guard(mail)
    return sent(
        files.content(mail.sha256) if mail.sha256 else None, f"mail-{mail.id}.eml", "message/rfc822", True
    )


def _waiting(inbound_id: int) -> InboundMail:
    mail = db.session.get(InboundMail, inbound_id)
    if mail is None or mail.state not in WAITING:
        abort(404)
    return mail


def _may_open(mail: InboundMail) -> bool:
    return me().is_admin or mail.reason not in REPORTS


def _guard(mail: InboundMail) -> None:
    if not _may_open(mail):
        abort(403)
