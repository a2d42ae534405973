"""Disk or database are at fault, not the work: it waits, and is taken up again when they are well."""

from __future__ import annotations

from sqlalchemy.exc import InterfaceError, OperationalError


def is_trouble(error: Exception) -> bool:
    """Whether waiting may help."""
    if isinstance(error, FileNotFoundError):
        return False  # the blob is gone: no waiting brings it back
    return isinstance(error, OSError | OperationalError | InterfaceError)
