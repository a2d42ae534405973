"""A test client that looks at every page it gets, as a careful person would."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from models import Agent

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
NAMELESS_INPUTS = {"hidden", "submit", "button"}


class PageClient:
    """Flask's test client with sign-in, CSRF and htmx; pages and pieces are checked as they come."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.client = app.test_client()

    def sign_in(self, agent: Agent) -> None:
        with self.client.session_transaction() as session:
            session["_user_id"], session["_fresh"] = agent.get_id(), True

    def get(self, url: str, status: int = 200, htmx: bool = False, **options: Any) -> TestResponse:
        response = self.client.get(url, headers=self._headers(htmx, options.pop("headers", {})), **options)
        return self._looked_at(response, status, htmx)

    def post(
        self,
        url: str,
        data: dict[str, Any] | None = None,
        status: int = 303,
        htmx: bool = False,
        **options: Any,
    ) -> TestResponse:
        """Posts with a valid CSRF token. Without htmx a success is a redirect."""
        data = dict(data or {}, csrf_token=self.csrf_token())
        headers = self._headers(htmx, options.pop("headers", {}))
        response = self.client.post(url, data=data, headers=headers, **options)
        return self._looked_at(response, status, htmx)

    def csrf_token(self) -> str:
        from flask import g
        from flask_wtf.csrf import generate_csrf

        with self.app.test_request_context():
            with self.client.session_transaction() as session:
                known = dict(session)
            from flask import session as inner

            inner.update(known)
            token = generate_csrf()
            raw = inner["csrf_token"]
            g.pop("csrf_token", None)
        with self.client.session_transaction() as session:
            session["csrf_token"] = raw
        return token

    def _headers(self, htmx: bool, more: dict[str, str]) -> dict[str, str]:
        return {**({"HX-Request": "true", "HX-Request-Type": "partial"} if htmx else {}), **more}

    def _looked_at(self, response: TestResponse, status: int, htmx: bool) -> TestResponse:
        assert response.status_code == status, (response.status_code, response.get_data(as_text=True)[:2000])
        if response.mimetype == "text/html" and response.data:
            problems = look_at(
                response.get_data(as_text=True),
                whole=not htmx and b"<!doctype" in response.data[:200].lower(),
            )
            assert not problems, problems
        response.close()
        return response


def look_at(html: str, whole: bool = True) -> list[str]:
    """What is wrong with a page: title, headings, labels, ids, translation slots, inline code."""
    reader = _Reader()
    reader.feed(html)
    problems = [
        f"id {name!r} stands {count} times" for name, count in Counter(reader.ids).items() if count > 1
    ]
    if whole:
        if not reader.title.strip():
            problems.append("no title")
        if reader.headings != 1 and "mail-frame-document" not in html:
            problems.append(f"{reader.headings} h1 instead of one")
        if not reader.lang:
            problems.append("no language")
        problems += [
            f"the {kind} {name!r} has no label"
            for kind, name, element_id, named in reader.controls
            if not named and element_id not in reader.labelled
        ]
    problems += reader.inline
    # Where people write placeholders of their own they are no slots.
    written = r"(?s)<(pre|textarea|code)\b.*?</\1>|<input\b[^>]*\bname=\"(?:subject|quote_line)\"[^>]*>"
    if re.search(r"\{\{|\{%|%\(\w+\)s", re.sub(written, "", html)):
        problems.append("a template or translation slot was not filled")
    return problems


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.labelled: set[str] = set()
        self.controls: list[tuple[str, str, str, bool]] = []
        self.inline: list[str] = []
        self.headings, self.lang, self.title = 0, "", ""
        self._in_title = self._in_label = False
        self._template = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "template":
            self._template += 1
        if "id" in given and not self._template:
            self.ids.append(given["id"])
        self.headings += tag == "h1"
        self._in_title = tag == "title"
        if tag == "html":
            self.lang = given.get("lang", "")
        if tag == "label":
            self._in_label = True
            self.labelled.add(given.get("for", ""))
        if tag in ("input", "select", "textarea") and given.get("type") not in NAMELESS_INPUTS:
            named = self._in_label or bool({"aria-label", "aria-labelledby"} & given.keys())
            self.controls.append((tag, given.get("name", ""), given.get("id", ""), named))
        if "style" in given:
            self.inline.append(f"<{tag}> has a style attribute")
        self.inline += [f"<{tag}> has {name}" for name in given if name.startswith("on")]
        if tag == "script" and not given.get("src"):
            self.inline.append("an inline script")

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        if tag == "label":
            self._in_label = False
        if tag == "template":
            self._template -= 1

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
