"""What a return address (MAIL FROM, Return-Path) says of who sent: a list, a robot, or a person.

VERP writes the recipient into the local part (Bernstein 1997), BATV a signature (draft-levine-smtp-batv), SRS
the sender before a forward (Wong 2003): SRS has domain=user where VERP has user=domain.
"""

from __future__ import annotations

import re

from mail.types import Mail

MAX_LOCAL = 400  # characters that are looked at

_BATV = re.compile(r"(?:prvs|btv1)=+[\da-z]+=+(.+)", re.I)
_SRS0 = re.compile(r"srs0[=+-][^=]+=[^=]+=([^=]+)=(.+)", re.I)
_SRS1 = re.compile(r"srs1[=+-][^=]+=[^=]+=+[^=]+=[^=]+=([^=]+)=(.+)", re.I)
# A mailbox that passes its mail on by itself: Exchange Online, Gmail. It says nothing of the writer.
_PASSED_ON = re.compile(r".*\+(?:srs|caf_)=.*", re.I)
_ROBOT = re.compile(
    r"(?P<list>.*?)(?:^|[-+._])(?:bounces?|owner|request|return|errors?-to|confsub|unsub|sub|confirm)(?:[-+=_.\d].*)?",
    re.I,
)
_OWNER = re.compile(r"owner-(?P<list>.+)", re.I)
_VERP = re.compile(r"(?P<list>[^=]+?)[-+][^=+]+=[\w-]+(?:\.[\w-]+)+", re.I)


def return_address(mail: Mail, envelope_from: str | None) -> str | None:
    """That of the envelope; where nobody knows it (None) the Return-Path of the last server (RFC 5321, 4.4)."""
    if envelope_from is None and (noted := mail.all("return-path")):
        return noted[0].strip().strip("<>").strip()
    return envelope_from


def unwrapped(address: str) -> str:
    """The address without what forwarding (SRS) and signing (BATV) put around it."""
    local, at, domain = address.strip(" <>").rpartition("@")
    if len(local) > MAX_LOCAL:
        return address
    for _ in range(3):  # one may stand in the other
        if found := _SRS0.fullmatch(local) or _SRS1.fullmatch(local):
            domain, local = found[1], found[2]
        elif found := _BATV.fullmatch(local):
            local = found[1]
        else:
            break
    return f"{local}{at}{domain}"


def is_robots(address: str) -> bool:
    """Whether the return address is that of a list manager or of another machine that counts what comes back."""
    return _of_a_robot(unwrapped(address)) is not None


def list_behind(address: str) -> str:
    """The list that such a return address belongs to: list@example.org of list+bounces-1-you=there@example.org."""
    address = unwrapped(address)
    found = _of_a_robot(address)
    name = found["list"].strip("-+._") if found else ""
    return f"{name}@{address.rpartition('@')[2]}".casefold() if name else ""


def _of_a_robot(address: str) -> re.Match[str] | None:
    local = address.rpartition("@")[0][:MAX_LOCAL]
    if not local or _PASSED_ON.fullmatch(local):
        return None
    return _OWNER.fullmatch(local) or _ROBOT.fullmatch(local) or _VERP.fullmatch(local)
