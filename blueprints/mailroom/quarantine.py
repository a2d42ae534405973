"""»Quarantäne«: mails that wait for a person, because a rule held them or we failed on them."""

from __future__ import annotations

from flask import Blueprint, abort, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext

from blueprints.mailroom import mail_page
from blueprints.page.access import me
from blueprints.page.htmx import go, page
from blueprints.tickets.attachments import sent
from desk.mailroom import quarantine, raw_mail
from models import InboundMail, InboundState

blueprint = Blueprint("quarantine", __name__, url_prefix="/quarantine")


@blueprint.get("")
def index() -> ResponseReturnValue:
    mails = quarantine.waiting()
    return page(
        "mailroom/quarantine.html",
        mails=mails,
        waiting=quarantine.count(),
        may_open=_may_open,
        decides=any(map(_may_open, mails)),
    )


@blueprint.get("/<int:inbound_id>")
def show(inbound_id: int) -> ResponseReturnValue:
    return mail_page.show(_waiting(inbound_id), "quarantine")


@blueprint.post("/<int:inbound_id>/release")
def release(inbound_id: int) -> ResponseReturnValue:
    """Let it in: it becomes a ticket as if a person's mail had come."""
    mail = _waiting(inbound_id)
    if not mail.sha256:
        abort(404)
    return mail_page.let_in(mail, url_for("quarantine.index"))


@blueprint.post("/<int:inbound_id>/discard")
def discard(inbound_id: int) -> ResponseReturnValue:
    quarantine.discard(_waiting(inbound_id), me())
    return go(url_for("quarantine.index"), gettext("The mail was deleted."))


@blueprint.get("/<int:inbound_id>/block")
def ask_block(inbound_id: int) -> ResponseReturnValue:
    return mail_page.ask_block(_waiting(inbound_id), "quarantine")


@blueprint.post("/<int:inbound_id>/block")
def block(inbound_id: int) -> ResponseReturnValue:
    return mail_page.block(_waiting(inbound_id), "quarantine")


@blueprint.get("/<int:inbound_id>/original")
def original(inbound_id: int) -> ResponseReturnValue:
    mail = _waiting(inbound_id)
    return sent(raw_mail.content(mail), f"mail-{mail.id}.eml", "message/rfc822", True)


@blueprint.post("/decisions")
def decide() -> ResponseReturnValue:
    """Several at once: release or delete those that are ticked."""
    wanted = request.form.get("decision")
    if wanted not in ("release", "discard"):
        abort(400)
    ids = {
        int(one) for one in request.form.getlist("mail") if one.isascii() and one.isdigit() and len(one) < 10
    }
    chosen = [mail for mail in quarantine.waiting() if mail.id in ids]
    if not chosen:
        return go(url_for("quarantine.index"), gettext("Tick the mails that you mean."))
    mine = [mail for mail in chosen if _may_open(mail)]
    if wanted == "discard":
        for mail in mine:
            quarantine.discard(mail, me())
        done = len(mine)
        said = ngettext("%(num)s mail was deleted.", "%(num)s mails were deleted.", done)
    else:
        done = _let_in(mine)
        said = ngettext("%(num)s mail was let in.", "%(num)s mails were let in.", done)
    if left := len(chosen) - done:
        said += " " + ngettext("%(num)s still waits.", "%(num)s still wait.", left)
    return go(url_for("quarantine.index"), said)


def _let_in(mails: list[InboundMail]) -> int:
    """How many of them wait no longer."""
    possible = [mail for mail in mails if quarantine.can_be_let_in(mail)]
    for mail in possible:
        failed = mail.state == InboundState.FAILED
        (quarantine.process_again if failed else quarantine.release)(mail, me())
    return sum(not quarantine.waits(mail) for mail in possible)


def _waiting(inbound_id: int) -> InboundMail:
    """The mail, for whoever may open it: nobody decides about what they may not read."""
    mail = quarantine.waiting_mail(inbound_id) or abort(404)
    if not _may_open(mail):
        abort(403)
    return mail


def _may_open(mail: InboundMail) -> bool:
    return me().is_admin or not quarantine.is_private(mail)
