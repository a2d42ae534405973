"""An agent puts another channel into Cc: the composer says what becomes of it, and so it comes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, expect

from tests.servers import carol
from tests.servers.browser import sign_in, window
from tests.servers.serving import PASSWORD, Serving, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


def test_the_hint_comes_and_goes_while_typing(browser: Browser, make_serving: Callable[..., Serving]) -> None:
    serving = make_serving()
    address = serving.create_account()
    serving.flask(
        "channel",
        "create",
        "--id",
        "Vertrieb",
        "--address",
        "vertrieb",
        "--provider",
        "standard",
        "--alias",
        "shop",
    )
    serving.start()
    carol.send(carol.request(address, picture=b""), address, serving.smtp_port)
    until(serving.tickets)
    with window(browser) as page:
        sign_in(page, serving.url, "alice@acme.example", PASSWORD)
        page.goto(f"{serving.url}/tickets/1001")
        page.get_by_text("Cc / Bcc").click()
        copies, hint = page.locator("#composer-cc"), page.get_by_text("Vertrieb ist ein Kanal von Poststelle")
        expect(hint).to_have_count(0)
        copies.fill("shop@" + address.partition("@")[2])
        page.keyboard.press("Tab")
        expect(hint).to_be_visible()
        expect(page.locator("#draft")).to_have_text("Entwurf gespeichert")
        copies.fill("dave@else.example")
        page.keyboard.press("Tab")
        expect(hint).to_have_count(0)
        expect(copies).to_have_value("dave@else.example")
        expect(page.locator(".composer-head")).to_be_visible()
