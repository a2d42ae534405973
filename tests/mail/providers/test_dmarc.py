"""DMARC by the walk through the names (RFC 9989, 4.10): whose policy holds, and which names are one organisation."""

from __future__ import annotations

from typing import Any

import pytest

from mail.providers.dmarc import is_aligned, organisation_of, policy_of
from mail.providers.lookup import Unanswered

SUFFIX = "v=DMARC1; p=reject; np=quarantine; psd=y"


class Names:
    """DMARC records by domain, `exists` with an address; remembers what it was asked."""

    def __init__(self, exists: tuple[str, ...] = (), silent: str = "", **records: str | list[str]) -> None:
        self.records = {name.replace("_", "."): found for name, found in records.items()}
        self.exists, self.silent, self.asked = exists, silent, list[str]()

    def __call__(self, name: str, kind: str) -> list[Any]:
        self.asked.append(name)
        if self.silent and name == self.silent:
            raise Unanswered(name)
        if kind != "TXT":
            return ["192.0.2.1"] if name in self.exists and kind == "A" else []
        found = self.records.get(name.removeprefix("_dmarc."), [])
        return [text.encode() for text in ([found] if isinstance(found, str) else found)]


def said(domain: str, names: Names) -> tuple[str, str] | None:
    found = policy_of(domain, names)
    return (found.where.removeprefix("_dmarc."), found.value) if found else None


# (domain, records, where its policy stands and what it is, its organisation)
CASES: tuple[tuple[str, Names, tuple[str, str] | None, str], ...] = (
    # Nobody says anything: a name stands for itself, never for what is above it.
    ("mail.example.co.uk", Names(), None, "mail.example.co.uk"),
    ("co.uk", Names(), None, "co.uk"),
    ("mail.example.co.uk", Names(example_co_uk="v=DMARC1; p=reject"), ("example.co.uk", "reject"), "example.co.uk"),
    ("mail.bka.gv.at", Names(bka_gv_at="v=DMARC1;p=quarantine;sp=none"), ("bka.gv.at", "none"), "bka.gv.at"),
    # The suffix says that it is one: its policy holds below it, and organisations begin one label lower.
    ("mail.example.co.uk", Names(("mail.example.co.uk",), co_uk=SUFFIX), ("co.uk", "reject"), "example.co.uk"),
    ("mail.example.co.uk", Names(co_uk=SUFFIX), ("co.uk", "quarantine"), "example.co.uk"),
    ("mail.example.co.uk", Names(co_uk=SUFFIX, example_co_uk="v=DMARC1; p=none"), ("example.co.uk", "none"), "example.co.uk"),
    ("co.uk", Names(co_uk=SUFFIX), ("co.uk", "reject"), "co.uk"),
    ("example.co.uk", Names(co_uk="v=DMARC1; p=reject; psd=n"), ("co.uk", "reject"), "co.uk"),
    # psd=n: an organisation below another one.
    ("a.shop.example.com", Names(shop_example_com="v=DMARC1; p=none; psd=n", example_com="v=DMARC1; p=reject"),
     ("shop.example.com", "none"), "shop.example.com"),
    # The highest record is that of the organisation; those between it and the domain say nothing to it.
    ("a.b.example.com", Names(b_example_com="v=DMARC1; p=none", example_com="v=DMARC1; p=reject; sp=quarantine"),
     ("example.com", "quarantine"), "example.com"),
    ("b.example.com", Names(b_example_com="v=DMARC1; p=none; sp=reject", example_com="v=DMARC1; p=reject"),
     ("b.example.com", "none"), "example.com"),
    # np is for names that are not there; sp for the others, and for both where np is missing.
    ("a.example.com", Names(("a.example.com",), example_com="v=DMARC1; p=none; sp=quarantine; np=reject"),
     ("example.com", "quarantine"), "example.com"),
    ("a.example.com", Names(example_com="v=DMARC1; p=none; sp=quarantine; np=reject"), ("example.com", "reject"), "example.com"),
    ("a.example.com", Names(example_com="v=DMARC1; p=none; sp=quarantine"), ("example.com", "quarantine"), "example.com"),
    ("a.example.com", Names(example_com="v=DMARC1; p=Reject"), ("example.com", "reject"), "example.com"),
    # Of several records none counts, and the walk goes on.
    ("example.com", Names(example_com=["v=DMARC1; p=none", "v=DMARC1; p=reject"]), ("example.com", "several"), "example.com"),
    ("a.example.com", Names(a_example_com=["v=DMARC1; p=none", "v=DMARC1; p=none"], example_com="v=DMARC1; p=reject"),
     ("example.com", "reject"), "example.com"),
    ("example.com", Names(example_com=["v=spf1 -all", "v=DMARC1; p=reject"]), ("example.com", "reject"), "example.com"),
    # What is no record, and what is none that counts.
    ("example.com", Names(example_com="v=dmarc1; p=reject"), None, "example.com"),
    ("example.com", Names(example_com="p=reject; v=DMARC1"), None, "example.com"),
    ("example.com", Names(example_com="v=DMARC12; p=reject"), None, "example.com"),
    ("example.com", Names(example_com="v = DMARC1 ; P = reject;;"), ("example.com", "reject"), "example.com"),
    ("example.com", Names(example_com="v=DMARC1"), ("example.com", "invalid"), "example.com"),
    ("example.com", Names(example_com="v=DMARC1; p=refuse"), ("example.com", "invalid"), "example.com"),
    ("example.com", Names(example_com="v=DMARC1; p=reject; sp=maybe"), ("example.com", "invalid"), "example.com"),
    ("example.com", Names(example_com="v=DMARC1; p=reject; p=none"), ("example.com", "reject"), "example.com"),
    ("Mail.Käse.example", Names(**{"xn--kse-qla_example": "v=DMARC1; p=reject"}),
     ("xn--kse-qla.example", "reject"), "xn--kse-qla.example"),
    ("", Names(), None, ""),
)  # fmt: skip


