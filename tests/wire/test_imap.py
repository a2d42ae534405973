"""The IMAP source against a real Dovecot, and against answers that no Dovecot gives."""

import secrets
import traceback
from datetime import UTC, datetime, timedelta

import pytest
from imapclient import IMAPClient

from tests.servers.scripted import ScriptedServer
from wire import Credentials, Encryption, PermanentFailure, ServerAddress, TemporaryFailure, Timeouts, imap
from wire.imap import ImapSource

pytestmark = pytest.mark.dovecot
MAX = 1_000_000


def mail(text: str, size: int = 0) -> bytes:
    return f"Subject: {text}\r\n\r\n{text}\r\n".encode() + b"x" * size


def source(mailbox, encryption=Encryption.SSL, max_bytes=MAX, folder="INBOX", password=None, **options):
    dovecot = mailbox.dovecot
    port = dovecot.imaps if encryption == Encryption.SSL else dovecot.imap
    server = ServerAddress("localhost", port, encryption, allow_private=True, **options)
    return ImapSource(server, Credentials(mailbox.user, password or mailbox.password), max_bytes, folder)


def code_of(opened):
    with pytest.raises((PermanentFailure, TemporaryFailure)) as failure:
        with opened:
            pass
    return failure.value.code


def other_client(mailbox):
    client = IMAPClient("localhost", mailbox.dovecot.imap, ssl=False)
    client.login(mailbox.user, mailbox.password)
    return client


@pytest.fixture(autouse=True)
def _trusted(trusted_ca):
    """Our tests' servers are genuine, unless a test says otherwise."""


@pytest.mark.parametrize("encryption", [Encryption.SSL, Encryption.STARTTLS])
def test_mails_come_whole_in_order_and_stay_unread(mailbox, encryption):
    mailbox.deliver(mail("one"))
    mailbox.deliver(mail("zwei ü"), flags="S")
    with source(mailbox, encryption) as inbox:
        listed = list(inbox.listing())
        fetched = list(inbox.fetch(listed))
    assert [mail.raw for mail in fetched] == mailbox.messages()
    assert [(one.position, one.seen, one.size) for one in listed] == [
        (uid, uid == 2, len(raw)) for uid, raw in enumerate(mailbox.messages(), 1)
    ]
    assert listed[0].source_id == f"{inbox.generation}:1"
    assert abs(listed[0].arrived_at - datetime.now(UTC)) < timedelta(minutes=5)
    assert mailbox.flags() == ["", "S"]


def test_only_what_is_above_the_cursor_is_listed(mailbox):
    """`n:*` names the last mail even where nothing is new: it would come in again and again."""
    for text in "abc":
        mailbox.deliver(mail(text))
    with source(mailbox) as inbox:
        assert [one.position for one in inbox.listing(since=2)] == [3]
        assert list(inbox.listing(since=3)) == []
        assert inbox.present([f"{inbox.generation}:2", f"{inbox.generation}:9", "1:2", "nonsense"]) == {
            f"{inbox.generation}:2"
        }


def test_a_mail_above_the_limit_is_listed_and_left(mailbox):
    mailbox.deliver(mail("large", MAX))
    mailbox.deliver(mail("small"))
    with source(mailbox) as inbox:
        listed = list(inbox.listing())
        assert [one.size > MAX for one in listed] == [True, False]
        assert [one.raw for one in inbox.fetch(listed)] == [mail("small")]


def test_batches_are_bounded_in_number_and_bytes(mailbox, monkeypatch):
    monkeypatch.setattr(imap, "BATCH_BYTES", 3000)
    monkeypatch.setattr(imap, "BATCH_MAILS", 4)
    sizes = [2000, 10, 10, 10, 10, 10, 2990, 200, 5000, 1]
    for number, size in enumerate(sizes):
        mailbox.deliver(mail(str(number), size))
    with source(mailbox) as inbox:
        batches = [[one.position for one in batch] for batch in imap._batches(inbox.listing())]
        assert batches == [[1, 2, 3, 4], [5, 6], [7], [8], [9], [10]]
        assert [one.raw for one in inbox.fetch(inbox.listing())] == mailbox.messages()


