"""A mail lies in its mailbox again, byte for byte, and never becomes a ticket a second time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from imapclient import IMAPClient
from sqlalchemy import select

from config import Settings
from desk.mailroom import balance, put_back
from desk.receiving import fetching
from models import Agent, Channel, InboundEvent, InboundMail, Message, Protocol, RawMail, db
from tests.desk.receiving.test_fetching import connect, fetch, ledger
from tests.jobs.test_kill import dies
from tests.servers.dovecot import Mailbox
from tests.support.browsing import PageClient
from tests.support.mails import arrive, mail
from wire import TemporaryFailure
from wire.imap import ImapSource

pytestmark = pytest.mark.dovecot
__all__ = ["connect"]  # the fixture

ARRIVED = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
RAW = mail(subject="Once only", text="Umlaute: äöü\n\nand a last line without an end").replace(b"\n", b"\r\n")


@pytest.fixture
def fetched(connect: Callable[..., Channel], mailbox: Mailbox) -> InboundMail:
    """A mail that arrived three days ago, became a ticket and left its server."""
    channel = connect()
    as_client(mailbox, lambda client: client.append("INBOX", RAW, msg_time=ARRIVED))
    assert (fetch(channel).removed, mailbox.messages()) == (1, [])
    return db.session.scalars(select(InboundMail)).one()


def as_client(mailbox: Mailbox, work: Callable[[IMAPClient], Any]) -> Any:
    with IMAPClient("localhost", mailbox.dovecot.imap, ssl=False) as client:
        client.login(mailbox.user, mailbox.password)
        return work(client)


def in_the_mailbox(mailbox: Mailbox) -> list[tuple[str, datetime, tuple[bytes, ...]]]:
    """Digest, INTERNALDATE and flags of what lies there, without changing any of it."""

    def look(client: IMAPClient) -> list[tuple[str, datetime, tuple[bytes, ...]]]:
        client.normalise_times = False
        client.select_folder("INBOX", readonly=True)
        found = client.fetch(client.search(), ["BODY.PEEK[]", "INTERNALDATE", "FLAGS"])
        return [
            (hashlib.sha256(row[b"BODY[]"]).hexdigest(), row[b"INTERNALDATE"], row[b"FLAGS"])
            for row in found.values()
        ]

    found: list[tuple[str, datetime, tuple[bytes, ...]]] = as_client(mailbox, look)
    return found


def stays_there(fetched: InboundMail, mailbox: Mailbox) -> None:
    """Two fetches later: the very same mail, unseen, in one row that was left alone; no second message."""
    channel, digest = fetched.channel, fetched.sha256
    for _ in range(2):
        fetch(channel)
    ((found, arrived, flags),) = in_the_mailbox(mailbox)
    assert (found, arrived.astimezone(UTC)) == (digest, ARRIVED)
    assert b"\\Seen" not in flags
    assert ledger(channel) == {"new_ticket": 1, "left_alone": 1}
    assert db.session.query(Message).count() == 1
    row = db.session.scalars(select(InboundMail).where(InboundMail.reason == "put_back")).one()
    assert (row.state, row.server_copy, row.sha256) == ("left_alone", "present", digest)
    assert row.duplicate_of_id == fetched.id
    assert [one.findings for one in balance.check() if not one.adds_up] == []


def test_byte_for_byte_unseen_with_its_time_and_not_fetched_again(
    fetched: InboundMail, mailbox: Mailbox, alice: Agent
) -> None:
    put_back.put_back(fetched, alice)
    assert fetch(fetched.channel).fetched == 0, "known by APPENDUID: not even looked into"
    stays_there(fetched, mailbox)
    event = db.session.scalars(select(InboundEvent)).one()
    assert (event.code, event.inbound_id, event.agent_id) == ("put_back", fetched.id, alice.id)


def test_a_server_that_does_not_say_the_uid_is_met_by_digest(
    fetched: InboundMail, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = ImapSource.append
    monkeypatch.setattr(ImapSource, "append", lambda *given: (append(*given), "")[1])
    put_back.put_back(fetched, None)
    assert fetch(fetched.channel).removed == 0
    stays_there(fetched, mailbox)


@pytest.mark.parametrize("point", ["put_back_promised", "put_back_done"])
def test_dying_between_append_and_its_row_makes_no_second_ticket(
    point: str, fetched: InboundMail, mailbox: Mailbox, settings: Settings
) -> None:
    row_id = fetched.id

    def work() -> None:
        row = db.session.get(InboundMail, row_id)
        assert row is not None
        put_back.put_back(row, None)

    dies(settings, point, work)
    assert len(in_the_mailbox(mailbox)) == (point == "put_back_done")
    fetched = db.session.scalars(select(InboundMail).where(InboundMail.id == row_id)).one()
    if point == "put_back_promised":  # nothing lies there yet: a person asks again
        assert fetched.put_back_at is not None
        put_back.put_back(fetched, None, fetched.put_back_at)
    stays_there(fetched, mailbox)


def test_two_clicks_lay_it_there_once_and_who_knows_of_it_twice(
    fetched: InboundMail, mailbox: Mailbox, as_alice: PageClient
) -> None:
    url = f"/system/ledger/{fetched.id}/mailbox"
    assert "put back before" not in as_alice.get(url).get_data(as_text=True)
    as_alice.post(url, data={"last": ""})
    said = as_alice.post(url, data={"last": ""}, status=409).get_data(as_text=True)
    assert "It was just put back" in said and len(in_the_mailbox(mailbox)) == 1
    page = as_alice.get(url).get_data(as_text=True)
    assert "It was put back before." in page
    last = page.partition('name="last" value="')[2].partition('"')[0]
    as_alice.post(url, data={"last": last})
    assert len(in_the_mailbox(mailbox)) == 2
    db.session.rollback()
    fetch(fetched.channel)
    assert ledger(fetched.channel) == {"new_ticket": 1, "left_alone": 2}


def test_not_into_another_mailbox(fetched: InboundMail, mailbox: Mailbox) -> None:
    """The channel moved since; the digest would not be known there, and it is somebody else's mailbox."""
    fetched.channel.mailbox += 1
    db.session.commit()
    with pytest.raises(put_back.PutBackRefused) as refused:
        put_back.put_back(fetched, None)
    assert (refused.value.code, mailbox.messages()) == ("moved", [])


