"""Who takes part in a ticket, who gets an answer, and who may read what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace

from sqlalchemy import bindparam, exists, or_, select

from desk.channels import channels
from desk.office import signing_key
from mail import ids
from mail.domains import mailbox_key
from mail.reading.addresses import valid_address
from mail.shared_addresses import is_service, is_shared
from mail.types import Address, ClueKind
from models import Kind, MailState, Message, OutboundMail, OutboundRecipient, Ticket, db

MOST_WISHED = 3  # addresses of a Reply-To
MOST_COPIES = 30  # addresses that the composer offers for Cc
CLUES = (*ClueKind, "merge")  # a message that one of these led here joined a ticket that was there before


# Asked for every answer that comes in, so it is put together once.
WRITERS = (
    select(Message.kind, Message.from_address, Message.to, Message.cc, Message.bcc)
    .outerjoin(OutboundMail, OutboundMail.message_fk == Message.id)
    .where(
        Message.ticket_id == bindparam("ticket_id"),
        Message.why != "bounce",
        or_(OutboundMail.state.is_(None), OutboundMail.state != MailState.CANCELLED),
        Message.kind != Kind.NOTE,
        Message.newcomer.is_(False),
    )
)


def participants(ticket: Ticket) -> set[str]:
    """Keys of the addresses that take part: the requester, who wrote here by right, whom we wrote to.

    The Cc of an incoming mail does not count: it is only a claim of its sender. Neither do mails that a
    check found to be somebody else's, and programs that write what many people tell them.
    """
    people = {ticket.contact.address_key}
    rows = db.session.execute(WRITERS, {"ticket_id": ticket.id})
    for kind, author, to, cc, bcc in rows:
        if kind == Kind.INBOUND:
            if not is_service(author):
                people.add(mailbox_key(author))
        else:
            people.update(mailbox_key(entry["address"]) for entry in (*to, *cc, *bcc))
    return people


@dataclass(frozen=True, slots=True)
class Circle:
    """Who stands around a ticket when it is answered, asked once. `last` is the mail that is answered."""

    ticket: Ticket
    last: Message | None
    known: frozenset[str]  # keys of those who take part
    own: frozenset[str]  # our own addresses, never written to
    answered_at: frozenset[str] = frozenset()  # where else the requester asked for answers and got them

    @property
    def may_read(self) -> frozenset[str]:
        """Keys of those who are written to without an agent saying so."""
        return self.known | self.answered_at

    def recipients(self) -> tuple[Address, ...]:
        """Who gets the answer: the author of the last mail that a person wrote, at the address they ask for.

        A Reply-To is a wish of whoever wrote the mail, or of who sent somebody's mail once more. It leads to
        somebody new only where a ticket begins, and never to our own addresses or a crowd.
        """
        last, contact = self.last, self.ticket.contact
        if last is None or _passed_on(last):
            return self._writable([{"name": self.ticket.requester_name, "address": contact.address}])
        strangers = {mailbox_key(entry["address"]) for entry in _unknown_wishes(last, self.may_read)}
        wished = [entry for entry in last.reply_to if mailbox_key(entry["address"]) not in strangers]
        author = [{"name": last.from_name, "address": last.from_address}]
        if (
            channels.untagged(last.from_address) in self.own
        ):  # our own answer, that came here from another channel
            author = [{"name": contact.name, "address": contact.address}]
        return self._writable(wished)[:MOST_WISHED] or self._writable(author)

    def offered(self) -> list[str]:
        """Where the last mail asks to be answered as well: nobody known, so only an agent decides it."""
        if self.last is None or _passed_on(self.last):
            return []
        wished = self._writable(_unknown_wishes(self.last, self.may_read))
        return list(dict.fromkeys(one.address for one in wished))[:MOST_WISHED]

    def joined_by(self, readers: Iterable[Address]) -> Circle:
        """After an answer to them: whom we write to takes part."""
        return replace(self, known=self.known | {reader.key for reader in readers})

    def copies(self, to: Iterable[Address]) -> list[str]:
        """Whom the last mail went to besides us: nobody of them is answered before an agent says so."""
        if self.last is None:
            return []
        last = self.last
        named = {mailbox_key(one["address"]): one["address"] for one in (*last.to, *last.cc)}
        away = {one.key for one in to} | {mailbox_key(last.from_address), self.ticket.contact.address_key}
        writable = self._writable([{"name": "", "address": address} for address in named.values()])
        return [one.address for one in writable if one.key not in away][:MOST_COPIES]

    def others(self) -> list[str]:
        """Who takes part besides the requester and us."""
        others = self.known - {self.ticket.contact.address_key}
        return sorted(key for key in others if channels.untagged(key) not in self.own)

    def _writable(self, people: Sequence[dict[str, str]]) -> tuple[Address, ...]:
        """Those that a mail can be written to, without ourselves."""
        return tuple(
            named(self.ticket, self.last, person["address"], person["name"])
            for person in people
            if _is_writable(person["address"], self.own)
        )


def _is_writable(address: str, own: frozenset[str]) -> bool:
    """Ours are also signed ones of an address that is no longer a channel's."""
    if not valid_address(address) or channels.untagged(address) in own:
        return False
    return "+" not in address or ids.read_reply_address(signing_key(), address) is None


def named(ticket: Ticket, mail: Message | None, address: str, name: str = "") -> Address:
    """Whom a mail goes to, by the name that they have in the mail that it answers, else in the ticket.

    Another address that a person wants to be answered at is theirs; what many share is nobody's.
    """
    key = mailbox_key(address)
    if not name and mail is not None:
        wished = [one["name"] for one in mail.reply_to if mailbox_key(one["address"]) == key]
        is_author = key == mailbox_key(mail.from_address) or (wished and not is_shared(mail.from_address))
        name = next(filter(None, wished), "") or (mail.from_name if is_author else "")
    if not name and key == ticket.contact.address_key:
        name = ticket.requester_name or ticket.contact.name
    return Address(name, address)