def test_delete_takes_ours_and_never_what_another_client_has_marked(mailbox):
    for text in "abc":
        mailbox.deliver(mail(text))
    with other_client(mailbox) as other:
        other.select_folder("INBOX")
        other.add_flags([2], [b"\\Deleted"])
        with source(mailbox) as inbox:
            ids = [one.source_id for one in inbox.listing()]
            assert inbox.dispose([ids[0], "1:77"], "delete") == {ids[0]: "deleted", "1:77": "none"}
            assert inbox.present(ids) == set(ids[1:])
    assert mailbox.messages() == [mail("b"), mail("c")]


def test_disposing_again_is_harmless(mailbox):
    """After a crash nobody knows whether the server was told."""
    mailbox.deliver(mail("a"))
    with source(mailbox) as inbox:
        ids = [one.source_id for one in inbox.listing()]
        for _ in range(2):
            assert inbox.dispose(ids, "delete") == {ids[0]: "deleted"}
    assert mailbox.messages() == []


@pytest.mark.parametrize(
    ("folder", "name"), [("Erledigt", "Erledigt"), ("Büro/2026 & mehr", "B&APw-ro.2026 &- mehr")]
)
def test_move_makes_the_folder_it_needs(mailbox, folder, name):
    mailbox.deliver(mail("a"))
    mailbox.deliver(mail("b"))
    with source(mailbox) as inbox:
        ids = [one.source_id for one in inbox.listing()]
        assert inbox.dispose(ids[:1], "move", folder) == {ids[0]: "moved"}
        assert inbox.dispose(ids[1:], "move", folder) == {ids[1]: "moved"}
    assert name in mailbox.folders()
    assert mailbox.messages() == []
    with source(mailbox, folder=folder.replace("/", ".")) as moved:
        assert [one.raw for one in moved.fetch(moved.listing())] == [mail("a"), mail("b")]


def test_move_into_the_same_folder_would_bring_the_mail_back_as_a_new_one(mailbox):
    mailbox.deliver(mail("a"))
    with source(mailbox) as inbox:
        ids = [one.source_id for one in inbox.listing()]
        assert inbox.dispose(ids, "move", "INBOX") == {ids[0]: "kept"}
        assert [one.source_id for one in inbox.listing()] == ids


def test_keep_marks_as_read(mailbox):
    mailbox.deliver(mail("a"))
    mailbox.deliver(mail("b"))
    with source(mailbox) as inbox:
        ids = [one.source_id for one in inbox.listing()]
        assert inbox.dispose(ids[:1], "keep") == {ids[0]: "kept"}
    assert mailbox.flags() == ["S", ""]


@pytest.mark.parametrize(
    ("capability", "trash", "how", "state", "left", "moved"),
    [
        ("IMAP4rev1 AUTH=PLAIN MOVE", True, "delete", "moved", 0, {"Trash": 1}),
        ("IMAP4rev1 AUTH=PLAIN MOVE", False, "delete", "kept", 1, {}),
        ("IMAP4rev1 AUTH=PLAIN", True, "delete", "kept", 1, {}),
        ("IMAP4rev1 AUTH=PLAIN", True, "move", "kept", 1, {}),
        ("IMAP4rev1 AUTH=PLAIN UIDPLUS", False, "move", "moved", 0, {"Done": 1}),
        ("IMAP4rev1 AUTH=PLAIN UIDPLUS", False, "delete", "deleted", 0, {}),
    ],
)
def test_a_server_that_can_do_less_is_never_told_to_expunge_everything(
    make_dovecot, capability, trash, how, state, left, moved
):
    mailbox = make_dovecot(capability=capability, trash=trash).add_user()
    mailbox.deliver(mail("a"))
    mailbox.deliver(mail("b"), flags="T")  # marked by another client
    with source(mailbox) as inbox:
        ids = [one.source_id for one in inbox.listing()]
        assert inbox.dispose(ids[:1], how, "Done") == {ids[0]: state}
    assert len(mailbox.messages()) == left + 1
    assert {name: len(mailbox.messages(name)) for name in mailbox.folders()} == moved
    assert "S" in mailbox.flags()[0] if left else True


