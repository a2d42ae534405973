"""The own mail domain signs: which mails, once for all tries, and only when the world can check it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import dkim as dkimpy
import pytest
from sqlalchemy import text, update

from config import Relay
from desk.channels import channels, dkim
from desk.channels.channel_values import ChannelValues
from desk.notices import notice_mails
from desk.office import Office
from desk.sending import outbox, outbox_page
from models import Agent, Channel, MailState, OutboundMail, db, now
from tests.servers.smtp_sink import SmtpSink
from tests.support.mails import arrive, mail

Reply = Callable[..., OutboundMail]


@pytest.fixture
def zone() -> dict[str, bytes]:
    return {}


@pytest.fixture
def ask(zone: dict[str, bytes]) -> Callable[[str, str], list[Any]]:
    return lambda name, kind: [zone[name]] if kind == "TXT" and name in zone else []


@pytest.fixture
def signs(app: object, zone: dict[str, bytes], ask: dkim.Ask) -> dkim.DkimKey:
    key = dkim.make_key()
    zone[dkim.record_name(key)] = dkim.record_of(key).encode()
    return dkim.switch_on(ask)


@pytest.fixture
def verifies(zone: dict[str, bytes]) -> Callable[[bytes], bool]:
    return lambda raw: bool(
        dkimpy.verify(raw, dnsfunc=lambda name, timeout=0: zone.get(name.decode().rstrip(".")))
    )


def test_a_key_signs_only_when_dns_shows_it(app: object, zone: dict[str, bytes], ask: dkim.Ask) -> None:
    key = dkim.make_key()
    assert dkim.make_key().id == key.id and key.domain == "poststelle.example"
    with pytest.raises(dkim.NotInDns):
        dkim.switch_on(ask)
    zone[dkim.record_name(key)] = b"v=DKIM1; p=AAAA"
    with pytest.raises(dkim.NotInDns):
        dkim.switch_on(ask)
    assert dkim.signing_key() is None
    zone[dkim.record_name(key)] = dkim.record_of(key).replace("; ", ";").encode()
    assert not dkim.switch_on(ask).unproven and dkim.signing_key() == key
    dkim.switch_off()
    assert dkim.signing_key() is None and dkim.waiting_key() == key
    assert dkim.switch_on(None).unproven  # an administrator's word


def test_a_new_key_takes_over_without_a_gap(
    signs: dkim.DkimKey, zone: dict[str, bytes], ask: dkim.Ask
) -> None:
    second = dkim.make_key()
    assert dkim.signing_key() == signs and second.selector != signs.selector
    zone[dkim.record_name(second)] = dkim.record_of(second).encode()
    assert dkim.switch_on(ask) == second == dkim.signing_key()
    assert signs.retired_at is not None and dkim.waiting_key() is None


def test_the_private_key_is_encrypted_at_rest(signs: dkim.DkimKey) -> None:
    stored = db.session.scalar(text("SELECT private_key FROM dkim_key"))
    assert "PRIVATE KEY" in signs.private_key and "PRIVATE" not in stored and stored.startswith("gAAAA")


def test_answers_and_notices_by_the_relay_are_signed(
    signs: dkim.DkimKey, relay: SmtpSink, reply: Reply, channel: Channel, verifies: Callable[[bytes], bool]
) -> None:
    reply()
    arrive(channel, mail(message_id="<other@customer.example>"))
    outbox.deliver_due(at_once=True)
    left = {row.purpose for row in db.session.query(OutboundMail) if row.state == MailState.DONE}
    assert left >= {"ticket_reply", "confirmation"}
    assert {bytes.count(sent.raw, b"DKIM-Signature:") for sent in relay.mails} == {1}
    assert all(verifies(sent.raw) for sent in relay.mails)


def test_a_retry_sends_the_same_bytes(
    signs: dkim.DkimKey, office: Office, relay: SmtpSink, reply: Reply, verifies: Callable[[bytes], bool]
) -> None:
    sent = reply()
    frozen = sent.sha256
    relay.fail_next("dot", "451 later")
    outbox.deliver_due()
    stored = office.blobs.get(sent.sha256)
    assert sent.sha256 != frozen and not office.blobs.has(frozen)
    dkim.switch_off()  # whatever happens meanwhile
    db.session.execute(update(OutboundMail).values(send_after=now() - timedelta(seconds=1)))
    db.session.commit()
    outbox.deliver_due()
    assert [mail.raw for mail in relay.mails][-1] == stored and verifies(stored)
    assert outbox_page.octets(sent) == stored


def test_links_that_let_in_are_forgotten_signed_or_not(
    signs: dkim.DkimKey, office: Office, relay: SmtpSink, bob: Agent
) -> None:
    notice_mails.queue_link_mail(bob, "password_link", "http://x.example/secret")
    db.session.commit()
    (row,) = db.session.query(OutboundMail)
    unsigned = row.sha256
    outbox.deliver_due()
    assert relay.mails[0].raw.startswith(b"DKIM-Signature:")
    db.session.refresh(row)
    assert row.sha256 == "" and not office.blobs.has(unsigned)
    assert not [path for path in office.blobs.root.rglob("*") if path.is_file()], "nor the signed one"


def test_own_servers_and_a_domain_without_a_key_are_left_alone(
    signs: dkim.DkimKey, office: Office, make_smtp_sink: Callable[..., SmtpSink], reply: Reply
) -> None:
    sink = make_smtp_sink()
    own = channels.create(
        ChannelValues(
            key="Books", address="books@poststelle.example", provider="own", protocol="imap", server="localhost",
            port=993, user="books", password="secret", smtp_server="127.0.0.1", smtp_port=sink.port,
            smtp_encryption="none", smtp_auth="none", allow_plaintext=True,
        )
    )  # fmt: skip
    reply(on=own)
    outbox.deliver_due()
    assert b"DKIM-Signature" not in sink.mails[0].raw
    dkim.switch_off()
    office.settings = replace(office.settings, relay=Relay("127.0.0.1", sink.port, "none"))
    reply(question="<q2@customer.example>")
    outbox.deliver_due()
    assert len(sink.mails) == 2 and b"DKIM-Signature" not in sink.mails[1].raw


def test_a_key_that_does_not_work_stops_no_mail(signs: dkim.DkimKey, relay: SmtpSink, reply: Reply) -> None:
    signs.private_key = "no key"
    db.session.commit()
    reply()
    outbox.deliver_due()
    assert len(relay.mails) == 1
