"""SpamAssassin's wrapper is read as the mail inside; a stranger's imitation gains nothing by it."""

from __future__ import annotations

import base64
import quopri

import pytest

from mail.judging.authentication_results import verdict_by_header
from mail.judging.rules import judge
from mail.safe_reading import read, read_with_attached
from mail.types import Facts, Mail

OWN = (
    "From: Erika Muster <erika@customer.example>",
    "To: support@acme.example",
    "Message-ID: <m1@customer.example>",
)
REPORT = "Spam detection software, running on the system »mx«,\nhas identified this incoming email as possible spam.\n\n 5.1 SOME_RULE  BODY: something"
SEEN = "original message before SpamAssassin"


def inside(
    *lines: str, subject: str = "Drucker", body: str = "Der Drucker druckt nicht.", own: tuple[str, ...] = OWN
) -> bytes:
    head = (*lines, *own, f"Subject: {subject}", "Content-Type: text/plain; charset=utf-8")
    return ("\n".join(head) + f"\n\n{body}\n").encode()


def wrapper(
    original: bytes,
    *lines: str,
    own: tuple[str, ...] = OWN,
    subject: str = "Drucker",
    flag: str = "YES",
    kind: str = "message/rfc822; x-spam-type=original",
    called: str = SEEN,
    encoding: str = "8bit",
    more: bytes = b"",
) -> bytes:
    head = (
        *lines, *own, f"Subject: {subject}", f"X-Spam-Flag: {flag}", "X-Spam-Status: Yes, score=5.1 required=5.0",
        "MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="----------=_6B0CAE70.14F0BC20"',
    )  # fmt: skip
    edge = "------------=_6B0CAE70.14F0BC20"
    first = f"\n\n{edge}\nContent-Type: text/plain; charset=UTF-8\nContent-Disposition: inline\nContent-Transfer-Encoding: 8bit\n\n{REPORT}\n"
    second = f"\n{edge}\nContent-Type: {kind}\nContent-Description: {called}\nContent-Disposition: inline\nContent-Transfer-Encoding: {encoding}\n\n"
    return ("\n".join(head) + first + second).encode() + original + more + f"\n{edge}--\n".encode()


def is_opened(mail: Mail) -> bool:
    return bool(mail.spam_report)


@pytest.mark.parametrize(
    ("kind", "encoding"),
    [
        ("message/rfc822; x-spam-type=original", "8bit"),
        ("text/plain; x-spam-type=original", "8bit"),  # report_safe 2
        ("text/plain", "quoted-printable"),  # on its way through a server without 8BITMIME
        ("message/rfc822", "base64"),
    ],
)
def test_the_mail_inside_is_read_and_the_report_stands_beside_it(kind: str, encoding: str) -> None:
    encode = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring}.get(encoding, bytes)
    raw = wrapper(encode(inside()), kind=kind, encoding=encoding, subject="*****SPAM***** Drucker")
    reading = read(raw)
    mail = reading.mail
    assert (mail.sender.name, mail.sender.address) == ("Erika Muster", "erika@customer.example")
    assert (mail.subject, mail.text) == ("Drucker", "Der Drucker druckt nicht.")
    assert mail.spam_report == REPORT and not mail.attachments
    assert judge(mail, Facts(), reading.bounce).reason == "spam_header", "held, as it ever was"
    assert read(raw.replace(b"\n", b"\r\n")).mail.spam_report == REPORT


def test_files_and_html_of_the_mail_inside_are_its_own() -> None:
    original = (
        "\n".join(OWN) + '\nSubject: Drucker\nContent-Type: multipart/mixed; boundary=b\n\n'
        "--b\nContent-Type: text/html\n\n<p>Siehe <b>Foto</b></p>\n"
        '--b\nContent-Type: image/png; name="foto.png"\nContent-Disposition: attachment; filename="foto.png"\n\nPNG\n'
        "--b\nContent-Type: message/rfc822\n\nFrom: other@x.example\nSubject: Alt\n\nAlt\n--b--\n"
    ).encode()  # fmt: skip
    reading = read_with_attached(wrapper(original))
    assert [part.name for part in reading.mail.attachments] == ["foto.png", "Alt.eml"]
    assert "<b>Foto</b>" in reading.sanitized().html
    assert reading.heads[1] is not None and reading.heads[1].sender.address == "other@x.example"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(wrapper(inside(), flag="NO"), id="no spam"),
        pytest.param(wrapper(inside(), kind="message/rfc822", called="forwarded message"), id="a forwarded mail"),
        pytest.param(wrapper(inside(), kind="application/octet-stream"), id="another kind of file"),
        pytest.param(wrapper(inside(own=("From: boss@acme.example", *OWN[1:]))), id="another writer inside"),
        pytest.param(wrapper(inside(own=OWN[1:])), id="nobody inside"),
        pytest.param(wrapper(inside(own=(*OWN[:2], "Message-ID: <other@x>"))), id="another mail"),
        pytest.param(wrapper(inside(own=(OWN[0], "To: everybody@acme.example", OWN[2]))), id="other readers"),
        pytest.param(wrapper(inside(), "Cc: third@x.example"), id="a reader more outside"),
        pytest.param(wrapper(inside(), OWN[0]), id="two writers outside"),
        pytest.param(
            wrapper(inside(), more=b"\n------------=_6B0CAE70.14F0BC20\nContent-Type: text/plain\n\nmore"),
            id="a third part",
        ),
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_read_as_ever(raw: bytes) -> None:
    mail = read(raw).mail
    assert not is_opened(mail) and mail.text.startswith("Spam detection software")


