"""Channels at the desk: their rules, their servers, and how they fare."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from config import Relay
from desk.channels import channels, connections, health
from desk.channels.channel_values import ChannelValues, InvalidChannel, port_for, smtp_port_for, values_of
from desk.checks import connection_tests
from models import Channel, Contact, Ticket, db, now
from wire import PermanentFailure

OWN = ChannelValues(
    key="Billing",
    address="billing@acme.example",
    provider="own",
    server="imap.acme.example",
    password="inside",
    smtp_server="smtp.acme.example",
)


@pytest.fixture
def own(app):
    return channels.create(OWN)


def errors_of(values: ChannelValues, channel: Channel | None = None) -> dict[str, str]:
    with pytest.raises(InvalidChannel) as caught:
        channels.update(channel, values) if channel else channels.create(values)
    return caught.value.errors


# --- rules ---


@pytest.mark.parametrize(
    ("protocol", "ssl", "port"),
    [("imap", True, 993), ("imap", False, 143), ("pop3", True, 995), ("pop3", False, 110)],
)
def test_usual_ports_of_incoming_servers(protocol, ssl, port):
    assert port_for(protocol, ssl) == port


@pytest.mark.parametrize(("encryption", "port"), [("none", 25), ("starttls", 587), ("ssl", 465)])
def test_usual_ports_of_outgoing_servers(encryption, port):
    assert smtp_port_for(encryption) == port


def test_a_standard_address_is_the_local_part_on_our_domain(app):
    sales = channels.create(ChannelValues("Sales", "Sales-Acme"))
    whole = channels.create(ChannelValues("Jobs", "jobs@poststelle.example"))
    assert (sales.address, whole.address) == ("sales-acme@poststelle.example", "jobs@poststelle.example")


def test_an_own_channel_gets_what_follows_from_the_rest(own):
    assert (own.port, own.smtp_port, own.user, own.smtp_user, own.smtp_password) == (
        993,
        587,
        "billing@acme.example",
        "",
        "",
    )


@pytest.mark.parametrize(
    ("wrong", "errors"),
    [
        ({"key": " "}, {"key": "required"}),
        ({"key": "support"}, {"key": "taken"}),
        ({"address": "SUPPORT-acme@poststelle.example"}, {"address": "taken"}),
        ({"address": "billing"}, {"address": "syntax"}),
        ({"address": ""}, {"address": "required"}),
        ({"provider": "other"}, {"provider": "choice"}),
        ({"server": ""}, {"server": "required"}),
        ({"server": "imap.acme.example LOGOUT"}, {"server": "syntax"}),
        ({"port": 0}, {"port": "range"}),
        ({"smtp_port": 65536}, {"smtp_port": "range"}),
        ({"password": ""}, {"password": "required"}),
        ({"user": "a\r\nLOGOUT"}, {"user": "control"}),
        ({"password": "a\nb"}, {"password": "control"}),
        ({"protocol": "pop3", "after_fetch": "move", "move_to": "Done"}, {"after_fetch": "pop3_move"}),
        ({"after_fetch": "move"}, {"move_to": "required"}),
        ({"after_fetch": "burn"}, {"after_fetch": "choice"}),
        ({"smtp_encryption": "none"}, {"smtp_encryption": "plaintext"}),
        ({"smtp_auth": "gssapi"}, {"smtp_auth": "choice"}),
        ({"key": "x" * 81}, {"key": "too_long"}),
        ({"key": "", "server": ""}, {"key": "required", "server": "required"}),
    ],
)
def test_what_is_wrong_is_named_all_at_once(app, wrong, errors):
    assert errors_of(replace(OWN, **wrong)) == errors


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("sales@elsewhere.example", "domain"),
        ("two words", "syntax"),
        ("a+b", "syntax"),
        ("a..b", "syntax"),
        ("ümlaut", "syntax"),
        ("x" * 31, "too_long"),  # a signed reply address would not fit into 64 octets
    ],
)
def test_a_standard_address_is_checked(app, address, code):
    assert errors_of(ChannelValues("Sales", address)) == {"address": code}


def test_no_encryption_needs_the_explicit_word(app):
    channel = channels.create(replace(OWN, smtp_encryption="none", allow_plaintext=True))
    assert (channel.smtp_port, channel.allow_plaintext) == (25, True)


def test_passwords_stand_in_no_repr():
    assert "inside" not in repr(OWN)


# --- passwords stay with their server ---


def test_an_empty_password_keeps_the_stored_one(own):
    channels.update(own, replace(values_of(own), key="Invoices"))
    assert (own.key, own.password) == ("Invoices", "inside")


@pytest.mark.parametrize(
    ("change", "errors"),
    [
        ({"server": "imap.mallory.example"}, {"password": "password_again"}),
        ({"port": 1993}, {"password": "password_again"}),
        ({"ssl": False}, {"password": "password_again"}),
        ({"user": "somebody"}, {"password": "password_again"}),
        ({"protocol": "pop3", "port": 993}, {"password": "password_again"}),
        ({"allow_plaintext": True}, {"password": "password_again"}),
        ({"smtp_server": "smtp.mallory.example"}, {"smtp_password": "password_again"}),
        ({"smtp_port": 2525}, {"smtp_password": "password_again"}),
        ({"smtp_encryption": "ssl"}, {"smtp_password": "password_again"}),
    ],
)
def test_another_login_asks_for_the_password_again(own, change, errors):
    """Else whoever may edit a channel could have its password sent to a server of their own."""
    assert errors_of(replace(values_of(own), **change), own) == errors


def test_an_outgoing_password_of_its_own_is_never_replaced_silently(app):
    channel = channels.create(replace(OWN, smtp_password="outside"))
    moved = replace(values_of(channel), smtp_server="smtp2.acme.example", password="inside2")
    assert errors_of(moved, channel) == {"smtp_password": "password_again"}
    channels.update(channel, replace(values_of(channel), password="inside2"))
    assert (channel.password, channel.smtp_password) == ("inside2", "outside")


def test_the_same_password_follows_a_new_one(own):
    channels.update(own, replace(values_of(own), password="changed"))
    assert connections.open_sender(own)._connection._credentials.password == "changed"


# --- editing ---


def test_an_edit_raises_the_edition_and_rings(own, office):
    rung = []
    office.ring = lambda job, at: rung.append((job, at))
    edition = own.edition
    channels.update(own, replace(values_of(own), sender_name="Acme"))
    assert own.edition == edition + 1 and rung == [("fetch", None)]


@pytest.mark.parametrize(
    "change",
    [
        {"server": "imap2.acme.example"},
        {"user": "other"},
        {"protocol": "pop3"},
        {"address": "b@acme.example"},
    ],
)
def test_another_mailbox_begins_anew(own, change):
    own.generation, own.highest_uid, own.first_fetch_at = "7", 99, now()
    health.record_failure(own.id, "auth_failed", "no", False)
    channels.update(own, replace(values_of(own), password="new", **change))
    assert (own.generation, own.highest_uid, own.first_fetch_at) == ("", 0, None)
    assert (own.failing_since, own.failures, own.error_code) == (None, 0, "")


def test_another_name_keeps_what_the_fetch_knows(own):
    own.generation, own.highest_uid = "7", 99
    channels.update(own, replace(values_of(own), key="Invoices"))
    assert (own.generation, own.highest_uid) == ("7", 99)


def test_a_channel_that_becomes_standard_forgets_its_mailbox(own):
    channels.update(own, ChannelValues("Billing", "billing"))
    assert (own.address, own.server, own.password) == ("billing@poststelle.example", "", "")


@pytest.mark.parametrize(
    "change", [{"active": False}, {"address": "other"}, {"provider": "own", "address": "a@acme.example"}]
)
def test_the_default_channel_keeps_its_address_and_stays_active(channel, change):
    with pytest.raises(channels.Protected):
        channels.update(channel, replace(values_of(channel), **change))


def test_the_default_channel_is_neither_switched_off_nor_deleted(channel):
    with pytest.raises(channels.Protected):
        channels.set_active(channel, False)
    with pytest.raises(channels.Protected):
        channels.delete(channel)
    assert channel.active and channel.living


def test_the_default_channel_can_be_renamed(channel):
    channels.update(channel, replace(values_of(channel), key="Help"))
    assert channels.by_key("help").is_default


def test_activation_begins_a_new_time(own):
    channels.set_active(own, False)
    assert own.deactivated_at is not None
    before = now()
    channels.set_active(own, True)
    assert own.activated_at >= before and own.deactivated_at is None


def test_a_deleted_channel_leaves_its_tickets_and_frees_its_names(own):
    ticket = Ticket(
        number=1,
        subject="Hi",
        channel=own,
        contact=Contact(address="c@x.example", address_key="c@x.example"),
        locale="en",
    )
    db.session.add(ticket)
    db.session.commit()
    channels.delete(own)
    assert db.session.get(Ticket, ticket.id).channel is own
    assert (own.password, own.smtp_password, own.active) == ("", "", False)
    assert channels.by_key("Billing") is None and channels.by_id(own.id) is None
    assert channels.create(OWN).id != own.id


# --- who takes what ---


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("support-acme@poststelle.example", True),
        ("SUPPORT-ACME@Poststelle.Example", True),
        ("support-acme+1042-abc@poststelle.example", True),
        ("support-acme@elsewhere.example", False),
        ("nobody@poststelle.example", False),
        ("+1@poststelle.example", False),
        ("", False),
    ],
)
def test_the_receiver_takes_mail_for_standard_addresses(channel, address, found):
    assert (channels.for_recipient(address) is not None) == found


def test_the_receiver_takes_nothing_for_inactive_and_own_channels(own):
    sales = channels.create(ChannelValues("Sales", "sales", active=False))
    assert channels.for_recipient(sales.address) is None and channels.for_recipient(own.address) is None
    assert {sales.address, own.address} < channels.own_addresses()


def test_the_overview_counts_active_channels_and_those_in_trouble(own):
    channels.create(ChannelValues("Sales", "sales", active=False))
    assert channels.overview() == channels.Overview(active=2, failing=0)
    health.record_failure(own.id, "auth_failed", "no", False)
    assert channels.overview() == channels.Overview(active=2, failing=1, worst=own.id)


def test_the_default_channel_stands_first(own):
    channels.create(ChannelValues("A", "a"))
    assert [channel.key for channel in channels.living()] == ["Support", "A", "Billing"]


# --- servers ---


def test_a_lost_password_is_named_before_anybody_connects(own):
    own.password = ""
    with pytest.raises(PermanentFailure, match="password_missing"):
        connections.open_source(own)
    with pytest.raises(PermanentFailure, match="password_missing"):
        connections.open_sender(own)


def test_without_ssl_it_is_starttls_and_plain_text_only_when_allowed(app):
    channel = channels.create(replace(OWN, ssl=False))
    server = connections.open_source(channel)._server
    assert (server.encryption, server.allow_plaintext, server.port) == ("starttls", False, 143)


def test_a_standard_channel_leaves_by_the_relay_or_not_at_all(channel, office):
    assert connections.open_sender(channel) is None and connections.open_sender(None) is None
    office.settings = replace(
        office.settings, relay=Relay("localhost", 25, "none"), allow_private_hosts=False
    )
    server = connections.open_sender(channel)._connection._server
    assert (server.host, server.allow_private, server.allow_plaintext) == ("localhost", True, True)


def test_an_own_channel_leaves_by_its_own_server(own):
    connection = connections.open_sender(own)._connection
    assert connection._server.host == "smtp.acme.example"
    assert connection._credentials.user == "billing@acme.example"


# --- the connection test ---


def states(steps):
    return {step.name: step.state for step in steps}


@pytest.fixture
def at_home(app, mailbox, make_smtp_sink, ca, trusted_ca):
    """An own channel's values for the real servers of this machine."""
    sink = make_smtp_sink(users={mailbox.user: mailbox.password}, context=ca.issue(file="smtp").context())
    return replace(
        OWN,
        server="localhost",
        port=mailbox.dovecot.imaps,
        user=mailbox.user,
        password=mailbox.password,
        smtp_server="localhost",
        smtp_port=sink.port,
    )


