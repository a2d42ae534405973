"""What happened with a channel lately, in words: its troubles and its last fetches."""

from __future__ import annotations

from dataclasses import dataclass

from flask_babel import gettext, ngettext

from blueprints.labels.codes import FAILURE
from blueprints.labels.formats import full_time
from desk.channels import health
from models import Channel, Ending, FetchRecord, Incident, Trouble


@dataclass(frozen=True, slots=True)
class Happened:
    """`sign` is ok, warning or trouble; `details` are the server's own words."""

    sign: str
    when: str
    text: str
    details: str = ""


@dataclass(frozen=True, slots=True)
class ChannelHistory:
    troubles: list[Happened]
    fetches: list[Happened]


def channel_history(channel: Channel) -> ChannelHistory:
    return ChannelHistory(
        [_trouble(incident) for incident in health.incidents(channel.id)],
        [_fetch(record) for record in health.last_fetches(channel.id)],
    )


def braked(incident: Incident, most: int | None = None) -> str:
    """Whom a brake concerns, in a sentence; the first `most` of them where there is no room for all."""
    whom = incident.words.split(", ")
    shown = ", ".join(whom[:most]) + (" …" if len(whom[:most]) < len(whom) else "")
    if incident.trouble == Trouble.BRAKE:
        return ngettext("%(num)s mail waits.", "%(num)s mails wait.", int(incident.words))
    if incident.trouble == Trouble.BRAKE_TOTAL:
        return gettext("It concerns everybody; withheld within the hour, by domain: %(whom)s.", whom=shown)
    return gettext("It concerns, with the mails withheld within the hour: %(whom)s.", whom=shown)


def _trouble(incident: Incident) -> Happened:
    failure = str(FAILURE.get(incident.code, FAILURE["internal"]))
    if incident.is_brake:
        failure = f"{failure} {braked(incident)}"
    words = "" if incident.is_brake else incident.words
    since = full_time(incident.began_at)
    if incident.ended_at is None:
        return Happened("trouble", gettext("since %(moment)s", moment=since), failure, words)
    until = full_time(incident.ended_at)
    when = gettext("%(since)s until %(until)s", since=since, until=until)
    text = (
        failure
        if incident.ending == Ending.RECOVERED
        else gettext("%(failure)s The channel was changed.", failure=failure)
    )
    return Happened("ok", when, text, words)


def _fetch(record: FetchRecord) -> Happened:
    when = full_time(record.began_at)
    counted = " · ".join(_counts(record))
    if record.code:
        failure = str(FAILURE.get(record.code, FAILURE["internal"]))
        return Happened("trouble", when, f"{failure} {counted}".strip(), record.words)
    return Happened("warning" if record.refused else "ok", when, counted)


def _counts(record: FetchRecord) -> list[str]:
    texts = []
    if record.fetched:
        texts.append(ngettext("%(num)s mail fetched", "%(num)s mails fetched", record.fetched))
    if record.held:
        texts.append(ngettext("%(num)s mail held", "%(num)s mails held", record.held))
    if record.left_alone:
        texts.append(ngettext("%(num)s mail left alone", "%(num)s mails left alone", record.left_alone))
    if record.removed:
        texts.append(
            ngettext(
                "%(num)s copy cleared on the server", "%(num)s copies cleared on the server", record.removed
            )
        )
    if record.refused:
        texts.append(ngettext("%(num)s copy not removed", "%(num)s copies not removed", record.refused))
    return texts
