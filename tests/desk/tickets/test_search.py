"""Search on a real database: both engines find the same, and no query breaks them."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from desk.sending import replies
from desk.tickets import search, ticket_list, uploads
from models import Agent, Channel, Ticket, db
from tests.support.mails import arrive, mail, ticket_of

MAILS = {
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
    return {name: ticket_of(arrive(channel, mail(**given))) for name, given in MAILS.items()}


def hits(query: str) -> list[int]:
    return sorted(db.session.scalars(select(Ticket.number).where(search.matching(query))))


FOUND = {
    "cheese": (
        "Käse", "kase", "kaese", "KÄSE", "Ka\u0308se",  # the last one decomposed, as macOS writes it
        "Straße", "strasse", "STRASSE", "Gruesse", "grusse", "grüße", "Müßig", "muessig", "Äußeren",
        "geschmolz", "käs allee", "allee geschmolzen", "joerg@kaese.example", "jörg", "12a", "größe 3",
    ),
    "invoice": (
        "invoice", "Lee", "cafe", "café", "o'brien", "88-1204", "2026-0311", "shop.example", "please che",
        "1002", "#1002", "  1002 ",
    ),
    "": ("käse invoice", "melted", "eese", "#9999", "käse NOT allee"),
}  # fmt: skip
HARMLESS = (
    '"', "'", '"unclosed', "a AND", "OR", "NOT", "NEAR(a b)", "*", "käse*", "^käse", "subject:käse", "-käse",
    "a & | ! <-> b", "(((", ":*", "\\", "\0", "%", "_", ";DROP TABLE ticket;--", "x" * 5000, "a " * 500, "½ ²",
    "99999999999999999999", "١٢٣", "日本", "\ud800", "#", "İ",
)  # fmt: skip


@pytest.mark.parametrize("wanted", FOUND)
def test_words_are_found_however_they_are_spelled(desk: dict[str, Ticket], wanted: str) -> None:
    """Words of subject, sender and text: every word of the query begins a word of one message."""
    expected = [desk[wanted].number] if wanted else []
    assert {query: hits(query) for query in FOUND[wanted]} == dict.fromkeys(FOUND[wanted], expected)


def test_no_query_breaks_the_search(desk: dict[str, Ticket], alice: Agent) -> None:
    for query in HARMLESS:
        found = {ticket.number for ticket in ticket_list.listing(alice, query=query).tickets}
        assert found <= {1001, 1002}, query
    assert db.session.query(Ticket).count() == 2


def test_answers_notes_and_file_names_are_found_too(desk: dict[str, Ticket], alice: Agent) -> None:
    ticket = desk["invoice"]
    file = uploads.from_form("Gutschrift-Müller.pdf", b"%PDF")
    replies.send_reply(ticket, alice, replies.Written(text="Entschuldigung", files=(file,)))
    replies.add_note(ticket, alice, replies.Written(text="Stammkundin"))
    for query in ("entschuldigung", "mueller", "stammkund"):
        assert hits(query) == [ticket.number], query
