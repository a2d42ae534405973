"""axe finds nothing on any page, in both schemes, wide and narrow, in both languages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.servers.browser import sign_in, window
from tests.servers.serving import PASSWORD, Serving

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]  # a walk of forty pages

# Numbers of tickets are found on the page itself; the rest are plain addresses.
PAGES = (
    "/",
    "/tickets?view=mine",
    "/tickets?q=nothing-has-this",
    "/quarantine",
    "/profile",
    "/notices",
    "/system/channels",
    "/system/channels/new",
    "/system/deliverability/1",
    "/system/oauth",
    "/system/oauth/new?kind=microsoft",
    "/system/notifications",
    "/system/mail-designs",
    "/system/mail-designs/1",
    "/system/agents",
    "/system/groups",
    "/system/settings",
    "/system/groups/new",
    "/system/agents/new",
    "/system/outbox",
    "/system/outbox/1",
    "/system/ledger",
    "/system/ledger?verdict=held&period=week",
    "/system/ledger/1",
    "/system/ledger/1/block",
    "/system/ledger/1/mailbox",
    "/system/ledger/retention",
    "/system/blocked-senders",
    "/help/email-channel",
    "/no-such-page",
)
OPEN_PAGES = ("/login", "/password/forgotten")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A desk with the demo's week."""
    served = Serving(tmp_path_factory.mktemp("planted") / "data")
    served.create_account()
    served.flask("seed")
    served.start()
    yield served
    assert served.stop() == 0


# Contrast is a matter of the scheme, places one of the width, labels one of the language: two walks see each of them.
# `POSTSTELLE_LONG=1` sees them in every combination.
ALL_WALKS = [*product(("light", "dark"), (1400, 390), ("de-DE", "en-GB"))]
WALKS = ALL_WALKS if os.environ.get("POSTSTELLE_LONG") else [("light", 1400, "de-DE"), ("dark", 390, "en-GB")]


@pytest.mark.parametrize(("scheme", "width", "locale"), WALKS)
def test_axe_finds_nothing(browser: Browser, planted: Serving, scheme: str, width: int, locale: str) -> None:
    with window(browser, locale, width, color_scheme=scheme) as page:
        found = [line for path in OPEN_PAGES for line in look(page, planted.url + path)]
        sign_in(page, planted.url, "alice@acme.example", PASSWORD)
        tickets = [f"/tickets/{ticket['number']}" for ticket in planted.tickets()[:8]]
        more = [f"{tickets[0]}{end}" for end in ("?tab=note", "?tab=history", "/merge")] if tickets else []
        found += [line for path in (*PAGES, *tickets, *more) for line in look(page, planted.url + path)]
    assert not found, "\n".join(found)


def test_axe_finds_nothing_in_the_set_up(browser: Browser, tmp_path: Path) -> None:
    served = Serving(tmp_path / "data")
    served.start()
    try:
        with window(browser, width=390) as page:
            assert not look(page, served.setup_link)
            assert not look(page, served.url)
    finally:
        assert served.stop() == 0


def look(page: Page, url: str) -> list[str]:
    page.goto(url, wait_until="load")
    # What a stranger wrote in a mail is his; the frame around it is ours.
    results = Axe().run(page, options={"iframes": False})
    return [
        f"{url}: {rule['id']}: {node['html'][:160]}"
        for rule in results.response["violations"]
        for node in rule["nodes"]
    ]
