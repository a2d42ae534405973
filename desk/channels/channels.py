"""Channels: which there are, whose mail leaves by which, and how one is changed."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from sqlalchemy import ColumnElement, case, exists, false, func, or_, select, true, union_all
from sqlalchemy.exc import IntegrityError

from desk.batch_cache import asked_once
from desk.channels import addresses, health, oauth
from desk.channels.addresses import untagged as untagged
from desk.channels.channel_values import (
    BY_TOKEN,
    INCOMING_LOGIN,
    ChannelValues,
    InvalidChannel,
    address_key,
    check,
    completed,
    grant_of,
    incoming_password,
    keeps_login,
    outgoing_password,
)
from desk.office import office, signing_key, the_account
from desk.refusal import Refusal
from mail import ids
from mail.types import Address, Mail
from models import Channel, ChannelAlias, Message, OutboundMail, OutboundRecipient, Provider, Ticket, db, now
from models.base import one_at_a_time
from wire.discovery import Discovery, discover

# A password typed for the incoming server only serves the outgoing one too; it is stored once.
SAME_AS_INCOMING = ""


class Protected(Refusal):
    """The default address cannot be deactivated, deleted or moved elsewhere (S33, S52)."""


ADDRESSES = "addresses of channels"  # each is one channel's, as its own or as an alias: decided one at a time
PAGE = 50  # channels of one page of the list


@dataclass(frozen=True, slots=True)
class ChannelListing:
    """One page of the list: `first` is the number of its first row, from 1; `total` of all that match."""

    channels: list[Channel]
    first: int
    total: int


@dataclass(frozen=True, slots=True)
class Overview:
    """How many channels are active, and how many of these are in trouble; `worst` is the only one, if it is."""

    active: int
    failing: int
    worst: int | None = None


def overview() -> Overview:
    """One query, since every page shows it."""
    living = (Channel.deleted_at.is_(None), Channel.active)
    troubled = or_(Channel.failing_since.is_not(None), health.told_of(Channel.id))
    failing = func.sum(case((troubled, 1), else_=0))
    one = func.min(case((troubled, Channel.id)))
    active, count, worst = db.session.execute(select(func.count(), failing, one).where(*living)).one()
    return Overview(active, int(count or 0), worst if count == 1 else None)


def living() -> list[Channel]:
    """All channels that were not deleted, the default one first."""
    query = select(Channel).where(Channel.deleted_at.is_(None))
    return list(db.session.scalars(query.order_by(Channel.is_default.desc(), func.lower(Channel.key))))


def listing(words: str = "", number: int = 1) -> ChannelListing:
    """Page `number` of the living channels whose ID or addresses contain `words`, in the order of `living`."""
    matches: list[ColumnElement[bool]] = [Channel.deleted_at.is_(None)]
    for word in words.split():
        like = f"%{word.casefold().replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
        named = ChannelAlias.channel_id == Channel.id, ChannelAlias.address_key.like(like, escape="!")
        matches.append(
            or_(
                Channel.key_fold.like(like, escape="!"),
                Channel.address_key.like(like, escape="!"),
                exists().where(*named),
            )
        )
    total = db.session.scalar(select(func.count()).where(*matches)) or 0
    start = min(max(number - 1, 0) * PAGE, max(total - 1, 0) // PAGE * PAGE)
    query = select(Channel).where(*matches).order_by(Channel.is_default.desc(), func.lower(Channel.key))
    return ChannelListing(
        list(db.session.scalars(query.limit(PAGE).offset(start))), start + 1 if total else 0, total
    )


def by_key(key: str) -> Channel | None:
    """The living channel of that »ID«."""
    return db.session.scalar(select(Channel).where(Channel.key_fold == key.strip().casefold()))


def by_id(channel_id: int) -> Channel | None:
    """The living channel of that number."""
    channel = db.session.get(Channel, channel_id)
    return channel if channel is not None and channel.living else None


def default() -> Channel:
    """The channel of the account's first address; it always exists."""
    return db.session.scalars(select(Channel).where(Channel.is_default)).one()


def for_recipient(address: str) -> Channel | None:
    """The active »Standard« channel that takes mail for this address of an RCPT command.

    `support+anything@domain` goes to `support@domain`, as the signed reply addresses need. What we signed for a
    ticket is taken also when the address before it is no channel's any more.
    """
    key = address_key(address)
    query = select(Channel).where(
        addresses.of_key({key, untagged(key)}), Channel.provider == Provider.STANDARD, Channel.active
    )
    return db.session.scalar(query) or _of_signature(address)


