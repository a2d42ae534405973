"""Answers and notes: written, undone, sent again."""

from __future__ import annotations

from contextlib import suppress

from flask import Blueprint, Response, abort, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from blueprints.page.access import me
from blueprints.page.bodies import takes_files
from blueprints.page.htmx import change, go, invalid, page, wants_fragment
from blueprints.page.numbers import whole_number
from blueprints.tickets import drafts as draft_views
from blueprints.tickets.tickets import ticket_page
from desk.batch_cache import same_for_a_batch
from desk.channels import channels
from desk.office import let_go, reading, relay
from desk.sending import outbox, replies, undo_and_resend
from desk.sending.replies import ReplyRefused, Written
from desk.tickets import drafts, thread, tickets, uploads
from desk.tickets.thread import Added
from models import Kind, MailState, Message, Status, Ticket

blueprint = Blueprint("replies", __name__)

THEN = {"resolved": Status.RESOLVED, "waiting": Status.WAITING}


@blueprint.post("/tickets/<int:number>/replies")
@takes_files
@same_for_a_batch(anew=False)
def create(number: int) -> ResponseReturnValue:
    ticket, then = _locked(number), THEN.get(request.form.get("then", ""))
    try:
        sent = replies.send_reply(ticket, me(), _written(Kind.REPLY), then)
    except ReplyRefused as error:
        return _refused(ticket, "reply", error)
    return _done(ticket, "reply", sent.added, _also_filed(sent.message))


@blueprint.post("/tickets/<int:number>/notes")
@takes_files
@same_for_a_batch(anew=False)
def create_note(number: int) -> ResponseReturnValue:
    ticket = _locked(number)
    try:
        note = replies.add_note(ticket, me(), _written(Kind.NOTE))
    except ReplyRefused as error:
        return _refused(ticket, "note", error)
    return _done(ticket, "note", Added(note))


@blueprint.get("/messages/<int:message_id>/delivery")
def delivery(message_id: int) -> ResponseReturnValue:
    """The state of a sent answer; it asks by itself while it moves."""
    return page("tickets/_delivery.html", message=_reply(message_id))


@blueprint.post("/messages/<int:message_id>/undo")
def undo(message_id: int) -> ResponseReturnValue:
    message = _reply(message_id)
    ticket = message.ticket
    back = url_for("tickets.show", number=ticket.number)
    if not undo_and_resend.undo(message, me()):
        said = gettext("It is too late to undo: the reply has left.")
        return change("replies/delivery.swap.html", back, said, message=_reply(message_id))
    said = gettext("The reply was not sent. Your text is back in the composer.")
    return change("replies/undo.swap.html", back, said, message=message, **ticket_page(ticket, "reply"))


@blueprint.post("/messages/<int:message_id>/change")
def change_and_send(message_id: int) -> ResponseReturnValue:
    """»Ändern und senden«: the text of a reply that did not arrive goes into the composer."""
    message = _reply(message_id)
    if message.outbound is None or message.outbound.state != MailState.FAILED:
        abort(404)
    undo_and_resend.change_and_send(message, me())
    said = gettext("The text is in the composer. Change it and send it as a new reply.")
    return go(url_for("tickets.show", number=message.ticket.number, _anchor="composer"), said)


@blueprint.post("/messages/<int:message_id>/resend")
def resend(message_id: int) -> ResponseReturnValue:
    """»Erneut senden« after a failure, »Jetzt senden« for what was kept without an outgoing server."""
    message = _reply(message_id)
    mail = message.outbound or abort(404)
    if relay() is None and not (mail.channel and mail.channel.is_own):
        said = gettext("No outgoing server is set up. The reply is kept until there is one.")
    else:
        outbox.send_again(mail)
        said = gettext("The reply is being sent.")
    back = url_for("tickets.show", number=message.ticket.number)
    return change("replies/delivery.swap.html", back, said, message=message)


def _also_filed(reply: Message) -> str:
    """Where else an answer is filed whose readers are channels of ours."""
    named = channels.named_by(entry["address"] for entry in (*reply.cc, *reply.bcc))
    others = ", ".join(channel.key for channel in named if channel.id != reply.ticket.channel_id)
    return (
        gettext("The answer is filed in %(channels)s too; nobody is notified.", channels=others)
        if others
        else ""
    )


def _done(ticket: Ticket, tab: str, added: Added, said: str = "") -> Response:
    message = added.message
    said = said if tab == "reply" else gettext("The note was saved.")
    back = url_for(
        "tickets.show",
        number=ticket.number,
        tab=None if tab == "reply" else tab,
        _anchor=f"message-{message.id}" if tab == "reply" else f"note-{message.id}",
    )
    with reading():  # it is written: nobody waits for our page, least of all who sends the reply
        shown = ticket_page(ticket, tab, added) if wants_fragment() else {}
        return change("replies/create.swap.html", back, said, message=message, focus=message.id, **shown)


def _refused(ticket: Ticket, tab: str, error: ReplyRefused) -> Response:
    """The composer again with what was typed; what was attached waits in the draft."""
    let_go()  # a wrong address was noticed with the ticket held
    kind = Kind.NOTE if tab == "note" else Kind.REPLY
    draft_views.keep(ticket, kind)
    with suppress(drafts.FilesTooLarge):  # the sentence says so, and the browser still has them
        drafts.keep_files(ticket, me(), kind, draft_views.attached())
    status = 409 if error.code == "newer_message" else 422
    context = ticket_page(ticket, tab, errors={error.field: [_sentence(error)]})
    if wants_fragment():
        return invalid("replies/refused.swap.html", status, **context)
    return invalid("tickets/show.html", status, **context)


def _written(kind: Kind) -> Written:
    """Raises ReplyRefused for a wrong address."""
    form = request.form
    body, as_html = form.get("body", ""), form.get("format") == "html"
    return Written(
        text="" if as_html else body,
        html=body if as_html else "",
        cc=_addresses("cc") if kind == Kind.REPLY else (),
        bcc=_addresses("bcc") if kind == Kind.REPLY else (),
        files=draft_views.attached(),
        kept_files=tuple(form.getlist("kept")),
        seen=form.get("seen", 0, type=whole_number),
        once=form.get("once", "")[:64],
    )


def _addresses(field: str) -> tuple[uploads.Address, ...]:
    try:
        return uploads.addresses(request.form.get(field, ""))
    except uploads.AddressError as error:
        raise ReplyRefused("address", field, error.text) from error


def _sentence(error: ReplyRefused) -> str:
    return {
        "address": gettext("This is not an e-mail address: %(text)s", text=error.words),
        "empty": gettext("Write something first."),
        "no_recipient": gettext("This ticket has no address to answer to."),
        "too_large": gettext("The attachments are too large for one mail. Remove some of them."),
        "files_changed": gettext(
            "The files of your draft have changed in another window. Look at them, then send again."
        ),
        "newer_message": gettext(
            "Meanwhile something new was written in this ticket; it is shown above. "
            "Your text was not sent. Read it, then send again."
        ),
    }[error.code]


def _locked(number: int) -> Ticket:
    return tickets.locked(number) or abort(404)


def _reply(message_id: int) -> Message:
    return thread.message(message_id, Kind.REPLY) or abort(404)
