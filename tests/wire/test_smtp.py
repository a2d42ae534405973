"""Handing mail over: what each answer of a server means for each recipient."""

import secrets
import traceback

import pytest
from flask_mail import email_dispatched

from tests.servers.scripted import ScriptedServer
from tests.servers.smtp_sink import CLOSE, HANG, SmtpSink
from wire import (
    Credentials,
    Encryption,
    Handover,
    PermanentFailure,
    ServerAddress,
    TemporaryFailure,
    Timeouts,
    TransportFailure,
)
from wire.smtp import SmtpSender

RAW = b"From: support@acme.example\r\nSubject: Re: Printer\r\n\r\nHello\r\n"
SENDER, CAROL, DAVE = "support@acme.example", "carol@customer.example", "dave@customer.example"
NOBODY = Credentials()
USERS = {"bob": "pässwört", "plain bob": "simple"}


def sender(server, credentials=NOBODY, encryption=Encryption.NONE, command=2.0, **options):
    """Plain text is allowed where no encryption is chosen, unless a test says otherwise."""
    options.setdefault("allow_plaintext", encryption == Encryption.NONE)
    address = ServerAddress(
        "localhost", server.port, encryption, allow_private=True, timeouts=Timeouts(2.0, command), **options
    )
    return SmtpSender(address, credentials, "desk.acme.example")


def send(sink, raw=RAW, envelope_from=SENDER, recipients=(CAROL,), **options):
    with sender(sink, **options) as opened:
        return opened.send(raw, envelope_from, recipients)


def failure_of(sink, **options):
    with pytest.raises(TransportFailure) as failure:
        send(sink, **options)
    return failure.value


def test_the_bytes_arrive_as_they_were_frozen(smtp_sink):
    raw = b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n" + b"\xe4 8 bit\r\n"
    assert send(smtp_sink, raw, recipients=[CAROL, DAVE, CAROL]) == {
        CAROL: Handover("accepted", "250 2.0.0 OK queued as 1"),
        DAVE: Handover("accepted", "250 2.0.0 OK queued as 1"),
    }
    (mail,) = smtp_sink.mails
    assert (mail.raw, mail.envelope_from, mail.recipients) == (raw, SENDER, (CAROL, DAVE))
    assert set(mail.options) == {f"SIZE={len(raw) + 3}", "BODY=8BITMIME"}


def test_line_ends_are_made_those_of_the_wire(smtp_sink):
    send(smtp_sink, b"Subject: x\n\na\rb\n.\nc")
    assert smtp_sink.mails[0].raw == b"Subject: x\r\n\r\na\r\nb\r\n.\r\nc\r\n"


def test_one_connection_serves_a_run_of_mails(smtp_sink):
    with sender(smtp_sink) as opened:
        for _ in range(3):
            opened.send(RAW, SENDER, [CAROL])
    assert (len(smtp_sink.mails), smtp_sink.connections) == (3, 1)
    assert smtp_sink.commands[-1] == "QUIT"


def test_the_null_sender(smtp_sink):
    send(smtp_sink, envelope_from="")
    assert smtp_sink.commands[0].upper().startswith("MAIL FROM:<>")
    assert smtp_sink.mails[0].envelope_from == ""


@pytest.mark.parametrize("method", ["auto", "plain", "login", "cram-md5"])
@pytest.mark.parametrize("user", USERS)
def test_signing_in(make_smtp_sink, method, user):
    sink = make_smtp_sink(users=USERS)
    send(sink, credentials=Credentials(user, USERS[user], method))
    assert sink.mails[0].user == user
    assert sink.commands[0] == f"AUTH {'CRAM-MD5' if method == 'auto' else method.upper()}"


def test_automatic_prefers_plain_where_the_line_is_encrypted(make_smtp_sink, trusted_ca):
    sink = make_smtp_sink(users=USERS, context=trusted_ca.issue(file="smtp").context())
    send(sink, credentials=Credentials("bob", USERS["bob"]), encryption=Encryption.STARTTLS)
    assert sink.commands[0] == "AUTH PLAIN"


