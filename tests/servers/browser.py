"""Chromium: what people see. Any surprise on the console is a failed test."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route, sync_playwright

PROGRAM = shutil.which("chromium") or "/usr/bin/chromium"
FAILURES = Path(__file__).resolve().parents[1] / "failures"
FLAGS = [
    "--no-sandbox",  # as root in a container
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Refused forms and missing pages are part of the stories.
EXPECTED = re.compile(r"the server responded with a status of 4\d\d")


def is_installed() -> bool:
    return os.access(PROGRAM, os.X_OK)


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def window(browser: Browser, locale: str = "de-DE", width: int = 1400, **options: Any) -> Iterator[Page]:
    """A page in a fresh context; leaves with AssertionError if the console complained."""
    context: BrowserContext = browser.new_context(
        locale=locale, viewport={"width": width, "height": 900}, **options
    )
    context.route("**/*", _only_this_machine)
    page = context.new_page()
    page.set_default_timeout(15_000)
    complaints: list[str] = []
    page.on("console", lambda message: _note(complaints, message))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        yield page
        assert not complaints, complaints
    except BaseException:
        FAILURES.mkdir(exist_ok=True)
        name = re.sub(r"\W+", "-", os.environ.get("PYTEST_CURRENT_TEST", "page").split(" ")[0]).strip("-")
        page.screenshot(path=FAILURES / f"{name}.png", full_page=True)
        raise
    finally:
        context.close()


def sign_in(page: Page, url: str, email: str, password: str) -> None:
    page.goto(f"{url}/login")
    page.locator("input[type=email]").fill(email)
    page.locator("input[type=password]").fill(password)
    page.locator("main form button[type=submit], form button[type=submit]").first.click()
    page.wait_for_url(lambda address: "/login" not in address)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not is_installed():
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is missing (apt install chromium)")
        pytest.skip("Chromium is missing (apt install chromium)")
    with chromium() as started:
        yield started


def _only_this_machine(route: Route) -> None:
    if urlsplit(route.request.url).hostname in ("127.0.0.1", "localhost", None):
        route.continue_()
    else:
        route.abort()


def _note(complaints: list[str], message: ConsoleMessage) -> None:
    if message.type in ("error", "warning") and not EXPECTED.search(message.text):
        complaints.append(f"{message.type}: {message.text}")
