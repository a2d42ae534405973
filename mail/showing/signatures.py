"""Where the signature at the end of what somebody wrote begins.

Only what names itself is one: the line `-- ` (RFC 3676 section 4.3) and the footers of mail programs.
A greeting with a name below it stays where it is. What asks something, or adds a postscript, is a text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mail.showing.program_words import every

MAX_LINES = 30
MAX_LINE = 500
MAX_FOOTER = 400  # with a link at its end

# Names of devices and of programs, as they stand in a footer.
_DEVICE = (
    r"(?:iphone?|ipad|apple watch|mac|galaxy|samsung|android|huawei|xiaomi|redmi|honor|oppo|pixel|blackberry|nokia"
    r"|handy|smartphone|mobiltelefon|mobilger[äa]t|telefon|tablet|phone|mobile|outlook|mail|e-?mail|proton|gmx|web\.de"
    r"|yahoo|gmail|thunderbird|k-9|fairemail|spark|windows|telekom|freenet|bluemail|canary|edison|airmail|aquamail"
    r"|téléphone|telefono|teléfono|móvil|telemóvel|celular|cellulare|mobiel|mobil|puhelin|puhelime|correo|posta|poczt"
    r"|pošt|e-post|sähköposti|courrier|messagerie|почт|«почт|яндекс\.почт|смартфон|телефон|планшет|айфон|κινητό"
    r"|tutanota|fastmail|zoho|mailspring|seznam|libero|orange|laposte|wp|o2|interia)"
)
_AFTER = (
    r"(?:[ -](?:für|for|on|auf|mit|with|der|the|mail|e-?mail|app|secure|sichere|sécurisée|ios|android|iphone|ipad|mac"
    r"|windows|galaxy|pro|max|mini|plus|ultra|smartphone|device|gerät|phone|tablet|mobile|browser|webmail|freemail|yahoo"
    r"|k-9|handy|[a-z]?\d{1,3}[a-z]?|per|pour|para|voor|su|no|do|dla|для|na|til|till|için|pro|pentru|gia|για|systemu"
    r"|z|proton|samsung|xiaomi|huawei|phone|mail\.ru|appareil|dispositivo|zařízení|urządzeniu|laitteesta\w{0,2}))*"
)
_ENDING = r"(?:['’»-]?[^\W\d_]{1,9}»?)?"  # of some languages: iPhonesta, iPhone'a, iPhone-omról, iPhone'umdan
_PLAIN = re.compile(rf"(?i)(?:[\w-]+ )?{_DEVICE}{_AFTER}")
_ENDED = re.compile(rf"(?i)(?:[\w«-]+ )?{_DEVICE}{_ENDING}{_AFTER}{_ENDING}")
_FOOTER = re.compile(
    rf"\s*(?:{every('footers').replace('@', '(.{2,80}?)').replace('§', '(.{2,80}?)')})\.?"
    r"(?: (?:please excuse my brevity|bitte (?:entschuldigen sie|verzeihen sie) (?:die|meine) kürze)\.?)?"
    r"\s*(?:[<(]https?://[^\s<>()]{1,300}[>)])?\s*"
)
_INFLECTED = {number for number, mark in enumerate(re.findall("[@§]", every("footers")), 1) if mark == "§"}
_CONTACT = re.compile(
    r"(?i)@|www\.|https?://|\b(?:tel|fon|phone|fax|mob|mobil|mobile|gmbh|ag|kg|ltd|llc|inc|e\.?v|s\.?a|ust|uid|fn|hrb|hra"
    r"|iban|str(?:aße|asse|\.)|street|road|platz|gasse|weg)\b|\+\d{2}|\b\d{4,5} [A-ZÄÖÜ]"
)
_DISCLAIMER = re.compile(
    r"(?i)vertraulich|confidential|privileged|rechtlich geschützt|(?:intended|addressed) (?:only )?(?:recipient|for)"
    r"|irrtümlich erhalten|nicht der (?:richtige|beabsichtigte|vorgesehene) (?:adressat|empfänger)"
    r"|print(?:ing)? this e-?mail|ausdrucken|confidentiel"
)
_STILL_TALKING = re.compile(r"(?i)\?\s*$|^\s*(?:p\.?\s?s\.?|nb|n\.b\.|nachtrag|edit)\b")


def signature_start(lines: Sequence[str], end: int) -> int | None:
    """The line where signatures and footers that reach to `end` begin, or None."""
    start = None
    while (above := _one(lines, end)) is not None:
        start = end = above
    return start


def is_signature(lines: Sequence[str]) -> bool:
    """Whether lines that a mail program marked as its signature are no more than that."""
    filled = [line[:MAX_LINE] for line in lines if line.strip()]
    return 0 < len(filled) <= MAX_LINES and not any(_STILL_TALKING.search(line) for line in filled)


def is_footer(line: str) -> bool:
    """»Von meinem iPhone gesendet« and the like, and nothing else in that line."""
    found = _FOOTER.fullmatch(line.lower()) if len(line) <= MAX_FOOTER else None
    if found is None or found.lastindex is None:
        return found is not None
    device = _ENDED if found.lastindex in _INFLECTED else _PLAIN
    return device.fullmatch(found[found.lastindex]) is not None


def _one(lines: Sequence[str], end: int) -> int | None:
    while end > 0 and not lines[end - 1].strip():
        end -= 1
    if end == 0:
        return None
    if is_footer(lines[end - 1]):
        return end - 2 if end > 1 and lines[end - 2].rstrip() == "--" else end - 1
    for i in range(end - 1, max(end - 1 - MAX_LINES, -1), -1):
        if lines[i].lstrip().startswith(">"):
            return None
        if lines[i].rstrip() == "--":
            below = [line[:MAX_LINE] for line in lines[i + 1 : end]]
            return i if _signs(below, sure=lines[i].rstrip("\r") == "-- ") else None
    return None


def _signs(below: list[str], *, sure: bool) -> bool:
    """Whether only names and addresses stand here. Without the blank after `--` (some programs strip it,
    and some people draw lines with it) the first paragraph has to prove it too."""
    if not is_signature(below):
        return False
    paragraphs = [part for part in re.split(r"\n\s*\n", "\n".join(below).strip("\n")) if part.strip()]
    proven = [
        bool(_CONTACT.search(part) or _DISCLAIMER.search(part) or is_footer(part)) for part in paragraphs
    ]
    return all(proven[1:]) and (sure or proven[0] or (len(proven) == 1 and _only_names(paragraphs[0])))


def _only_names(paragraph: str) -> bool:
    """At most four short lines without a digit or the end of a sentence, each word but small ones capital."""
    lines = [line.strip() for line in paragraph.split("\n")]
    return len(lines) <= 4 and all(
        len(line) <= 40 and line[:1].isupper() and not re.search(r"\d|[.!:;]$", line) for line in lines
    )
