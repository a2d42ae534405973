"""What reading and judging would make of mail files: for support and scripts. Stores nothing, asks no database."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from desk.office import NotSetUp, office, signing_key
from mail.explain import explain
from models import db


def explain_files(paths: Iterable[str]) -> Iterator[dict[str, Any]]:
    """One object per file, in order; what cannot be read has `file` and `error` only."""
    key = _key()
    for path in paths:
        try:
            raw = Path(path).read_bytes()
        except (OSError, ValueError) as error:
            yield {"file": _shown(path), "error": getattr(error, "strerror", None) or str(error)}
            continue
        yield {"file": _shown(path), **explain(raw, key)}


def _shown(path: str) -> str:
    """File names are bytes; those that are no text must not break the output."""
    return os.fsencode(path).decode("utf-8", "replace")


def _key() -> bytes:
    """Of this installation, if it is set up; else one that nothing can be signed with."""
    file = make_url(office().settings.database_url).database or ""
    if office().settings.is_sqlite and not Path(file).exists():
        return secrets.token_bytes(32)  # asking would make the file
    try:
        return signing_key()
    except (NotSetUp, SQLAlchemyError):
        return secrets.token_bytes(32)
    finally:
        db.session.rollback()
