"""What name servers are asked and what they answer, as values: who asks them is the wire's affair."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

# (name, type) -> TXT: joined octets; A, AAAA: text; MX: (preference, name); PTR: name. Nothing there: empty.
Ask = Callable[[str, str], list[Any]]
Address = IPv4Address | IPv6Address

LONGEST_NAME, LONGEST_LABEL = 253, 63  # octets (RFC 1035, 2.3.4), the name without its last dot
# A backslash would be read as the escape of a zone file, and what is beyond ASCII as a name to be translated.
_LABEL = re.compile(rf"[ -\[\]-~]{{1,{LONGEST_LABEL}}}")


class Unanswered(Exception):
    """A name server did not answer: nothing is known."""


def can_exist(name: str) -> bool:
    """Whether a name server can be asked for it. Strangers have a say in names: selectors, macros, From."""
    name = name.removesuffix(".")
    return len(name) <= LONGEST_NAME and all(_LABEL.fullmatch(label) for label in name.split("."))


def value_of(kind: str, answer: Any) -> Any:
    """One record of dnspython, as the readers take it."""
    if kind == "TXT":
        return b"".join(answer.strings)
    if kind == "MX":
        return answer.preference, answer.exchange.to_text(True)
    return answer.target.to_text(True) if kind == "PTR" else answer.address


def address_of(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