def test_the_generation_changes_with_the_folder(mailbox):
    mailbox.deliver(mail("a"))
    with source(mailbox) as inbox:
        old = [one.source_id for one in inbox.listing()]
        other = "x" + old[0]
        assert inbox.present([other]) == set()
        assert inbox.dispose([other], "delete") == {other: "none"}
    assert len(mailbox.messages()) == 1


@pytest.mark.parametrize(
    ("user", "password"),
    [("", "pässwört"), ("", 'quo"te\\back'), ("with space", "a b"), ("", "日本語"), ("müller", "x")],
)
def test_any_password_signs_in(dovecot, user, password):
    mailbox = dovecot.add_user(user, password)
    with source(mailbox) as inbox:
        assert list(inbox.listing()) == []


def test_a_wrong_password_is_told_and_never_repeated(mailbox):
    wrong = secrets.token_hex()
    with pytest.raises(PermanentFailure) as failure:
        with source(mailbox, password=wrong):
            pass
    assert failure.value.code == "auth_failed"
    assert "Authentication failed" in failure.value.words
    assert wrong not in "".join(traceback.format_exception(failure.value))


@pytest.mark.parametrize("folder", ["Nowhere", "a\r\nb", "INBOX\0"])
def test_a_folder_that_is_not_there(mailbox, folder):
    assert code_of(source(mailbox, folder=folder)) == "folder_missing"


@pytest.mark.parametrize("password", ["a\r\nA1 LOGOUT", "a\0b"])
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
    server = ServerAddress("localhost", mailbox.dovecot.imap, Encryption.SSL, allow_private=True)
    assert code_of(ImapSource(server, Credentials("a", "b"), MAX)) == "wrong_port_ssl"


def test_local_servers_need_the_setting(mailbox):
    server = ServerAddress("localhost", mailbox.dovecot.imaps)
    assert code_of(ImapSource(server, Credentials("a", "b"), MAX)) == "refused_address"


# --- answers that no Dovecot gives ---

GREETING = b"* OK ready\r\n"
HELLO = (
    b"* CAPABILITY IMAP4rev1 UIDPLUS\r\n{tag} OK done\r\n",
    b"{tag} OK in\r\n",
    b"* CAPABILITY IMAP4rev1 UIDPLUS\r\n{tag} OK done\r\n",
    b"* 2 EXISTS\r\n* OK [UIDVALIDITY 7] valid\r\n{tag} OK [READ-WRITE] open\r\n",
)
LISTING = (
    b"* SEARCH 1 2\r\n{tag} OK done\r\n",
    b"* 1 FETCH (UID 1 RFC822.SIZE 9 FLAGS ())\r\n* 2 FETCH (UID 2 RFC822.SIZE 4 FLAGS ())\r\n{tag} OK done\r\n",
)
SHORT = b"* 1 FETCH (UID 1 BODY[] {4}\r\nabcd)\r\n* 2 FETCH (UID 2 BODY[] {4}\r\nefgh)\r\n{tag} OK done\r\n"
SHORT_ALONE = b"* 1 FETCH (UID 1 BODY[] {4}\r\nabcd)\r\n{tag} OK done\r\n"


def scripted(*answers):
    return ScriptedServer(GREETING, [*HELLO, *answers])


def address_of(server, command=2.0):
    timeouts = Timeouts(2.0, command)
    return ServerAddress(
        "localhost", server.port, Encryption.NONE, allow_plaintext=True, allow_private=True, timeouts=timeouts
    )


def source_of(server, command=2.0):
    return ImapSource(address_of(server, command), Credentials("u", "p"), MAX)


