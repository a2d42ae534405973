"""The POP3 source against a real Dovecot, and against answers that no Dovecot gives."""

import hashlib
import poplib
import secrets
import traceback

import pytest

from tests.servers.scripted import ScriptedServer
from wire import Credentials, Encryption, PermanentFailure, ServerAddress, TemporaryFailure, Timeouts
from wire.pop3 import Pop3Source

pytestmark = pytest.mark.dovecot
MAX = 1_000_000


def mail(text: str) -> bytes:
    return f"Subject: {text}\r\n\r\n{text}\r\n".encode()


def source(mailbox, encryption=Encryption.SSL, password=None, **options):
    dovecot = mailbox.dovecot
    port = dovecot.pop3s if encryption == Encryption.SSL else dovecot.pop3
    server = ServerAddress("localhost", port, encryption, allow_private=True, **options)
    return Pop3Source(server, Credentials(mailbox.user, password or mailbox.password), MAX)


def code_of(opened):
    with pytest.raises((PermanentFailure, TemporaryFailure)) as failure:
        with opened:
            pass
    return failure.value.code


@pytest.fixture(autouse=True)
def _trusted(trusted_ca):
    """Our tests' servers are genuine, unless a test says otherwise."""


@pytest.mark.parametrize("encryption", [Encryption.SSL, Encryption.STARTTLS])
def test_mails_come_byte_for_byte(mailbox, encryption):
    mails = [
        mail("one"),
        b"Subject: dots\r\n\r\n.\r\n..\r\n.leading\r\n. \r\nend\r\n",
        b"Subject: 8 bit\r\n\r\n\xff\xfe \x01 \tgr\xfc\xdfe\r\n",
        b"Subject: long\r\n\r\n" + b"y" * 30_000 + b"\r\n.\r\nafter\r\n",
        b"Subject: very long\r\n\r\n" + b"." * 600_000 + b"\r\n",
    ]
    for raw in mails:
        mailbox.deliver(raw)
    with source(mailbox, encryption) as inbox:
        listed = list(inbox.listing())
        assert [one.raw for one in inbox.fetch(listed)] == mails
    assert all(one.source_id.startswith("uidl:") and not one.seen for one in listed)
    assert len(mailbox.messages()) == len(mails)


def test_ids_stay_the_same(mailbox):
    mailbox.deliver(mail("a"))
    with source(mailbox) as inbox:
        before = [one.source_id for one in inbox.listing()]
    mailbox.deliver(mail("b"))
    with source(mailbox) as inbox:
        assert [one.source_id for one in inbox.listing()][:1] == before
        assert inbox.present([*before, "uidl:gone"]) == set(before)


def test_deletions_count_from_quit_on(mailbox):
    for text in "abc":
        mailbox.deliver(mail(text))
    with source(mailbox) as inbox:
        ids = [one.source_id for one in inbox.listing()]
        assert inbox.dispose([ids[0], "uidl:gone"], "delete") == {ids[0]: "deleted", "uidl:gone": "deleted"}
        assert inbox.dispose([ids[1]], "keep") == {ids[1]: "kept"}
        assert inbox.dispose([ids[2]], "move", "Done") == {ids[2]: "kept"}
        assert len(mailbox.messages()) == 3
    assert inbox.deletions_kept
    assert mailbox.messages() == [mail("b"), mail("c")]


def test_an_error_takes_deletions_back(mailbox):
    mailbox.deliver(mail("a"))
    with pytest.raises(ZeroDivisionError):
        with source(mailbox) as inbox:
            inbox.dispose([one.source_id for one in inbox.listing()], "delete")
            raise ZeroDivisionError
    assert not inbox.deletions_kept
    with source(mailbox) as inbox:
        assert len(list(inbox.listing())) == 1


def test_a_mail_above_the_limit_is_listed_and_left(mailbox):
    mailbox.deliver(mail("large") + b"x" * MAX)
    mailbox.deliver(mail("small"))
    with source(mailbox) as inbox:
        listed = list(inbox.listing())
        assert [one.size > MAX for one in listed] == [True, False]
        assert [one.raw for one in inbox.fetch(listed)] == [mail("small")]


@pytest.mark.parametrize("password", ["pässwört", "with space", "日本語"])
def test_any_password_signs_in(dovecot, password):
    with source(dovecot.add_user(password=password)) as inbox:
        assert list(inbox.listing()) == []


