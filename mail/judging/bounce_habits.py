"""Delivery reports of servers that never heard of RFC 3464: read by their habits.

The library knows the formats of many; our own rules go by what all have in common: an address beside a reason.
"""

from __future__ import annotations

import logging
import re
from email import message_from_bytes

from flufl.bounce import all_failures

from mail.judging.bounce_phrases import (
    ADDRESS,
    CODES,
    COPY,
    DELAYS,
    LISTED,
    REASONS,
    SENDER_NAMES,
    SENDERS,
    SUBJECTS,
    SUCCESS,
    TRANSCRIPT,
)
from mail.judging.delivery_status import blocks, recipients, short, status_in
from mail.judging.machine_signs import sender_names
from mail.reading.charsets import decode
from mail.types import BounceRecipient, Mail

READ = 256 * 1024  # octets that the library gets: the report stands before the mail that came back
# It goes through all lines some fifty times, with patterns that take the square of a line's length.
MOST_LINES, LONGEST_LINE, MOST_OCTETS = 3_000, 300, 96 * 1024
LONGEST_REPORT = 100_000  # characters
MOST_RECIPIENTS = 100
RETURNED = ("message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers")

# What servers set before the words of the other server: `<<< 550 …`.
_QUOTED_WORDS = re.compile(r"^(?:<<<|>>>|[|>])\s*")
# Behind these an address explains something and is no recipient.
_EXPLAINS = re.compile(
    r"\b(?:e\.?g\.?|for example|such as|please (?:contact|write|forward)|contact us|"
    r"z\. ?b\.|zum beispiel|wenden sie sich|par exemple|questions?|support|help ?desk|kontakt)\b",
    re.I,
)
_EMPTY_LINES = re.compile(rb"(\n[ \t\r]*+\n)(?:[ \t\r]*+\n)++")

logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)  # it tells of each detector


def from_a_server(mail: Mail) -> bool:
    """By its address, by what stands in place of one (`MAILER-DAEMON <>`), by its name, or by the null sender."""
    names = sender_names(mail)
    if any(
        SENDERS.fullmatch(name) or (not mail.sender.address and SENDER_NAMES.fullmatch(name))
        for name in names
    ):
        return True
    return SENDER_NAMES.fullmatch(mail.sender.name) is not None or _null_sender(mail)


def _null_sender(mail: Mail) -> bool:
    return_path = mail.all("return-path")
    return bool(return_path and return_path[0].strip() == "<>")


def by_habit(raw: bytes, mail: Mail, *, by_subject: bool = False) -> tuple[BounceRecipient, ...] | None:
    """Without a status part: its fields in the text, Exim's header, the library, addresses beside a reason.

    Only a server's own sender together with a telling subject is a report whatever its words. `by_subject`: the
    subject alone made us look.
    """
    text = "\n".join((mail.text, *_named_texts(mail)))
    copy = COPY.search(text)
    report = (text[: copy.start()] if copy and copy.start() > 0 else text)[:LONGEST_REPORT]
    certain = from_a_server(mail) and bool(SUBJECTS.search(mail.subject) or DELAYS.search(mail.subject))
    final = not DELAYS.search(mail.subject) and not (DELAYS.search(report) and not REASONS.search(report))
    if written := recipients(blocks(report)):
        return written
    addresses = {address: final for address in re.findall(ADDRESS, mail.header("x-failed-recipients"))}
    library = {} if addresses else _by_library(raw)
    addresses = addresses or {address: known for address, known in library.items() if address in report}
    has_copy = any(part.type in RETURNED for part in mail.attachments)
    if not addresses and (
        certain or by_subject or has_copy or _null_sender(mail) or mail.header("auto-submitted")
    ):
        addresses = {address: final for address in _beside_reasons(report, mail)}
    if not addresses and CODES.search(report) and SENDERS.fullmatch(mail.sender.address):
        addresses = dict.fromkeys(TRANSCRIPT.findall(report), final)
    addresses = addresses or library
    if not addresses and not certain:
        return None
    if not addresses:
        found = _alone_on_a_line(report, mail) or written_to(mail, text[copy.start() :] if copy else "")
        addresses = {address: final for address in found}
    if not addresses and SUCCESS.search(mail.subject):
        return None
    if not addresses and not final:  # it names nobody, and says that the server still tries
        return (BounceRecipient("", permanent=False),)
    return tuple(
        _recipient(address, final, report) for address, final in sorted(addresses.items())[:MOST_RECIPIENTS]
    )


