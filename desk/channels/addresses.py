"""The addresses of channels: which spelling is whose, what one must be like, and the further ones (aliases).

An alias is another address of the same mailbox. Mail to it is the channel's, and is answered in its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlalchemy import ColumnElement, exists, or_, select

from desk.agents import accounts
from desk.office import the_account
from mail.reading.addresses import ascii_address, valid_address
from models import Channel, ChannelAlias, Provider, db

# A signed reply address adds "+", the ticket number, "-" and 26 letters; a local part has 64 octets.
LONGEST_LOCAL_PART = 30
LOCAL_PART = re.compile(r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.))*(?<!\.)")
# At a server elsewhere people have more signs, but for those of patterns, routes and commands.
LOCAL_PART_ELSEWHERE = re.compile(r"[\w.+'&=~/-]+")
LONGEST = 254
MOST_ALIASES = 50


def address_key(address: str) -> str:
    """One spelling for one address, whatever its case or the writing of its domain."""
    return ascii_address(address.strip()).casefold()


def untagged(address: str) -> str:
    """The mailbox behind `support+anything@domain`, casefolded as own addresses are."""
    local, _, domain = address.casefold().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


def completed(address: str, provider: str) -> str:
    """A »Standard« address may be given as its local part."""
    if provider != Provider.STANDARD:
        return address
    address = address.lower()
    return address if "@" in address or not address else f"{address}@{the_account().mail_domain}"


def completed_aliases(text: str, provider: str) -> str:
    """One in a line, each once; typed with commas or semicolons between them as well.

    A blank stands between whole addresses; `max muster@acme.example` is one that is wrong, not two.
    """
    typed: list[str] = []
    for line in re.split(r"[\r\n,;]+", text):
        words = line.split()
        typed += words if all("@" in word for word in words) else [" ".join(words)]
    found = (completed(one, provider) for one in typed)
    return "\n".join({address_key(address): address for address in found}.values())


def problem(address: str, provider: str) -> str:
    """What is wrong with an address of a channel, as a code; empty: nothing."""
    local, _, domain = address.rpartition("@")
    if provider == Provider.OWN:
        return "" if LOCAL_PART_ELSEWHERE.fullmatch(local) and valid_address(address) else "syntax"
    if not is_ours(domain):
        return "domain"
    if not LOCAL_PART.fullmatch(local):
        return "syntax"
    return "too_long" if len(local) > LONGEST_LOCAL_PART else ""


def problem_of_aliases(text: str, provider: str, address: str) -> str:
    """The first thing that is wrong with the aliases of a channel with this address: a code, and whose it is.

    The domain of »Standard« addresses is no other server's, unless the mailbox itself has its address there.
    """
    aliases = text.splitlines()
    if len(aliases) > MOST_ALIASES:
        return "too_many"
    for alias in aliases:
        domain = alias.rpartition("@")[2]
        code = problem(alias, provider)
        if len(alias) > LONGEST:
            code = "too_long"
        elif "+" in alias.rpartition("@")[0]:
            code = "plus"  # what stands behind it never makes another mailbox here
        elif address_key(alias) == address_key(address):
            code = "same"
        elif provider == Provider.OWN and is_ours(domain) and not is_ours(address.rpartition("@")[2]):
            code = code or "domain"
        if code:
            return f"{code}: {alias}"
    return ""


def is_ours(domain: str) -> bool:
    """Whether it is the domain of »Standard« addresses."""
    return address_key(f"x@{domain}") == address_key(f"x@{the_account().mail_domain}")


def taken(keys: Iterable[str], channel: Channel | None = None) -> str:
    """The first of these addresses, by its key, that another channel has, as its own or as an alias; or empty."""
    wanted, own = list(keys), channel.id if channel is not None else None
    if not wanted:
        return ""
    asked = (
        select(Channel.address_key, Channel.id).where(Channel.address_key.in_(wanted)),
        select(ChannelAlias.address_key, ChannelAlias.channel_id).where(ChannelAlias.address_key.in_(wanted)),
    )
    others = {key for query in asked for key, number in db.session.execute(query) if number != own}
    return next((key for key in wanted if key in others), "")


def of_agents(keys: Iterable[str]) -> str:
    """The first of these addresses where an agent reads mail, or empty.

    Their notices would become tickets, and what they answer would come from us.
    """
    agents = {untagged(address_key(key)) for key in accounts.agent_addresses()}
    return next((key for key in keys if untagged(key) in agents), "")


def has(address: str) -> bool:
    """Whether it is an address of a channel."""
    return bool(taken([address_key(address)]))


def of_key(keys: Iterable[str]) -> ColumnElement[bool]:
    """The condition that a channel has one of these addresses."""
    wanted = list(keys)
    alias = exists().where(ChannelAlias.channel_id == Channel.id, ChannelAlias.address_key.in_(wanted))
    return or_(Channel.address_key.in_(wanted), alias)


def keep_aliases(channel: Channel, text: str) -> None:
    """What was typed in place of what was stored, in the running transaction."""
    wanted = {address_key(alias): alias for alias in text.splitlines()}
    for row in list(channel.further):
        alias = wanted.pop(row.address_key, None)
        if alias is None:
            channel.further.remove(row)
        else:
            row.address = alias
    channel.further += [ChannelAlias(address=alias, address_key=key) for key, alias in wanted.items()]
