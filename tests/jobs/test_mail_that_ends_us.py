"""A mail whose reading allocates, spins or dies: it is shown with its original, and all other mail goes its way.

What hurts is a fail point of ours, never the mail: these mails are harmless everywhere.
"""

from __future__ import annotations

import re
import smtplib
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mail.safe_reading import FAIL_POINTS, SUSPICIOUS_HEADER
from tests.servers.memory_limit import memory_limit
from tests.servers.serving import Serving, until

MB = 1024
MOST = 512 * MB  # KB that our process and its children may take at the peak, all together
pytestmark = [pytest.mark.timeout(240), pytest.mark.one_database]


def made_mail(number: int, header: str = "") -> bytes:
    head = f"From: carol{number}@customer.example\nSubject: no {number}\nMessage-ID: <{number}@customer.example>\n"
    return f"{head}{header}\nHello\n".replace("\n", "\r\n").encode()


# It is read in the child, since no mail program writes such a header.
LARGE = made_mail(0, "X-Long: " + "\n ".join(["a" * 900] * (SUSPICIOUS_HEADER // 900 + 1)) + "\n")


def deliver(serving: Serving, address: str, *mails: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", serving.smtp_port, timeout=60) as server:
        for mail in mails:
            server.sendmail("carol@customer.example", [address], mail)


def subjects(serving: Serving) -> dict[str, str]:
    """What became a ticket, and why its first mail stands there."""
    rows = serving.sql("SELECT subject, why FROM message WHERE kind = 'inbound'")
    return {row["subject"]: row["why"] for row in rows}


def peaks(process: int, seen: dict[int, int]) -> None:
    """The VmHWM of a process and of its children, in KB, as far as they live now."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            said = status.read_text()
        except OSError:
            continue
        number, parent = int(status.parent.name), int(found(r"PPid:\s+(\d+)", said))
        if process in (number, parent):
            seen[number] = max(seen.get(number, 0), int(found(r"VmHWM:\s+(\d+)", said)))


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1] if match else "0"


@pytest.mark.parametrize("point", FAIL_POINTS)
def test_what_ends_its_reader_is_visible_and_stops_nobody(
    make_serving: Callable[..., Serving], point: str
) -> None:
    serving = make_serving(POSTSTELLE_FAIL_POINT=point)
    address = serving.create_account()
    serving.start()
    assert serving._process is not None
    process, seen = serving._process.pid, dict[int, int]()
    deliver(serving, address, LARGE)
    began = time.monotonic()
    deliver(serving, address, made_mail(1))
    quick = None
    while "no 0" not in (told := subjects(serving)):
        peaks(process, seen)
        assert time.monotonic() - began < 10, "it is not visible"
        if quick is None and "no 1" in told:
            quick = time.monotonic()
        time.sleep(0.02)
    slow = time.monotonic()
    assert told["no 0"] == "new"
    (ticket,) = [ticket for ticket in serving.tickets() if ticket["subject"] == "no 0"]
    (message,) = ticket["messages"]
    assert [file["name"] for file in message["attachments"]] == ["original.eml"]
    if point == "child_spins":
        assert quick is not None and quick < slow, "a mail that takes long is overtaken"
    deliver(serving, address, *(made_mail(number) for number in range(2, 102)))
    until(lambda: len(subjects(serving)) == 102, patience=60)
    peaks(process, seen)
    assert serving.running
    assert sum(sorted(seen.values())[-2:]) <= MOST, seen


@pytest.mark.parametrize("octets", [512 * 2**20, 256 * 2**20])
def test_a_limited_container_lives(make_serving: Callable[..., Serving], octets: int) -> None:
    """The child takes all that it gets. If the container has less, the kernel ends the child, not the server."""
    with memory_limit(octets) as limit:
        serving = make_serving(POSTSTELLE_FAIL_POINT="child_allocates")
        address = serving.create_account()
        serving.launcher = limit.launcher
        serving.start()
        deliver(serving, address, LARGE)
        until(lambda: subjects(serving) == {"no 0": "new"}, patience=10)
        deliver(serving, address, *(made_mail(number) for number in range(1, 101)))
        until(lambda: len(subjects(serving)) == 101, patience=60)
        assert serving.running
        if octets == 256 * 2**20:
            assert limit.ended, "it is the case that was meant: the child's own limit was not met before"
        serving.stop()


def test_after_three_ends_the_fourth_start_serves(make_serving: Callable[..., Serving]) -> None:
    """Should our own process end with the mail: the mail is shown unread, with sender, subject and original."""
    serving = make_serving()
    address = serving.create_account()
    for _ in range(3):
        serving.start(POSTSTELLE_FAIL_POINT="reading")
        if not serving.sql("SELECT id FROM inbound_mail"):
            deliver(serving, address, made_mail(7))
        assert serving.wait() == -9
    serving.start(POSTSTELLE_FAIL_POINT="reading")
    until(lambda: subjects(serving) == {"no 7": "unreadable"}, patience=10)
    (ticket,) = serving.tickets()
    (message,) = ticket["messages"]
    assert [file["name"] for file in message["attachments"]] == ["original.eml"]
    assert message["from"]["email"] == "carol7@customer.example"
    assert serving.running
    serving.stop()
    serving.start()
    deliver(serving, address, *(made_mail(number) for number in range(100, 200)))
    until(lambda: len(subjects(serving)) == 101, patience=60)


def test_the_others_of_its_batch_are_not_taken_for_it(make_serving: Callable[..., Serving]) -> None:
    """They began together, and are read as soon as it is no longer in their way."""
    serving = make_serving()
    address = serving.create_account()
    serving.start(POSTSTELLE_FAIL_POINT="stored")  # nothing is read: it dies before
    serving.kill()
    for number in range(5):
        serving.flask(
            "mail",
            "receive",
            "--rcpt",
            address,
            stdin=made_mail(number),
            POSTSTELLE_FAIL_POINT="received",
            code=None,
        )
    assert len(serving.sql("SELECT id FROM inbound_mail")) == 5
    for _ in range(3):
        serving.start(POSTSTELLE_FAIL_POINT="reading")
        assert serving.wait() == -9
    assert sorted(row["attempts"] for row in serving.sql("SELECT attempts FROM inbound_mail")) == [
        1,
        1,
        1,
        1,
        3,
    ]
    serving.start()
    until(lambda: len(subjects(serving)) == 5)
    assert sorted(subjects(serving).values()) == ["new"] * 4 + ["unreadable"]
