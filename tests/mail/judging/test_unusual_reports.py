"""Reports of servers that write them in their own way, receipts, and mails that are none of these."""

from __future__ import annotations

import json

import pytest

from mail.ids import new_token, sign_message_id
from mail.judging.bounces import read_bounce
from mail.judging.rules import judge
from mail.judging.ticket_clues import find_clues
from mail.reading.parse import parse
from mail.types import Bounce, ClueKind, Facts

OURS = "<1.abc.def@desk.example>"


def bounce_in(raw: str) -> Bounce | None:
    octets = raw.encode()
    return read_bounce(octets, parse(octets))


def verdict(raw: str) -> tuple[str, str]:
    octets = raw.encode()
    mail = parse(octets)
    judged = judge(mail, Facts(), read_bounce(octets, mail))
    return judged.action, judged.reason


def report(text: str, status: str, subject: str = "Delivery status notification: failed") -> str:
    return (
        f"From: Mailer Daemon <mailer-daemon@mx.example.org>\nTo: desk@desk.example\nSubject: {subject}\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
        f"--b\nContent-Type: text/plain\n\n{text}\n--b\nContent-Type: message/delivery-status\n\n"
        f"Reporting-MTA: dns; mx.example.org\n\n{status}\n--b--\n"
    )


@pytest.mark.parametrize(
    ("text", "status", "code", "words"),
    [
        (
            "bad@example.com: 550 5.1.1 <bad@example.com>: User unknown",
            "5.0.0",
            "5.1.1",
            "550 5.1.1 <bad@example.com>: User unknown",
        ),
        (
            "Your message to <bad@example.com> was rejected:\nQuota exceeded (mailbox is full)",
            "5.2.2",
            "5.2.2",
            "Quota exceeded (mailbox is full)",
        ),
        (
            "<bad@example.com>:\n >>> RCPT TO:<bad@example.com>\n <<< 554 5.7.1 Not today",
            "5.0.0",
            "5.7.1",
            "554 5.7.1 Not today",
        ),
    ],
)
def test_the_reason_comes_from_the_text_where_the_status_has_none(
    text: str, status: str, code: str, words: str
) -> None:
    found = bounce_in(
        report(text, f"Final-Recipient: rfc822; bad@example.com\nAction: failed\nStatus: {status}\n")
    )
    assert found is not None
    (recipient,) = found.recipients
    assert (recipient.status, recipient.words) == (code, words)


def test_its_own_words_come_first() -> None:
    status = "Final-Recipient: rfc822; bad@example.com\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 gone\n"
    found = bounce_in(report("bad@example.com: 552 full", status))
    assert found is not None and found.recipients[0].words == "550 gone"


UNUSUAL = [
    "From: mailgate@relay.example\nTo: desk@desk.example\nSubject: Delivery failure notification\n\n"
    "Your message could not be delivered to the following recipients:\n  bad@example.com\nReason: unknown user\n",
    "From: gateway@relay.example\nSubject: Unzustellbar: AW: Lieferung\n\n"
    "Die Nachricht konnte nicht zugestellt werden.\nFolgende Empfänger: bad@example.com\nFehler: Postfach unbekannt\n",
    "From: mta@relay.example\nSubject: Returned mail\nAuto-Submitted: auto-replied\n\nbad@example.com: 550 no such user\n",
]


@pytest.mark.parametrize("raw", UNUSUAL)
def test_a_telling_subject_is_read_for_recipients(raw: str) -> None:
    found = bounce_in(raw)
    assert found is not None and [one.address for one in found.recipients] == ["bad@example.com"]


@pytest.mark.parametrize("raw", UNUSUAL)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Subject: ", "Subject: WG: "),
        ("Subject: ", "In-Reply-To: <1@x.example>\nSubject: "),
        ("Subject: ", "User-Agent: Mozilla Thunderbird\nSubject: "),
        ("\n\n", "\n\nHallo zusammen,\nseit gestern kommt das:\n\n"),
        ("\n\n", "\n\nWhat does this mean?\n\n"),
        ("\n\n", "\n\nWir bekommen das bei jeder Mail.\n\n"),
    ],
)
def test_who_asks_about_a_report_is_a_person(raw: str, old: str, new: str) -> None:
    assert bounce_in(raw.replace(old, new, 1)) is None


