"""What the desk makes of the sender: checked by us or by the server before us, learned, and shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from desk.office import Office, signing_key
from desk.receiving import arrivals, explanations, intake, receiver, speakers
from desk.sending import outbox
from mail import ids
from mail.providers.lookup import Unanswered
from mail.safe_reading import read_with_attached
from models import Agent, Channel, InboundMail, InboundState, Message, Provider, db
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


# --- what name servers do not answer


class Zones:
    """Name servers that a test makes silent."""

    def __init__(self) -> None:
        self.silent = True
        self.asked: list[str] = []

    def __call__(self, name: str, kind: str) -> list[Any]:
        self.asked.append(name)
        if self.silent and name.endswith("customer.example"):
            raise Unanswered(name)
        return zone(name, kind)


@pytest.fixture
def zones(office: Office) -> Iterator[Zones]:
    """As where the jobs run: what waits is overtaken."""
    office.lookup, office.overtakes = Zones(), True
    yield office.lookup
    office.overtakes = False
    office.slow.clear()
    office.unanswered.clear()


def taken(channel: Channel, sender: str, peer: str = "93.184.215.14") -> InboundMail:
    rows = receiver.take(mail(sender), sender, [channel.address], "smtp", peer).rows
    return db.session.get_one(InboundMail, rows[0])


def test_what_is_not_answered_is_asked_again_while_other_mail_overtakes(
    channel: Channel, office: Office, zones: Zones
) -> None:
    with time_machine.travel(datetime(2026, 11, 30, 10, tzinfo=UTC), tick=False) as clock:
        waits, other = taken(channel, "carol@customer.example"), taken(channel, "dave@other.example")
        intake.process_pending()
        assert (waits.state, other.state) == (InboundState.PENDING, InboundState.FILED)
        assert waits.received_at == datetime(2026, 11, 30, 10, tzinfo=UTC), "it was accepted"
        intake.process_slow()  # at once, where nobody waits
        asked = len(zones.asked)
        intake.process_slow()
        intake.process_pending()
        assert len(zones.asked) == asked, "it is left alone for a while"
        zones.silent = False
        clock.shift(intake.ASKED_AGAIN)
        intake.process_slow()
    assert newest().from_address == "carol@customer.example"
    assert (newest().sender_state, newest().sender_proof) == ("confirmed", "SPF")
    db.session.refresh(waits)
    assert (waits.state, waits.attempts) == (InboundState.FILED, 1)
    assert not office.slow and not office.unanswered


def test_what_is_never_answered_waits_for_less_than_a_minute(
    channel: Channel, office: Office, zones: Zones
) -> None:
    with time_machine.travel(datetime(2026, 11, 30, 10, tzinfo=UTC), tick=False) as clock:
        row = taken(channel, "carol@customer.example")
        seconds = 0
        while row.state == InboundState.PENDING:
            clock.shift(1)
            seconds += 1
            intake.process_pending()
            intake.process_slow()
            db.session.refresh(row)
    assert 45 < seconds < 60
    assert (row.state, newest().sender_state, newest().refuted) == (InboundState.FILED, "unchecked", False)
    assert row.attempts == 1 and not office.slow, "waiting was no attempt"


def test_where_nothing_can_overtake_nothing_waits(channel: Channel, office: Office, zones: Zones) -> None:
    office.overtakes = False
    row = taken(channel, "carol@customer.example")
    assert intake.process(row.id) == "new_ticket"
    assert newest().sender_state == "unchecked"


@pytest.mark.parametrize(
    ("record", "state"), [(b"v=DMARC1; p=none; adkim=s", "unconfirmed"), (b"", "confirmed")]
)
def test_strict_names_hold_for_fetched_mail_too(
    channel: Channel, office: Office, record: bytes, state: str
) -> None:
    channel.authserv_id = "mx.acme.example"
    db.session.commit()
    office.lookup = lambda name, kind: [record] if name == "_dmarc.customer.example" else []
    raw = mail(authentication_results="mx.acme.example; dkim=pass header.d=mail.customer.example")
    foreseen = explanations.if_it_came(read_with_attached(raw), channel)
    intake.take_in(channel.id, [arrivals.Arrival(raw, "imap", "1")])
    assert (newest().sender_state, foreseen.sender_state) == (state, state)


def test_a_silent_policy_never_holds_fetched_mail_up(channel: Channel, zones: Zones) -> None:
    channel.authserv_id = "mx.acme.example"
    db.session.commit()
    raw = mail(authentication_results="mx.acme.example; dkim=pass header.d=mail.customer.example")
    intake.take_in(channel.id, [arrivals.Arrival(raw, "imap", "1")])
    assert newest().sender_state == "unchecked"


def test_who_makes_the_name_servers_slow_is_nobody_in_a_ticket(
    channel: Channel, office: Office, zones: Zones
) -> None:
    """Carol's own domain would refuse such a mail, if it could be asked."""
    first = arrive(channel, mail(subject="Printer", message_id="<first@customer.example>")).ticket
    assert first is not None
    token = ids.sign_message_id(signing_key(), first.number, "abcdefgh", "poststelle.example")
    office.overtakes = False
    for clue in ("<first@customer.example>", token):
        raw = mail("carol@customer.example", f"Re: [#{first.number}]", in_reply_to=clue)
        rows = receiver.take(raw, "x@silent.example", [channel.address], "smtp", "93.184.215.14").rows
        intake.process(rows[0])
        assert newest().sender_state == "unchecked"
        assert newest().newcomer == (clue == token)
        assert (newest().ticket_id == first.id) == (clue == token)


def test_who_waited_long_enough_holds_up_nobody(
    channel: Channel, office: Office, zones: Zones, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred mails from as many silent zones cost the lane seconds each, once; then only what all may cost."""
    with time_machine.travel(datetime(2026, 11, 30, 10, tzinfo=UTC), tick=False) as clock:
        office.patience.used, office.patience.healed_at = 1000.0, office.patience.clock()
        row = taken(channel, "carol@customer.example")
        intake.process_pending()
        asked = len(zones.asked)
        clock.shift(speakers.WAITS)
        intake.process_slow()
    db.session.refresh(row)
    assert (row.state, len(zones.asked)) == (InboundState.FILED, asked)
