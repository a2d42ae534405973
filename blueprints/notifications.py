"""»System >> Notifications«: which mails Poststelle writes by itself, each with its switch, its words, a preview."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale, gettext

from blueprints.access import me
from blueprints.htmx import change, go, invalid, page, wants_fragment
from blueprints.limits import limiter
from blueprints.notice_words import AUDIENCE, NOTICE
from blueprints.numbers import whole_number
from config import LOCALES
from desk import channels, previews, telling, tickets, wording
from models import Ticket

blueprint = Blueprint("notifications", __name__, url_prefix="/system/notifications")
blueprint.access = "admin"  # type: ignore[attr-defined]

LANGUAGE = {"de": "Deutsch", "en": "English"}


@blueprint.get("")
def index() -> ResponseReturnValue:
    chosen = _notice(request.args.get("notice") or telling.NOTICES[0].name)
    return page("notifications/index.html", **_shown(chosen))


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


@blueprint.post("/<name>/text")
def save(name: str) -> ResponseReturnValue:
    chosen = _worded(name)
    try:
        wording.save(name, _language(), *_typed())
    except wording.Refused as error:
        return _refused(chosen, error)
    return go(_back(chosen), gettext("The text is saved. It is used from now on."))


@blueprint.post("/<name>/reset")
def reset(name: str) -> ResponseReturnValue:
    chosen = _worded(name)
    wording.reset(name, _language())
    return go(_back(chosen), gettext("Our text is used again."))


@blueprint.post("/<name>/preview")
def preview(name: str) -> ResponseReturnValue:
    """How the typed words would look; with a wrong placeholder the sentence that says so."""
    chosen = _worded(name)
    shown = _shown(chosen, _typed())
    if wants_fragment():
        return page("notifications/_preview.html", **shown)
    return page("notifications/index.html", **shown)


@blueprint.post("/<name>/test")
@limiter.limit("20 per hour")
def send_test(name: str) -> ResponseReturnValue:
    chosen = _worded(name)
    try:
        words = wording.checked(name, *_typed())
    except wording.Refused as error:
        return _refused(chosen, error)
    previews.send_test(name, _language(), me(), _ticket(), words)
    said = gettext("A test e-mail is on its way to %(address)s.", address=me().email)
    if wants_fragment():
        return change("_notice.swap.html", _back(chosen), said)
    return page("notifications/index.html", said=said, **_shown(chosen, _typed()))


@blueprint.post("/<name>/channels")
def switch_channels(name: str) -> ResponseReturnValue:
    """The channels whose events this notice tells of."""
    chosen = _notice(name)
    if not chosen.per_channel:
        abort(404)
    wanted = set(request.form.getlist("channel", type=int))
    telling.switch_channels(name, {channel.id for channel in channels.living()} - wanted)
    return go(_back(chosen), gettext("The channels are saved."))


def _shown(chosen: telling.Notice, typed: tuple[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """What the page shows; `typed` are words that are not saved."""
    language, ticket = _language(), _ticket()
    own = chosen.name in wording.PLACEHOLDERS
    saved = wording.text_of(chosen.name, language) if own else None
    words = typed or saved or (previews.ours(chosen.name, language) if own else None)
    error: wording.Refused | None = more.pop("error", None)
    try:
        checked = wording.checked(chosen.name, *words) if words is not None else None
    except wording.Refused as refused:
        error, checked = error or refused, saved
    # Our own words keep their form in HTML; what was changed is shown as it would be sent.
    changed = checked if typed is not None or saved is not None else None
    subject, text, _html = previews.preview(chosen.name, language, me(), ticket, changed)
    return {
        "groups": [(title, _of(audience)) for audience, title in AUDIENCE.items()],
        "chosen": chosen,
        "title": NOTICE[chosen.name][0],
        "languages": LANGUAGE,
        "language": language,
        "words": words,
        "is_ours": saved is None,
        "with_subject": chosen.name not in wording.WITHOUT_SUBJECT,
        "placeholders": wording.PLACEHOLDERS.get(chosen.name, ()),
        "errors": {error.field: _sentence(chosen.name, error)} if error else {},
        "ticket": ticket,
        "subject": subject,
        "text": text,
        "channel_choices": _channel_choices(chosen),
        **more,
    }


def _refused(chosen: telling.Notice, error: wording.Refused) -> Response:
    return invalid("notifications/index.html", **_shown(chosen, _typed(), error=error, wrong=True))


def _sentence(name: str, error: wording.Refused) -> str:
    allowed = ", ".join(wording.PLACEHOLDERS[name])
    return {
        "empty": gettext("Write something here, or go back to our text."),
        "long": gettext("This text is too long."),
        "unknown": gettext(
            "“%(name)s” is no placeholder of this notification. You can use: %(allowed)s.",
            name=error.name,
            allowed=allowed,
        ),
        "missing": gettext("“%(name)s” must stand in this text exactly once.", name=error.name),
        "broken": gettext("A placeholder begins and ends with two curly brackets, as those below the text."),
    }[error.code]


def _typed() -> tuple[str, str]:
    return request.form.get("subject", ""), request.form.get("body", "").replace("\r\n", "\n")


def _language() -> str:
    language = request.values.get("text") or str(get_locale())
    return language if language in LOCALES else LOCALES[0]


def _ticket() -> Ticket | None:
    """The ticket of the preview: the one that was asked for, else the newest."""
    number = request.values.get("ticket", 0, type=whole_number)
    return (tickets.by_number(number) if number else None) or previews.newest_ticket()


def _back(chosen: telling.Notice) -> str:
    number = request.form.get("ticket", 0, type=whole_number) or None
    return url_for(".index", notice=chosen.name, text=_language(), ticket=number)


def _channel_choices(chosen: telling.Notice) -> list[dict[str, Any]]:
    """Each channel and whether this notice tells of it; nothing where there is only one."""
    living = channels.living() if chosen.per_channel else []
    if len(living) < 2:
        return []
    silent = telling.silent_channels(chosen.name)
    return [{"id": one.id, "key": one.key, "on": one.id not in silent} for one in living]


def _worded(name: str) -> telling.Notice:
    """The notice, if it has words that can be changed."""
    return _notice(name) if name in wording.PLACEHOLDERS else abort(404)


def _notice(name: str) -> telling.Notice:
    return next((notice for notice in telling.NOTICES if notice.name == name), None) or abort(404)


def _of(audience: str) -> list[dict[str, Any]]:
    return [_item(notice) for notice in telling.NOTICES if notice.audience == audience]


def _item(notice: telling.Notice) -> dict[str, Any]:
    title, text = NOTICE[notice.name]
    on = notice.fixed or telling.enabled(notice.name)
    return {"name": notice.name, "title": title, "text": text, "on": on, "fixed": notice.fixed}
