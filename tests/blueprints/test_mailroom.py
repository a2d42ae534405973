"""The quarantine in the browser: who may look into what is held."""

from __future__ import annotations

import pytest

from models import Channel, InboundMail, InboundState, db
from tests.browsing import PageClient
from tests.desk.letters import arrive, mail


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
    assert (f"{url}/original" in page, f"{url}/release" in page) == (may, may)
    as_bob.get(f"{url}/original", 200 if may else 403)
    as_bob.post(f"{url}/release", status=303 if may else 403)


def test_administrators_open_returned_mail(as_alice: PageClient, held: InboundMail) -> None:
    held.reason = "bounce"
    db.session.commit()
    as_alice.get(f"/quarantine/{held.id}/original")
