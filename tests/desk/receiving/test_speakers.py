"""What the desk makes of the sender: checked by us or by the server before us, learned, and shown."""

from __future__ import annotations

from typing import Any

import pytest

from desk.office import Office, signing_key
from desk.receiving import intake, receiver, speakers
from desk.sending import outbox
from mail import ids
from models import Agent, Channel, InboundMail, Message, Provider, db
from tests.support.mails import arrive, mail

PASS = "spf=pass smtp.mailfrom=customer.example; dmarc=pass header.from=customer.example"


def newest() -> Message:
    found = db.session.query(Message).order_by(Message.id.desc()).first()
    assert found is not None
    return found


def zone(name: str, kind: str) -> list[Any]:
    return [b"v=spf1 ip4:93.184.215.14 -all"] if (name, kind) == ("customer.example", "TXT") else []


@pytest.mark.parametrize(
    ("peer", "state", "proof"),
    [("93.184.215.14", "confirmed", "SPF"), ("8.8.8.8", "unconfirmed", ""), ("127.0.0.1", "unchecked", "")],
)
def test_what_our_receiver_took_is_checked_by_us(
    channel: Channel, office: Office, peer: str, state: str, proof: str
) -> None:
    office.lookup = zone
    taken = receiver.take(mail(), "carol@customer.example", [channel.address], "smtp", peer)
    intake.process(taken.rows[0])
    assert (newest().sender_state, newest().sender_proof, newest().refuted) == (state, proof, False)


def test_where_a_server_before_us_checks_its_word_counts(channel: Channel, office: Office) -> None:
    office.lookup = zone
    channel.authserv_id = "mx.acme.example"
    db.session.commit()
    given = mail(authentication_results="mx.acme.example; spf=fail smtp.mailfrom=customer.example")
    taken = receiver.take(given, "carol@customer.example", [channel.address], "smtp", "93.184.215.14")
    intake.process(taken.rows[0])
    assert (newest().sender_state, newest().refuted) == ("unconfirmed", True)


def test_large_providers_are_known(channel: Channel) -> None:
    channel.provider, channel.server = Provider.OWN, "IMAP.gmail.com"
    db.session.commit()
    arrive(channel, mail(authentication_results=f"mx.google.com; {PASS}"))
    assert (newest().sender_state, newest().sender_proof) == ("confirmed", "SPF, DMARC")


@pytest.mark.parametrize(("to", "learned"), [("own", "mx.acme.example"), ("carol@customer.example", "")])
def test_the_name_of_the_server_is_learned_from_a_mail_to_ourselves_only(
    channel: Channel, to: str, learned: str
) -> None:
    """Who got a mail of ours knows its Message-ID and could write results above it."""
    sent = ids.system_message_id(signing_key(), "abcdefgh", "poststelle.example")
    outbox.queue(
        outbox.NewMail(
            purpose="trial",
            subject="x",
            recipients=[channel.address if to == "own" else to],
            message_id=sent,
            envelope_from="",
            channel=channel,
        )
    )
    db.session.commit()
    row = arrive(channel, mail(message_id=sent, authentication_results=f"mx.acme.example; {PASS}"))
    assert row.reason == "own_mail"
    assert speakers.server_name(channel) == learned


@pytest.mark.parametrize(
    ("given", "posing"),
    [
        ({}, True),
        (
            {"authentication_results": f"mx.acme.example; {PASS.replace('customer', 'acme')}"},
            True,
        ),  # no token
    ],
)
def test_an_agents_address_alone_is_a_customers_mail_with_a_banner(
    channel: Channel, bob: Agent, given: dict[str, str], posing: bool
) -> None:
    channel.authserv_id = "mx.acme.example"
    db.session.commit()
    row = arrive(channel, mail("Bob Berger <bob@acme.example>", **given))
    assert (newest().posing, row.outcome) == (posing, "new_ticket")


def test_the_banner_of_an_agent_falls_away_with_token_and_check(channel: Channel, bob: Agent) -> None:
    channel.authserv_id = "mx.acme.example"
    db.session.commit()
    ticket = arrive(channel, mail()).ticket
    assert ticket is not None
    token = ids.sign_message_id(signing_key(), ticket.number, "abcdefgh", "poststelle.example")
    passed = f"mx.acme.example; {PASS.replace('customer', 'acme')}"
    arrive(channel, mail("bob@acme.example", in_reply_to=token, authentication_results=passed))
    assert (newest().ticket_id, newest().posing, newest().newcomer) == (ticket.id, False, True)
    assert db.session.query(InboundMail).count() == 2