@pytest.mark.dovecot
def test_the_test_goes_both_ways(at_home, mailbox):
    mailbox.deliver(b"Subject: one\r\n\r\nHello\r\n")
    incoming, outgoing = connection_tests.run(at_home, None)
    assert set(states(incoming).values()) == set(states(outgoing).values()) == {"ok"}
    assert dict(incoming[-1].facts) == {"unread": "1", "total": "1"}


@pytest.mark.dovecot
def test_the_test_uses_the_stored_password_only_for_the_stored_login(at_home, mailbox):
    channel = channels.create(at_home)
    stored = values_of(channel)
    assert states(connection_tests.run(stored, channel)[0])["signed_in"] == "ok"
    elsewhere = replace(stored, protocol="pop3", port=mailbox.dovecot.pop3s)
    assert states(connection_tests.run(elsewhere, channel)[0])["signed_in"] == "failed"


@pytest.mark.dovecot
def test_one_broken_direction_does_not_hide_the_other(at_home):
    wrong = replace(at_home, smtp_password="wrong")
    incoming, outgoing = connection_tests.run(wrong, None)
    assert states(incoming)["inbox"] == "ok"
    assert [(step.name, step.code) for step in outgoing if step.state == "failed"] == [
        ("signed_in", "auth_failed")
    ]


