"""Files of messages, the mail's HTML in its frame, and the original. All authorised through their ticket."""

from __future__ import annotations

from io import BytesIO

from flask import Blueprint, Response, abort, render_template, request, send_file
from flask.typing import ResponseReturnValue

from desk import files
from models import Attachment, Message, db

blueprint = Blueprint("attachments", __name__)

# Nothing that a stranger sent may run or load anything, wherever it is opened.
LOCKED = "default-src 'none'; sandbox"


@blueprint.get("/attachments/<int:attachment_id>")
def download(attachment_id: int) -> ResponseReturnValue:
    """Any file: only ever as a download."""
    attachment = db.session.get(Attachment, attachment_id) or abort(404)
    return sent(
        files.content(attachment.sha256), attachment.name, "application/octet-stream", as_download=True
    )


@blueprint.get("/attachments/<int:attachment_id>/inline")
def inline(attachment_id: int) -> ResponseReturnValue:
    """A picture inside a page, if its bytes say that it is one."""
    attachment = db.session.get(Attachment, attachment_id) or abort(404)
    if not attachment.shown_as:
        abort(404)
    return sent(files.content(attachment.sha256), attachment.name, attachment.shown_as, as_download=False)


@blueprint.get("/messages/<int:message_id>/frame")
def frame(message_id: int) -> ResponseReturnValue:
    """The mail's HTML, cleaned at ingest, as a document of its own that may run nothing."""
    message = db.session.get(Message, message_id) or abort(404)
    remote = request.args.get("images") == "1"
    html = files.with_remote_images(message) if remote else message.html
    response = Response(render_template("tickets/frame.html", html=html, message=message, remote=remote))
    images = "'self' data: https: http:" if remote else "'self' data:"
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; img-src {images}; style-src 'self' 'unsafe-inline'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'self'; "
        "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"
    )
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


@blueprint.get("/messages/<int:message_id>/original")
def original(message_id: int) -> ResponseReturnValue:
    """The mail byte for byte as it came (or left)."""
    message = db.session.get(Message, message_id) or abort(404)
    digest = files.original(message) or abort(404)
    return sent(
        files.content(digest), f"ticket-{message.ticket.number}-{message.id}.eml", "message/rfc822", True
    )


def sent(content: bytes | None, name: str, media_type: str, as_download: bool) -> Response:
    if content is None:
        abort(404)
    response = send_file(
        BytesIO(content), mimetype=media_type, as_attachment=as_download, download_name=name, max_age=0
    )
    response.headers["Content-Security-Policy"] = LOCKED
    response.headers["Cache-Control"] = "private, no-store" if as_download else "private, max-age=3600"
    return response
