"""One spelling for one mailbox: what two spellings have in common, and no more."""

from __future__ import annotations

import idna

SHORT = 3  # letters of what stands below a country for a kind of owner: co, or, com, gov


def ascii_domain(domain: str) -> str:
    """The domain in lower case, international ones in punycode (RFC 5891); unchanged if it cannot be."""
    if domain.isascii():
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return _lower(domain)


def mailbox_key(address: str) -> str:
    """By this two addresses are compared: ASCII letters in lower case, the domain in punycode.

    Unicode's case folding would make one of two people: the Kelvin sign a k, a long ſ an s, ß two of them.
    """
    local, at, domain = address.strip().rpartition("@")
    return f"{_lower(local)}{at}{ascii_domain(domain)}"


def folded(address: str) -> str:
    """The key of the mailbox behind user+anything@domain: at most servers one person reads them all."""
    local, at, domain = mailbox_key(address).rpartition("@")
    return f"{local.partition('+')[0] or local}{at}{domain}"


def registered(domain: str) -> str:
    """The name below which somebody is likely to own all names: example.com, example.co.uk.

    A guess by the shape, for counting alone, where nobody can wait for DNS; whether two names belong to one
    organisation says mail/providers/dmarc.py.
    """
    labels = ascii_domain(domain).removesuffix(".").split(".")
    below_a_country = len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= SHORT
    return ".".join(labels[-3:] if below_a_country else labels[-2:])


def related(one: str, other: str) -> bool:
    """Whether two domains are the same, or one stands below the other. Of top-level domains none is related."""
    one, other = (ascii_domain(domain.strip(".")) for domain in (one, other))
    if "." not in one or "." not in other:
        return False
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def _lower(text: str) -> str:
    """Bytes know no letters but those of ASCII."""
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")
