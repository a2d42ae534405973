"""How a channel fares, and what its connection test found, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from babel.dates import format_timedelta
from flask_babel import format_date, get_locale, gettext, ngettext

from blueprints.words import ADVICE, FAILURE, HINT, STEP, WAY, file_size, full_time
from desk import health
from models import Channel


@dataclass(frozen=True, slots=True)
class ChannelState:
    """`sign` is ok, warning, trouble or empty; `details` are the server's own words."""

    sign: str
    title: str
    text: str = ""
    advice: str = ""
    details: str = ""


@dataclass(frozen=True, slots=True)
class ShownStep:
    """`state` is ok, warning, failed or skipped."""

    state: str
    title: str
    text: str = ""
    advice: str = ""
    details: str = ""


@dataclass(frozen=True, slots=True)
class ShownDiscovery:
    """`found` or not, a sentence, what else to know, and each place that was looked at with its result."""

    found: bool
    text: str
    hints: list[str]
    looks: list[tuple[str, str]]


class Servers(Protocol):
    """What was found, as the desk reports it."""

    @property
    def name(self) -> str: ...
    @property
    def hints(self) -> tuple[str, ...]: ...


class Look(Protocol):
    """One place that was looked at."""

    @property
    def way(self) -> str: ...
    @property
    def where(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def code(self) -> str: ...


class Discovery(Protocol):
    @property
    def servers(self) -> Servers | None: ...
    @property
    def looks(self) -> tuple[Look, ...]: ...


class Step(Protocol):
    """One step of a connection test as the desk reports it."""

    @property
    def name(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def words(self) -> str: ...
    @property
    def facts(self) -> tuple[tuple[str, str], ...]: ...


def channel_state(channel: Channel, at: datetime) -> ChannelState:
    """In the order in which a person wants to know."""
    if not channel.active:
        since = channel.deactivated_at
        text = gettext("switched off: %(moment)s", moment=full_time(since)) if since else ""
        return ChannelState("", gettext("Inactive"), text)
    if channel.failing_since is not None:
        return _trouble(channel, channel.failing_since)
    if not channel.is_own:
        return ChannelState("ok", gettext("Ready to receive"), _last_received(channel, at))
    if health.is_stale(channel, at):
        advice = gettext("Check that the jobs of this Poststelle are running (“serve” or “worker”).")
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
    return ChannelState("ok", gettext("Ready to receive"), _last_fetched(channel, at))


def shown_steps(steps: Sequence[Step], existing: str = "") -> list[ShownStep]:
    """`existing` is take or leave while the first fetch is still to come, else empty."""
    return [_shown(step, dict(step.facts), existing) for step in steps]


def shown_discovery(discovery: Discovery) -> ShownDiscovery:
    looks = [(look.where, _looked(look)) for look in discovery.looks]
    if discovery.servers is None:
        text = gettext("Nothing was found. Server names and ports stand in the help pages of your provider.")
        return ShownDiscovery(False, text, [], looks)
    text = gettext("Found: %(name)s. Server names and ports were filled in.", name=discovery.servers.name)
    hints = [str(HINT[hint]) for hint in discovery.servers.hints]
    return ShownDiscovery(True, f"{text} {WAY[discovery.looks[-1].way]}", hints, looks)


def _looked(look: Look) -> str:
    if look.state == "failed":
        return str(FAILURE.get(look.code, FAILURE["internal"]))
    return {
        "found": gettext("found"),
        "nothing": gettext("nothing there"),
        "skipped": gettext("not asked"),
    }[look.state]


def _trouble(channel: Channel, since: datetime) -> ChannelState:
    text = gettext("since %(moment)s", moment=full_time(since))
    if channel.next_try_at is not None:
        text += " · " + gettext("next try: %(moment)s", moment=full_time(channel.next_try_at))
    title = str(FAILURE.get(channel.error_code, FAILURE["internal"]))
    advice = str(ADVICE.get(channel.error_code, ""))
    return ChannelState("trouble", title, text, advice, channel.error_words)


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


def _shown(step: Step, facts: dict[str, str], existing: str) -> ShownStep:
    title = str(STEP.get(step.name, step.name))
    if step.state == "skipped":
        return ShownStep(step.state, title, str(FAILURE[step.code]) if step.code else gettext("not tried"))
    if step.state == "failed":
        failure = str(FAILURE.get(step.code, FAILURE["internal"]))
        return ShownStep(step.state, failure, advice=str(ADVICE.get(step.code, "")), details=step.words)
    if step.name == "encrypted" and step.state == "warning":
        return ShownStep(
            step.state, gettext("Not encrypted"), gettext("Everybody on the way can read mails and password.")
        )
    return ShownStep(step.state, title, " · ".join(_facts(facts, existing)))


def _facts(facts: dict[str, str], existing: str) -> list[str]:
    texts = [facts[name] for name in ("address", "protocol") if name in facts]
    if "not_after" in facts:
        day = format_date(datetime.fromisoformat(facts["not_after"]), "medium")
        texts.append(gettext("certificate valid until %(day)s", day=day))
    if "total" in facts:
        texts += _counted(facts, existing)
    if facts.get("size", "").isdecimal() and int(facts["size"]):
        texts.append(gettext("mails up to %(size)s", size=file_size(int(facts["size"]))))
    if "auth" in facts:
        texts.append(facts["auth"])
    return texts


def _counted(facts: dict[str, str], existing: str) -> list[str]:
    total = int(facts["total"])
    waiting = int(facts.get("unread", total))  # POP3 knows no unread mail: everything counts
    texts = [
        gettext("%(unread)s unread of %(total)s mails in the inbox", unread=waiting, total=total)
        if "unread" in facts
        else ngettext("%(num)s mail in the mailbox", "%(num)s mails in the mailbox", total)
    ]
    if existing == "take" and waiting:
        texts.append(
            ngettext(
                "%(num)s mail becomes a ticket at the first fetch",
                "%(num)s mails become tickets at the first fetch",
                waiting,
            )
        )
    elif existing == "leave":
        texts.append(gettext("what is there now is left alone"))
    return texts
