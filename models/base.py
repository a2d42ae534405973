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
    Column,
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
    bindparam,
    event,
    func,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, InstanceState, Session, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

# SQLite: a transaction that will write takes the write lock when it begins, so that two of them wait
# for each other instead of losing an update. Views that only read say so (blueprints/page/security.py).
writing: ContextVar[bool] = ContextVar("writing", default=True)


INSERTED = "poststelle.inserted"  # in the session's own notes: what insert_now() wrote in this transaction


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


def seal(data: bytes) -> bytes:
    """Bytes encrypted at rest, for a file."""
    assert _Cipher.fernet is not None, "the cipher is set by create_app()"
    return _Cipher.fernet.encrypt(data)


def unseal(data: bytes) -> bytes:
    """Raises cryptography.fernet.InvalidToken where the key is another one."""
    assert _Cipher.fernet is not None, "the cipher is set by create_app()"
    return _Cipher.fernet.decrypt(data)


def is_sealed(data: bytes) -> bool:
    """Whether bytes look like `seal`'s: version 0x80 and five bytes of a time, the first of them zero for long."""
    return data.startswith(b"gAAAAA")


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


def insert_if_new(table: type[Base], values: dict[str, Any]) -> int | None:
    """Insert a row into a table with a number for its key, and answer the number.

    `values` by the names of the model. None, and nothing happened, if one of its unique keys is there
    already. Past the ORM, for rows that come in great numbers; in the session's transaction.
    """
    dialect = db.session.get_bind().dialect.name
    known = _columns_of(table)
    columns = {known[name].name: value for name, value in values.items()}
    found: int | None = db.session.connection().scalar(_insert_if_new(table, dialect), columns)
    return found


@cache
def _insert_if_new(table: type[Base], dialect: str) -> Executable:
    insert_or_not = sqlite.insert if dialect == "sqlite" else postgresql.insert
    statement: Any = insert_or_not(cast("Table", table.__table__))
    return cast("Executable", statement.on_conflict_do_nothing().returning(table.__table__.c.id))


class ImpossibleMove(Exception):
    """A state that does not follow from the present one: a fault of ours, never of a person."""


@contextmanager
def unless_taken(refusal: Exception) -> Iterator[None]:
    """What is unique and was free when it was checked may have been taken since: rolled back, `refusal` raised."""
    try:
        yield
    except IntegrityError:
        db.session.rollback()
        raise refusal from None


def insert_now(thing: Base) -> None:
    """Insert one new object at once and alone; what else the session holds is written when it commits.

    For what comes with every mail: a flush looks at all objects and sorts them, which takes several times
    as long as the INSERT. Relations must be given by their keys (`channel_id=`), not by objects.
    """
    given, columns = thing.__dict__, {}
    for name, column in _columns_of(type(thing)).items():
        if name == "id":
            continue
        default: Any = column.default
        if name in given:
            columns[column.name] = given[name]
        elif default is not None:
            columns[column.name] = default.arg(None) if default.is_callable else default.arg
            set_committed_value(thing, name, columns[column.name])
        else:
            set_committed_value(thing, name, None)
    set_committed_value(thing, "id", db.session.connection().scalar(_insert(type(thing)), columns))
    make_transient_to_detached(thing)
    session = db.session()
    session.add(thing)
    session.info.setdefault(INSERTED, []).append(thing)


def update_now(thing: Base) -> None:
    """Write what has changed of one object at once and alone, for the same reason as `insert_now`."""
    state: InstanceState[Any] = inspect(thing)
    known = _columns_of(type(thing))
    changed = {known[name].name: state.dict[name] for name in state.committed_state if name in known}
    if changed:
        statement = _update(type(thing), tuple(sorted(changed)))
        db.session.connection().execute(statement, {**changed, "the_id": state.dict["id"]})
    state._commit_all(
        state.dict, db.session().identity_map
    )  # as a flush does: there is nothing left to write


@cache
def _update(kind: type[Base], names: tuple[str, ...]) -> Executable:
    table = cast("Table", kind.__table__)
    return update(table).where(table.c.id == bindparam("the_id")).values({n: bindparam(n) for n in names})


def _forget_inserted(session: Session) -> None:
    """What was inserted at once is not there any more: the session may not go on as if it were."""
    for thing in session.info.pop(INSERTED, ()):
        if thing in session:
            session.expunge(thing)


def _keep_inserted(session: Session) -> None:
    session.info.pop(INSERTED, None)


event.listen(db.session, "after_rollback", _forget_inserted)
event.listen(db.session, "after_commit", _keep_inserted)


@cache
def _columns_of(table: type[Base]) -> dict[str, Column[Any]]:
    """By the names of the model; a column may have an older one in the database."""
    return {name: cast("Column[Any]", at.columns[0]) for name, at in inspect(table).column_attrs.items()}


@cache
def _insert(table: type[Base]) -> Executable:
    return insert(cast("Table", table.__table__)).returning(table.__table__.c.id)
