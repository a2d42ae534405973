"""Thirty ways to set up a mailbox wrongly, against real servers and one that says what a list says.

Each has a code of its own at the step where it shows; `tests/blueprints/labels/test_connection_advice.py`
holds the sentence and the way out of every code, in both languages.
"""

from __future__ import annotations

import ssl
import time
from datetime import timedelta

import pytest

from tests.servers.ca import Authority
from tests.servers.scripted import ScriptedServer
from wire import Credentials, Encryption, ServerAddress, Timeouts
from wire import probe as probing
from wire.probe import check_incoming, check_outgoing

SENDER = "support@acme.example"
QUICK = Timeouts(1, 1)
BOB = Credentials("bob", "planted-secret")


def at(port, encryption=Encryption.SSL, host="localhost", **options):
    return ServerAddress(host, port, encryption, **{"allow_private": True, "timeouts": QUICK} | options)


def outcome(steps):
    """Where it failed, and with which code. The password is in no word of it."""
    assert "planted-secret" not in repr(steps)
    return next((step.name, step.code) for step in steps if step.state == "failed")


def imap(server, credentials=BOB, folder="INBOX"):
    return outcome(check_incoming("imap", server, credentials, folder))


def pop3(server, credentials=BOB):
    return outcome(check_incoming("pop3", server, credentials))


def smtp(server, credentials=BOB):
    return outcome(check_outgoing(server, credentials, SENDER))


def plain(port, **options):
    return at(port, Encryption.NONE, allow_plaintext=True, **options)


# --- the way in ---


def test_a_name_with_a_slip():
    assert imap(at(993, host="imap.acme.invalid")) == ("found", "name_not_found")


def test_a_name_that_is_this_machine():
    assert smtp(at(465, allow_private=False)) == ("found", "refused_address")


def test_a_port_where_nobody_listens():
    with ScriptedServer(b"") as closed:
        port = closed.port
    assert pop3(at(port)) == ("connected", "connect_refused")


def test_a_firewall_that_says_nothing(monkeypatch):
    def dropped(*_):
        raise probing.TemporaryFailure("connect_timeout")

    monkeypatch.setattr(probing, "dial", dropped)
    assert smtp(at(25, Encryption.STARTTLS)) == ("connected", "connect_timeout")


def test_a_server_that_says_nothing():
    with ScriptedServer(b"") as silent:
        assert imap(at(silent.port, Encryption.STARTTLS)) == ("connected", "timeout")


@pytest.mark.dovecot
@pytest.mark.parametrize("ask", [imap, pop3])
def test_ssl_on_a_port_without(dovecot, ask):
    assert ask(at(dovecot.imap if ask is imap else dovecot.pop3)) == ("encrypted", "wrong_port_ssl")


@pytest.mark.dovecot
@pytest.mark.parametrize("ask", [imap, pop3, smtp])
def test_no_ssl_on_a_port_with(dovecot, ask):
    port = dovecot.pop3s if ask is pop3 else dovecot.imaps
    assert ask(at(port, Encryption.STARTTLS)) == ("connected", "wrong_port_plain")


@pytest.mark.dovecot
@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize(("ask", "there"), [(imap, "pop3"), (pop3, "imap"), (smtp, "imap"), (smtp, "pop3")])
def test_another_protocol_lives_there(dovecot, trusted_ca, ask, there, encrypted):
    port = dovecot.ports[there + ("s" if encrypted else "")]
    step = "encrypted" if encrypted else "connected"
    assert ask(at(port, Encryption.SSL if encrypted else Encryption.STARTTLS)) == (step, "wrong_protocol")


@pytest.mark.parametrize("ask", [imap, pop3])
def test_an_smtp_server_where_mail_is_to_be_fetched(smtp_sink, ask):
    assert ask(at(smtp_sink.port, Encryption.STARTTLS)) == ("connected", "wrong_protocol")


@pytest.mark.parametrize(
    "greeting",
    [
        b"554 5.7.1 Service unavailable; client host [192.0.2.1] blocked using zen.spamhaus.org\r\n",
        b"550 Your IP address is blacklisted\r\n",
        b"421 4.7.0 192.0.2.1 is not allowed to connect\r\n",
    ],
)
def test_a_server_that_wants_nothing_from_our_address(greeting):
    with ScriptedServer(greeting) as server:
        assert smtp(at(server.port, Encryption.STARTTLS)) == ("connected", "we_are_blocked")


def test_a_server_that_has_enough_to_do(make_smtp_sink):
    sink = make_smtp_sink()
    sink.fail_next("connect", "421 4.3.2 too many connections")
    assert smtp(at(sink.port, Encryption.STARTTLS)) == ("connected", "server_busy")


# --- encryption ---


@pytest.mark.parametrize(
    ("names", "options", "code"),
    [
        (("other.example",), {}, "certificate_name"),
        ((), {"valid": timedelta(days=-1)}, "certificate_expired"),
        ((), {"self_signed": True}, "certificate_self_signed"),
    ],
)
def test_a_certificate_that_is_wrong(make_smtp_sink, trusted_ca, names, options, code):
    context = trusted_ca.issue(*names, file="misconfigured", **options).context()
    assert smtp(at(make_smtp_sink(context=context, ssl=True).port)) == ("encrypted", code)


def test_a_certificate_of_an_authority_that_nobody_knows_here(make_smtp_sink, trusted_ca, tmp_path):
    context = Authority(tmp_path).issue().context()
    assert smtp(at(make_smtp_sink(context=context, ssl=True).port)) == ("encrypted", "certificate_unknown")


