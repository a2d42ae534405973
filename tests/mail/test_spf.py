"""SPF by the RFC's own test suite, and what it leaves open: strangers who write records to hurt."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from mail import spf
from mail.lookup import Unanswered
from tests.rfc7208 import Zone, suite, zone_of

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
