"""Takes pictures of the mails that we write, as a browser shows their HTML: `make pictures`.

In German and English, light and dark, in a window of 600 pixels and in one of 380, with a design that has all.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from playwright.sync_api import Browser

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app import create_app
from config import LOCALES, from_environment
from desk import schema
from desk.agents import accounts
from desk.channels import channels
from desk.notices import previews
from desk.sending import mail_rendering
from desk.sending.mail_rendering import RenderedMail
from desk.texts import mail_designs
from desk.tools.scenes.files import png
from models import Agent, Kind, Message, db, now
from tests.servers.browser import chromium

PICTURES = Path(__file__).resolve().parent / "pictures"
SCHEMES = ("light", "dark")
WIDTHS = (600, 380)
MAILS = (
    "ticket_reply",
    "confirmation",
    "new_ticket",
    "delivery_failed",
    "several",
    "channel_trouble",
    "invitation",
)
FOOTER = (
    "{{company.name}} · Mariahilfer Straße 1 · 1060 Wien\n"
    "FN 123456 a, Handelsgericht Wien · UID ATU12345678 · {{channel.address}}"
)
# As the editor gives it.
ANSWER = {
    "de": "<div>Guten Tag Frau Huber,<br><br>die <strong>zwei fehlenden Artikel</strong> treffen morgen ein:</div>"
    "<ul><li>Regalboden, 80 cm</li><li>Schraubensatz M6</li></ul>"
    '<div>Den Weg des Pakets sehen Sie <a href="https://parcels.example/track/0123456789">bei der Post</a>.</div>',
    "en": "<div>Hello,<br><br>the <strong>two missing items</strong> will arrive tomorrow:</div>"
    "<ul><li>Shelf, 80 cm</li><li>Set of screws M6</li></ul>"
    '<div>Follow the parcel <a href="https://parcels.example/track/0123456789">at the post office</a>.</div>',
}


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(replace(from_environment({"POSTSTELLE_DATA": folder}), testing=True))
        with app.test_request_context(), chromium() as browser:
            schema.bring_up_to_date()
            account = (
                "Acme GmbH",
                "acme.example",
                "de",
                "Europe/Vienna",
                "Alice Admin",
                "alice@acme.example",
            )
            accounts.create_account(*account, "correct horse battery")
            mail_designs.change(mail_designs.default(), mail_designs.DesignValues(
                "Standard", signature="Acme Kundendienst\n+43 1 234 56 78", footer=FOOTER, logo=png(120, 80),
                logo_alt="Acme", logo_height=48,
            ))  # fmt: skip
            for locale in LOCALES:
                for name in MAILS:
                    take(browser, name, locale, written(name, locale, accounts.agents()[0]))
            db.session.remove()


def take(browser: Browser, name: str, locale: str, rendered: RenderedMail) -> None:
    for scheme in SCHEMES:
        for width in WIDTHS:
            page = browser.new_page(viewport={"width": width, "height": 400}, color_scheme=scheme)  # type: ignore[arg-type]
            page.set_content(rendered.on_screen)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{name} is {wide} pixels wide in a window of {width}"
            picture = f"mails-{name.replace('_', '-')}-{locale}-{scheme}-{width}.png"
            page.screenshot(path=PICTURES / picture, full_page=True)
            page.close()


def written(name: str, locale: str, alice: Agent) -> RenderedMail:
    if name == "several":
        return mail_rendering.render(name, locale, agent=alice, items=events(locale), more=7)
    if name == "invitation":
        url = "https://desk.acme.example/password/" + "a1B2" * 11
        return mail_rendering.render(name, locale, agent=alice, url=url)
    if name == "ticket_reply":
        given: dict[str, Any] = previews.invented(locale)
        return mail_rendering.render(name, locale, **given | {"reply_html": ANSWER[locale]})
    return previews.preview(name, locale, alice)


def events(locale: str) -> list[Any]:
    """One of each kind."""
    given = previews.invented(locale)
    ticket, channel = given["ticket"], channels.default()
    about = Message(kind=Kind.INBOUND, from_name="Maria Huber", from_address="maria.huber@example.at",
                    text=given["message"].text, visible=given["message"].visible, created_at=now())  # fmt: skip
    kinds = ("new_ticket", "customer_reply", "assigned", "mentioned", "delivery_failed")
    return [
        SimpleNamespace(
            notice=kind,
            ticket=ticket,
            about=about if kind in ("new_ticket", "customer_reply") else None,
            actor=SimpleNamespace(name="Jonas Kern"),
            details={"to": ticket.contact.address, "channel": channel.key},
        )
        for kind in kinds
    ]


if __name__ == "__main__":
    main()
