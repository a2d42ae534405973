"""How Alembic reaches the database of the app. Online only: the app knows the address."""

from alembic import context
from flask import current_app

import models  # noqa: F401  (registers the tables)
from models.base import db

SEARCH = "message_search"  # FTS5 on SQLite, tsvector on PostgreSQL: written by hand in the migrations


def include_object(_thing, name, kind, _reflected, _compare_to):
    return not (kind in ("table", "index") and (name or "").startswith((SEARCH, f"ix_{SEARCH}")))


def render_item(kind, thing, _autogen):
    """Our column types are plain ones with a Python face; the history needs only the plain ones."""
    if kind == "type" and hasattr(thing, "impl") and type(thing).__module__.startswith("models."):
        inner = thing.impl_instance if hasattr(thing, "impl_instance") else thing.impl
        return f"sa.{inner!r}"
    return False


with db.engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=db.Model.metadata,
        include_object=include_object,
        render_item=render_item,
        render_as_batch=True,
        compare_type=False,
        **current_app.extensions["migrate"].configure_args.get("extra", {}),
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
