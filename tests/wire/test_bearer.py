"""Signing in by a token, at a real Dovecot and an SMTP server: taken, refused, exchanged once, and never in the open."""

from __future__ import annotations

import pytest

from wire import Credentials, Encryption, PermanentFailure, ServerAddress, TransportFailure
from wire.imap import ImapSource
from wire.pop3 import Pop3Source
from wire.smtp import SmtpSender

LARGEST = 1024 * 1024
RAW = b"From: carol@customer.example\r\nSubject: Hello\r\n\r\nHello\r\n"


class Tokens:
    """Hands out one token after the other, and remembers which were called refused."""

    def __init__(self, *tokens: str) -> None:
        self.tokens, self.refused = list(tokens), []

    def __call__(self, refused: str) -> str:
        self.refused.append(refused)
        return self.tokens.pop(0)


@pytest.fixture
def sink(make_smtp_sink, authorization, ca):
    return make_smtp_sink(
        mechanisms=("PLAIN", "XOAUTH2"),
        accepts=authorization.accepts,
        context=ca.issue(file="sink").context(),
    )


@pytest.fixture
def sign_ins(token_dovecot, sink, trusted_ca):
    """Each opens the mailbox of a user with a source of tokens, and says what is there."""

    def imap(user, tokens, server):
        address = server or ServerAddress("localhost", token_dovecot.imaps, allow_private=True)
        with ImapSource(address, Credentials(user, token=tokens), LARGEST) as source:
            return len(list(source.listing()))

    def pop3(user, tokens, server):
        address = server or ServerAddress("localhost", token_dovecot.pop3s, allow_private=True)
        with Pop3Source(address, Credentials(user, token=tokens), LARGEST) as source:
            return len(list(source.listing()))

    def smtp(user, tokens, server):
        address = server or ServerAddress("localhost", sink.port, Encryption.STARTTLS, allow_private=True)
        with SmtpSender(address, Credentials(user, token=tokens), "poststelle.example") as sender:
            sender.send(RAW, "books@acme.example", ["carol@customer.example"])
        assert sink.mails[-1].user == user
        return len(sink.mails)

    return {"imap": imap, "pop3": pop3, "smtp": smtp}


@pytest.mark.dovecot
@pytest.mark.parametrize("protocol", ["imap", "pop3", "smtp"])
def test_a_token_opens_the_mailbox(protocol, sign_ins, token_dovecot, authorization):
    mailbox = token_dovecot.add_user()
    mailbox.deliver(RAW)
    tokens = Tokens(authorization.grant(mailbox.user)["access_token"])
    assert sign_ins[protocol](mailbox.user, tokens, None) == 1
    assert tokens.refused == [""]


@pytest.mark.dovecot
@pytest.mark.parametrize("protocol", ["imap", "pop3", "smtp"])
def test_a_refused_token_is_exchanged_once(protocol, sign_ins, token_dovecot, authorization):
    user = token_dovecot.add_user().user
    stale = authorization.grant(user)["access_token"]
    authorization.expire()
    tokens = Tokens(stale, authorization.grant(user)["access_token"])
    sign_ins[protocol](user, tokens, None)
    assert tokens.refused == ["", stale]


@pytest.mark.dovecot
@pytest.mark.parametrize("protocol", ["imap", "pop3", "smtp"])
def test_a_second_refusal_is_the_end_and_repeats_no_token(protocol, sign_ins, token_dovecot):
    tokens = Tokens("planted-one", "planted-two", "planted-three")
    with pytest.raises(PermanentFailure) as failed:
        sign_ins[protocol](token_dovecot.add_user().user, tokens, None)
    assert failed.value.code == "oauth_token_refused"
    assert tokens.tokens == ["planted-three"]
    assert "planted" not in failed.value.words


@pytest.mark.dovecot
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_long_token_fits(protocol, sign_ins, token_dovecot, authorization):
    """Microsoft's have some 2,500 characters; here the refusal is read after such a line."""
    tokens = Tokens("x" * 4000, "y" * 4000)
    with pytest.raises(PermanentFailure, match="oauth_token_refused"):
        sign_ins[protocol](token_dovecot.add_user().user, tokens, None)


def test_a_long_token_has_a_line_of_its_own_at_smtp(sign_ins, sink, authorization):
    with pytest.raises(PermanentFailure, match="oauth_token_refused"):
        sign_ins["smtp"]("user", Tokens("x" * 900, "y" * 900), None)
    assert sink.commands.count("AUTH XOAUTH2") == 2


def test_a_token_is_never_shown_in_the_open(sign_ins, token_dovecot, sink):
    """Not even where an administrator allowed plain connections."""
    for protocol, port in (("imap", token_dovecot.imap), ("pop3", token_dovecot.pop3), ("smtp", sink.port)):
        server = ServerAddress("localhost", port, Encryption.NONE, allow_plaintext=True, allow_private=True)
        tokens = Tokens("planted")
        with pytest.raises(TransportFailure) as failed:
            sign_ins[protocol]("user", tokens, server)
        assert failed.value.code == "oauth_plaintext"
        assert tokens.tokens == ["planted"]


@pytest.mark.dovecot
@pytest.mark.parametrize("protocol", ["imap", "pop3", "smtp"])
def test_a_server_without_xoauth2_is_told_apart(protocol, sign_ins, dovecot, make_smtp_sink, ca):
    sink = make_smtp_sink(users={"user": "secret"}, context=ca.issue(file="sink2").context())
    port = {"imap": dovecot.imaps, "pop3": dovecot.pop3s, "smtp": sink.port}[protocol]
    encryption = Encryption.STARTTLS if protocol == "smtp" else Encryption.SSL
    with pytest.raises(PermanentFailure, match="oauth_not_offered"):
        sign_ins[protocol](
            "user", Tokens("planted"), ServerAddress("localhost", port, encryption, allow_private=True)
        )
