"""Whole numbers in addresses and forms, never larger than what a column of the database holds."""

from __future__ import annotations

from flask import Flask
from werkzeug.routing import IntegerConverter, Map

LARGEST = 2**31 - 1  # PostgreSQL's integer; beyond it the database raises where nothing was found


class Number(IntegerConverter):
    """`<int:…>` in every route: what is larger leads nowhere, as every other unknown address."""

    def __init__(self, map: Map, max: int = LARGEST) -> None:
        super().__init__(map, max=max)


def init_app(app: Flask) -> None:
    """Before the first route with a number is added."""
    app.url_map.converters["int"] = Number


def whole_number(text: str) -> int:
    """For `type=` of query and form values. Raises ValueError, so that the default is taken."""
    value = int(text)
    if not 0 <= value <= LARGEST:
        raise ValueError(text)
    return value