def test_a_wrong_password_is_told_and_never_repeated(mailbox):
    wrong = secrets.token_hex()
    with pytest.raises(PermanentFailure) as failure:
        with source(mailbox, password=wrong):
            pass
    assert failure.value.code == "auth_failed"
    assert failure.value.words == "[AUTH] Authentication failed."
    assert wrong not in "".join(traceback.format_exception(failure.value))


@pytest.mark.parametrize("password", ["a\r\nDELE 1", "a\0b"])
def test_control_characters_never_reach_the_server(mailbox, password):
    assert code_of(source(mailbox, password=password)) == "auth_failed"


def test_plain_text_is_refused_unless_an_administrator_allowed_it(mailbox, make_dovecot):
    without_tls = make_dovecot(tls=False).add_user()
    assert code_of(source(without_tls, Encryption.STARTTLS)) == "starttls_missing"
    assert code_of(source(mailbox, Encryption.NONE)) == "plaintext_refused"
    for box, encryption in ((without_tls, Encryption.STARTTLS), (mailbox, Encryption.NONE)):
        with source(box, encryption, allow_plaintext=True) as inbox:
            assert list(inbox.listing()) == []


@pytest.mark.parametrize("encryption", [Encryption.SSL, Encryption.STARTTLS])
def test_a_certificate_of_an_unknown_authority_is_refused(mailbox, monkeypatch, encryption):
    monkeypatch.delenv("SSL_CERT_FILE")
    assert code_of(source(mailbox, encryption)) == "certificate_unknown"


def test_ssl_on_a_port_without_it_says_so(mailbox):
    server = ServerAddress("localhost", mailbox.dovecot.pop3, Encryption.SSL, allow_private=True)
    assert code_of(Pop3Source(server, Credentials("a", "b"), MAX)) == "wrong_port_ssl"


# --- answers that no Dovecot gives ---

NO_CAPA = b"-ERR what?\r\n"
HELLO = (NO_CAPA, b"+OK\r\n", b"+OK\r\n")
ONE, TWO = b"+OK\r\nA\r\n.\r\n", b"+OK\r\nB\r\n.\r\n"


def digest(raw):
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def scripted(*answers):
    return ScriptedServer(b"+OK ready\r\n", [*HELLO, *answers])


def source_of(server, command=2.0):
    timeouts = Timeouts(2.0, command)
    address = ServerAddress(
        "localhost", server.port, Encryption.NONE, allow_plaintext=True, allow_private=True, timeouts=timeouts
    )
    return Pop3Source(address, Credentials("u", "p"), 100)


@pytest.mark.parametrize(
    ("uidl", "bodies", "ids"),
    [
        (b"-ERR what?\r\n", [ONE, TWO], [digest(b"A\r\n"), digest(b"B\r\n")]),
        (b"+OK\r\n1 x\r\n2 x\r\n.\r\n", [ONE, TWO], [digest(b"A\r\n"), digest(b"B\r\n")]),
        (b"+OK\r\n1 x\r\n2\r\n.\r\n", [TWO], ["uidl:x", digest(b"B\r\n")]),
        (b"+OK\r\n1 x\r\n.\r\n", [TWO], ["uidl:x", digest(b"B\r\n")]),
        (b"-ERR\r\n", [ONE, ONE], [digest(b"A\r\n"), digest(b"A\r\n") + "#2"]),
    ],
    ids=["no UIDL", "the same twice", "empty", "missing", "the same mail twice"],
)
def test_a_mail_without_an_id_of_its_own_is_known_by_its_digest(uidl, bodies, ids):
    with scripted(b"+OK\r\n1 3\r\n2 3\r\n.\r\n", uidl, *bodies, b"+OK\r\n") as server:
        with source_of(server) as inbox:
            assert [one.source_id for one in inbox.listing()] == ids


def test_a_large_mail_without_an_id_is_known_by_its_header():
    with scripted(
        b"+OK\r\n1 9999\r\n.\r\n", b"-ERR\r\n", b"+OK\r\nSubject: x\r\n\r\n.\r\n", b"+OK\r\n"
    ) as server:
        with source_of(server) as inbox:
            assert [one.source_id for one in inbox.listing()] == [digest(b"9999\r\nSubject: x\r\n\r\n")]
    assert server.heard[-2] == b"TOP 1 0\r\n"


def test_a_mail_larger_than_announced_does_not_stop_the_next():
    large = b"+OK\r\n" + b"x" * 400 + b"\r\n" + b"y\r\n.\r\n"
    with scripted(
        b"+OK\r\n1 3\r\n2 3\r\n.\r\n", b"+OK\r\n1 a\r\n2 b\r\n.\r\n", large, TWO, b"+OK\r\n"
    ) as server:
        with source_of(server) as inbox:
            assert [one.raw for one in inbox.fetch(inbox.listing())] == [b"B\r\n"]