@pytest.mark.parametrize(
    ("sender", "name"),
    [
        ("MAILER-DAEMON (Mail Delivery System)", "Mail Delivery System"),
        ("Mail Delivery Subsystem <MAILER-DAEMON>", "Mail Delivery Subsystem"),
        ('"" <MAILER-DAEMON>', "MAILER-DAEMON"),
        ("MAILER-DAEMON", "MAILER-DAEMON"),
    ],
)
def test_a_mail_server_without_a_host(sender: str, name: str) -> None:
    raw = f"From: {sender}\nSubject: Undelivered mail\n\n<bad@example.com>: 550 no such user\n"
    assert verdict(raw) == ("bounce", "bounce")
    assert verdict(raw.replace("Undelivered mail", "Notice").replace("550 no such user", "x")) == (
        "quiet",
        "mailer_daemon",
    )
    assert parse(raw.encode()).sender.name == name


@pytest.mark.parametrize(
    "words",
    [
        "has been postponed because the mailbox is full. The server will continue to try.",
        "is late. Additional attempts to deliver your message will be made.",
    ],
)
def test_a_delay_in_other_words(words: str) -> None:
    raw = f"From: postmaster@mx.example.org\nSubject: Warning: your mail is delayed\n\nYour mail to\nbad@example.com\n{words}\n"
    assert verdict(raw) == ("bounce", "delayed")


def receipt(disposition: str, text: str, subject: str, extra: str = "") -> str:
    return (
        f"Return-Path: <>\nFrom: max@mx.example.org\nTo: desk@desk.example\nSubject: {subject}\n{extra}"
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n"
        f"--b\nContent-Type: text/plain\n\n{text}\n--b\nContent-Type: message/disposition-notification\n\n"
        f"Final-Recipient: rfc822; max@mx.example.org\nOriginal-Message-ID: {OURS}\nDisposition: {disposition}\n--b--\n"
    )


def test_a_refusal_written_as_a_receipt_is_a_bounce() -> None:
    text = "Your message to <max@mx.example.org> was automatically rejected:\nNein danke."
    found = bounce_in(
        receipt("automatic-action/MDN-sent-automatically; deleted", text, "Rejected: AW: Rechnung")
    )
    assert found is not None and found.returned_message_id == OURS and found.is_final
    assert (found.recipients[0].address, found.recipients[0].words) == ("max@mx.example.org", "Nein danke.")


@pytest.mark.parametrize(
    ("disposition", "text", "subject"),
    [
        ("manual-action/MDN-sent-manually; displayed", "It was read.", "Read: Rechnung"),
        (
            "automatic-action/MDN-sent-automatically; deleted",
            "Ihre Nachricht wurde ungelesen gelöscht.",
            "Ungelesen: Rechnung",
        ),
        ("manual-action/MDN-sent-manually; deleted", "Your message was rejected by me.", "Rejected"),
    ],
)
def test_other_receipts_stay_receipts(disposition: str, text: str, subject: str) -> None:
    assert verdict(receipt(disposition, text, subject)) == ("quiet", "disposition")


def test_a_receipt_names_the_mail_that_it_is_about() -> None:
    key = b"k" * 32
    ours = sign_message_id(key, 7, new_token(lambda count: b"x" * count), "desk.example")
    raw = receipt("manual-action/MDN-sent-manually; displayed", "It was read.", "Read").replace(OURS, ours)
    clues = find_clues(parse(raw.encode()), key, ())
    assert [(clue.kind, clue.ticket) for clue in clues] == [(ClueKind.SIGNED_ID, 7)]


def notification(kind: str, **told: object) -> str:
    body = json.dumps({"notificationType": kind, **told}, indent=1)
    return f"From: AWS Notifications <no-reply@sns.amazonaws.com>\nSubject: AWS Notification Message\n\n{body}\n\n--\nIf you wish to stop receiving\n"


