"""Reports of many servers in tests/mails/bounce-*, and mails that only look like one."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from mail.judging.bounces import read_bounce
from mail.reading.parse import parse

MAILS = sorted(
    path
    for kind in ("bounce", "machine", "reply")
    for path in (Path(__file__).parents[2] / "mails").glob(f"{kind}-*.eml")
)


@pytest.mark.parametrize("path", MAILS, ids=lambda path: path.stem)
def test_what_the_report_says(path: Path) -> None:
    raw = path.read_bytes()
    expected = json.loads(path.with_suffix(".json").read_text())["bounce"]
    for octets in (raw, raw.replace(b"\n", b"\r\n")):
        bounce = read_bounce(octets, parse(octets))
        assert (json.loads(json.dumps(asdict(bounce))) if bounce else None) == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"From: mailer-daemon@x\nContent-Type: message/delivery-status\n\n\xff\x00: ;;;",
        b"From: mailer-daemon@x\n" + b"Content-Type: multipart/mixed; boundary=a\n\n--a\n" * 2000,
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n"
        b"Content-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n%%%\n--b--",
        b"From: x@y\nX-Failed-Recipients: " + b"a" * 200_000 + b"\n\n" + b"\n" * 900_000,
        b"From: mailer-daemon@x\nSubject: failure\n\n" + b"a." * 100_000 + b"@" + b"error " * 50_000,
    ],
    ids=["empty", "odd-bytes", "deep", "wrong-base64", "long-header", "long-line"],
)
@pytest.mark.timeout(10)
def test_odd_octets_are_no_report_and_no_error(raw: bytes) -> None:
    assert read_bounce(raw, parse(raw)) is None
