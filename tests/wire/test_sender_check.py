"""Our own check of a sender, against name servers that a test plays: what is confirmed, and what is left open."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives import serialization

from mail.judging import authentication_results
from mail.judging.authentication_results import SenderState
from mail.judging.proven_fields import ALL
from mail.providers.lookup import Unanswered
from mail.reading.parse import parse
from tests.support import signatures
from tests.support.signatures import record
from wire import sender_check
from wire.sender_check import NameServers, Patience, by_policy, check

CAROL = "carol@customer.example"
PEER = "93.184.215.14"
RAW = (
    b"From: Carol <carol@customer.example>\r\nTo: a@b.example\r\nSubject: Hello\r\nDate: x\r\n\r\nHello.\r\n"
)

PRIVATE = signatures.RSA.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
)
PUBLIC = record(signatures.RSA).partition(b"p=")[2]
ZONE: dict[tuple[str, str], list[Any]] = {
    ("customer.example", "TXT"): [b"v=spf1 ip4:93.184.215.0/24 include:more.example mx -all"],
    ("more.example", "TXT"): [b"v=spf1 a:relay.example -all"],
    ("relay.example", "A"): ["93.184.216.1"],
    ("customer.example", "MX"): [(10, "mx.customer.example")],
    ("mx.customer.example", "A"): ["93.184.217.1"],
    ("s1._domainkey.customer.example", "TXT"): [b"v=DKIM1; k=rsa; p=" + PUBLIC],
    ("s1._domainkey.evil.example", "TXT"): [b"v=DKIM1; k=rsa; p=" + PUBLIC],
    ("evil.example", "TXT"): [b"v=spf1 +all"],
    ("_dmarc.strict.example", "TXT"): [b"v=spf1", b"v=DMARC1; p=Reject; rua=mailto:x@strict.example"],
}


def zone(name: str, kind: str) -> list[Any]:
    return ZONE.get((name.lower(), kind), [])


def signed(domain: str, raw: bytes = RAW) -> bytes:
    line = dkim.sign(raw, b"s1", domain.encode(), PRIVATE, include_headers=[b"from", b"subject"])
    return line + raw


def judged(raw: bytes = RAW, envelope: str = CAROL, peer: str = PEER, lookup=zone):
    mail = parse(raw)
    return authentication_results.verdict(mail, check(raw, mail.sender.address, envelope, peer, lookup))


def is_open(raw: bytes = RAW, envelope: str = CAROL, lookup=zone) -> bool:
    """Whether an answer is missing that could speak for the author."""
    try:
        judged(raw, envelope, "8.8.8.8", lookup)
    except Unanswered:
        return True
    return False


def test_spf_confirms_the_domain_of_the_envelope():
    for peer in (PEER, "93.184.216.1", "93.184.217.1"):
        assert (judged(peer=peer).state, judged(peer=peer).proof) == (SenderState.CONFIRMED, "SPF"), peer


def test_dkim_confirms_the_domain_that_signed():
    found = judged(signed("customer.example"), "bounce@elsewhere.example", "198.51.100.1")
    assert (found.state, found.proof) == (SenderState.CONFIRMED, "DKIM")
    assert judged(signed("customer.example")).proof == "DKIM, SPF"


@pytest.mark.parametrize(
    ("raw", "envelope", "peer"),
    [
        (RAW, CAROL, "8.8.8.8"),  # SPF fails: a redirect, or a forgery
        (RAW, "x@evil.example", "8.8.8.8"),
        (signed("evil.example"), "x@evil.example", "8.8.8.8"),
        (signed("customer.example").replace(b"Hello.", b"Pills."), "x@evil.example", "8.8.8.8"),
        (signed("unknown.example"), "x@evil.example", "8.8.8.8"),
    ],
)
def test_what_proves_nothing_is_unconfirmed_and_no_reproach(raw, envelope, peer):
    found = judged(raw, envelope, peer)
    assert (found.state, found.refuted) == (SenderState.UNCONFIRMED, False)


def test_a_domain_that_refuses_what_it_did_not_confirm_is_believed():
    raw = RAW.replace(b"customer.example", b"mail.strict.example")
    found = judged(raw, "x@evil.example", "8.8.8.8")
    assert (found.state, found.proof, found.refuted) == (SenderState.UNCONFIRMED, "DMARC", True)


SUFFIX, STRICT = [b"v=DMARC1; p=reject; psd=y"], [b"v=DMARC1; p=reject"]


@pytest.mark.parametrize(
    ("author", "signer", "records", "state", "proof", "refuted"),
    [
        # One organisation, whichever of its names signs.
        ("b.shop.co.uk", "a.shop.co.uk", {"shop.co.uk": [b"v=DMARC1; p=reject"]}, "confirmed", "DMARC", False),
        ("shop.co.uk", "a.shop.co.uk", {"shop.co.uk": [b"v=DMARC1; p=reject"]}, "confirmed", "DKIM, DMARC", False),
        # It asks that only the very same name counts.
        ("shop.co.uk", "a.shop.co.uk", {"shop.co.uk": [b"v=DMARC1; p=reject; adkim=s"]}, "unconfirmed", "DMARC", True),
        ("shop.co.uk", "a.shop.co.uk", {"shop.co.uk": [b"v=DMARC1; p=none; adkim=s"]}, "unconfirmed", "", False),
        ("shop.co.uk", "a.shop.co.uk", {"shop.co.uk": [b"v=DMARC1; p=reject; adkim=s; t=y"]}, "unconfirmed", "", False),
        # A suffix and its customers are no organisation, in either direction.
        ("shop.co.uk", "co.uk", {"shop.co.uk": [b"v=DMARC1; p=none"]}, "unconfirmed", "", False),
        ("gv.at", "a.gv.at", {"gv.at": SUFFIX}, "unconfirmed", "DMARC", True),
        ("b.gv.at", "a.gv.at", {"gv.at": SUFFIX}, "unconfirmed", "DMARC", True),
        # The policy of shop.co.uk holds for its names; co.uk's own would be nobody's.
        ("mail.shop.co.uk", "evil.example", {"shop.co.uk": [b"v=DMARC1; p=reject"]}, "unconfirmed", "DMARC", True),
        # A record that does not count, and none at all: names above and below are believed, as ever.
        ("shop.co.uk", "a.shop.co.uk", {"shop.co.uk": [b"v=DMARC1; p=nonsense"]}, "confirmed", "DKIM", False),
        ("shop.co.uk", "a.shop.co.uk", {}, "confirmed", "DKIM", False),
    ],
)  # fmt: skip
def test_a_policy_says_which_names_speak_for_the_author(author, signer, records, state, proof, refuted):
    zone = {(f"_dmarc.{name}", "TXT"): texts for name, texts in records.items()}
    zone[f"s1._domainkey.{signer}", "TXT"] = ZONE["s1._domainkey.evil.example", "TXT"]
    raw = signed(signer, RAW.replace(b"customer.example", author.encode()))
    found = judged(raw, "x@elsewhere.example", "8.8.8.8", lambda name, kind: zone.get((name, kind), []))
    assert (found.state, found.proof, found.refuted) == (state, proof, refuted)


def test_what_is_confirmed_anyway_costs_no_question_about_a_policy():
    asked = []

    def lookup(name: str, kind: str) -> list[Any]:
        asked.append((name.lower(), kind))
        return STRICT if name == "_dmarc.evil.example" else zone(name, kind)

    assert judged(signed("customer.example"), lookup=lookup).proof == "DKIM, SPF"
    assert [name for name, _ in asked] == ["s1._domainkey.customer.example", "customer.example"]
    asked.clear()
    raw = signed("evil.example", RAW.replace(b"customer.example", b"mail.evil.example"))
    assert judged(raw, "x@evil.example", "8.8.8.8", lookup).proof == "DKIM, SPF, DMARC"
    assert len(asked) == len(set(asked)) and ("_dmarc.evil.example", "TXT") in asked, "each question once"


def test_a_policy_that_nobody_answers_for_leaves_the_sender_unchecked():
    def lookup(name: str, kind: str) -> list[Any]:
        if name.startswith("_dmarc."):
            raise Unanswered(name)
        return zone(name, kind)

    assert is_open(RAW, "x@evil.example", lookup)


def test_a_silent_server_behind_an_address_is_no_reproach():
    """RFC 7208 goes on without its names; we do not say of a sender what a silent server may have hidden."""
    records = {("customer.example", "TXT"): [b"v=spf1 ptr -all"], ("_dmarc.customer.example", "TXT"): STRICT}

    def lookup(name: str, kind: str) -> list[Any]:
        if kind == "PTR":
            raise Unanswered(name)
        return records.get((name, kind), [])

    assert is_open(lookup=lookup)


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.0.0.5", "::1", "", "nonsense", "local"])
def test_a_neighbour_is_not_the_one_that_spf_speaks_of(peer):
    assert judged(peer=peer).state == SenderState.UNCHECKED
    assert judged(signed("customer.example"), peer=peer).proof == "DKIM"


def test_without_name_servers_nothing_is_said():
    def lookup(name: str, kind: str) -> list[Any]:
        raise Unanswered(name)

    with pytest.raises(Unanswered):
        check(signed("customer.example"), CAROL, CAROL, PEER, lookup)


def test_all_questions_together_have_a_limit(monkeypatch):
    monkeypatch.setattr(sender_check, "ALL", 0.2)
    ZONE_LOOP = {f"n{n}.example": [f"v=spf1 include:n{n + 1}.example -all".encode()] for n in range(500)}
    asked = []

    def slow(name: str, kind: str) -> list[Any]:
        asked.append(name)
        time.sleep(0.06)
        return ZONE_LOOP.get(name, [])

    with pytest.raises(Unanswered):
        check(RAW, CAROL, "x@n0.example", PEER, slow)
    assert len(asked) < 10


@pytest.mark.parametrize(
    "record",
    [b"v=spf1 include:customer.example -all", b"v=spf1 exists:%{i}.%{d} %{x", b"v=spf1 \xff\xfe", b"v=spf1 " + b"a " * 500],
)  # fmt: skip
def test_odd_records_do_no_harm(record):
    def odd(name: str, kind: str) -> list[Any]:
        return [record] if kind == "TXT" else []

    assert all(
        result.value != "pass" for result in check(signed("customer.example"), CAROL, CAROL, PEER, odd)
    )


@pytest.mark.parametrize(
    "field", [b"v=1", b"v=1; a=rsa-sha256; d=x; s=y; b=!!; bh=!!; h=from", b"\xff" * 200]
)
def test_odd_signatures_do_no_harm(field):
    results = check(b"DKIM-Signature: " + field + b"\r\n" + RAW, CAROL, "", "127.0.0.1", zone)
    assert all(result.value != "pass" for result in results)


class Slow:
    """Name servers that take their time, by a clock of their own; with `silent` none of them answers."""

    def __init__(self, seconds: float, silent: bool = False) -> None:
        self.now, self.seconds, self.silent, self.asked = 1000.0, seconds, silent, 0

    def resolve(self, name: str, kind: str, lifetime: float, **_: object) -> list[Any]:
        self.asked += 1
        self.now += min(self.seconds, lifetime)
        if self.silent or self.seconds > lifetime:
            raise sender_check.dns.exception.Timeout
        raise sender_check.dns.resolver.NXDOMAIN

    def waits(self, servers: NameServers) -> float:
        """Seconds that the check of one more mail takes."""
        began = self.now
        with suppress(Unanswered):
            check(signed("customer.example"), CAROL, CAROL, PEER, servers)
        return self.now - began


@pytest.mark.parametrize(
    "slow", [Slow(9, silent=True), Slow(0.9), Slow(0.5), Slow(1.05)], ids=["silent", "0.9", "0.5", "1.05"]
)
def test_slow_or_silent_name_servers_hold_up_one_mail_of_a_minute(slow):
    servers = NameServers(slow.resolve, lambda: slow.now)
    first = slow.waits(servers)
    assert 0.9 <= first <= 2 * sender_check.PATIENCE
    later = [slow.waits(servers) for _ in range(20)]
    assert sum(later) < 1, "not even all of the others together wait for a second"
    asked = slow.asked
    assert slow.waits(servers) == 0 and slow.asked == asked, "nobody is asked"
    slow.now += sender_check.RESTS
    slow.seconds, slow.silent = 0.02, False
    slow.waits(servers)
    assert slow.asked > asked, "a minute later they are asked again"


def test_name_servers_as_they_usually_are_never_rest():
    usual = Slow(0.08)
    servers = NameServers(usual.resolve, lambda: usual.now)
    asked = [usual.waits(servers) and usual.asked for _ in range(200)]
    assert asked == sorted(set(asked)), "every mail had its questions"


@pytest.mark.parametrize(
    "name", ["\\999.example", "a..example", "x" * 64 + ".example", "x." * 130 + "example", "\ud800.example"]
)
def test_a_name_that_cannot_exist_sends_no_name_server_to_rest(name):
    """Strangers write such names into selectors, envelopes and From."""
    usual = Slow(0.01)
    servers = NameServers(usual.resolve, lambda: usual.now)
    assert servers(name, "TXT") == [] and usual.asked == 0
    servers("customer.example", "TXT")
    assert usual.asked == 1


# --- what a signature covers


KEY_NAME = ("s1._domainkey.customer.example", "TXT")


def found(raw: bytes, key: bytes = record(signatures.RSA)):
    """By signature alone: somebody else brings it."""
    records = {**ZONE, KEY_NAME: [key]}
    return judged(
        raw, "x@elsewhere.example", "8.8.8.8", lambda name, kind: records.get((name.lower(), kind), [])
    )


@pytest.mark.parametrize(
    ("fields", "above", "state", "proof"),
    [
        ("from subject", "", "confirmed", "DKIM"),
        ("subject date", "", "unconfirmed", "DKIM"),
        ("from subject", "Reply-To: m@evil.example\r\n", "unconfirmed", "unsigned:Reply-To"),
        ("from subject reply-to", "Reply-To: home@other.example\r\n", "confirmed", "DKIM"),
        ("from subject", "Reply-To: CAROL@customer.example\r\n", "confirmed", "DKIM"),
    ],
)
def test_a_field_counts_if_the_signature_covers_it(fields, above, state, proof):
    verdict = found(signatures.signed(above.encode() + RAW, fields))
    assert (str(verdict.state), verdict.proof) == (state, proof)


def test_what_is_added_later_is_proven_by_nothing():
    verdict = found(
        b"In-Reply-To: <a@b.example>\r\nReply-To: m@evil.example\r\n" + signatures.signed(RAW, "from subject")
    )
    assert (verdict.state, verdict.proof) == (SenderState.UNCONFIRMED, "unsigned:Reply-To")
    assert verdict.unproven == ALL, "who added that sent it once more"
    verdict = found(b"In-Reply-To: <a@b.example>\r\n" + signatures.signed(RAW, "from subject"))
    assert (verdict.state, verdict.unproven) == (SenderState.CONFIRMED, ALL - {"from", "subject"})


def test_spf_speaks_for_a_house_that_also_passes_mail_on():
    """It proves From; but the wish to be answered elsewhere may be of who wrote to that house."""
    verdict = judged(b"Reply-To: m@evil.example\r\n" + RAW)
    assert (verdict.state, verdict.proof) == (SenderState.UNCONFIRMED, "unsigned:Reply-To")
    assert verdict.unproven == {"reply-to"}
    raw = signatures.signed(RAW, "from subject")
    assert judged(b"In-Reply-To: <a@b.example>\r\n" + raw).unproven == {"reply-to"}, (
        "what SPF covers is not lost"
    )


@pytest.mark.parametrize(
    "name", ["Subject", "Reply-To", "To", "Cc", "Date", "Message-ID", "References", "Sender"]
)
def test_a_single_field_that_stands_there_twice_proves_nothing(name):
    twice = f"{name}: x@x.example\r\n".encode() * 2
    raw = signed("customer.example", twice + RAW)
    verdict = judged(raw)
    assert (verdict.state, verdict.proof) == (SenderState.UNCONFIRMED, f"twice:{name}")
    assert verdict.refuted is (name == "Reply-To")
    assert {"subject", "references", "in-reply-to", "from"} <= verdict.unproven


def test_behind_a_signed_length_anybody_could_write():
    whole = signatures.signed(RAW, "from subject", more="l=8;")
    assert found(whole).proof == "DKIM", "it reaches to the end"
    assert found(whole + b"Pay here.\r\n").state == SenderState.UNCONFIRMED


@pytest.mark.parametrize(
    ("key", "state"),
    [
        (b"v=DKIM1; k=rsa; p=" + PUBLIC, "confirmed"),
        (b"v=DKIM1; t=y; p=" + PUBLIC, "unconfirmed"),
        (b"v=DKIM1; t=s:y ; p=" + PUBLIC, "unconfirmed"),
        (b"v=DKIM1; t=s; p=" + PUBLIC, "confirmed"),
        (b"v=DKIM1; k=ed25519; p=" + PUBLIC, "unconfirmed"),
        (b"v=DKIM1; p=", "unconfirmed"),
    ],
)
def test_a_key_that_is_tried_out_or_not_fit_proves_nothing(key, state):
    assert str(found(signatures.signed(RAW, "from"), key).state) == state


def test_sha1_is_no_longer_a_proof():
    """RFC 8301, 3.1."""
    line = dkim.sign(
        RAW, b"s1", b"customer.example", PRIVATE, include_headers=[b"from"], signature_algorithm=b"rsa-sha1"
    )
    assert found(line + RAW).state == SenderState.UNCONFIRMED


def test_signatures_of_rfc_8463_are_checked():
    assert found(signatures.signed(RAW, "from", signatures.CURVE), record(signatures.CURVE)).proof == "DKIM"
    for changed in (
        signatures.signed(RAW, "from", signatures.CURVE).replace(b"Hello.", b"Pills."),
        signatures.signed(RAW, "from", signatures.CURVE).replace(b"From: Carol", b"From: Karol"),
    ):
        assert found(changed, record(signatures.CURVE)).state == SenderState.UNCONFIRMED
    for key in (b"v=DKIM1; k=ed25519; p=AAAA", b"v=DKIM1; k=ed25519; p=!", b"v=DKIM1; k=rsa; p=" + PUBLIC):
        assert found(signatures.signed(RAW, "from", signatures.CURVE), key).state == SenderState.UNCONFIRMED


def test_a_good_signature_beside_one_of_rfc_8463_is_seen():
    both = signatures.signed(signatures.signed(RAW, "from"), "from", signatures.CURVE)
    assert found(both).proof == "DKIM"


# --- names that do not answer


def silent_for(*names: str, records: dict[tuple[str, str], list[Any]] = ZONE):
    def lookup(name: str, kind: str) -> list[Any]:
        if any(f".{name}".endswith(f".{silent}") for silent in names):
            raise Unanswered(name)
        return records.get((name.lower(), kind), [])

    return lookup


def test_a_signature_of_a_silent_stranger_keeps_nothing_open():
    """Whoever forges a sender could else switch the check off with a name server of their own."""
    raw = signed("evil.example", RAW.replace(b"customer.example", b"strict.example"))
    verdict = judged(raw, "x@evil.example", "8.8.8.8", silent_for("evil.example"))
    assert (verdict.proof, verdict.refuted) == ("DMARC", True)


@pytest.mark.parametrize(
    ("signer", "silent", "still_open"),
    [
        ("strict.example", "_domainkey.strict.example", True),
        ("mail.strict.example", "_domainkey.mail.strict.example", True),
        ("notstrict.example", "notstrict.example", False),
        ("evil.example", "_dmarc.strict.example", True),
    ],
)
def test_what_could_have_spoken_for_the_author_is_open(signer, silent, still_open):
    raw = signed(signer, RAW.replace(b"customer.example", b"strict.example"))
    assert is_open(raw, "x@evil.example", silent_for(silent)) is still_open


class Zones(Slow):
    """Name servers of which those for one domain are silent."""

    def resolve(self, name: str, kind: str, lifetime: float, **more: object) -> list[Any]:
        self.silent = "evil" in name
        self.seconds = 9 if self.silent else 0.02
        return super().resolve(name, kind, lifetime, **more)


def test_a_silent_name_server_rests_its_own_zone_and_what_is_below():
    zones = Zones(0.02)
    servers = NameServers(zones.resolve, lambda: zones.now)

    def rests(name: str) -> bool:
        asked = zones.asked
        with suppress(Unanswered):
            servers(name, "TXT")
        return zones.asked == asked

    assert not rests("s1._domainkey.evil.co.example")
    for below in (
        "evil.co.example",
        "_dmarc.evil.co.example",
        "a.b.evil.co.example",
        "s2._domainkey.evil.co.example",
    ):
        assert rests(below), below
    for other in (
        "co.example",
        "_dmarc.co.example",
        "good.co.example",
        "customer.example",
        "notevil.co.example",
    ):
        assert not rests(other), other
    zones.now += sender_check.RESTS
    assert not rests("evil.co.example"), "and it is asked again"


def test_names_that_a_stranger_thinks_up_are_forgotten(monkeypatch):
    monkeypatch.setattr(sender_check, "MOST_ZONES", 3)
    zones = Zones(0.02)
    servers = NameServers(zones.resolve, lambda: zones.now)
    for number in range(9):
        with pytest.raises(Unanswered):
            servers(f"evil{number}.example", "TXT")
    assert list(servers._rests_until) == ["evil6.example", "evil7.example", "evil8.example"]


def test_where_other_mail_waits_slow_answers_take_a_second_of_a_minute_whatever_they_are_about():
    zones = Zones(0.02)
    ask = Patience(lambda: zones.now).of(NameServers(zones.resolve, lambda: zones.now))
    began = zones.now
    for number in range(50):
        with pytest.raises(Unanswered):
            ask(f"evil{number}.example", "TXT")
    assert 0.9 < zones.now - began < 2.5
    zones.now += sender_check.HEALS
    assert ask("customer.example", "TXT") == []


# --- what another server found, and the author's policy


@pytest.mark.parametrize(
    ("record", "results", "state", "proof"),
    [
        ([b"v=DMARC1; p=none; aspf=s"], "spf=pass smtp.mailfrom=mail.customer.example", "unconfirmed", ""),
        ([b"v=DMARC1; p=none; adkim=s"], "dkim=pass header.d=mail.customer.example", "unconfirmed", ""),
        ([b"v=DMARC1; p=reject; adkim=s"], "dkim=pass header.d=mail.customer.example", "unconfirmed", "DMARC"),
        ([b"v=DMARC1; p=none; adkim=s"], "spf=pass smtp.mailfrom=mail.customer.example", "confirmed", "SPF, DMARC"),
        ([b"v=DMARC1; p=none; adkim=s; aspf=s"], "dkim=pass header.d=customer.example", "confirmed", "DKIM"),
        ([], "dkim=pass header.d=mail.customer.example", "confirmed", "DKIM"),
        (None, "dkim=pass header.d=mail.customer.example", "unchecked", ""),
        (None, "dkim=pass header.d=customer.example", "confirmed", "DKIM"),
        (None, "dkim=pass header.d=mail.customer.example; dmarc=pass", "confirmed", "DKIM, DMARC"),
    ],
)  # fmt: skip
def test_strict_names_hold_for_what_another_server_found(record, results, state, proof):
    """It may not have asked for the policy; where it has, its word counts. None: no answer."""

    def lookup(name: str, kind: str) -> list[Any]:
        if record is None:
            raise Unanswered(name)
        return record if name == "_dmarc.customer.example" else []

    mail = parse(RAW)
    _, given = authentication_results.read_results(f"mx.example; {results}")
    verdict = authentication_results.verdict(mail, by_policy(CAROL, given, lookup))
    assert (str(verdict.state), verdict.proof) == (state, proof)


def test_nothing_is_asked_about_what_stands_for_itself():
    def lookup(name: str, kind: str) -> list[Any]:
        raise AssertionError(name)

    for results in ("dkim=pass header.d=customer.example", "dkim=pass header.d=esp.test; spf=fail", "none"):
        _, given = authentication_results.read_results(f"mx.example; {results}")
        assert by_policy(CAROL, given, lookup) == given


# --- what a stranger does so that nobody is asked


@pytest.mark.parametrize(
    ("above", "envelope"),
    [
        (b"", "x@evil.example"),
        (b"", ""),  # the null sender
        (b"no field at all\r\n", "x@evil.example"),  # the library reads no such header
        (b"DKIM-Signature: \xff\r\nno field at all\r\n", ""),
    ],
)
def test_a_policy_is_asked_whatever_else_the_mail_is_made_of(above, envelope):
    raw = above + RAW.replace(b"customer.example", b"strict.example")
    found = judged(raw, envelope, "8.8.8.8")
    assert (found.state, found.refuted) == (SenderState.UNCONFIRMED, True)


def test_a_stranger_s_own_silent_name_server_is_no_excuse():
    """Carol's domain has no policy: all that was not answered is about somebody else."""

    def lookup(name: str, kind: str) -> list[Any]:
        if name.endswith("silent.example"):
            raise Unanswered(name)
        return []

    for raw in (RAW, signed("silent.example")):
        assert judged(raw, "x@silent.example", "8.8.8.8", lookup).state == SenderState.UNCONFIRMED
