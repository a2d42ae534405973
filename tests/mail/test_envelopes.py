"""Return addresses: which of them are a person's, whatever forwarding and signing put around them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mail.envelopes import is_robots, list_behind, unwrapped
from mail.judging.rules import from_a_robot, judge
from mail.types import Address, Facts, Mail

OUR = frozenset({"helfen@acme.example"})
CAROL = Address("Carol", "carol@customer.example")


@pytest.mark.parametrize(
    ("address", "behind"),
    [
        ("liste+bounces-1-carol=customer.example@lists.example", "liste@lists.example"),
        ("liste+bounces-confsub-4b43cb-carol=customer.example@lists.example", "liste@lists.example"),
        ("liste-bounces@lists.example", "liste@lists.example"),
        ("liste-bounces+carol=customer.example@lists.example", "liste@lists.example"),
        ("liste-request@lists.example", "liste@lists.example"),
        ("liste-owner@lists.example", "liste@lists.example"),
        ("owner-liste@lists.example", "liste@lists.example"),
        ("liste-return-5-carol=customer.example@lists.example", "liste@lists.example"),
        ("SRS0=ab=XY=lists.example=liste-bounces@forward.example", "liste@lists.example"),
        ("prvs=1234abcd=liste-bounces@lists.example", "liste@lists.example"),
        ("bounces+12-ab-carol=customer.example@service.example", ""),
        ("bounce@service.example", ""),
    ],
)
def test_lists_and_robots(address: str, behind: str) -> None:
    assert is_robots(address) and list_behind(address) == behind


@pytest.mark.parametrize(
    ("address", "bare"),
    [
        ("carol@customer.example", "carol@customer.example"),
        ("<carol.berg-tal+shop@customer.example>", "carol.berg-tal+shop@customer.example"),
        ("prvs=1234abcd=carol@customer.example", "carol@customer.example"),
        ("btv1==1234abcd==carol@customer.example", "carol@customer.example"),
        ("SRS0=abcd=XY=customer.example=carol@forward.example", "carol@customer.example"),
        ("SRS1=ab=one.example==cd=xy=customer.example=carol@two.example", "carol@customer.example"),
        ("SRS0=ab=xy=customer.example=prvs=1234abcd=carol@forward.example", "carol@customer.example"),
        ("requests@customer.example", "requests@customer.example"),
    ],
)
def test_people(address: str, bare: str) -> None:
    assert unwrapped(address) == bare and not is_robots(address) and not list_behind(address)


@pytest.mark.parametrize(
    "address", ["bounces+SRS=44ldt=IX@acme.example", "carol+caf_=helfen=acme.example@mail.example"]
)
def test_a_mailbox_that_passes_on_says_nothing_of_the_writer(address: str) -> None:
    assert not is_robots(address)


def verdict(mail: Mail, envelope: str, own: frozenset[str] = OUR) -> str:
    return judge(mail, Facts(own_addresses=own), None, envelope).reason


def test_what_a_list_manager_asks_is_quiet() -> None:
    asks = Mail(sender=Address("", "liste+help@lists.example"), to=(Address("", "helfen@acme.example"),))
    asks = replace(asks, reply_to=(Address("", "liste+confsub-1-helfen=acme.example@lists.example"),))
    assert verdict(asks, "liste+bounces-confsub-1-helfen=acme.example@lists.example") == "list_envelope"


def test_a_post_of_a_list_without_list_fields_is_quiet() -> None:
    post = Mail(sender=CAROL, to=(Address("", "liste@lists.example"),))
    envelope = "liste+bounces-1-helfen=acme.example@lists.example"
    assert verdict(post, envelope) == "list_envelope"
    assert verdict(replace(post, headers=(("return-path", f"<{envelope}>"),)), None) == "list_envelope"  # type: ignore[arg-type]
    assert verdict(post, envelope, OUR | {"liste@lists.example"}) == "person", (
        "a list of our own says nothing"
    )


def test_the_mail_of_a_person_that_a_service_carries_is_a_persons() -> None:
    written = Mail(sender=CAROL, to=(Address("", "helfen@acme.example"),))
    for envelope in ("bounces+1-helfen=acme.example@service.example", "pm_bounces@service.example"):
        assert verdict(written, envelope) == "person"
        assert from_a_robot(written, envelope, OUR), "but nobody reads an acknowledgement there"
    answer = replace(written, in_reply_to=("<1@acme.example>",))
    assert verdict(answer, "bounces+1-helfen=acme.example@em.customer.example") == "person"


def test_a_form_names_its_customer() -> None:
    form = Mail(sender=Address("", "form@shop.example"), reply_to=(CAROL,))
    envelope = "bounces+1-helfen=acme.example@em.shop.example"
    assert verdict(form, envelope) == "person" and not from_a_robot(form, envelope, OUR)


def test_a_mailbox_with_such_a_name_is_a_mailbox() -> None:
    written = Mail(sender=Address("Tender", "tender-request@customer.example"))
    assert not from_a_robot(written, "tender-request@customer.example", OUR)
