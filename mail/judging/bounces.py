"""Reads delivery reports: the standard (RFC 3464), and by their habits those of servers that never heard of it.

A report is looked for only where something outside of its words suggests one (its type, its sender):
a person who writes about an undeliverable mail, or forwards or pastes the report, is a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from mail.judging import cloud_notifications
from mail.judging.bounce_habits import RETURNED, by_habit, from_a_server, listed, reason_beside, written_to
from mail.judging.bounce_phrases import MACHINES, PERSON, REFUSED, SUBJECTS
from mail.judging.delivery_status import blocks, disposition, recipients, says_nothing, short, status_in
from mail.judging.machine_signs import MAIL_PROGRAMS, first_match
from mail.reading.charsets import decode
from mail.types import Bounce, BounceRecipient, Mail

PREAMBLE = 1_000  # characters before the first address, in which a person would say something
READ = 128 * 1024  # octets of a part: a status, the header of the mail that came back
DISPOSITION = "message/disposition-notification"
STATUS_PARTS = ("message/delivery-status", "message/global-delivery-status")

_ANSWER = re.compile(r"\s*(?:re|aw|fwd?|wg|tr|rv|i|r|antw?|sv|vs|odp|ynt)\s*(?:\[\d+\])?:", re.I)
_BELOW_THE_HEADER = re.compile(rb"\r?\n\r?\n|\r\r")
MESSAGE_ID = re.compile(r"^[>| \t]*(?:x-)?(?:original-)?message-id:\s*(<[^<>\s]+>)", re.I | re.M)


def read_bounce(raw: bytes, mail: Mail) -> Bounce | None:
    """What a delivery report says, or None if `raw` is none (a success report is none either).

    `mail` is what the parser made of the same octets. Recipients may be empty where only the
    sender and the subject give the report away.
    """
    if (told := cloud_notifications.read(mail)) is not None:
        return told
    if any(part.type == DISPOSITION for part in mail.attachments):
        return _refusal(mail)
    suspect = _is_suspect(mail)
    if not suspect and not any(part.type in STATUS_PARTS for part in mail.attachments):
        return _by_subject(raw, mail) if _may_be_by_subject(mail) else None
    try:
        status = blocks("\n\n".join(_texts(mail, STATUS_PARTS)))
        found = recipients(status)
        if found is None and _is_report(mail) and says_nothing(status):
            found = tuple(BounceRecipient(address) for address in written_to(mail, ""))
        if not status and suspect:
            found = by_habit(raw, mail)
    except Exception:  # the library's parser has no list of what it raises; odd bytes are no report
        return None
    if found is None:
        return None
    return Bounce(tuple(_with_words(one, mail.text) for one in found), _returned_message_id(raw, mail))


def _with_words(recipient: BounceRecipient, text: str) -> BounceRecipient:
    """Where the status gives no words, those that stand beside the address in the text, and their better code."""
    if recipient.words or not recipient.address:
        return recipient
    words = reason_beside(recipient.address, text)
    return replace(recipient, status=status_in(recipient.status, words), words=short(words))


def _refusal(mail: Mail) -> Bounce | None:
    """A disposition report that says that the mail was refused: Sieve's and Dovecot's `reject` (RFC 5429, 2.1.2)."""
    fields = disposition("\n".join(_texts(mail, (DISPOSITION,))))
    mode, _, kind = fields.get("disposition", "").lower().partition(";")
    original = fields.get("original-message-id", "").strip()
    said = f"{mail.header('auto-submitted')} {mail.subject} {mail.text}"
    if not original or not mode.startswith("automatic-action") or not REFUSED.search(said):
        return None
    if not kind.strip().startswith(("deleted", "failed", "denied", "error")):
        return None
    address = fields.get("final-recipient", "").rpartition(";")[2].strip(" <>")
    return Bounce((BounceRecipient(address, "", words=short(reason_beside(address, mail.text))),), original)


def _may_be_by_subject(mail: Mail) -> bool:
    """A telling subject, and nothing that only mail of people has."""
    return (
        SUBJECTS.search(mail.subject) is not None
        and not mail.in_reply_to
        and not mail.references
        and not _ANSWER.match(mail.subject)
        and first_match(mail, MAIL_PROGRAMS) is None
        and PERSON.search(mail.text[:PREAMBLE].partition("@")[0]) is None
    )


def _by_subject(raw: bytes, mail: Mail) -> Bounce | None:
    """Only what is listed as machines list it."""
    try:
        found = by_habit(raw, mail, by_subject=True)
    except Exception:  # as above
        return None
    named = listed(mail)
    found = tuple(one for one in found or () if one.address.lower() in named)
    return Bounce(found, _returned_message_id(raw, mail)) if found else None


def _is_suspect(mail: Mail) -> bool:
    declared = mail.header("content-type").lower()
    if "multipart/report" in declared and "report-type" in declared:
        return "delivery-status" in declared
    if MACHINES.fullmatch(mail.sender.address) and any(part.type in RETURNED for part in mail.attachments):
        return True
    return from_a_server(mail) or bool(mail.header("x-failed-recipients"))


def _is_report(mail: Mail) -> bool:
    return mail.header("content-type").lower().startswith("multipart/report")


def _returned_message_id(raw: bytes, mail: Mail) -> str:
    """The Message-ID of the mail that came back: from its headers, else from a copy in the text.

    Some servers make its header that of the part which they put its text into: it is found below our own.
    """
    kinds = {part.type: None for part in mail.attachments if part.type.startswith(("message/", "text/"))}
    others = tuple(kind for kind in kinds if kind not in RETURNED + STATUS_PARTS)
    for text in (*_texts(mail, RETURNED), *_texts(mail, others), mail.text, *_texts(mail, STATUS_PARTS)):
        if found := MESSAGE_ID.search(text):
            return found[1]
    below = _BELOW_THE_HEADER.search(raw)
    found = MESSAGE_ID.search(decode(raw[below.end() :][:READ])) if below else None
    return found[1] if found else ""


def _texts(mail: Mail, types: tuple[str, ...]) -> Iterator[str]:
    for part in mail.attachments:
        if part.type in types:
            yield decode(part.data[:READ]).replace("\r\n", "\n")
