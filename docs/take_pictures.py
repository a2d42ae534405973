"""Takes the pictures of the documentation from the real application: `make pictures`.

Every screen in German and English, light and dark, wide and narrow, of a desk with the demo's week.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.servers.browser import chromium, sign_in, window
from tests.servers.serving import PASSWORD, Serving

PICTURES = Path(__file__).resolve().parent / "pictures"
HELP = Path(__file__).resolve().parents[1] / "static" / "help"  # shown by the help inside the application
LANGUAGES = {"de": "de-AT", "en": "en-GB"}
SCHEMES = ("light", "dark")
WIDTHS = (1400, 390)


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        fresh, planted = Serving(Path(folder) / "fresh"), Serving(Path(folder) / "planted")
        fresh.start()
        planted.create_account()
        planted.flask("seed")
        make_groups(planted)
        planted.start()
        number, held = shown_ticket(planted), held_mail(planted)
        for language, locale in LANGUAGES.items():
            for scheme in SCHEMES:
                for width in WIDTHS:
                    ending = f"{language}-{scheme}-{width}.png"
                    with window(browser, locale, width, color_scheme=scheme) as page:
                        take(page, fresh.setup_link, f"set-up-{ending}")
                        take(page, f"{planted.url}/login", f"login-{ending}")
                        sign_in(page, planted.url, "alice@acme.example", PASSWORD)
                        choose_language(page, planted.url, language)
                        take(page, f"{planted.url}/", f"tickets-{ending}")
                        take(page, f"{planted.url}/tickets/{number}", f"ticket-{ending}")
                        take(page, f"{planted.url}/system/channels", f"channels-{ending}")
                        take_channel_form(page, planted.url, f"channel-form-{ending}")
                        take_test(page, planted.url, f"channel-test-{ending}")
                        take(page, f"{planted.url}/system/deliverability/1", f"deliverability-{ending}")
                        take(page, f"{planted.url}/system/oauth/new?kind=microsoft", f"oauth-{ending}")
                        take(page, f"{planted.url}/system/groups", f"groups-{ending}")
                        take(page, f"{planted.url}/system/notifications", f"notifications-{ending}")
                        take(page, f"{planted.url}/system/ledger?channel=2", f"ledger-{ending}")
                        take(page, f"{planted.url}/system/ledger/{held}", f"mail-{ending}")
                        take(page, f"{planted.url}/quarantine", f"quarantine-{ending}")
        for language, locale in LANGUAGES.items():
            with window(browser, locale, 1280, color_scheme="light") as page:
                sign_in(page, planted.url, "alice@acme.example", PASSWORD)
                choose_language(page, planted.url, language)
                take_help(page, planted.url, language)
        fresh.stop()
        planted.stop()
    if shutil.which("pngquant"):  # a quarter of the size, and nobody sees it
        subprocess.run(
            ["pngquant", "--ext", ".png", "--force", "--skip-if-larger", *sorted(PICTURES.glob("*.png"))],
            check=False,
        )


def make_groups(served: Serving) -> None:
    """Two of the demo's agents look after sales; the second group has nobody yet."""
    served.sql(
        "INSERT INTO agent_group (name, name_fold) VALUES ('Verkauf', 'verkauf'), ('Technik', 'technik')"
    )
    served.sql("INSERT INTO group_member SELECT 1, id FROM agent ORDER BY id DESC LIMIT 2")
    served.sql("UPDATE channel SET group_id = 1 WHERE \"key\" = 'Verkauf'")


def shown_ticket(served: Serving) -> int:
    """The demo's first scene: a conversation both ways, with attachments and a note."""
    (number,) = [ticket["number"] for ticket in served.tickets() if "88-1204" in ticket["subject"]]
    return int(number)


def held_mail(served: Serving) -> int:
    """The demo's mail in the quarantine; the ledger's lines stand in the order of their numbers."""
    lines = served.flask("export", "ledger").splitlines()
    return 1 + next(at for at, line in enumerate(lines) if json.loads(line)["verdict"] == "held")


def choose_language(page: Page, url: str, language: str) -> None:
    page.goto(f"{url}/profile")
    page.locator("select[name=locale]").select_option(language)
    page.locator("form:has(select[name=locale]) button[type=submit]").click()
    page.wait_for_load_state("load")


def take_channel_form(page: Page, url: str, name: str) -> None:
    page.goto(f"{url}/system/channels/new")
    page.locator("input[name=provider][value=own]").check()
    page.wait_for_timeout(600)
    picture(page, name)


def take_test(page: Page, url: str, name: str) -> None:
    """A test that fails: nobody listens at these ports."""
    page.goto(f"{url}/system/channels/new")
    page.locator("input[name=provider][value=own]").check()
    page.locator("[name=server]").wait_for()
    for field, text in (
        ("key", "Sales"), ("address", "sales@acme.example"), ("server", "localhost"), ("port", "9"),
        ("password", "secret"), ("smtp_server", "localhost"), ("smtp_port", "9"),
    ):  # fmt: skip
        page.fill(f"[name={field}]", text)
    page.locator("#test button[formaction]").click()
    page.locator("#test:not([aria-busy]) .step-failed").first.wait_for()
    picture(page, name)


def take_help(page: Page, url: str, language: str) -> None:
    """The list of channels, and the form after »Find the settings«, as pictures of the help page."""
    HELP.mkdir(exist_ok=True)
    page.goto(f"{url}/system/channels", wait_until="load")
    page.locator("main .page").screenshot(path=HELP / f"channels-{language}.jpg", type="jpeg", quality=80)
    page.goto(f"{url}/system/channels/new")
    page.locator("input[name=provider][value=own]").check()
    page.locator("[name=server]").wait_for()
    page.fill("[name=key]", "Sales")
    page.fill("[name=address]", "sales@gmx.net")
    page.locator("button[formaction$='/settings']").click()
    page.locator("#found .small").wait_for()
    page.wait_for_timeout(300)
    page.screenshot(
        path=HELP / f"channel-form-{language}.jpg",
        type="jpeg",
        quality=80,
        full_page=True,
        clip={"x": 230, "y": 60, "width": 1050, "height": 860},
    )


def take(page: Page, url: str, name: str) -> None:
    page.goto(url, wait_until="load")
    page.wait_for_timeout(500)  # frames find their height
    picture(page, name)


def picture(page: Page, name: str) -> None:
    page.screenshot(path=PICTURES / name, full_page=True)


if __name__ == "__main__":
    main()
