"""From an address to its servers, against a name server and a web server of our own."""

from __future__ import annotations

import time
from dataclasses import replace
from ipaddress import ip_address

import pytest

from mail.providers.presets import MailServer
from tests.servers.internet import NameServer, Page, WebServer
from tests.wire.test_address import REFUSED
from wire import PermanentFailure, TemporaryFailure, web
from wire.discovery import Internet, discover, read_autoconfig

DOMAIN = "acme.example"
ADDRESS = f"support@{DOMAIN}"
AUTOCONFIG = f"autoconfig.{DOMAIN}/mail/config-v1.1.xml"
WELL_KNOWN = f"{DOMAIN}/.well-known/autoconfig/mail/config-v1.1.xml"
CONFIG = b"""<?xml version="1.0" encoding="UTF-8"?>
<clientConfig version="1.1"><emailProvider id="acme.example">
  <domain>acme.example</domain><displayName>Acme Mail</displayName>
  <incomingServer type="imap"><hostname>plain.acme.example</hostname><port>143</port>
    <socketType>plain</socketType><username>%EMAILADDRESS%</username></incomingServer>
  <incomingServer type="imap"><hostname>imap.%EMAILDOMAIN%</hostname><port>993</port>
    <socketType>SSL</socketType><username>%EMAILLOCALPART%</username>
    <authentication>password-cleartext</authentication></incomingServer>
  <incomingServer type="pop3"><hostname>pop.acme.example</hostname><port>110</port>
    <socketType>STARTTLS</socketType><username>%EMAILADDRESS%</username></incomingServer>
  <outgoingServer type="smtp"><hostname>smtp.acme.example</hostname><port>587</port>
    <socketType>STARTTLS</socketType><username>%EMAILADDRESS%</username></outgoingServer>
</emailProvider></clientConfig>"""


@pytest.fixture
def names():
    with NameServer() as server:
        server.add(DOMAIN, "A", "127.0.0.1")
        server.add(f"autoconfig.{DOMAIN}", "A", "127.0.0.1")
        yield server


@pytest.fixture
def site(ca, trusted_ca):
    hosts = (DOMAIN, f"autoconfig.{DOMAIN}", "elsewhere.example")
    with WebServer(ca.issue(*hosts, file="site").context()) as server:
        yield server


@pytest.fixture
def internet(names, site):
    return Internet(("127.0.0.1",), names.port, site.port, allow_private=True, step_seconds=1, all_seconds=3)


def ways(discovery):
    return [(place.way, place.state) for place in discovery.places]


def test_the_list_of_providers_needs_no_network():
    nowhere = Internet(("127.0.0.1",), 9, 9)
    found = discover("anna@GMX.at", nowhere)
    assert found.servers.name == "GMX" and found.servers.imap == MailServer("imap.gmx.net", 993)
    assert ways(found) == [("preset", "found")]


@pytest.mark.parametrize(
    ("mx", "name"),
    [
        (("0 acme-example.mail.protection.outlook.com.",), "Microsoft 365"),
        (("10 alt1.aspmx.l.google.com.", "1 aspmx.l.google.com."), "Gmail / Google Workspace"),
        (("10 mx00.kundenserver.de.",), "IONOS"),
        (("5 smtpin.rzone.de.",), "STRATO"),
        (("10 www123.your-server.de.",), "Hetzner"),
    ],
)
def test_the_mail_exchanger_tells_the_provider(names, internet, mx, name):
    names.add(DOMAIN, "MX", *mx)
    found = discover(ADDRESS, internet)
    assert found.servers.name == name
    assert ways(found) == [("preset", "nothing"), ("mx", "found")]


def test_the_file_at_autoconfig(site, internet):
    site.pages[AUTOCONFIG] = Page(CONFIG)
    found = discover(ADDRESS, internet)
    assert ways(found)[-1] == ("autoconfig", "found")
    servers = found.servers
    assert (servers.name, servers.user) == ("Acme Mail", "local")
    assert servers.imap == MailServer("imap.acme.example", 993, "ssl")  # not the one without encryption
    assert servers.pop3 == MailServer("pop.acme.example", 110, "starttls")
    assert servers.smtp == MailServer("smtp.acme.example", 587, "starttls")
    assert site.asked == [f"{AUTOCONFIG}?emailaddress=support%40acme.example"]


