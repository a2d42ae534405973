"""The connection test: which step fails, with which cause, and that it leaves no trace."""

import time
from datetime import timedelta

import pytest

from tests.servers.scripted import ScriptedServer
from tests.servers.smtp_sink import HANG
from wire import Credentials, Encryption, ServerAddress, Timeouts, probe
from wire.probe import INCOMING, OUTGOING, check_incoming, check_outgoing

SENDER = "support@acme.example"
QUICK = Timeouts(0.3, 0.3)


def at(port, encryption=Encryption.SSL, host="localhost", **options):
    return ServerAddress(host, port, encryption, **{"allow_private": True} | options)


def states(steps):
    return {step.name: step.state for step in steps}


def failed_at(names, name):
    position = names.index(name)
    return {
        step: "ok" if number < position else "failed" if number == position else "skipped"
        for number, step in enumerate(names)
    }


def failure(steps):
    return next((step.name, step.code) for step in steps if step.state == "failed")


@pytest.mark.dovecot
def test_imap_tells_what_it_found_and_leaves_no_trace(mailbox, trusted_ca):
    mailbox.deliver(b"Subject: a\r\n\r\na\r\n")
    mailbox.deliver(b"Subject: b\r\n\r\nb\r\n", flags="S")
    for port, encryption in (
        (mailbox.dovecot.imaps, Encryption.SSL),
        (mailbox.dovecot.imap, Encryption.STARTTLS),
    ):
        steps = check_incoming("imap", at(port, encryption), Credentials(mailbox.user, mailbox.password))
        assert states(steps) == dict.fromkeys(INCOMING, "ok")
        facts = {step.name: dict(step.facts) for step in steps}
        assert facts["inbox"] == {"unread": "1", "total": "2"}
        assert facts["found"]["address"].split(", ")[-1] in ("127.0.0.1", "::1")
        assert facts["encrypted"]["issuer"] == "Poststelle test authority"
        assert facts["encrypted"]["not_after"].endswith("+00:00")
    assert sorted(mailbox.flags()) == ["", "S"]


@pytest.mark.dovecot
def test_pop3_tells_what_it_found(mailbox, trusted_ca):
    mailbox.deliver(b"Subject: a\r\n\r\na\r\n")
    steps = check_incoming("pop3", at(mailbox.dovecot.pop3s), Credentials(mailbox.user, mailbox.password))
    assert states(steps) == dict.fromkeys(INCOMING, "ok")
    assert dict(steps[-1].facts) == {"total": "1"}
    assert mailbox.flags() == [""]


@pytest.mark.dovecot
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
@pytest.mark.parametrize(
    ("change", "step", "code"),
    [
        ({"host": "no-such-host.invalid"}, "found", "name_not_found"),
        ({"allow_private": False}, "found", "refused_address"),
        ({"port": "closed"}, "connected", "connect_refused"),
        ({"port": "plain"}, "encrypted", "wrong_port_ssl"),
        ({"port": "plain", "encryption": Encryption.NONE}, "encrypted", "plaintext_refused"),
        ({"password": "wrong"}, "signed_in", "auth_failed"),
    ],
    ids=lambda value: str(value),
)  # fmt: skip
def test_each_mistake_fails_at_its_own_step(mailbox, trusted_ca, protocol, change, step, code):
    with ScriptedServer(b"") as closed:
        ports = {
            "closed": closed.port,
            "plain": getattr(mailbox.dovecot, protocol),
            "ssl": getattr(mailbox.dovecot, f"{protocol}s"),
        }
    change = dict(change)
    port = ports[change.pop("port", "ssl")]
    credentials = Credentials(mailbox.user, change.pop("password", mailbox.password))
    steps = check_incoming(protocol, at(port, **change), credentials)
    assert failure(steps) == (step, code)
    assert states(steps) == failed_at(INCOMING, step)


@pytest.mark.dovecot
def test_a_folder_that_is_not_there(mailbox, trusted_ca):
    credentials = Credentials(mailbox.user, mailbox.password)
    steps = check_incoming("imap", at(mailbox.dovecot.imaps), credentials, "Nowhere")
    assert failure(steps) == ("inbox", "folder_missing")


@pytest.mark.parametrize(
    ("names", "options", "code"),
    [
        (("other.example",), {}, "certificate_name"),
        ((), {"valid": timedelta(days=-1)}, "certificate_expired"),
        ((), {"self_signed": True}, "certificate_self_signed"),
        ((), {}, ""),
    ],
)
@pytest.mark.parametrize("encryption", [Encryption.SSL, Encryption.STARTTLS])
def test_what_is_wrong_with_a_certificate(make_smtp_sink, trusted_ca, names, options, code, encryption):
    context = trusted_ca.issue(*names, file="probe", **options).context()
    sink = make_smtp_sink(context=context, ssl=encryption == Encryption.SSL)
    steps = check_outgoing(at(sink.port, encryption), Credentials(), SENDER)
    assert states(steps) == (failed_at(OUTGOING, "encrypted") if code else dict.fromkeys(OUTGOING, "ok"))
    assert steps[2].code == code


def test_a_plain_connection_that_was_allowed_is_a_warning(make_smtp_sink):
    sink = make_smtp_sink(users={"bob": "secret"})
    steps = check_outgoing(
        at(sink.port, Encryption.NONE, allow_plaintext=True), Credentials("bob", "secret"), SENDER
    )
    assert states(steps) == dict.fromkeys(OUTGOING, "ok") | {"encrypted": "warning"}
    facts = dict(steps[3].facts)
    assert facts == {"size": str(sink.max_bytes), "auth": "PLAIN LOGIN CRAM-MD5", "smtputf8": "yes"}
    assert sink.mails == []


@pytest.mark.parametrize(
    ("stage", "reply", "step", "code"),
    [
        ("connect", "421 4.3.2 busy", "connected", "server_busy"),
        ("auth", "535 5.7.8 no", "signed_in", "auth_failed"),
        ("auth", "534 5.7.9 Application-specific password required", "signed_in", "app_password"),
        ("mail", "553 5.7.1 not yours", "sender", "sender_refused"),
    ],
)
def test_what_is_wrong_with_sending(make_smtp_sink, stage, reply, step, code):
    sink = make_smtp_sink(users={"bob": "secret"})
    sink.fail_next(stage, reply)
    steps = check_outgoing(
        at(sink.port, Encryption.NONE, allow_plaintext=True), Credentials("bob", "secret"), SENDER
    )
    assert failure(steps) == (step, code)
    assert reply.split(" ", 1)[1] in next(one.words for one in steps if one.code)


def test_no_server_takes_longer_than_the_limit(make_smtp_sink):
    """A server that answers each command just in time would otherwise hold the test for minutes."""
    sink = make_smtp_sink()
    sink.fail_next("mail", HANG)
    started = time.monotonic()
    address = at(sink.port, Encryption.NONE, allow_plaintext=True, timeouts=Timeouts(60, 60))
    steps = check_outgoing(address, Credentials(), SENDER, limit=0.3)
    assert time.monotonic() - started < 1.5
    assert failure(steps) == ("sender", "timeout")


def test_a_resolver_that_never_answers_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(probe, "resolve", lambda *_: time.sleep(0.5))
    steps = check_outgoing(at(1), Credentials(), SENDER, limit=0.1)
    assert states(steps) == failed_at(OUTGOING, "found")
    assert steps[0].code == "timeout"
