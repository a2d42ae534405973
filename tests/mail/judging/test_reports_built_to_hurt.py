"""Reports whose lines are many, empty or long: the library goes through them again and again."""

from __future__ import annotations

import time

import pytest

from mail.judging.bounces import read_bounce
from mail.reading.parse import parse

OCTETS = 250_000
TRIGGERS = (
    "- no such user here\nthis is the email server at\nfailed addresses follow:\n"
    "Sorry, unable to deliver your message to\nInvalid final delivery userid:\n"
)


def report(body: str) -> bytes:
    return f"From: MAILER-DAEMON@x.example\nSubject: Undelivered Mail Returned to Sender\n\n{body}".encode()


@pytest.mark.parametrize("above", ["", TRIGGERS])
@pytest.mark.parametrize(
    "unit", ["\n", " \n", "\r\n", "\r", "\t\r\n", "a\n", "\n\n\na\n", " " * OCTETS, "a" * 998 + "\n", "a@"]
)
def test_it_is_read_within_a_second(above: str, unit: str) -> None:
    raw = report(above + unit * (OCTETS // len(unit)))
    mail = parse(raw)
    before = time.process_time()
    read_bounce(raw, mail)
    assert time.process_time() - before < 1


def test_what_empty_lines_stand_around_is_found() -> None:
    blank = "\n" * 5_000
    raw = report(
        f"{blank}Failed addresses follow:\n \n\t\n{blank}lost@y.example\n{blank}Message text follows:\n"
    )
    found = read_bounce(raw, parse(raw))
    assert found is not None and [one.address for one in found.recipients] == ["lost@y.example"]
