"""Every mail tests/mails/read-* is a trap that a real mail program laid; its neighbour says what a person should see."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from mail.reading import parse as parsing
from mail.reading.parse import parse
from mail.types import Address, Invitation, Mail

MAILS = sorted((Path(__file__).parents[2] / "mails").glob("read-*.eml"))


@pytest.mark.parametrize("path", MAILS, ids=lambda path: path.stem.removeprefix("read-"))
def test_mail_is_read_as_a_person_would(path: Path) -> None:
    expected = {**_standard(path), **json.loads(path.with_suffix(".json").read_text())}
    assert _seen(parse(path.read_bytes())) == expected


@pytest.mark.parametrize("path", MAILS, ids=lambda path: path.stem.removeprefix("read-"))
def test_line_ends_of_the_wire_change_nothing(path: Path) -> None:
    raw = path.read_bytes()
    ours, theirs = parse(raw), parse(raw.replace(b"\n", b"\r\n"))
    assert _without_bytes(theirs) == _without_bytes(ours)


@pytest.mark.parametrize("path", MAILS, ids=lambda path: path.stem.removeprefix("read-"))
def test_half_a_mail_is_read_too(path: Path) -> None:
    raw = path.read_bytes()
    for end in range(0, len(raw), 7):
        mail = parse(raw[:end])
        assert "unreadable" not in mail.defects


def test_carriage_returns_alone_end_lines() -> None:
    mail = parse(b"From: carol@kunde.example\rSubject: Frage\r\rZeile 1\rZeile 2\r")
    assert (mail.subject, mail.text) == ("Frage", "Zeile 1\nZeile 2")


def test_headers_are_all_there_in_order_and_decoded() -> None:
    mail = parse(b"Received: by b\nX-Note: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\nReceived: by a\n\nx")
    assert mail.headers == (("received", "by b"), ("x-note", "Grüße"), ("received", "by a"))
    assert (mail.header("X-Note"), mail.all("Received")) == ("Grüße", ("by b", "by a"))


def test_a_bug_of_ours_still_gives_a_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Mail:
        raise IndexError

    monkeypatch.setattr(parsing, "_read", broken)
    mail = parse("Subject: Frage\n\nGrüße\x00".encode())
    assert mail.defects == ("unreadable",)
    assert "Grüße" in mail.text and "\x00" not in mail.text


def test_a_very_long_text_is_cut_but_attached_whole() -> None:
    body = b"zeile\n" * 200_000
    mail = parse(b"Subject: Log\n\n" + body)
    assert mail.defects == ("text_cut",)
    assert len(mail.text) <= parsing.MAX_TEXT
    assert [part.data for part in mail.attachments] == [body]


def _standard(path: Path) -> dict[str, Any]:
    """Most traps stand in an otherwise plain mail of Carol's; its neighbour names only the difference."""
    lists = ("to", "cc", "reply_to", "in_reply_to", "references", "attachments", "defects")
    seen: dict[str, Any] = {key: [] for key in lists}
    seen |= {"subject": "", "sender": ["", ""], "message_id": "", "date": None, "html": ""}
    if b"<1@kunde.example>" in path.read_bytes():
        seen |= {
            "subject": "Frage",
            "sender": ["Carol", "carol@kunde.example"],
            "message_id": "<1@kunde.example>",
        }
        seen |= {"to": [["", "support@firma.example"]], "date": "2026-11-23T09:00:00+00:00"}
    return seen


def _seen(mail: Mail) -> dict[str, Any]:
    def pairs(people: tuple[Address, ...]) -> list[list[str]]:
        return [[one.name, one.address] for one in people]

    return {
        "subject": mail.subject,
        "sender": [mail.sender.name, mail.sender.address],
        "to": pairs(mail.to),
        "cc": pairs(mail.cc),
        "reply_to": pairs(mail.reply_to),
        "message_id": mail.message_id,
        "in_reply_to": list(mail.in_reply_to),
        "references": list(mail.references),
        "date": mail.date.isoformat() if mail.date else None,
        "text": mail.text,
        "html": mail.html,
        "attachments": [
            {
                "name": part.name,
                "type": part.type,
                "sha256": hashlib.sha256(part.data).hexdigest()[:16],
                "size": len(part.data),
                **({"content_id": part.content_id} if part.content_id else {}),
                **({"inline": True} if part.inline else {}),
            }
            for part in mail.attachments
        ],
        "defects": list(mail.defects),
        **({"seals": [seal.value for seal in mail.seals]} if mail.seals else {}),
        **({"invitation": _invited(mail.invitation)} if mail.invitation else {}),
    }


def _invited(invitation: Invitation) -> dict[str, Any]:
    return {
        "method": invitation.method,
        "summary": invitation.summary,
        "start": invitation.start.isoformat() if invitation.start else None,
        "end": invitation.end.isoformat() if invitation.end else None,
        "location": invitation.location,
        "organizer": [invitation.organizer.name, invitation.organizer.address],
        "attendees": [[one.address.name, one.address.address, one.answer] for one in invitation.attendees],
    }


def _without_bytes(mail: Mail) -> dict[str, Any]:
    """Parts that are not base64 keep the line ends they came with, so only their names are compared."""
    seen = _seen(mail)
    seen["attachments"] = [(part["name"], part["type"]) for part in seen["attachments"]]
    return seen
