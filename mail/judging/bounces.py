"""Reads delivery reports: the standard (RFC 3464), and by their habits those of servers that never heard of it.

A report is looked for only where something outside of its words suggests one (its type, its sender):
a person who writes about an undeliverable mail, or forwards or pastes the report, is a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mail.judging.bounce_habits import RETURNED, by_habit, from_a_server, written_to
from mail.judging.bounce_phrases import MACHINES
from mail.judging.delivery_status import blocks, recipients, says_nothing
from mail.reading.charsets import decode
from mail.types import Bounce, BounceRecipient, Mail

READ = 128 * 1024  # octets of a part: a status, the header of the mail that came back
STATUS_PARTS = ("message/delivery-status", "message/global-delivery-status")

_BELOW_THE_HEADER = re.compile(rb"\r?\n\r?\n|\r\r")
MESSAGE_ID = re.compile(r"^[>| \t]*(?:x-)?(?:original-)?message-id:\s*(<[^<>\s]+>)", re.I | re.M)


def read_bounce(raw: bytes, mail: Mail) -> Bounce | None:
    """What a delivery report says, or None if `raw` is none (a success report is none either).

    `mail` is what the parser made of the same octets. Recipients may be empty where only the
    sender and the subject give the report away.
    """
    suspect = _is_suspect(mail)
    if not suspect and not any(part.type in STATUS_PARTS for part in mail.attachments):
        return None
    try:
        status = blocks("\n\n".join(_texts(mail, STATUS_PARTS)))
        found = recipients(status)
        if found is None and _is_report(mail) and says_nothing(status):
            found = tuple(BounceRecipient(address) for address in written_to(mail, ""))
        if not status and suspect:
            found = by_habit(raw, mail)
    except Exception:  # the library's parser has no list of what it raises; odd bytes are no report
        return None
    return None if found is None else Bounce(found, _returned_message_id(raw, mail))


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