def _of_signature(address: str) -> Channel | None:
    """The channel that takes what is written to a reply or return address of ours, by the ticket in its signature."""
    if not addresses.is_ours(address.rpartition("@")[2]):
        return None
    key, ticket = signing_key(), None
    if (found := ids.read_reply_address(key, address)) is not None:
        ticket = db.session.scalar(select(Ticket).where(Ticket.number == found[1]))
    elif (recipient := ids.read_return_address(key, address)) is not None:
        of_mail = select(OutboundRecipient.mail_id).where(OutboundRecipient.id == recipient).scalar_subquery()
        ticket = db.session.scalar(
            select(Ticket)
            .join(OutboundMail, OutboundMail.ticket_id == Ticket.id)
            .where(OutboundMail.id == of_mail)
        )
    if ticket is None:
        return None
    channel = sending_channel(ticket)
    return channel if channel.provider == Provider.STANDARD else default()


class _Entry(NamedTuple):
    channel_id: int
    active: bool
    is_alias: bool
    address: str  # as typed
    key: str  # as it is compared


@asked_once
def _book() -> list[_Entry]:
    """Every living channel with each of its addresses."""
    of_channel = (Channel.id, Channel.active)
    own = select(*of_channel, false().label("is_alias"), Channel.address, Channel.address_key)
    further = select(*of_channel, true(), ChannelAlias.address, ChannelAlias.address_key).join(
        ChannelAlias, ChannelAlias.channel_id == Channel.id
    )
    both = union_all(*(query.where(Channel.deleted_at.is_(None)) for query in (own, further)))
    return [
        _Entry(channel_id, active, is_alias, address, key or "")
        for channel_id, active, is_alias, address, key in db.session.execute(both)
    ]


@asked_once
def own_addresses() -> frozenset[str]:
    """Every living channel's addresses, casefolded, as typed and with their domain in ASCII: never written to."""
    return frozenset(
        spelling.casefold() for one in _book() for spelling in (one.address, one.key) if spelling
    )


@asked_once
def aliases_of(channel_id: int) -> tuple[str, ...]:
    """The further addresses of a channel, as they are compared."""
    return tuple(one.key for one in _book() if one.is_alias and one.channel_id == channel_id)


@asked_once
def is_alone() -> bool:
    """Whether there is one living channel only: no mail comes to two."""
    return len({one.channel_id for one in _book()}) < 2


def named_by(people: Iterable[str]) -> list[Channel]:
    """The active channels that have one of these addresses."""
    named = {untagged(address_key(address)) for address in people}
    found = {one.channel_id for one in _book() if one.active and one.key in named}
    return [channel for number in sorted(found) if (channel := by_id(number)) is not None]


def sending_channel(ticket: Ticket) -> Channel:
    """The ticket's channel; the default one when that was deleted or switched off."""
    return ticket.channel if ticket.channel.living and ticket.channel.active else default()


def sender_address(channel: Channel, address: str = "") -> Address:
    """Who a mail of the channel is from; `address` is an alias of it that was written to."""
    return Address(channel.sender_name or the_account().company, address or channel.address)


def written_to(channel: Channel, answered: Message | None) -> str:
    """The address of the channel that an answer to this mail is from: the one that it was written to."""
    if answered is None or not answered.written_to:
        return channel.address
    known = {one.key: one.address for one in _book() if one.is_alias and one.channel_id == channel.id}
    return known.get(answered.written_to, channel.address)


def note_forward_return(channel: Channel, mail: Mail) -> None:
    """One of our own mails came in: if it is the check, the forward works. In the running transaction."""
    if channel.forward_probe and secrets.compare_digest(channel.forward_probe, mail.message_id):
        channel.forward_back_at = now()


# --- changes; each is one transaction and rings the fetch, which notices what concerns it ---


def create(values: ChannelValues) -> Channel:
    """Raises InvalidChannel."""
    values = completed(values)
    one_at_a_time([ADDRESSES])
    check(values, None)
    channel = Channel(deactivated_at=None if values.active else now(), **_columns(values, None))
    addresses.keep_aliases(channel, values.aliases)
    db.session.add(channel)
    _commit(values)
    return channel