def test_amazon_tells_of_bounces_in_json() -> None:
    bounced = {
        "bounceType": "Permanent",
        "bouncedRecipients": [
            {
                "emailAddress": "bad@example.com",
                "status": "5.1.1",
                "diagnosticCode": "smtp; 550 5.1.1 unknown",
            }
        ],
    }
    sent = {"messageId": "0100", "headers": [{"name": "Message-ID", "value": OURS}]}
    found = bounce_in(notification("Bounce", bounce=bounced, mail=sent))
    assert found is not None and found.returned_message_id == OURS
    assert (found.recipients[0].address, found.recipients[0].status) == ("bad@example.com", "5.1.1")
    waits = bounce_in(notification("Bounce", bounce=bounced | {"bounceType": "Transient"}, mail=sent))
    assert waits is not None and not waits.is_final


@pytest.mark.parametrize("odd", ["\ud800", "\udfff", "\x00", "\x1b", "\x7f", "\n", "\u2028"])
def test_json_spells_no_character_that_a_header_could_not_have(odd: str) -> None:
    one = {
        "emailAddress": f"bad@{odd}example.com",
        "status": f"5.1.1{odd}",
        "diagnosticCode": f"550 {odd} 5.1.1 unknown",
    }
    sent = {"headers": [{"name": f"Message-ID{odd}", "value": f"{OURS}{odd}"}]}
    told = {"bounceType": f"Permanent{odd}", "bouncedRecipients": [one]}
    found = bounce_in(notification("Bounce", bounce=told, mail=sent))
    assert found is not None and found.is_final and found.returned_message_id == OURS
    for value in (found.recipients[0].address, found.recipients[0].status, found.recipients[0].words):
        assert value.encode() and odd not in value
    assert found.recipients[0].status == "5.1.1"


@pytest.mark.parametrize(
    "raw",
    [
        notification("Delivery", delivery={}),
        notification("Bounce", bounce={"bouncedRecipients": 1}),
        notification(
            "Bounce", bounce={"bounceType": "Permanent", "bouncedRecipients": []}, mail=None
        ).replace("{", "[", 1),
        notification(
            "Bounce",
            bounce={"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": "bad@example.com"}]},
        ).replace("no-reply@sns.amazonaws.com", "bob@x.example"),
    ],
)
def test_other_json_is_no_bounce(raw: str) -> None:
    assert bounce_in(raw) is None


def test_a_complaint_without_its_type_is_a_machine() -> None:
    inner = "From: desk@desk.example\nX-HmXmrOriginalRecipient: max@outlook.example\n\nHello"
    raw = (
        "From: staff@hotmail.example\nSubject: complaint about message from 192.0.2.1\nContent-Type: multipart/mixed; boundary=b\n\n"
        f"--b\nContent-Type: message/rfc822\n\n{inner}\n--b--\n"
    )
    assert verdict(raw) == ("quiet", "other_report")
    assert verdict("From: a@x.example\nSubject: complaint about message from 192.0.2.1\n\nx") == (
        "file",
        "person",
    )


@pytest.mark.parametrize("subject", ["away from my mail", "Away from my desk: until Monday"])
def test_debians_vacation(subject: str) -> None:
    assert verdict(f"From: bert@x.example\nSubject: {subject}\n\nBin im Urlaub.") == (
        "quiet",
        "out_of_office_subject",
    )


def test_an_address_that_explains_is_no_recipient() -> None:
    raw = (
        "From: mailer-daemon@mx.example.org\nSubject: Mail delivery failed\n\nbad@example.com\nThis user is unknown.\n"
        "Please contact help@mx.example.org if the error goes on.\n"
    )
    found = bounce_in(raw)
    assert found is not None and [one.address for one in found.recipients] == ["bad@example.com"]


def test_words_of_explanation_behind_a_recipient_leave_it_one() -> None:
    raw = (
        "From: mailer-daemon@mx.example.org\nSubject: Delivery status notification: error\n\n"
        "bad@example.com: 550 5.1.1 https://support.example.com/answer?id=1 or please contact help@example.com\n"
    )
    found = bounce_in(raw)
    assert found is not None and [one.address for one in found.recipients] == ["bad@example.com"]
