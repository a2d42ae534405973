"""»System >> Benachrichtigungen« as an administrator lives it: in Chromium, in German, with mail that arrives."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default

import pytest
from playwright.sync_api import Browser, Page, expect

from desk import wording
from tests.servers.browser import sign_in, window
from tests.servers.serving import PASSWORD, Serving, until
from tests.servers.smtp_sink import SmtpSink

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def sink() -> Iterator[SmtpSink]:
    made = SmtpSink()
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, sink: SmtpSink) -> Iterator[Serving]:
    serving = Serving(
        tmp_path_factory.mktemp("notifications") / "data",
        MAIL_SERVER="127.0.0.1",
        MAIL_PORT=str(sink.port),
        MAIL_USE_TLS="0",
    )
    serving.create_account()
    serving.flask("seed")
    serving.start()
    yield serving
    assert serving.stop() == 0, "".join(serving.output)
    assert "Traceback" not in "".join(serving.output)


@pytest.fixture
def page(browser: Browser, served: Serving) -> Iterator[Page]:
    with window(browser) as opened:
        sign_in(opened, served.url, "alice@acme.example", PASSWORD)
        yield opened


def test_an_administrator_changes_the_words_of_a_notice(page: Page, served: Serving, sink: SmtpSink) -> None:
    page.locator("#rail").get_by_role("link", name="Benachrichtigungen").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Benachrichtigungen")
    resolved = page.get_by_role("switch", name="Ticket gelöst/geschlossen")
    expect(resolved).to_have_attribute("aria-checked", "false")
    resolved.click()
    expect(page.get_by_role("switch", name="Ticket gelöst/geschlossen")).to_have_attribute(
        "aria-checked", "true"
    )
    page.get_by_role("link", name="Eingangsbestätigung").click()
    text, preview = page.get_by_label("Text", exact=True), page.locator("#preview")
    sheet = page.frame_locator("#preview iframe").locator("body")
    text.fill("Guten Tag! {{ticket.besitzer}}")
    expect(preview).to_contain_text("»ticket.besitzer« ist kein Platzhalter")
    text.fill("Guten Tag, Ihre Nummer ist {{ticket.number}}.")
    page.get_by_label("Betreff").fill("Danke [#{{ticket.number}}]")
    number = page.get_by_label("Vorschau mit Ticketnummer").input_value()
    expect(preview).to_contain_text(f"Danke [#{number}]")
    expect(sheet).to_contain_text(f"Guten Tag, Ihre Nummer ist {number}.")
    page.get_by_role("button", name="Testmail an mich").click()
    until(lambda: any("alice@acme.example" in mail.recipients for mail in sink.mails))
    (mail,) = [mail for mail in sink.mails if "alice@acme.example" in mail.recipients]
    assert message_from_bytes(mail.raw, policy=default)["Subject"] == f"[Test] Danke [#{number}]"

    page.goto(f"{served.url}/system/notifications?notice=confirmation")
    expect(page.get_by_role("button", name="Zurück zu unserem Text")).to_have_count(0)
    page.get_by_label("Text", exact=True).fill("Hallo {{ticket.nummer}}")
    page.get_by_role("button", name="Speichern", exact=True).click()
    expect(page.locator("#body-error")).to_contain_text("»ticket.nummer« ist kein Platzhalter")
    expect(page.get_by_label("Text", exact=True)).to_be_focused()
    page.get_by_label("Text", exact=True).fill("Hallo, {{ticket.number}}!")
    page.get_by_role("button", name="Speichern", exact=True).click()
    expect(sheet).to_contain_text(f"Hallo, {number}!")
    page.get_by_text("Text ohne Gestaltung").click()
    expect(page.locator("#preview-text")).to_have_text(f"Hallo, {number}!")
    page.get_by_role("button", name="Zurück zu unserem Text").click()
    expect(page.get_by_label("Text", exact=True)).not_to_have_value("Hallo, {{ticket.number}}!")
    expect(page.get_by_role("button", name="Zurück zu unserem Text")).to_have_count(0)

    boxes = page.get_by_role("checkbox")
    expect(boxes).to_have_count(3)
    page.get_by_label("Verkauf").uncheck()
    page.get_by_role("button", name="Kanäle speichern").click()
    expect(page.get_by_label("Verkauf")).not_to_be_checked()
    expect(page.get_by_label("Support")).to_be_checked()


def test_placeholders_are_completed_by_keyboard_and_inserted_by_a_click(page: Page, served: Serving) -> None:
    page.goto(f"{served.url}/system/notifications?notice=new_ticket")
    text, subject = page.get_by_label("Text", exact=True), page.get_by_label("Betreff")
    names = page.get_by_role("listbox", name="Platzhalter")
    text.fill("")
    text.press_sequentially("Von {{send")
    expect(names.get_by_role("option")).to_have_text(["sender.name", "sender.address"])
    expect(page.locator("#names + [role=status]")).to_contain_text("mit den Pfeiltasten wählen")
    text.press("ArrowDown")
    chosen = names.get_by_role("option", selected=True)
    expect(chosen).to_have_text("sender.address")
    expect(text).to_have_attribute("aria-activedescendant", chosen.get_attribute("id") or "")
    text.press("Enter")
    expect(names).to_be_hidden()
    expect(text).to_have_value("Von {{sender.address}}")
    text.press_sequentially(" {{")
    expect(names.get_by_role("option")).to_have_count(len(wording.PLACEHOLDERS["new_ticket"]))
    text.press("Escape")
    expect(names).to_be_hidden()
    text.press_sequentially("message")
    text.press("Tab")
    expect(text).to_have_value("Von {{sender.address}} {{message.text}}")
    subject.fill("Neu: ")
    expect(subject).to_have_attribute("aria-expanded", "false")
    subject.press_sequentially("{{number")
    expect(subject).to_have_attribute("aria-expanded", "true")
    names.get_by_text("ticket.number").click()
    expect(subject).to_have_value("Neu: {{ticket.number}}")
    subject.press("Home")
    page.get_by_role("button", name="company.name").click()
    expect(subject).to_have_value("{{company.name}}Neu: {{ticket.number}}")
    expect(page.locator("#preview")).to_contain_text("Acme GmbHNeu: 1")


def test_an_agent_chooses_what_he_hears_of(page: Page, served: Serving) -> None:
    page.goto(f"{served.url}/profile")
    form = page.get_by_role("region", name="Benachrichtigungen")
    form.get_by_role("group", name="Per E-Mail").get_by_text("Meine", exact=True).click()
    form.get_by_role("group", name="Im Browser").get_by_text("Erwähnungen", exact=True).click()
    form.get_by_text("Jeden Morgen").click()
    for day in ("Mo", "Mi"):
        form.get_by_text(day, exact=True).click()
    form.get_by_label("Arbeitszeit bis").fill("07:00")
    form.get_by_role("button", name="Benachrichtigungen speichern").click()
    expect(page.get_by_text("die frühere zuerst")).to_be_visible()
    form.get_by_label("Arbeitszeit bis").fill("16:00")
    form.get_by_role("button", name="Benachrichtigungen speichern").click()
    expect(page.get_by_label("Mi", exact=True)).to_be_checked()
    expect(page.get_by_label("Di", exact=True)).not_to_be_checked()
    assert served.sql(
        "SELECT notify, bell, digest, work_days, work_end FROM agent WHERE email_key LIKE 'alice%'"
    ) == [{"notify": "mine", "bell": "mentions", "digest": "daily", "work_days": "13", "work_end": "16:00"}]
