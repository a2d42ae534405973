"""The grammar of an SPF record (RFC 7208, sections 4.5, 5 to 7 and 12): its terms, and the macros in their names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import quote

from mail.providers.lookup import LONGEST_NAME

MODIFIERS = ("redirect", "exp")  # others are left out (6)
NETWORKS = {"ip4": 4, "ip6": 6}
ASKING = ("include", "a", "mx", "ptr", "exists")  # each costs a question (4.6.4)
NEEDS_NAME = ("include", "exists")
WITH_LENGTH = ("a", "mx", *NETWORKS)
LONGEST = 8192  # octets of a record; the RFC wants 450 (3.4), nobody needs this many

# 7.1; c, r and t are for explanations only. Nobody means more than nine digits of labels.
_MACRO = r"%(?:\{([slodipvh])(?:0*([1-9]\d{0,8}))?(r?)([-.+,/_=]*)\}|([%_-]))"
_MACROS = re.compile(_MACRO, re.I | re.A)
_MACRO_STRING = re.compile(rf"(?:{_MACRO}|[!-$&-~])*", re.I | re.A)
_WRITTEN = {"%": "%", "_": " ", "-": "%20"}
_TOP_LABEL = re.compile(r"(?!\d+$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.I | re.A)
_VERSION = re.compile(r"v=spf1(?: .*)?", re.I | re.S)
_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.I | re.A | re.S)
_LENGTH = r"(0|[1-9]\d{0,2})"
_MECHANISM = re.compile(
    rf"([+\-~?]?)([a-z0-9]+)(?::(.*?))?(?:/{_LENGTH})?(?://{_LENGTH})?", re.I | re.A | re.S
)


class Broken(Exception):
    """The record cannot be used (permerror). `code`: several, syntax, loop, too_many, void, mx, no_record."""

    def __init__(self, code: str, where: str = "") -> None:
        super().__init__(code, where)
        self.code, self.where = code, where


@dataclass(frozen=True, slots=True)
class Term:
    """`value` is the name, with its macros; empty where the domain itself is meant. `lengths`: for IPv4, IPv6."""

    name: str
    qualifier: str = "+"
    value: str = ""
    lengths: tuple[int, int] = (32, 128)
    network: IPv4Network | IPv6Network | None = None


def record_in(texts: Iterable[bytes], domain: str) -> str:
    """The one SPF record among the TXT records of the domain, or nothing. Raises Broken for several."""
    found = [text for octets in texts if _VERSION.fullmatch(text := octets.decode("ascii", "replace"))]
    if len(found) > 1:
        raise Broken("several", domain)
    return found[0] if found else ""


def terms(record: str) -> list[Term]:
    """All terms but unknown modifiers, each of them checked before any counts (4.6). Raises Broken."""
    if len(record) > LONGEST:
        raise Broken("syntax", f"{record[:40]}…")
    read = [term for word in record.split(" ")[1:] if word and (term := _term(word))]
    for name in MODIFIERS:
        if sum(term.name == name for term in read) > 1:
            raise Broken("syntax", name)
    return read


def with_term(record: str, term: str) -> str:
    """The record with one more term, before what it says of all others."""
    words = record.split()
    return " ".join([words[0], term, *words[1:]]) if words else f"v=spf1 {term} ~all"


def expand(text: str, value_of: Callable[[str], str]) -> str:
    """The name with the values of its macros (7.3), by their letters; too long, it loses labels on its left."""
    name = _MACROS.sub(lambda found: _value(found, value_of), text).removesuffix(".").lower()
    end = name[-LONGEST_NAME - 1 :]
    return name if len(name) <= LONGEST_NAME else end.partition(".")[2]


def _value(found: re.Match[str], value_of: Callable[[str], str]) -> str:
    letter, count, backwards, delimiters, written = found.groups()
    if written:
        return _WRITTEN[written]
    parts = re.split(f"[{re.escape(delimiters or '.')}]", value_of(letter.lower()))
    if backwards:
        parts.reverse()
    value = ".".join(parts[-int(count) :] if count else parts)
    return quote(value, safe="") if letter.isupper() else value


def _term(word: str) -> Term | None:
    """None for a modifier that nobody knows."""
    if found := _MODIFIER.fullmatch(word):
        name, value = found[1].lower(), found[2]
        if not (_names_domain(value) if name in MODIFIERS else _MACRO_STRING.fullmatch(value)):
            raise Broken("syntax", word)
        return Term(name, value=value) if name in MODIFIERS else None
    found = _MECHANISM.fullmatch(word)
    term = _mechanism(*found.groups()) if found else None
    if term is None:
        raise Broken("syntax", word)
    return term


def _mechanism(
    qualifier: str, name: str, value: str | None, length: str | None, length6: str | None
) -> Term | None:
    """None for what is none, or not as it must be."""
    name, qualifier = name.lower(), qualifier or "+"
    if (length or length6) and name not in WITH_LENGTH:
        return None
    if name == "all":
        return Term(name, qualifier) if value is None else None
    if name in NETWORKS:
        network = _network(NETWORKS[name], value or "", length) if not length6 else None
        return Term(name, qualifier, network=network) if network is not None else None
    lengths = int(length or 32), int(length6 or 128)
    named = name not in NEEDS_NAME if value is None else _names_domain(value)
    if name not in ASKING or not named or lengths[0] > 32 or lengths[1] > 128:
        return None
    return Term(name, qualifier, value or "", lengths)


def _network(version: int, value: str, length: str | None) -> IPv4Network | IPv6Network | None:
    try:
        network = ip_network(f"{value}/{length}" if length else value, strict=False)
    except ValueError:
        return None
    return network if network.version == version and "/" not in value and "%" not in value else None


def _names_domain(text: str) -> bool:
    """A domain-spec (7.1): it ends in a macro or, below another label, in one that no address ends in."""
    if not _MACRO_STRING.fullmatch(text):
        return False
    macros = list(_MACROS.finditer(text))
    if macros and macros[-1].end() == len(text):
        return True
    _, dot, last = text.removesuffix(".").rpartition(".")
    return bool(dot and _TOP_LABEL.fullmatch(last))
