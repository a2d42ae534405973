from __future__ import annotations

from mail.ids import sign_marker, sign_message_id, sign_reply_address, system_message_id
from mail.judging.ticket_clues import find_clues
from mail.types import Address, Clue, ClueKind, Mail

KEY = b"k" * 32
BASE = "support-acme@poststelle.example"


def signed(ticket: int, token: str = "abcdefgh") -> str:
    return sign_message_id(KEY, ticket, token, "poststelle.example")


def test_strongest_first_and_each_once() -> None:
    mail = Mail(
        subject="AW: Störung [#5] [#6]",
        in_reply_to=(signed(2),),
        references=("<old@x>", signed(2), signed(3), "<new@x>"),
        to=(Address("", sign_reply_address(KEY, 1, BASE)),),
        text=f"> {sign_marker(KEY, 4)}",
        html=f"<i>{sign_marker(KEY, 4)}</i>",
    )
    assert find_clues(mail, KEY, [sign_reply_address(KEY, 1, BASE)]) == (
        Clue(ClueKind.REPLY_ADDRESS, ticket=1),
        Clue(ClueKind.SIGNED_ID, ticket=2),
        Clue(ClueKind.SIGNED_ID, ticket=3),
        Clue(ClueKind.FOREIGN_ID, message_id="<new@x>"),
        Clue(ClueKind.FOREIGN_ID, message_id="<old@x>"),
        Clue(ClueKind.MARKER, ticket=4),
        Clue(ClueKind.SUBJECT, ticket=6),
        Clue(ClueKind.SUBJECT, ticket=5),
    )


def test_the_reply_address_is_found_wherever_the_recipient_is_noted() -> None:
    address = sign_reply_address(KEY, 9, BASE)
    for mail, recipients in (
        (Mail(), [address]),
        (Mail(cc=(Address("", address),)), [BASE]),
        (Mail(headers=(("delivered-to", address),)), []),
        (Mail(headers=(("x-original-to", f"Support <{address.upper()}>"),)), []),
    ):
        assert find_clues(mail, KEY, recipients) == (Clue(ClueKind.REPLY_ADDRESS, ticket=9),)


def test_forged_names_are_no_clue_of_ours() -> None:
    forged = sign_message_id(b"another key", 1, "abcdefgh", "poststelle.example")
    mail = Mail(
        in_reply_to=(forged, system_message_id(KEY, "abcdefgh", "poststelle.example")),
        to=(Address("", sign_reply_address(b"another key", 1, BASE)),),
        text=sign_marker(b"another key", 1),
        subject="[#0] [#x] #7 [7]",
    )
    assert find_clues(mail, KEY, []) == (Clue(ClueKind.FOREIGN_ID, message_id=forged),)


def test_a_hostile_delivery_header_costs_nothing() -> None:
    """The library's address parser calls itself once per sign here."""
    assert find_clues(Mail(headers=(("delivered-to", "@" * 50_000 + "(" * 50_000),)), KEY, []) == ()


def test_a_subject_full_of_numbers_asks_for_the_last_few() -> None:
    mail = Mail(subject=" ".join(f"[#{number}]" for number in range(1, 10_000)))
    assert [clue.ticket for clue in find_clues(mail, b"key", [])] == [9999, 9998, 9997, 9996, 9995]