@pytest.mark.parametrize(
    ("mechanisms", "method", "code"),
    [
        (("XOAUTH2",), "auto", "oauth_required"),
        (("DIGEST-MD5",), "auto", "auth_unsupported"),
        (("LOGIN",), "plain", "auth_unsupported"),
        (("LOGIN", "PLAIN"), "none", "auth_failed"),
    ],
)
def test_mechanisms_that_do_not_fit(make_smtp_sink, mechanisms, method, code):
    sink = make_smtp_sink(users=USERS, mechanisms=mechanisms)
    failure = failure_of(sink, credentials=Credentials("bob", USERS["bob"], method))
    assert isinstance(failure, PermanentFailure)
    assert failure.code == code


def test_a_wrong_password_is_told_and_never_repeated(make_smtp_sink):
    sink, wrong = make_smtp_sink(users=USERS), secrets.token_hex()
    failure = failure_of(sink, credentials=Credentials("bob", wrong))
    assert (failure.code, failure.words) == ("auth_failed", "535 5.7.8 Authentication credentials invalid")
    assert sink.commands == ["AUTH CRAM-MD5"], "one try only: more would lock the account"
    assert wrong not in "".join(traceback.format_exception(failure))


@pytest.mark.parametrize(
    ("reply", "kind", "code"),
    [
        ("454 4.7.0 Temporary authentication failure", TemporaryFailure, "server_busy"),
        ("421 4.7.0 Too many errors", TemporaryFailure, "server_busy"),
        ("534 5.7.9 Application-specific password required", PermanentFailure, "app_password"),
        ("538 5.7.11 Encryption required", PermanentFailure, "plaintext_refused"),
        ("535 5.7.139 basic authentication is disabled", PermanentFailure, "oauth_required"),
    ],
)
def test_refusals_of_signing_in(make_smtp_sink, reply, kind, code):
    sink = make_smtp_sink(users=USERS)
    sink.fail_next("auth", reply)
    failure = failure_of(sink, credentials=Credentials("bob", USERS["bob"], "plain"))
    assert (type(failure), failure.code, failure.words) == (kind, code, reply)


@pytest.mark.parametrize("encryption", [Encryption.STARTTLS, Encryption.SSL])
def test_encryption_is_verified(make_smtp_sink, trusted_ca, monkeypatch, encryption):
    context = trusted_ca.issue(file="smtp").context()
    sink = make_smtp_sink(context=context, ssl=encryption == Encryption.SSL)
    send(sink, encryption=encryption)
    assert sink.mails[0].tls
    monkeypatch.delenv("SSL_CERT_FILE")
    assert failure_of(sink, encryption=encryption).code == "certificate_unknown"


def test_a_missing_starttls_is_no_reason_to_go_on_in_plain_text(smtp_sink):
    assert failure_of(smtp_sink, encryption=Encryption.STARTTLS).code == "starttls_missing"
    assert failure_of(smtp_sink, encryption=Encryption.SSL).code == "wrong_port_ssl"
    assert smtp_sink.mails == []
    send(smtp_sink, encryption=Encryption.STARTTLS, allow_plaintext=True)
    assert len(smtp_sink.mails) == 1


def test_each_recipient_gets_its_own_answer(smtp_sink):
    smtp_sink.reject(DAVE)
    smtp_sink.reject("erin@customer.example", "450 4.2.0 Greylisted")
    assert send(smtp_sink, recipients=[DAVE, CAROL, "erin@customer.example", "a b@x.example", "x\r\ny@x.example"]) == {
        DAVE: Handover("permanent", "550 5.1.1 User unknown"),
        CAROL: Handover("accepted", "250 2.0.0 OK queued as 1"),
        "erin@customer.example": Handover("temporary", "450 4.2.0 Greylisted"),
        "a b@x.example": Handover("permanent", "553 5.1.3 Malformed address"),
        "x\r\ny@x.example": Handover("permanent", "553 5.1.3 Malformed address"),
    }  # fmt: skip
    assert smtp_sink.mails[0].recipients == (CAROL,)


def test_a_connection_goes_on_after_a_refusal(smtp_sink):
    smtp_sink.reject(DAVE)
    with sender(smtp_sink) as opened:
        assert opened.send(RAW, SENDER, [DAVE])[DAVE].outcome == "permanent"
        assert opened.send(RAW, SENDER, [CAROL])[CAROL].outcome == "accepted"
    assert smtp_sink.connections == 1


