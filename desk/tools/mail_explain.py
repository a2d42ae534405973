"""What reading and judging would make of mail files: for support and scripts. Stores nothing."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from desk.batch_cache import same_for_a_batch
from desk.channels import channels
from desk.office import NotSetUp, office, signing_key
from desk.receiving.explanations import if_it_came
from mail.explain import explain
from mail.safe_reading import Reading
from models import Channel, db
from models.base import reading


def explain_files(paths: Iterable[str], channel: int | None = None) -> Iterator[dict[str, Any]]:
    """One object per file, in order; what cannot be read has `file` and `error` only.

    With the id of a `channel` the database is asked, and `decision` says what would become of the mail if it
    came there now. Nothing is locked or open between two files.
    """
    key = _key()
    for path in paths:
        try:
            raw = Path(path).read_bytes()
        except (OSError, ValueError) as error:
            yield {"file": _shown(path), "error": getattr(error, "strerror", None) or str(error)}
            continue
        decide = partial(_decided, channel) if channel is not None else None
        yield {"file": _shown(path), **explain(raw, key, decide)}


def channel_id(name: str) -> int:
    """Of the channel of that ID. Raises NotSetUp where there is no database yet, LookupError for an unknown one."""
    if not _has_database():
        raise NotSetUp
    with reading():
        found = channels.by_key(name)
        if found is None:
            raise LookupError(name)
        return found.id


def _decided(channel: int, read: Reading) -> dict[str, Any]:
    with reading(), same_for_a_batch():
        return asdict(if_it_came(read, db.session.get_one(Channel, channel)))


def _shown(path: str) -> str:
    """File names are bytes; those that are no text must not break the output."""
    return os.fsencode(path).decode("utf-8", "replace")


def _key() -> bytes:
    """Of this installation, if it is set up; else one that nothing can be signed with."""
    if not _has_database():
        return secrets.token_bytes(32)
    try:
        return signing_key()
    except (NotSetUp, SQLAlchemyError):
        return secrets.token_bytes(32)
    finally:
        db.session.rollback()


def _has_database() -> bool:
    """Asking would make the file of SQLite."""
    file = make_url(office().settings.database_url).database or ""
    return not office().settings.is_sqlite or Path(file).exists()