@pytest.mark.parametrize(
    ("answers", "raws"),
    [
        ((SHORT, b"* 1 FETCH (UID 1 BODY[] {9}\r\nabcdefghi)\r\n{tag} OK done\r\n"), [b"abcdefghi", b"efgh"]),
        ((SHORT, SHORT_ALONE, b"* 1 FETCH (UID 1 BODY[]<4> {1}\r\ne)\r\n{tag} OK done\r\n"), [b"efgh"]),
        ((SHORT, SHORT_ALONE, b"* 1 FETCH (UID 1 BODY[]<4> NIL)\r\n{tag} OK done\r\n"), [b"efgh"]),
        ((SHORT, SHORT_ALONE, b'* 1 FETCH (UID 1 BODY[]<4> "")\r\n{tag} OK done\r\n'), [b"abcd", b"efgh"]),
        ((SHORT, b"{tag} NO gone\r\n"), [b"efgh"]),
        ((b"{tag} NO [SERVERBUG] broken mail\r\n", b"{tag} NO broken\r\n",
          b"* 2 FETCH (UID 2 BODY[] {4}\r\nefgh)\r\n{tag} OK done\r\n"), [b"efgh"]),
    ],
    ids=["second try", "twice short", "says nothing", "size was an estimate", "gone", "poison"],
)  # fmt: skip
def test_a_mail_is_whole_or_not_taken(answers, raws):
    with scripted(*LISTING, *answers, b"* BYE\r\n{tag} OK done\r\n") as server:
        with source_of(server) as inbox:
            assert [one.raw for one in inbox.fetch(inbox.listing())] == raws


def test_a_lost_connection_in_a_mail_takes_nothing():
    def cut(line):
        return b"* 1 FETCH (UID 1 BODY[] {9}\r\nabc"

    with scripted(*LISTING, cut) as server:
        with pytest.raises(TemporaryFailure) as failure:
            with source_of(server, command=0.3) as inbox:
                list(inbox.fetch(inbox.listing()))
    assert failure.value.code == "timeout"


def test_an_endless_literal_is_not_waited_for():
    with scripted(*LISTING, b"* 1 FETCH (UID 1 BODY[] {99999999999}\r\n") as server:
        with pytest.raises(TemporaryFailure) as failure:
            with source_of(server) as inbox:
                list(inbox.fetch(inbox.listing()))
    assert failure.value.code == "protocol_error"


