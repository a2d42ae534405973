"""Bytes behind messages: attachments, originals, and mail HTML with its remote images."""

from __future__ import annotations

import re

from desk.office import office
from mail.showing.clean import show_remote
from models import Attachment, Message, db

MAX_HEADERS = 256 * 1024  # bytes


def attachment(attachment_id: int) -> Attachment | None:
    return db.session.get(Attachment, attachment_id)


def content(digest: str) -> bytes | None:
    """The bytes of a blob, or None where a restore forgot it or there never was one: a note has no original."""
    if not digest:
        return None
    try:
        return office().blobs.get(digest)
    except FileNotFoundError:
        return None


def original(message: Message) -> str:
    """The digest of the raw mail that a message came or left as; empty for a note."""
    if message.inbound is not None:
        return message.inbound.sha256
    return message.outbound.sha256 if message.outbound is not None else ""


def header_lines(message: Message) -> str:
    """The header block of the original as it stands there, encoded words and all."""
    raw = content(original(message)) or b""
    head = re.split(rb"\r?\n\r?\n", raw[:MAX_HEADERS], maxsplit=1)[0]
    return head.decode("utf-8", "replace").replace("\r\n", "\n").replace("\0", "")


def remember_images(message: Message, shown: bool) -> None:
    """Whether this message shows its remote images from now on, to all agents."""
    message.images_shown = shown
    db.session.commit()


def with_remote_images(message: Message) -> str:
    """The mail's HTML with the images that were held back, after a person asked for them."""
    return show_remote(message.html)
