"""»System >> Notifications«: which mails Poststelle writes by itself, each with its switch, its words, a preview."""

from __future__ import annotations

from flask import Response, abort, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from blueprints.labels.notices import LABELS
from blueprints.notices import notice_editor as editor
from blueprints.page.access import AdminBlueprint, me
from blueprints.page.htmx import change, go, invalid, page, wants_fragment
from blueprints.page.limits import TEST_MAILS, limiter
from blueprints.page.mail_sheet import mail_sheet
from blueprints.page.numbers import whole_number
from desk.channels import channels
from desk.notices import previews
from desk.telling import who_hears
from desk.texts import notice_texts
from desk.texts.notice_table import BY_NAME, NOTICES, Notice

blueprint = AdminBlueprint("notifications", __name__, url_prefix="/system/notifications")


@blueprint.get("")
def index() -> ResponseReturnValue:
    chosen = _notice(request.args.get("notice") or NOTICES[0].name)
    return page("notifications/index.html", **editor.shown(chosen))


@blueprint.post("/<name>")
def switch(name: str) -> ResponseReturnValue:
    notice, on = _notice(name), request.form.get("enabled") == "1"
    if notice.fixed:
        abort(409, gettext("The ticket reply is the answer itself: without it no answer would leave."))
    who_hears.switch(name, on)
    title = LABELS[name].title
    words = (
        gettext("“%(notice)s” is sent from now on.", notice=title)
        if on
        else gettext("“%(notice)s” is no longer sent.", notice=title)
    )
    chosen = _notice(request.form.get("chosen") or name)
    back = url_for(".index", notice=chosen.name)
    return change("notifications/switch.swap.html", back, words, item=editor.item(notice), chosen=chosen)


@blueprint.post("/<name>/text")
def save(name: str) -> ResponseReturnValue:
    chosen = _worded(name)
    try:
        notice_texts.save(name, editor.language(chosen), *editor.typed())
    except notice_texts.TextRefused as error:
        return _refused(chosen, error)
    return go(_back(chosen), gettext("The text is saved. It is used from now on."))


@blueprint.post("/<name>/reset")
def reset(name: str) -> ResponseReturnValue:
    chosen = _worded(name)
    notice_texts.reset(name, editor.language(chosen))
    return go(_back(chosen), gettext("Our text is used again."))


@blueprint.post("/<name>/preview")
def preview(name: str) -> ResponseReturnValue:
    """How the typed words would look; with a wrong placeholder the sentence that says so."""
    chosen = _worded(name)
    template = "preview.swap.html" if wants_fragment() else "index.html"
    return page(f"notifications/{template}", **editor.shown(chosen, editor.typed()))


@blueprint.get("/<name>/frame")
def frame(name: str) -> ResponseReturnValue:
    """The mail as HTML, in the words of the address or else in those that are saved."""
    chosen = _notice(name)
    locale = editor.language(chosen)
    words = editor.carried() if chosen.changeable else None
    try:
        checked = notice_texts.checked(name, words, locale) if words is not None else None
    except notice_texts.TextRefused:
        abort(404)
    return mail_sheet(previews.preview(name, locale, me(), editor.asked_ticket(), checked).on_screen)


@blueprint.post("/<name>/test")
@limiter.limit(TEST_MAILS)
def send_test(name: str) -> ResponseReturnValue:
    chosen = _worded(name)
    locale = editor.language(chosen)
    try:
        words = notice_texts.checked(name, editor.typed(), locale)
    except notice_texts.TextRefused as error:
        return _refused(chosen, error)
    previews.send_test(name, locale, me(), editor.asked_ticket(), words)
    said = gettext("A test e-mail is on its way to %(address)s.", address=me().email)
    if wants_fragment():
        return change("_notice.swap.html", _back(chosen), said)
    return page("notifications/index.html", said=said, **editor.shown(chosen, editor.typed()))


@blueprint.post("/<name>/channels")
def switch_channels(name: str) -> ResponseReturnValue:
    """The channels whose events this notice tells of."""
    chosen = _notice(name)
    if not chosen.per_channel:
        abort(404)
    wanted = set(request.form.getlist("channel", type=int))
    who_hears.switch_channels(name, {channel.id for channel in channels.living()} - wanted)
    return go(_back(chosen), gettext("The channels are saved."))


def _refused(chosen: Notice, error: notice_texts.TextRefused) -> Response:
    return invalid(
        "notifications/index.html", **editor.shown(chosen, editor.typed(), error=error, wrong=True)
    )


def _back(chosen: Notice) -> str:
    number = request.form.get("ticket", 0, type=whole_number) or None
    return url_for(".index", notice=chosen.name, text=editor.language(chosen), ticket=number)


def _worded(name: str) -> Notice:
    """The notice, if it has words that can be changed."""
    notice = _notice(name)
    return notice if notice.changeable else abort(404)


def _notice(name: str) -> Notice:
    return BY_NAME.get(name) or abort(404)
