"""Answers as mail programs write them: the templates in `mails/clients/`, filled with a mail that we sent."""

from __future__ import annotations

import base64
import email
import json
import quopri
import re
from dataclasses import dataclass
from email import policy
from email.header import Header
from email.utils import getaddresses
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "mails" / "clients"
CLIENTS = sorted(FOLDER.glob("*.eml"))

_TOKEN = re.compile(r"@@([A-Z_]+)@@")
_TEXT_LINE = re.compile(r"^(.*)@@TEXT@@$", re.M)
_BODY = re.compile(r"(?is)<body[^>]*>(.*)</body>")
_PREFIX = re.compile(r"(?i)^(?:(?:re|aw)\s*:\s*)+")
_CHARSET = re.compile(r'charset="([^"]+)"')
_BOUNDARY = re.compile(r'boundary="([^"]+)"')


@dataclass(frozen=True)
class Sent:
    """The mail that is answered. `html` is what stands in its body, the hidden marker included."""

    message_id: str
    address: str  # where an answer goes: Reply-To, else From
    name: str
    subject: str  # without Re: or AW:, with [#number]
    text: str
    html: str


SAMPLE = Sent(
    message_id="<1042.abcdefghijklmnop.abcdefghijklmnopqrstuvwxyz234567@acme.example>",
    address="support-acme+1042-abcdefghijklmnopqrstuvwxyz@acme.example",
    name="Acme GmbH",
    subject="Ersatzteile fehlen [#1042]",
    text="Guten Tag Frau Käfer,\n\ndie fehlenden Teile gehen heute hinaus. Hilft Ihnen das?\n\n"
    "-- \nBob Berger\nAcme GmbH\n\nAm 23. November 2026 um 09:00 schrieb Carol Käfer:\n> Es fehlen zwei Teile.\n",
    html="<table><tr><td><div>Guten Tag Frau Käfer,<br><br>die fehlenden Teile gehen heute hinaus. Hilft Ihnen das?</div>"
    "<p>-- <br>Bob Berger<br>Acme GmbH</p>"
    '<div class="gmail_quote"><p>Am 23. November 2026 um 09:00 schrieb Carol Käfer:</p>'
    '<blockquote type="cite">Es fehlen zwei Teile.</blockquote></div>'
    '<div style="display:none">ref:1042.abcdefghijklmnopqrstuvwxyz:ref</div></td></tr></table>',
)


def sent(raw: bytes) -> Sent:
    """What an answer takes over from a mail of ours, as it left."""
    mail = email.message_from_bytes(raw, policy=policy.default)
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    ((name, address),) = getaddresses([mail["Reply-To"] or mail["From"]])
    whole = html.get_content() if html else ""
    return Sent(
        message_id=mail["Message-ID"],
        address=address,
        name=name or address,
        subject=_PREFIX.sub("", mail["Subject"]),
        text=text.get_content() if text else "",
        html=found[1] if (found := _BODY.search(whole)) else whole,
    )


def filled(path: Path, ours: Sent = SAMPLE) -> bytes:
    """The answer of that client to that mail, encoded as its headers say."""
    head, _, body = path.read_text(encoding="utf-8").partition("\n\n")
    head = "\n".join(_header(line, ours) for line in head.split("\n"))
    boundary = _BOUNDARY.search(head)
    if boundary is None:
        whole = _part(f"{head}\n\n{body}", ours)
    else:
        mark = f"--{boundary[1]}"
        _, *parts, last = body.split(mark)
        whole = f"{head}\n\n".encode()
        whole += b"".join(mark.encode() + b"\n" + _part(part.lstrip("\n"), ours) for part in parts)
        whole += f"{mark}{last}".encode()
    return whole.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def expected(path: Path) -> dict[str, Any]:
    """What stands beside the template: see `mails/clients/README.md`."""
    found: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return found


def _header(line: str, ours: Sent) -> str:
    name, colon, value = line.partition(":")
    value = _tokens(value, ours).strip()
    if not colon or line[:1].isspace() or value.isascii():
        return _tokens(line, ours)
    return f"{name}: {Header(value, 'utf-8', maxlinelen=900).encode()}"


def _part(part: str, ours: Sent) -> bytes:
    head, _, body = part.partition("\n\n")
    quoted = ours.text.strip("\n").split("\n")
    body = _TEXT_LINE.sub(lambda line: "\n".join(line[1] + words for words in quoted), body)
    body = _tokens(body, ours)
    charset = _CHARSET.search(head)
    try:
        octets = body.encode(charset[1] if charset else "ascii")
    except UnicodeEncodeError:  # mail programs take a larger one then
        head, octets = _CHARSET.sub('charset="utf-8"', head), body.encode()
    if "\nContent-Transfer-Encoding: quoted-printable" in f"\n{head}":
        octets = quopri.encodestring(octets)
    elif "\nContent-Transfer-Encoding: base64" in f"\n{head}":
        octets = base64.encodebytes(octets)
    return f"{head}\n\n".encode() + octets


def _tokens(text: str, ours: Sent) -> str:
    values = {
        "MESSAGE_ID": ours.message_id,
        "REPLY_ADDRESS": ours.address,
        "NAME": ours.name,
        "SUBJECT": ours.subject,
        "HTML": ours.html,
    }
    return _TOKEN.sub(lambda token: values[token[1]], text)
