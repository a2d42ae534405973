"""For machines that ask whether we live."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from blueprints.page.access import open_to_all
from desk.office import database_answers

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@open_to_all
def alive() -> Response:
    """The process answers."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
@open_to_all
def ready() -> tuple[Response, int]:
    """The database answers too."""
    if not database_answers():
        return jsonify(status="database unavailable"), 503
    return jsonify(status="ok"), 200
