"""The quarantine in the browser: who may look into what is held."""

from __future__ import annotations

import pytest

from models import Channel, InboundMail, InboundState, db
from tests.support.browsing import PageClient
from tests.support.mails import arrive, mail


@pytest.fixture
def held(channel: Channel) -> InboundMail:
    row = arrive(channel, mail())
    row.state = InboundState.HELD
    db.session.commit()
    return row


@pytest.mark.parametrize(("reason", "may"), [("bounce", False), ("delayed", False), ("storm", True)])
def test_agents_open_no_returned_mail(as_bob: PageClient, held: InboundMail, reason: str, may: bool) -> None:
    """One of ours may lie in it, with the link that sets an administrator's password."""
    held.reason = reason
    db.session.commit()
    url = f"/quarantine/{held.id}"
    page = as_bob.get("/quarantine").get_data(as_text=True)
    assert (f'"{url}"' in page, f"{url}/release" in page) == (may, may)
    as_bob.get(url, 200 if may else 403)
    as_bob.get(f"{url}/original", 200 if may else 403)
    as_bob.post(f"{url}/release", status=303 if may else 403)


@pytest.mark.parametrize("reason", ["bounce", "delayed", "private_link"])
def test_agents_decide_nothing_about_what_they_may_not_open(
    as_bob: PageClient, held: InboundMail, reason: str
) -> None:
    held.reason = reason
    db.session.commit()
    url = f"/quarantine/{held.id}"
    page = as_bob.get("/quarantine").get_data(as_text=True)
    assert url not in page and f'value="{held.id}"' not in page and "Administrators decide" in page
    assert "Delete the ticked ones" not in page, "there is nothing to tick"
    as_bob.post(f"{url}/discard", status=403)
    as_bob.get(f"{url}/block", 403)
    as_bob.post(f"{url}/block", {"pattern": "carol@customer.example"}, status=403)
    for decision in ("discard", "release"):
        as_bob.post("/quarantine/decisions", {"decision": decision, "mail": [held.id]})
        assert "1 still waits." in as_bob.get("/quarantine").get_data(as_text=True)
    db.session.expire_all()
    assert (held.state, held.reason) == (InboundState.HELD, reason)


def test_administrators_open_returned_mail(as_alice: PageClient, held: InboundMail) -> None:
    held.reason = "bounce"
    db.session.commit()
    as_alice.get(f"/quarantine/{held.id}/original")
    as_alice.post("/quarantine/decisions", {"decision": "discard", "mail": [held.id]})
    db.session.expire_all()
    assert held.state == InboundState.DROPPED


def test_agents_block_an_address_and_no_whole_domain(as_bob: PageClient, held: InboundMail) -> None:
    url = f"/quarantine/{held.id}/block"
    assert "Everybody at" not in as_bob.get(url).get_data(as_text=True)
    as_bob.post(url, {"pattern": "@customer.example"}, status=422)
    as_bob.post(url, {"pattern": "carol@customer.example"})
    assert held.state == InboundState.DROPPED


def test_several_are_decided_at_once(as_bob: PageClient, channel: Channel) -> None:
    rows = [arrive(channel, mail(subject=f"no {n}", x_spam_flag="YES")) for n in range(4)]
    rows[1].reason = "bounce"
    db.session.commit()
    as_bob.post("/quarantine/decisions", {"decision": "release"})
    assert {row.state for row in rows} == {InboundState.HELD}, "nothing was ticked"
    as_bob.post("/quarantine/decisions", {"decision": "release", "mail": [rows[0].id, rows[1].id]})
    assert "1 mail was let in. 1 still waits." in as_bob.get("/quarantine").get_data(as_text=True)
    as_bob.post("/quarantine/decisions", {"decision": "discard", "mail": [rows[2].id, "x", 99]})
    db.session.expire_all()
    assert [row.state for row in rows] == ["filed", "held", "dropped", "held"]
    as_bob.post("/quarantine/decisions", {"decision": "else"}, status=400)
