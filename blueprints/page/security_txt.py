"""Whom to tell of a weakness: /.well-known/security.txt (RFC 9116)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flask import Blueprint, Response, abort

from blueprints.page.access import open_to_all
from config import LOCALES
from desk.office import office

blueprint = Blueprint("security_txt", __name__)

# Less than a year (RFC 9116, 2.5.5): who keeps a copy asks again. A page that is computed never runs out itself.
GOOD_FOR = timedelta(days=180)


@blueprint.get("/.well-known/security.txt")
@open_to_all
def show() -> Response:
    """Nothing without a contact: it would help nobody. A web address must be https (2.5.4)."""
    settings = office().settings
    base = settings.base_url
    contact = settings.security_contact or (base if base.startswith("https://") else "") or abort(404)
    expires = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + GOOD_FOR
    lines = [
        f"Contact: {contact}",
        f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}",
        f"Preferred-Languages: {', '.join(LOCALES)}",
    ]
    if base.startswith("https://"):
        # With a sub-path ours begins below it, and so does the file.
        lines.append(f"Canonical: {base}/.well-known/security.txt")
    return Response("\n".join([*lines, ""]), mimetype="text/plain")
