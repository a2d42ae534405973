"""What protects every page: a strict Content-Security-Policy and its companions."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextvars import Token
from typing import TypeVar

from flask import Flask, Response, current_app, g, request
from flask.typing import ResponseReturnValue

from desk.office import Office, writing

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])

# A year, as browsers and their lists want it. Other names of the domain are not ours to speak for (RFC 6797).
HSTS = "max-age=31536000"
READING = ("GET", "HEAD", "OPTIONS")


def init_app(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_protect)
    app.teardown_request(_end)
    app.jinja_env.globals["csp_nonce"] = _Nonce()


def writes(view: View) -> View:
    """A page that stores something although it is only asked for."""
    view.writes = True  # type: ignore[attr-defined]
    return view


class _Nonce:
    """The nonce of this response, as text; a template writes `{{ csp_nonce }}`."""

    def __str__(self) -> str:
        return _nonce()

    def __html__(self) -> str:
        return _nonce()


def _nonce() -> str:
    """Made when it is first asked for: a request may be refused (too large, say) before anything of ours begins."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    return str(g.csp_nonce)


def _begin() -> None:
    # A page only reads: it needs no write lock, and never waits for one.
    view = current_app.view_functions.get(request.endpoint or "")
    g.writing_token = writing.set(request.method not in READING or getattr(view, "writes", False))


def _end(_error: BaseException | None) -> None:
    token: Token[bool] | None = g.pop("writing_token", None)
    if token is not None:
        writing.reset(token)


def _protect(response: Response) -> Response:
    assets = current_app.extensions["assets"]
    scripts, styles = (" ".join(assets.sources(scripts=kind)) for kind in (True, False))
    response.headers.setdefault(
        "Content-Security-Policy",
        "; ".join(
            (
                "default-src 'none'",
                f"script-src 'self' {scripts}".rstrip(),
                f"style-src 'self' 'nonce-{_nonce()}' {styles}".rstrip(),
                "img-src 'self' data:",
                "font-src 'self'",
                "connect-src 'self'",
                "frame-src 'self'",
                "form-action 'self'",
                "base-uri 'none'",
                "frame-ancestors 'none'",
            )
        ),
    )
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("X-Frame-Options", "DENY")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
    office: Office = current_app.extensions["poststelle"]
    if office.settings.base_url.startswith("https://"):
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    if request.endpoint != "static":  # what an agent may see stays nowhere when they have signed out
        response.headers.setdefault("Cache-Control", "no-store")
    return response
