"""What is being written is saved while typing, and what is attached at once."""

from __future__ import annotations

from flask import Blueprint, abort, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from werkzeug.datastructures import FileStorage

from blueprints.page.access import me
from blueprints.page.bodies import takes_files
from blueprints.page.htmx import change, page
from desk.sending import replies
from desk.tickets import drafts, tickets, uploads
from models import Kind, Ticket

blueprint = Blueprint("drafts", __name__)

KINDS = {"reply": Kind.REPLY, "note": Kind.NOTE}


@blueprint.post("/tickets/<int:number>/drafts/<kind>")
def save(number: int, kind: str) -> ResponseReturnValue:
    ticket = _ticket(number)
    if not _was_sent(ticket):  # the last word of a page that is left may come after its answer
        keep(ticket, _kind(kind))
    draft = drafts.of(ticket, me(), _kind(kind))
    named = drafts.named_channels(draft)
    return page("tickets/draft.swap.html", ticket=ticket, draft=draft, named_channels=named)


@blueprint.post("/tickets/<int:number>/drafts/<kind>/files")
@takes_files
def add_files(number: int, kind: str) -> ResponseReturnValue:
    """What was attached just now; the composer lists what the draft has then."""
    ticket, which, said = _ticket(number), _kind(kind), ""
    if not _was_sent(ticket):
        keep(ticket, which)
        try:
            drafts.keep_files(ticket, me(), which, attached())
        except drafts.FilesTooLarge:
            said = gettext("The attachments are too large for one mail. Remove some of them.")
    return _files_changed(ticket, kind, said)


@blueprint.post("/tickets/<int:number>/drafts/<kind>/files/<sha256>/remove")
@takes_files
def remove_file(number: int, kind: str, sha256: str) -> ResponseReturnValue:
    """The whole composer comes along, so nothing of it is lost."""
    ticket = _ticket(number)
    keep(ticket, _kind(kind))
    drafts.drop_file(ticket, me(), _kind(kind), sha256, request.args.get("name", ""))
    return _files_changed(ticket, kind)


def keep(ticket: Ticket, kind: Kind) -> None:
    """What stands in the composer that was sent."""
    form = request.form
    drafts.save(ticket, me(), kind, form.get("body", ""), form.get("cc", ""), form.get("bcc", ""))


def attached() -> tuple[uploads.Part, ...]:
    """The files of the request."""
    given: list[FileStorage] = request.files.getlist("attachments")
    for storage in given:
        storage.stream.seek(0)
    return tuple(
        uploads.from_form(storage.filename or "", storage.read(), storage.mimetype)
        for storage in given
        if storage.filename
    )


def _was_sent(ticket: Ticket) -> bool:
    """Whether the composer of the request has sent its answer or note."""
    return replies.was_sent(ticket, me(), request.form.get("once", "")[:64])


def _files_changed(ticket: Ticket, kind: str, said: str = "") -> ResponseReturnValue:
    draft = drafts.of(ticket, me(), KINDS[kind])
    back = url_for(
        "tickets.show", number=ticket.number, tab=None if kind == "reply" else kind, _anchor="composer-text"
    )
    return change("tickets/composer_files.swap.html", back, said, draft=draft, ticket=ticket, tab=kind)


def _ticket(number: int) -> Ticket:
    return tickets.by_number(number) or abort(404)


def _kind(kind: str) -> Kind:
    return KINDS.get(kind) or abort(404)
