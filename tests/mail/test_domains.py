"""One spelling for one mailbox, and what brakes count together."""

from __future__ import annotations

import pytest

from mail.domains import folded, registered


@pytest.mark.parametrize(
    ("address", "mailbox"),
    [
        ("Carol+News@Customer.EXAMPLE", "carol@customer.example"),
        ("carol+a+b@customer.example", "carol@customer.example"),
        ("carol@customer.example", "carol@customer.example"),
        ("+x@customer.example", "+x@customer.example"),
        ("a@münchen.example", "a@xn--mnchen-3ya.example"),
    ],
)
def test_what_stands_behind_a_plus_is_one_mailbox(address: str, mailbox: str) -> None:
    assert folded(address) == mailbox


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        ("customer.example", "customer.example"),
        ("a.b.Customer.Example", "customer.example"),
        ("shop.customer.co.uk", "customer.co.uk"),
        ("customer.co.uk", "customer.co.uk"),
        ("mail.customer.de", "customer.de"),
        ("localhost", "localhost"),
    ],
)
def test_the_name_that_somebody_registered(domain: str, name: str) -> None:
    assert registered(domain) == name
