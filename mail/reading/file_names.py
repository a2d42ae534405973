"""File names from strangers, made safe to show, to store in a header and to save."""

from __future__ import annotations

import re
import unicodedata

MAX_BYTES = 180  # file systems stop at 255 bytes; leaves room for " (2)" and the like

_RESERVED = re.compile(r'[<>:"|?*]')
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(?=\.|$)")
_SPACES = re.compile(r"\s+")
_EXTENSIONS = {
    "application/msword": ".doc",
    "application/octet-stream": ".bin",
    "application/pdf": ".pdf",
    "application/pgp-encrypted": ".asc",
    "application/pgp-keys": ".asc",
    "application/pgp-signature": ".asc",
    "application/pkcs7-mime": ".p7m",
    "application/pkcs7-signature": ".p7s",
    "application/x-pkcs7-mime": ".p7m",
    "application/x-pkcs7-signature": ".p7s",
    "application/zip": ".zip",
    "audio/mpeg": ".mp3",
    "image/gif": ".gif",
    "image/jpeg": ".jpg",
    "image/jpg": ".jpg",
    "image/png": ".png",
    "image/svg+xml": ".svg",
    "image/tiff": ".tif",
    "image/webp": ".webp",
    "message/delivery-status": ".txt",
    "message/disposition-notification": ".txt",
    "message/rfc822": ".eml",
    "text/calendar": ".ics",
    "text/csv": ".csv",
    "text/html": ".html",
    "text/plain": ".txt",
    "text/rfc822-headers": ".txt",
    "text/vcard": ".vcf",
    "text/x-vcard": ".vcf",
}
_TYPES = {extension: media_type for media_type, extension in reversed(_EXTENSIONS.items())} | {
    ".txt": "text/plain"
}


def clean_name(name: str) -> str:
    """The last path part without control, format and bidi characters, at most `MAX_BYTES` in UTF-8.

    Empty when nothing is left. Cleaned first and cut after, so that no hidden character splits a path.
    """
    name = unicodedata.normalize("NFC", name[:4096])
    name = "".join(c for c in name if c in "\t\n\r" or unicodedata.category(c)[0] != "C")
    name = _SPACES.sub(" ", name)
    name = re.split(r"[/\\]", name.rstrip("/\\ "))[-1]
    name = _RESERVED.sub("_", name).strip(" ").lstrip(".").strip(" ").rstrip(". ")
    if _DEVICES.match(name):
        name = "_" + name
    return _shortened(name)


def type_of_name(name: str) -> str:
    """The media type that a file's name suggests, for files that came without one."""
    _stem, dot, extension = name.rpartition(".")
    return _TYPES.get(dot + extension.lower(), "application/octet-stream")


def made_up_name(media_type: str, number: int) -> str:
    """A name for a part that has none: its role in the mail and an extension by its type."""
    stem = "message" if media_type == "message/rfc822" else media_type.partition("/")[0]
    stem = stem if stem in ("image", "audio", "video", "message") else "attachment"
    return f"{stem}-{number}{_EXTENSIONS.get(media_type, '.bin')}"


def _shortened(name: str) -> str:
    if len(name.encode()) <= MAX_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension.encode()) > 20:
        stem, extension = name, ""
    room = MAX_BYTES - len((dot + extension).encode() if extension else b"")
    stem = stem.encode()[:room].decode("utf-8", "ignore").rstrip()
    return stem + (dot + extension if extension else "")