def test_the_test_of_a_standard_address_tries_the_relay(channel, office, smtp_sink):
    assert [step.code for step in connection_tests.run(values_of(channel), channel)[1]] == ["no_relay"]
    office.settings = replace(office.settings, relay=Relay("localhost", smtp_sink.port, "none"))
    incoming, outgoing = connection_tests.run(values_of(channel), channel)
    assert incoming == [] and states(outgoing)["sender"] == "ok"


def test_the_test_refuses_this_machine_unless_it_is_allowed(app, office):
    office.settings = replace(office.settings, allow_private_hosts=False)
    incoming, outgoing = connection_tests.run(replace(OWN, server="127.0.0.1", smtp_server="::1"), None)
    assert (incoming[0].code, outgoing[0].code) == ("refused_address", "refused_address")


# --- health ---


@pytest.mark.parametrize(
    ("failures", "temporary", "seconds"),
    [
        (1, True, 60),
        (2, True, 120),
        (5, True, 900),
        (1000, True, 900),
        (6, False, 1920),
        (7, False, 3600),
        (99, False, 3600),
    ],
)
def test_rests_grow_up_to_their_limit(failures, temporary, seconds):
    assert health.rest(failures, temporary, 60) == timedelta(seconds=seconds)


def test_a_failure_rests_and_a_success_ends_the_trouble(own):
    health.record_failure(own.id, "auth_failed", "535 no", False)
    db.session.refresh(own)
    began = own.failing_since
    health.record_failure(own.id, "auth_failed", "535 still no", False)
    db.session.refresh(own)
    assert (own.failing_since, own.failures, own.error_words, own.active) == (began, 2, "535 still no", True)
    assert health.due(now(), 60) == []
    assert health.due(now() + timedelta(seconds=121), 60) == [own.id]
    health.record_success(own.id)
    db.session.refresh(own)
    assert (own.failing_since, own.failures, own.error_code, own.next_try_at) == (None, 0, "", None)


