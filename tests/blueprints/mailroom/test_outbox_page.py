"""»System >> Postausgang« in the browser."""

from __future__ import annotations

import pytest
from flask import Flask

from desk.notices import password_links
from desk.sending import replies
from desk.sending.replies import Written
from desk.tickets import drafts
from models import Agent, Channel, Kind, MailState, OutboundMail, RecipientState, db
from tests.support.browsing import PageClient
from tests.support.mails import arrive, mail, ticket_of

URL = "/system/outbox"


@pytest.fixture
def failed(channel: Channel, alice: Agent) -> OutboundMail:
    """A reply that the customer's server refused."""
    ticket = ticket_of(arrive(channel, mail(), predates_channel=True))
    sent = replies.send_reply(ticket, alice, Written(text="We <b>look</b> into it."))
    sent.mail.state, sent.mail.reason, sent.mail.words = (
        MailState.FAILED,
        "recipients_refused",
        "550 5.1.1 no <i>such</i>",
    )
    sent.mail.recipients[0].state = RecipientState.UNDELIVERABLE
    db.session.commit()
    return sent.mail


def test_the_list_says_what_failed_and_why(as_alice: PageClient, failed: OutboundMail) -> None:
    page = as_alice.get(URL).get_data(as_text=True)
    assert "carol@customer.example" in page and "The mail server refused the recipient." in page
    assert 'class="count">1<' in page, "the rail counts it"
    as_alice.get(f"{URL}?view=sent&before=99999999999999999999999")
    as_alice.get(f"{URL}?view=nonsense")


def test_the_page_shows_the_exact_mail(as_alice: PageClient, failed: OutboundMail) -> None:
    page = as_alice.get(f"{URL}/{failed.id}").get_data(as_text=True)
    assert "550 5.1.1 no &lt;i&gt;such&lt;/i&gt;" in page
    assert failed.message_id.strip("<>") in page
    raw = as_alice.client.get(f"{URL}/{failed.id}/original")
    assert f"Message-ID: {failed.message_id}".encode() in raw.data
    assert raw.headers["Content-Disposition"].startswith("attachment")
    frame = as_alice.client.get(f"{URL}/{failed.id}/frame")
    assert "sandbox" in frame.headers["Content-Security-Policy"]
    assert b"We &lt;b&gt;look" in frame.data


def test_each_action_is_done_and_said(as_alice: PageClient, failed: OutboundMail) -> None:
    as_alice.post(f"{URL}/{failed.id}/settle", {"from": "show"}, status=303)
    db.session.refresh(failed)
    assert failed.set_aside_at is not None
    as_alice.post(f"{URL}/{failed.id}/settle", status=303)
    assert "nothing was changed" in as_alice.get(URL).get_data(as_text=True)
    as_alice.post(f"{URL}/{failed.id}/retry", status=303)
    assert "No outgoing server is set up" in as_alice.get(URL).get_data(as_text=True)


def test_a_wrong_address_comes_back_beside_its_field(as_alice: PageClient, failed: OutboundMail) -> None:
    url = f"{URL}/{failed.id}/recipients/{failed.recipients[0].id}"
    page = as_alice.post(url, {"address": "nobody"}, status=422).get_data(as_text=True)
    assert 'value="nobody"' in page and 'aria-invalid="true"' in page
    as_alice.post(url, {"address": "carol@new.example"}, status=303)
    db.session.refresh(failed)
    assert (failed.state, failed.recipients[0].address) == (MailState.QUEUED, "carol@new.example")


def test_a_link_mail_is_shown_to_nobody(as_alice: PageClient, app: Flask) -> None:
    password_links.invite_agent("Eve", "eve@acme.example", "agent")
    invitation = db.session.query(OutboundMail).filter_by(purpose="invitation").one()
    page = as_alice.get(f"{URL}/{invitation.id}").get_data(as_text=True)
    assert "The link and the text were removed" in page and "/password/" not in page
    assert f"{URL}/{invitation.id}/retry" not in page, "there is nothing to send"
    as_alice.post(f"{URL}/{invitation.id}/retry", status=303)
    db.session.refresh(invitation)
    assert invitation.state == MailState.KEPT
    as_alice.get(f"{URL}/{invitation.id}/original", 404)
    as_alice.get(f"{URL}/{invitation.id}/frame", 404)


def test_agents_stay_outside(as_bob: PageClient, failed: OutboundMail) -> None:
    for path in ("", f"/{failed.id}", f"/{failed.id}/original", f"/{failed.id}/frame"):
        as_bob.get(URL + path, 403)
    for path in ("retry", "stop", "settle", f"recipients/{failed.recipients[0].id}"):
        as_bob.post(f"{URL}/{failed.id}/{path}", status=403)


def test_an_agent_changes_a_failed_reply(as_bob: PageClient, bob: Agent, failed: OutboundMail) -> None:
    answer = as_bob.post(f"/messages/{failed.message_fk}/change", status=303)
    assert failed.ticket is not None
    assert answer.headers["Location"].endswith(f"/tickets/{failed.ticket.number}#composer")
    draft = drafts.of(failed.ticket, bob, Kind.REPLY)
    assert draft is not None and draft.body == "We <b>look</b> into it."


def test_a_notice_that_is_not_written_yet_says_what_it_will_be(
    as_alice: PageClient, channel: Channel
) -> None:
    """It gets its words when it leaves; by its number alone nobody knows what »Send now« sends."""
    arrive(channel, mail())
    notice = db.session.query(OutboundMail).filter_by(purpose="confirmation").one()
    notice.state, number = MailState.KEPT, notice.id
    db.session.commit()
    for url in (f"{URL}?view=kept", f"{URL}/{number}"):
        page = as_alice.get(url).get_data(as_text=True)
        assert "[#1001]" in page and ">[#1001]<" not in page
