"""Replies that do not arrive, as Alice lives it: in Chromium, in German, with a server that refuses and reports.

What comes back returns the ticket to its author; »System >> Postausgang« shows the rest and lets her mend it.
"""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from email.utils import make_msgid

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.servers import carol
from tests.servers.browser import sign_in, window
from tests.servers.serving import PASSWORD, Serving, until
from tests.servers.smtp_sink import SmtpSink, SunkMail
from tests.support.mails import mail

ADDRESS = "support-acme@poststelle.example"
BOB, DAVE, EVE = "bob@kunde.example", "dave@kunde.example", "eve@kunde.example"

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


def test_what_does_not_arrive_comes_back_to_its_author(
    browser: Browser, make_serving: Callable[..., Serving], smtp_sink: SmtpSink
) -> None:
    serving = make_serving(MAIL_SERVER="127.0.0.1", MAIL_PORT=str(smtp_sink.port), MAIL_USE_TLS="0")
    serving.create_account()
    serving.sql("UPDATE account SET undo_seconds = 0")
    serving.sql("INSERT INTO notice_switch (notice, enabled) VALUES ('confirmation', 0), ('new_ticket', 0)")
    serving.start()
    for number, sender in enumerate((carol.ADDRESS, BOB, DAVE, EVE)):
        request = mail(sender, subject=f"Anfrage {number}", text="Guten Tag, wo ist meine Lieferung?")
        carol.send(request.replace(b"\n", b"\r\n"), ADDRESS, serving.smtp_port, sender)
    until(lambda: len(serving.sql("SELECT id FROM ticket")) == 4)
    smtp_sink.reject(BOB, "450 4.2.0 Greylisted, try again in 5 minutes")
    smtp_sink.reject(DAVE, "550 5.1.1 User unknown")
    smtp_sink.reject(EVE, "452 4.2.2 mailbox full")

    with window(browser) as page:
        sign_in(page, serving.url, "alice@acme.example", PASSWORD)
        a_report_comes_back(page, serving, smtp_sink)
        what_was_changed_is_sent(page, serving, smtp_sink)
        for number in (1002, 1003, 1004):
            answer(page, serving, number, "Sie ist unterwegs.")
        the_outbox_tells_why(page, serving)
        the_outbox_is_emptied(page, serving, smtp_sink)
    assert serving.stop() == 0


# --- the ticket


def a_report_comes_back(page: Page, serving: Serving, sink: SmtpSink) -> None:
    answer(page, serving, 1001, "Sie ist unterwegs.", "Antworten & Lösen")
    expect(page.locator(".delivery-state")).to_contain_text("an Mailserver übergeben")
    expect(page.locator("#side-status")).to_have_value("resolved")
    (sent,) = sent_to(sink, carol.ADDRESS)
    report(serving, sent, carol.ADDRESS)
    until(lambda: serving.sql("SELECT id FROM ticket_event WHERE kind = 'mail_undeliverable'"))

    page.reload()
    expect(page.locator("#side-status")).to_have_value("open")
    expect(page.locator("#side-assignee option:checked")).to_have_text("Alice Admin")
    failed = page.locator(".message-ours .delivery")
    expect(failed).to_contain_text("Nicht zugestellt. Die Adresse des Empfängers gibt es nicht.")
    expect(page.locator("#side")).to_contain_text("Unzustellbar seit heute")
    warning = page.locator("#composer").get_by_text(f"E-Mails an {carol.ADDRESS} kommen seit heute")
    expect(warning).to_contain_text("Prüfen Sie die Adresse, bevor Sie erneut schreiben.")

    failed.get_by_role("button", name="Erneut senden").click()
    expect(page.get_by_text("Die Antwort wird gesendet.").first).to_be_visible()
    expect(failed).to_contain_text("an Mailserver übergeben")
    again = sent_to(sink, carol.ADDRESS)
    assert [mail.raw for mail in again] == [sent.raw] * 2, "the same mail once more"


def what_was_changed_is_sent(page: Page, serving: Serving, sink: SmtpSink) -> None:
    report(serving, sent_to(sink, carol.ADDRESS)[0], carol.ADDRESS)
    twice = "SELECT id FROM ticket_event WHERE kind = 'mail_undeliverable'"
    until(lambda: len(serving.sql(twice)) == 2)
    page.reload()
    page.get_by_role("button", name="Ändern und senden").click()
    expect(page.get_by_text("Der Text steht im Antwortfeld.").first).to_be_visible()
    editor = page.locator("trix-editor")
    expect(editor).to_contain_text("Sie ist unterwegs.")
    editor.click()
    page.keyboard.press("Control+End")
    page.keyboard.type(" Ganz sicher.")
    page.get_by_role("button", name="Antworten", exact=True).click()
    expect(page.locator("article.message-ours").last).to_contain_text("Ganz sicher.")
    until(lambda: len(sent_to(sink, carol.ADDRESS)) == 3)
    until(lambda: "Ganz sicher." in carol.Got(sent_to(sink, carol.ADDRESS)[-1].raw, "", ()).text)


