"""Somebody with a browser: keeps cookies, sends the CSRF token of the page that was seen last."""

from __future__ import annotations

import re
import threading
from html import unescape

from tests.support.browsing import look_at

PASSWORDS = {"alice@acme.test": "alices password", "bob@acme.test": "bobs password"}


class Visitor:
    def __init__(self, app):
        self.client = app.test_client()
        self.page = ""

    def get(self, url, **options):
        return self._seen(self.client.get(url, **options))

    def post(self, url, fields=None, **options):
        """As a form of the page does it; with a token of another page it is refused."""
        data = {"csrf_token": self.token, **(fields or {})}
        return self._seen(self.client.post(url, data=data, **options))

    def sign_in(self, email, password="", **fields):
        self.get("/login")
        return self.post("/login", {"email": email, "password": password or PASSWORDS[email], **fields})

    @property
    def token(self):
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.page)
        return found[1] if found else ""

    @property
    def errors(self):
        """The sentences beside fields, and above the form."""
        found = re.findall(r'class="error".*?<span>(.*?)</span>', self.page, re.S)
        found += re.findall(r'role="alert">.*?<div>(.*?)</div>', self.page, re.S)
        return [unescape(text).strip() for text in found]

    @property
    def notices(self):
        return [
            unescape(text) for text in re.findall(r'class="toast[^>]*>.*?<div>(.*?)</div>', self.page, re.S)
        ]

    def _seen(self, response):
        for thread in threading.enumerate():
            if thread.name == "password link":
                thread.join()
        if response.mimetype == "text/html" and response.text and not response.location:
            self.page = response.text
            assert look_at(self.page, whole="<!doctype" in self.page) == []
        return response