@pytest.mark.parametrize("stage", ["data", "dot"])
@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("451 4.3.0 later", "temporary"),
        ("552 5.3.4 too big", "permanent"),
        ("554 5.7.1 spam", "permanent"),
        ("421 4.3.2 bye", "temporary"),
    ],
)
def test_a_refused_mail_is_refused_for_those_who_would_have_got_it(smtp_sink, stage, reply, outcome):
    smtp_sink.fail_next(stage, reply)
    smtp_sink.reject(DAVE)
    with sender(smtp_sink) as opened:
        answers = opened.send(RAW, SENDER, [CAROL, DAVE])
        assert opened.send(RAW, SENDER, [CAROL])[CAROL].outcome == "accepted"
    assert answers == {
        CAROL: Handover(outcome, reply),
        DAVE: Handover("permanent", "550 5.1.1 User unknown"),
    }


@pytest.mark.parametrize(
    ("stage", "reply", "kind", "code"),
    [
        ("connect", "554 5.3.2 no service", PermanentFailure, "protocol_error"),
        ("connect", "421 4.3.2 overloaded", TemporaryFailure, "server_busy"),
        ("connect", CLOSE, TemporaryFailure, "connection_lost"),
        ("connect", HANG, TemporaryFailure, "timeout"),
        ("ehlo", HANG, TemporaryFailure, "timeout"),
        ("mail", "550 5.7.1 not from you", PermanentFailure, "sender_refused"),
        ("mail", "552 5.3.4 too big", PermanentFailure, "too_large"),
        ("mail", "530 5.7.0 Must issue a STARTTLS command first", PermanentFailure, "plaintext_refused"),
        ("mail", "530 5.7.0 Authentication required", PermanentFailure, "auth_failed"),
        ("mail", "451 4.7.1 later", TemporaryFailure, "server_busy"),
        ("mail", HANG, TemporaryFailure, "timeout"),
        ("rcpt", "421 4.3.2 bye", TemporaryFailure, "server_busy"),
        ("rcpt", CLOSE, TemporaryFailure, "connection_lost"),
        ("rcpt", HANG, TemporaryFailure, "timeout"),
        ("data", CLOSE, TemporaryFailure, "connection_lost"),
        ("data", HANG, TemporaryFailure, "timeout"),
    ],
)
def test_a_fault_before_the_mail_was_given_is_a_failure(smtp_sink, stage, reply, kind, code):
    smtp_sink.fail_next(stage, reply, times=2)
    failure = failure_of(smtp_sink, command=0.2)
    assert (type(failure), failure.code) == (kind, code)
    assert smtp_sink.mails == []


@pytest.mark.parametrize("reply", [CLOSE, HANG])
def test_silence_after_the_final_dot_never_sends_twice(smtp_sink, reply):
    smtp_sink.fail_next("dot", reply)
    with sender(smtp_sink, command=0.05) as opened:
        assert opened.send(RAW, SENDER, [CAROL]) == {CAROL: Handover("accepted", "")}
        assert opened.send(RAW, SENDER, [DAVE])[DAVE].outcome == "accepted"
    assert [mail.recipients for mail in smtp_sink.mails] == [(DAVE,)]


@pytest.mark.parametrize("reply", ["500 what?", "421 bye", CLOSE, HANG])
def test_a_failing_goodbye_is_no_failing_mail(smtp_sink, reply):
    smtp_sink.fail_next("quit", reply)
    assert send(smtp_sink, command=0.2)[CAROL].outcome == "accepted"


@pytest.mark.parametrize("reply", [CLOSE, "421 4.4.2 idle too long"])
def test_a_connection_that_ended_between_two_mails_is_opened_again(smtp_sink, reply):
    with sender(smtp_sink) as opened:
        opened.send(RAW, SENDER, [CAROL])
        smtp_sink.fail_next("mail", reply)
        assert opened.send(RAW, SENDER, [DAVE])[DAVE].outcome == "accepted"
    assert (len(smtp_sink.mails), smtp_sink.connections) == (2, 2)


