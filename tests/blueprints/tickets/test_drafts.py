"""What is attached lies in the draft at once: over a restart, on every device, until it is sent or taken off."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest

from desk.office import Office
from desk.sending import replies
from desk.tickets import drafts
from models import Agent, Channel, Draft, Kind, Message, Ticket, db
from tests.support.browsing import PageClient
from tests.support.mails import arrive, mail, ticket_of

ONE, OTHER = ("Offer.pdf", b"%PDF-1.7 one"), ("Terms.pdf", b"%PDF-1.7 other")


@pytest.fixture
def ticket(channel: Channel) -> Ticket:
    return ticket_of(arrive(channel, mail()))


def attach(
    client: PageClient, ticket: Ticket, *files: tuple[str, bytes], kind: str = "reply", **more: object
) -> str:
    given = [(io.BytesIO(data), name) for name, data in files]
    url = f"/tickets/{ticket.number}/drafts/{kind}/files"
    answer = client.post(url, {"attachments": given, "body": "Dear Carol", **more}, status=200, htmx=True)
    db.session.rollback()
    return answer.get_data(as_text=True)


def names(ticket: Ticket, agent: Agent, kind: Kind = Kind.REPLY) -> list[str]:
    db.session.rollback()
    draft = drafts.of(ticket, agent, kind)
    return [file["name"] for file in draft.files] if draft else []


@pytest.mark.parametrize("kind", [Kind.REPLY, Kind.NOTE])
def test_files_lie_in_the_draft_and_are_listed(
    as_bob: PageClient, ticket: Ticket, bob: Agent, kind: Kind
) -> None:
    attach(as_bob, ticket, ONE, kind=kind)
    piece = attach(as_bob, ticket, OTHER, kind=kind)
    assert names(ticket, bob, kind) == ["Offer.pdf", "Terms.pdf"]
    url = f"/tickets/{ticket.number}?tab={kind}"
    db.session.rollback()  # that the ticket was seen is noted beside the request
    page = as_bob.get(url).get_data(as_text=True)
    for shown in (piece, page):
        assert shown.count('name="kept"') == 2 and "Terms.pdf" in shown
    assert "Dear Carol" in page, "the words come along"


def test_an_upload_that_begins_anew_is_the_same_file(as_bob: PageClient, ticket: Ticket, bob: Agent) -> None:
    attach(as_bob, ticket, ONE)
    attach(as_bob, ticket, ONE, OTHER)
    assert names(ticket, bob) == ["Offer.pdf", "Terms.pdf"]


@pytest.mark.parametrize("htmx", [True, False])
def test_what_is_taken_off_does_not_go_along(
    as_bob: PageClient, ticket: Ticket, bob: Agent, htmx: bool
) -> None:
    piece = attach(as_bob, ticket, ONE, OTHER)
    url = next(one for one in re.findall(r'formaction="([^"]+)"', piece) if "Offer" in one).replace(
        "&amp;", "&"
    )
    as_bob.post(url, {"body": "Dear Carol, all of it"}, status=200 if htmx else 303, htmx=htmx)
    assert names(ticket, bob) == ["Terms.pdf"]
    draft = drafts.of(ticket, bob, Kind.REPLY)
    assert draft is not None and draft.body == "Dear Carol, all of it"


def test_files_go_with_the_answer_and_the_draft_is_gone(
    as_bob: PageClient, ticket: Ticket, bob: Agent
) -> None:
    piece = attach(as_bob, ticket, ONE, OTHER)
    kept = re.findall(r'name="kept" value="(\w+)"', piece)
    as_bob.post(f"/tickets/{ticket.number}/replies", {"body": "Dear Carol", "kept": kept[:1]})
    db.session.rollback()
    reply = db.session.query(Message).filter_by(ticket_id=ticket.id, kind=Kind.REPLY).one()
    assert [file.name for file in reply.attachments] == ["Offer.pdf"]
    assert drafts.of(ticket, bob, Kind.REPLY) is None


def test_an_upload_that_arrives_after_its_answer_leaves_no_draft(
    as_bob: PageClient, ticket: Ticket, bob: Agent
) -> None:
    replies.send_reply(ticket, bob, replies.Written(text="Without it", once="this-composer"))
    attach(as_bob, ticket, ONE, once="this-composer")
    assert drafts.of(ticket, bob, Kind.REPLY) is None
    attach(as_bob, ticket, ONE, once="the-next-composer")
    assert names(ticket, bob) == ["Offer.pdf"]


def test_too_much_for_one_mail_is_said_and_what_was_there_stays(
    as_bob: PageClient, ticket: Ticket, bob: Agent, office: Office
) -> None:
    office.settings = replace(office.settings, max_mail_bytes=1000)
    attach(as_bob, ticket, ("small.bin", b"1" * 400))
    assert "too large for one mail" in attach(as_bob, ticket, ("large.bin", b"2" * 400))
    assert names(ticket, bob) == ["small.bin"]


def test_nobody_touches_the_draft_of_another(
    as_bob: PageClient, ticket: Ticket, alice: Agent, bob: Agent
) -> None:
    drafts.save(ticket, alice, Kind.REPLY, "Mine")
    piece = attach(as_bob, ticket, ONE)
    drafts.keep_files(
        ticket, alice, Kind.REPLY, drafts.files_of(ticket, bob, re.findall(r'"(\w{64})"', piece))
    )
    url = re.findall(r'formaction="([^"]+)"', piece)[0].replace("&amp;", "&")
    as_bob.post(url, {"body": ""}, status=200, htmx=True)
    assert names(ticket, alice) == ["Offer.pdf"] and names(ticket, bob) == []


def test_a_draft_of_ones_own_stands_out_in_the_list(
    as_bob: PageClient, ticket: Ticket, alice: Agent, bob: Agent
) -> None:
    drafts.save(ticket, alice, Kind.REPLY, "Hers")
    assert "Draft" not in as_bob.get("/tickets?view=open").get_data(as_text=True)
    drafts.save(ticket, bob, Kind.REPLY, "His")
    assert "Draft" in as_bob.get("/tickets?view=open").get_data(as_text=True)
    assert db.session.query(Draft).count() == 2


def test_an_unknown_kind_or_ticket_is_not_found(as_bob: PageClient, ticket: Ticket) -> None:
    as_bob.post(f"/tickets/{ticket.number}/drafts/mail/files", status=404)
    as_bob.post("/tickets/9999/drafts/reply/files", status=404)


@pytest.mark.parametrize("path", ["replies", "notes"])
def test_a_file_that_was_taken_off_in_another_window_stops_the_answer(
    as_bob: PageClient, ticket: Ticket, bob: Agent, path: str
) -> None:
    """It says so, instead of sending without the file, or nothing at all."""
    piece = attach(as_bob, ticket, ONE, kind="note" if path == "notes" else "reply")
    kept = [*re.findall(r'name="kept" value="(\w+)"', piece), "0" * 64]
    url, data = f"/tickets/{ticket.number}/{path}", {"body": "", "kept": kept}
    refused = as_bob.post(url, data, status=422, htmx=True).get_data(as_text=True)
    assert "have changed in another window" in refused and "Offer.pdf" in refused


def test_the_last_word_of_a_page_that_is_left_begins_no_draft_of_what_was_sent(
    as_bob: PageClient, ticket: Ticket, bob: Agent
) -> None:
    replies.send_reply(ticket, bob, replies.Written(text="All of it", once="this-composer"))
    url = f"/tickets/{ticket.number}/drafts/reply"
    as_bob.post(url, {"body": "All of it", "once": "this-composer"}, status=200, htmx=True)
    db.session.rollback()
    assert drafts.of(ticket, bob, Kind.REPLY) is None
