"""Tickets that belong together, mails that do not, and who takes part: one click each, and the way back."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from blueprints.page.access import me
from blueprints.page.htmx import go, invalid, page
from desk.tickets import merging, thread, tickets
from desk.tickets.merging import MergeRefused
from desk.tickets.requester import admit as let_in
from desk.tickets.requester import give_back, take_over
from models import Kind, Message, Ticket

blueprint = Blueprint("merging", __name__)


@blueprint.get("/tickets/<int:number>/merge")
def choose(number: int) -> ResponseReturnValue:
    """Which ticket this one belongs to: those that come to mind, or a number."""
    return page("merging/choose.html", **_choice(number))


@blueprint.post("/tickets/<int:number>/merge")
def merge(number: int) -> ResponseReturnValue:
    into = request.form.get("into", "").strip().lstrip("#")
    wanted = int(into) if into.isascii() and into.isdigit() and len(into) < 10 else 0
    # The lower number first, so that two agents who merge crosswise do not wait for each other.
    both = {one: tickets.locked(one) for one in sorted({number, wanted}) if one}
    source = both.get(number) or abort(404)
    try:
        merging.merge(source, both.get(wanted), me())
    except MergeRefused as error:
        return invalid("merging/choose.html", **_choice(number), error=_sentence(error.code), typed=into)
    said = gettext(
        "#%(old)s is now part of this ticket. You can undo this in the conversation.", old=source.number
    )
    return go(url_for("tickets.show", number=tickets.standing(source).number), said)


@blueprint.post("/messages/<int:message_id>/split")
def split(message_id: int) -> ResponseReturnValue:
    message = _mail(message_id)
    before = message.ticket.number
    try:
        ticket = merging.split(message, me())
    except MergeRefused as error:
        return go(url_for("tickets.show", number=before), _sentence(error.code))
    said = gettext(
        "The message is now a ticket of its own. You can undo this in ticket #%(old)s.", old=before
    )
    return go(url_for("tickets.show", number=ticket.number), said)


@blueprint.post("/moves/<int:move_id>/undo")
def undo(move_id: int) -> ResponseReturnValue:
    move = merging.held_move(move_id) or abort(404)
    back = url_for("tickets.show", number=move.target.number)
    try:
        ticket = merging.undo(move, me())
    except MergeRefused as error:
        return go(back, _sentence(error.code))
    said = gettext("Taken back: the messages are in ticket #%(number)s again.", number=ticket.number)
    return go(url_for("tickets.show", number=ticket.number), said)


@blueprint.post("/messages/<int:message_id>/admit")
def admit(message_id: int) -> ResponseReturnValue:
    message = _mail(message_id)
    let_in(message, me())
    said = gettext("%(address)s takes part in this ticket now.", address=message.from_address)
    return go(_at(message), said)


@blueprint.post("/messages/<int:message_id>/requester")
def requester(message_id: int) -> ResponseReturnValue:
    """The author of a forwarded mail becomes the requester; `back` makes it whoever sent it again."""
    message = _mail(message_id)
    if not message.forwarded_from:
        abort(404)
    if request.form.get("back"):
        give_back(message, me())
    else:
        take_over(message, me())
    said = gettext("Requester: %(address)s", address=message.ticket.contact.address)
    return go(_at(message), said)


def _choice(number: int) -> dict[str, Any]:
    ticket: Ticket = tickets.by_number(number) or abort(404)
    near = [other for _, other in merging.related(ticket)]
    near += [other for other in tickets.earlier(ticket, limit=10) if other not in near]
    return {"ticket": ticket, "near": near}


def _mail(message_id: int) -> Message:
    return thread.message(message_id, Kind.INBOUND) or abort(404)


def _at(message: Message) -> str:
    return url_for("tickets.show", number=message.ticket.number, _anchor=f"message-{message.id}")


def _sentence(code: str) -> str:
    return {
        "unknown": gettext("There is no ticket of this number."),
        "itself": gettext("This is the same ticket. Enter the number of another one."),
        "only_message": gettext("This is the only message of the ticket, so there is nothing to split off."),
        "no_mail": gettext("Only a mail that came in can be split off."),
        "moved_on": gettext("The messages were moved again since. Undo the later step first."),
        "undone": gettext("This was taken back already."),
    }[code]
