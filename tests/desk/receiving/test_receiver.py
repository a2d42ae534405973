"""Our own receiver: who is let in, and for whom a mail is safe when something goes wrong half-way."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from config import Place, Settings
from desk.channels import channels
from desk.channels.channel_values import ChannelValues
from desk.office import signing_key
from desk.receiving import arrivals, intake, receiver
from jobs.server import _receivers
from mail import ids
from models import Channel, InboundMail, Ticket, db
from tests.support.mails import arrive, mail, ticket_of
from wire.listener import Receiver

SALES = "sales-acme@poststelle.example"


@pytest.fixture
def sales(app: Flask) -> Channel:
    return channels.create(ChannelValues(key="Sales", address=SALES))


def ledger() -> list[tuple[str, str]]:
    """Channel and outcome of every row, in order."""
    intake.process_pending()
    rows = db.session.scalars(select(InboundMail).order_by(InboundMail.id))
    return [(row.channel.key, str(row.outcome)) for row in rows]


@pytest.mark.parametrize(
    ("address", "ours"),
    [
        ("support-acme@poststelle.example", True),
        ("Support-ACME@Poststelle.Example", True),
        ("support-acme+anything@poststelle.example", True),
        ("help@acme.test", False),  # a mailbox elsewhere is fetched, not received
        ("support-acme@elsewhere.example", False),
        ("support-acme@poststelle.example@elsewhere.example", False),
        ("support-acme%elsewhere.example@poststelle.example", False),
        ("@elsewhere.example:support-acme@poststelle.example", False),
        ("support-acme", False),
        ("+x@poststelle.example", False),
        ("", False),
    ],
)
def test_who_is_let_in(app: Flask, address: str, ours: bool) -> None:
    values = {"provider": "own", "server": "localhost", "password": "secret", "smtp_server": "localhost"}
    channels.create(ChannelValues(key="Help", address="help@acme.test", **values))
    assert receiver.accepts(address) is ours


def test_a_signed_reply_address_is_let_in_and_leads_to_its_ticket(channel: Channel) -> None:
    ticket = ticket_of(arrive(channel, mail()))
    signed = ids.sign_reply_address(signing_key(), ticket.number, channel.address)
    assert receiver.accepts(signed)
    assert receiver.take(mail(subject="Something else"), "carol@customer.example", [signed], "smtp").safe == [
        signed
    ]
    assert ledger() == [("Support", "new_ticket"), ("Support", "reply")]
    assert db.session.query(Ticket).count() == 1


def test_several_recipients_are_stored_once_for_every_channel(channel: Channel, sales: Channel) -> None:
    everybody = [channel.address, SALES, f"support-acme+x@{channel.address.partition('@')[2]}"]
    taken = receiver.take(mail(), "carol@customer.example", everybody, "smtp")
    assert (sorted(taken.safe), taken.fault) == (sorted(everybody), None)
    assert ledger() == [("Support", "new_ticket"), ("Sales", "new_ticket")]


def test_a_fault_half_way_is_made_good_by_the_second_try(
    channel: Channel, sales: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, fails = arrivals.receive, sales.id

    def receive(channel_id: int, arrival: arrivals.Arrival) -> int | None:
        if channel_id == fails:
            raise OSError(28, "No space left on device")
        return real(channel_id, arrival)

    raw, recipients = mail(), [channel.address, SALES]
    with monkeypatch.context() as patch:
        patch.setattr(arrivals, "receive", receive)
        taken = receiver.take(raw, "carol@customer.example", recipients, "smtp")
    assert (taken.safe, str(taken.fault)) == ([recipients[0]], "[Errno 28] No space left on device")
    assert receiver.take(raw, "carol@customer.example", recipients, "smtp").safe == recipients
    assert ledger() == [("Support", "new_ticket"), ("Support", "duplicate"), ("Sales", "new_ticket")]


# --- with the receiver in front of it


@pytest.fixture
def receivers(
    app: Flask, settings: Settings, sales: Channel, tmp_path: Path
) -> Iterator[dict[str, Receiver]]:
    """`smtp` and `lmtp`, listening, as `serve` has them."""
    db.session.rollback()
    listening = replace(settings, smtp_port=0, lmtp=Place(path=tmp_path / "lmtp.sock"))
    app.extensions["poststelle"].settings = listening
    smtp, lmtp = _receivers(app)
    for one in (smtp, lmtp):
        one.start()
    yield {"smtp": smtp, "lmtp": lmtp}
    for one in (smtp, lmtp):
        one.stop()


def test_lmtp_tells_each_recipient_what_became_of_the_mail(
    receivers: dict[str, Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = arrivals.receive

    def receive(channel_id: int, arrival: arrivals.Arrival) -> int | None:
        if arrival.envelope_to == SALES:
            raise OSError(28, "No space left on device")
        return real(channel_id, arrival)

    monkeypatch.setattr(arrivals, "receive", receive)
    with smtplib.LMTP(str(receivers["lmtp"].path)) as client:
        client.ehlo("client.example")
        client.mail("carol@customer.example")
        for address in ("support-acme@poststelle.example", SALES, "support-acme+x@poststelle.example"):
            assert client.rcpt(address)[0] == 250
        client.putcmd("DATA")
        assert client.getreply()[0] == 354
        client.send(mail().replace(b"\n", b"\r\n") + b".\r\n")
        assert [client.getreply()[0] for _ in range(3)] == [250, 451, 250]
    assert ledger() == [("Support", "new_ticket")]
    assert {row.via for row in db.session.scalars(select(InboundMail))} == {"lmtp"}


def test_a_client_that_did_not_hear_our_250_makes_no_second_ticket(receivers: dict[str, Receiver]) -> None:
    raw = mail().replace(b"\n", b"\r\n")
    for _ in range(2):
        with smtplib.SMTP("127.0.0.1", receivers["smtp"].port) as client:
            client.sendmail("carol@customer.example", ["support-acme@poststelle.example"], raw)
    assert ledger() == [("Support", "new_ticket"), ("Support", "duplicate")]
