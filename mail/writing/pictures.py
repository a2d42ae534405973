"""What the bytes of a picture say: which of the kinds that every mail program shows, and how large it is."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

MOST_PIXELS = 10_000  # in one direction


@dataclass(frozen=True, slots=True)
class Picture:
    """`type` is image/png, image/jpeg or image/gif; the sides are pixels, at least 1."""

    type: str
    width: int
    height: int


def read_picture(data: bytes) -> Picture | None:
    """None for what breaks off before its end, and for all other kinds.

    That is WebP, which Outlook on Windows does not show, and SVG, which can hold scripts.
    """
    for kind, sides in (("png", _png(data)), ("gif", _gif(data)), ("jpeg", _jpeg(data))):
        if sides is not None and all(0 < side <= MOST_PIXELS for side in sides):
            return Picture(f"image/{kind}", *sides)
    return None


def _png(data: bytes) -> tuple[int, int] | None:
    if not data.startswith(b"\x89PNG\r\n\x1a\n") or data[12:16] != b"IHDR" or b"IEND\xaeB`\x82" not in data:
        return None
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def _gif(data: bytes) -> tuple[int, int] | None:
    if not data.startswith((b"GIF87a", b"GIF89a")) or not data.rstrip(b"\0").endswith(b";"):
        return None
    width, height = struct.unpack("<HH", data[6:10])
    return width, height


def _jpeg(data: bytes) -> tuple[int, int] | None:
    """The first frame header (ITU T.81, annex B): SOF0 to SOF15 without DHT, JPG and DAC."""
    at = 2 if data.startswith(b"\xff\xd8\xff") and b"\xff\xd9" in data else len(data)
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def ink_on(colour: str) -> str:
    """Black or white, whichever is read better on `#rrggbb`: one of them always has a contrast above 4.5:1."""
    light = luminance(colour)
    return "#000000" if (light + 0.05) / 0.05 >= 1.05 / (light + 0.05) else "#ffffff"


def luminance(colour: str) -> float:
    """From 0 for black to 1 for white (WCAG 2, relative luminance). Raises ValueError."""
    if not re.fullmatch(r"#[0-9a-f]{6}", colour, re.I | re.A):
        raise ValueError("a colour is # and six hexadecimal digits")
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