def test_a_broken_connection_is_opened_again_for_the_next_mail(smtp_sink):
    with sender(smtp_sink, command=0.2) as opened:
        smtp_sink.fail_next("mail", HANG)
        with pytest.raises(TemporaryFailure):
            opened.send(RAW, SENDER, [CAROL])
        assert opened.send(RAW, SENDER, [CAROL])[CAROL].outcome == "accepted"


def test_the_size_is_known_before_sending(make_smtp_sink):
    sink = make_smtp_sink(max_bytes=len(RAW) + 10)
    assert failure_of(sink, raw=RAW + b"x" * 100).code == "too_large"
    assert "MAIL" not in " ".join(sink.commands)
    assert send(sink)[CAROL].outcome == "accepted"


@pytest.mark.parametrize(
    ("envelope_from", "recipient", "raw", "needs_it"),
    [
        (SENDER, "jörg@customer.example", RAW, True),
        ("müller@acme.example", CAROL, RAW, True),
        (SENDER, CAROL, "Subject: Grüße\r\n\r\n".encode(), True),
        (SENDER, CAROL, "Subject: x\r\n\r\nGrüße".encode(), False),
        (SENDER, "carol@straße.example", RAW, False),
    ],
)
def test_smtputf8_is_used_only_where_it_is_needed(make_smtp_sink, envelope_from, recipient, raw, needs_it):
    with_it, without = make_smtp_sink(), make_smtp_sink(smtputf8=False)
    send(with_it, raw, envelope_from, [recipient])
    assert ("SMTPUTF8" in with_it.mails[0].options) == needs_it
    assert with_it.mails[0].recipients == (recipient.replace("straße", "xn--strae-oqa"),)
    if needs_it:
        assert failure_of(without, raw=raw, envelope_from=envelope_from, recipients=[recipient]).code == (
            "smtputf8_missing"
        )
    else:
        assert send(without, raw, envelope_from, [recipient])[recipient].outcome == "accepted"


def test_one_international_address_does_not_keep_the_mail_from_the_others(make_smtp_sink):
    sink = make_smtp_sink(smtputf8=False)
    answers = send(sink, recipients=["jörg@customer.example", CAROL])
    assert {address: answer.outcome for address, answer in answers.items()} == {
        "jörg@customer.example": "permanent",
        CAROL: "accepted",
    }


def test_an_old_server_without_ehlo():
    answers = [b"502 what?\r\n", b"250 hello\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"]
    rest = [b""] * (RAW.count(b"\r\n")) + [b"250 thanks\r\n", b"221 bye\r\n"]
    with ScriptedServer(b"220 old\r\n", [*answers, *rest]) as server:
        assert send(server)[CAROL] == Handover("accepted", "250 thanks")
    heard = [line.lower() for line in server.heard[:3]]  # smtplib of Python 3.13 writes "from" small
    assert heard == [b"ehlo desk.acme.example\r\n", b"helo desk.acme.example\r\n", b"mail from:<support@acme.example>\r\n"]  # fmt: skip


@pytest.mark.parametrize(
    ("ours", "said"),
    [("", b"localhost"), ("büro.example", b"xn--bro-hoa.example"), ("a.example", b"a.example")],
)
def test_our_own_name_is_one_that_servers_take(ours, said):
    with ScriptedServer(b"220 hello\r\n", [b"250 hello\r\n", b"221 bye\r\n"]) as server:
        address = ServerAddress("localhost", server.port, Encryption.NONE, True, allow_private=True)
        with SmtpSender(address, NOBODY, ours):
            pass
    assert server.heard[0] == b"ehlo " + said + b"\r\n"


def test_nobody_there():
    sink = SmtpSink()
    sink.start()
    sink.stop()
    failure = failure_of(sink)
    assert (type(failure), failure.code) == (TemporaryFailure, "connect_refused")


def test_flask_mails_signal_tells_of_every_mail(smtp_sink):
    heard = []

    def hear(_, message):
        heard.append(message.as_bytes())

    with email_dispatched.connected_to(hear):
        send(smtp_sink)
    assert heard == [RAW]


def test_nothing_leaves_unencrypted_where_nobody_allowed_it(make_smtp_sink):
    sink = make_smtp_sink()
    failure = failure_of(sink, allow_plaintext=False)
    assert (failure.code, type(failure)) == ("plaintext_refused", PermanentFailure) and not sink.mails
