"""Who wrote a mail in whose From somebody else stands: a list of our own, a form, a provider of certified mail.

Lists put themselves into From where the writer's domain forbids others to use it (DMARC), and name the writer
elsewhere. None of that proves anything: docs/decisions/029-the-person-behind-a-list.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, replace

from mail.domains import mailbox_key
from mail.envelopes import is_robots, return_address
from mail.judging.machine_signs import MACHINE_NAMES
from mail.judging.rules import is_own_list
from mail.reading.addresses import valid_address
from mail.reading.headers import addresses
from mail.reading.parse import parse
from mail.shared_addresses import ON_BEHALF, is_certified, person_named
from mail.types import Address, Facts, Mail

HEAD = 64 * 1024  # octets of an attached mail that are read for its author
ORIGINAL_FROM = "x-original-from"
TRANSPORT = "x-trasporto"  # Italian PEC, on the mail that wraps a customer's: posta-certificata, errore


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a mail came, as far as it matters here.

    `own`: the addresses of its channel, casefolded, those of groups that bring it mail among them. `never` answers
    those of all our channels, who are no person; few mails ask. `by_reply_to`: the channel gets forms, whose customer
    stands in Reply-To.
    """

    own: frozenset[str]
    envelope_from: str | None = None
    never: Callable[[], Set[str]] = frozenset
    by_reply_to: bool = False

    def is_own(self, address: Address) -> bool:
        return address.key in self.own or address.address.casefold() in self.own

    def is_ours(self, address: Address) -> bool:
        return self.is_own(address) or address.key in self.never()


Place = Callable[[Mail, Arrival], Address | None]  # where a mail may name the person


def as_written(mail: Mail, arrival: Arrival) -> Mail:
    """The mail as that of the person who wrote it and is answered; `through` has who stands in From.

    As it was where From is the writer's, or nobody else is named.
    """
    if is_wrapped(mail):
        return _as_of(mail, arrival, (_on_behalf, _asked_for, _attached))
    by_us = arrival.is_own(mail.sender)
    to_us = any(arrival.is_own(asked) for asked in mail.reply_to)
    if (by_us or to_us) and _is_own_list(mail, arrival):
        if by_us:
            return _as_of(mail, arrival, (_original_from, _asked_for, _attached))
        others = tuple(asked for asked in mail.reply_to if not arrival.is_ours(asked))
        return replace(mail, reply_to=others)  # an answer to the group would come back to us
    return _as_of(mail, arrival, (_customer,)) if arrival.by_reply_to and mail.reply_to else mail


def is_wrapped(mail: Mail) -> bool:
    """Whether a provider of certified mail sends, as itself, what its customer wrote."""
    if not is_certified(mail.sender.address):
        return False
    return ON_BEHALF.fullmatch(mail.sender.name[:400]) is not None or bool(mail.header(TRANSPORT))


def _is_own_list(mail: Mail, arrival: Arrival) -> bool:
    envelope = return_address(mail, arrival.envelope_from)
    return is_own_list(mail, Facts(own_addresses=arrival.own), envelope)


def _as_of(mail: Mail, arrival: Arrival, places: tuple[Place, ...]) -> Mail:
    """As of the person that the first of the places names."""
    found = next((person for place in places if (person := place(mail, arrival)) is not None), None)
    if found is None:
        return mail
    sender = Address(_name_of(mail, found, arrival), found.address)
    return replace(mail, sender=sender, reply_to=(), through=mail.sender)


def _somebody(named: list[Address], mail: Mail, arrival: Arrival) -> Address | None:
    """The only one who is neither ourselves nor a list's machine; several leave it open."""
    others = [
        one
        for one in named
        if one.key != mail.sender.key and not arrival.is_ours(one) and not is_robots(one.address)
    ]
    return others[0] if len(others) == 1 and valid_address(others[0].address) else None


def _original_from(mail: Mail, arrival: Arrival) -> Address | None:
    return _somebody(_written(mail.all(ORIGINAL_FROM)), mail, arrival)


def _asked_for(mail: Mail, arrival: Arrival) -> Address | None:
    return _somebody(list(mail.reply_to), mail, arrival)


def _customer(mail: Mail, arrival: Arrival) -> Address | None:
    """Of a form: nobody reads what goes to a machine."""
    asked = _asked_for(mail, arrival)
    return asked if asked is not None and not MACHINE_NAMES.fullmatch(asked.address) else None


def _on_behalf(mail: Mail, arrival: Arrival) -> Address | None:
    """»Per conto di: mario.rossi@pec.example«"""
    said = ON_BEHALF.fullmatch(mail.sender.name[:400])
    return _somebody(_written([said["name"]]), mail, arrival) if said and "@" in said["name"] else None


def _attached(mail: Mail, arrival: Arrival) -> Address | None:
    """The author of the only mail that is attached."""
    inside = [part for part in mail.attachments if part.is_mail]
    return _somebody([parse(inside[0].data[:HEAD]).sender], mail, arrival) if len(inside) == 1 else None


def _written(values: Iterable[str]) -> list[Address]:
    found, _ = addresses([value.encode("utf-8", "replace") for value in values], limit=3)
    return [one for one in found if "@" in one.address]


def _name_of(mail: Mail, person: Address, arrival: Arrival) -> str:
    """The person's name, wherever it stands; else what the list made of it."""
    for one in (person, *(place(mail, arrival) for place in (_original_from, _asked_for, _attached))):
        if one is not None and one.key == person.key and one.name and mailbox_key(one.name) != person.key:
            return person_named(one.name)
    for carrier in _names_of_list(mail):
        name = person_named(mail.sender.name, carrier)
        if name != mail.sender.name.strip() and "@" not in name:
            return name
    return ""


def _names_of_list(mail: Mail) -> tuple[str, ...]:
    """What a list may be called in From, for languages that put »via« behind it."""
    called = [one.name for one in (*mail.to, *mail.cc) if one.key == mail.sender.key]
    called.append(mail.header("list-id").partition("<")[0].strip(' "'))
    return ("", *(name for name in called if name), mail.sender.address.partition("@")[0])
