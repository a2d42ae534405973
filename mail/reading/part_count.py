"""How many parts a mail has at its ends, attached mails opened: what a mail client lists as parts."""

from __future__ import annotations

from mail.reading.mime import MAX_DEPTH, Entity, skeleton
from mail.reading.transfer_encodings import base64_bytes

_MAILS = ("message/rfc822", "message/global")


def count_leaves(raw: bytes) -> int:
    """Parts that are neither a container nor an attached mail. A container without any part counts nothing."""
    if b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")
    return _leaves(raw, skeleton(raw).root)


def _leaves(raw: bytes, entity: Entity) -> int:
    if entity.children:
        return sum(_leaves(raw, child) for child in entity.children)
    if entity.hollow:
        return 0
    if entity.type in _MAILS and entity.depth < MAX_DEPTH:
        inner = raw[entity.start : entity.end]
        if entity.get("content-transfer-encoding").strip().lower() == b"base64":
            inner = base64_bytes(inner)
        return _leaves(inner, skeleton(inner, entity.depth + 1).root)
    return 1
