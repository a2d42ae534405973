"""Addresses that pages had once: links and bookmarks lead to the page as it stands now."""

from __future__ import annotations

from urllib.parse import quote

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from blueprints.page.access import AdminBlueprint

# What the addresses began with, and the page with which they begin now. All of them are parts of »System«.
MOVED = {"/system/looks": "mail_designs.index"}

blueprint = AdminBlueprint("moved", __name__)


def _lead(endpoint: str, below: str = "") -> ResponseReturnValue:
    """308 and not 301: a form that was open when the address moved is sent again as it was."""
    query = f"?{request.query_string.decode('ascii', 'ignore')}" if request.query_string else ""
    return redirect(url_for(endpoint) + quote(f"/{below}" if below else "") + query, 308)


for _old, _endpoint in MOVED.items():
    for _rule in (_old, f"{_old}/<path:below>"):
        blueprint.add_url_rule(
            _rule, "page", _lead, methods=["GET", "POST"], defaults={"endpoint": _endpoint}
        )
