"""What is said before the encryption is nobody's answer after it.

Somebody on the way who cannot break TLS can still write before it: around the server's consent to STARTTLS, in
the same segment (CVE-2011-0411 turned round, "NO STARTTLS" of 2021). None of it may be taken for the server's word.
"""

from __future__ import annotations

import pytest

from tests.servers.ca import Authority
from tests.servers.scripted import ScriptedServer
from wire import Credentials, Encryption, PermanentFailure, ServerAddress, TemporaryFailure, Timeouts, probe
from wire.imap import ImapSource
from wire.pop3 import Pop3Source
from wire.sent_folder import SentFolder
from wire.smtp import SmtpSender

BOB = Credentials("bob", "secret")
MAX = 1000


def at(server: ScriptedServer) -> ServerAddress:
    return ServerAddress(
        "localhost", server.port, Encryption.STARTTLS, allow_private=True, timeouts=Timeouts(2, 2)
    )


@pytest.fixture
def context(trusted_ca: Authority):
    return trusted_ca.issue(file="injection").context()


def test_smtp(context) -> None:
    """The injected reply to EHLO offers a sign-in that the server does not have, the next one accepts it."""
    injected = (
        b"250-evil\r\n250 AUTH LOGIN\r\n334 \r\n334 \r\n235 in\r\n250 ok\r\n250 ok\r\n354 go\r\n250 mine\r\n"
    )
    answers = (
        b"250-mail.example\r\n250-AUTH LOGIN\r\n250 STARTTLS\r\n",
        b"220 go ahead\r\n" + injected,
        b"250-mail.example\r\n250 AUTH PLAIN\r\n",
        b"535 5.7.8 no\r\n",
    )
    with ScriptedServer(b"220 hello\r\n", answers, context, encrypts_after=2) as server:
        with pytest.raises(PermanentFailure, match="auth_failed"):
            with SmtpSender(at(server), BOB, "desk.example"):
                pass
    assert [line.split()[:2] for line in server.heard] == [
        [b"ehlo", b"desk.example"], [b"STARTTLS"], [b"ehlo", b"desk.example"], [b"AUTH", b"PLAIN"],
    ]  # fmt: skip


def test_pop3(context) -> None:
    """The injected replies let anybody in, and tell of a mail that is not there."""
    injected = b"+OK\r\n+OK\r\n+OK\r\n1 3\r\n.\r\n+OK\r\n1 evil\r\n.\r\n"
    capable, nothing = b"+OK\r\nSTLS\r\n.\r\n", b"+OK\r\n.\r\n"
    answers = (
        capable,
        capable,
        b"+OK go ahead\r\n" + injected,
        nothing,
        b"+OK\r\n",
        b"+OK\r\n",
        nothing,
        nothing,
        b"+OK\r\n",
    )
    with ScriptedServer(b"+OK ready\r\n", answers, context, encrypts_after=3) as server:
        with Pop3Source(at(server), BOB, MAX) as source:
            assert list(source.listing()) == []
    assert [line.split()[0] for line in server.heard] == [
        b"CAPA", b"CAPA", b"STLS", b"CAPA", b"USER", b"PASS", b"LIST", b"UIDL", b"QUIT",
    ]  # fmt: skip


GREETING = b"* OK ready\r\n"
OFFERS = b"* CAPABILITY IMAP4rev1 STARTTLS\r\n{tag} OK done\r\n"
GENUINE = b"* CAPABILITY IMAP4rev1\r\n{tag} OK done\r\n"
BYE = b"* BYE bye\r\n{tag} OK done\r\n"
SIGNED_IN = (GENUINE, GENUINE, GENUINE, b"{tag} OK in\r\n", GENUINE)
# Before the consent the line is plain text as well, and a reply that nobody asked for is good IMAP.
PLACES = {"before": b"%b{tag} OK go ahead\r\n", "behind": b"{tag} OK go ahead\r\n%b"}


@pytest.mark.parametrize("place", PLACES)
def test_imap_offers(context, place: str) -> None:
    """The injected capability asks for the password in a form that the server does not offer."""
    evil = PLACES[place] % b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"
    answers = (OFFERS, evil, *SIGNED_IN, b"{tag} NO no folder\r\n")
    with ScriptedServer(GREETING, answers, context, encrypts_after=2) as server:
        with pytest.raises(TemporaryFailure, match="no folder"):
            with ImapSource(at(server), BOB, MAX):
                pass
    heard = [line.split()[1] for line in server.heard]
    assert heard[:2] == [b"CAPABILITY", b"STARTTLS"] and b"AUTHENTICATE" not in heard and b"LOGIN" in heard


@pytest.mark.parametrize("place", PLACES)
def test_imap_answers(context, place: str) -> None:
    """The injected status is not the one of the mailbox, the injected folder not where copies are kept."""
    evil = PLACES[place] % b'* STATUS INBOX (UNSEEN 666 MESSAGES 666)\r\n* LIST (\\Sent) "/" evil\r\n'
    status = b"* STATUS INBOX (UNSEEN 1 MESSAGES 2)\r\n{tag} OK done\r\n"
    with ScriptedServer(
        GREETING, (OFFERS, evil, *SIGNED_IN, status, BYE), context, encrypts_after=2
    ) as server:
        steps = probe.check_incoming("imap", at(server), BOB)
    assert dict(steps[-1].facts) == {"unread": "1", "total": "2"}
    folders = b'* LIST (\\Sent) "/" Gesendet\r\n{tag} OK done\r\n'
    answers = (OFFERS, evil, *SIGNED_IN, folders, b"* OK [UIDVALIDITY 7] x\r\n{tag} OK done\r\n", BYE)
    with ScriptedServer(GREETING, answers, context, encrypts_after=2) as server:
        with SentFolder(at(server), BOB):
            pass
    assert b'EXAMINE "Gesendet"' in b" ".join(server.heard)


def test_imap_a_greeting_that_says_we_are_signed_in_does_not_spare_the_encryption(context) -> None:
    with ScriptedServer(b"* PREAUTH welcome\r\n", (OFFERS, OFFERS), context, encrypts_after=9) as server:
        with pytest.raises((PermanentFailure, TemporaryFailure)):
            with ImapSource(at(server), BOB, MAX):
                pass
    assert {line.split()[1] for line in server.heard} == {b"CAPABILITY"}
