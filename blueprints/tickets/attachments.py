"""Files of messages, the mail's HTML in its frame, and the original. All authorised through their ticket."""

from __future__ import annotations

from io import BytesIO

from flask import Blueprint, Response, abort, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from blueprints.page.htmx import change, go, page, wants_fragment
from blueprints.page.mail_sheet import WITH_LINKS, mail_sheet
from desk import files
from desk.mailroom import raw_mail
from desk.receiving import attached_parts
from desk.tickets import thread
from models import Attachment, Message

blueprint = Blueprint("attachments", __name__)

# Nothing that a stranger sent may run or load anything, wherever it is opened.
LOCKED = "default-src 'none'; sandbox"


@blueprint.get("/attachments/<int:attachment_id>")
def download(attachment_id: int) -> ResponseReturnValue:
    """Any file: only ever as a download."""
    attachment = _attachment(attachment_id)
    return sent(
        files.content(attachment.sha256), attachment.name, "application/octet-stream", as_download=True
    )


@blueprint.get("/attachments/<int:attachment_id>/inline")
def inline(attachment_id: int) -> ResponseReturnValue:
    """A picture inside a page, if its bytes say that it is one."""
    attachment = _attachment(attachment_id)
    if not attachment.shown_as:
        abort(404)
    return sent(files.content(attachment.sha256), attachment.name, attachment.shown_as, as_download=False)


@blueprint.get("/attachments/<int:attachment_id>/mail")
def mail(attachment_id: int) -> ResponseReturnValue:
    """An attached mail as a message; `part` leads to one that is attached to it in turn."""
    attachment = _attachment(attachment_id)
    opened = attached_parts.attached_mail(attachment, _way()) or abort(404)
    template = "tickets/_attached_mail_text.html" if wants_fragment() else "tickets/attached_mail.html"
    return page(template, opened=opened, attachment=attachment, way=request.args.get("part", ""))


@blueprint.get("/attachments/<int:attachment_id>/mail/file")
def mail_file(attachment_id: int) -> ResponseReturnValue:
    """A file of an attached mail: only ever as a download."""
    attachment = _attachment(attachment_id)
    part = attached_parts.attached_part(attachment, _way()) or abort(404)
    return sent(part.data, part.name, "application/octet-stream", as_download=True)


@blueprint.get("/messages/<int:message_id>/frame")
def frame(message_id: int) -> ResponseReturnValue:
    """The mail's HTML, cleaned at ingest, as a document of its own that may run nothing."""
    message = _message(message_id)
    remote = message.images_shown or request.args.get("images") == "1"
    html = files.with_remote_images(message) if remote else message.html
    document = render_template("tickets/frame.html", html=html, message=message, remote=remote)
    return mail_sheet(document, "'self' data: https: http:" if remote else "'self' data:", WITH_LINKS)


@blueprint.post("/messages/<int:message_id>/images")
def remember_images(message_id: int) -> ResponseReturnValue:
    """Remote images of this message from now on, or no longer."""
    message = _message(message_id)
    files.remember_images(message, request.form.get("shown") == "1")
    back = url_for("tickets.show", number=message.ticket.number, _anchor=f"message-{message.id}")
    return change("tickets/images.swap.html", back, message=message)


@blueprint.get("/messages/<int:message_id>/headers")
def headers(message_id: int) -> ResponseReturnValue:
    """The header lines of the mail as it came (or left)."""
    message = _message(message_id)
    if not files.original(message):
        abort(404)  # a note came by no mail
    if not (lines := raw_mail.shown(files.header_lines(message))):
        return _gone(message)
    about = gettext("The header lines of the mail as they stand in the original.")
    return page(
        "tickets/raw.html",
        message=message,
        lines=raw_mail.shown(lines),
        heading=gettext("Headers"),
        about=about,
    )


@blueprint.get("/messages/<int:message_id>/text")
def whole_text(message_id: int) -> ResponseReturnValue:
    """A text that is too long for the conversation, to its last character."""
    message = _message(message_id)
    heading = message.subject or gettext("(no subject)")
    about = gettext("The whole text of the message.")
    return page("tickets/raw.html", message=message, lines=message.text, heading=heading, about=about)


@blueprint.get("/messages/<int:message_id>/original")
def original(message_id: int) -> ResponseReturnValue:
    """The mail byte for byte as it came (or left)."""
    message = _message(message_id)
    digest = files.original(message) or abort(404)
    raw = files.content(digest)
    if raw is None:
        return _gone(message)
    return sent(raw, f"ticket-{message.ticket.number}-{message.id}.eml", "message/rfc822", True)


def _attachment(attachment_id: int) -> Attachment:
    return files.attachment(attachment_id) or abort(404)


def _message(message_id: int) -> Message:
    return thread.message(message_id) or abort(404)


def _gone(message: Message) -> ResponseReturnValue:
    """The message stays for ever, the bytes as they came only for a while."""
    back = url_for("tickets.show", number=message.ticket.number, _anchor=f"message-{message.id}")
    return go(back, gettext("The raw mail is no longer kept. The message and its attachments stay."))


def _way() -> tuple[int, ...]:
    """The numbers of parts in `part=0.2.1`."""
    numbers = [number for number in request.args.get("part", "")[:60].split(".") if number]
    if not all(number.isascii() and number.isdigit() for number in numbers):
        abort(404)
    return tuple(int(number) for number in numbers)


def sent(content: bytes | None, name: str, media_type: str, as_download: bool) -> Response:
    if content is None:
        abort(404)
    response = send_file(
        BytesIO(content), mimetype=media_type, as_attachment=as_download, download_name=name, max_age=0
    )
    response.headers["Content-Security-Policy"] = LOCKED
    # A picture too: whoever uses the machine after an agent has signed out finds nothing.
    response.headers["Cache-Control"] = "private, no-store"
    return response