def _named_texts(mail: Mail) -> list[str]:
    """Reports that their server attached as a file."""
    files = [part for part in mail.attachments if part.type == "text/plain"]
    return [decode(part.data[:READ]).replace("\r\n", "\n") for part in files[:3]]


def _by_library(raw: bytes) -> dict[str, bool]:
    raw = raw[:READ] if b"\n" in raw else raw[:READ].replace(b"\r", b"\n")
    temporary, permanent = all_failures(message_from_bytes(_few_lines(raw)))
    found = {octets.decode("ascii", "replace"): False for octets in temporary}
    found.update({octets.decode("ascii", "replace"): True for octets in permanent})
    return {address: final for address, final in found.items() if re.fullmatch(ADDRESS, address)}


def _few_lines(raw: bytes) -> bytes:
    """As much of a mail as a report needs: of empty lines that follow each other one, and of long lines the head."""
    lines = _EMPTY_LINES.sub(rb"\1", raw).split(b"\n", MOST_LINES)[:MOST_LINES]
    return b"\n".join(line[:LONGEST_LINE] for line in lines)[:MOST_OCTETS]


def _beside_reasons(report: str, mail: Mail) -> list[str]:
    """Addresses within two lines of a reason, but our own and the server's."""
    own = {mail.sender.key, *(mailbox.key for mailbox in mail.to)}
    lines = report.split("\n")[:300]
    found = []
    for number, line in enumerate(lines):
        named = _EXPLAINS.split(line[:1000], maxsplit=1)[0]
        if REASONS.search("\n".join(lines[max(0, number - 2) : number + 3])):
            found += [address for address in re.findall(ADDRESS, named) if address.lower() not in own]
    return [address for address in found if not SENDERS.fullmatch(address)]


def _alone_on_a_line(report: str, mail: Mail) -> list[str]:
    """Addresses that have a line to themselves: whatever language the reason beside them is in."""
    own = {mail.sender.key, *(mailbox.key for mailbox in mail.to)}
    lines = (line.strip(" \t<>:;,.-*") for line in report.split("\n")[:300])
    return [line for line in lines if re.fullmatch(ADDRESS, line) and line.lower() not in own]


def written_to(mail: Mail, copy: str) -> list[str]:
    """Whom the mail that came back was written to, if it was one person: then nobody else can be meant."""
    returned = [decode(part.data[:4096]) for part in mail.attachments if part.type in RETURNED]
    for text in (*returned, copy[:4096]):
        header = re.sub(r"\n[ \t]+", " ", text.replace("\r\n", "\n").partition("\n\n")[0])
        written = re.findall(r"^(?:to|cc):(.*)", header, re.I | re.M)
        found = list(
            dict.fromkeys(address for line in written for address in re.findall(ADDRESS, line[:1000]))
        )
        if found:
            return found if len(found) == 1 else []
    return []


def listed(mail: Mail) -> set[str]:
    """Addresses, in lower case, that stand as machines list them: at the head of a line, or behind such a phrase."""
    found: set[str] = set()
    phrase = False
    for line in mail.text[:LONGEST_REPORT].split("\n")[:300]:
        line = line[:1000].strip(" \t<>*-")
        addresses = re.findall(ADDRESS, line)
        if addresses and (phrase or LISTED.search(line) or line.startswith(addresses[0])):
            found.update(address.lower() for address in addresses)
        phrase = bool(LISTED.search(line)) if line else phrase
    return found


def reason_beside(address: str, report: str) -> str:
    """The line that gives the reason, at or below the address: one with a code, what a colon announces, any other.

    Where nothing is said near it, the first line of the report that has a code; empty if there is none.
    """
    lines = report[:LONGEST_REPORT].split("\n")
    place = next((number for number, line in enumerate(lines) if address.lower() in line.lower()), 0)
    near = [line[:2000] for line in lines[place : place + 7]]
    words = next((line for line in near if CODES.search(line.replace(address, ""))), "")
    if not words and near and near[0].rstrip().endswith(":"):
        words = next((line for line in near[1:3] if line.strip()), "")
    words = words or next((line for line in near if REASONS.search(line.replace(address, ""))), "")
    words = words or next((line for line in lines[:300] if CODES.search(line[:2000])), "")
    return _QUOTED_WORDS.sub("", words.strip()).removeprefix(f"{address}: ")


def _recipient(address: str, final: bool, report: str) -> BounceRecipient:
    words = reason_beside(address, report)
    return BounceRecipient(address, status_in("", words), final, short(words))
