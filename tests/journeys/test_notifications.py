"""»System >> Benachrichtigungen« as an administrator lives it: in Chromium, in German, with mail that arrives."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from desk.texts.notice_table import BY_NAME
from tests.servers import carol
from tests.servers.browser import sign_in, window
from tests.servers.serving import PASSWORD, Serving, until
from tests.servers.smtp_sink import SmtpSink
from tests.support.mails import mail

ADDRESS = "support-acme@poststelle.example"

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


def deliver(served: Serving, sender: str, subject: str, text: str) -> None:
    """A mail to the default address, through the receiver."""
    raw = mail(sender, subject=subject, text=text).replace(b"\n", b"\r\n")
    carol.send(raw, ADDRESS, served.smtp_port, sender)


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
    for on in ("true", "false", "true"):
        resolved.click()
        expect(resolved).to_have_attribute("aria-checked", on)
    page.get_by_role("link", name="Eingangsbestätigung").click()
    page.wait_for_url(
        "**/system/notifications?notice=confirmation*"
    )  # and its scripts, which listen to the text
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
    (sent,) = [mail for mail in sink.mails if "alice@acme.example" in mail.recipients]
    assert message_from_bytes(sent.raw, policy=default)["Subject"] == f"[Test] Danke [#{number}]"

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
    expect(page.locator("#editor > [role=status]")).to_contain_text("mit den Pfeiltasten wählen")
    text.press("ArrowDown")
    chosen = names.get_by_role("option", selected=True)
    expect(chosen).to_have_text("sender.address")
    expect(text).to_have_attribute("aria-activedescendant", chosen.get_attribute("id") or "")
    text.press("Enter")
    expect(names).to_be_hidden()
    expect(text).to_have_value("Von {{sender.address}}")
    text.press_sequentially(" {{")
    expect(names.get_by_role("option")).to_have_count(len(BY_NAME["new_ticket"].placeholders))
    found = Axe().run(page, options={"iframes": False}).response["violations"]
    assert not found, [(rule["id"], node["html"][:160]) for rule in found for node in rule["nodes"]]
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


def test_a_requester_is_answered_in_a_language_that_was_added(
    page: Page, served: Serving, sink: SmtpSink
) -> None:
    page.goto(f"{served.url}/system/notifications")
    page.get_by_label("Weitere Sprache").select_option("français")
    page.get_by_role("button", name="Sprache hinzufügen").click()
    expect(page.get_by_text("In dieser Sprache gibt es noch keinen Text")).to_be_visible()
    page.get_by_label("Betreff").fill("Bien reçu [#{{ticket.number}}]")
    page.get_by_label("Text", exact=True).fill("Bonjour, votre demande porte le numéro {{ticket.number}}.")
    page.get_by_role("button", name="Speichern", exact=True).click()
    expect(page.get_by_role("button", name="Diesen Text entfernen")).to_be_visible()
    deliver(
        served,
        "claire@client.example",
        "Commande",
        "Bonjour, ma commande n'est pas arrivée. Merci de votre aide.",
    )
    until(lambda: [mail for mail in sink.mails if "claire@client.example" in mail.recipients])
    (sent,) = [mail for mail in sink.mails if "claire@client.example" in mail.recipients]
    read = message_from_bytes(sent.raw, policy=default)
    assert read["Subject"].startswith("Bien reçu [#")
    assert "Bonjour, votre demande porte le numéro" in read.get_body(("plain",)).get_content()  # type: ignore[attr-defined]

    page.goto(f"{served.url}/tickets")
    page.get_by_role("link", name="Commande").click()
    page.wait_for_load_state()  # a choice that is made before the scripts are there is not sent
    language = page.get_by_label("Sprache")
    expect(language.locator("option:checked")).to_have_text("français")
    language.select_option("Deutsch")
    expect(page.get_by_text("Sprache: Deutsch")).to_be_visible()
    page.goto(f"{served.url}/system/notifications")
    page.get_by_role("link", name="français entfernen").click()
    expect(page.get_by_text("1 Text in dieser Sprache wird gelöscht.")).to_be_visible()
    page.get_by_role("button", name="Ja, entfernen").click()
    expect(page.get_by_text("français wurde entfernt.")).to_be_visible()
    expect(page.get_by_role("link", name="français entfernen")).to_have_count(0)


def test_the_bell_rings_leads_to_the_message_and_is_silenced(page: Page, served: Serving) -> None:
    page.goto(f"{served.url}/notices")
    if (everything := page.get_by_role("button", name="Alle als gelesen markieren")).count():
        everything.click()
    page.goto(f"{served.url}/tickets")
    bell = page.locator("#bell")
    expect(bell).to_have_accessible_name("Ihre Benachrichtigungen")
    for number in (1, 2):
        deliver(served, f"gast{number}@kunde.example", f"Glocke {number}", "Guten Tag, ich habe eine Frage.")
    # By the poll that the list makes anyway.
    expect(bell).to_have_accessible_name("Ihre Benachrichtigungen, 2 ungelesen", timeout=15_000)
    bell.click()
    expect(page.locator("li.unread")).to_have_count(2)
    page.locator("li").filter(has_text="Glocke 1").get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Glocke 1")
    assert page.locator(":target").get_attribute("class") == "message"
    expect(bell).to_have_accessible_name("Ihre Benachrichtigungen, 1 ungelesen")
    page.keyboard.press("g")
    page.keyboard.press("b")
    expect(page.locator("li.unread")).to_have_count(1)
    page.get_by_role("button", name="Alle als gelesen markieren").click()
    expect(page.locator("li.unread")).to_have_count(0)
    expect(bell).to_have_accessible_name("Ihre Benachrichtigungen")


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
