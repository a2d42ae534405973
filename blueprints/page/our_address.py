"""Where we are is what POSTSTELLE_BASE_URL says: host and sub-path are never those that a request names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, request
from werkzeug.routing import RequestRedirect

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def init_app(app: Flask, base_url: str) -> None:
    app.wsgi_app = OurAddress(app.wsgi_app, base_url)  # type: ignore[method-assign]
    app.after_request(_without_host)


class OurAddress:
    """WSGI middleware around the app. Without a base URL the host is as asked, and there is no sub-path."""

    def __init__(self, wsgi: Wsgi, base_url: str) -> None:
        self._wsgi, self._base_url = wsgi, base_url

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return self._wsgi(at_our_address(environ, self._base_url), start_response)


def at_our_address(environ: dict[str, Any], base_url: str) -> dict[str, Any]:
    """The request as if it had been sent to our own address. A proxy may take the sub-path off or leave it on."""
    if not base_url:
        return environ
    address = urlsplit(base_url)
    below = address.path.rstrip("/")
    path = environ.get("PATH_INFO", "")
    if below and (path == below or path.startswith(f"{below}/")):
        path = path[len(below) :] or "/"
    return {**environ, "HTTP_HOST": address.netloc, "SCRIPT_NAME": below, "PATH_INFO": path}


def _without_host(response: Response) -> Response:
    """Flask's own redirects, of an address with a slash too many, name the host of the request."""
    if isinstance(request.routing_exception, RequestRedirect) and response.location:
        to = urlsplit(response.location)
        response.location = "/" + to.path.lstrip("/") + (f"?{to.query}" if to.query else "")
    return response
