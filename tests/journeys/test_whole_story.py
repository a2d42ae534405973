"""The whole story, as a company and its customer live it: in Chromium, in German, with real mail servers.

Once for a »Standard« address, an IMAP mailbox and a POP3 mailbox. The process is killed at the moment of
the first ticket, which proves that the mail is on the server until the ticket exists.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.servers import carol
from tests.servers.browser import window
from tests.servers.ca import Authority
from tests.servers.carol import Got
from tests.servers.dovecot import Dovecot, Mailbox
from tests.servers.serving import PASSWORD, Serving, until
from tests.servers.smtp_sink import SmtpSink

pytestmark = [pytest.mark.browser, pytest.mark.dovecot, pytest.mark.timeout(240)]

ALICE, BOB = "alice@acme.example", "bob@acme.example"
PRICE_LIST = b"%PDF-1.7\n" + bytes(range(256)) * 30


@dataclass
class Company:
    """Acme, its Poststelle, and the address that customers write to."""

    way: str
    address: str
    serving: Serving
    sink: SmtpSink
    mailbox: Mailbox | None

    def receives(self, raw: bytes, recipient: str = "") -> None:
        """The customer's provider delivers: to our receiver, or into the mailbox at the company's provider."""
        if self.mailbox is None:
            carol.send(raw, recipient or self.address, self.serving.smtp_port)
        else:
            self.mailbox.deliver(raw)

    def sent_to(self, recipient: str, number: int = 1) -> Got:
        """The mail of that number that reached this address, invitations left out.

        An invitation that is accepted before it left rightly never leaves.
        """

        def found() -> list[Got]:
            mails = [mail for mail in list(self.sink.mails) if mail.recipients == (recipient,)]
            gots = [Got(mail.raw, mail.envelope_from, mail.recipients) for mail in mails]
            return [got for got in gots if f"{self.serving.url}/password/" not in got.text][number - 1 :]

        return until(found, patience=60)[0]

    def waits_on_the_server(self) -> list[bytes]:
        return self.mailbox.messages() if self.mailbox else []


@pytest.fixture(params=["standard", "imap", "pop3"])
def company(
    request: pytest.FixtureRequest,
    make_serving: Callable[..., Serving],
    make_smtp_sink: Callable[..., SmtpSink],
    ca: Authority,
    dovecot: Dovecot,
) -> Company:
    """Before its set-up. An own mailbox sends through its own server, and there is no relay besides."""
    way = request.param
    if way == "standard":
        sink = make_smtp_sink()
        serving = make_serving(MAIL_SERVER="127.0.0.1", MAIL_PORT=str(sink.port), **ca.environment)
        return Company(way, "bestellung@poststelle.example", serving, sink, None)
    address = f"hilfe-{way}@acme.test"
    mailbox = dovecot.add_user(address, "geheim & sicher")
    sink = make_smtp_sink(users={address: mailbox.password}, context=ca.issue(file="smtp").context())
    return Company(way, address, make_serving(**ca.environment), sink, mailbox)


def test_request_ticket_answer_and_the_answer_to_it(
    browser: Browser, company: Company, tmp_path: Path
) -> None:
    serving = company.serving
    serving.start(POSTSTELLE_FAIL_POINT="before_commit")
    with window(browser) as alice:
        set_up(alice, serving)
        create_channel(alice, company)
        invitation = invite_bob(alice, serving)
        alice.goto("about:blank")
    with window(browser) as bob:
        accept(bob, invitation)
        bob.goto("about:blank")

        request = carol.request(company.address)
        company.receives(request)
        assert serving.wait() == -9, "it dies where the ticket would be committed"
        assert serving.tickets() == []
        assert company.waits_on_the_server() == ([request] if company.mailbox else [])

        serving.sql("UPDATE account SET undo_seconds = 60")
        serving.start()
        # Before Bob opens the ticket: who has seen it is not told of it any more.
        check_notice(company.sent_to(BOB), serving)
        find_in_list(bob, serving)
        until(lambda: not company.waits_on_the_server())

        confirmation = company.sent_to(carol.ADDRESS)
        check_confirmation(confirmation, company)
        check_notice(company.sent_to(ALICE), serving)

        read_request(bob, company)
        write_answer(bob, tmp_path)
        think_again(bob, serving)
        reply = company.sent_to(carol.ADDRESS, 2)
        check_reply(reply, company, request)
        expect(bob.locator(".delivery-state").last).to_contain_text("an Mailserver übergeben")

        company.receives(carol.answer(reply, "Danke, das hilft mir!"), reply_address(reply))
        read_new_answer(bob)
        until(lambda: not company.waits_on_the_server())
    (ticket,) = serving.tickets()
    assert [message["kind"] for message in ticket["messages"]] == ["inbound", "reply", "inbound"]
    assert ticket["status"] == "open"
    assert len([mail for mail in company.sink.mails if carol.ADDRESS in mail.recipients]) == 2
    company.sent_to(BOB, 2)  # told of the answer
    assert serving.stop() == 0


# --- Alice, who administers


def set_up(page: Page, serving: Serving) -> None:
    page.goto(serving.url)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert "/setup" in page.url, "before the set-up every way leads there"
    page.goto(serving.setup_link)
    page.get_by_label("Firma", exact=True).fill("Müller & Söhne GmbH")
    expect(page.locator("#address")).to_contain_text("support-mueller-soehne@poststelle.example")
    page.get_by_label("Ihr Name").fill("Alice Admin")
    page.get_by_label("E-Mail-Adresse", exact=True).fill(ALICE)
    page.get_by_label("Passwort").first.fill(PASSWORD)
    page.get_by_role("button", name="Einrichtung abschließen").click()
    expect(page.get_by_text("Willkommen!").first).to_be_visible()


def create_channel(page: Page, company: Company) -> None:
    page.goto(f"{company.serving.url}/system/channels")
    page.get_by_role("link", name="Neuer Kanal").first.click()
    page.get_by_label("ID", exact=True).fill("Bestellungen")
    if company.mailbox is None:
        page.get_by_label("E-Mail-Adresse").fill(company.address.partition("@")[0])
    else:
        fill_servers(page, company, company.mailbox)
    page.get_by_role("button", name="Verbindung testen").click()
    expect(page.locator("#test .step-ok").first).to_be_visible()
    expect(page.locator("#test .step-failed")).to_have_count(0)
    expect(page.locator("#test .step-warning")).to_have_count(1 if company.mailbox is None else 0)
    page.get_by_role("button", name="Speichern").first.click()
    expect(page.get_by_text("Der Kanal wurde angelegt.").first).to_be_visible()
    expect(page.get_by_text(company.address).first).to_be_visible()
    if company.mailbox is not None:  # what comes after the first look into the mailbox is new
        first = "SELECT 1 FROM channel WHERE address = :address AND first_fetch_at IS NOT NULL"
        until(lambda: company.serving.sql(first, address=company.address))


def fill_servers(page: Page, company: Company, mailbox: Mailbox) -> None:
    page.get_by_label("Eigenen Mailserver verwenden").check()
    incoming = page.get_by_role("region", name="Posteingangsserver")
    outgoing = page.get_by_role("region", name="Postausgangsserver")
    expect(incoming).to_be_visible()
    page.get_by_label("E-Mail-Adresse").fill(company.address)
    page.get_by_label("E-Mail-Adresse").press("Tab")
    expect(incoming.get_by_label("Benutzername")).to_have_value(company.address)
    protocol, port = ("IMAP", "993") if company.way == "imap" else ("POP3", "995")
    incoming.get_by_text(protocol, exact=True).click()
    expect(incoming.get_by_label("Port")).to_have_value(port)
    dovecot = mailbox.dovecot
    incoming.get_by_label("Servername").fill("localhost")
    incoming.get_by_label("Port").fill(str(dovecot.imaps if company.way == "imap" else dovecot.pop3s))
    incoming.get_by_label("Passwort", exact=True).fill(mailbox.password)
    outgoing.get_by_label("Servername").fill("localhost")
    outgoing.get_by_label("Port").fill(str(company.sink.port))


def invite_bob(page: Page, serving: Serving) -> str:
    page.goto(f"{serving.url}/system/agents")
    page.get_by_role("link", name="Agent einladen").first.click()
    page.get_by_label("Name", exact=True).fill("Bob Berger")
    page.get_by_label("E-Mail-Adresse", exact=True).fill(BOB)
    page.get_by_role("button", name="Einladen").click()
    return page.get_by_text(re.compile(rf"{re.escape(serving.url)}/\S+")).first.inner_text().strip()


# --- Bob, who answers


def accept(page: Page, invitation: str) -> None:
    page.goto(invitation)
    page.get_by_label("Passwort").first.fill(PASSWORD)
    page.get_by_role("button", name="Passwort setzen und anmelden").click()
    expect(page.locator("#list")).to_be_visible()


def find_in_list(page: Page, serving: Serving) -> None:
    """It appears by itself: in the list that is loaded, or as the line above it that counts new tickets."""
    page.goto(serving.url)
    row, news = page.get_by_role("link", name=carol.SUBJECT), page.get_by_text("1 neues Ticket – anzeigen")
    expect(row.or_(news).first).to_be_visible()
    if not row.is_visible():
        news.click()
    expect(page.locator("#list li")).to_have_count(1)
    expect(page.locator("#list")).to_contain_text("Neu")
    row.click()


def read_request(page: Page, company: Company) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(carol.SUBJECT)
    expect(page.get_by_role("navigation").get_by_role("link", name="Antwort 1")).to_have_attribute(
        "aria-current", "page"
    )
    frame = page.frame_locator("article iframe").first
    expect(frame.get_by_text("fehlten zwei von fünf Artikeln")).to_be_visible()
    with page.expect_download() as started:
        page.get_by_role("link", name="Lieferschein März.bin").first.click()
    assert started.value.suggested_filename == "Lieferschein März.bin"
    assert Path(started.value.path()).read_bytes() == carol.PICTURE
    expect(page.get_by_text(company.address).first).to_be_visible()


def write_answer(page: Page, folder: Path) -> None:
    (folder / "Preisliste für Sie.pdf").write_bytes(PRICE_LIST)
    editor = page.get_by_role("textbox", name="Ihre Antwort")
    editor.click()
    page.keyboard.type("Guten Tag Frau Weiß, ")
    page.get_by_role("button", name="Fett").click()
    page.keyboard.type("heute")
    page.get_by_role("button", name="Fett").click()
    page.keyboard.type(" geht alles hinaus.")
    page.locator("input[type=file]").set_input_files(folder / "Preisliste für Sie.pdf")
    expect(page.locator("#composer-kept")).to_contain_text("Preisliste für Sie.pdf")
    send(page)


def send(page: Page) -> None:
    page.get_by_role("button", name="Antworten", exact=True).click()
    expect(page.locator("article.message-ours")).to_contain_text("heute geht alles hinaus.")
    expect(page.locator("#side-status")).to_have_value("open")
    expect(page.get_by_role("textbox", name="Ihre Antwort")).to_have_text("")


def think_again(page: Page, serving: Serving) -> None:
    """Taken back in time, the answer is in the composer as it was; then it is sent all the same."""
    expect(page.get_by_text("Wird gesendet …")).to_be_visible()
    page.get_by_role("button", name="Rückgängig").click()
    expect(page.get_by_text("Ihr Text steht wieder im Eingabefeld").first).to_be_visible()
    expect(page.locator("article.message-ours")).to_have_count(0)
    editor = page.get_by_role("textbox", name="Ihre Antwort")
    expect(editor.locator("strong")).to_have_text("heute")
    expect(editor).to_have_text("Guten Tag Frau Weiß, heute geht alles hinaus.")
    expect(page.locator("#composer-kept")).to_contain_text("Preisliste für Sie.pdf")
    serving.sql("UPDATE account SET undo_seconds = 1")  # nobody waits for the second thoughts of a test
    send(page)


def read_new_answer(page: Page) -> None:
    page.get_by_text("In diesem Ticket wurde etwas Neues geschrieben – anzeigen").first.click()
    expect(page.locator("article")).to_have_count(3)
    expect(page.locator("article").last).to_contain_text("Danke, das hilft mir!")
    expect(page.get_by_role("navigation").get_by_role("link", name="Antwort 3")).to_have_attribute(
        "aria-current", "page"
    )


# --- what arrives


def check_confirmation(got: Got, company: Company) -> None:
    assert "Wir haben Ihre Anfrage erhalten [#1001]" in got.header("Subject")
    assert got.envelope_from == ("" if company.mailbox is None else company.address)
    assert got.mail["From"].addresses[0].addr_spec == company.address
    assert got.header("Auto-Submitted").startswith("auto-")
    assert "fehlten" not in got.text, "a confirmation never carries the words of the mail"
    assert carol.SUBJECT not in got.text


def check_notice(got: Got, serving: Serving) -> None:
    assert got.header("Subject") == f"Neues Ticket #1001: {carol.SUBJECT}"
    assert f"{serving.url}/tickets/1001" in got.text
    assert "fehlten zwei von fünf Artikeln" in got.text


def check_reply(got: Got, company: Company, request: bytes) -> None:
    asked = Got(request, "", ()).header("Message-ID")
    assert got.envelope_from == company.address
    sender = got.mail["From"].addresses[0]
    assert (sender.display_name, sender.addr_spec) == ("Müller & Söhne GmbH", company.address)
    assert got.header("In-Reply-To") == asked
    assert got.header("References").split() == [asked]
    assert got.header("Subject") == f"AW: {carol.SUBJECT} [#1001]"
    assert got.header("Auto-Submitted") == ""
    assert got.files == {"Preisliste für Sie.pdf": PRICE_LIST}
    assert "Guten Tag Frau Weiß, heute geht alles hinaus." in got.text
    assert "<strong>heute</strong>" in got.html
    assert "> " in got.text and "fehlten zwei von fünf Artikeln" in got.text, "the request is quoted below"
    if company.mailbox is None:
        local, _, domain = company.address.partition("@")
        assert re.fullmatch(rf"{local}\+1001-[a-z0-9]{{26}}@{domain}", reply_address(got))
    else:
        assert got.header("Reply-To") == ""


def reply_address(got: Got) -> str:
    return got.mail["Reply-To"].addresses[0].addr_spec if got.mail["Reply-To"] else ""
