"""What a connection test and a search for settings found, in words, with the way out of each failure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask_babel import format_date, gettext, ngettext

from blueprints.labels.codes import FAILURE, HINT, STEP, WAY
from blueprints.labels.connection_advice import WENT_SILENT, advice_for, incoming, outgoing, went_silent
from blueprints.labels.formats import file_size
from desk.channels.channels import Discovery
from desk.checks.connection_tests import RETURNED, ConnectionTest, Step


@dataclass(frozen=True, slots=True)
class ShownStep:
    """`state` is ok, warning, failed, skipped, or waiting while the test is on its way there."""

    state: str
    title: str
    text: str = ""
    advice: str = ""
    details: str = ""


@dataclass(frozen=True, slots=True)
class ShownConnectionTest:
    """`seen` counts the steps that are there, so that a poll knows whether there is more."""

    token: str
    running: bool
    seen: int
    incoming: list[ShownStep]
    outgoing: list[ShownStep]


@dataclass(frozen=True, slots=True)
class ShownDiscovery:
    """`found` or not, a sentence, what else to know, and each place that was asked with its result."""

    found: bool
    text: str
    hints: list[str]
    places: list[tuple[str, str]]


def shown_connection_test(test: ConnectionTest) -> ShownConnectionTest:
    sides = {side: list(test.steps[side]) for side in ("incoming", "outgoing")}
    running = test.running
    shown = {
        side: [_shown(step, side, test) for step in steps]
        + [_waiting(name) for name in test.names.get(side, ())[len(steps) :]]
        for side, steps in sides.items()
    }
    seen = sum(map(len, sides.values()))
    return ShownConnectionTest(test.token, running, seen, shown["incoming"], shown["outgoing"])


def shown_discovery(discovery: Discovery) -> ShownDiscovery:
    places = [(place.where, _result(place.state, place.code)) for place in discovery.places]
    if discovery.servers is None:
        text = gettext("Nothing was found. Server names and ports stand in the help pages of your provider.")
        return ShownDiscovery(False, text, [], places)
    text = gettext("Found: %(name)s. Server names and ports were filled in.", name=discovery.servers.name)
    hints = [str(HINT[hint]) for hint in discovery.servers.hints]
    return ShownDiscovery(True, f"{text} {WAY[discovery.places[-1].way]}", hints, places)


def _result(state: str, code: str) -> str:
    if state == "failed":
        return str(FAILURE.get(code, FAILURE["internal"]))
    return {
        "found": gettext("found"),
        "nothing": gettext("nothing there"),
        "skipped": gettext("not asked"),
    }[state]


def _waiting(name: str) -> ShownStep:
    return ShownStep("waiting", str(STEP.get(name, name)))


def _shown(step: Step, side: str, test: ConnectionTest) -> ShownStep:
    title = str(STEP.get(step.name, step.name))
    if step.state == "skipped":
        return ShownStep(step.state, title, str(FAILURE[step.code]) if step.code else gettext("not tried"))
    if step.state == "failed":
        return _failed(step, side, test)
    if step.name == "encrypted" and step.state == "warning":
        return ShownStep(
            step.state, gettext("Not encrypted"), gettext("Everybody on the way can read mails and password.")
        )
    if step.name == RETURNED and step.state == "warning":
        return ShownStep(
            step.state,
            gettext("The test mail is not back yet"),
            gettext("Some providers take a few minutes. Look into the mailbox, or test again later."),
        )
    return ShownStep(
        step.state, title, " · ".join(_facts(dict(step.facts), test.existing)), details=step.words
    )


def _failed(step: Step, side: str, test: ConnectionTest) -> ShownStep:
    worked_until = test.worked_until if side == "incoming" else None
    if worked_until is not None and (failure := went_silent(step.code, worked_until)):
        return ShownStep(step.state, failure, advice=str(WENT_SILENT), details=step.words)
    in_force = {"incoming": incoming, "outgoing": outgoing}[side](test.values) if test.values.is_own else None
    advice = advice_for(step.code, test.provider, in_force)
    failure = str(FAILURE.get(step.code, FAILURE["internal"]))
    return ShownStep(step.state, failure, advice=advice, details=step.words)


def _facts(facts: dict[str, str], existing: str) -> list[str]:
    texts = [facts[name] for name in ("address", "protocol") if name in facts]
    if "subject" in facts:
        texts.append(gettext("certificate for %(name)s", name=facts["subject"]))
    if "not_after" in facts:
        day = format_date(datetime.fromisoformat(facts["not_after"]), "medium")
        texts.append(gettext("valid until %(day)s", day=day))
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
