"""A provider's question whether it may forward: its link and its code, and what is no such question."""

from __future__ import annotations

import pytest

from mail.judging.forward_requests import read_forward_check
from mail.judging.rules import judge
from mail.types import Action, Address, Facts, ForwardCheck, Mail

GMAIL = """alice.muster@gmail.com has requested to automatically forward mail to your email address
support@firma.example.
Confirmation code: 123456789

To allow alice.muster@gmail.com to automatically forward mail to your address, please click the link below to
confirm the request:

https://mail-settings.google.com/mail/vf-%5BANGjdJ8abc%5D-xyz

If you do not approve of this request, no further action is required. If you accidentally clicked the link,
click this link to cancel this verification:

https://mail-settings.google.com/mail/uf-%5BANGjdJ8abc%5D-xyz

To learn more, please visit: http://support.google.com/mail/bin/answer.py?answer=184973
"""


def mail(sender: str, subject: str, text: str, html: str = "") -> Mail:
    return Mail(
        subject=subject,
        sender=Address("", sender),
        to=(Address("", "support@firma.example"),),
        text=text,
        html=html,
    )


CHECKS = [
    (
        mail(
            "forwarding-noreply@google.com",
            "(#123456789) Gmail Forwarding Confirmation - Receive Mail from alice.muster@gmail.com",
            GMAIL,
        ),
        ForwardCheck(
            "Gmail", "https://mail-settings.google.com/mail/vf-%5BANGjdJ8abc%5D-xyz", "123456789", "alice.muster@gmail.com"
        ),
    ),
    (
        mail(
            "forwarding-noreply@google.com",
            "(#987654321) Gmail-Weiterleitungsbestätigung – E-Mails von alice.muster@gmail.com empfangen",
            "Bestätigungscode: 987654321\nKlicken Sie auf den Link, um zu bestätigen:\n"
            "https://mail.google.com/mail/vf-abc",
        ),
        ForwardCheck("Gmail", "https://mail.google.com/mail/vf-abc", "987654321", "alice.muster@gmail.com"),
    ),
    (
        mail(
            "noreply@gmx.net",
            "Bitte bestätigen Sie Ihre Weiterleitung",
            "Für alice@gmx.at wurde eine Weiterleitung an support@firma.example eingerichtet.",
            '<a href="https://www.gmx.net/hilfe">Hilfe</a> <a href="https://link.gmx.net/bestaetigen?t=1&amp;u=2">Bestätigen</a>',
        ),
        ForwardCheck("GMX", "https://link.gmx.net/bestaetigen?t=1&u=2", "", "alice@gmx.at"),
    ),
    (
        mail(
            "noreply@ionos.de",
            "Weiterleitung bestätigen",
            "Bestätigen Sie die Weiterleitung von info@muster.example: https://mail.ionos.de/fwd/confirm/abc123.",
        ),
        ForwardCheck("IONOS", "https://mail.ionos.de/fwd/confirm/abc123", "", "info@muster.example"),
    ),
    (
        mail(
            "account-security-noreply@accountprotection.microsoft.com",
            "Verify your forwarding address",
            "Use this security code to verify that mail may be forwarded.\nSecurity code: 4711",
        ),
        ForwardCheck("Microsoft", "", "4711", ""),
    ),
    (
        mail(
            "no-reply@mail.hoster.example",
            "Please confirm the forwarding of info@muster.example",
            "https://panel.hoster.example/verify?token=abc",
        ),
        ForwardCheck("hoster.example", "https://panel.hoster.example/verify?token=abc", "", "info@muster.example"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "expected"), CHECKS, ids=[expected.provider for _, expected in CHECKS])
def test_the_question_of_a_provider(asked: Mail, expected: ForwardCheck) -> None:
    assert read_forward_check(asked) == expected
    verdict = judge(asked, Facts(), None)
    assert (verdict.action, verdict.reason) == (Action.QUIET, "forward_check")


@pytest.mark.parametrize(
    "other",
    [
        mail("carol@gmx.net", "Weiterleitung bestätigen", "Wie geht das? Code: 123456"),
        mail("info@kunde.example", "Weiterleitung meiner Bestellung", "Bitte bestätigen. Code: 123456"),
        mail("no-reply@shop.example", "Bestellung bestätigt", "Ihr Code: 123456"),
        mail("forwarding-noreply@google.com", "(#1) Gmail Forwarding Confirmation", "Nothing to click."),
        mail(
            "forwarding-noreply@google.com",
            "Gmail Forwarding Confirmation",
            "https://evil.example/mail/vf-1 https://mail.google.com@evil.example/vf-2 https://notgoogle.com/vf-3",
        ),
    ],
)
def test_no_question_or_no_link_of_the_provider(other: Mail) -> None:
    assert read_forward_check(other) is None