def test_a_server_that_only_knows_old_encryption(make_smtp_sink, trusted_ca, ca):
    context = ca.issue(file="old").context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    assert smtp(at(make_smtp_sink(context=context, ssl=True).port)) == ("encrypted", "tls_failed")


def test_no_starttls(make_smtp_sink):
    assert smtp(at(make_smtp_sink().port, Encryption.STARTTLS)) == ("encrypted", "starttls_missing")


@pytest.mark.dovecot
def test_encryption_switched_off_without_saying_so(dovecot):
    assert imap(at(dovecot.imap, Encryption.NONE)) == ("encrypted", "plaintext_refused")


def test_signing_in_is_offered_with_encryption_only():
    """The server of almost every provider on 587."""
    answers = [b"250-acme.example\r\n250-STARTTLS\r\n250 SIZE 1000\r\n"]
    with ScriptedServer(b"220 acme.example ESMTP\r\n", answers) as server:
        assert smtp(plain(server.port)) == ("signed_in", "plaintext_refused")


# --- signing in ---


@pytest.mark.dovecot
@pytest.mark.parametrize("credentials", [Credentials("nobody", "planted-secret"), None], ids=["user", "password"])  # fmt: skip
def test_a_wrong_user_or_password(mailbox, trusted_ca, credentials):
    credentials = credentials or Credentials(mailbox.user, "planted-secret")
    assert imap(at(mailbox.dovecot.imaps), credentials) == ("signed_in", "auth_failed")
    assert pop3(at(mailbox.dovecot.pop3s), credentials) == ("signed_in", "auth_failed")


IMAP_REFUSALS = [
    (b"NO [ALERT] Application-specific password required: https://support.google.com/", "app_password"),
    (b"NO [AUTHENTICATIONFAILED] Basic authentication is disabled.", "oauth_required"),
    (b"NO IMAP access is disabled for this mailbox", "protocol_disabled"),
    (b"NO [EXPIRED] Password expired", "password_expired"),
    (b"NO [CONTACTADMIN] Account locked", "account_locked"),
    (b"NO [LIMIT] Too many simultaneous connections", "server_busy"),
    (b"NO [PRIVACYREQUIRED] Plaintext authentication disallowed", "plaintext_refused"),
    (b"BAD planted-secret what do you mean", "auth_failed"),
]


@pytest.mark.parametrize(("words", "code"), IMAP_REFUSALS, ids=[code for _, code in IMAP_REFUSALS])
def test_what_a_server_says_at_the_sign_in(words, code):
    answers = [b"* CAPABILITY IMAP4rev1\r\n{tag} OK done\r\n", b"{tag} " + words + b"\r\n"]
    with ScriptedServer(b"* OK ready\r\n", answers) as server:
        assert imap(plain(server.port)) == ("signed_in", code)


def test_only_tokens_are_taken():
    answers = [b"* CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2\r\n{tag} OK done\r\n"]
    with ScriptedServer(b"* OK ready\r\n", answers) as server:
        assert imap(plain(server.port)) == ("signed_in", "oauth_required")


def test_a_mailbox_that_another_program_holds():
    answers = [b"-ERR no CAPA\r\n", b"+OK\r\n", b"-ERR [IN-USE] Mailbox is locked by another session\r\n"]
    with ScriptedServer(b"+OK ready\r\n", answers) as server:
        assert pop3(plain(server.port)) == ("signed_in", "mailbox_locked")


def test_a_way_of_signing_in_that_is_not_offered(make_smtp_sink):
    sink = make_smtp_sink(users={"bob": "planted-secret"}, mechanisms=("PLAIN", "LOGIN"))
    sink.fail_next("auth", "504 5.5.4 Unrecognized authentication type")
    credentials = Credentials("bob", "planted-secret", "cram-md5")
    assert smtp(plain(sink.port), credentials) == ("signed_in", "auth_unsupported")


# --- what lies behind it ---


@pytest.mark.dovecot
def test_a_folder_that_is_not_there(mailbox, trusted_ca):
    credentials = Credentials(mailbox.user, mailbox.password)
    assert imap(at(mailbox.dovecot.imaps), credentials, "Nowhere") == ("inbox", "folder_missing")


def test_no_sign_in_where_one_is_needed(make_smtp_sink):
    sink = make_smtp_sink(users={"bob": "planted-secret"})
    assert smtp(plain(sink.port), Credentials(method="none")) == ("sender", "auth_required")


def test_an_address_that_belongs_to_somebody_else(make_smtp_sink):
    sink = make_smtp_sink(users={"bob": "planted-secret"})
    sink.fail_next("mail", "553 5.7.1 Sender address rejected: not owned by user bob")
    assert smtp(plain(sink.port)) == ("sender", "sender_refused")


def test_a_server_that_does_not_take_mail_to_this_address(make_smtp_sink):
    sink = make_smtp_sink(users={"bob": "planted-secret"})
    sink.reject(SENDER, "554 5.7.1 Relay access denied")
    assert smtp(plain(sink.port)) == ("sender", "sender_refused")


def test_none_takes_longer_than_the_limit():
    with ScriptedServer(b"") as silent:
        started = time.monotonic()
        steps = check_incoming("imap", at(silent.port, timeouts=Timeouts(60, 60)), BOB, limit=0.5)
    assert time.monotonic() - started < 3
    assert outcome(steps) == ("encrypted", "timeout")
