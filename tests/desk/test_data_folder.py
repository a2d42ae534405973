"""Nobody else on the machine reads customers' mail, passwords and keys, whatever lay there before."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from config import Settings
from desk import data_folder, schema
from models import db
from models.blobs import BlobStore

pytestmark = pytest.mark.one_database

ROOT = Path(__file__).resolve().parent.parent.parent


def modes(data: Path) -> dict[str, int]:
    return {str(path.relative_to(data)): path.stat().st_mode & 0o777 for path in (data, *data.rglob("*"))}


def open_to_others(data: Path) -> dict[str, str]:
    return {name: oct(mode) for name, mode in modes(data).items() if mode & 0o077}


def test_what_existed_before_is_shut_at_the_next_start(settings: Settings, migrated: str) -> None:
    if not settings.is_sqlite:
        pytest.skip("the database is elsewhere")
    for folder in ("blobs", "backups"):
        (settings.data / folder).mkdir(parents=True)
    shutil.copy(migrated, settings.data / "poststelle.db")
    shutil.copy(migrated, settings.data / "backups" / "poststelle-20260101-000000-0001.db")
    (settings.data / "secret.key").write_text("A" * 43 + "=\n")
    reader = sqlite3.connect(settings.data / "poststelle.db")  # so that -wal and -shm are there
    reader.execute("PRAGMA journal_mode=WAL")
    reader.execute("CREATE TABLE x (y)")
    for path in (settings.data, *settings.data.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    assert len(open_to_others(settings.data)) == 8
    create_app(settings)
    assert open_to_others(settings.data) == {}
    reader.close()


def test_a_new_folder_is_shut_and_all_that_is_made_in_it(settings: Settings, tmp_path: Path) -> None:
    """By the command line itself, in a process with a careless umask."""
    data = tmp_path / "new"
    variables = {**os.environ, "POSTSTELLE_DATA": str(data)}
    variables.pop("DATABASE_URL", None)
    command = [sys.executable, "-m", "flask", "--app", "app", "account", "create", "--company", "Acme"]
    command += ["--name", "Alice", "--email", "alice@acme.example", "--password-stdin"]
    subprocess.run(command, cwd=ROOT, env=variables, input="correct horse battery\n", text=True, check=True)
    found = modes(data)
    assert found["."] == 0o700 and {"poststelle.db", "secret.key"} <= set(found)
    assert open_to_others(data) == {}


def test_a_copy_before_an_update_is_shut(empty_app: Flask, settings: Settings) -> None:
    if not settings.is_sqlite:
        pytest.skip("PostgreSQL has its own tools")
    with empty_app.app_context():
        schema._copy("0001")
        db.session.remove()
    (copy,) = (settings.data / "backups").glob("*.db")
    assert (copy.stat().st_mode & 0o777, copy.stat().st_size > 100_000) == (0o600, True)


def test_mails_are_shut_by_themselves(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "blobs")
    store.put(b"From: carol@customer.example\r\n\r\nHello")
    assert open_to_others(tmp_path / "blobs") == {}


def test_a_start_looks_at_no_single_mail(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be millions; the folder above them is what guards them."""
    create_app(settings)
    store = BlobStore(settings.blobs)
    paths = [store._path(digest) for digest in store.put_all([b"%d" % number for number in range(200)])]
    paths[0].chmod(0o644)
    looked: list[str] = []
    known = Path.stat

    def stat(path: Path, **how: bool) -> os.stat_result:
        looked.append(str(path))
        return known(path, **how)

    monkeypatch.setattr(Path, "stat", stat)
    data_folder.prepare(settings)
    assert 0 < len(looked) < 30 and not any("blobs/" in path for path in looked)


def test_a_database_elsewhere_is_shut_and_its_folder_is_left_alone(
    settings: Settings, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    (shared / "mail.db").touch(mode=0o644)
    data_folder.prepare(replace(settings, database_url=f"sqlite:///{shared / 'mail.db'}"))
    assert modes(shared) == {".": 0o755, "mail.db": 0o600}


def test_everybodys_folder_is_not_taken_from_them(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shared = tmp_path / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    with caplog.at_level(logging.WARNING):
        data_folder.prepare(replace(settings, data=shared))
    assert shared.stat().st_mode & 0o777 == 0o777 and "all users share" in caplog.text


def test_what_cannot_be_changed_is_said(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings.data.mkdir(mode=0o755, parents=True)

    def refuse(path: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)
    data_folder.prepare(settings)
    assert f"{settings.data} may be read by others" in caplog.text
