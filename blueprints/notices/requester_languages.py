"""»System >> Notifications«: the languages of requesters beside German and English."""

from __future__ import annotations

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from blueprints.page.access import AdminBlueprint
from blueprints.page.htmx import go, page
from desk.texts import requester_languages as languages

blueprint = AdminBlueprint("requester_languages", __name__, url_prefix="/system/languages")


@blueprint.post("")
def add() -> ResponseReturnValue:
    locale = request.form.get("locale", "")
    try:
        languages.add(locale)
    except KeyError:
        return go(_back(), gettext("Choose a language from the list that is not there yet."))
    said = gettext(
        "%(language)s was added. Until there is a text in it, mails speak the company's language.",
        language=languages.NAMES[locale],
    )
    return go(_back(locale), said)


@blueprint.get("/<locale>/remove")
def ask(locale: str) -> ResponseReturnValue:
    name = _further(locale)
    return page("notifications/remove.html", locale=locale, name=name, texts=languages.texts(locale))


@blueprint.post("/<locale>/remove")
def remove(locale: str) -> ResponseReturnValue:
    name = _further(locale)
    languages.remove(locale)
    return go(_back(), gettext("%(language)s was removed.", language=name))


def _further(locale: str) -> str:
    return languages.NAMES[locale] if locale in languages.further() else abort(404)


def _back(locale: str | None = None) -> str:
    return url_for("notifications.index", notice="confirmation" if locale else None, text=locale)
