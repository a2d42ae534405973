"""A private PostgreSQL for tests: its own cluster in a temporary folder, on a unix socket only.

It never touches a cluster of the system. As a script it runs a command with the address in
POSTSTELLE_TEST_DATABASE_URL: `python -m tests.servers.postgres pytest tests/models`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import NullPool, create_engine, make_url, text

DATABASE = "poststelle"
# Nothing here has to survive a power cut; speed counts.
OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "60",
}


@contextmanager
def postgres() -> Iterator[str]:
    """Start a server and give the SQLAlchemy address of an empty database; stop it afterwards.

    Raises FileNotFoundError when PostgreSQL is not installed.
    """
    binaries = find_binaries()
    user = _server_user()
    with tempfile.TemporaryDirectory(prefix="poststelle-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if user:
            shutil.chown(folder, user=user.pw_uid, group=user.pw_gid)
        data = folder / "data"
        _run(user, folder, binaries / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8",
             "--locale=C.UTF-8", "--no-sync")  # fmt: skip
        options = " ".join(f"-c {key}='{value}'" for key, value in OPTIONS.items())
        control = (binaries / "pg_ctl", "-D", data, "-s", "-w")
        _run(user, folder, *control, "start", "-l", folder / "log", "-o", f"-k {folder} {options}")
        try:
            _run(user, folder, binaries / "createdb", "-h", folder, "-U", "postgres", DATABASE)
            yield f"postgresql+psycopg://postgres@/{DATABASE}?host={folder}"
        finally:
            _run(user, folder, *control, "stop", "-m", "immediate")


def find_binaries() -> Path:
    """The folder with initdb and pg_ctl of the newest PostgreSQL on this machine."""
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name.partition(".")[0])
    )
    if folders:
        return folders[-1]
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    raise FileNotFoundError("PostgreSQL is not installed (Debian: apt-get install postgresql).")


def database_beside(url: str, name: str) -> str:
    """Make an empty database of this name on the server of `url` (another of that name goes); its address."""
    _replace(url, name)
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def copy_database(source: str, target: str) -> None:
    """Replace the database `target` by a copy of `source`, whoever is connected to it."""
    name = make_url(target).database
    assert name
    _replace(target, name, f'TEMPLATE "{make_url(source).database}"')


def empty_database(url: str, like: str) -> bool:
    """Take every row out of a database and number from 1 again: ten times as quick as a copy.

    Only if it has the tables of `like`, at the same migration; answers whether it had.
    """
    if _layout(url) != (layout := _layout(like)):
        return False
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text(_ALONE))
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # in any order
        for table in layout:
            if table != "alembic_version":
                connection.execute(text(f'DELETE FROM "{table}"'))
        connection.execute(text("SELECT setval(oid, 1, false) FROM pg_class WHERE relkind = 'S'"))
    return True


_ALONE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_LAYOUT = """
SELECT tablename, CASE tablename WHEN 'alembic_version' THEN (SELECT max(version_num) FROM alembic_version) END
FROM pg_tables WHERE schemaname = 'public'
"""


def _layout(url: str) -> dict[str, str | None]:
    """The tables, and beside alembic_version where the migrations stand."""
    with create_engine(url, poolclass=NullPool).connect() as connection:
        if not connection.scalar(text("SELECT to_regclass('public.alembic_version')")):
            return {}
        return {table: version for table, version in connection.execute(text(_LAYOUT))}


def _replace(url: str, name: str, options: str = "") -> None:
    engine = create_engine(
        make_url(url).set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=NullPool
    )
    with engine.connect() as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        connection.execute(text(f'CREATE DATABASE "{name}" {options}'))


def _server_user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root: then its own account takes over, else nobody."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _run(user: pwd.struct_passwd | None, folder: Path, *command: object) -> None:
    # The output goes to a file: the server would inherit a pipe and keep it open.
    with (folder / "output").open("w+") as output:
        done = subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
        )
        output.seek(0)
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {output.read().strip()}")


def main(command: list[str]) -> int:
    with postgres() as url:
        process = subprocess.Popen(command, env={**os.environ, "POSTSTELLE_TEST_DATABASE_URL": url})
        # Ctrl+C reaches the tests from the terminal, SIGTERM through us; the server stops after them.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda _number, _frame: process.terminate())
        return process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
