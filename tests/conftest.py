"""What all tests share: the app on a real database, the cast, the client that checks every page.

The cast: Alice administers, Bob answers, Carol asks, Mallory is a stranger.
POSTSTELLE_TEST_DATABASE_URL runs the same tests on PostgreSQL. With `-n 2` several workers share them;
each has folders, servers and a PostgreSQL database of its own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache

from app import create_app
from config import Settings, from_environment
from desk import schema
from desk.agents import accounts
from desk.office import Office
from models import Agent, Channel, db
from tests.servers import postgres
from tests.support.browsing import PageClient

pytest_plugins = ["tests.servers.fixtures", "tests.servers.browser", "tests.servers.serving"]

PASSWORD = "correct horse battery"


class Templates(BytecodeCache):
    """Each test has an app of its own, and they all read the same templates: compiled once."""

    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._compiled:
            bucket.bytecode_from_string(self._compiled[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[bucket.key] = bucket.bytecode_to_string()


TEMPLATES = Templates()


def pytest_configure() -> None:
    worker, database = (
        os.environ.get(name, "") for name in ("PYTEST_XDIST_WORKER", "POSTSTELLE_TEST_DATABASE_URL")
    )
    if worker and database:
        os.environ["POSTSTELLE_TEST_DATABASE_URL"] = postgres.database_beside(
            database, f"poststelle_{worker}"
        )


# Few tests that take long, whole stories in a browser: begun first, so that no worker is alone with them at the end.
LONG = ("journeys", "jobs")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    root = Path(__file__).parent
    items.sort(key=lambda item: item.path.relative_to(root).parts[0] not in LONG)


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """Our commands close what they make to others. In the process of the tests that would outlive the test."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """As from an empty environment, in a folder of its own; mailboxes may be on this machine."""
    environment = {"POSTSTELLE_DATA": str(tmp_path / "data"), "POSTSTELLE_ALLOW_PRIVATE_HOSTS": "1"}
    database = os.environ.get("POSTSTELLE_TEST_DATABASE_URL", "")
    if database:
        environment["DATABASE_URL"] = database
    return replace(from_environment(environment), testing=True, assets="cdn")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with all tables and nothing in them, made once: copying it is quicker than migrating.

    The path of a SQLite file, or the address of a PostgreSQL database.
    """
    data = tmp_path_factory.mktemp("migrated")
    database = os.environ.get("POSTSTELLE_TEST_DATABASE_URL", "")
    if database:
        database = postgres.database_beside(
            database, database.rpartition("/")[2].partition("?")[0] + "_migrated"
        )
    environment = {"POSTSTELLE_DATA": str(data)} | ({"DATABASE_URL": database} if database else {})
    app = create_app(replace(from_environment(environment), testing=True, assets="cdn"))
    with app.app_context():
        schema.bring_up_to_date()
        db.session.remove()
        db.engine.dispose()
    return database or str(data / "poststelle.db")


@pytest.fixture
def make_app(settings: Settings, migrated: str) -> Iterator[Callable[..., Flask]]:
    """Builds apps on one fresh database; keywords override settings."""
    made: list[Flask] = []

    def make(**changes: object) -> Flask:
        if not made and settings.is_sqlite:
            settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copy(migrated, settings.data / "poststelle.db")
        elif not made:
            database = os.environ["POSTSTELLE_TEST_DATABASE_URL"]
            if not postgres.empty_database(database, like=migrated):
                postgres.copy_database(migrated, database)
        app = create_app(replace(settings, **changes))
        app.jinja_env.bytecode_cache = TEMPLATES
        with app.app_context():
            schema.bring_up_to_date()
        made.append(app)
        return app

    yield make
    for app in made:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


@pytest.fixture
def empty_app(make_app: Callable[..., Flask]) -> Flask:
    """Before the set-up."""
    return make_app()


@pytest.fixture
def app(empty_app: Flask) -> Iterator[Flask]:
    """Set up by Alice for »Acme GmbH« with support-acme@poststelle.example; its context is pushed."""
    with empty_app.app_context():
        accounts.create_account(
            "Acme GmbH",
            "poststelle.example",
            "en",
            "Europe/Vienna",
            "Alice Admin",
            "alice@acme.example",
            PASSWORD,
        )
        yield empty_app
        db.session.remove()


@pytest.fixture
def office(app: Flask) -> Office:
    found: Office = app.extensions["poststelle"]
    return found


@pytest.fixture
def alice(app: Flask) -> Agent:
    """The administrator who created the account."""
    return db.session.query(Agent).filter_by(email_key="alice@acme.example").one()


@pytest.fixture
def bob(app: Flask) -> Agent:
    """An agent."""
    return accounts.create_agent("Bob Berger", "bob@acme.example", "agent", PASSWORD)


@pytest.fixture
def channel(app: Flask) -> Channel:
    """The default channel."""
    return db.session.query(Channel).filter_by(is_default=True).one()


@pytest.fixture
def client(app: Flask) -> PageClient:
    """Nobody is signed in; every page it gets is checked."""
    return PageClient(app)


@pytest.fixture
def as_alice(client: PageClient, alice: Agent) -> PageClient:
    client.sign_in(alice)
    return client


@pytest.fixture
def as_bob(client: PageClient, bob: Agent) -> PageClient:
    client.sign_in(bob)
    return client
