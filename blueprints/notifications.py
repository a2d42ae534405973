"""»System >> Notifications«: which mails Poststelle writes by itself, each with its switch and a preview."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale, gettext, lazy_gettext

from blueprints.htmx import change, page
from config import LOCALES
from desk import letters, telling

blueprint = Blueprint("notifications", __name__, url_prefix="/system/notifications")
blueprint.access = "admin"  # type: ignore[attr-defined]

AUDIENCE = {
    "requester": lazy_gettext("To requesters"),
    "agents": lazy_gettext("To agents"),
    "administrators": lazy_gettext("To administrators"),
}
# The name of a notice, and when it goes to whom.
NOTICE = {
    "confirmation": (
        lazy_gettext("Confirmation of receipt"),
        lazy_gettext("New ticket · to the requester"),
    ),
    "ticket_reply": (
        lazy_gettext("Ticket reply"),
        lazy_gettext("Answer of an agent · to the requester"),
    ),
    "new_ticket": (lazy_gettext("New ticket"), lazy_gettext("to all agents")),
    "resolved": (
        lazy_gettext("Ticket resolved or closed"),
        lazy_gettext("Change of status · to the requester"),
    ),
    "customer_reply": (
        lazy_gettext("Answer received"),
        lazy_gettext("to the assignee, else to all agents"),
    ),
    "assigned": (
        lazy_gettext("Ticket assigned"),
        lazy_gettext("to the agent who gets it from somebody else"),
    ),
    "mentioned": (lazy_gettext("Mentioned"), lazy_gettext("to whom a private note names with @name")),
    "delivery_failed": (lazy_gettext("Delivery failed"), lazy_gettext("to the author of the answer")),
    "channel_trouble": (
        lazy_gettext("Channel in trouble"),
        lazy_gettext("once for each incident, by a way out that works"),
    ),
    "channel_recovered": (
        lazy_gettext("Channel works again"),
        lazy_gettext("once when the incident is over"),
    ),
}
LANGUAGE = {"de": "Deutsch", "en": "English"}


@blueprint.get("")
def index() -> ResponseReturnValue:
    chosen = _notice(request.args.get("notice") or telling.NOTICES[0].name)
    language = request.args.get("text") or str(get_locale())
    language = language if language in LOCALES else LOCALES[0]
    subject, text, _html = letters.preview(chosen.name, language)
    return page(
        "notifications/index.html",
        groups=[(words, _of(audience)) for audience, words in AUDIENCE.items()],
        chosen=chosen,
        title=NOTICE[chosen.name][0],
        languages=LANGUAGE,
        language=language,
        subject=subject,
        text=text,
    )


@blueprint.post("/<name>")
def switch(name: str) -> ResponseReturnValue:
    notice, on = _notice(name), request.form.get("enabled") == "1"
    if notice.fixed:
        abort(409, gettext("The ticket reply is the answer itself: without it no answer would leave."))
    telling.switch(name, on)
    title = NOTICE[name][0]
    words = (
        gettext("“%(notice)s” is sent from now on.", notice=title)
        if on
        else gettext("“%(notice)s” is no longer sent.", notice=title)
    )
    chosen = _notice(request.form.get("chosen") or name)
    back = url_for(".index", notice=chosen.name)
    return change("notifications/switch.swap.html", back, words, item=_item(notice), chosen=chosen)


def _notice(name: str) -> telling.Notice:
    return next((notice for notice in telling.NOTICES if notice.name == name), None) or abort(404)


def _of(audience: str) -> list[dict[str, Any]]:
    return [_item(notice) for notice in telling.NOTICES if notice.audience == audience]


def _item(notice: telling.Notice) -> dict[str, Any]:
    title, text = NOTICE[notice.name]
    on = notice.fixed or telling.enabled(notice.name)
    return {"name": notice.name, "title": title, "text": text, "on": on, "fixed": notice.fixed}
