"""Search on a real database: both engines find the same, and no query breaks them."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from desk import replies, search, tickets
from models import Agent, Channel, Ticket, db
from tests.desk.letters import arrive, mail, ticket_of

LETTERS = {
    "cheese": {
        "sender": "Jörg Müßig <joerg@kaese.example>",
        "subject": "Grüße aus der Straße",
        "text": "Der Käse in der Äußeren Allee 12a ist über Nacht geschmolzen. Größe: 3,5 kg.",
    },
    "invoice": {
        "sender": "Ann Lee <ann.lee@shop.example>",
        "subject": "Invoice 2026-0311 twice",
        "text": "Please check O'Brien's café order #88-1204.",
    },
}


@pytest.fixture
def desk(channel: Channel) -> dict[str, Ticket]:
    return {name: ticket_of(arrive(channel, mail(**letter))) for name, letter in LETTERS.items()}


def hits(query: str) -> list[int]:
    return sorted(db.session.scalars(select(Ticket.number).where(search.matching(query))))


@pytest.mark.parametrize(
    "query",
    [
        "Käse", "kase", "kaese", "KÄSE", "Ka\u0308se",  # the last one decomposed, as macOS writes it
        "Straße", "strasse", "STRASSE", "Gruesse", "grusse", "grüße", "Müßig", "muessig", "Äußeren",
        "geschmolz", "käs allee", "allee geschmolzen", "joerg@kaese.example", "jörg", "12a", "größe 3",
    ],
)  # fmt: skip
def test_words_are_found_however_they_are_spelled(desk: dict[str, Ticket], query: str) -> None:
    assert hits(query) == [desk["cheese"].number]


@pytest.mark.parametrize(
    "query",
    ["invoice", "Lee", "cafe", "café", "o'brien", "88-1204", "2026-0311", "shop.example", "please che"],
)
def test_subject_sender_and_text_are_searched(desk: dict[str, Ticket], query: str) -> None:
    assert hits(query) == [desk["invoice"].number]


@pytest.mark.parametrize("query", ["käse invoice", "melted", "eese", "#9999", "käse NOT allee"])
def test_every_word_must_begin_a_word_of_one_message(desk: dict[str, Ticket], query: str) -> None:
    assert hits(query) == []


def test_a_number_finds_its_ticket_with_and_without_the_sign(desk: dict[str, Ticket]) -> None:
    number = desk["invoice"].number
    assert hits(str(number)) == hits(f"#{number}") == hits(f"  {number} ") == [number]


@pytest.mark.parametrize(
    "query",
    [
        '"', "'", '"unclosed', "a AND", "OR", "NOT", "NEAR(a b)", "*", "käse*", "^käse", "subject:käse", "-käse",
        "a & | ! <-> b", "(((", ":*", "\\", "\0", "%", "_", ";DROP TABLE ticket;--", "x" * 5000, "a " * 500, "½ ²",
        "99999999999999999999", "١٢٣", "日本", "\ud800", "#", "İ",
    ],
)  # fmt: skip
def test_no_query_breaks_the_search(desk: dict[str, Ticket], alice: Agent, query: str) -> None:
    found = tickets.listing(alice, query=query).tickets
    assert {ticket.number for ticket in found} <= {ticket.number for ticket in desk.values()}
    assert db.session.query(Ticket).count() == 2


def test_answers_notes_and_file_names_are_found_too(desk: dict[str, Ticket], alice: Agent) -> None:
    from desk import uploads

    ticket = desk["invoice"]
    file = uploads.from_form("Gutschrift-Müller.pdf", b"%PDF")
    replies.send_reply(ticket, alice, replies.Written(text="Entschuldigung", files=(file,)))
    replies.add_note(ticket, alice, replies.Written(text="Stammkundin"))
    for query in ("entschuldigung", "mueller", "stammkund"):
        assert hits(query) == [ticket.number], query
