"""The ticket list and the ticket page, and the small changes beside it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from blueprints.labels.codes import PRIORITY, STATUS
from blueprints.page import rail
from blueprints.page.access import me
from blueprints.page.htmx import change, go, page, wants_fragment
from blueprints.page.numbers import whole_number
from desk.agents import accounts, groups
from desk.checks import first_message
from desk.office import in_background, the_account
from desk.telling.bell import read_ticket
from desk.texts import requester_languages
from desk.tickets import copies, merging, thread, ticket_list, tickets
from desk.tickets.thread import Added
from desk.tickets.tickets import MoveRefused
from models import Priority, Status, Ticket
from models.ticket import ALLOWED_MOVES

blueprint = Blueprint("tickets", __name__)


@blueprint.get("/")
@blueprint.get("/tickets")
def index() -> ResponseReturnValue:
    view = request.args.get("view", "open")
    view = view if view in ticket_list.VIEWS else "open"
    query = request.args.get("q", "").strip()[:200]
    newest_first = request.args.get("order") != "oldest"
    number = max(1, request.args.get("page", 1, type=whole_number) or 1)
    return page(
        "tickets/index.html",
        listing=ticket_list.listing(me(), view, query, min(number, 10_000), newest_first),
        view=view,
        query=query,
        newest_first=newest_first,
        tag=ticket_list.change_tag(),
        start=ticket_list.beginning() if view == "open" and not query else None,
        receiver=first_message.receiver(),
    )


@blueprint.get("/tickets/news")
def news() -> ResponseReturnValue:
    """What an open list asks every few seconds; one integer says that nothing happened."""
    since, tag = request.args.get("tag", 0, type=whole_number), ticket_list.change_tag()
    if tag <= since:
        return "", 204
    opened, touched = ticket_list.news(since)
    if not touched and not _rings():
        return "", 204
    return page("tickets/news.swap.html", opened=opened, touched=touched, tag=since, back=_here())


@blueprint.get("/tickets/<int:number>")
def show(number: int) -> ResponseReturnValue:
    ticket = _ticket(number)
    if ticket.number != number:  # it became part of another one
        return redirect(url_for("tickets.show", number=ticket.number), 302)
    tab = request.args.get("tab", "reply")
    tab = tab if tab in ("reply", "note", "history") else "reply"
    rings = rail.looked_at(ticket)
    response = page("tickets/show.html", **ticket_page(ticket, tab), copied=request.args.get("cc", ""))
    _mark_seen_later(response, ticket, rings)
    return response


@blueprint.get("/tickets/<int:number>/news")
def ticket_news(number: int) -> ResponseReturnValue:
    """Whether a customer or a colleague wrote since the page was opened, and what rings meanwhile."""
    ticket = _ticket(number)
    seen = request.args.get("seen", 0, type=whole_number)
    newer = thread.newer_messages(ticket, me(), seen)
    if newer == ("newer" in request.args) and not _rings():
        return "", 204
    tab = request.args.get("tab", "")
    return page("tickets/ticket_news.swap.html", ticket=ticket, seen=seen, newer=newer, tab=tab)


@blueprint.get("/tickets/<int:number>/earlier")
def earlier(number: int) -> ResponseReturnValue:
    """Earlier messages of a long conversation: a piece above the others, or a page of their own."""
    ticket = _ticket(number)
    tab = request.args.get("tab", "reply")
    tab = tab if tab in ("reply", "note", "history") else "reply"
    before = request.args.get("before", 0, type=whole_number)
    entries, more = thread.conversation(ticket, tab, before)
    template = "tickets/_earlier.html" if wants_fragment() else "tickets/earlier.html"
    return page(
        template, ticket=ticket, tab=tab, entries=entries, earlier_messages=more, same_mails=copies.of(ticket)
    )


@blueprint.post("/tickets/<int:number>/status")
def set_status(number: int) -> ResponseReturnValue:
    ticket = _locked(number)
    wanted = request.form.get("status", "")
    if wanted not in STATUS:
        abort(400)
    try:
        tickets.set_status(ticket, Status(wanted), me())
    except MoveRefused:
        return _changed(_ticket(number), gettext("This status does not follow from the present one."))
    return _changed(ticket, gettext("Status: %(status)s", status=STATUS[wanted]))


@blueprint.post("/tickets/<int:number>/assignee")
def set_assignee(number: int) -> ResponseReturnValue:
    ticket = _locked(number)
    wanted = request.form.get("assignee", "")
    agent = None
    if wanted:
        agent = next((agent for agent in accounts.active_agents() if str(agent.id) == wanted), None)
        if agent is None:
            abort(400)
    tickets.assign(ticket, agent, me())
    said = gettext("Assigned to %(name)s", name=agent.name) if agent else gettext("Assigned to nobody")
    return _changed(ticket, said)


@blueprint.post("/tickets/<int:number>/priority")
def set_priority(number: int) -> ResponseReturnValue:
    ticket = _locked(number)
    wanted = request.form.get("priority", "")
    if wanted not in PRIORITY:
        abort(400)
    tickets.set_priority(ticket, Priority(wanted), me())
    return _changed(ticket, gettext("Priority: %(priority)s", priority=PRIORITY[wanted]))


@blueprint.post("/tickets/<int:number>/language")
def set_language(number: int) -> ResponseReturnValue:
    ticket = _locked(number)
    wanted = request.form.get("language", "")
    if wanted not in requester_languages.offered():
        abort(400)
    tickets.set_language(ticket, wanted, me())
    return _changed(ticket, gettext("Language: %(language)s", language=requester_languages.NAMES[wanted]))


@blueprint.post("/tickets/<int:number>/tags")
def set_tags(number: int) -> ResponseReturnValue:
    ticket = _locked(number)
    tickets.set_tags(ticket, request.form.get("tags", "").split(","), me())
    return _changed(ticket, gettext("Tags saved"))


@blueprint.post("/tickets/first")
def first() -> ResponseReturnValue:
    """From the empty list: a message to the default address, through the real receiver."""
    try:
        address = first_message.deliver()
    except OSError as error:
        return go(
            url_for("tickets.index"),
            gettext("The receiver did not take the test message: %(reason)s", reason=str(error)),
        )
    said = gettext("The test message was delivered to %(address)s.", address=address)
    return go(url_for("tickets.index"), said)


def ticket_page(ticket: Ticket, tab: str, added: Added | None = None, **more: Any) -> dict[str, Any]:
    """Everything that the ticket page shows; the swaps use parts of it. `added`: see `thread.shown`."""
    spoken, same = requester_languages.offered(), copies.of(ticket)
    return {
        **thread.shown(ticket, me(), tab, added),
        "ticket": ticket,
        "tab": tab,
        "statuses": [(code, STATUS[code]) for code in (ticket.status, *ALLOWED_MOVES[ticket.status])],
        "priorities": list(PRIORITY.items()),
        "assignees": _assignees(ticket),
        "languages": list(spoken.items()),
        # One that was removed meanwhile is answered in the company's.
        "language": ticket.locale if ticket.locale in spoken else the_account().locale,
        "earlier": tickets.earlier(ticket),
        "same_mails": same,
        "related": merging.related(ticket, same),
        "open_moves": merging.open_moves(ticket) if added is None else set(),
        **more,
    }


def _assignees(ticket: Ticket) -> list[tuple[int | str | None, str]]:
    """Number and name; the group of the channel first, and a line (None) before all others."""
    agents = accounts.active_agents()
    group = groups.of_channel(ticket.channel, agents)
    others = [agent for agent in agents if agent not in group]
    people: list[tuple[int | str | None, str]] = [("", gettext("nobody"))]
    people += [(agent.id, agent.name) for agent in group]
    if group and others:
        people.append((None, ""))
    people += [(agent.id, agent.name) for agent in others]
    if ticket.assignee and ticket.assignee_id not in dict(people):
        people.append((ticket.assignee.id, ticket.assignee.name))
    return people


def _changed(ticket: Ticket, message: str) -> Response:
    back = url_for("tickets.show", number=ticket.number)
    return change("tickets/change.swap.html", back, message, **ticket_page(ticket, "reply"))


def _ticket(number: int) -> Ticket:
    return tickets.by_number(number) or abort(404)


def _locked(number: int) -> Ticket:
    return tickets.locked(number) or abort(404)


def _here() -> str:
    """The list that asked, so that »show« leads back to the same view."""
    asked = request.args
    return url_for("tickets.index", view=asked.get("view"), q=asked.get("q"), order=asked.get("order"))


def _rings() -> bool:
    """Whether the bell counts something else than the page that asks."""
    return rail.unread().count != request.args.get("bell", 0, type=whole_number)


def _mark_seen_later(response: Response, ticket: Ticket, rings: bool) -> None:
    """Reading a page writes nothing before it is sent: that the ticket was seen is noted afterwards."""
    agent_id, ticket_id, newest = me().id, ticket.id, ticket.last_inbound_id
    unread = bool(ticket_list.unread_of(me(), [ticket]))
    if not unread and not rings:
        return

    @response.call_on_close
    @in_background
    def note() -> None:
        if unread:
            tickets.mark_seen(agent_id, ticket_id, newest)
        if rings:
            read_ticket(agent_id, ticket_id)
