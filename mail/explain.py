"""What reading and judging make of a mail, as one flat object for support and scripts. Stores nothing."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from typing import Any

from mail.judging.forward_requests import read_forward_check
from mail.judging.rules import as_machine, judge
from mail.judging.ticket_clues import find_clues
from mail.providers.server_marks import unwrapped
from mail.reading.part_count import count_leaves
from mail.safe_reading import Reading, read
from mail.showing.clean import finish, fold_text, is_forward
from mail.types import Address, Bounce, Clue, Facts, Invitation, Mail, Part, Verdict


def explain(
    raw: bytes, key: bytes, decide: Callable[[Reading], dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Of one mail; `key` signs the clues that prove themselves. Names of the fields: docs/commands.md.

    `decide` answers what a channel would make of it, for `decision`.

    `seconds` is what reading and judging took, as at intake: making the HTML safe is counted in.
    """
    started = time.perf_counter()
    reading = read(raw, by_pop3=True)  # of a file nobody knows how it came
    mail, bounce = reading.mail, reading.bounce
    verdict = judge(mail, Facts(), bounce)
    machine = as_machine(mail, bounce)
    forwarded = is_forward(mail.subject)
    folded = fold_text(mail.text, forwarded=forwarded)
    cids = _cids(mail.attachments)
    shown = finish(reading.sanitized(), cids, forwarded=forwarded).html if mail.html else ""
    clues = find_clues(mail, key, ())
    seconds = time.perf_counter() - started
    return {
        "sha256": hashlib.sha256(raw).hexdigest(),
        "message_id": mail.message_id,
        "subject": mail.subject,
        "from": _person(mail.sender),
        "reply_to": _people(mail.reply_to),
        "to": _people(mail.to),
        "cc": _people(mail.cc),
        "date": mail.date.isoformat() if mail.date else None,
        "text": mail.text,
        "visible_text": folded.visible,
        "opening_text": folded.visible[: folded.opening],
        "quoted_text": folded.quoted,
        "html": shown,
        "attachments": [_attachment(part) for part in mail.attachments],
        "leaves": count_leaves(unwrapped(raw)),
        "invitation": _invitation(mail.invitation) if mail.invitation else None,
        "seals": [seal.value for seal in mail.seals],
        "spam_report": mail.spam_report or None,
        "verdict": _verdict(verdict),
        "machine": {"is": machine is not None, "reason": machine.reason if machine else ""},
        "bounce": _bounce(bounce),
        "forward_check": _forward_check(mail),
        "clues": [_clue(clue) for clue in clues],
        "defects": list(mail.defects),
        "seconds": round(seconds, 6),
        **({"decision": decide(reading)} if decide is not None else {}),
    }


def _person(address: Address) -> dict[str, str]:
    return {"name": address.name, "email": address.address}


def _people(addresses: Iterable[Address]) -> list[dict[str, str]]:
    return [_person(address) for address in addresses]


def _attachment(part: Part) -> dict[str, Any]:
    return {
        "name": part.name,
        "type": part.type,
        "size": len(part.data),
        "sha256": hashlib.sha256(part.data).hexdigest(),
        "inline": part.inline,
    }


def _cids(parts: Iterable[Part]) -> dict[str, str]:
    """Pictures of the mail keep their `cid:` address; on a page it leads to the attachment."""
    return {part.content_id: f"cid:{part.content_id}" for part in parts if part.content_id}


def _invitation(invitation: Invitation) -> dict[str, Any]:
    return {
        "method": invitation.method,
        "summary": invitation.summary,
        "start": invitation.start.isoformat() if invitation.start else None,
        "end": invitation.end.isoformat() if invitation.end else None,
        "location": invitation.location,
        "organizer": _person(invitation.organizer),
        "attendees": [{**_person(one.address), "answer": one.answer} for one in invitation.attendees],
    }


def _verdict(verdict: Verdict) -> dict[str, str]:
    return {"action": verdict.action.value, "reason": verdict.reason, "detail": verdict.detail}


def _bounce(bounce: Bounce | None) -> dict[str, Any]:
    return {
        "is": bounce is not None,
        "permanent": bounce is not None and bounce.is_final,
        "recipients": [
            {"address": one.address, "status": one.status, "reason": one.words, "permanent": one.permanent}
            for one in (bounce.recipients if bounce else ())
        ],
        "returned_message_id": bounce.returned_message_id if bounce else "",
    }


def _forward_check(mail: Mail) -> dict[str, str] | None:
    asked = read_forward_check(mail)
    if asked is None:
        return None
    return {"provider": asked.provider, "link": asked.link, "code": asked.code, "account": asked.account}


def _clue(clue: Clue) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": clue.kind.value}
    if clue.ticket:
        found["ticket"] = clue.ticket
    if clue.message_id:
        found["message_id"] = clue.message_id
    return found
