"""A mailbox connected by OAuth 2, in Chromium and in German: provider, sign-in, test, mail both ways, end, and anew.

The authorization server, Dovecot with XOAUTH2 and the SMTP server are real; none of their secrets is found
anywhere afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.test_accessibility import look
from tests.servers import carol
from tests.servers.authorization import CLIENT, SECRET, AuthorizationServer
from tests.servers.browser import sign_in, window
from tests.servers.ca import Authority
from tests.servers.dovecot import Dovecot
from tests.servers.serving import PASSWORD, Serving, until
from tests.servers.smtp_sink import SmtpSink

pytestmark = [pytest.mark.browser, pytest.mark.dovecot, pytest.mark.timeout(180)]


@pytest.fixture
def served(tmp_path: Path, ca: Authority) -> Iterator[Serving]:
    serving = Serving(tmp_path / "data", **ca.environment)
    serving.environment["POSTSTELLE_BASE_URL"] = serving.url
    serving.create_account()
    serving.start()
    yield serving
    serving.stop()


@pytest.fixture
def page(browser: Browser, served: Serving) -> Iterator[Page]:
    with window(browser, ignore_https_errors=True) as opened:  # the test's own authority
        sign_in(opened, served.url, "alice@acme.example", PASSWORD)
        yield opened


def test_from_the_provider_to_a_permission_that_ended(
    page: Page,
    served: Serving,
    authorization: AuthorizationServer,
    token_dovecot: Dovecot,
    make_smtp_sink: Callable[..., SmtpSink],
    ca: Authority,
) -> None:
    authorization.life, authorization.gives_refresh = 3600, True
    user = "oauth@acme.example"
    mailbox = token_dovecot.add_user(user)
    sink = make_smtp_sink(
        mechanisms=("XOAUTH2",), accepts=authorization.accepts, context=ca.issue(file="oauth-sink").context()
    )
    seen: list[str] = []
    page.on("framenavigated", lambda _frame: seen.append(page.url))

    # The provider: its address to copy, its secret never shown again.
    page.goto(f"{served.url}/system/channels")
    page.get_by_role("link", name="OAuth-2-Anbieter").click()
    expect(page.get_by_text(f"{served.url}/system/oauth/callback")).to_be_visible()
    page.get_by_role("link", name="Anderer Anbieter").click()
    for name, text in (
        ("name", "Hausanmeldung"),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
        ("authorize_url", f"{authorization.url}/authorize"),
        ("token_url", f"{authorization.url}/token"),
        ("scopes", "mail offline_access"),
        ("hosts", "localhost"),
    ):
        page.fill(f"[name={name}]", text)
    page.get_by_role("button", name="Speichern").click()
    page.get_by_role("link", name="Hausanmeldung", exact=True).click()
    expect(page.locator("[name=client_secret]")).to_have_value("")
    seen.append(page.content())

    # A new channel: the server is recognised, the password gives way to the button.
    page.goto(f"{served.url}/system/channels/new")
    page.check("[name=provider][value=own]")
    expect(page.locator("[name=server]")).to_be_visible()
    page.fill("[name=key]", "Rechnungen")
    page.fill("[name=address]", user)
    page.fill("[name=server]", "localhost")
    page.locator("[name=port]").focus()
    expect(page.get_by_role("button", name="Mit Hausanmeldung verbinden")).to_be_visible()
    expect(page.locator("[name=password]")).to_be_hidden()
    page.fill("[name=port]", str(token_dovecot.imaps))
    page.fill("[name=smtp_server]", "localhost")
    page.fill("[name=smtp_port]", str(sink.port))

    # Refused first: a sentence, and the form is as it was left.
    page.get_by_role("button", name="Mit Hausanmeldung verbinden").click()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_text("Der Anbieter hat keine Erlaubnis erteilt.")).to_be_visible()
    expect(page.locator("[name=key]")).to_have_value("Rechnungen")
    page.get_by_role("button", name="Mit Hausanmeldung verbinden").click()
    expect(page.get_by_role("heading", name=f"Sign in as {user}")).to_be_visible()
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text(f"Verbunden als {user}")).to_be_visible()
    assert look(page, page.url) == []  # axe, on the form that came back
    expect(page.locator("[name=smtp_port]")).to_have_value(str(sink.port))

    # Tested, and run dry, before anything is saved.
    page.get_by_role("button", name="Verbindung testen").click()
    expect(page.locator("#test .step-ok")).to_have_count(11, timeout=20_000)
    page.get_by_role("button", name="Probelauf starten").click()
    expect(page.locator("#dry-run")).to_contain_text("0 E-Mails", timeout=20_000)
    seen.append(page.content())
    page.get_by_role("button", name="Speichern").click()
    row = page.locator("tr", has_text="Rechnungen")

    # Mail comes, and the confirmation leaves by the same permission.
    mailbox.deliver(carol.request(user, "Frage zur Rechnung"))
    assert sink.wait_for(1, timeout=30)[0].user == user
    until(lambda: not mailbox.messages())

    # Withdrawn at the provider: one request, a sentence in the row, and the way out beside it.
    authorization.asked.clear()
    authorization.revoke(user)
    page.goto(f"{served.url}/system/channels")
    for state in ("false", "true"):  # hangs up: a conversation that rests needs no token
        row.get_by_role("switch").click()
        expect(row.get_by_role("switch")).to_have_attribute("aria-checked", state)
    mailbox.deliver(carol.request(user, "Noch eine Frage"))
    until(lambda: served.sql("SELECT error_code FROM channel WHERE error_code = 'oauth_reconnect'"))
    page.goto(f"{served.url}/system/channels")
    expect(row).to_contain_text("Die Erlaubnis beim Anbieter ist erloschen.")
    assert authorization.asked == ["refresh_token"]
    row.get_by_role("button", name="Rechnungen neu verbinden").click()
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("Der Kanal ist wieder verbunden.")).to_be_visible()
    until(lambda: not mailbox.messages())
    seen.append(page.content())

    _found_nowhere(authorization.secrets(), served, seen)


def _found_nowhere(secrets: list[str], served: Serving, seen: list[str]) -> None:
    exported = served.flask("export", "tickets")
    assert served.stop() == 0
    said = "".join(served.output)
    assert "Traceback" not in said
    files = [path.read_bytes() for path in served.data.rglob("*") if path.is_file()]
    assert len(secrets) > 4 and len(seen) > 6 and exported and files
    places = [said.encode(), exported.encode(), *(text.encode() for text in seen), *files]
    assert [secret for secret in secrets if any(secret.encode() in place for place in places)] == []
