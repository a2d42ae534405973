"""What is being written is saved while typing."""

from __future__ import annotations

from flask import Blueprint, abort, request
from flask.typing import ResponseReturnValue

from blueprints.page.access import me
from blueprints.page.htmx import page
from desk.tickets import drafts, tickets
from models import Kind, Ticket

blueprint = Blueprint("drafts", __name__)

KINDS = {"reply": Kind.REPLY, "note": Kind.NOTE}


@blueprint.post("/tickets/<int:number>/drafts/<kind>")
def save(number: int, kind: str) -> ResponseReturnValue:
    ticket = tickets.by_number(number) or abort(404)
    if kind not in KINDS:
        abort(404)
    keep(ticket, KINDS[kind])
    draft = drafts.of(ticket, me(), KINDS[kind])
    named = drafts.named_channels(draft)
    return page("tickets/draft.swap.html", ticket=ticket, draft=draft, named_channels=named)


def keep(ticket: Ticket, kind: Kind) -> None:
    """What stands in the composer that was sent."""
    form = request.form
    drafts.save(ticket, me(), kind, form.get("body", ""), form.get("cc", ""), form.get("bcc", ""))