def test_the_well_known_file(site, internet):
    site.pages[WELL_KNOWN] = Page(CONFIG)
    found = discover(ADDRESS, internet)
    assert ways(found)[-2:] == [("autoconfig", "nothing"), ("well_known", "found")]


def test_a_redirect_is_followed_by_https_only(names, site, internet):
    names.add("elsewhere.example", "A", "127.0.0.1")
    site.pages[AUTOCONFIG] = Page(
        status=301, headers={"Location": f"https://elsewhere.example:{site.port}/config"}
    )
    site.pages["elsewhere.example/config"] = Page(CONFIG)
    assert discover(ADDRESS, internet).servers.name == "Acme Mail"
    site.pages[AUTOCONFIG] = Page(status=301, headers={"Location": "http://elsewhere.example/config"})
    places = discover(ADDRESS, internet).places
    assert next(place.code for place in places if place.way == "autoconfig") == "not_https"


def test_thunderbirds_database_is_asked_only_if_wanted(names, site, internet, monkeypatch):
    monkeypatch.setattr("wire.discovery.DATABASE", "https://elsewhere.example/v1.1/")
    names.add("elsewhere.example", "A", "127.0.0.1")
    site.pages[f"elsewhere.example/v1.1/{DOMAIN}"] = Page(CONFIG)
    assert ("ispdb", "skipped") in ways(discover(ADDRESS, internet))
    assert not [url for url in site.asked if url.startswith("elsewhere")]
    found = discover(ADDRESS, internet, ask_database=True)
    assert ways(found)[-1] == ("ispdb", "found")
    assert site.asked[-1] == f"elsewhere.example/v1.1/{DOMAIN}"  # the domain, never the address


def test_srv_records_encrypted_first(names, internet):
    names.add(f"_imaps._tcp.{DOMAIN}", "SRV", "20 1 993 late.acme.example.", "10 1 993 imap.acme.example.")
    names.add(f"_imap._tcp.{DOMAIN}", "SRV", "0 1 143 imap.acme.example.")
    names.add(f"_pop3s._tcp.{DOMAIN}", "SRV", "0 0 0 .")  # not offered
    names.add(f"_submission._tcp.{DOMAIN}", "SRV", "0 1 587 smtp.acme.example.")
    found = discover(ADDRESS, internet)
    assert ways(found)[-1] == ("srv", "found")
    assert found.servers.imap == MailServer("imap.acme.example", 993, "ssl")
    assert found.servers.pop3 is None
    assert found.servers.smtp == MailServer("smtp.acme.example", 587, "starttls")


def test_nothing_found_says_where_was_looked(internet):
    found = discover(ADDRESS, internet)
    assert found.servers is None
    assert [place.way for place in found.places] == [
        "preset",
        "mx",
        "autoconfig",
        "well_known",
        "ispdb",
        "srv",
    ]


@pytest.mark.parametrize("address", ["", "anna", "anna@", "@", "a@b", "a@bad host", "a@127.0.0.1", "a@[::1]", "a@-.-", "a@x\0.de"])  # fmt: skip
def test_what_is_no_address_asks_nobody(names, internet, address):
    assert discover(address, internet).servers is None
    assert names.asked == []


def test_silence_costs_three_seconds_a_place_and_ten_in_all(names, site, internet):
    names.silent.add(DOMAIN)
    site.pages[AUTOCONFIG] = Page(CONFIG, drip=0.05)
    started = time.monotonic()
    found = discover(ADDRESS, replace(internet, step_seconds=0.3, all_seconds=0.5))
    assert time.monotonic() - started < 3
    codes = {place.way: place.code for place in found.places}
    assert codes["mx"] == codes["autoconfig"] == codes["srv"] == "timeout"


@pytest.mark.parametrize(
    ("page", "code"),
    [
        (Page(b"x" * (web.LARGEST + 1)), "too_large"),
        (Page(b"<clientConfig"), "not_readable"),
        (Page(b"\xff\xfe<\0"), "not_readable"),
        (Page(b'<!DOCTYPE x [<!ENTITY a "b">]><clientConfig/>'), "not_readable"),
        (Page(status=500), "http_status"),
        (Page(status=302, headers={"Location": f"https://{AUTOCONFIG}"}), "too_many_redirects"),
    ],
)
def test_an_answer_that_is_none(site, internet, page, code):
    if "Location" in page.headers:
        page.headers = {"Location": f"https://{AUTOCONFIG}".replace(".example/", f".example:{site.port}/")}
    site.pages[AUTOCONFIG] = page
    places = discover(ADDRESS, internet).places
    assert next(place.code for place in places if place.way == "autoconfig") == code


