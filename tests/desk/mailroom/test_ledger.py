"""The ledger's lists: every filter against the plain answer, pages by key, searches."""

from __future__ import annotations

import hashlib
import itertools
import random
from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from desk.mailroom import ledger
from desk.mailroom.ledger import Filter
from models import Channel, InboundMail, Outcome, Provider, ServerCopy, db, now
from models.inbound import STATE_OF
from tests.support.mails import arrive, mail

SEED = 20261125


@pytest.fixture
def many(channel: Channel) -> list[InboundMail]:
    """600 rows over three channels, every verdict and copy among them, two an hour, the oldest first."""
    others = [
        Channel(key=f"Other {n}", key_fold=f"other {n}", address=f"o{n}@x.example", provider=Provider.OWN)
        for n in range(2)
    ]
    db.session.add_all(others)
    db.session.flush()
    dice, start = random.Random(SEED), now() - timedelta(hours=300)
    rows = []
    for number in range(600):
        outcome = dice.choice(list(STATE_OF))
        rows.append(
            {
                "channel_id": dice.choice([channel.id, *(other.id for other in others)]),
                "via": "imap", "source_id": f"1/7:{number}", "state": STATE_OF[outcome], "outcome": outcome,
                "server_copy": dice.choice(list(ServerCopy)), "reason": "person",
                "received_at": start + timedelta(hours=number / 2),
                "sender": f"carol{number % 7}@customer.example", "subject": f"Order {number}",
                "message_id": f"<m{number}@customer.example>",
                "sha256": hashlib.sha256(str(number).encode()).hexdigest(),
            }
        )  # fmt: skip
    db.session.execute(insert(InboundMail), rows)
    db.session.commit()
    return list(db.session.scalars(select(InboundMail).order_by(InboundMail.id.desc())))


def walked(asked: Filter) -> list[int]:
    """All pages from the newest to the oldest; then back again, which must show the same."""
    pages = [ledger.listing(asked)]
    while (older := pages[-1].older) is not None:
        pages.append(ledger.listing(asked, before=older))
    forward = [[row.id for row in page.rows] for page in pages]
    back = [forward[-1]]
    page = pages[-1]
    while (newer := page.newer) is not None:
        page = ledger.listing(asked, after=newer)
        back.append([row.id for row in page.rows])
    assert list(itertools.chain(*reversed(back))) == list(itertools.chain(*forward))
    return list(itertools.chain(*forward))


def test_every_filter_finds_what_a_plain_look_finds(many: list[InboundMail]) -> None:
    since, ids, met = now() - timedelta(days=7), sorted({row.channel_id for row in many}), 0
    for channel_id, verdict, copy, period in itertools.product(
        (None, *ids[:2]), (None, Outcome.HELD, Outcome.REPLY), (None, ServerCopy.PRESENT), ("", "week")
    ):
        plain = [
            row.id
            for row in many
            if (channel_id is None or row.channel_id == channel_id)
            and (verdict is None or row.outcome == verdict)
            and (copy is None or row.server_copy == copy)
            and (not period or row.received_at >= since)
        ]
        met += bool(plain)
        assert walked(Filter(channel_id, verdict, copy, period)) == plain, (channel_id, verdict, copy, period)
    assert met >= 30, "the sample has something of nearly everything"


def test_searches_meet_digest_message_id_sender_and_words(many: list[InboundMail]) -> None:
    target = many[123]
    assert target.subject
    for query in (
        target.sha256,
        target.sha256[:10].upper(),
        target.message_id,
        target.message_id.strip("<>"),
        f"{target.subject} carol",
        target.subject.upper(),
    ):
        assert target.id in walked(Filter(query=query)), query
    assert len(walked(Filter(query=target.sha256))) == 1
    assert walked(Filter(query="Carol3@customer.example")) == [
        row.id for row in many if row.sender == "carol3@customer.example"
    ]
    held = [row.id for row in many if row.sender == "carol3@customer.example" and row.outcome == Outcome.HELD]
    assert walked(Filter(query="carol3@customer.example", verdict=Outcome.HELD)) == held
    for nothing in ("100%", "no_such", "0" * 64, "nobody@x.example", "<gone@x.example>"):
        assert walked(Filter(query=nothing)) == [], nothing


def test_a_message_id_finds_filed_mail_and_its_copies_say_what_they_are(channel: Channel) -> None:
    raw = mail(subject="Twice")
    first, second = arrive(channel, raw), arrive(channel, raw)
    assert ledger.listing(Filter(query=first.message_id)).rows == [first]
    assert (second.outcome, second.described, ledger.copies_of(first)) == (Outcome.DUPLICATE, first, [second])
    assert ledger.message_of(second) is ledger.message_of(first) is not None


def test_an_empty_ledger_has_an_empty_page(channel: Channel) -> None:
    for asked in (Filter(), Filter(period="day"), Filter(verdict=Outcome.HELD), Filter(channel_id=99)):
        found = ledger.listing(asked)
        assert (list(found.rows), found.newer, found.older) == ([], None, None)