def test_a_mail_that_the_server_cannot_give_does_not_stop_the_next():
    with scripted(
        b"+OK\r\n1 3\r\n2 3\r\n.\r\n", b"+OK\r\n1 a\r\n2 b\r\n.\r\n", b"-ERR broken\r\n", TWO, b"+OK\r\n"
    ) as server:
        with source_of(server) as inbox:
            assert [one.raw for one in inbox.fetch(inbox.listing())] == [b"B\r\n"]


def test_a_mail_without_its_end_is_not_taken():
    with scripted(b"+OK\r\n1 3\r\n.\r\n", b"+OK\r\n1 a\r\n.\r\n", b"+OK\r\nhalf a m") as server:
        with pytest.raises(TemporaryFailure) as failure:
            with source_of(server, command=0.2) as inbox:
                list(inbox.fetch(inbox.listing()))
    assert failure.value.code == "timeout"


def test_deletions_that_quit_does_not_confirm_are_not_claimed():
    answers = (b"+OK\r\n1 3\r\n.\r\n", b"+OK\r\n1 a\r\n.\r\n", b"+OK marked\r\n", b"-ERR not removed\r\n")
    with scripted(*answers) as server:
        with source_of(server) as inbox:
            assert inbox.dispose(["uidl:a"], "delete") == {"uidl:a": "deleted"}
    assert not inbox.deletions_kept


@pytest.mark.parametrize(
    ("greeting", "answers", "code"),
    [
        (b"", (), "timeout"),
        (b"-ERR busy\r\n", (), "protocol_error"),
        (b"+OK\r\n", (NO_CAPA, b"+OK\r\n", b"-ERR [IN-USE] locked\r\n"), "mailbox_locked"),
        (b"+OK\r\n", (NO_CAPA, b"-ERR [SYS/TEMP] later\r\n"), "server_busy"),
        (b"+OK\r\n", (NO_CAPA, b"+OK\r\n", b"-ERR [LOGIN-DELAY] minimum time\r\n"), "login_delay"),
    ],
)
def test_servers_that_do_not_let_us_in(greeting, answers, code):
    with ScriptedServer(greeting, answers) as server:
        assert code_of(source_of(server, command=0.2)) == code


def test_numbers_that_are_none_are_a_fault_of_the_server():
    with scripted(b"+OK\r\n1 many\r\n.\r\n") as server:
        with pytest.raises(TemporaryFailure) as failure:
            with source_of(server, command=0.2) as inbox:
                list(inbox.listing())
    assert failure.value.code == "protocol_error"


def test_poplib_is_not_changed_for_others():
    assert poplib._MAXLINE == 2048


CAPA = b"+OK\r\nTOP\r\nUIDL\r\nUTF8 USER\r\nLOGIN-DELAY 60\r\nSASL PLAIN\r\n.\r\n"


@pytest.mark.parametrize(("capa", "said"), [(CAPA, True), (b"+OK\r\nUIDL\r\n.\r\n", False), (NO_CAPA, False)])
def test_utf8_is_said_before_the_user_where_it_is_offered(capa, said):
    """Courier hands out a notice of its own else, where a header has an 8-bit byte."""
    answers = [capa, *[b"+OK\r\n"] * (3 if said else 2), b"+OK\r\n"]
    with ScriptedServer(b"+OK ready\r\n", answers) as server:
        with source_of(server) as inbox:
            assert inbox.login_delay == (60 if said else 0)
    assert server.heard[: 3 if said else 2] == [b"CAPA\r\n", *([b"UTF8\r\n"] if said else []), b"USER u\r\n"]


@pytest.mark.parametrize("delay", [b"", b" soon", b" 99999999999999999999", b" -5"])
def test_an_interval_that_is_none_is_left_alone(delay):
    capa = b"+OK\r\nUTF8\r\nLOGIN-DELAY" + delay + b"\r\n.\r\n"
    with ScriptedServer(b"+OK\r\n", [capa, b"-ERR no UTF8\r\n", *[b"+OK\r\n"] * 3]) as server:
        with source_of(server) as inbox:
            assert inbox.login_delay == 0


def test_headers_come_by_top(mailbox):
    mailbox.deliver(mail("one"))
    with source(mailbox) as inbox:
        assert list(inbox.headers(list(inbox.listing())).values()) == [b"Subject: one\r\n\r\n"]
