"""Files and addresses that a person gives, as values of the mail engine."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from mail.reading.addresses import AddressError as AddressError  # views know the desk alone
from mail.reading.addresses import split_addresses
from mail.reading.file_names import clean_name
from mail.types import Address, Part

# So much of the largest mail (POSTSTELLE_MAX_MAIL_MB) may be files of one answer: base64 adds a third.
SHARE = 0.7


def addresses(text: str) -> tuple[Address, ...]:
    """Addresses as typed, separated by commas or semicolons. Raises AddressError that names the bad one."""
    return split_addresses(text) if text.strip() else ()


def from_form(name: str, data: bytes, declared: str = "") -> Part:
    """A file of a form. Its type is guessed from its name where the browser gives none."""
    name = clean_name(name) or "file"
    guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
    kind = declared.partition(";")[0].strip().lower()
    return Part(name, kind if "/" in kind else guessed, data)


def from_disk(path: str) -> Part:
    return from_form(Path(path).name, Path(path).read_bytes())