# --- »System >> Postausgang«


def the_outbox_tells_why(page: Page, serving: Serving) -> None:
    untried = "SELECT id FROM outbound_mail WHERE state = 'sending' OR state = 'queued' AND attempts = 0"
    until(lambda: not serving.sql(untried))
    page.goto(serving.url)
    entry = page.get_by_role("link", name="Postausgang")
    expect(entry.locator(".count")).to_have_text("3")
    entry.click()
    expect(row(page, BOB)).to_contain_text("wartet, nächster Versuch")
    expect(row(page, BOB)).to_contain_text("Der Server des Empfängers bittet jeden neuen Absender")
    expect(row(page, EVE)).to_contain_text("Postfach des Empfängers ist voll")
    expect(row(page, DAVE)).to_contain_text("Die Adresse des Empfängers gibt es nicht.")
    page.get_by_role("navigation", name="Welche E-Mails").get_by_role("link", name="Unzustellbar").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    row(page, DAVE).get_by_role("link").first.click()
    frame = page.frame_locator("iframe[title='Die E-Mail, wie ihr Leser sie sieht']")
    expect(frame.get_by_text("Sie ist unterwegs.")).to_be_visible()
    expect(page.get_by_text("User unknown").first).to_be_attached()
    with page.expect_download() as started:
        page.get_by_role("link", name="Original (.eml)").click()
    assert started.value.suggested_filename.endswith(".eml")


def the_outbox_is_emptied(page: Page, serving: Serving, sink: SmtpSink) -> None:
    """Another address, one more try, no more tries."""
    page.get_by_text("An eine andere Adresse senden").click()
    page.get_by_label("E-Mail-Adresse", exact=True).fill("dave@neu.example")
    page.get_by_role("button", name="An diese Adresse senden").click()
    expect(page.get_by_text("Die E-Mail wird an die neue Adresse gesendet.").first).to_be_visible()
    until(lambda: sent_to(sink, "dave@neu.example"))

    sink.rejected.pop(BOB)
    page.goto(f"{serving.url}/system/outbox")
    choose(page, row(page, BOB), "Jetzt senden")
    until(lambda: sent_to(sink, BOB))
    choose(page, row(page, EVE), "Nicht senden")
    expect(page.get_by_text("Die E-Mail wird nicht gesendet.").first).to_be_visible()
    until(lambda: not serving.sql("SELECT id FROM outbound_mail WHERE state IN ('queued', 'sending')"))
    page.reload()
    expect(page.get_by_text("Hier ist nichts")).to_be_visible()
    expect(page.get_by_role("link", name="Postausgang").first.locator(".count")).to_have_count(0)
    assert sent_to(sink, EVE) == []


def choose(page: Page, of: Locator, verb: str) -> None:
    of.locator("summary").click()
    of.get_by_role("button", name=verb).click(timeout=5000)


def row(page: Page, address: str) -> Locator:
    return page.locator("tbody tr").filter(has_text=address)


# --- writing, and what comes back


def answer(page: Page, serving: Serving, number: int, text: str, how: str = "Antworten") -> None:
    page.goto(f"{serving.url}/tickets/{number}")
    page.locator("trix-editor").click()
    page.keyboard.type(text)
    page.get_by_role("button", name=how, exact=True).click()
    expect(page.locator("article.message-ours").last).to_contain_text(text)


def sent_to(sink: SmtpSink, address: str) -> list[SunkMail]:
    return [mail for mail in list(sink.mails) if address in mail.recipients]


def report(serving: Serving, sent: SunkMail, address: str) -> None:
    """The other server sends the mail back, to our receiver and from the null sender."""
    message_id = carol.Got(sent.raw, "", ()).header("Message-ID")
    raw = (
        f"From: MAILER-DAEMON@mx.kunde.example\r\nTo: {ADDRESS}\r\nSubject: Undelivered Mail\r\n"
        f"Message-ID: {make_msgid(domain='mx.kunde.example')}\r\n"
        "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.kunde.example\r\n\r\n"
        f"Final-Recipient: rfc822; {address}\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {message_id}\r\n\r\n--b--\r\n"
    )
    with smtplib.SMTP("127.0.0.1", serving.smtp_port) as server:
        server.sendmail("", [ADDRESS], raw.encode())
