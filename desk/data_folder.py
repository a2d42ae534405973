"""The data folder: customers' mail, secrets and the key, for the user that Poststelle runs as and for nobody else.

What guards it is the folder's own mode: nobody else passes it, so the files below need no look, however many there
are. The few that others may have made readable, and could move or copy away, are mended at each start as well: the
database, the key, the folders of mails and of backups, and the backups. Mails are written with a mode of their own
(models/blobs.py), and everything else under `UMASK`.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.engine import make_url

from config import Settings, SettingsError

log = logging.getLogger(__name__)

UMASK = 0o077  # what the process makes is for its user alone
FOLDER, FILE = 0o700, 0o600
BESIDE = ("", "-wal", "-shm", "-journal")  # of a SQLite database; SQLite gives them the database's own mode


def prepare(settings: Settings) -> None:
    """Make it, see that it can be written to, and shut it for others, whatever it was before.

    What cannot be changed stays as it is, with a warning. Raises SettingsError with a sentence where it is of no use.
    """
    try:
        settings.data.mkdir(mode=FOLDER, parents=True, exist_ok=True)
        _shut(settings.data, FOLDER)
        probe = settings.data / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise SettingsError(
            f"The data folder {settings.data} cannot be written to ({error.strerror}). "
            "Set POSTSTELLE_DATA to a folder that this user may write to."
        ) from error
    for path, mode in _private(settings):
        _shut(path, mode)


def make_database(settings: Settings) -> None:
    """An empty file for SQLite where there is none: its mode is the one of -wal and -shm too, whatever the umask."""
    database = _database_file(settings)
    if database is not None and database.parent.is_dir() and not database.exists():
        os.close(os.open(database, os.O_RDWR | os.O_CREAT, FILE))


def _database_file(settings: Settings) -> Path | None:
    """SQLite's file, wherever it lies; None for PostgreSQL and for a database in memory."""
    name = make_url(settings.database_url).database if settings.is_sqlite else None
    return Path(name) if name and name != ":memory:" else None


def _private(settings: Settings) -> Iterator[tuple[Path, int]]:
    backups, database = settings.data / "backups", _database_file(settings)
    yield from ((settings.blobs, FOLDER), (backups, FOLDER), (settings.data / "secret.key", FILE))
    yield from ((path, FILE) for path in backups.glob("*.db"))
    if database is not None:
        yield from ((database.with_name(database.name + end), FILE) for end in BESIDE)


def _shut(path: Path, mode: int) -> None:
    try:
        found = path.stat().st_mode
        if found & stat.S_ISVTX:  # everybody's folder, as /tmp: shutting it would hurt others
            log.warning("%s is a folder that all users share; give Poststelle one of its own", path)
        elif found & ~mode & 0o777:
            path.chmod(mode)
    except FileNotFoundError:
        return
    except OSError as error:
        log.warning("%s may be read by others, and this user cannot change it: %s", path, error.strerror)
