"""Suspicious mail is read in a child process with hard limits; ordinary mail never starts one."""

from __future__ import annotations

import os
import pickle
import subprocess
from pathlib import Path

import pytest

from mail import safe_reading
from mail.judging.bounces import read_bounce
from mail.reading.parse import parse, skeleton_of
from mail.safe_reading import is_suspicious, read
from tests.mail.reading.test_parse_hostile import HOSTILE

MAILS = sorted((Path(__file__).parents[1] / "mails").glob("*.eml"))
BOMB = (
    b"From: Mallory <mallory@evil.example>\nSubject: Bombe\nX-A: "
    + b"y" * 300_000
    + b"\n"
    + b"\nhi" * 2_000_000
)
IN_THE_CHILD = ["2,000 parts inside each other", "brackets without end", "words that never end"]


@pytest.mark.parametrize("path", MAILS, ids=lambda path: path.stem)
def test_ordinary_mail_is_read_right_here(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_child(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "run", no_child)
    raw = path.read_bytes()
    mail = parse(raw)
    assert read(raw) == safe_reading.Reading(mail, read_bounce(raw, mail))


def test_what_mail_programs_make_is_not_suspicious() -> None:
    people = b", ".join(b"Person %d <person%d@kunde.example>" % (i, i) for i in range(500))
    arc = b"".join(b"ARC-Seal: i=%d; " % i + b"x" * 900 + b"\n" for i in range(30))
    files = b"".join(b"--b\nContent-Type: image/png\n\n" + b"x" * 1000 + b"\n" for _ in range(60))
    mixed = b"Content-Type: multipart/mixed; boundary=b\n\n"
    for raw in (
        b"To: " + people + b"\n\nx",
        arc + b"\nx",
        mixed + files + b"--b--\n",
        b"a: b\n\n" + b"x\n" * 1_000_000,
    ):
        tree = skeleton_of(raw)
        assert tree is not None and not is_suspicious(tree)


@pytest.mark.parametrize("name", IN_THE_CHILD)
def test_the_child_reads_as_we_do(name: str) -> None:
    raw, _ = HOSTILE[name]
    tree = skeleton_of(raw)
    assert tree is not None and is_suspicious(tree)
    mail = parse(raw)
    assert read(raw) == safe_reading.Reading(mail, read_bounce(raw, mail))


@pytest.mark.parametrize(
    ("limit", "value"),
    [("MEMORY", 32 * 1024 * 1024), ("CPU", 0), ("PATIENCE", 0.001)],
    ids=["memory", "time", "patience"],
)
def test_what_kills_the_child_is_a_mail_with_the_original_attached(
    limit: str, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safe_reading, limit, value)
    monkeypatch.setattr(safe_reading, "MEMORY_PER_OCTET", 0)
    found = read(BOMB)
    assert found.bounce is None and found.mail.defects == ("unreadable",)
    assert (found.mail.subject, found.mail.sender.address) == ("Bombe", "mallory@evil.example")
    assert [(part.name, part.data) for part in found.mail.attachments] == [("original.eml", BOMB)]


def test_no_settings_go_to_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def note(arguments: list[str], **options: object) -> None:
        seen.update(options)
        raise OSError("no process")

    monkeypatch.setenv("POSTSTELLE_SECRET", "secret")
    monkeypatch.setattr(subprocess, "run", note)
    assert read(BOMB).mail.defects == ("unreadable",)
    assert seen["env"] == {"LANG": "C.UTF-8"}


def test_only_values_are_taken_from_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    class Evil:
        def __reduce__(self) -> object:
            return os.putenv, ("A", "b")

    done = subprocess.CompletedProcess([], 0, pickle.dumps(Evil()), b"")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    assert read(BOMB).mail.defects == ("unreadable",)
