"""A database with mail in it is brought up to date without copying a table that others point to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask_migrate import upgrade
from sqlalchemy import inspect, text

from app import create_app
from desk import schema
from models import db

VERSIONS = sorted((Path(__file__).parents[2] / "migrations" / "versions").glob("[0-9]*.py"))


@pytest.mark.parametrize("path", VERSIONS[1:], ids=lambda path: path.stem)
def test_a_new_column_does_not_copy_its_table(path):
    """Alembic copies a SQLite table, drops the old one and with it all that points to it (ON DELETE CASCADE),
    if a default is an expression: write "0", not sa.false()."""
    assert not re.search(r"server_default=sa\.", path.read_text(encoding="utf-8"))


def test_what_points_to_a_row_is_still_there_afterwards(settings):
    """From the first version to the newest, with a message and its attachment."""
    if not settings.is_sqlite:
        pytest.skip("PostgreSQL alters tables in place")
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    app = create_app(settings)
    with app.app_context():
        upgrade(directory=str(schema.MIGRATIONS), revision="0001")
        with db.engine.begin() as connection:
            connection.execute(text("PRAGMA foreign_keys = OFF"))
        for table in ("contact", "channel", "ticket", "message", "attachment"):
            _one_row(table)
        schema.bring_up_to_date()
        counts = {name: _count(name) for name in ("ticket", "message", "attachment")}
        db.session.remove()
        db.engine.dispose()
    assert counts == {"ticket": 1, "message": 1, "attachment": 1}


def _one_row(table: str, **given: object) -> None:
    """A row with the number 1, pointing to the number 1 of every other table, but for what is given."""
    columns = [column for column in inspect(db.engine).get_columns(table) if not column["nullable"]]
    values = {column["name"]: _value(column["name"], str(column["type"])) for column in columns} | given
    names = ", ".join(f'"{name}"' for name in values)
    with db.engine.begin() as connection:
        connection.execute(
            text(f'INSERT INTO "{table}" ({names}) VALUES ({", ".join(f":{name}" for name in values)})'),
            values,
        )


def _value(name: str, kind: str) -> object:
    if "DATE" in kind:
        return "2026-11-25 10:00:00"
    return 1 if any(word in kind for word in ("INT", "BOOL")) else "[]" if "JSON" in kind else "x"


def _count(table: str) -> int:
    return db.session.execute(text(f'SELECT count(*) FROM "{table}"')).scalar_one()


def test_a_ticket_keeps_the_name_of_its_own_mail(settings):
    """Two people of one address, and a requester whom an agent chose."""
    if not settings.is_sqlite:
        pytest.skip("the rows are made without their keys")
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    app = create_app(settings)
    with app.app_context():
        upgrade(directory=str(schema.MIGRATIONS), revision="0024")
        with db.engine.begin() as connection:
            connection.execute(text("PRAGMA foreign_keys = OFF"))
        for table in ("contact", "channel"):
            _one_row(table)
        with db.engine.begin() as connection:
            connection.execute(text("UPDATE contact SET address = 'info@x.example', name = 'Anna'"))
        for number, (name, address) in enumerate(
            [("Anna", "info@x.example"), ("Bernd", "info@x.example"), ("Tina", "tina@y.example")], 1
        ):
            _one_row("ticket", id=number, number=number)
            _one_row(
                "message", id=number, ticket_id=number, kind="inbound", from_name=name, from_address=address
            )
        schema.bring_up_to_date()
        with db.engine.begin() as connection:
            names = connection.scalars(text("SELECT requester_name FROM ticket ORDER BY id")).all()
        db.session.remove()
        db.engine.dispose()
    assert names == ["Anna", "Bernd", ""]
