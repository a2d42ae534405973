"""Reads delivery reports: the standard (RFC 3464), and those of servers that never heard of it.

A report is looked for only where something outside of its words suggests one (its type, its sender):
a person who writes about an undeliverable mail, or forwards or pastes the report, is a person.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from email import message_from_bytes
from email.message import Message
from itertools import chain

from flufl.bounce import all_failures

from mail.types import Bounce, BounceRecipient, Mail

READ = 1_000_000  # octets: the report stands before the mail that came back
LONGEST_REPORT = 100_000  # characters, where it has to be guessed what they say
LONGEST_WORDS = 500

MOST_RECIPIENTS = 100

ADDRESS = r"[\w.!#$%&'*+/=?^`{|}~-]{1,128}@[\w-]{1,63}(?:\.[\w-]{1,63})*"
STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b", re.A)
SENDERS = re.compile(
    r"(?:mailer[-_.]?daemon|post[-_.]?master|mail[-_.]?delivery[\w.-]*|bounces?(?:[-+=][^@]*)?|smtp[-_.]?daemon|"
    r"mail[-_.]?system|mdaemon|daemon|deliver|mail[-_.]?(?:deliver|daemon)|root|microsoftexchange[0-9a-f]+)(?:@.*)?",
    re.I,
)
# What servers call themselves where the address says nothing.
SENDER_NAMES = re.compile(
    r"(?:the )?(?:internet )?mail delivery (?:sub)?system|mailer[- ]daemon|mail delivery service|"
    r"system administrator|mail (?:system|administrator)|mms?c? ndr administrator|mailzustellungssystem|"
    r"système de distribution du courrier|sistema de entrega de correo",
    re.I,
)
# Behind which a server may report; without a copy of our mail in it, it is some other machine's mail.
MACHINES = re.compile(r"(?:.*[-_.])?(?:no|do-?not|never)[-_.]?(?:reply|respond)\b.*", re.I)
SUBJECTS = re.compile(
    r"undeliver(?:able|ed)|not be delivered|"
    r"delivery (?:status|report|notification|failure|failed|error|problem|has)|"
    r"(?:delivery|mail|message|e-?mail)\b.*\bfail|failed delivery|failure (?:notice|delivery)|"
    r"failed mail|returned (?:mail|e-?mail|to sender|message)|mail (?:system )?error|mail could not|"
    r"message (?:was )?(?:not delivered|undelivered|delayed)|delivery delayed|non[- ]?delivery|"
    r"user unknown|unknown user|nondeliverable|could not (?:be delivered|send)|unzustellbar|"
    r"nicht zugestellt|zustell(?:ung|fehler)|fehlgeschlagen|non remis|non distribuable|"
    r"[ée]chec de (?:la )?(?:remise|distribution)|impossibile recapitare|mancata consegna|"
    r"no se puede entregar|no se ha podido entregar|onbestelbaar|niet (?:afgeleverd|bezorgd)|"
    r"non (?:recapitat|consegnat)|impossible de remettre|niedostarcz|nie dostarczono|zwrot wiadomo|"
    r"nedoru[čc]iteln|nepoda[řr]ilo se doru[čc]it|kézbesíthetetlen|nu a putut fi livrat|n[ãa]o entregue|"
    r"falha na entrega|devolvid[oa]|kunde inte levereras|kunne ikke leveres|olevererbart|ei voitu toimittaa|"
    r"teslim edilemedi|недостав|не доставлен|невозможно доставить|не удалось доставить|"
    r"配信|配送|エラー通知|送信できません|届け|退信|无法投递|退回|無法傳遞|반송",
    re.I,
)
DELAYS = re.compile(
    r"\bdelay(?:ed)?\b|could not send message for past|not yet been delivered|still being retried|"
    r"will (?:keep|continue to be|be) (?:trying|tried|retried)|verz[öo]ger|noch nicht zugestellt",
    re.I,
)
CODES = re.compile(r"\b[45]\d\d[ -]|\b[45]\.\d\.\d{1,3}\b", re.A)
REASONS = re.compile(
    r"\b[45]\d\d[ -]|\b[45]\.\d\.\d{1,3}\b|unknown|no such|not found|does not exist|invalid|reject|"
    r"refus|full|quota|exceed|disabled|inactive|unable|could not|undeliver|fail|error|not known|"
    r"not listed|no mailbox|affected|unbekannt|nicht (?:bekannt|gefunden|zugestellt)|"
    r"inconnu|introuvable|plein|sconosciut|inesistente|pien[ao]|desconocid|no existe|llen[ao]|nieznan|"
    r"nie istnieje|neexistuje|не существует|не найден|переполнен|できませんでした|一杯|不存在|已满",
    re.I,
)
TRANSCRIPT = re.compile(
    rf"^[> \t]*rcpt to:[ \t]*<?({ADDRESS})", re.I | re.M
)  # what it said to the next server
RETURNED = ("message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers")
MESSAGE_ID = re.compile(r"^[>| \t]*(?:x-)?(?:original-)?message-id:\s*(<[^<>\s]+>)", re.I | re.M)
# What begins the copy of our mail in a report that has no parts; no recipient is looked for behind it.
COPY = re.compile(
    r"^[-=_* \t>]{0,40}(?:the )?(?:this is a copy of|below this line|following is a copy|included is a copy|"
    r"original (?:message|mail)|returned (?:message|mail)|unsent message|header of|"
    r"message (?:text|header|follows|contents)|begin (?:of )?(?:original|message)|"
    r"urspr[üu]ngliche nachricht|received:|return-path:)",
    re.I | re.M,
)

logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)  # it tells of each detector


def read_bounce(raw: bytes, mail: Mail) -> Bounce | None:
    """What a delivery report says, or None if `raw` is none (a success report is none either).

    `mail` is what the parser made of the same octets. Recipients may be empty where only the
    sender and the subject give the report away.
    """
    suspect = _is_suspect(mail)
    if not suspect and b"message/delivery-status" not in raw[:READ].lower():
        return None
    raw = raw[:READ] if b"\n" in raw else raw[:READ].replace(b"\r", b"\n")
    try:
        parts = tuple(_parts(message_from_bytes(raw)))
        blocks = tuple(_status_blocks(parts))
        recipients = _by_standard(blocks)
        if recipients is None and parts[0].get_content_type() == "multipart/report" and _says_nothing(blocks):
            recipients = ()
        if not blocks and suspect:
            recipients = _by_habit(raw, mail, parts)
    except Exception:  # the library's parser has no list of what it raises; odd bytes are no report
        return None
    if recipients is None:
        return None
    return Bounce(recipients, _returned_message_id(parts))


def _is_suspect(mail: Mail) -> bool:
    declared = mail.header("content-type").lower()
    if "multipart/report" in declared and "report-type" in declared:
        return "delivery-status" in declared
    if MACHINES.fullmatch(mail.sender.address) and any(part.type in RETURNED for part in mail.attachments):
        return True
    return _from_a_server(mail) or bool(mail.header("x-failed-recipients"))


def _from_a_server(mail: Mail) -> bool:
    """By its address, by its name where it has none (`MAILER-DAEMON <>`), or by the null sender."""
    name = mail.sender.address or mail.header("from").partition("<")[0].strip(' "')
    return bool(SENDERS.fullmatch(name) or SENDER_NAMES.fullmatch(mail.sender.name)) or _null_sender(mail)


def _null_sender(mail: Mail) -> bool:
    return_path = mail.all("return-path")
    return bool(return_path and return_path[0].strip() == "<>")


def _parts(message: Message, depth: int = 0) -> Iterator[Message]:
    """Every part of the report itself: what stands in an attached mail is not the report's."""
    yield message
    if message.get_content_maintype() == "multipart" and message.is_multipart() and depth < 30:
        for part in _children(message):
            yield from _parts(part, depth + 1)


