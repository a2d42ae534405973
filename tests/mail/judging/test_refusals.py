"""Refusals as servers write them, and what they mean."""

from __future__ import annotations

import pytest

from mail.judging.refusals import reason_of

REFUSALS = [
    ("550 5.1.1 <carol@customer.example>: Recipient address rejected: User unknown in virtual mailbox table", "unknown_recipient"),
    ("550-5.1.1 The email account that you tried to reach does not exist. Please try double-checking", "unknown_recipient"),
    ("550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)", "unknown_recipient"),
    ("550 Requested action not taken: mailbox unavailable", "unknown_recipient"),
    ("550 No such user here", "unknown_recipient"),
    ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", "unknown_recipient"),
    ("511 Empfänger unbekannt", "unknown_recipient"),
    ("5.2.1 The email account that you tried to reach is disabled.", "mailbox_disabled"),
    ("550 account suspended", "mailbox_disabled"),
    ("452-4.2.2 The recipient's inbox is out of storage space", "mailbox_full"),
    ("552 5.2.2 Quota exceeded (mailbox for user is full)", "mailbox_full"),
    ("550 mailbox full", "mailbox_full"),
    ("552 5.3.4 Message size exceeds fixed limit", "too_large"),
    ("552 Message too large", "too_large"),
    ("550 5.7.26 Unauthenticated email from acme.example is not accepted due to domain's DMARC policy", "sender_not_proven"),
    ("550 SPF check failed", "sender_not_proven"),
    ("554 5.7.1 Service unavailable; client host [192.0.2.1] blocked using zen.spamhaus.org", "content_refused"),
    ("554 5.7.1 This message was classified as SPAM", "content_refused"),
    ("552-5.7.0 This message was blocked because its content presents a potential security issue", "content_refused"),
    ("554 5.7.1 Relay access denied", "unknown_domain"),
    ("550 5.1.2 Host unknown", "unknown_domain"),
    ("556 5.1.10 Recipient address has a null MX", "unknown_domain"),
    ("451 4.7.1 Greylisted, please try again in 300 seconds", "greylisted"),
    ("450 4.2.0 <carol@customer.example>: Recipient address rejected: Greylisted", "greylisted"),
    ("554 transaction failed", "recipients_refused"),
    ("", "recipients_refused"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "reason"), REFUSALS)
def test_what_a_refusal_means(words: str, reason: str) -> None:
    assert reason_of(words, "recipients_refused") == reason


def test_the_status_of_a_report_goes_first() -> None:
    assert reason_of("smtp; 550 the user wants no spam", "bounced", status="5.2.2") == "mailbox_full"
    assert reason_of("", "bounced", status="5.0.0") == "bounced"


def test_numbers_in_addresses_are_no_status() -> None:
    assert reason_of("550 from 192.5.1.1 rejected", "recipients_refused") == "recipients_refused"


def test_a_flood_of_words_takes_no_time() -> None:
    assert reason_of("user " * 100_000, "recipients_refused") == "recipients_refused"