def requesters_reader(ticket: Ticket) -> tuple[str, Message | None]:
    """To which address a notice to the requester goes, where their answers go, and the mail that it speaks of.

    That is the last mail of the requester that a person wrote, else of anybody; the address may be empty.
    """
    written = (
        select(Message)
        .where(
            Message.ticket_id == ticket.id,
            Message.kind == Kind.INBOUND,
            Message.quiet.is_(False),
            Message.newcomer.is_(False),
        )
        .order_by((Message.from_address != ticket.contact.address), Message.id.desc())
        .limit(1)
    )
    asked = db.session.scalar(written)
    if asked is None or mailbox_key(asked.from_address) != ticket.contact.address_key:
        return ticket.contact.address, asked
    to = replace(around(ticket), last=asked).recipients()
    return (to[0].address if to else ""), asked


def first_reader(wished: Sequence[dict[str, str]], author: str) -> str:
    """To which address the answer to a ticket's first mail goes, and so what we confirm by ourselves.

    `wished` is its Reply-To. Empty when nobody can be written to, and where it leads to ourselves: a loop, maybe.
    """
    own = channels.own_addresses()
    if any(channels.untagged(one["address"]) in own for one in wished):
        return ""
    addresses = (*(one["address"] for one in wished), author)
    return next((address for address in addresses if _is_writable(address, own)), "")


def around(ticket: Ticket) -> Circle:
    last, known = last_inbound(ticket), frozenset(participants(ticket))
    asked = _unknown_wishes(last, known) if last is not None else []
    used = _answered_at(ticket, {mailbox_key(entry["address"]) for entry in asked}) if asked else frozenset()
    return Circle(ticket, last, known, channels.own_addresses(), used)


def recipients(ticket: Ticket) -> tuple[Address, ...]:
    return around(ticket).recipients()


def last_inbound(ticket: Ticket) -> Message | None:
    """The newest mail of somebody who takes part, a person's if there is one; never a mail server's report."""
    for quiet in (False, True):
        found = db.session.scalar(
            select(Message)
            .where(
                Message.ticket_id == ticket.id,
                Message.kind == Kind.INBOUND,
                Message.quiet.is_(quiet),
                Message.newcomer.is_(False),
                Message.why != "bounce",
            )
            .order_by(Message.id.desc())
            .limit(1)
        )
        if found is not None:
            return found
    return None


def may_be_quoted(answered: Message, readers: Iterable[Address], known: Set[str] | None = None) -> bool:
    """A quote never brings history to somebody whom only a mail named: in its Cc, or as a newcomer.

    Nor what a colleague wrote above the mail that they passed on. `known`: who takes part, if that was asked before.
    """
    if answered.forwarded_from:
        return False
    wished = [] if _joined(answered) else answered.reply_to
    knows = {mailbox_key(entry["address"]) for entry in (*answered.to, *answered.cc, *wished)}
    knows |= (participants(answered.ticket) if known is None else known) | {
        mailbox_key(answered.from_address)
    }
    strangers = {reader.key for reader in readers} - knows
    return not strangers or not strangers & named_by_mails(answered.ticket)


def named_by_mails(ticket: Ticket) -> set[str]:
    """Keys of the addresses that stand in the Cc or Reply-To of a mail or wrote as newcomers."""
    rows = db.session.execute(
        select(Message.from_address, Message.to, Message.cc, Message.reply_to).where(
            Message.ticket_id == ticket.id, Message.kind == Kind.INBOUND
        )
    )
    named: set[str] = set()
    for author, to, cc, wished in rows:
        named |= {mailbox_key(author), *(mailbox_key(entry["address"]) for entry in (*to, *cc, *wished))}
    return named


def _joined(message: Message) -> bool:
    """It came into a ticket that was there before, or nothing of it is believed."""
    return message.refuted or message.why in CLUES


def _unknown_wishes(message: Message, known: Set[str]) -> list[dict[str, str]]:
    """The addresses of its Reply-To that are neither its author nor known; where a ticket begins, all may be new."""
    if not _joined(message):
        return []
    known = known | {mailbox_key(message.from_address)}
    return [entry for entry in message.reply_to if mailbox_key(entry["address"]) not in known]


def _answered_at(ticket: Ticket, keys: set[str]) -> frozenset[str]:
    """Those of the addresses that an answer to this requester has gone to, in another ticket that they began.

    Only where its first mail was confirmed: else whoever used their name once would be known from then on.
    """
    begun = exists().where(
        Message.ticket_id == Ticket.id,
        Message.kind == Kind.INBOUND,
        Message.sender_state == "confirmed",
        Message.from_address == ticket.contact.address,
        Message.why.not_in(CLUES),
    )
    found = db.session.scalars(
        select(OutboundRecipient.address_key)
        .join(OutboundMail, OutboundMail.id == OutboundRecipient.mail_id)
        .join(Ticket, Ticket.id == OutboundMail.ticket_id)
        .where(
            OutboundRecipient.address_key.in_(keys),
            OutboundRecipient.automatic.is_(False),
            OutboundMail.purpose == "ticket_reply",
            OutboundMail.state == MailState.DONE,
            Ticket.contact_id == ticket.contact_id,
            begun,
        )
    )
    return frozenset(found)


def _passed_on(message: Message) -> bool:
    """A colleague forwarded it, and an agent made its first author the requester."""
    author = message.forwarded_from
    return author is not None and mailbox_key(author["address"]) == message.ticket.contact.address_key
