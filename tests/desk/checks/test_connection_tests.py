"""Connection tests in the background: steps one by one, a mail there and back, nothing touched, nothing slow."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import replace

import pytest

from config import Relay
from desk.channels.channel_values import values_of
from desk.checks import connection_tests
from models import InboundMail, InboundState, Outcome, db
from tests.desk.channels.test_channels import OWN, at_home, states  # noqa: F401
from tests.support.mails import arrive, mail
from wire import probe

ALICE, BOB = 1, 2


def ended(test):
    test.wait()
    return {side: states(steps) for side, steps in test.steps.items()}


@pytest.mark.dovecot
def test_steps_are_there_as_they_are_taken(at_home, smtp_sink):  # noqa: F811
    with _silent() as silent:  # the way out hangs, the way in does not wait for it
        test = connection_tests.start(replace(at_home, smtp_port=silent.getsockname()[1]), None, ALICE)
        until = time.monotonic() + 10
        while len(test.steps["incoming"]) < len(probe.INCOMING) and time.monotonic() < until:
            time.sleep(0.02)
        assert test.running
        assert states(test.steps["incoming"]) == dict.fromkeys(probe.INCOMING, "ok")
        assert test.names["outgoing"] == probe.OUTGOING


@pytest.mark.dovecot
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_test_mail_goes_out_and_comes_back(at_home, mailbox, protocol, monkeypatch, make_smtp_sink):  # noqa: F811
    """Through the provider: its server takes the mail and puts it into the mailbox."""
    mailbox.deliver(b"Subject: old\r\n\r\nread\r\n", flags="S")
    mailbox.deliver(b"Subject: new\r\n\r\nunread\r\n")
    sink = make_smtp_sink(users={mailbox.user: mailbox.password})
    values = replace(
        at_home,
        protocol=protocol,
        port=getattr(mailbox.dovecot, f"{protocol}s"),
        smtp_port=sink.port,
        smtp_encryption="none",
        allow_plaintext=True,
    )
    test = connection_tests.start(values, None, ALICE, send_mail=True)
    sent = sink.wait_for(1, timeout=14)[0]
    mailbox.deliver(sent.raw)
    assert sent.envelope_from == sent.recipients[0] == values.address
    result = ended(test)
    assert result["outgoing"]["sent"] == result["incoming"]["returned"] == "ok"
    assert sorted(mailbox.flags()) == ["", "", "S"]  # nobody has touched anything


@pytest.mark.dovecot
def test_the_test_mail_never_becomes_a_ticket(at_home, channel, mailbox):  # noqa: F811
    from desk.receiving import arrivals, intake

    test = connection_tests.ConnectionTest(ALICE, "")
    raw = connection_tests._test_mail(test, "billing@acme.example")
    found = arrivals.receive(channel.id, arrivals.Arrival(raw, "imap", "1:1"))
    assert intake.process(found) == Outcome.DROPPED
    row = db.session.get(InboundMail, found)
    assert (row.state, row.reason) == (InboundState.DROPPED, "own_mail")
    assert raw.count(b"\n") == raw.count(b"\r\n")


def test_where_sending_fails_nobody_waits_for_a_return(channel, office, smtp_sink):
    office.settings = replace(office.settings, relay=Relay("localhost", smtp_sink.port, "none"))
    smtp_sink.reject(channel.address)
    test = connection_tests.start(values_of(channel), channel, ALICE, send_mail=True)
    while len(test.steps["outgoing"]) < 7:
        time.sleep(0.02)
    connection_tests.get(test.token, ALICE)
    assert ended(test)["outgoing"] == {
        **dict.fromkeys(("found", "connected", "capabilities", "signed_in"), "ok"),
        "encrypted": "warning", "sender": "failed", "sent": "skipped", "returned": "skipped",
    }  # fmt: skip


def test_only_what_came_since_is_looked_at(channel, office, smtp_sink):
    """The ledger has years of rows, and its Message-IDs stand in no index."""
    office.settings = replace(office.settings, relay=Relay("localhost", smtp_sink.port, "none"))
    old = arrive(channel, mail())
    test = connection_tests.start(values_of(channel), channel, ALICE, send_mail=True)
    assert test.newest == old.id
    old.message_id = test.message_id
    db.session.commit()
    assert not connection_tests._has_come(test)
    arrive(channel, smtp_sink.wait_for(1)[0].raw)
    assert connection_tests._has_come(test)


def test_a_standard_address_hears_of_its_mail_by_the_receiver(channel, office, smtp_sink):
    office.settings = replace(office.settings, relay=Relay("localhost", smtp_sink.port, "none"))
    test = connection_tests.start(values_of(channel), channel, ALICE, send_mail=True)
    raw = smtp_sink.wait_for(1)[0].raw
    from desk.receiving import arrivals, intake

    intake.process(arrivals.receive(channel.id, arrivals.Arrival(raw, "smtp", "x")))
    while len(test.steps["outgoing"]) < 7:
        time.sleep(0.02)
    assert connection_tests.get(test.token, ALICE).steps["outgoing"][-1] == probe.Step("returned", "ok")


def test_a_test_is_shown_to_who_began_it(app):
    test = connection_tests.start(replace(OWN, server="127.0.0.1"), None, ALICE)
    assert connection_tests.get(test.token, ALICE) is test
    assert connection_tests.get(test.token, BOB) is None and connection_tests.get("x", ALICE) is None
    assert len(test.token) >= 43


def test_the_oldest_checks_are_forgotten(app):
    kept = connection_tests.RecentChecks()
    made = [connection_tests.ConnectionTest(ALICE, "") for _ in range(connection_tests.MOST_KEPT + 5)]
    for test in made:
        kept.keep(test)
    assert kept.get(made[0].token, ALICE) is None and kept.get(made[-1].token, ALICE) is made[-1]


def test_a_fault_of_ours_ends_the_test(app, monkeypatch):
    monkeypatch.setattr(connection_tests.probe, "check_incoming", lambda *_, **__: 1 / 0)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    test = connection_tests.start(replace(OWN, server="127.0.0.1", smtp_server="::1"), None, ALICE)
    while len(test.steps["incoming"]) < len(probe.INCOMING):
        time.sleep(0.01)
    assert test.steps["incoming"][0] == probe.Step("found", "failed", "internal")


def test_no_password_stays_in_a_test(app):
    test = connection_tests.start(replace(OWN, server="127.0.0.1"), None, ALICE)
    test.wait()
    assert "secret" not in repr(test)


def test_five_at_once_slow_no_page(as_alice, app):
    """Each waits for a server that says nothing; the pages do not wait with them."""
    with _silent() as silent:
        port = silent.getsockname()[1]
        values = replace(OWN, server="127.0.0.1", port=port, smtp_server="127.0.0.1", smtp_port=port)
        alone = _page_seconds(as_alice)
        running = [connection_tests.start(values, None, ALICE) for _ in range(5)]
        beside = _page_seconds(as_alice)
        assert all(test.running for test in running)
    assert beside < alone * 3 + 0.1


def _silent():
    """Connections are made by the system, and nobody ever says a word."""
    return socket.create_server(("127.0.0.1", 0), backlog=20)


def _page_seconds(client):
    """The median of nine: one slow moment of a busy machine says nothing."""
    spent = []
    for _ in range(9):
        started = time.perf_counter()
        client.get("/system/channels")
        spent.append(time.perf_counter() - started)
    return sorted(spent)[4]
