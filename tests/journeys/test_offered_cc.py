"""»Put into Cc« beside an address that the last mail asks for: what is being written stays."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, expect

from tests.servers import carol
from tests.servers.browser import sign_in, window
from tests.servers.serving import PASSWORD, Serving, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


def test_both_offers_go_into_cc_and_nothing_typed_is_lost(
    browser: Browser, make_serving: Callable[..., Serving]
) -> None:
    serving = make_serving()
    address = serving.create_account()
    serving.start()
    twice = b"Reply-To: one@elsewhere.example\r\nReply-To: two@elsewhere.example\r\n"
    carol.send(twice + carol.request(address, picture=b""), address, serving.smtp_port)
    until(serving.tickets)
    with window(browser) as page:
        sign_in(page, serving.url, "alice@acme.example", PASSWORD)
        page.goto(f"{serving.url}/tickets/1001")
        editor = page.get_by_role("textbox", name="Ihre Antwort")
        editor.click()
        page.keyboard.type("Guten Tag")
        for offer in page.get_by_role("link", name="In Cc aufnehmen").all():
            offer.click()
            offer.click()
        expect(page.locator("#composer-cc")).to_have_value("one@elsewhere.example, two@elsewhere.example")
        expect(editor).to_have_text("Guten Tag")
