"""S26 to S53 one by one, as an administrator lives them: in Chromium, in German, with real mail servers."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.servers import carol
from tests.servers.browser import sign_in, window
from tests.servers.ca import Authority
from tests.servers.dovecot import Dovecot, Mailbox
from tests.servers.serving import PASSWORD, Serving, until
from tests.servers.smtp_sink import SmtpSink

pytestmark = [pytest.mark.browser, pytest.mark.dovecot, pytest.mark.timeout(180)]

IN_SECRET, OUT_SECRET = "geheim-im-eingang-4711", "geheim-im-ausgang-4712"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, ca: Authority) -> Iterator[Serving]:
    serving = Serving(tmp_path_factory.mktemp("promises") / "data", **ca.environment)
    serving.create_account()
    serving.start()
    yield serving
    assert serving.stop() == 0, "".join(serving.output)
    assert "Traceback" not in "".join(serving.output)


@pytest.fixture(scope="module")
def mailbox(dovecot: Dovecot) -> Mailbox:
    return dovecot.add_user("rechnung@acme.example", IN_SECRET)


@pytest.fixture(scope="module")
def sink(ca: Authority) -> Iterator[SmtpSink]:
    made = SmtpSink(users={"versand": OUT_SECRET}, context=ca.issue(file="promises").context())
    made.start()
    yield made
    made.stop()


@pytest.fixture
def page(browser: Browser, served: Serving) -> Iterator[Page]:
    with window(browser) as opened:
        sign_in(opened, served.url, "alice@acme.example", PASSWORD)
        yield opened


def new_form(page: Page, served: Serving) -> None:
    page.goto(f"{served.url}/system/channels/new")


def save(page: Page) -> None:
    page.get_by_role("button", name="Speichern").click()


def row(page: Page, key: str):
    return page.locator("tr.channel", has=page.get_by_role("link", name=key, exact=True))


def test_the_place_the_button_and_the_row(page: Page, served: Serving) -> None:
    """S27, S28, S29."""
    page.locator("#rail").get_by_role("link", name="Kanäle").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Kanäle")
    expect(page.locator("main, header").get_by_text("System").first).to_be_visible()
    page.get_by_role("link", name="Neuer Kanal").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Neuer Kanal")
    list_url = f"{served.url}/system/channels"
    for way in ("row", "icon", "keyboard"):
        page.goto(list_url)
        if way == "row":
            row(page, "Support").click(position={"x": 600, "y": 12})
        elif way == "icon":
            row(page, "Support").get_by_role("link", name="bearbeiten").click()
        else:
            row(page, "Support").get_by_role("link", name="Support", exact=True).press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Support")


def test_an_id_and_an_address_stand_once(page: Page, served: Serving) -> None:
    """S26, S30, S31, S32."""
    new_form(page, served)
    expect(page.get_by_text("Typ", exact=True)).to_be_visible()
    expect(page.locator(".field", has_text="Typ").get_by_text("E-Mail", exact=True).first).to_be_visible()
    expect(page.get_by_label("Aktiv")).to_be_checked()
    save(page)
    expect(page.locator("#key-error")).to_have_text("Bitte füllen Sie dieses Feld aus.")
    expect(page.get_by_label("ID", exact=True)).to_be_focused()
    page.fill("[name=key]", "SUPPORT")
    page.fill("[name=address]", default_address(served).partition("@")[0])
    save(page)
    expect(page.locator("#key-error")).to_contain_text("Diese ID hat schon ein anderer Kanal.")
    expect(page.locator("#address-error")).to_contain_text("mit dieser Adresse")


def test_the_default_address_stays(page: Page, served: Serving) -> None:
    """S33, S52: in the form, in the list, and on the server."""
    page.goto(f"{served.url}/system/channels")
    default = row(page, "Support")
    expect(default.get_by_role("switch")).to_have_attribute("aria-disabled", "true")
    expect(default.get_by_role("link", name="löschen")).to_have_count(0)
    page.goto(f"{served.url}/system/channels/1")
    expect(page.get_by_label("Aktiv")).to_be_disabled()
    token = page.locator("[name=csrf_token]").first.get_attribute("value")
    for path, form in (("active", {"active": ""}), ("delete", {})):
        answer = page.request.post(
            f"{served.url}/system/channels/1/{path}", form={"csrf_token": token or "", **form}
        )
        assert answer.status == 409
    assert served.sql("SELECT active, deleted_at FROM channel WHERE is_default") == [
        {"active": 1, "deleted_at": None}
    ]


def test_a_standard_address_serves_in_and_out(page: Page, served: Serving) -> None:
    """S34, S35, S32: only the part before the domain; switched off it takes nothing."""
    new_form(page, served)
    expect(page.get_by_text("Standard (Poststelle)")).to_be_visible()
    expect(page.get_by_text("Eigenen Mailserver verwenden", exact=True)).to_be_visible()
    expect(page.locator(".affix")).to_contain_text("@")
    expect(page.locator("[name=server]")).to_be_hidden()
    page.fill("[name=key]", "Verkauf")
    page.fill("[name=address]", "verkauf")
    save(page)
    address = row(page, "Verkauf").locator(".address").inner_text()
    assert address == "verkauf@" + default_address(served).rpartition("@")[2]
    carol.send(request("An den Verkauf"), address, served.smtp_port)
    until(lambda: [t for t in served.tickets() if t["subject"] == "An den Verkauf"])
    row(page, "Verkauf").get_by_role("switch").click()
    expect(row(page, "Verkauf").get_by_role("switch")).to_have_attribute("aria-checked", "false")
    with pytest.raises(Exception, match="550"):
        carol.send(request("Zu spät"), address, served.smtp_port)


@pytest.mark.in_order
def test_an_own_mailbox_from_the_form_to_the_ticket_and_the_answer(
    page: Page, served: Serving, mailbox: Mailbox, sink: SmtpSink
) -> None:
    """S36 to S50: every field, the test before saving, and what they are for."""
    mailbox.deliver(request("Schon da und gelesen"), flags="S")
    mailbox.deliver(request("Schon da und ungelesen"))
    new_form(page, served)
    page.check("[name=provider][value=own]")
    expect(page.locator("[name=server]")).to_be_visible()
    page.fill("[name=key]", "Buchhaltung")
    page.fill("[name=address]", mailbox.user)
    page.locator("[name=server]").fill("localhost")
    expect(page.locator("[name=user]")).to_have_value(mailbox.user)  # S41: prefilled
    page.check("[name=protocol][value=pop3]", force=True)  # S37, S39
    expect(page.locator("[name=port]")).to_have_value("995")
    page.check("[name=protocol][value=imap]", force=True)
    expect(page.locator("[name=port]")).to_have_value("993")
    page.uncheck("[name=ssl]")  # S40
    expect(page.locator("[name=port]")).to_have_value("143")
    page.check("[name=ssl]")
    expect(page.locator("[name=port]")).to_have_value("993")
    page.fill("[name=port]", str(mailbox.dovecot.imaps))
    page.fill("[name=password]", IN_SECRET)  # S42
    page.fill("[name=smtp_server]", "localhost")  # S44
    for encryption, port in (("none", "25"), ("ssl", "465"), ("starttls", "587")):  # S45, S48
        page.check(f"[name=smtp_encryption][value={encryption}]", force=True)
        expect(page.locator("[name=smtp_port]")).to_have_value(port)
    page.fill("[name=smtp_port]", str(sink.port))
    page.fill("[name=smtp_user]", "versand")  # S46: may differ
    page.fill("[name=smtp_password]", OUT_SECRET)  # S47
    page.select_option("[name=smtp_auth]", "login")  # S49
    page.get_by_role("button", name="Verbindung testen").click()  # S43: not saved yet
    expect(page.locator("#test:not([aria-busy]) .step-ok")).to_have_count(11, timeout=20_000)
    expect(page.locator("#test")).to_contain_text("1 ungelesene von 2")
    page.get_by_role("button", name="Probelauf starten").click()
    expect(page.locator("#dry-run")).to_contain_text("wird ein neues Ticket", timeout=20_000)
    expect(page.locator("#dry-run")).to_contain_text("schon gelesen: bleibt unberührt")
    assert sorted(mailbox.flags()) == ["", "S"] and served.sql("SELECT count(*) AS n FROM channel WHERE key = 'Buchhaltung'") == [{"n": 0}]  # fmt: skip
    save(page)  # S50
    ticket = until(lambda: [t for t in served.tickets() if t["subject"] == "Schon da und ungelesen"])[0]
    until(lambda: mailbox.flags() == ["S"])  # what was read stays
    expect(row(page, "Buchhaltung")).to_contain_text("Eigener Mailserver")
    page.goto(f"{served.url}/tickets/{ticket['number']}")
    page.locator("trix-editor").fill("Ihre Rechnung ist unterwegs.")
    page.get_by_role("button", name="Antworten", exact=True).click()
    page.get_by_text("Ihre Rechnung ist unterwegs.").first.wait_for()

    def answers():
        return [one for one in list(sink.mails) if b"unterwegs" in one.raw]

    sent = until(answers, patience=30)[0]
    assert (sent.envelope_from, sent.user, sent.tls) == (mailbox.user, "versand", True)  # S36: in and out


@pytest.mark.in_order
def test_a_password_never_comes_back(page: Page, served: Serving) -> None:
    """S42, S47: not in the form, not in a page, and an empty field keeps it."""
    page.goto(f"{served.url}/system/channels")
    row(page, "Buchhaltung").get_by_role("link", name="Buchhaltung", exact=True).click()
    expect(page.locator("[name=password]")).to_have_value("")
    assert IN_SECRET not in page.content() and OUT_SECRET not in page.content()
    page.fill("[name=sender_name]", "Acme Rechnungen")
    save(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Kanäle")
    page.goto(page.url)
    row(page, "Buchhaltung").get_by_role("link", name="Buchhaltung", exact=True).click()
    page.get_by_role("button", name="Verbindung testen").click()
    expect(page.locator("#test:not([aria-busy]) .step-ok")).to_have_count(11, timeout=20_000)


@pytest.mark.in_order
def test_planted_passwords_are_found_nowhere(served: Serving) -> None:
    """Not in the database file, not in what was logged, not in an export. Runs after the passwords were used."""
    assert served.sql("SELECT count(*) AS n FROM channel WHERE password != ''") == [{"n": 1}]
    for kind in ("tickets", "ledger"):
        served.flask("export", kind)
    served.flask("channel", "list")
    served.flask("channel", "test", "Buchhaltung")
    texts = {"output": "".join(served.output).encode(), "commands": served.printed.encode()}
    texts |= {str(path): path.read_bytes() for path in served.data.rglob("*") if path.is_file()}
    for secret in (IN_SECRET.encode(), OUT_SECRET.encode()):
        assert [name for name, content in texts.items() if secret in content] == []


@pytest.mark.in_order
def test_deleting_asks_and_the_tickets_stay(page: Page, served: Serving) -> None:
    """S51."""
    page.goto(f"{served.url}/system/channels")
    row(page, "Buchhaltung").get_by_role("link", name="löschen").click()
    page.get_by_role("button", name="Abbrechen").click()
    expect(row(page, "Buchhaltung")).to_have_count(1)
    row(page, "Buchhaltung").get_by_role("link", name="löschen").click()
    page.get_by_role("button", name="Ja, Löschen").click()
    expect(row(page, "Buchhaltung")).to_have_count(0)
    (ticket,) = [t for t in served.tickets() if t["subject"] == "Schon da und ungelesen"]
    page.goto(f"{served.url}/tickets/{ticket['number']}")
    expect(page.locator("#head")).to_contain_text("Buchhaltung")  # where it came from


def test_help_is_one_click_from_the_form(page: Page, served: Serving) -> None:
    """S53."""
    new_form(page, served)
    page.get_by_role("link", name="So funktioniert der E-Mail-Kanal").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("E-Mail-Kanal")
    expect(page.locator("main h2")).to_have_count(5)
    for picture in page.locator("main img").all():
        picture.scroll_into_view_if_needed()
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("image => image.naturalWidth") > 500


def test_from_the_list_to_the_bin_by_the_keyboard_alone(
    page: Page, served: Serving, dovecot: Dovecot, sink: SmtpSink
) -> None:
    """S28 to S51 without one movement of a mouse; the focus is always seen, and stays with what changes."""
    box = dovecot.add_user("tastatur@acme.example", IN_SECRET)
    box.deliver(request("Ohne Maus"))
    page.goto(f"{served.url}/system/channels")
    go_to(page, "Neuer Kanal", "Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Neuer Kanal")
    fill(page, key="Tastatur")
    go_to(page, "provider", "ArrowDown")
    expect(page.locator("[name=server]")).to_be_visible()
    expect(page.locator("[name=provider][value=own]")).to_be_focused()
    fill(page, address=box.user, server="localhost", port=str(dovecot.imaps), password=IN_SECRET)
    fill(
        page, smtp_server="localhost", smtp_port=str(sink.port), smtp_user="versand", smtp_password=OUT_SECRET
    )
    go_to(page, "Verbindung testen", "Enter")
    expect(page.locator("#test:not([aria-busy]) .step-ok")).to_have_count(11, timeout=20_000)
    expect(page.locator("#test :focus")).to_have_count(1)
    go_to(page, "Probelauf starten", "Space")
    expect(page.locator("#dry-run")).to_contain_text("wird ein neues Ticket", timeout=20_000)
    expect(page.locator("#dry-run :focus")).to_have_count(1)
    go_to(page, "Speichern", "Enter", by="Shift+Tab")
    expect(page.get_by_role("heading", level=1)).to_have_text("Kanäle")
    go_to(page, "Tastatur", "Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Tastatur")
    fill(page, sender_name="Acme ohne Maus")
    page.keyboard.press("Enter")  # in a field it saves
    expect(page.get_by_role("heading", level=1)).to_have_text("Kanäle")
    expect(row(page, "Tastatur").locator("form[data-htmx-powered]")).to_have_count(1)
    go_to(page, "Tastatur ist aktiv", "Space")
    switch = row(page, "Tastatur").get_by_role("switch")
    expect(switch).to_have_attribute("aria-checked", "false")
    expect(switch).to_be_focused()
    go_to(page, "Tastatur löschen", "Enter")
    expect(page.locator("dialog[open] :focus")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(row(page, "Tastatur").get_by_role("link", name="löschen")).to_be_focused()
    page.keyboard.press("Enter")
    go_to(page, "Ja, Löschen", "Enter")
    expect(row(page, "Tastatur")).to_have_count(0)
    assert served.sql(
        "SELECT sender_name, deleted_at IS NULL AS there FROM channel WHERE \"key\" = 'Tastatur'"
    ) == [{"sender_name": "Acme ohne Maus", "there": 0}]


FOCUSED = """() => {
  const one = document.activeElement;
  const near = [one, one.closest("label"), one.closest("tr"), one.parentElement, one.nextElementSibling];
  const seen = near.filter(Boolean).some((part) => {
    const style = getComputedStyle(part);
    return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none";
  });
  return [one.name || "", one.getAttribute("aria-label") || one.innerText || "", seen];
}"""


def go_to(page: Page, name: str, key: str = "", by: str = "Tab") -> None:
    """As far as a field, button or link of that name, and then a key there."""
    for _ in range(90):
        page.keyboard.press(by)
        field, words, seen = page.evaluate(FOCUSED)
        if name in (field, words.strip()):
            assert seen, f"nobody sees that the focus is on {name}"
            if key:
                page.keyboard.press(key)
            return
    raise AssertionError(f"the keyboard does not reach {name}")


def fill(page: Page, **fields: str) -> None:
    """Fields of the form, in their order there: what stood there is marked when the focus comes, and replaced."""
    for name, text in fields.items():
        go_to(page, name)
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(text)


def default_address(served: Serving) -> str:
    return str(served.sql("SELECT address FROM channel WHERE is_default")[0]["address"])


def request(subject: str) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "Carol Customer <carol@customer.example>", subject
    mail["Message-ID"] = f"<{abs(hash(subject))}@customer.example>"
    mail.set_content("Guten Tag, wann kommt meine Rechnung? Ich warte seit zwei Wochen.")
    return mail.as_bytes().replace(b"\n", b"\r\n")
