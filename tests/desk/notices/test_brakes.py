"""Administrators hear which brake holds and for whom, once when it begins to matter and once when it lets go."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.policy import default

import pytest
from sqlalchemy import select, update

from config import Relay
from desk.channels import channels, health
from desk.channels.channel_values import ChannelValues
from desk.notices import alerts, brakes
from desk.office import Office
from desk.sending import alert_routes, brake, outbox
from models import Agent, Channel, Incident, OutboundMail, TicketEvent, Trouble, db, now
from tests.servers.smtp_sink import SmtpSink
from tests.support.browsing import PageClient
from tests.support.mails import arrive, mail


@pytest.fixture
def relay(office: Office, smtp_sink: SmtpSink) -> SmtpSink:
    office.settings = replace(office.settings, relay=Relay("127.0.0.1", smtp_sink.port, "none"))
    return smtp_sink


def alert(relay: SmtpSink) -> str:
    """Subject and words of the last mail to Alice about a brake."""
    outbox.deliver_due()
    parsed = [message_from_bytes(one.raw, policy=default) for one in relay.mails]
    parsed = next(one for one in reversed(parsed) if "rake" in one["Subject"] or "Bremse" in one["Subject"])
    body = parsed.get_body(("plain",))
    assert body is not None
    return f"{parsed['Subject']}\n{' '.join(body.get_content().split())}"


def bomb(channel: Channel, victim: str, count: int) -> None:
    for number in range(count):
        arrive(channel, mail(f"m{number}@mallory.example", reply_to=victim.format(number)))


def test_somebody_who_writes_three_times_is_no_news(channel: Channel, relay: SmtpSink) -> None:
    bomb(channel, "victim@victim.example", brake.TO_ADDRESS.hour + brakes.NEWS - 1)
    assert alerts.tell_due() == 0 and health.brakes() == []


def test_a_bombed_address_is_told_by_its_name(
    channel: Channel, relay: SmtpSink, as_alice: PageClient
) -> None:
    bomb(channel, "victim+{}@victim.example", brake.TO_ADDRESS.hour + brakes.NEWS)
    assert [alerts.tell_due(), alerts.tell_due()] == [1, 0]
    said = alert(relay)
    assert said.startswith("The brake holds: Support")
    for words in (
        "since",
        f"victim@victim.example ({brakes.NEWS})",
        "One address",
        "Look at the newest tickets",
    ):
        assert words in said, words
    assert "tried again" not in said and "server's own words" not in said
    for page in ("/system/outbox", "/system/channels", f"/system/channels/{channel.id}"):
        assert "victim@victim.example" in as_alice.get(page).text, page


def test_a_bombed_organisation_is_told(
    channel: Channel, relay: SmtpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brake, "TO_DOMAIN", brake.Limit(3, 30))
    bomb(channel, "u{}@mail-{}.victim.example".replace("-{}", ""), 5)
    assert alerts.tell_due() == 1
    assert "victim.example (2)" in alert(relay)


def test_it_speaks_german(
    channel: Channel, relay: SmtpSink, alice: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice.locale = "de"
    db.session.commit()
    monkeypatch.setattr(brake, "TO_DOMAIN", brake.Limit(1, 30))
    bomb(channel, "u{}@victim.example", 3)
    alerts.tell_due()
    said = alert(relay)
    assert said.startswith("Die Bremse greift: Support") and "Betroffen: " in said and "Sperren Sie" in said


def test_its_end_is_told(channel: Channel, relay: SmtpSink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brake, "TO_DOMAIN", brake.Limit(1, 30))
    bomb(channel, "u{}@victim.example", 3)
    alerts.tell_due()
    channels.set_active(channels.create(ChannelValues(key="Other", address="o@poststelle.example")), False)
    db.session.execute(update(TicketEvent).values(at=now() - timedelta(minutes=61)))
    db.session.commit()
    assert [alerts.tell_due(), alerts.tell_due()] == [1, 0]
    said = alert(relay)
    assert said.startswith("The brake lets go: Support") and "are not sent later" in said


def test_more_of_it_is_shown_and_not_told_again(
    channel: Channel, relay: SmtpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brake, "TO_DOMAIN", brake.Limit(1, 30))
    bomb(channel, "u{}@victim.example", 3)
    alerts.tell_due()
    bomb(channel, "w{}@other.example", 2)
    assert alerts.tell_due() == 0
    (incident,) = db.session.scalars(select(Incident))
    assert (incident.trouble, incident.words) == (
        Trouble.BRAKE_DOMAIN,
        "victim.example (2), other.example (1)",
    )


def test_a_brake_breaks_no_way_out(channel: Channel, relay: SmtpSink) -> None:
    health.record_brakes({(channel.id, Trouble.BRAKE): health.Brake("brake", "3")})
    incidents = list(db.session.scalars(select(Incident)))
    assert alert_routes.ways(incidents) == [alert_routes.RELAY]
    own = channels.create(
        ChannelValues(
            key="Own", address="own@acme.example", provider="own", protocol="imap", server="localhost", user="own",
            password="x", smtp_server="localhost",
        )
    ).id  # fmt: skip
    health.record_brakes({(own, Trouble.BRAKE): health.Brake("brake", "3")})
    incidents = list(db.session.scalars(select(Incident).where(Incident.channel_id == own)))
    assert alert_routes.ways(incidents) == [alert_routes.RELAY, own]
    assert alert_routes.first([own, alert_routes.RELAY]) == own, "it is not taken for broken"


def test_what_people_wrote_is_told_before_what_wrote_itself(channel: Channel, relay: SmtpSink) -> None:
    for number, reason in enumerate(("brake_automatic", "brake_automatic", "brake", "timeout")):
        row = OutboundMail(purpose="x", message_id=f"<{number}@x>", envelope_from="", channel_id=channel.id)
        row.send_after, row.reason = now() + timedelta(minutes=5), reason
        db.session.add(row)
    db.session.commit()
    brakes.record(now())
    ((incident, _),) = health.brakes()
    assert (incident.code, incident.words) == ("brake", "1")


def test_a_channel_that_is_edited_does_not_end_it(channel: Channel, relay: SmtpSink) -> None:
    health.record_brakes({(channel.id, Trouble.BRAKE_TOTAL): health.Brake("brake_total", "x.example (3)")})
    health.forget_incidents(channel.id)
    db.session.commit()
    assert len(health.brakes()) == 1


@pytest.mark.parametrize("trouble", list(Trouble))
def test_every_trouble_can_be_told(channel: Channel, relay: SmtpSink, trouble: Trouble) -> None:
    """Begin and end, whatever it is: an alert that cannot be written is told to nobody."""
    code = {
        "fetch": "auth_failed",
        "sending": "auth_failed",
        "withheld": "mail_withheld",
        "removal": "removal_refused",
    }
    db.session.add(
        Incident(
            channel_id=channel.id,
            trouble=trouble,
            code=code.get(trouble, trouble),
            words="3",
            needs_person=True,
        )
    )
    db.session.commit()
    told = alerts._tell(alerts.TROUBLE, list(db.session.scalars(select(Incident))), Incident.told_at)
    assert told == (0 if trouble == Trouble.SENDING else 1), "the relay is what is broken there"
