"""How a channel fares, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from babel.dates import format_timedelta
from flask_babel import get_locale, gettext, ngettext

from blueprints.labels import connection_advice
from blueprints.labels.channel_history import braked
from blueprints.labels.codes import FAILURE
from blueprints.labels.connection_advice import ADVICE, WENT_SILENT, advice_for, went_silent
from blueprints.labels.formats import full_time
from desk.channels import health
from desk.checks import connection_tests, forward_probe
from models import Channel, Incident

NAMED = 3  # of those whom a brake concerns, in the list of channels; the channel's own page has them all


@dataclass(frozen=True, slots=True)
class ChannelState:
    """`sign` is ok, warning, trouble or empty; `details` are the server's own words."""

    sign: str
    title: str
    text: str = ""
    advice: str = ""
    details: str = ""


def channel_state(channel: Channel, at: datetime, sending: Incident | None = None) -> ChannelState:
    """In the order in which a person wants to know; `sending` is its open trouble with the outgoing server."""
    if not channel.active:
        since = channel.deactivated_at
        text = gettext("switched off: %(moment)s", moment=full_time(since)) if since else ""
        return ChannelState("", gettext("Inactive"), text)
    if channel.failing_since is not None:
        return _trouble(channel, channel.failing_since)
    if sending is not None:
        return _braked(sending) if sending.is_brake else _mute(channel, sending)
    if not channel.is_own and forward_probe.state(channel, at) == forward_probe.ForwardState.LOST:
        text = gettext("from %(address)s", address=channel.forwarded_from)
        return ChannelState("warning", gettext("The forwarding does not arrive"), text)
    if not channel.is_own:
        return ChannelState("ok", gettext("Ready to receive"), _last_received(channel, at))
    if health.is_stale(channel, at):
        advice = str(ADVICE["stale"])
        return ChannelState("warning", gettext("No fetch is running"), _last_fetched(channel, at), advice)
    if channel.last_success_at is None:
        return ChannelState("warning", gettext("Waiting for the first fetch"))
    if channel.refused:
        return ChannelState(
            "warning",
            str(FAILURE["removal_refused"]),
            _refused(channel.refused),
            str(ADVICE["removal_refused"]),
        )
    if channel.withheld >= health.WITHHELD_TRIES:
        advice = str(ADVICE["mail_withheld"])
        return ChannelState("warning", str(FAILURE["mail_withheld"]), _last_fetched(channel, at), advice)
    return ChannelState("ok", gettext("Ready to receive"), _last_fetched(channel, at))


def _trouble(channel: Channel, since: datetime) -> ChannelState:
    text = gettext("since %(moment)s", moment=full_time(since))
    if channel.next_try_at is not None:
        text += " · " + gettext("next try: %(moment)s", moment=full_time(channel.next_try_at))
    code = channel.error_code
    if channel.last_success_at is not None and (title := went_silent(code, since)):
        return ChannelState("trouble", title, text, str(WENT_SILENT), channel.error_words)
    title = str(FAILURE.get(code, FAILURE["internal"]))
    return ChannelState("trouble", title, text, way_out(channel, code), channel.error_words)


def way_out(channel: Channel, code: str, outgoing: bool = False) -> str:
    """What to do about a trouble of this channel."""
    side = connection_advice.outgoing if outgoing else connection_advice.incoming
    provider = connection_tests.provider_name(channel.smtp_server if outgoing else channel.server)
    return advice_for(code, provider, side(channel) if channel.is_own else None)


def _mute(channel: Channel, incident: Incident) -> ChannelState:
    text = gettext("no mail leaves since %(moment)s", moment=full_time(incident.began_at))
    title = str(FAILURE.get(incident.code, FAILURE["internal"]))
    advice = way_out(channel, incident.code, outgoing=True)
    return ChannelState("trouble", title, text, advice, incident.words)


def _braked(incident: Incident) -> ChannelState:
    text = gettext("since %(moment)s", moment=full_time(incident.began_at)) + " · " + braked(incident, NAMED)
    title = str(FAILURE.get(incident.code, FAILURE["brake"]))
    return ChannelState("warning", title, text, str(ADVICE.get(incident.code, "")))


def _refused(count: int) -> str:
    return ngettext("%(num)s copy is still there", "%(num)s copies are still there", count)


def _last_received(channel: Channel, at: datetime) -> str:
    if channel.last_received_at is None:
        return gettext("nothing received yet")
    return gettext("last received %(ago)s", ago=_ago(channel.last_received_at, at))


def _last_fetched(channel: Channel, at: datetime) -> str:
    if channel.last_success_at is None:
        return gettext("never fetched yet")
    return gettext("last fetched %(ago)s", ago=_ago(channel.last_success_at, at))


def _ago(moment: datetime, at: datetime) -> str:
    """“6 min. ago”, to follow a verb; `relative_time` is made for a column."""
    return format_timedelta(
        moment - at, granularity="minute", add_direction=True, format="short", locale=get_locale()
    )
