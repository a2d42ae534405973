"""The database is brought up to date at every start: under a lock, after a copy of a SQLite file."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask_migrate import upgrade
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from config import ROOT, SettingsError
from desk import data_folder
from desk.office import office
from models import db

MIGRATIONS = ROOT / "migrations"


def bring_up_to_date() -> bool:
    """Run the migrations that are missing; True if there were any.

    Raises SettingsError if the database cannot be reached or was written by a newer version.
    """
    with _lock(office().settings.data):
        data_folder.make_database(office().settings)
        current, scripts = _current(), ScriptDirectory(str(MIGRATIONS))
        head = scripts.get_current_head()
        if current == head:
            return False
        if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
            raise SettingsError(
                f"The database was written by a newer version of Poststelle (it has {current}, this version "
                f"knows {head}). Install that version again, or restore the backup from before the update."
            )
        if current is not None:
            _copy(current)
        upgrade(directory=str(MIGRATIONS))
        return True


def _current() -> str | None:
    try:
        with db.engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    except OperationalError as error:
        raise SettingsError(f"The database cannot be reached: {error.orig}") from error


def _copy(revision: str) -> None:
    """A copy of the SQLite file, beside the data, before it is changed. PostgreSQL has its own tools."""
    settings = office().settings
    if not settings.is_sqlite:
        return
    folder = settings.data / "backups"
    folder.mkdir(mode=0o700, exist_ok=True)
    target = folder / f"poststelle-{datetime.now(UTC):%Y%m%d-%H%M%S}-{revision}.db"
    target.touch(mode=0o600)  # an empty file is taken as it is, with its mode
    engine = create_engine(settings.database_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("VACUUM INTO :target"), {"target": str(target)})
    engine.dispose()


@contextmanager
def _lock(data: Path) -> Iterator[None]:
    with open(data / ".upgrade.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