def test_a_result_of_an_older_edition_is_not_noted(own):
    health.record_failure(own.id, "auth_failed", "no", False, edition=own.edition - 1)
    db.session.refresh(own)
    assert own.failing_since is None


def test_due_are_active_own_channels_whose_interval_is_over(own):
    at = now()
    assert health.due(at, 60) == [own.id]
    health.record_success(own.id)
    assert health.due(at + timedelta(seconds=30), 60) == []
    assert health.due(at + timedelta(seconds=60), 60) == [own.id]
    db.session.refresh(own)
    channels.fetch_now(own)
    assert health.due(now(), 60) == [own.id]
    channels.set_active(own, False)
    assert health.due(at + timedelta(days=1), 60) == []


def test_nobody_fetching_is_noticed_after_three_turns(own):
    assert not health.is_stale(own, now())
    assert health.is_stale(own, now() + timedelta(minutes=6))


def test_tickets_per_day_follow_the_calendar_of_the_company(own, channel, time_machine):
    time_machine.move_to(datetime(2026, 3, 29, 22, 30, tzinfo=UTC), tick=False)  # 00:30 on the 30th in Vienna
    contact = Contact(address="c@x.example", address_key="c@x.example")
    moments = [
        datetime(2026, 3, 29, 22, 10, tzinfo=UTC),  # the 30th, ten past midnight
        datetime(2026, 3, 29, 21, 50, tzinfo=UTC),  # the 29th, ten to midnight
        datetime(2026, 3, 28, 23, 10, tzinfo=UTC),  # the 29th, before the clocks changed
        datetime(2026, 3, 16, 22, 0, tzinfo=UTC),  # the 16th: too old
    ]
    for number, moment in enumerate(moments):
        db.session.add(
            Ticket(number=number, subject="", channel=own, contact=contact, locale="en", created_at=moment)
        )
    db.session.commit()
    counts = health.tickets_per_day([own.id, channel.id])
    assert counts == {own.id: [0] * 12 + [2, 1], channel.id: [0] * 14}
