"""»Deliverability« of a channel: what DNS and the servers say, and the key with which our own domain signs."""

from __future__ import annotations

from typing import Any

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user

from blueprints.labels.deliverability import shown_examination
from blueprints.page.access import AdminBlueprint
from blueprints.page.htmx import go, page, wants_fragment
from blueprints.page.limits import DELIVERABILITY_CHECKS, limiter
from blueprints.page.numbers import whole_number
from desk.channels import channels, dkim
from desk.checks import deliverability
from desk.checks.deliverability import Examination, NoAnswer
from models import Channel

blueprint = AdminBlueprint("deliverability", __name__, url_prefix="/system/deliverability")


@blueprint.get("/<int:channel_id>")
def show(channel_id: int) -> ResponseReturnValue:
    return page("deliverability/show.html", **_context(_channel(channel_id)))


@blueprint.post("/<int:channel_id>/checks")
@limiter.limit(DELIVERABILITY_CHECKS)
def check(channel_id: int) -> ResponseReturnValue:
    """With htmx the verdicts appear one after the other; a plain form waits for all of them."""
    channel = _channel(channel_id)
    examination = deliverability.start(channel, current_user.id)
    if wants_fragment():
        return page("deliverability/_checks.html", **_shown(channel_id, examination))
    examination.wait()
    return page("deliverability/show.html", **_context(_channel(channel_id), examination))


@blueprint.get("/<int:channel_id>/checks/<token>")
def verdicts(channel_id: int, token: str) -> ResponseReturnValue:
    """How far a check is: the piece again if there is more to see than `seen` verdicts, else nothing."""
    examination = deliverability.get(token, current_user.id)
    if examination is None or examination.channel_id != channel_id:
        return page("deliverability/_checks.html", channel_id=channel_id, report=None, interrupted=True)
    report = shown_examination(examination)
    if report.running and report.seen == request.args.get("seen", type=int):
        return "", 204
    return page("deliverability/_checks.html", channel_id=channel_id, report=report)


@blueprint.post("/dkim/keys")
def make_key() -> ResponseReturnValue:
    dkim.make_key()
    return go(_back(), gettext("The key was made. Enter its line in DNS, then switch the signing on."))


@blueprint.post("/dkim/active")
@limiter.limit(DELIVERABILITY_CHECKS)
def switch_key() -> ResponseReturnValue:
    """On when DNS shows the key, or by an administrator's word; off at any time."""
    back = _back()
    if request.form.get("active") != "1":
        dkim.switch_off()
        return go(back, gettext("Mail is no longer signed."))
    by_word = request.form.get("word") == "1"
    try:
        dkim.switch_on(None if by_word else deliverability.ask_now())
    except dkim.NotInDns:
        abort(
            409,
            gettext("DNS does not show the key yet. A new entry can take some hours to be seen everywhere."),
        )
    except NoAnswer:
        abort(409, gettext("The name servers do not answer. Nothing was switched."))
    except KeyError:
        abort(409, gettext("There is no key that waits to be switched on."))
    return go(back, gettext("Mail of your domain is signed from now on."))


def _channel(channel_id: int) -> Channel:
    return channels.by_id(channel_id) or abort(404)


def _back() -> str:
    channel_id = request.form.get("channel_id", type=whole_number)
    return url_for(".show", channel_id=_channel(channel_id or 0).id)


def _shown(channel_id: int, examination: Examination | None) -> dict[str, Any]:
    report = shown_examination(examination) if examination else None
    return {"channel_id": channel_id, "report": report}


def _context(channel: Channel, examination: Examination | None = None) -> dict[str, Any]:
    signing, waiting = (None, None) if channel.is_own else (dkim.signing_key(), dkim.waiting_key())
    return _shown(channel.id, examination) | {
        "channel": channel,
        "keys": [(key, dkim.record_name(key), dkim.record_of(key)) for key in (signing, waiting) if key],
        "signs": signing is not None,
        "waits": waiting is not None,
    }