def test_a_certificate_of_another_name_is_refused(names, site, internet):
    names.add("other.example", "A", "127.0.0.1")
    names.add("autoconfig.other.example", "A", "127.0.0.1")
    places = discover("a@other.example", internet).places
    assert next(place.code for place in places if place.way == "autoconfig") == "certificate_name"


@pytest.mark.parametrize(
    "xml",
    [
        b"<clientConfig/>",
        CONFIG.replace(b"imap.%EMAILDOMAIN%", b"bad host").replace(b"pop.acme.example", b"http://x"),
        CONFIG.replace(b"993", b"99999").replace(b"110", b"0"),
        CONFIG.replace(b"SSL", b"plain").replace(b"STARTTLS", b"plain"),
    ],
)
def test_a_file_that_names_no_usable_server(xml):
    assert read_autoconfig(xml, DOMAIN) is None


# --- where a request may go ---

PRIVATE = ["10.0.0.1", "172.16.5.4", "192.168.0.1", "100.64.0.1", "fd00::1", "fc00::1", "::ffff:10.0.0.1",
           "::ffff:c0a8:1", "64:ff9b::10.0.0.1", "2002:c0a8:1::", "fec0::1", "192.0.0.170", "198.18.0.1"]  # fmt: skip


def addresses(spelling):
    """As the operating system reads it: 127.1, 0x7f000001 and 2130706433 are 127.0.0.1."""
    import socket

    found = socket.getaddrinfo(spelling.strip("[]").rstrip("."), 443, type=socket.SOCK_STREAM)
    return [ip_address(row[4][0]) for row in found]


@pytest.mark.parametrize("spelling", [host for host, _ in REFUSED] + PRIVATE)
def test_an_address_of_our_own_networks_is_never_asked(spelling):
    """The name server of a stranger answers with it."""
    with pytest.raises(PermanentFailure) as failure:
        web.get("https://autoconfig.acme.example/", lambda _: addresses(spelling.strip()), 1)
    assert failure.value.code == "refused_address"


@pytest.mark.parametrize("spelling", [host for host, _ in REFUSED] + PRIVATE)
def test_nor_is_it_asked_when_it_stands_in_the_address(names, site, spelling):
    """Of the redirect: written out, in short, as one number, in octal or hexadecimal."""
    host = f"[{spelling}]" if ":" in spelling and not spelling.startswith("[") else spelling
    internet = Internet(("127.0.0.1",), names.port, site.port, step_seconds=1, all_seconds=1)
    from wire.discovery import _Seeking

    look_up = _Seeking(ADDRESS, internet)._look_up
    with pytest.raises((PermanentFailure, TemporaryFailure)) as failure:
        web.get(f"https://{host}/config", look_up, 1)
    assert failure.value.code in ("refused_address", "name_not_found")
    assert site.asked == []


def test_a_name_that_changes_between_check_and_use_leads_nowhere_else(names, site):
    """DNS rebinding: a public address first, then our own. It is asked once, and that answer is used."""
    answers = iter([["192.0.2.7"], ["127.0.0.1"], ["127.0.0.1"]])
    names.zones[f"autoconfig.{DOMAIN}", "A"] = lambda: next(answers)
    internet = Internet(("127.0.0.1",), names.port, site.port, step_seconds=0.3, all_seconds=1)
    site.pages[AUTOCONFIG] = Page(CONFIG)
    places = discover(ADDRESS, internet).places
    assert next(place.code for place in places if place.way == "autoconfig") in ("timeout", "connect_timeout", "connect_refused")  # fmt: skip
    assert names.asked.count((f"autoconfig.{DOMAIN}", "A")) == 1
    assert site.asked == []


def test_a_redirect_into_our_networks_is_refused(names, site, monkeypatch):
    names.add("inside.example", "A", "10.0.0.7")
    site.pages[AUTOCONFIG] = Page(status=302, headers={"Location": "https://inside.example/secret"})
    internet = Internet(("127.0.0.1",), names.port, site.port, step_seconds=1, all_seconds=2)
    private = web.is_private
    monkeypatch.setattr(web, "is_private", lambda address: private(address) and str(address) != "127.0.0.1")
    places = discover(ADDRESS, internet).places
    assert next(place.code for place in places if place.way == "autoconfig") == "refused_address"
