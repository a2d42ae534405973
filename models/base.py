"""The database binding: one session, UTC times, secrets encrypted at rest, one writer at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from hashlib import sha256
from typing import Any, cast

from cryptography.fernet import InvalidToken, MultiFernet
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    CursorResult,
    DateTime,
    Dialect,
    Engine,
    Executable,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    event,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase

# SQLite: a transaction that will write takes the write lock when it begins, so that two of them wait
# for each other instead of losing an update. Views that only read say so (see `app.py`).
writing: ContextVar[bool] = ContextVar("writing", default=True)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


db = SQLAlchemy(model_class=Base)


def now() -> datetime:
    return datetime.now(UTC)


class UTCDateTime(TypeDecorator[datetime]):
    """Aware UTC times, also on SQLite, which knows no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive time was given where an aware one is needed")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Code(TypeDecorator[StrEnum]):
    """A StrEnum kept as its short text, so that the database stays readable."""

    impl = String(20)
    cache_ok = True

    def __init__(self, codes: type[StrEnum]) -> None:
        super().__init__()
        self.codes = codes

    def process_bind_param(self, value: StrEnum | str | None, dialect: Dialect) -> str | None:
        return None if value is None else str(self.codes(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        return None if value is None else self.codes(value)


class _Cipher:
    fernet: MultiFernet | None = None


def use_cipher(fernet: MultiFernet) -> None:
    """Set once at start; the key lives outside the database."""
    _Cipher.fernet = fernet


class Secret(TypeDecorator[str]):
    """Text encrypted at rest (Fernet). An empty string stays empty."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if not value:
            return value
        assert _Cipher.fernet is not None, "the cipher is set by create_app()"
        return _Cipher.fernet.encrypt(value.encode()).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        if not value:
            return value
        assert _Cipher.fernet is not None, "the cipher is set by create_app()"
        try:
            return _Cipher.fernet.decrypt(value.encode()).decode()
        except InvalidToken:
            # Reading a page must not fail because a key was lost; the channel then says
            # that its password has to be entered again.
            return ""


def _on_connect(connection: Any, _record: Any) -> None:
    # SQLAlchemy, not the driver, begins transactions, so that BEGIN IMMEDIATE is possible.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # a commit is on the disk before we delete mail anywhere
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_begin(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing.get() else "BEGIN")


@contextmanager
def reading() -> Iterator[None]:
    """Long questions that change nothing: on SQLite they take no write lock, so nobody waits for their end.

    Begins and ends with a rollback: nothing of the session's transaction survives.
    """
    db.session.rollback()
    token = writing.set(False)
    try:
        yield
    finally:
        db.session.rollback()
        writing.reset(token)


def prepare_engine(engine: Engine) -> None:
    """Give a SQLite engine its pragmas and its transactions; others are left as they are."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)


def one_at_a_time(names: Iterable[str]) -> None:
    """Let no other transaction in that names one of these, until this one ends. SQLite has one writer anyway.

    For what no unique key can decide: “if there is none yet, make one”.
    """
    if db.session.get_bind().dialect.name == "postgresql":
        numbers = {int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True) for name in names}
        for number in sorted(numbers):  # in one order, so that two of them never wait for each other
            db.session.execute(select(func.pg_advisory_xact_lock(number)))


def rows_changed(statement: Executable) -> int:
    """Run an UPDATE in the session and answer how many rows it met."""
    result = db.session.execute(statement)
    return cast("CursorResult[Any]", result).rowcount


def insert_if_new(table: type[Base], columns: dict[str, Any]) -> int | None:
    """Insert a row into a table with a number for its key, and answer the number.

    None, and nothing happened, if one of its unique keys is there already. Past the ORM, for rows that
    come in great numbers; in the session's transaction.
    """
    dialect = db.session.get_bind().dialect.name
    found: int | None = db.session.connection().scalar(_insert_if_new(table, dialect), columns)
    return found


@cache
def _insert_if_new(table: type[Base], dialect: str) -> Executable:
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    statement: Any = insert(cast("Table", table.__table__))
    return cast("Executable", statement.on_conflict_do_nothing().returning(table.__table__.c.id))
