"""One mail to two channels by the doors that operators use: SMTP with both recipients, SMTP twice, and the pipe."""

from __future__ import annotations

import json
import smtplib
from collections.abc import Callable

import pytest

from tests.servers.serving import Serving, until

pytestmark = pytest.mark.timeout(120)

SUPPORT, SALES = "support-acme@poststelle.example", "vertrieb@poststelle.example"
RAW = (
    f"From: Nora Neu <nora@neu.example>\r\nTo: {SUPPORT}\r\nCc: {SALES}\r\nSubject: An beide\r\n"
    "Date: Mon, 23 Nov 2026 09:15:00 +0100\r\nMessage-ID: <two@neu.example>\r\nMIME-Version: 1.0\r\n"
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nFür euch beide.\r\n"
)


def by_smtp(serving: Serving, *recipients: str) -> None:
    with smtplib.SMTP("127.0.0.1", serving.smtp_port, local_hostname="mx.neu.example") as smtp:
        smtp.sendmail("nora@neu.example", recipients, RAW.encode(), ["BODY=8BITMIME"])


def both_at_once(serving: Serving) -> None:
    by_smtp(serving, SUPPORT, SALES)


def one_after_the_other(serving: Serving) -> None:
    by_smtp(serving, SUPPORT)
    by_smtp(serving, SALES)


def by_the_pipe(serving: Serving) -> None:
    serving.flask("mail", "receive", "--rcpt", SUPPORT, "--sender", "nora@neu.example", stdin=RAW.encode())
    line = "Received: from mx.neu.example by mx2.acme.example; Mon, 23 Nov 2026 15:15:00 +0100\n"
    serving.flask(
        "mail", "receive", "--rcpt", SALES, "--sender", "nora@neu.example", stdin=(line + RAW).encode()
    )


@pytest.mark.parametrize("way", [both_at_once, one_after_the_other, by_the_pipe])
def test_two_tickets_that_name_each_other_and_one_acknowledgement(
    make_serving: Callable[..., Serving], way: Callable[[Serving], None]
) -> None:
    serving = make_serving()
    assert serving.create_account() == SUPPORT
    serving.flask("channel", "create", "--id", "Vertrieb", "--address", "vertrieb", "--provider", "standard")
    serving.start()
    way(serving)
    until(lambda: len(serving.tickets()) == 2)
    one, other = serving.tickets()
    assert {one["channel"], other["channel"]} == {"Support", "Vertrieb"}
    assert [message["also_in"] for message in one["messages"]] == [[other["number"]]]
    assert [message["also_in"] for message in other["messages"]] == [[one["number"]]]
    confirmed = serving.sql("SELECT id FROM outbound_mail WHERE purpose = 'confirmation'")
    assert len(confirmed) == 1
    ledger = [
        json.loads(line) for line in serving.flask("export", "ledger", "--format", "jsonl").splitlines()
    ]
    assert [line["verdict"] for line in ledger] == ["new_ticket", "new_ticket"]
