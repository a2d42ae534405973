"""»Find the settings« in the form: what is filled in, what is kept, and what is said."""

from __future__ import annotations

import pytest

from tests.blueprints.channels.test_channels import FORM, part, value
from wire.discovery import Internet

EMPTY = FORM | {"address": "", "server": "", "user": "", "user_default": "", "smtp_server": ""}


@pytest.fixture(autouse=True)
def offline(office):
    office.internet = Internet(("127.0.0.1",), 9, 9, step_seconds=0.2, all_seconds=0.4)


def test_servers_ports_and_user_are_filled_in(as_alice):
    html = as_alice.post("/system/channels/settings", EMPTY | {"address": "anna@web.de"}, 200, htmx=True).text
    assert {name: value(html, name) for name in ("server", "port", "user", "smtp_server", "smtp_port")} == {
        "server": "imap.web.de",
        "port": "993",
        "user": "anna",  # this provider wants the part before the @
        "smtp_server": "smtp.web.de",
        "smtp_port": "465",
    }
    found = part(html, "found")
    assert "Found: WEB.DE. Server names and ports were filled in." in found
    assert "switch them on" in found and "web.de: found" in found
    assert value(html, "password") == ""


def test_pop3_stays_chosen_where_it_is_offered(as_alice):
    form = EMPTY | {"address": "anna@gmx.at", "protocol": "pop3", "port": "995"}
    assert (
        value(as_alice.post("/system/channels/settings", form, 200, htmx=True).text, "server")
        == "pop.gmx.net"
    )
    form |= {"address": "anna@icloud.com"}
    html = as_alice.post("/system/channels/settings", form, 200, htmx=True).text
    assert (value(html, "server"), value(html, "port")) == ("imap.mail.me.com", "993")


def test_what_was_filled_in_still_follows_the_choices(as_alice):
    html = as_alice.post("/system/channels/settings", EMPTY | {"address": "anna@gmx.at"}, 200, htmx=True).text
    names = ("port", "port_default", "smtp_port", "smtp_port_default", "user", "user_default")
    form = (
        EMPTY
        | {"address": "anna@gmx.at", "smtp_encryption": "ssl"}
        | {name: value(html, name) for name in names}
    )
    html = as_alice.post("/system/channels/form", form | {"protocol": "pop3"}, 200, htmx=True).text
    assert value(html, "port") == "995"


def test_nothing_found_says_so_and_offers_the_public_database(as_alice):
    html = as_alice.post(
        "/system/channels/settings", EMPTY | {"address": "a@acme.example"}, 200, htmx=True
    ).text
    found = part(html, "found")
    assert "Nothing was found." in found and 'name="ask_database"' in found
    assert "SRV acme.example: The server stopped answering." in html
    assert value(html, "server") == ""


def test_without_an_address_the_field_says_what_is_missing(as_alice):
    html = as_alice.post("/system/channels/settings", EMPTY | {"address": "anna"}, 422).text
    assert "Enter the whole address first" in html


def test_without_javascript_the_whole_page_comes_back(as_alice):
    html = as_alice.post("/system/channels/settings", EMPTY | {"address": "anna@gmx.at"}, 200).text
    assert "Found: GMX." in html and value(html, "server") == "imap.gmx.net"


def test_where_nothing_was_found_the_user_name_still_follows_the_address(as_alice):
    """Whoever types an address and chooses the button at once: this answer overtakes that of the address."""
    html = as_alice.post(
        "/system/channels/settings", EMPTY | {"address": "a@acme.example"}, 200, htmx=True
    ).text
    assert value(html, "user") == "a@acme.example"
