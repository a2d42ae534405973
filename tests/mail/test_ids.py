"""A signature of ours always verifies, nothing else ever does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.domains import related
from mail.ids import (
    new_token,
    read_loop,
    read_markers,
    read_message_id,
    read_reply_address,
    read_return_address,
    sign_loop,
    sign_marker,
    sign_message_id,
    sign_reply_address,
    sign_return_address,
    system_message_id,
)

KEY = b"k" * 32
TOKEN = new_token(lambda size: b"\x07" * size)
TICKETS = st.integers(min_value=1, max_value=99_999_999)


@given(ticket=TICKETS, octets=st.binary(min_size=10, max_size=10))
def test_round_trip(ticket: int, octets: bytes) -> None:
    token = new_token(lambda size: octets[:size])
    message_id = sign_message_id(KEY, ticket, token, "poststelle.example")
    assert message_id.startswith("<") and len(message_id) < 90
    assert read_message_id(KEY, message_id) == ticket
    assert read_message_id(KEY, f" {message_id.upper()} ") == ticket
    address = sign_reply_address(KEY, ticket, "support-kaese-soehne-ober-x@poststelle.example")
    assert len(address.partition("@")[0]) <= 64
    assert read_reply_address(KEY, address.swapcase())[1] == ticket
    assert list(read_markers(KEY, f"> x {sign_marker(KEY, ticket)}\n> y")) == [ticket]
    assert read_loop(KEY, sign_loop(KEY, token))


@given(
    ticket=TICKETS,
    place=st.integers(0, 200),
    letter=st.sampled_from("0123456789abcdefghijklmnopqrstuvwxyz.-+:<>@"),
)
def test_whoever_changes_a_letter_is_not_believed(ticket: int, place: int, letter: str) -> None:
    def changed(text: str) -> str:
        at = place % len(text)
        return text[:at] + letter + text[at + 1 :]

    message_id = sign_message_id(KEY, ticket, TOKEN, "x")
    signed = message_id[: message_id.index("@")]
    if changed(signed) != signed:
        assert read_message_id(KEY, f"{changed(signed)}@x>") is None
    address = sign_reply_address(KEY, ticket, "support@x.example")
    if changed(address) != address:
        assert read_reply_address(KEY, changed(address)) is None
    marker = sign_marker(KEY, ticket)
    if changed(marker) != marker:
        assert not list(read_markers(KEY, changed(marker)))
    loop = sign_loop(KEY, TOKEN)
    if changed(loop) != loop:
        assert not read_loop(KEY, changed(loop))


def test_another_key_and_another_purpose_do_not_verify() -> None:
    message_id = sign_message_id(KEY, 7, TOKEN, "x")
    assert read_message_id(b"other", message_id) is None
    assert read_reply_address(b"other", sign_reply_address(KEY, 7, "a@x")) is None
    assert not list(read_markers(b"other", sign_marker(KEY, 7)))
    signature = sign_marker(KEY, 7).split(".")[1].removesuffix(":ref")
    assert read_reply_address(KEY, f"a+7-{signature}@x") is None
    with pytest.raises(ValueError):
        sign_message_id(b"", 7, TOKEN, "x")


@pytest.mark.parametrize(
    "text", ["", "<>", "<7.a.b@x>", "<007.a.b@x>", "<٧.a.b@x>", "a+b@x", "+1-a@x", "<a@b> <c@d>"]
)
def test_foreign_names_are_read_as_foreign(text: str) -> None:
    assert read_message_id(KEY, text) is None
    assert read_reply_address(KEY, text) is None
    assert not read_loop(KEY, text)


def test_a_reply_address_gives_back_the_channels_own() -> None:
    address = sign_reply_address(KEY, 1042, "support+vip@käse.example")
    assert address.startswith("support+vip+1042-") and address.endswith("@käse.example")
    on_the_wire = address.replace("käse", "xn--kse-qla")
    assert read_reply_address(KEY, on_the_wire) == ("support+vip@xn--kse-qla.example", 1042)


def test_a_reply_address_that_would_be_too_long_is_left_out() -> None:
    assert sign_reply_address(KEY, 1, "a" * 40 + "@x") == ""
    assert sign_reply_address(KEY, 1, "no address") == ""


def test_a_mail_without_a_ticket_is_known_as_ours() -> None:
    assert read_message_id(KEY, system_message_id(KEY, TOKEN, "poststelle.example")) == 0


def test_a_return_address_means_one_recipient() -> None:
    """In any case of its letters; whoever has one cannot make that of another reader."""
    address = sign_return_address(KEY, 17, "support@acme.example")
    assert read_return_address(KEY, address) == read_return_address(KEY, address.upper()) == 17
    for other in (
        address.replace("+b17-", "+b18-"),
        address.replace("support+", "sales+"),
        address.replace("acme.example", "other.example"),
        address.replace("+b17-", "+17-"),
        "support@acme.example",
    ):
        assert read_return_address(KEY, other) is None
    assert read_return_address(b"another key", address) is None
    assert read_reply_address(KEY, address) is None
    assert sign_return_address(KEY, 17, f"{'a' * 40}@acme.example") == ""


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("acme.example", "ACME.example", True),
        ("mx.acme.example", "acme.example", True),
        ("acme.example", "smtp.acme.example", True),
        ("mx1.acme.example", "mx2.acme.example", False),
        ("notacme.example", "acme.example", False),
        ("example", "acme.example", False),
        ("", "acme.example", False),
    ],
)
def test_domains_that_speak_for_each_other(one: str, other: str, together: bool) -> None:
    assert related(one, other) is together
