"""A mail's HTML in a frame of our own pages: a document of its own that may run nothing."""

from __future__ import annotations

from flask import Response

POLICY = (
    "default-src 'none'; img-src {images}; style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; {sandbox}"
)
# Our own mails open no link and load nothing. What others wrote has links, and pictures where an agent wants them.
ALONE = "sandbox"
WITH_LINKS = "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"


def mail_sheet(document: str, images: str = "data:", sandbox: str = ALONE) -> Response:
    """`images`: where pictures may come from, as in a Content-Security-Policy."""
    response = Response(document)
    response.headers["Content-Security-Policy"] = POLICY.format(images=images, sandbox=sandbox)
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response