def _children(message: Message) -> list[Message]:
    payload = message.get_payload()
    return [part for part in payload if isinstance(part, Message)] if isinstance(payload, list) else []


def _status_blocks(parts: tuple[Message, ...]) -> Iterator[Mapping[str, str]]:
    """The groups of fields in message/delivery-status (RFC 3464 section 2.1), those of recipients only."""
    for part in parts:
        if part.get_content_type() in ("message/delivery-status", "message/global-delivery-status"):
            yield from _groups(_text(part))


def _groups(text: str) -> Iterator[Mapping[str, str]]:
    for group in re.split(r"\n[ \t]*\n", text):
        fields = _fields(group)
        if "final-recipient" in fields or "original-recipient" in fields:
            yield fields


def _fields(group: str) -> dict[str, str]:
    unfolded = re.sub(r"\n[ \t]+", " ", group)
    found = re.findall(r"^([\w-]+)[ \t]*:[ \t]*(.*)$", unfolded, re.M)
    return {name.lower(): value.strip() for name, value in reversed(found)}


def _by_standard(blocks: tuple[Mapping[str, str], ...]) -> tuple[BounceRecipient, ...] | None:
    found: dict[str, BounceRecipient] = {}
    for fields in blocks:
        address = _typed(fields.get("original-recipient", "")) or _typed(fields.get("final-recipient", ""))
        action = fields.get("action", "").lower()
        words = re.sub(r"^[\w-]+\s*;\s*", "", fields.get("diagnostic-code", ""))
        status = _status(fields.get("status", ""), words)
        failed = action.startswith(("fail", "error")) or (not action and status.startswith("5"))
        waits = action.startswith("delay") or (not action and status.startswith("4"))
        if address and (failed or waits):
            found.setdefault(address.lower(), BounceRecipient(address, status, failed, _short(words)))
    return tuple(found.values()) or None