@pytest.mark.parametrize(
    ("greeting", "answers", "code"),
    [
        (b"", (), "timeout"),
        (b"* BYE overloaded\r\n", (), "protocol_error"),
        (b"HTTP/1.1 400 Bad Request\r\n", (), "protocol_error"),
        (
            GREETING,
            (b"* CAPABILITY IMAP4rev1 AUTH=XOAUTH2 LOGINDISABLED\r\n{tag} OK done\r\n",),
            "oauth_required",
        ),
        (GREETING, (b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n{tag} OK done\r\n",), "plaintext_refused"),
        (GREETING, (*HELLO[:1], b"* BYE bye\r\n"), "connection_lost"),
        (GREETING, (*HELLO[:1], b"{tag} NO [UNAVAILABLE] later\r\n"), "server_busy"),
    ],
)
def test_servers_that_do_not_let_us_in(greeting, answers, code):
    with ScriptedServer(greeting, answers) as server:
        assert code_of(source_of(server, command=0.3)) == code


def test_login_is_used_where_plain_is_not_offered_and_quotes_what_it_must():
    with ScriptedServer(GREETING, HELLO) as server:
        address = address_of(server)
        with pytest.raises(PermanentFailure) as failure:
            with ImapSource(address, Credentials("ü", "p"), MAX):
                pass
        assert failure.value.code == "auth_unsupported"
    with ScriptedServer(GREETING, [*HELLO, b"* BYE\r\n{tag} OK done\r\n"]) as server:
        address = address_of(server)
        with ImapSource(address, Credentials('a "b" \\c', 'quo"te\\'), MAX):
            pass
    assert server.heard[1].partition(b" ")[2] == b'LOGIN "a \\"b\\" \\\\c" "quo\\"te\\\\"\r\n'


def test_a_refused_deletion_is_told():
    with scripted(
        b"* SEARCH 1\r\n{tag} OK done\r\n",
        b"{tag} NO [NOPERM] read only\r\n",
        b"* SEARCH 1\r\n{tag} OK done\r\n",
        b"* BYE\r\n{tag} OK done\r\n",
    ) as server:
        with source_of(server) as inbox:
            assert inbox.dispose(["7:1"], "delete") == {"7:1": "present"}


@pytest.mark.parametrize("answer", [b"* ID NIL\r\n{tag} OK done\r\n", b"{tag} BAD never heard of it\r\n"])
def test_it_says_who_it_is_before_the_folder_where_the_server_wants_it(answer):
    """163.com and others refuse SELECT else (RFC 2971)."""
    offered = b"* CAPABILITY IMAP4rev1 ID\r\n{tag} OK done\r\n"
    answers = [offered, HELLO[1], offered, answer, HELLO[3], b"* BYE\r\n{tag} OK done\r\n"]
    with ScriptedServer(GREETING, answers) as server:
        with source_of(server) as inbox:
            assert inbox.generation == "7"
    assert [line.split()[1] for line in server.heard[3:5]] == [b"ID", b"SELECT"]
    assert b'"name" "Poststelle"' in server.heard[3]


def test_a_lone_line_feed_ends_a_line_too():
    """GNU imap4d ends the OK after AUTHENTICATE so."""
    plain = b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n{tag} OK done\r\n"
    tag = []

    def challenged(line):
        tag.append(line.split()[0])
        return b"+ \r\n"

    answers = [plain, challenged, lambda _: tag[0] + b" OK AUTHENTICATE authentication successful\n", plain]
    with ScriptedServer(GREETING, [*answers, HELLO[3], b"* BYE\r\n{tag} OK done\r\n"]) as server:
        with source_of(server) as inbox:
            assert inbox.generation == "7"


NOTHING = b"* SEARCH\r\n{tag} OK done\r\n"


def test_a_search_that_finds_nothing_where_mail_lies_is_asked_otherwise():
    with scripted(
        NOTHING, b"* SEARCH 1 2\r\n{tag} OK done\r\n", LISTING[1], b"* BYE\r\n{tag} OK x\r\n"
    ) as server:
        with source_of(server) as inbox:
            assert [one.position for one in inbox.listing()] == [1, 2]
    with scripted(NOTHING, b"* SEARCH 1 2\r\n{tag} OK done\r\n", b"* BYE\r\n{tag} OK x\r\n") as server:
        with source_of(server) as inbox:
            assert list(inbox.listing(since=2)) == []


def test_a_server_that_finds_none_of_its_mails_is_told_of():
    with scripted(NOTHING, NOTHING, HELLO[3]) as server:
        with pytest.raises(TemporaryFailure) as failure:
            with source_of(server) as inbox:
                list(inbox.listing())
    assert (failure.value.code, failure.value.words) == ("protocol_error", "2 EXISTS, SEARCH ALL: 0")


def test_a_mailbox_that_somebody_emptied_meanwhile_is_no_fault():
    emptied = HELLO[3].replace(b"2 EXISTS", b"0 EXISTS")
    with scripted(NOTHING, NOTHING, emptied, b"* BYE\r\n{tag} OK x\r\n") as server:
        with source_of(server) as inbox:
            assert list(inbox.listing()) == []
    gone = b"* 2 EXPUNGE\r\n* 1 EXPUNGE\r\n" + NOTHING
    with scripted(gone, b"* BYE\r\n{tag} OK x\r\n") as server:  # said in time: it is asked once
        with source_of(server) as inbox:
            assert list(inbox.listing()) == []


def test_headers_are_asked_without_a_mark_and_a_poisoned_one_costs_only_its_neighbours(monkeypatch):
    monkeypatch.setattr(imap, "BATCH_MAILS", 1)
    answers = (
        b"{tag} NO [SERVERBUG] broken mail\r\n",
        b"* 2 FETCH (UID 2 BODY[HEADER] {14}\r\nSubject: b\r\n\r\n)\r\n{tag} OK done\r\n",
    )
    with scripted(*LISTING, *answers, b"* BYE\r\n{tag} OK done\r\n") as server:
        with source_of(server) as inbox:
            assert inbox.headers(list(inbox.listing())) == {"7:2": b"Subject: b\r\n\r\n"}
    assert server.heard[-2].split(b" ", 1)[1] == b"UID FETCH 2 (BODY.PEEK[HEADER])\r\n"


def test_headers_of_a_real_server_are_those_of_its_mails(mailbox):
    mailbox.deliver(mail("one"))
    mailbox.deliver(mail("two"), flags="S")
    with source(mailbox) as inbox:
        headers = inbox.headers(list(inbox.listing()))
    assert sorted(headers.values()) == [b"Subject: one\r\n\r\n", b"Subject: two\r\n\r\n"]
    assert mailbox.flags() == ["", "S"]
