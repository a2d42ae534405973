"""The check of a channel against a name server and mail servers of our own: zone by zone, and on its page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

import pytest

from config import Relay
from desk.channels import channels, dkim
from desk.channels.channel_values import ChannelValues
from desk.checks import deliverability
from desk.office import Office
from mail.writing import dkim_signing
from models import Agent, Channel
from tests.servers.ca import Authority
from tests.servers.internet import NameServer
from tests.servers.smtp_sink import SmtpSink
from tests.support.browsing import PageClient
from wire import dns_questions
from wire.discovery import Internet

HERE = "93.184.215.14"  # the public address of this machine, in the world of the test
REVERSE = "14.215.184.93.in-addr.arpa"
KEY = dkim_signing.public_record(dkim_signing.new_key())
Records = dict[tuple[str, str], tuple[str, ...]]

# Each of them a zone; @ is its name. What a sound one has, and how the others differ from it.
SOUND: Records = {
    ("@", "MX"): ("10 mail.@.",),
    ("mail.@", "A"): (HERE,),
    ("@", "TXT"): (f'"v=spf1 ip4:{HERE} -all"',),
    ("s1._domainkey.@", "TXT"): (" ".join(f'"{KEY[at : at + 200]}"' for at in range(0, len(KEY), 200)),),
    ("_dmarc.@", "TXT"): ('"v=DMARC1; p=reject"',),
}
FINE = {
    "mx": "ok ok",
    "spf": "ok ok",
    "dkim": "ok found",
    "dmarc": "ok ok",
    "ptr": "ok ok",
    "mx_tls": "ok ok",
}
ZONES: tuple[tuple[str, Records, dict[str, str]], ...] = (
    ("sound", {}, {}),
    ("no-mx", {("@", "MX"): ()}, {"mx": "problem missing", "mx_tls": "unknown no_server"}),
    ("null-mx", {("@", "MX"): ("0 .",)}, {"mx": "problem null", "mx_tls": "unknown no_server"}),
    ("dangling-mx", {("@", "MX"): ("10 gone.@.",)}, {"mx": "problem dangling", "mx_tls": "unknown no_server"}),
    ("private-mx", {("mail.@", "A"): ("10.1.2.3",)}, {"mx": "problem private"}),
    ("no-spf", {("@", "TXT"): ('"hello"',)}, {"spf": "problem missing"}),
    ("soft", {("@", "TXT"): (f'"v=spf1 ip4:{HERE} ~all"',)}, {}),
    ("split", {("@", "TXT"): ('"v=spf1 ip4:93.184.215" ".14 -all"',)}, {}),
    ("by-mx", {("@", "TXT"): ('"v=spf1 mx -all"',)}, {}),
    ("not-us", {("@", "TXT"): ('"v=spf1 ip4:8.8.8.8 -all"',)}, {"spf": "problem not_allowed"}),
    ("everybody", {("@", "TXT"): ('"v=spf1 +all"',)}, {"spf": "problem everybody"}),
    ("open", {("@", "TXT"): (f'"v=spf1 ip4:{HERE} ?all"',)}, {"spf": "warning open"}),
    ("two-spf", {("@", "TXT"): ('"v=spf1 mx -all"', '"v=spf1 a -all"')}, {"spf": "problem several"}),
    ("typo", {("@", "TXT"): ('"v=spf1 ip:93.184.215.14 -all"',)}, {"spf": "problem syntax"}),
    ("circle", {("@", "TXT"): ('"v=spf1 include:b.@ -all"',), ("b.@", "TXT"): ('"v=spf1 include:@ -all"',)},
     {"spf": "problem loop"}),
    ("nowhere", {("@", "TXT"): ('"v=spf1 include:gone.@ -all"',)}, {"spf": "problem no_record"}),
    ("eleven", {("@", "TXT"): ('"v=spf1" ' + " ".join(f'" include:n{n}.@"' for n in range(11)) + '" -all"',)}
     | {(f"n{n}.@", "TXT"): (f'"v=spf1 ip4:{HERE} -all"',) for n in range(11)}, {"spf": "problem too_many"}),
    ("ten", {("@", "TXT"): ('"v=spf1" ' + " ".join(f'" include:n{n}.@"' for n in range(10)) + '" -all"',)}
     | {(f"n{n}.@", "TXT"): (f'"v=spf1 ip4:{HERE} -all"',) for n in range(10)}, {"spf": "warning near_the_limit"}),
    ("no-dkim", {("s1._domainkey.@", "TXT"): ()}, {"dkim": "unknown not_found"}),
    ("revoked", {("s1._domainkey.@", "TXT"): ('"v=DKIM1; p="',)}, {"dkim": "warning revoked"}),
    ("no-dmarc", {("_dmarc.@", "TXT"): ()}, {"dmarc": "warning missing"}),
    ("watching", {("_dmarc.@", "TXT"): ('"v=DMARC1; p=none"',)}, {"dmarc": "ok watching"}),
    ("two-dmarc", {("_dmarc.@", "TXT"): ('"v=DMARC1; p=none"', '"v=DMARC1; p=reject"')}, {"dmarc": "problem several"}),
    ("no-policy", {("_dmarc.@", "TXT"): ('"v=DMARC1; rua=mailto:x@y.example"',)}, {"dmarc": "problem invalid"}),
    ("unproven", {("@", "TXT"): ('"v=spf1 -all"',), ("s1._domainkey.@", "TXT"): ()},
     {"spf": "problem not_allowed", "dkim": "unknown not_found", "dmarc": "unknown unsure"}),
)  # fmt: skip


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer() as server:
        server.add("localhost", "A", HERE)
        server.add(REVERSE, "PTR", "host.example.")
        server.add("host.example", "A", HERE)
        yield server


@pytest.fixture
def world(
    office: Office,
    names: NameServer,
    trusted_ca: Authority,
    make_smtp_sink: Callable[..., SmtpSink],
    monkeypatch: pytest.MonkeyPatch,
) -> NameServer:
    """Public addresses lead to this machine: a server with STARTTLS that takes mail for all zones."""
    hosts = (f"mail.{zone}.example" for zone, _, _ in ZONES)
    sink = make_smtp_sink(context=trusted_ca.issue(*hosts, file="mx").context())
    dial = dns_questions.dial
    monkeypatch.setattr(
        dns_questions, "dial", lambda found, port, limit: dial([ip_address("127.0.0.1")], port, limit)
    )
    office.internet = Internet(("127.0.0.1",), names.port, smtp_port=sink.port, step_seconds=1)
    return names


def enter(names: NameServer, zone: str, changes: Records) -> None:
    for (name, kind), texts in (SOUND | changes).items():
        names.add(name.replace("@", zone), kind, *(text.replace("@", zone) for text in texts))


def own_channel(domain: str, port: int) -> Channel:
    return channels.create(
        ChannelValues(
            key=domain, address=f"books@{domain}", provider="own", protocol="imap", server="localhost",
            port=993, user="books", password="secret", smtp_server="localhost", smtp_port=port,
        )
    )  # fmt: skip


def test_the_verdicts_about_twenty_five_zones_are_right(
    world: NameServer, trusted_ca: Authority, make_smtp_sink: Callable[..., SmtpSink], alice: Agent
) -> None:
    sink = make_smtp_sink(context=trusted_ca.issue(file="submission").context())
    wrong = {}
    for zone, changes, differ in ZONES:
        domain = f"{zone}.example"
        enter(world, domain, changes)
        examination = deliverability.start(own_channel(domain, sink.port), alice.id)
        examination.wait()
        said = {topic: f"{one.verdict} {one.code}" for topic, one in examination.findings.items()}
        if said != FINE | {"tls": "ok ok"} | differ:
            wrong[zone] = said
    assert wrong == {} and len(ZONES) >= 20


def test_certificates_and_plain_text_are_told_apart(
    world: NameServer, office: Office, ca: Authority, make_smtp_sink: Callable[..., SmtpSink], alice: Agent
) -> None:
    """Each with a server for the channel's own mail, and the same one as the MX."""
    enter(world, "a.example", {})
    expired = ca.issue(valid=timedelta(days=-1), file="expired").context()
    found = {}
    for name, context in (("plain", None), ("expired", expired)):
        sink = make_smtp_sink(context=context)
        office.internet = replace(office.internet, smtp_port=sink.port)
        channel = own_channel("a.example", sink.port)
        examination = deliverability.start(channel, alice.id)
        examination.wait()
        tls, mx = examination.findings["tls"], examination.findings["mx_tls"]
        found[name] = (tls.verdict, dict(tls.facts)["failure"], mx.verdict, mx.code)
        channels.delete(channels.by_key("a.example") or channel)
    assert found == {
        "plain": ("problem", "starttls_missing", "warning", "plain"),
        "expired": ("problem", "certificate_expired", "warning", "certificate"),
    }


