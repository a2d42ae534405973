"""Mailboxes that a person typed, and the names that we make for them."""

from __future__ import annotations

import re
import unicodedata

from email_validator import EmailNotValidError, validate_email

from mail.domains import ascii_domain
from mail.types import Address

# email-validator refuses domains that the public network cannot reach; houses use them inside.
HOUSE_DOMAINS = ("local", "test", "localhost")

# "support-" + company + "+" + 8 digits + "-" + 26 letters of signature fill the 64 octets of a local part.
LONGEST_COMPANY = 20

LEGAL_FORMS = """
    ag bv co corp corporation doo eg egen eingetragene ek eu ev gbr gesmbh ggmbh gmbh haftungsbeschraenkt
    haftungsbeschrankt inc incorporated kft kg kgaa limited llc llp ltd mbb mbh nv og ohg oy partg plc pty
    rl sa sagl sarl sas se spa srl sro ug
"""
CONNECTORS = frozenset(("und", "and", "et", "e", "y", "u"))

_LEGAL_FORMS = frozenset(LEGAL_FORMS.split())


class AddressError(ValueError):
    """`code` is empty, line_break, several or syntax; `text` is what was typed."""

    def __init__(self, code: str, text: str):
        super().__init__(f"{code}: {text!r}")
        self.code = code
        self.text = text


def parse_address(text: str) -> Address:
    """`a@x`, `<a@x>`, `Name <a@x>` or `"Name, quoted" <a@x>`; raises AddressError."""
    typed = text.strip()
    if not typed:
        raise AddressError("empty", text)
    if "\r" in typed or "\n" in typed:
        raise AddressError("line_break", text)
    found = re.fullmatch(r"([^<>]*)<([^<>]*)>", typed)
    name, address = (found[1].strip(), found[2].strip()) if found else ("", typed)
    if not valid_address(address):
        raise AddressError("several" if address.count("@") > 1 else "syntax", text)
    return Address(_unquote(name), address)


def split_addresses(text: str) -> tuple[Address, ...]:
    """`a@x, B <b@y>; c@z`: separated by comma, semicolon or line, each mailbox once.

    An unquoted `Huber, Max <max@x>`, as Outlook writes it, is one. Raises AddressError with the bad one.
    """
    found: dict[str, Address] = {}
    for piece in _pieces(text):
        address = parse_address(piece)
        found.setdefault(address.key, address)
    return tuple(found.values())


def valid_address(text: str) -> bool:
    """Whether the syntax is right (RFC 5321, RFC 6531); `.local`, `.test` and `.localhost` are welcome."""
    local, _, domain = text.rpartition("@")
    if domain.lower().rpartition(".")[2] in HOUSE_DOMAINS:
        domain += ".example"  # judged by the same rules, without changing the library for everybody
    try:
        validate_email(f"{local}@{domain}", check_deliverability=False)
    except EmailNotValidError:
        return False
    return True


def ascii_address(address: str) -> str:
    """The address as it stands in an envelope: the domain in ASCII, the local part as it is."""
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{ascii_domain(domain)}"


def local_part_of_company(name: str) -> str:
    """`Käse & Söhne GmbH` becomes `kaese-soehne`: at most 20 ASCII letters, never empty."""
    words = [word for word in (_slug(word) for word in _ascii(name).split()) if word]
    kept = list(words)
    while kept and (kept[-1].replace("-", "") in _LEGAL_FORMS or kept[-1] in CONNECTORS):
        kept.pop()
    slug = "-".join(kept or words)
    if len(slug) > LONGEST_COMPANY:
        cut = slug[: LONGEST_COMPANY + 1].rpartition("-")[0]
        slug = cut if len(cut) >= LONGEST_COMPANY // 2 else slug[:LONGEST_COMPANY]
        slug = slug.removesuffix("-und").removesuffix("-and")
    return slug.strip("-") or "firma"


def _pieces(text: str) -> list[str]:
    """Split outside of quotes and angle brackets; a piece without `@` belongs to the one after it."""
    pieces, name = [], ""
    for match in re.finditer(r'((?:"(?:\\.|[^"\\])*"|<[^<>]*>|[^,;\n])*)([,;\n]|$)', text):
        piece, separator = match[1].strip(), match[2]
        if not piece:
            continue
        name += piece
        if separator == "," and "@" not in name:
            name += ", "
            continue
        pieces.append(name)
        name = ""
    return [*pieces, name.rstrip(", ")] if name else pieces


def _unquote(name: str) -> str:
    if len(name) >= 2 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return name.strip()


def _slug(word: str) -> str:
    """A legal form loses its points (`e.U.`), any other word keeps its parts apart."""
    bare = re.sub(r"[^a-z0-9]", "", word)
    return bare if bare in _LEGAL_FORMS else re.sub(r"[^a-z0-9]+", "-", word).strip("-")


def _ascii(text: str) -> str:
    text = unicodedata.normalize("NFC", text).casefold()
    for letter, letters in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("æ", "ae"), ("œ", "oe"), ("ø", "oe"),
                            ("ł", "l"), ("đ", "d"), ("ð", "d"), ("þ", "th"), ("ı", "i")):  # fmt: skip
        text = text.replace(letter, letters)
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
