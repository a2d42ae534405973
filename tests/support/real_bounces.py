"""Bounces of real servers, told as if they spoke of replies that our desk really sent; part of `make realmail`.

What a report says is read here with the standard library and a few plain rules, apart from the reader that is
tried. Each gets the Message-ID of a reply to the same people and to one more, who must keep it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message as Parsed
from email.utils import getaddresses
from pathlib import Path
from typing import Any

from flask import current_app

from cli.mail import mail_cli
from desk.sending import outbox, replies, return_addresses
from desk.tickets import tickets
from desk.tickets.contacts import contact_for
from mail.domains import mailbox_key
from mail.reading.addresses import valid_address
from mail.types import Address
from models import Agent, Channel, InboundMail, OutboundMail, db
from tests.servers.smtp_sink import SmtpSink

BESIDE = "beside@customer.example"  # gets every reply too, and no report speaks of him
_MESSAGE_ID = re.compile(rb"^[>| \t]*(?:x-)?message-id:\s*(<[^<>\s]+>)", re.I | re.M)
_ADDRESS = re.compile(r"[\w.+=#/-]+@[\w.-]+\.[a-z]{2,}", re.I)
_COPY = re.compile(r"(?im)^[>| \t]*(received:|return-path:|message-id:|x-[\w-]+:)")
_RETURNED = ("message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers")


@dataclass(frozen=True, slots=True)
class Told:
    """What a report says: of which mail, who failed for good, and whose mail is only late."""

    message_id: bytes
    failed: tuple[str, ...]
    late: tuple[str, ...]


@contextmanager
def relay() -> Iterator[SmtpSink]:
    """A server that takes our replies."""
    sink = SmtpSink()
    sink.start()
    try:
        yield sink
    finally:
        sink.stop()


def told_by(raw: bytes) -> Told | None:
    """None: no header came back, or nobody is named; such a report can be tied to nothing."""
    report = message_from_bytes(raw)
    returned = _returned_id(report, raw)
    if returned is None:
        return None
    failed, late = _by_fields(report)
    if not failed and not late:
        header = report.get("X-Failed-Recipients", "")
        failed = _ADDRESS.findall(str(header)) or _in_words(report, raw)
    failed = [address for address in failed if valid_address(address)]
    return Told(returned, _once(failed), _once(late)) if failed or late else None


def send_and_bounce(path: Path, told: Told, score: Any) -> None:
    """A reply leaves, the report comes back by the receiver, and the outbox is looked at.

    It left for each reader by a return address of their own, so whoever reports writes to those.
    """
    raw, name = path.read_bytes(), f"{path.parent.name}/{path.name}"
    sent = _send((*told.failed, *told.late, BESIDE))
    header, body = _cut(raw)
    back = header + body.replace(told.message_id, sent.message_id.encode())
    ticket_id, sent_id = sent.ticket_id, sent.id
    reported = {mailbox_key(one) for one in (*told.failed, *told.late)}
    ways = [
        way.sender
        for way in return_addresses.envelopes(sent, sent.recipients)
        if mailbox_key(way.recipients[0]) in reported
    ]
    db.session.remove()
    runner = current_app.test_cli_runner()
    for way in ways:
        arguments = ["receive", "--rcpt", way, "--sender", "<>"]
        delivered = b"Delivered-To: " + way.encode() + b"\r\n" + back
        runner.invoke(mail_cli, arguments, input=io.BytesIO(delivered))
    row = db.session.query(InboundMail).order_by(InboundMail.id.desc()).first()
    sent = db.session.get_one(OutboundMail, sent_id, populate_existing=True)
    score.expect("bounces at their message", name, row and row.ticket_id, ticket_id)
    found = {one.address_key: (str(one.state), one.reason == "delayed") for one in sent.recipients}
    keys_failed, keys_late = ({mailbox_key(one) for one in part} for part in (told.failed, told.late))
    expected = {
        key: ("undeliverable", False) if key in keys_failed else ("accepted", key in keys_late)
        for key in found
    }
    score.expect("bounces at their recipient", name, found, expected)
    for key in keys_late - keys_failed:
        if found[key][0] != "accepted":
            score.must_not("delays taken for failures", name, key)
    db.session.rollback()


def _send(recipients: Iterable[str]) -> OutboundMail:
    first, *others = recipients
    channel = db.session.query(Channel).filter_by(is_default=True).one()
    agent = db.session.query(Agent).first()
    assert agent is not None
    ticket = tickets.open_ticket(
        subject="Delivery",
        channel=channel,
        contact=contact_for("", first, lambda: "en"),
        locale="en",
        continues=None,
        maybe=None,
    )
    written = replies.Written(text="It is on its way.", cc=tuple(Address("", one) for one in others))
    mail = replies.send_reply(ticket, agent, written).mail
    outbox.deliver_due(at_once=True)
    db.session.refresh(mail)
    assert mail.state == "done", "our reply has left"
    return mail


# --- what the report says, by plain rules


def _returned_id(report: Parsed, raw: bytes) -> bytes | None:
    """From the part that came back; else the first below the report's own header."""
    for part in report.walk():
        if part.get_content_type() in _RETURNED:
            inner = part.get_payload(0) if part.is_multipart() else None
            text = bytes(inner) if isinstance(inner, Parsed) else (part.get_payload(decode=True) or b"")
            if isinstance(text, bytes) and (found := _MESSAGE_ID.search(text)):
                return found[1]
    found = _MESSAGE_ID.search(_cut(raw)[1])
    return found[1] if found else None


def _cut(raw: bytes) -> tuple[bytes, bytes]:
    """Header with its blank line, and body."""
    end = re.search(rb"\r?\n\r?\n|\r\r", raw)
    return (raw[: end.end()], raw[end.end() :]) if end else (raw, b"")


def _by_fields(report: Parsed) -> tuple[list[str], list[str]]:
    """RFC 3464: who was written to (Original-Recipient goes first), and whether anybody tries further."""
    failed: list[str] = []
    late: list[str] = []
    for part in report.walk():
        if part.get_content_type() not in ("message/delivery-status", "message/global-delivery-status"):
            continue
        blocks = part.get_payload() if part.is_multipart() else []
        for block in blocks if isinstance(blocks, list) else []:
            named = block.get("Original-Recipient") or block.get("Final-Recipient") or ""
            address = _ADDRESS.search(str(named))
            action = str(block.get("Action", "failed")).strip().lower()
            if address:
                kind = {"failed": failed, "delayed": late}.get(action.split()[0] if action else "failed")
                if kind is not None:
                    kind.append(address[0])
    return failed, late


def _in_words(report: Parsed, raw: bytes) -> list[str]:
    """Whom the words of the report name: the reader of the mail that came back if he is, else the first.

    Those who only know the mail that came back name its reader.
    """
    body = _cut(raw)[1].decode("utf-8", "replace")
    words, copy, returned = _COPY.split(body, maxsplit=1) if _COPY.search(body) else (body, "", "")
    ours = {
        address.lower() for _, address in getaddresses([str(report[name] or "") for name in ("From", "To")])
    }
    named = [one for one in _ADDRESS.findall(words) if one.lower() not in ours]
    to = re.search(r"(?im)^[>| \t]*to:\s*(.+)$", copy + returned)
    written = _ADDRESS.findall(to[1]) if to else []
    return [one for one in written if one in named][:1] or named[:1] or written


def _once(addresses: Iterable[str]) -> tuple[str, ...]:
    return tuple({mailbox_key(address): address for address in addresses}.values())