def update(channel: Channel, values: ChannelValues) -> None:
    """Raises InvalidChannel, or Protected for what the default channel must keep."""
    values = completed(values)
    if channel.is_default and not (
        values.active
        and values.provider == channel.provider
        and address_key(values.address) == channel.address_key
    ):
        raise Protected
    one_at_a_time([ADDRESSES])
    check(values, channel)
    columns = _columns(values, channel)
    elsewhere = any(
        columns[name] != getattr(channel, name)
        for name in ("provider", "protocol", "server", "user", "address_key")
    )
    if elsewhere:
        # Another mailbox: where the fetch stood in the old one means nothing here.
        channel.generation, channel.highest_uid, channel.first_fetch_at = "", 0, None
        channel.mailbox += 1
        channel.activated_at = now()
        channel.last_success_at = None
    if elsewhere and columns["authserv_id"] == channel.authserv_id:
        columns["authserv_id"] = ""  # another server has another name
    if columns["forwarded_from"] != channel.forwarded_from:
        channel.forward_probe, channel.forward_sent_at, channel.forward_back_at = "", None, None
    opened_anew = columns["password"] != channel.password or columns["grant_id"] != channel.grant_id
    other_login = not keeps_login(values, channel, INCOMING_LOGIN)
    if other_login:
        channel.last_success_at = None  # nobody has come in this way yet
    if elsewhere or opened_anew or other_login:
        _forget_failures(channel)
    _activate(channel, values.active)
    old_grant = channel.grant_id if columns["grant_id"] != channel.grant_id else None
    for name, value in columns.items():
        setattr(channel, name, value)
    addresses.keep_aliases(channel, values.aliases)
    oauth.forget(old_grant)
    channel.next_try_at = now()
    channel.edition += 1
    _commit(values)


def set_active(channel: Channel, active: bool) -> None:
    """Raises Protected for the default channel, which is always active."""
    if channel.is_default and not active:
        raise Protected
    if channel.active != active:
        _activate(channel, active)
        channel.edition += 1
    db.session.commit()
    office().ring("fetch", None)


def delete(channel: Channel) -> None:
    """Its tickets stay, its ID and address are free again, its secrets are gone. Raises Protected."""
    if channel.is_default:
        raise Protected
    channel.deleted_at = now()
    channel.active = False
    channel.key_fold = channel.address_key = None
    channel.further.clear()
    channel.password = channel.smtp_password = ""
    grant_id, channel.grant_id = channel.grant_id, None
    oauth.forget(grant_id)
    _forget_failures(channel)
    channel.edition += 1
    db.session.commit()
    office().ring("fetch", None)  # whose mailbox rests in IDLE is hung up


def reconnect(channel: Channel, grant_id: int) -> None:
    """Somebody signed in at the provider once more: its tokens take the place of those that have ended."""
    old, channel.grant_id = channel.grant_id, grant_id
    oauth.forget(old)
    _forget_failures(channel)
    channel.next_try_at = now()
    channel.edition += 1
    db.session.commit()
    office().ring("fetch", None)


def fetch_now(channel: Channel) -> None:
    """Do not wait for the next turn, also when faults have made the turns rare."""
    channel.next_try_at = now()
    db.session.commit()
    office().ring("fetch", None)


def find_settings(address: str, ask_database: bool) -> Discovery:
    """What is known about the servers of an address, and where. Takes at most 10 seconds; no transaction.

    `ask_database` sends the domain to Thunderbird's database, if nothing nearer knows it.
    """
    internet = replace(office().internet, allow_private=office().settings.allow_private_hosts)
    db.session.rollback()
    return discover(address, internet, ask_database)


def _columns(values: ChannelValues, channel: Channel | None) -> dict[str, object]:
    """The columns that the values decide."""
    names = ChannelValues.__dataclass_fields__.keys() - {
        "active",
        "aliases",
        "password",
        "smtp_password",
        "oauth",
        "grant_id",
    }
    columns: dict[str, object] = {name: getattr(values, name) for name in names}
    password, outgoing = incoming_password(values, channel), outgoing_password(values, channel)
    grant = grant_of(values, channel) if values.is_own else None
    if grant is not None:
        password, outgoing = "", "" if values.smtp_auth in BY_TOKEN else outgoing
    columns |= {
        "grant_id": grant.id if grant else None,
        "key_fold": values.key.casefold(),
        "address_key": address_key(values.address),
        "port": values.port or 993,
        "smtp_port": values.smtp_port or 587,
        "password": password if values.is_own else "",
        "smtp_password": SAME_AS_INCOMING if outgoing == password or not values.is_own else outgoing,
    }
    return columns if channel else columns | {"active": values.active}


def _activate(channel: Channel, active: bool) -> None:
    if channel.active == active:
        return
    channel.active = active
    if active:
        channel.activated_at, channel.deactivated_at = now(), None
        channel.next_try_at = now()
    else:
        channel.deactivated_at = now()
        _forget_failures(channel)


def _forget_failures(channel: Channel) -> None:
    channel.failing_since = channel.next_try_at = None
    channel.error_code = channel.error_words = ""
    channel.failures = channel.refused = 0
    health.forget_incidents(channel.id)


def _commit(values: ChannelValues) -> None:
    try:
        db.session.commit()
    except IntegrityError:
        # Somebody else took the ID or the address since it was checked.
        db.session.rollback()
        taken = "key" if by_key(values.key) else "address"
        raise InvalidChannel({taken: "taken"}) from None
    office().ring("fetch", None)
