"""A mail of ours as its reader sees it: a document of its own that may run and load nothing."""

from __future__ import annotations

from flask import Response

POLICY = (
    "default-src 'none'; img-src data:; style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)


def mail_sheet(document: str) -> Response:
    """For a frame of our own pages."""
    response = Response(document)
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response
