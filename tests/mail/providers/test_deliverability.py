"""The verdicts about a domain, each on zones of its own."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from mail.providers import spf
from mail.providers.deliverability import Finding, OwnKey, Sending, judge
from mail.providers.dmarc import policy_of
from mail.providers.lookup import Unanswered
from mail.writing import dkim_signing

KEY = dkim_signing.public_record(dkim_signing.new_key())
WEAK = (
    "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjx"
    "OCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDd"
    "QPNUYckcQ2QIDAQAB"
)
HOST = "93.184.215.14"  # where mail.acme.example is
Zone = dict[tuple[str, str], list[Any]]

SOUND: Zone = {
    ("acme.example", "MX"): [(20, "mx2.acme.example."), (10, "mail.acme.example.")],
    ("mail.acme.example", "A"): [HOST],
    ("mx2.acme.example", "A"): ["93.184.215.15"],
    ("acme.example", "TXT"): [b"google-site-verification=x", b"v=spf1 mx -all"],
    ("s1._domainkey.acme.example", "TXT"): [KEY.encode()],
    ("_dmarc.acme.example", "TXT"): [b"v=DMARC1; p=reject; rua=mailto:x@acme.example"],
    ("14.215.184.93.in-addr.arpa", "PTR"): ["mail.acme.example."],
}
OURS = Sending("support@acme.example", host="mail.acme.example", receives=True, our_host="desk.acme.example")
THEIRS = Sending("books@acme.example", host="mail.acme.example")


def zone(*changes: tuple[str, str, list[Any]]) -> Zone:
    changed = SOUND | {(name, kind): records for name, kind, records in changes}
    return {key: value for key, value in changed.items() if value}


def txt(name: str, *texts: str) -> tuple[str, str, list[Any]]:
    return name, "TXT", [text.encode() for text in texts]


def verdicts(sending: Sending, records: Zone, silent: tuple[str, ...] = ()) -> dict[str, Finding]:
    def ask(name: str, kind: str) -> list[Any]:
        if name.lower() in silent:
            raise Unanswered(name)
        return records.get((name.lower().rstrip("."), kind), [])

    found: list[Finding] = []
    judge(sending, ask, found.append)
    return {one.topic: one for one in found}


def said(sending: Sending, records: Zone, topic: str) -> tuple[str, str]:
    one = verdicts(sending, records)[topic]
    return one.verdict, one.code


def spf_zone(record: str, *more: tuple[str, str, list[Any]]) -> Zone:
    return zone(txt("acme.example", record), *more)


CHAIN = [txt(f"n{number}.example", f"v=spf1 include:n{number + 1}.example -all") for number in range(11)]
WIDE = [txt(f"w{number}.example", "v=spf1 ip4:10.0.0.0/8 -all") for number in range(9)]
GOOGLE = replace(
    THEIRS, host="smtp.gmail.com", provider="Google", spf="_spf.google.com", selectors=("google",)
)
OTHER = replace(THEIRS, host="smtp.strato.example", provider="STRATO")
GMAIL = Sending("acme@gmail.com", "smtp.gmail.com", "Google", "_spf.google.com", ("google",), foreign=True)
NO_SPF = txt("acme.example")
SIGNS = OwnKey("ps", KEY, True)
PS = txt("ps._domainkey.acme.example", KEY[:40] + " " + KEY[40:])

# (who, zones, topic, verdict, code)
CASES: tuple[tuple[Sending, Zone, str, str, str], ...] = (
    (THEIRS, SOUND, "mx", "ok", "ok"),
    (THEIRS, zone(("acme.example", "MX", [])), "mx", "problem", "missing"),
    (THEIRS, zone(("acme.example", "MX", []), ("acme.example", "A", [HOST])), "mx", "warning", "only_address"),
    (THEIRS, zone(("acme.example", "MX", [(0, ".")])), "mx", "problem", "null"),
    (THEIRS, zone(("acme.example", "MX", [(5, HOST + ".")])), "mx", "problem", "is_address"),
    (THEIRS, zone(("acme.example", "MX", [(5, "gone.acme.example.")])), "mx", "problem", "dangling"),
    (THEIRS, zone(("mail.acme.example", "A", ["192.168.1.2"])), "mx", "problem", "private"),
    (THEIRS, SOUND, "spf", "ok", "ok"),
    (THEIRS, zone(NO_SPF), "spf", "problem", "missing"),
    (THEIRS, spf_zone("v=spf1 a:other.example -all"), "spf", "problem", "not_allowed"),
    (THEIRS, spf_zone("v=spf1 ip4:93.184.0.0/16 ~all"), "spf", "ok", "ok"),
    (THEIRS, spf_zone("v=spf1 redirect=r.example", txt("r.example", f"v=spf1 ip4:{HOST} -all")), "spf", "ok", "ok"),
    (THEIRS, spf_zone("v=spf1 mx ?all"), "spf", "warning", "open"),
    (THEIRS, spf_zone("v=spf1 mx"), "spf", "warning", "open"),
    (THEIRS, spf_zone("v=spf1 +all"), "spf", "problem", "everybody"),
    (THEIRS, zone(txt("acme.example", "v=spf1 mx -all", "V=SPF1 a -all")), "spf", "problem", "several"),
    (THEIRS, spf_zone("v=spf1 mx ipv4:1.2.3.4 -all"), "spf", "problem", "syntax"),
    (THEIRS, spf_zone("v=spf1 mx ip4:1.2.3.400 -all"), "spf", "problem", "syntax"),
    (THEIRS, spf_zone("v=spf1 include:n0.example -all", *CHAIN), "spf", "problem", "too_many"),
    (THEIRS, spf_zone("v=spf1 mx include:acme.example -all"), "spf", "problem", "loop"),
    (THEIRS, spf_zone("v=spf1 mx include:nowhere.example -all"), "spf", "problem", "no_record"),
    (THEIRS, spf_zone("v=spf1 mx " + "".join(f"include:w{n}.example " for n in range(9)) + "-all", *WIDE),
     "spf", "warning", "near_the_limit"),
    (THEIRS, spf_zone("v=spf1 mx a " + "".join(f"include:w{n}.example " for n in range(9)) + "-all", *WIDE),
     "spf", "problem", "too_many"),
    (THEIRS, spf_zone("v=spf1 mx a:x.example a:y.example a:z.example -all"), "spf", "problem", "void"),
    (THEIRS, spf_zone("v=spf1 mx:many.example -all", ("many.example", "MX", [(n, f"m{n}.example") for n in range(11)])),
     "spf", "problem", "mx"),
    (GOOGLE, spf_zone("v=spf1 include:_spf.google.com ~all", txt("_spf.google.com", "v=spf1 ip4:35.190.247.0/24 ~all")),
     "spf", "ok", "ok"),
    (GOOGLE, spf_zone("v=spf1 mx ~all"), "spf", "problem", "not_allowed"),
    (OTHER, spf_zone("v=spf1 include:w0.example ~all", *WIDE), "spf", "unknown", "unsure"),
    (GMAIL, {("gmail.com", "TXT"): [b"v=spf1 redirect=_spf.google.com"], ("_spf.google.com", "TXT"): [b"v=spf1 ~all"]},
     "spf", "ok", "ok"),
    (THEIRS, SOUND, "dkim", "ok", "found"),
    (THEIRS, zone(txt("s1._domainkey.acme.example")), "dkim", "unknown", "not_found"),
    (THEIRS, zone(txt("s1._domainkey.acme.example", WEAK)), "dkim", "warning", "weak"),
    (THEIRS, zone(txt("s1._domainkey.acme.example", "v=DKIM1; p=")), "dkim", "warning", "revoked"),
    (THEIRS, zone(txt("s1._domainkey.acme.example", "v=DKIM1; p=abc")), "dkim", "problem", "useless"),
    (OURS, SOUND, "dkim", "warning", "no_key"),
    (replace(OURS, key=replace(SIGNS, signs=False)), SOUND, "dkim", "warning", "waiting"),
    (replace(OURS, key=replace(SIGNS, signs=False)), zone(PS), "dkim", "warning", "ready"),
    (replace(OURS, key=SIGNS), zone(PS), "dkim", "ok", "ok"),
    (replace(OURS, key=SIGNS), SOUND, "dkim", "problem", "gone"),
    (replace(OURS, key=SIGNS), zone(txt("ps._domainkey.acme.example", WEAK)), "dkim", "problem", "other_key"),
    (THEIRS, SOUND, "dmarc", "ok", "ok"),
    (THEIRS, zone(txt("_dmarc.acme.example", "v=DMARC1;p=none")), "dmarc", "ok", "watching"),
    (THEIRS, zone(txt("_dmarc.acme.example")), "dmarc", "warning", "missing"),
    (THEIRS, zone(txt("_dmarc.acme.example", "v=DMARC1; p=none", "v=DMARC1; p=reject")), "dmarc", "problem", "several"),
    (THEIRS, zone(txt("_dmarc.acme.example", "v=DMARC1; rua=mailto:x@y.example")), "dmarc", "problem", "invalid"),
    (OURS, zone(NO_SPF), "dmarc", "problem", "refused"),
    (OURS, zone(NO_SPF, txt("_dmarc.acme.example", "v=DMARC1; p=none")), "dmarc", "warning", "unproven"),
    (OTHER, spf_zone("v=spf1 ~all", txt("s1._domainkey.acme.example")), "dmarc", "unknown", "unsure"),
    (replace(THEIRS, address="books@mail.acme.example"),
     zone(txt("_dmarc.acme.example", "v=DMARC1; p=reject; sp=none")), "dmarc", "unknown", "unsure"),
    (THEIRS, SOUND, "ptr", "ok", "ok"),
    (THEIRS, zone(("14.215.184.93.in-addr.arpa", "PTR", [])), "ptr", "problem", "missing"),
    (THEIRS, zone(("14.215.184.93.in-addr.arpa", "PTR", ["x.isp.example."])), "ptr", "warning", "one_way"),
    (THEIRS, zone(("mail.acme.example", "A", ["10.0.0.5"])), "ptr", "unknown", "no_public_address"),
    (GOOGLE, SOUND, "ptr", "ok", "provider"),
    (replace(OURS, forwarded_from="info@firm.example"), SOUND, "forward", "warning", "proven"),
    (replace(OURS, forwarded_from="info@acme.example"), SOUND, "forward", "ok", "proven"),
    (replace(OURS, forwarded_from="info@firm.example"), zone(NO_SPF), "forward", "problem", "unproven"),
    (replace(OURS, forwarded_from="info@firm.example", host="smtp.strato.example", provider="STRATO", key=SIGNS),
     zone(txt("acme.example", "v=spf1 ~all"), PS), "forward", "warning", "proven"),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[2]}-{case[4]}")
def test_the_verdict_is_right(case):
    sending, records, topic, verdict, code = case
    assert said(sending, records, topic) == (verdict, code)


def test_the_line_to_add_is_the_one_that_helps():
    found = verdicts(OURS, zone(NO_SPF, ("acme.example", "MX", []), txt("_dmarc.acme.example")))
    assert found["mx"].lines == (("acme.example", "MX", "10 desk.acme.example."),)
    assert found["spf"].lines == (("acme.example", "TXT", f"v=spf1 ip4:{HOST} ~all"),)
    assert found["dmarc"].lines[0][0] == "_dmarc.acme.example" and "p=none" in found["dmarc"].lines[0][2]
    lines = verdicts(GOOGLE, spf_zone("v=spf1 mx -all"))["spf"].lines
    assert lines == (("acme.example", "TXT", "v=spf1 include:_spf.google.com mx -all"),)
    mended = spf_zone(lines[0][2], txt("_spf.google.com", "v=spf1 ip4:35.190.247.0/24 ~all"))
    assert said(GOOGLE, mended, "spf") == ("ok", "ok")
    line = verdicts(replace(OURS, key=SIGNS), SOUND)["dkim"].lines
    assert line == (("ps._domainkey.acme.example", "TXT", KEY),)


def test_a_subdomain_follows_the_domain_above():
    records = zone(txt("_dmarc.acme.example", "v=DMARC1; p=reject; sp=Quarantine"))
    ask = lambda name, kind: records.get((name, kind), [])  # noqa: E731
    assert policy_of("a.b.acme.example", ask)[:2] == ("_dmarc.acme.example", "quarantine")
    assert policy_of("acme.example", ask)[:2] == ("_dmarc.acme.example", "reject")
    assert policy_of("other.example", ask) is None


def test_nobody_is_told_to_change_what_is_not_his():
    assert all(one.lines == () for one in verdicts(GMAIL, {}).values())


@pytest.mark.parametrize(
    ("silent", "topic"),
    [
        ("acme.example", "mx"), ("acme.example", "spf"), ("_dmarc.acme.example", "dmarc"),
        ("default._domainkey.acme.example", "dkim"), ("14.215.184.93.in-addr.arpa", "ptr"),
    ],
)  # fmt: skip
def test_a_silent_name_server_makes_one_thing_unknown(silent, topic):
    found = verdicts(THEIRS, SOUND, (silent,))
    assert (found[topic].verdict, found[topic].code) == ("unknown", "unanswered")
    assert found["ptr" if topic != "ptr" else "mx"].verdict != "unknown"


# (record, what it says of each address), as another library (pyspf 2.0.14) read them.
ADDRESSES = (HOST, "93.184.215.200", "10.1.2.3", "8.8.8.8", "2001:db8::1")
RECORDS = (
    ("v=spf1 mx -all", "pass fail fail fail fail"),
    ("v=spf1 a -all", "fail fail fail fail fail"),
    ("v=spf1 ip4:93.184.215.0/24 ~all", "pass pass softfail softfail softfail"),
    ("v=spf1 -ip4:93.184.215.14 +all", "fail pass pass pass pass"),
    ("v=spf1 include:w0.example -all", "fail fail pass fail fail"),
    ("v=spf1 include:in.example ?all", "pass neutral neutral pass neutral"),
    ("v=spf1 redirect=in.example", "pass fail fail pass fail"),
    ("v=spf1 a:mail.acme.example/24 -all", "pass pass fail fail fail"),
    ("v=spf1 mx/24 -all", "pass pass fail fail fail"),
    ("v=spf1 exists:mail.%{d} -all", "pass pass pass pass pass"),
    ("v=spf1 exists:%{i}.list.example ~all", "softfail softfail softfail pass softfail"),
    ("v=spf1 ip6:2001:db8::/32 -all", "fail fail fail fail pass"),
    ("v=spf1 ?mx -all", "neutral fail fail fail fail"),
    ("v=spf1", "neutral neutral neutral neutral neutral"),
    ("v=spf1 exp=x.example mx ~all", "pass softfail softfail softfail softfail"),
    ("v=spf1 mx:acme.example all", "pass pass pass pass pass"),
    ("v=spf1 ~include:in.example -all", "softfail fail fail softfail fail"),
    ("v=spf1 include:in.example include:w0.example -all", "pass fail pass pass fail"),
    ("v=spf1 mx -all unknown=1", "pass fail fail fail fail"),
    ("v=spf1 a:%{o} ~all", "softfail softfail softfail softfail softfail"),
)  # fmt: skip


@pytest.mark.parametrize(("record", "results"), RECORDS)
def test_the_page_and_the_check_of_senders_read_the_same_in_a_record(record, results):
    records = spf_zone(
        record, *WIDE, txt("in.example", f"v=spf1 ip4:{HOST} ip4:8.8.8.8 -all"),
        ("8.8.8.8.list.example", "A", ["127.0.0.2"]),
    )  # fmt: skip
    ask = lambda name, kind: records.get((name.lower().rstrip("."), kind), [])  # noqa: E731
    found = [spf.check_host(ip_address(one), "acme.example", "x@acme.example", ask) for one in ADDRESSES]
    assert " ".join(found) == results
    policy = spf.read("acme.example", ask)
    assert policy.problem == "" and policy.record == record