def test_a_wrapper_in_a_wrapper_is_opened_once() -> None:
    twice = wrapper(wrapper(inside()).replace(b"_6B0CAE70", b"_7C1DBF81"))
    mail = read(twice).mail
    assert is_opened(mail) and mail.text.startswith("Spam detection software") and len(mail.attachments) == 1


SERVER = "mx.acme.example"
PASS = f"Authentication-Results: {SERVER}; dkim=pass header.d=customer.example; spf=pass smtp.mailfrom=customer.example"


def test_results_inside_are_nobodys_word() -> None:
    """Who makes such a wrapper by hand writes them there; what the server wrote stands outside."""
    mail = read(wrapper(inside(PASS))).mail
    assert is_opened(mail) and verdict_by_header(mail, SERVER).state == "unchecked"
    refuted = PASS.replace("pass", "fail")
    mail = read(wrapper(inside(PASS), refuted)).mail
    assert is_opened(mail) and verdict_by_header(mail, SERVER).refuted


def test_a_received_field_inside_moves_no_border() -> None:
    """Results below the server's own Received are a stranger's (docs/decisions/015)."""
    outside = (f"Authentication-Results: {SERVER}; spf=none", "X-Line: 1", PASS)
    mail = read(wrapper(inside("Received: from x by y; Mon, 30 Nov 2026 09:00:00 +0000"), *outside)).mail
    assert is_opened(mail) and verdict_by_header(mail, SERVER).state == "unconfirmed"


@pytest.mark.parametrize(
    ("line", "name"),
    [("In-Reply-To: <q@acme.example>", "in-reply-to"), ("References: <q@acme.example>", "references")],
)
def test_what_stands_only_inside_is_not_vouched_for(line: str, name: str) -> None:
    verdict = verdict_by_header(read(wrapper(inside(line), PASS)).mail, SERVER)
    assert verdict.state == "confirmed" and name in verdict.unproven and "subject" not in verdict.unproven
    verdict = verdict_by_header(read(wrapper(inside(line), PASS, line)).mail, SERVER)
    assert name not in verdict.unproven


def test_a_reply_to_inside_leaves_open_who_is_answered() -> None:
    mail = read(wrapper(inside("Reply-To: mallory@evil.example"), PASS)).mail
    assert is_opened(mail) and mail.reply_to[0].address == "mallory@evil.example"
    assert verdict_by_header(mail, SERVER).state == "unconfirmed"


def test_two_writers_inside_are_said() -> None:
    mail = read(wrapper(inside("From: erika@customer.example"), PASS)).mail
    assert verdict_by_header(mail, SERVER).state == "unconfirmed"


def test_a_machine_inside_is_a_machine() -> None:
    """Let in, it is answered by nobody."""
    reading = read(wrapper(inside("Auto-Submitted: auto-replied")))
    assert judge(reading.mail, Facts(), None).reason == "spam_header"
    calm = Mail(headers=tuple(field for field in reading.mail.headers if not field[0].startswith("x-spam")))
    assert judge(calm, Facts(), None).reason == "auto_submitted"


def returned(own: tuple[str, ...]) -> bytes:
    """A delivery report by the standard about our mail."""
    return (
        "\n".join(own) + "\nSubject: Undelivered Mail Returned to Sender\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="r"\n\n'
        "--r\nContent-Type: text/plain\n\nSorry.\n"
        "--r\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.customer.example\n\n"
        "Final-Recipient: rfc822; lost@customer.example\nAction: failed\nStatus: 5.1.1\n"
        "Diagnostic-Code: smtp; 550 5.1.1 unknown\n\n"
        "--r\nContent-Type: message/rfc822\n\nMessage-ID: <ours@acme.example>\nTo: lost@customer.example\n\nHello\n--r--\n"
    ).encode()


@pytest.mark.parametrize(
    "sender",
    ["MAILER-DAEMON@customer.example (Mail Delivery System)", "MAILER-DAEMON <>", "Mail <bounce@customer.example>"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["message/rfc822; x-spam-type=original", "text/plain; x-spam-type=original"])
def test_a_delivery_report_inside_is_read_as_the_report_that_it_is(sender: str, kind: str) -> None:
    own = (f"From: {sender}", "To: support@acme.example", "Message-ID: <report@customer.example>")
    reading = read(wrapper(returned(own), own=own, kind=kind, subject="*****SPAM***** Undelivered Mail"))
    assert is_opened(reading.mail) and reading.bounce == read(returned(own)).bounce
    assert reading.bounce is not None and reading.bounce.returned_message_id == "<ours@acme.example>"
    (failed,) = reading.bounce.recipients
    assert (failed.address, failed.status, failed.permanent) == ("lost@customer.example", "5.1.1", True)


def test_what_only_its_wrapper_makes_a_report_is_none() -> None:
    own = ("From: postmaster@customer.example", *OWN[1:])
    assert read(wrapper(inside(own=own), own=own)).bounce is None
