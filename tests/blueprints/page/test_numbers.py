"""Numbers that are larger than the database knows: not found, never an error of ours."""

from __future__ import annotations

import pytest

from models import Channel
from tests.support.browsing import PageClient
from tests.support.mails import arrive, mail, ticket_of

LARGE = ("2147483648", "9" * 19, "9" * 5000)


@pytest.mark.parametrize("number", LARGE)
@pytest.mark.parametrize(
    "path", ["tickets/{}", "messages/{}/delivery", "attachments/{}", "quarantine/{}/original"]
)
def test_a_large_number_leads_nowhere(as_bob: PageClient, path: str, number: str) -> None:
    as_bob.get("/" + path.format(number), 404)


@pytest.mark.parametrize("number", [*LARGE, "-1", "x", ""])
def test_a_large_number_in_a_question_counts_as_none(
    as_bob: PageClient, channel: Channel, number: str
) -> None:
    ticket = ticket_of(arrive(channel, mail()))
    page = f"/tickets/{ticket.number}"
    as_bob.get(f"/tickets?page={number}")
    as_bob.get(f"/tickets/news?tag={number}", htmx=True)
    as_bob.get(f"{page}/news?seen={number}", htmx=True)
    as_bob.post(f"{page}/replies", {"body": "We look into it.", "seen": number})
