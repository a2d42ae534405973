"""Values that ride in an address: how a frame shows what was typed in the form beside it and is saved nowhere."""

from __future__ import annotations

import json
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from typing import Any

LONGEST = 6000  # characters that every proxy lets through, with the rest of the address
LARGEST = 20 * LONGEST  # bytes that may come out of so many characters


def packed(values: Sequence[str | int | bool | None]) -> str:
    """The values as text for an address; empty where that would be too long."""
    content = json.dumps(values, ensure_ascii=False).encode(errors="replace")
    text = urlsafe_b64encode(zlib.compress(content)).decode()
    return text if len(text) <= LONGEST else ""


def unpacked(text: str) -> list[Any] | None:
    """What `packed` was given, or None: anybody can write an address, so nothing about the values is certain."""
    try:
        content = zlib.decompressobj().decompress(urlsafe_b64decode(text[:LONGEST]), LARGEST)
        values = json.loads(content)
        json.dumps(values, ensure_ascii=False).encode()  # JSON can spell half a character, and no mail can
    except (zlib.error, NotBase64, ValueError, RecursionError):
        return None
    return values if isinstance(values, list) else None