def _says_nothing(blocks: tuple[Mapping[str, str], ...]) -> bool:
    """Recipients are named, but nobody can tell what became of them: then they did not get it."""
    told = ("deliver", "relay", "expand", "delay")
    return bool(blocks) and not any(fields.get("action", "").lower().startswith(told) for fields in blocks)


def _typed(value: str) -> str:
    """The address of `rfc822; <a@x>`; other address types (X.400) are of no use to us."""
    kind, separator, address = value.partition(";")
    if separator and kind.strip().lower() not in ("rfc822", "utf-8", "smtp", ""):
        return ""
    found = re.search(ADDRESS, address if separator else value)
    return found[0] if found else ""


def _status(value: str, words: str) -> str:
    """The Status field; the server's own words where it only says "undefined"."""
    found = STATUS.search(value)
    better = STATUS.search(words)
    if better and (not found or found[1].endswith(".0.0")):
        return better[1]
    return found[1] if found else ""


def _by_habit(raw: bytes, mail: Mail, parts: tuple[Message, ...]) -> tuple[BounceRecipient, ...] | None:
    """Without a status part: its fields in the text, Exim's header, the library, addresses beside a reason.

    Only a server's own sender together with a telling subject is a report whatever its words.
    """
    text = "\n".join(_text(part) for part in parts if part.get_content_maintype() == "text")
    text = text if text.strip() else mail.text  # ours reads what is too broken for the standard library
    copy = COPY.search(text)
    report = (text[: copy.start()] if copy and copy.start() > 0 else text)[:LONGEST_REPORT]
    certain = _from_a_server(mail) and bool(SUBJECTS.search(mail.subject))
    final = not DELAYS.search(mail.subject) and not (DELAYS.search(report) and not REASONS.search(report))
    if written := _by_standard(tuple(_groups(report))):
        return written
    addresses = {address: final for address in re.findall(ADDRESS, mail.header("x-failed-recipients"))}
    library = {} if addresses else _by_library(raw)
    addresses = addresses or {address: known for address, known in library.items() if address in report}
    has_copy = any(part.get_content_type() in RETURNED for part in parts[1:])
    if not addresses and (certain or has_copy or _null_sender(mail) or mail.header("auto-submitted")):
        addresses = {address: final for address in _beside_reasons(report, mail)}
    if not addresses and CODES.search(report) and SENDERS.fullmatch(mail.sender.address):
        addresses = dict.fromkeys(TRANSCRIPT.findall(report), final)
    addresses = addresses or library
    if not addresses and not certain:
        return None
    if not addresses:
        found = _alone_on_a_line(report, mail) or _written_to(parts, text[copy.start() :] if copy else "")
        addresses = {address: final for address in found}
    return tuple(
        _recipient(address, final, report) for address, final in sorted(addresses.items())[:MOST_RECIPIENTS]
    )


