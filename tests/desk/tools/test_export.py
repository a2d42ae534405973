"""The exports: stable lines, and the same memory for any number of rows."""

from __future__ import annotations

import hashlib
import json
import tracemalloc

import pytest
from flask import Flask
from sqlalchemy import insert, text

from desk.tools import export
from models import Channel, InboundMail, InboundState, Outcome, db
from tests.support.mails import arrive, mail, ticket_of

FIELDS = [
    "channel", "via", "source_id", "sha256", "message_id", "from", "subject", "verdict", "reason", "ticket",
    "received_at", "filed_at", "server_copy", "arrived_at",
]  # fmt: skip


def test_a_line_per_mail_seen_with_every_field(app: Flask, channel: Channel) -> None:
    raw = mail(subject="Grüße", sender="Carol <Carol@Customer.example>")
    first, copy = arrive(channel, raw), arrive(channel, raw)
    held = arrive(channel, mail(x_spam_flag="YES"))
    left = {"state": InboundState.LEFT_ALONE, "outcome": Outcome.LEFT_ALONE, "reason": "was_read"}
    db.session.execute(
        insert(InboundMail).values(channel_id=channel.id, via="imap", source_id="1/7:1", **left)
    )
    db.session.commit()
    number, digest = ticket_of(first).number, hashlib.sha256(raw).hexdigest()
    expected, message_id, copy_of = channel.key, first.message_id, (held.id, copy.duplicate_of_id, first.id)
    db.session.rollback()
    result = app.test_cli_runner().invoke(args=["export", "ledger", "--format", "jsonl"])
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.output.splitlines()]
    assert all(list(line) == FIELDS for line in lines)
    filed, second, waiting, alone = lines
    assert filed | {"received_at": "", "filed_at": "", "source_id": ""} == {
        "channel": expected, "via": "smtp", "source_id": "", "sha256": digest,
        "message_id": message_id, "from": "carol@customer.example", "subject": "Grüße",
        "verdict": "new_ticket", "reason": "person", "ticket": number, "received_at": "", "filed_at": "",
        "server_copy": "none", "arrived_at": None,
    }  # fmt: skip
    assert (second["verdict"], second["sha256"], second["message_id"], second["from"]) == (
        "duplicate", digest, message_id, "carol@customer.example",
    )  # fmt: skip
    assert (waiting["verdict"], waiting["reason"], waiting["ticket"]) == ("held", "spam_header", None)
    assert (alone["verdict"], alone["sha256"], alone["server_copy"]) == ("left_alone", None, "present")
    assert copy_of == (3, 1, 1)


def test_tickets_name_the_digest_of_each_raw_mail(channel: Channel) -> None:
    raw = mail()
    arrive(channel, raw)
    ((message,),) = [ticket["messages"] for ticket in export.tickets()]
    assert (message["kind"], message["sha256"]) == ("inbound", hashlib.sha256(raw).hexdigest())


def test_the_ledger_streams(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times as many rows need no more memory, and nothing is locked while a line is read."""
    monkeypatch.setattr(export, "MAILS_AT_ONCE", 20)
    peaks, channel_id = [], channel.id
    for total in (100, 1000):
        have = db.session.query(InboundMail).count()
        new = [
            {"channel_id": channel_id, "via": "imap", "source_id": f"1/7:{number}", "subject": "x" * 500}
            for number in range(have, total)
        ]
        db.session.execute(insert(InboundMail), new)
        db.session.commit()
        assert sum(1 for _ in export.ledger()) == total  # and SQLAlchemy has seen the question once
        tracemalloc.start()
        assert sum(1 for _ in export.ledger()) == total
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.5, peaks
    lines = export.ledger()
    next(lines)
    assert not db.session().in_transaction()
    db.session.execute(text("SELECT 1"))
