"""What every signed-in page shows around its content: the rail with its counts, the channels' state, the bell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Flask, request, url_for
from flask_babel import gettext, ngettext
from flask_login import current_user

from blueprints.page.access import me
from desk.channels import channels
from desk.mailroom import quarantine
from desk.sending import outbox_page
from desk.telling import bell
from desk.tickets import ticket_list
from models import Ticket

UNREAD = "poststelle.unread"  # in the request's own notes

# Pages that stand under another entry of the rail.
PART_OF = {
    "blocked_senders": "ledger",
    "deliverability": "channels",
    "groups": "agents",
    "mail_designs": "notifications",
    "oauth": "channels",
    "requester_languages": "notifications",
}

# The second stroke of its shortcut (after g), where the first letter of its key is another's.
STROKES = {"outbox": "p", "settings": "s"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the rail. Its key is a view of the list or the name of a blueprint."""

    section: str
    key: str
    label: str
    icon: str
    url: str
    active: bool
    count: int | None = None

    @property
    def stroke(self) -> str:
        return STROKES.get(self.key, self.key[0])


def init_app(app: Flask) -> None:
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.context_processor(_frame)


def unread() -> bell.Unread:
    """What rings for the agent and is not read yet; asked once for a page."""
    if UNREAD not in request.environ:
        request.environ[UNREAD] = bell.unread(me())
    found: bell.Unread = request.environ[UNREAD]
    return found


def looked_at(ticket: Ticket) -> bool:
    """This page shows the ticket: it rings no more there. Answers whether that is to be noted."""
    before = unread()
    request.environ[UNREAD] = before.without(ticket)
    return before.may_concern(ticket)


def _frame() -> dict[str, Any]:
    """Given as functions, so that a piece that shows no frame asks the database nothing."""
    return {"rail": _rail, "channel_state": _channel_state, "unread": unread, "many": bell.COUNTED}


def _rail() -> list[Entry]:
    if not current_user or not current_user.is_authenticated:
        return []
    return [*_tickets(), *(_system() if me().is_admin else ())]


def _tickets() -> Iterator[Entry]:
    section, counts = gettext("Tickets"), ticket_list.counts(me())
    at_list = request.endpoint == "tickets.index" and not request.args.get("q")
    shown = (request.args.get("view") or "open") if at_list else ""
    for view, label, icon in (
        ("mine", gettext("My tickets"), "circle-user"),
        ("unassigned", gettext("Unassigned"), "user-round-x"),
        ("open", gettext("All open"), "inbox"),
        ("waiting", gettext("Waiting"), "clock"),
        ("resolved", gettext("Resolved"), "circle-check"),
    ):
        url = url_for("tickets.index", view=view)
        yield Entry(section, view, label, icon, url, view == shown, counts.get(view))
    url, here = url_for("quarantine.index"), _part() == "quarantine"
    yield Entry(section, "quarantine", gettext("Quarantine"), "shield-x", url, here, quarantine.count())


def _system() -> Iterator[Entry]:
    section = gettext("System")
    for part, label, icon in (
        ("channels", gettext("Channels"), "at-sign"),
        ("notifications", gettext("Notifications"), "bell"),
        ("agents", gettext("Agents"), "users"),
        ("outbox", gettext("Outbox"), "send"),
        ("ledger", gettext("Mail ledger"), "book-open-check"),
        ("settings", gettext("Settings"), "settings"),
    ):
        count = outbox_page.in_trouble() if part == "outbox" else None
        yield Entry(section, part, label, icon, url_for(f"{part}.index"), part == _part(), count)


def _part() -> str:
    """The entry of the rail that this page belongs to, by the name of its views."""
    name = (request.endpoint or "").partition(".")[0]
    return PART_OF.get(name, name)


def _channel_state() -> dict[str, str]:
    state = channels.overview()
    if state.failing:
        words = ngettext("%(num)s channel in trouble", "%(num)s channels in trouble", state.failing)
    else:
        words = ngettext("%(num)s channel active", "%(num)s channels active", state.active)
    diagnosis = url_for("channels.edit", channel_id=state.worst) if state.worst else url_for("channels.index")
    url = diagnosis if me().is_admin else ""
    return {"text": words, "state": "trouble" if state.failing else "ok", "url": url}