def test_what_never_reached_the_server_is_not_promised(fetched: InboundMail, mailbox: Mailbox) -> None:
    """The same bytes come again (from the sender, or a backup of the mailbox): they are a copy like any other."""
    right, fetched.channel.password = fetched.channel.password, "wrong"
    db.session.commit()
    with pytest.raises(put_back.PutBackRefused):
        put_back.put_back(fetched, None)
    db.session.refresh(fetched)
    assert fetched.put_back_at is None
    fetched.channel.password = right
    db.session.commit()
    mailbox.deliver(RAW)
    fetch(fetched.channel)
    assert ledger(fetched.channel) == {"new_ticket": 1, "duplicate": 1}


def test_an_append_that_was_begun_stays_promised(
    fetched: InboundMail, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has it, and its answer is lost."""
    append = ImapSource.append

    def append_and_lose(*given: Any) -> str:
        append(*given)
        raise TemporaryFailure("connection_lost")

    monkeypatch.setattr(ImapSource, "append", append_and_lose)
    with pytest.raises(put_back.PutBackRefused):
        put_back.put_back(fetched, None)
    fetch(fetched.channel)
    stays_there(fetched, mailbox)


def test_a_fetch_may_be_quicker_than_the_row(
    fetched: InboundMail, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process fetches between APPEND and the row: it finds the digest, and our row is not missed."""
    append, channel_id = ImapSource.append, fetched.channel_id

    def append_and_fetch(*given: Any) -> str:
        source_id = append(*given)
        fetching.fetch_channel(channel_id)
        return source_id

    monkeypatch.setattr(ImapSource, "append", append_and_fetch)
    put_back.put_back(fetched, None)
    stays_there(fetched, mailbox)


def test_it_stays_after_the_server_gave_out_new_uids(fetched: InboundMail, mailbox: Mailbox) -> None:
    put_back.put_back(fetched, None)
    fetched.channel.generation = "1"  # as if the UIDVALIDITY were another one since
    old = db.session.scalars(select(InboundMail).where(InboundMail.reason == "put_back")).one()
    old.source_id = f"{fetched.channel.mailbox}/1:1"
    db.session.commit()
    fetch(fetched.channel)
    assert len(in_the_mailbox(mailbox)) == 1
    assert ledger(fetched.channel) == {"new_ticket": 1, "left_alone": 1}, "known again, and not fetched"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"raw": RawMail.GONE}, "raw_gone"),
        ({"server_copy": "present"}, "still_there"),
        ({"server_copy": "kept"}, "still_there"),
    ],
)
def test_what_cannot_be_put_back_says_why(
    fetched: InboundMail, mailbox: Mailbox, change: dict[str, Any], code: str
) -> None:
    for name, value in change.items():
        setattr(fetched, name, value)
    db.session.commit()
    with pytest.raises(put_back.PutBackRefused) as refused:
        put_back.put_back(fetched, None)
    assert (refused.value.code, mailbox.messages()) == (code, [])


def test_channels_without_an_imap_mailbox_say_so(fetched: InboundMail, channel: Channel) -> None:
    assert put_back.refusal(arrive(channel, mail())) == "no_mailbox"
    fetched.channel.protocol = Protocol.POP3
    assert put_back.refusal(fetched) == "only_imap"


def test_a_server_that_refuses_is_told_and_leaves_nothing_behind(
    fetched: InboundMail, mailbox: Mailbox
) -> None:
    fetched.channel.password = "wrong"
    db.session.commit()
    with pytest.raises(put_back.PutBackRefused) as refused:
        put_back.put_back(fetched, None)
    assert (refused.value.code, mailbox.messages()) == ("auth_failed", [])
    assert db.session.query(InboundEvent).count() == 0


def test_an_administrator_puts_it_back_in_the_browser(
    fetched: InboundMail, mailbox: Mailbox, as_alice: PageClient
) -> None:
    """Asked in words first; without JavaScript a form and a redirect."""
    url = f"/system/ledger/{fetched.id}"
    assert f'href="{url}/mailbox"' in as_alice.get(url).get_data(as_text=True)
    asked = as_alice.get(f"{url}/mailbox").get_data(as_text=True)
    assert "will lie in the inbox of books@x.example again" in asked and mailbox.messages() == []
    db.session.rollback()
    as_alice.post(f"{url}/mailbox")
    page = as_alice.get(url).get_data(as_text=True)
    assert "The mail lies in the mailbox of books@x.example again." in page
    assert "Put back into the mailbox by Alice Admin" in page
    db.session.rollback()
    stays_there(fetched, mailbox)


def test_the_browser_tells_what_the_server_refused(
    fetched: InboundMail, mailbox: Mailbox, as_alice: PageClient
) -> None:
    fetched.channel.password = "wrong"
    db.session.commit()
    page = as_alice.post(f"/system/ledger/{fetched.id}/mailbox", status=409).get_data(as_text=True)
    assert "Sign-in refused" in page and "Original (.eml)" in page and mailbox.messages() == []