@pytest.mark.parametrize("number", range(len(CASES)))
def test_whose_policy_holds_and_which_organisation_it_is(number: int) -> None:
    domain, names, policy, organisation = CASES[number]
    assert (said(domain, names), organisation_of(domain, names)) == (policy, organisation)


@pytest.mark.parametrize(
    ("domain", "records", "asked"),
    [
        ("mail.example.co.uk", {}, "mail.example.co.uk example.co.uk co.uk uk"),
        ("example.com", {"example_com": "v=DMARC1; p=none"}, "example.com"),
        ("a.gv.at", {"gv_at": SUFFIX}, "a.gv.at gv.at"),
        ("b.a.gv.at", {"a_gv_at": "v=DMARC1; p=none; psd=n"}, "b.a.gv.at a.gv.at"),
        ("a.b.c.d.e.f.g.h", {}, "a.b.c.d.e.f.g.h b.c.d.e.f.g.h c.d.e.f.g.h d.e.f.g.h e.f.g.h f.g.h g.h h"),
        ("z.y.a.b.c.d.e.f.g.h", {}, "z.y.a.b.c.d.e.f.g.h b.c.d.e.f.g.h c.d.e.f.g.h d.e.f.g.h e.f.g.h f.g.h g.h h"),
        ("com", {}, "com"),
    ],
)  # fmt: skip
def test_the_walk_asks_label_by_label_and_eight_times_at_most(domain: str, records: Any, asked: str) -> None:
    names = Names((domain,), **records)
    policy_of(domain, names)
    walked = [name.removeprefix("_dmarc.") for name in names.asked if name.startswith("_dmarc.")]
    assert walked == asked.split() and len(walked) <= 8


ONE = {"example_co_uk": "v=DMARC1; p=reject"}


@pytest.mark.parametrize(
    ("proven", "author", "records", "relaxed"),
    [
        ("mail.example.co.uk", "example.co.uk", ONE, True),
        ("a.example.co.uk", "b.example.co.uk", ONE, True),
        ("example.co.uk", "b.example.co.uk", ONE, True),
        ("co.uk", "example.co.uk", ONE, False),
        ("other.co.uk", "example.co.uk", ONE, False),
        ("notexample.co.uk", "example.co.uk", ONE, False),
        ("a.gv.at", "b.gv.at", {"gv_at": SUFFIX}, False),
        ("a.gv.at", "gv.at", {"gv_at": SUFFIX}, False),
        ("x.a.gv.at", "a.gv.at", {"gv_at": SUFFIX}, True),
        ("shop.example.com", "example.com",
         {"shop_example_com": "v=DMARC1; p=none; psd=n", "example_com": "v=DMARC1; p=none"}, False),
        ("a.example.com", "example.com", {}, False),
        ("käse.example", "xn--kse-qla.example", {}, True),
    ],
)  # fmt: skip
def test_what_passed_speaks_for_its_own_organisation_only(
    proven: str, author: str, records: Any, relaxed: bool
) -> None:
    assert is_aligned(proven, author, False, Names(**records)) is relaxed
    assert is_aligned(proven, author, True, Names(**records)) is (proven == "käse.example")


def test_how_strictly_a_record_is_to_be_taken() -> None:
    found = policy_of("example.com", Names(example_com="v=DMARC1; p=reject; adkim=s; aspf=r; t=y"))
    assert found is not None
    assert (found.strict_dkim, found.strict_spf, found.refuses, found.counts) == (True, False, False, True)
    found = policy_of("example.com", Names(example_com="v=DMARC1; p=quarantine; aspf=S"))
    assert found is not None and (found.strict_dkim, found.strict_spf, found.refuses) == (False, True, True)


@pytest.mark.parametrize("silent", ["_dmarc.mail.example.co.uk", "_dmarc.example.co.uk", "_dmarc.uk"])
def test_a_silent_name_server_leaves_everything_open(silent: str) -> None:
    names = Names(silent=silent, co_uk="v=DMARC1; p=reject")
    with pytest.raises(Unanswered):
        policy_of("mail.example.co.uk", names)
    with pytest.raises(Unanswered):
        organisation_of("mail.example.co.uk", names)
