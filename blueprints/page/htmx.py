"""A view has three possible answers: a page, a change, an invalid form."""

from __future__ import annotations

from typing import Any

from flask import Response, flash, make_response, redirect, render_template, request


def wants_fragment() -> bool:
    """Whether htmx asks for a piece (a boosted or restored page is a whole page)."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Request-Type") != "full"


def page(template: str, status: int = 200, **context: Any) -> Response:
    """A whole page."""
    return _vary(make_response(render_template(template, **context), status))


def change(swap: str, back_to: str, notice: str = "", /, **context: Any) -> Response:
    """Something was saved: htmx gets the swap, a plain form is sent back to a page.

    `notice` is shown either way.
    """
    if wants_fragment():
        return _vary(make_response(render_template(swap, notice=notice, **context)))
    if notice:
        flash(notice)
    return _vary(make_response(redirect(back_to, 303)))


def invalid(template: str, status: int = 422, **context: Any) -> Response:
    """The form again, with the errors beside the fields; nothing was saved.

    The same template serves both: it extends the frame only for a whole page.
    """
    return _vary(make_response(render_template(template, **context), status))


def go(url: str, notice: str = "") -> Response:
    """Leave for another page after a change: a redirect that htmx follows as a whole page."""
    if notice:
        flash(notice)
    if wants_fragment():
        response = make_response("", 204)
        response.headers["HX-Redirect"] = url
        return _vary(response)
    return _vary(make_response(redirect(url, 303)))


def _vary(response: Response) -> Response:
    response.vary.add("HX-Request")
    return response
