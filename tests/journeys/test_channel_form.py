"""The channel form in Chromium: it follows a choice and never touches what a person typed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.servers.browser import sign_in, window
from tests.servers.ports import free_port
from tests.servers.serving import PASSWORD, Serving

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    serving = Serving(tmp_path_factory.mktemp("channels") / "data")
    serving.create_account()
    serving.start()
    yield serving
    assert serving.stop() == 0


@pytest.fixture
def page(browser: Browser, served: Serving) -> Iterator[Page]:
    with window(browser) as opened:
        sign_in(opened, served.url, "alice@acme.example", PASSWORD)
        opened.goto(f"{served.url}/system/channels/new")
        opened.check("[name=provider][value=own]")
        expect(opened.locator("[name=server]")).to_be_visible()
        yield opened


def test_ports_and_user_follow_until_a_person_typed_them(page: Page) -> None:
    port, user = page.locator("[name=port]"), page.locator("[name=user]")
    page.fill("[name=address]", "billing@acme.example")
    page.fill("[name=server]", "localhost")
    expect(user).to_have_value("billing@acme.example")
    page.fill("[name=password]", "inside-secret")
    page.check("[name=protocol][value=pop3]", force=True)
    expect(port).to_have_value("995")
    page.uncheck("[name=ssl]")
    expect(port).to_have_value("110")
    port.fill("995")
    page.check("[name=ssl]")
    page.check("[name=smtp_encryption][value=ssl]", force=True)
    expect(page.locator("[name=smtp_port]")).to_have_value("465")
    page.check("[name=protocol][value=imap]", force=True)
    expect(page.get_by_text("993 mit SSL, sonst 143")).to_be_visible()
    expect(port).to_have_value("995")
    # The password went to the server and never came back: it is still what stands in the field.
    expect(page.locator("[name=password]")).to_have_value("inside-secret")
    expect(page.locator("[name=server]")).to_have_value("localhost")


def test_a_look_at_the_other_provider_loses_nothing(page: Page) -> None:
    page.fill("[name=server]", "imap.acme.example")
    page.fill("[name=password]", "inside-secret")
    page.check("[name=provider][value=standard]")
    expect(page.locator("[name=server]")).to_be_hidden()
    page.check("[name=provider][value=own]")
    expect(page.locator("[name=server]")).to_be_visible()
    expect(page.locator("[name=server]")).to_have_value("imap.acme.example")
    expect(page.locator("[name=password]")).to_have_value("inside-secret")


def test_from_the_test_to_the_switch_and_the_bin(page: Page, served: Serving) -> None:
    page.fill("[name=key]", "Billing")
    page.fill("[name=address]", "billing@acme.example")
    page.fill("[name=server]", "localhost")
    page.fill("[name=port]", str(free_port()))  # nobody answers there
    page.fill("[name=password]", "inside-secret")
    page.fill("[name=smtp_server]", "localhost")
    page.get_by_role("button", name="Verbindung testen").click()
    expect(page.locator("#test .step-failed")).to_have_count(2)
    page.get_by_role("button", name="Speichern").click()
    row = page.locator("tr", has_text="Billing")
    switch = row.get_by_role("switch")
    # Before the script has come the switch is a plain form: it works too, but by a new page.
    expect(row.locator("form[data-htmx-powered]")).to_have_count(1)
    switch.press("Enter")
    expect(switch).to_have_attribute("aria-checked", "false")
    expect(switch).to_be_focused()
    row.click(position={"x": 500, "y": 20})
    expect(page.get_by_role("heading", level=1)).to_have_text("Billing")
    page.goto(f"{served.url}/system/channels")
    row.get_by_role("link", name="löschen").click()
    page.get_by_role("button", name="Ja, Löschen").click()
    expect(row).to_have_count(0)
