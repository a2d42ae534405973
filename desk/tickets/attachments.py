"""Files of a message: their bytes go to the blob store before their rows exist."""

from __future__ import annotations

from collections.abc import Iterable

from desk.office import office
from mail.types import Part
from models import Attachment

# Only these are ever shown inside a page, and only if their bytes say so.
_PICTURES = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF87a", 0, "image/gif"),
    (b"GIF89a", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
)


def add_attachments(parts: Iterable[Part]) -> list[Attachment]:
    """Store the bytes durably and describe them; the caller puts the rows to their message."""
    parts = tuple(parts)
    digests = office().blobs.put_all([part.data for part in parts])
    return [
        Attachment(
            sha256=digest,
            name=part.name[:255],
            type=part.type[:127],
            size=len(part.data),
            content_id=part.content_id[:998],
            inline=part.inline,
            shown_as=picture_type(part.data),
        )
        for part, digest in zip(parts, digests, strict=True)
    ]


def picture_type(data: bytes) -> str:
    """The media type that the bytes prove, or an empty string: then it is only downloaded."""
    return next((kind for magic, at, kind in _PICTURES if data[at : at + len(magic)] == magic), "")