def test_a_name_server_that_keeps_silent_holds_up_nothing(
    world: NameServer, names: NameServer, as_alice: PageClient, channel: Channel
) -> None:
    names.silent |= {"poststelle.example", "_dmarc.poststelle.example"}
    began = time.monotonic()
    html = as_alice.post(f"/system/deliverability/{channel.id}/checks", status=200, htmx=True).text
    assert time.monotonic() - began < 5 and 'aria-busy="true"' in html  # it asked for itself from then on
    html = as_alice.post(f"/system/deliverability/{channel.id}/checks", status=200).text
    assert "The name servers did not answer in time" in html and 'aria-busy="true"' not in html


def test_the_page_shows_verdicts_and_the_lines_to_add(
    world: NameServer, office: Office, as_alice: PageClient, channel: Channel
) -> None:
    office.settings = replace(
        office.settings, relay=Relay("localhost", 9, "none"), base_url="https://desk.acme.example"
    )
    channel.forwarded_from = "info@firm.example"
    url = f"/system/deliverability/{channel.id}"
    assert "Check now" in as_alice.get(url).text
    html = as_alice.post(f"{url}/checks", status=200).text
    for said in (
        "10 desk.acme.example.", f"v=spf1 ip4:{HERE} ~all", "v=DMARC1; p=none; rua=mailto:support-acme@poststelle.example",
        "Mail is not signed", "host.example, and that name leads back", "will probably be taken for spam",
        "spoken to without encryption", "There is no server to look at",
    ):  # fmt: skip
        assert said in html, said


