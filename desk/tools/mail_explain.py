"""What reading and judging would make of mail files: for support and scripts. Stores nothing."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from desk.office import NotSetUp, office, signing_key
from desk.receiving.explanations import of_file
from mail.explain import explain
from models import Channel, db


def explain_files(paths: Iterable[str], channel: Channel | None = None) -> Iterator[dict[str, Any]]:
    """One object per file, in order; what cannot be read has `file` and `error` only.

    With a `channel` the database is asked, and `decision` says what would become of the mail if it came there now.
    """
    key = _key()
    for path in paths:
        try:
            raw = Path(path).read_bytes()
        except (OSError, ValueError) as error:
            yield {"file": _shown(path), "error": getattr(error, "strerror", None) or str(error)}
            continue
        decided = {"decision": asdict(of_file(raw, channel))} if channel is not None else {}
        yield {"file": _shown(path), **explain(raw, key), **decided}


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
