"""Bytes behind messages: attachments, originals, and mail HTML with its remote images."""

from __future__ import annotations

from desk.office import office
from mail.clean import show_remote
from models import Message


def content(digest: str) -> bytes | None:
    """The bytes of a blob, or None where a restore forgot it."""
    try:
        return office().blobs.get(digest)
    except FileNotFoundError:
        return None


def original(message: Message) -> str:
    """The digest of the raw mail that a message came or left as; empty for a note."""
    if message.inbound is not None:
        return message.inbound.sha256
    return message.outbound.sha256 if message.outbound is not None else ""


def with_remote_images(message: Message) -> str:
    """The mail's HTML with the images that were held back, after a person asked for them."""
    return show_remote(message.html)