def _by_library(raw: bytes) -> dict[str, bool]:
    temporary, permanent = all_failures(message_from_bytes(raw[:READ]))
    found = {octets.decode("ascii", "replace"): False for octets in temporary}
    found.update({octets.decode("ascii", "replace"): True for octets in permanent})
    return {address: final for address, final in found.items() if re.fullmatch(ADDRESS, address)}


def _beside_reasons(report: str, mail: Mail) -> list[str]:
    """Addresses within two lines of a reason, but our own and the server's."""
    own = {mail.sender.key, *(mailbox.key for mailbox in mail.to)}
    lines = report.split("\n")[:300]
    found = []
    for number, line in enumerate(lines):
        if REASONS.search("\n".join(lines[max(0, number - 2) : number + 3])):
            found += [address for address in re.findall(ADDRESS, line[:1000]) if address.lower() not in own]
    return [address for address in found if not SENDERS.fullmatch(address)]


def _alone_on_a_line(report: str, mail: Mail) -> list[str]:
    """Addresses that have a line to themselves: whatever language the reason beside them is in."""
    own = {mail.sender.key, *(mailbox.key for mailbox in mail.to)}
    lines = (line.strip(" \t<>:;,.-*") for line in report.split("\n")[:300])
    return [line for line in lines if re.fullmatch(ADDRESS, line) and line.lower() not in own]


def _written_to(parts: tuple[Message, ...], copy: str) -> list[str]:
    """Whom the mail that came back was written to, if it was one person: then nobody else can be meant."""
    for text in (*(_text(part) for part in parts[1:] if part.get_content_type() in RETURNED), copy):
        header = re.sub(r"\n[ \t]+", " ", text.partition("\n\n")[0][:LONGEST_REPORT])
        written = re.findall(r"^(?:to|cc):(.*)", header, re.I | re.M)
        found = list(
            dict.fromkeys(address for line in written for address in re.findall(ADDRESS, line[:1000]))
        )
        if found:
            return found if len(found) == 1 else []
    return []


def _recipient(address: str, final: bool, report: str) -> BounceRecipient:
    """With the line that gives the reason, at or below the address: one with a code before any other."""
    lines = report.split("\n")
    place = next((number for number, line in enumerate(lines) if address.lower() in line.lower()), 0)
    near = [line[:2000] for line in lines[place : place + 7]]
    reasons = [
        line for pattern in (CODES, REASONS) for line in near if pattern.search(line.replace(address, ""))
    ]
    words = reasons[0] if reasons else ""
    return BounceRecipient(address, _status("", words), final, _short(words))


def _returned_message_id(parts: tuple[Message, ...]) -> str:
    """The Message-ID of the mail that came back: from its headers, else from a copy in the text."""
    returned = [part for part in parts[1:] if part.get_content_type() in RETURNED]
    for part in chain(returned, parts):
        if found := MESSAGE_ID.search(_text(part)):
            return found[1]
    return ""


def _text(part: Message) -> str:
    """The decoded content of one part, line ends as `\\n`; attached mails and field groups as written."""
    if part.get_content_maintype() == "multipart":
        return ""
    if part.is_multipart():
        text = "\n\n".join(child.as_string() for child in _children(part))
        if part.get("content-transfer-encoding", "").strip().lower() in ("base64", "quoted-printable"):
            flat = Message()
            flat["Content-Transfer-Encoding"] = part["content-transfer-encoding"]
            flat.set_payload(text.strip())
            return _text(flat)
    else:
        octets = part.get_payload(decode=True)
        if not isinstance(octets, bytes):
            return ""
        text = _decoded(octets, part.get_content_charset("utf-8"))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decoded(octets: bytes, charset: str) -> str:
    for name in (charset, "utf-8"):
        try:
            return octets.decode(name)
        except (LookupError, ValueError):
            continue
    return octets.decode("latin-1")


def _short(words: str) -> str:
    return " ".join(words.split())[:LONGEST_WORDS]
