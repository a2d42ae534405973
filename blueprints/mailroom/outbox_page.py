"""»System >> Outbox«: the mails that leave, why they wait or failed, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext

from blueprints.page.access import AdminBlueprint, me
from blueprints.page.htmx import go, invalid, page
from blueprints.page.mail_sheet import mail_sheet
from blueprints.page.numbers import whole_number
from blueprints.tickets.attachments import sent
from desk.channels import health
from desk.office import relay
from desk.sending import outbox_page
from models import OutboundMail

blueprint = AdminBlueprint("outbox", __name__, url_prefix="/system/outbox")

VIEW = {
    "open": lazy_gettext("All that is open"),
    "waiting": lazy_gettext("Waiting"),
    "failed": lazy_gettext("Undeliverable"),
    "kept": lazy_gettext("Kept"),
    "sent": lazy_gettext("Ended"),
}
EMPTY = {
    "open": lazy_gettext("Everything has left. What waits or fails stands here, with the reason."),
    "waiting": lazy_gettext("No mail waits."),
    "failed": lazy_gettext("No mail failed that nobody has put aside."),
    "kept": lazy_gettext("No mail is kept back for want of an outgoing server."),
    "sent": lazy_gettext("No mail has left yet."),
}
SOURCE_SHOWN = 100_000  # octets of the source on the page; the download has all


@blueprint.get("")
def index() -> ResponseReturnValue:
    view = request.args.get("view", "open")
    view = view if view in outbox_page.VIEWS else "open"
    return page(
        "outbox/index.html",
        view=view,
        named=VIEW,
        counts=outbox_page.counts(),
        listing=outbox_page.listing(view, request.args.get("before", 0, type=whole_number)),
        nothing=EMPTY[view],
        has_relay=relay() is not None,
        brakes=health.brakes(),
    )


@blueprint.get("/<int:mail_id>")
def show(mail_id: int) -> ResponseReturnValue:
    return page("outbox/show.html", **_shown(_mail(mail_id)))


@blueprint.get("/<int:mail_id>/frame")
def frame(mail_id: int) -> ResponseReturnValue:
    """The mail's HTML as its reader sees it."""
    raw = outbox_page.octets(_mail(mail_id)) or abort(404)
    return mail_sheet(render_template("outbox/frame.html", html=outbox_page.html_of(raw)))


@blueprint.get("/<int:mail_id>/original")
def original(mail_id: int) -> ResponseReturnValue:
    return sent(outbox_page.octets(_mail(mail_id)), f"mail-{mail_id}.eml", "message/rfc822", as_download=True)


@blueprint.post("/<int:mail_id>/retry")
def retry(mail_id: int) -> ResponseReturnValue:
    mail = _mail(mail_id)
    if relay() is None and not (mail.channel and mail.channel.is_own):
        return go(_back(mail), gettext("No outgoing server is set up. The mail is kept until there is one."))
    return _done(mail, lambda: outbox_page.retry(mail), gettext("The mail is being sent."))


@blueprint.post("/<int:mail_id>/stop")
def stop(mail_id: int) -> ResponseReturnValue:
    mail = _mail(mail_id)
    return _done(mail, lambda: outbox_page.stop(mail, me()), gettext("The mail will not be sent."))


@blueprint.post("/<int:mail_id>/settle")
def settle(mail_id: int) -> ResponseReturnValue:
    mail = _mail(mail_id)
    return _done(mail, lambda: outbox_page.set_aside(mail), gettext("The mail was put aside."))


@blueprint.post("/<int:mail_id>/recipients/<int:recipient_id>")
def correct(mail_id: int, recipient_id: int) -> ResponseReturnValue:
    mail, typed = _mail(mail_id), request.form.get("address", "")[:320]
    try:
        outbox_page.correct_address(mail, recipient_id, typed, me())
    except outbox_page.OutboxRefused as refusal:
        if refusal.code == "address":
            words = gettext("This is not an e-mail address that can be used here.")
            return invalid("outbox/show.html", **_shown(_mail(mail_id), recipient_id, typed, words))
        return go(_back(mail), gettext("The mail has left or ended meanwhile; nothing was changed."))
    return go(url_for(".show", mail_id=mail_id), gettext("The mail is being sent to the new address."))


def _done(mail: OutboundMail, verb: Callable[[], None], words: str) -> Response:
    back = _back(mail)
    try:
        verb()
    except outbox_page.OutboxRefused:
        words = gettext("The mail has left or ended meanwhile; nothing was changed.")
    return go(back, words)


def _back(mail: OutboundMail) -> str:
    """The list or the mail's page, whichever asked."""
    if request.form.get("from") == "show":
        return url_for(".show", mail_id=mail.id)
    view = request.form.get("view", "open")
    return url_for(".index", view=view if view in outbox_page.VIEWS else "open")


def _shown(mail: OutboundMail, wrong: int = 0, typed: str = "", error: str = "") -> dict[str, Any]:
    raw = outbox_page.octets(mail)
    return {
        "mail": mail,
        "read": outbox_page.as_read(raw) if raw else None,
        "source": raw[:SOURCE_SHOWN].decode("utf-8", "replace") if raw else "",
        "cut": len(raw or b"") > SOURCE_SHOWN,
        "private": not outbox_page.may_be_read(mail),
        "link_is_gone": outbox_page.link_is_gone(mail),
        "can_correct": lambda recipient: outbox_page.can_correct(mail, recipient),
        "wrong": wrong,
        "typed": typed,
        "error": error,
    }


def _mail(mail_id: int) -> OutboundMail:
    return outbox_page.by_id(mail_id) or abort(404)
