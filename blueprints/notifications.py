"""»System >> Notifications«: which mails Poststelle writes by itself, each with its switch and a preview."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale, gettext

from blueprints.htmx import change, page
from blueprints.notice_words import AUDIENCE, NOTICE
from config import LOCALES
from desk import letters, telling

blueprint = Blueprint("notifications", __name__, url_prefix="/system/notifications")
blueprint.access = "admin"  # type: ignore[attr-defined]

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
