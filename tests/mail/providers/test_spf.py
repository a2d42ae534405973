"""SPF by the RFC's own test suite, and what it leaves open: strangers who write records to hurt."""

from __future__ import annotations

import time
from ipaddress import ip_address
from typing import Any

import pytest

from mail.providers import spf
from mail.providers.lookup import Unanswered
from tests.support import rfc7208
from tests.support.rfc7208 import Zone, suite, zone_of

SECTIONS = {
    "Initial processing": 16,
    "Record lookup": 7,
    "Selecting records": 10,
    "Record evaluation": 12,
    "ALL mechanism syntax": 5,
    "PTR mechanism syntax": 8,
    "A mechanism syntax": 29,
    "Include mechanism semantics and syntax": 9,
    "MX mechanism syntax": 21,
    "EXISTS mechanism syntax": 7,
    "IP4 mechanism syntax": 9,
    "IP6 mechanism syntax": 9,
    "Semantics of exp and other modifiers": 24,
    "Macro expansion rules": 24,
    "Processing limits": 11,
    "Test cases from implementation bugs": 2,
}


def resolver(zone: Zone):
    """Name servers that have just these records; an alias that leads back to itself leads nowhere."""

    def ask(name: str, kind: str, aliases: int = 8) -> list[Any]:
        records = zone.get(name.lower().removesuffix("."), [])
        for alias in [value for type_, value in records if type_ == "CNAME"]:
            return ask(alias, kind, aliases - 1) if aliases else []
        answers = [_answer(kind, value) for type_, value in records if type_ == kind and value != "NONE"]
        if not answers and any(type_ == "TIMEOUT" for type_, _ in records):
            raise Unanswered(name)
        return answers

    return ask


def _answer(kind: str, value: Any) -> Any:
    if kind == "TXT":
        return "".join([value] if isinstance(value, str) else value).encode("latin-1")
    return tuple(value) if kind == "MX" else value


@pytest.mark.parametrize("title", SECTIONS)
def test_the_suite_of_the_rfc(title: str, subtests) -> None:
    section = suite()[title]
    zone = zone_of(section)
    assert len(section["tests"]) == SECTIONS[title]
    for name, case in section["tests"].items():
        with subtests.test(name):
            sender = case["mailfrom"] or f"postmaster@{case['helo']}"
            domain = sender.rpartition("@")[2]
            result = spf.check_host(
                ip_address(case["host"]), domain, sender, resolver(zone), str(case["helo"])
            )
            allowed = case["result"]
            assert result in ([allowed] if isinstance(allowed, str) else allowed), case


def test_the_suite_is_whole() -> None:
    assert set(suite()) == set(SECTIONS) and sum(SECTIONS.values()) == 203


def zone_with(record: bytes, **more: list[bytes]):
    texts = {"evil.example": [record]} | {f"{name}.example": found for name, found in more.items()}
    return lambda name, kind: texts.get(name, []) if kind == "TXT" else []


HOSTILE = (
    (b"v=spf1 " + b"a:" + b"a" * 8000 + b" -all", "permerror"),
    (b"v=spf1 exists:" + b"%{l}" * 2000 + b".example -all", "fail"),
    (b"v=spf1 exists:%{l" + b"0" * 8000 + b"1}.example -all", "fail"),
    (b"v=spf1 exists:%{l" + b"9" * 8000 + b"}.example -all", "permerror"),
    (b"v=spf1 exists:%{l" + b"." * 8000 + b"}.example -all", "fail"),
    (b"v=spf1 a:x" + b"/1" * 4000 + b" -all", "permerror"),
    (b"v=spf1 a:" + b"x-." * 2700 + b" -all", "permerror"),
    (b"v=spf1 " + b"ip4:1.2.3.4 " * 600 + b"-all", "fail"),
    (b"v=spf1 " + b"x=1 " * 2500 + b"-all", "permerror"),
    (b"v=spf1 " + b" " * 60_000 + b"-all", "permerror"),
    (b"v=spf1 exists:%{l}.x.example -all\n", "permerror"),
    (b"v=spf1 include:%{l} -all", "permerror"),
)


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_record_written_to_hurt_is_read_at_once(number: int) -> None:
    record, result = HOSTILE[number]
    began = time.process_time()  # not the clock: other tests run beside it
    sender = "a." * 500 + "b@evil.example"
    assert spf.check_host(ip_address("8.8.8.8"), "evil.example", sender, zone_with(record)) == result
    assert time.process_time() - began < 3


def test_a_check_asks_only_so_much() -> None:
    """Ten terms, ten hosts each, is the most that a stranger can make us ask."""
    asked = []

    def ask(name: str, kind: str) -> list[Any]:
        asked.append((name, kind))
        if kind == "TXT":
            terms = " ".join(f"mx:m{number}.{name} exists:%{{p}}.{name}" for number in range(5))
            return [f"v=spf1 {terms} include:{name} -all".encode()]
        if kind == "MX":
            return [(number, f"h{number}.{name}") for number in range(10)]
        return [f"p{number}.evil.example" for number in range(500)] if kind == "PTR" else ["192.0.2.1"]

    assert spf.check_host(ip_address("8.8.8.8"), "evil.example", "x@evil.example", ask) == "pass"
    assert len(asked) == 1 + 1 + 10 + 11 + 1  # record, MX, hosts, PTR and its names, exists
    asked.clear()
    ask_void = lambda name, kind: [] if name.startswith("p") or kind == "A" else ask(name, kind)  # noqa: E731
    assert spf.check_host(ip_address("8.8.8.8"), "evil.example", "x@evil.example", ask_void) == "permerror"
    assert len(asked) <= 1 + 10 * 11


@pytest.mark.parametrize("name", ["x\\.y", "käse", "a\n", "a" * 64, "", "a..b"])
def test_names_that_cannot_exist_are_never_asked_for(name: str) -> None:
    asked = []

    def ask(name: str, kind: str) -> list[Any]:
        asked.append(name)
        return [b"v=spf1 exists:%{h}.x.example -all"] if kind == "TXT" else ["192.0.2.1"]

    found = spf.check_host(ip_address("8.8.8.8"), "evil.example", "x@evil.example", ask, helo=name)
    assert (found, asked) == ("fail", ["evil.example"])


def test_a_silent_name_server_is_an_error_that_passes() -> None:
    def ask(name: str, kind: str) -> list[Any]:
        if kind == "MX":
            raise Unanswered(name)
        return [b"v=spf1 ip4:192.0.2.1 mx -all"]

    results = [
        spf.check_host(ip_address(one), "a.example", "x@a.example", ask) for one in ("192.0.2.1", "8.8.8.8")
    ]
    assert results == ["pass", "temperror"]


def test_without_a_network_the_suite_is_skipped_but_not_on_ci(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(rfc7208, "CACHE", tmp_path)
    monkeypatch.setattr(rfc7208, "fetched", rfc7208.fetched.__wrapped__)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    for ci, outcome in (("", pytest.skip.Exception), ("true", pytest.fail.Exception)):
        monkeypatch.setenv("CI", ci)
        with pytest.raises(outcome, match=r"could not be downloaded: .*pyspf==2\.0\.14"):
            rfc7208.suite()
