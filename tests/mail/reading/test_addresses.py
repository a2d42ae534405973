from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.domains import ascii_domain
from mail.reading.addresses import (
    AddressError,
    ascii_address,
    local_part_of_company,
    parse_address,
    split_addresses,
    valid_address,
)
from mail.types import Address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" carol@kunde.test ", Address("", "carol@kunde.test")),
        ("Carol Käfer <Carol@Kunde.test>", Address("Carol Käfer", "Carol@Kunde.test")),
        ('"Huber, \\"Max\\"" <max@x.example>', Address('Huber, "Max"', "max@x.example")),
        ("<max@x.example>", Address("", "max@x.example")),
    ],
)
def test_parse(text: str, expected: Address) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        ("carol", "syntax"),
        ("carol@", "syntax"),
        ("@x.example", "syntax"),
        ("a b@x.example", "syntax"),
        ("a@x.example, b@x.example", "several"),
        ("a@x.example\r\nBcc: b@x.example", "line_break"),
        ("A <a@x.example> b", "syntax"),
    ],
)
def test_refused(text: str, code: str) -> None:
    with pytest.raises(AddressError) as refused:
        parse_address(text)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "address", ["a@büro.local", "a@mail.test", "a@localhost", "a@x.LOCAL", "ä@x.example", "a+b@x.example"]
)
def test_domains_of_the_house_are_welcome(address: str) -> None:
    assert valid_address(address)


@pytest.mark.parametrize(
    "address", ["a@b", "a@.local", "a@-x.test", "a..b@x.test", "a@x.invalid", "a@x_y.test", "a@x.test\n"]
)
def test_wrong_addresses(address: str) -> None:
    assert not valid_address(address)


def test_split() -> None:
    assert split_addresses("a@x.test, B <b@y.test>; c@z.test\nA@X.test,") == (
        Address("", "a@x.test"),
        Address("B", "b@y.test"),
        Address("", "c@z.test"),
    )
    assert split_addresses('Huber, Max <max@x.test>; "a, b" <c@x.test>') == (
        Address("Huber, Max", "max@x.test"),
        Address("a, b", "c@x.test"),
    )
    assert split_addresses(" ") == ()
    with pytest.raises(AddressError) as refused:
        split_addresses("a@x.test; wrong; b@y.test")
    assert refused.value.text == "wrong"


@given(st.text(' ,;\n"\\<>@ab.', max_size=40))
def test_split_names_the_bad_one_or_gives_addresses(text: str) -> None:
    try:
        assert all(valid_address(one.address) for one in split_addresses(text))
    except AddressError as refused:
        assert refused.code in ("empty", "line_break", "several", "syntax")


@pytest.mark.parametrize(
    ("company", "expected"),
    [
        ("Käse & Söhne GmbH", "kaese-soehne"),
        ("Müller GmbH & Co. KG", "mueller"),
        ("Straßenbau Groß e.U.", "strassenbau-gross"),
        ("Ges.m.b.H. Huber Ges.m.b.H.", "gesmbh-huber"),
        ("Acme, Inc.", "acme"),
        ("Crème brûlée S.à r.l.", "creme-brulee"),
        ("Łódź Sp.", "lodz-sp"),
        ("Øresund A/S", "oeresund-a-s"),
        ("SE Consulting", "se-consulting"),
        ("AG", "ag"),
        ("Donaudampfschifffahrtsgesellschaft", "donaudampfschifffahr"),
        ("Elektro Huber und Partner Wien", "elektro-huber"),
        ("株式会社", "firma"),
        ("", "firma"),
        ("--", "firma"),
    ],
)
def test_company(company: str, expected: str) -> None:
    assert local_part_of_company(company) == expected


@given(st.text(max_size=60))
def test_every_company_gets_an_address(company: str) -> None:
    local = local_part_of_company(company)
    assert len(local) <= 20
    assert valid_address(f"support-{local}@poststelle.example")


def test_punycode() -> None:
    assert ascii_address("Jürgen@KÄSE.example") == "Jürgen@xn--kse-qla.example"
    assert ascii_domain("X.Example") == "x.example"
    assert ascii_domain("ä" * 80) == "ä" * 80
