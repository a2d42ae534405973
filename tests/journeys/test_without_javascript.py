"""Everything that a day's work needs, in a browser that runs no script: plain links and forms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.servers import carol
from tests.servers.browser import sign_in, window
from tests.servers.ca import Authority
from tests.servers.carol import Got
from tests.servers.dovecot import Mailbox
from tests.servers.serving import PASSWORD, Serving, until
from tests.servers.smtp_sink import SmtpSink

pytestmark = [pytest.mark.browser, pytest.mark.dovecot]

ALICE, BOB = "alice@acme.example", "bob@acme.example"
PRICE_LIST = b"%PDF-1.7\n" + bytes(range(256))


def test_a_day_without_javascript(
    browser: Browser,
    make_serving: Callable[..., Serving],
    make_smtp_sink: Callable[..., SmtpSink],
    mailbox: Mailbox,
    ca: Authority,
    tmp_path: Path,
) -> None:
    relay, provider = (
        make_smtp_sink(),
        make_smtp_sink(users={mailbox.user: mailbox.password}, context=ca.issue(file="smtp").context()),
    )
    serving = make_serving(MAIL_SERVER="127.0.0.1", MAIL_PORT=str(relay.port), **ca.environment)
    address = serving.create_account()
    new_bob = ("--name", "Bob Berger", "--email", BOB, "--role", "agent", "--password-stdin")
    serving.flask("agent", "create", *new_bob, stdin=PASSWORD)
    serving.sql("UPDATE account SET undo_seconds = 4")
    serving.start()
    carol.send(carol.request(address), address, serving.smtp_port)

    with window(browser, java_script_enabled=False) as page:
        sign_in(page, serving.url, BOB, PASSWORD)
        read(page, serving)
        assign(page)
        answer(page, tmp_path)
        reply = until(lambda: [mail for mail in relay.mails if carol.ADDRESS in mail.recipients][1:])[0]
        got = Got(reply.raw, reply.envelope_from, reply.recipients)
        assert got.files == {"Preisliste für Sie.pdf": PRICE_LIST}
        assert got.text.splitlines()[:3] == ["Guten Tag Frau Weiß,", "", "morgen geht alles hinaus."]
        until(lambda: page.reload() and page.get_by_text("an Mailserver übergeben").count())
        take_a_note(page)
        sign_out(page)

        sign_in(page, serving.url, ALICE, PASSWORD)
        create_channel(page, serving, mailbox, provider)
        edit_channel(page)
    (ticket,) = serving.tickets()
    assert (ticket["status"], ticket["assignee"]) == ("resolved", BOB)
    assert [message["kind"] for message in ticket["messages"]] == ["inbound", "reply", "note"]


def read(page: Page, serving: Serving) -> None:
    row = page.get_by_role("link", name=carol.SUBJECT)
    until(lambda: page.reload() and row.count())
    page.get_by_role("searchbox").fill("fehlten Artikeln")
    page.get_by_role("searchbox").press("Enter")
    row.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(carol.SUBJECT)
    expect(page.frame_locator("article iframe").get_by_text("zwei von fünf Artikeln")).to_be_visible()
    with page.expect_download() as started:
        page.get_by_role("link", name="Lieferschein März.bin").first.click()
    assert Path(started.value.path()).read_bytes() == carol.PICTURE


def assign(page: Page) -> None:
    chosen = page.get_by_label("Zuständig")
    chosen.select_option("Bob Berger")
    page.locator("form", has=chosen).get_by_role("button", name="Speichern").click()
    expect(page.get_by_text("Bob Berger zugewiesen").first).to_be_visible()
    expect(chosen.locator("option:checked")).to_have_text("Bob Berger")


def answer(page: Page, folder: Path) -> None:
    """Sent, taken back, and sent with one word changed."""
    (folder / "Preisliste für Sie.pdf").write_bytes(PRICE_LIST)
    text = page.get_by_label("Ihre Antwort")
    text.fill("Guten Tag Frau Weiß,\n\nheute geht alles hinaus.")
    page.locator("input[type=file]").set_input_files(folder / "Preisliste für Sie.pdf")
    page.get_by_role("button", name="Antworten & Lösen").click()
    ours = page.locator("article.message-ours")
    expect(ours).to_contain_text("heute geht alles hinaus.")
    page.get_by_role("button", name="Rückgängig").click()
    expect(page.get_by_text("Ihr Text steht wieder im Eingabefeld").first).to_be_visible()
    expect(ours).to_have_count(0)
    expect(page.locator("#composer-kept")).to_contain_text("Preisliste für Sie.pdf")
    expect(text).to_have_value("Guten Tag Frau Weiß,\n\nheute geht alles hinaus.")
    text.fill(text.input_value().replace("heute", "morgen"))
    page.get_by_role("button", name="Antworten & Lösen").click()
    expect(ours).to_contain_text("morgen geht alles hinaus.")
    expect(page.get_by_label("Status", exact=True)).to_have_value("resolved")


def take_a_note(page: Page) -> None:
    page.get_by_role("navigation").get_by_role("link", name="Private Notiz").click()
    page.get_by_role("textbox", name="Private Notiz").fill("Beim nächsten Mal doppelt prüfen.")
    page.get_by_role("button", name="Notiz speichern").click()
    expect(page.get_by_text("Beim nächsten Mal doppelt prüfen.")).to_be_visible()


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Ihr Menü").click()
    page.get_by_role("button", name="Abmelden").click()
    expect(page.get_by_role("heading", name="Anmelden")).to_be_visible()


def create_channel(page: Page, serving: Serving, mailbox: Mailbox, sink: SmtpSink) -> None:
    """A choice that needs other fields asks for them by a button of its own."""
    page.goto(f"{serving.url}/system/channels/new")
    page.get_by_label("ID", exact=True).fill("Bestellungen")
    page.get_by_label("Eigenen Mailserver verwenden").check()
    page.get_by_role("button", name="Felder dieser Auswahl anzeigen").click()
    incoming = page.get_by_role("region", name="Posteingangsserver")
    outgoing = page.get_by_role("region", name="Postausgangsserver")
    page.get_by_label("E-Mail-Adresse").fill("bestellung@acme.test")
    incoming.get_by_label("Servername").fill("localhost")
    incoming.get_by_label("Port").fill(str(mailbox.dovecot.imaps))
    incoming.get_by_label("Benutzername").fill(mailbox.user)
    incoming.get_by_label("Passwort", exact=True).fill(mailbox.password)
    outgoing.get_by_label("Servername").fill("localhost")
    outgoing.get_by_label("Port").fill(str(sink.port))
    page.get_by_role("button", name="Verbindung testen").click()
    expect(page.locator("#test .step-ok")).to_have_count(11)
    # The page is a new one, and a password never comes back: it is asked for again.
    expect(incoming.get_by_label("Servername")).to_have_value("localhost")
    incoming.get_by_label("Passwort", exact=True).fill(mailbox.password)
    page.get_by_role("button", name="Speichern").first.click()
    expect(page.get_by_text("Der Kanal wurde angelegt.").first).to_be_visible()


def edit_channel(page: Page) -> None:
    page.get_by_role("link", name="Bestellungen", exact=True).click()
    page.get_by_label("ID", exact=True).fill("Bestellwesen")
    page.get_by_role("button", name="Speichern").first.click()
    expect(page.get_by_text("Der Kanal wurde gespeichert.").first).to_be_visible()
    row = page.get_by_role("row").filter(has_text="Bestellwesen")
    row.get_by_role("switch").click()
    expect(row.get_by_role("switch")).to_have_attribute("aria-checked", "false")