def test_the_piece_grows_until_all_is_there(
    world: NameServer, as_alice: PageClient, channel: Channel, alice: Agent, bob: Agent
) -> None:
    examination = deliverability.start(channel, alice.id)
    url = f"/system/deliverability/{channel.id}/checks/{examination.token}"
    examination.wait()
    seen = len(examination.findings)
    html = as_alice.get(f"{url}?seen={seen - 1}", htmx=True).text
    assert "aria-busy" not in html and "Check again" in html and html.count("<li") == seen
    gone = as_alice.get(f"/system/deliverability/{channel.id}/checks/x?seen=0", htmx=True).text
    assert "The check was interrupted" in gone
    assert deliverability.get(examination.token, bob.id) is None


def test_the_key_is_made_entered_and_switched_on(
    world: NameServer, names: NameServer, as_alice: PageClient, channel: Channel
) -> None:
    url, data = f"/system/deliverability/{channel.id}", {"channel_id": channel.id}
    as_alice.post("/system/deliverability/dkim/active", data | {"active": "1"}, status=409)
    as_alice.post("/system/deliverability/dkim/keys", data)
    key = dkim.waiting_key()
    assert key is not None
    html = as_alice.get(url).text
    assert dkim.record_of(key) in html and dkim.record_name(key) in html and "PRIVATE" not in html
    as_alice.post("/system/deliverability/dkim/active", data | {"active": "1"}, status=409)
    names.silent.add(dkim.record_name(key))
    as_alice.post("/system/deliverability/dkim/active", data | {"active": "1"}, status=409)
    names.silent.clear()
    record = dkim.record_of(key)
    names.add(
        dkim.record_name(key),
        "TXT",
        " ".join(f'"{record[at : at + 255]}"' for at in range(0, len(record), 255)),
    )
    as_alice.post("/system/deliverability/dkim/active", data | {"active": "1"})
    assert dkim.signing_key() == key and not key.unproven
    html = as_alice.post(f"{url}/checks", status=200).text
    assert "Mail is signed, and DNS shows the key" in html
    as_alice.post("/system/deliverability/dkim/active", data | {"active": "0"})
    as_alice.post("/system/deliverability/dkim/active", data | {"active": "1", "word": "1"})
    assert "Switched on without a look at DNS" in as_alice.get(url).text


def test_every_verdict_has_its_words_in_both_languages(app: object) -> None:
    """Whatever the code can say has a sentence, and each of them takes its facts."""
    import ast
    from pathlib import Path

    from flask_babel import force_locale

    from blueprints.labels.deliverability import SENTENCE, TOPIC, VERDICT, sentence

    root = Path(deliverability.__file__).parents[2]
    said = set()
    for file in ("mail/providers/deliverability.py", "desk/checks/deliverability.py"):
        for node in ast.walk(ast.parse((root / file).read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding":
                topic, _, code = node.args[:3]
                codes = [leaf.value for leaf in ast.walk(code) if isinstance(leaf, ast.Constant)]
                if isinstance(topic, ast.Constant):
                    said |= {f"{topic.value}.{text}" for text in codes if isinstance(text, str)}
    assert len(said) > 40
    assert said - {f"{topic}.unanswered" for topic in TOPIC} - set(SENTENCE) == set()
    facts = dict.fromkeys(
        ("host", "hosts", "questions", "where", "selector", "bits", "policy", "address", "name", "provider",
         "outside", "failure", "protocol", "port"), "x",
    )  # fmt: skip
    for locale in ("de", "en"):
        with force_locale(locale):
            for key in SENTENCE:
                topic, _, code = key.partition(".")
                finding = deliverability.Finding(topic, "ok", code, tuple(facts.items()))
                assert "%(" not in sentence(finding)
            assert all(str(words) for words in (*TOPIC.values(), *VERDICT.values()))
