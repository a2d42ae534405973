"""Who is speaking: what the mail says, and whether the receiving server confirms it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select

from desk.agents import accounts
from desk.channels import channels
from desk.office import office
from mail.domains import mailbox_key
from mail.judging import authentication_results
from mail.judging.authentication_results import NOT_ANSWERED, Result, SenderState, SenderVerdict
from mail.judging.proven_fields import ALL, asks_elsewhere
from mail.shared_addresses import is_service, is_shared, says_via
from mail.types import ClueKind, Mail
from models import Channel, InboundMail, OutboundMail, OutboundRecipient, db
from wire import sender_check

# What leads into no ticket if it comes from an address of many people, or from a form: a number can be typed by
# anybody. Programs repeat besides what others wrote.
FROM_MANY = frozenset({ClueKind.SUBJECT})
FROM_PROGRAMS = frozenset({ClueKind.SUBJECT, ClueKind.MARKER, ClueKind.FOREIGN_ID})
WAITS = timedelta(seconds=55)  # from its arrival on, for an answer about its sender: a minute with the filing


@dataclass(frozen=True, slots=True)
class Speaker:
    """The address of From, as it is compared, and how far it can be believed."""

    key: str
    verdict: SenderVerdict = authentication_results.UNCHECKED
    is_agent: bool = False  # an agent's address, which by itself proves nothing
    is_ours: bool = False  # the address of a channel: we do not write to ourselves
    through: str = (
        ""  # the list or the service that stands in From, as it is compared; `key` is then only its word
    )
    unheard: frozenset[ClueKind] = frozenset()  # clues that say nothing from such an address
    is_lookalike: bool = False  # certified mail whose provider nobody confirms: its customer may be invented

    @property
    def confirmed(self) -> bool:
        return self.verdict.state == SenderState.CONFIRMED


def server_name(channel: Channel) -> str:
    """The authserv-id whose results count for the channel: as entered or learned, else that of the provider."""
    return channel.authserv_id or authentication_results.KNOWN_SERVERS.get(channel.server.lower(), "")


def speaker_of(
    mail: Mail, verdict: SenderVerdict, channel: Channel, aliases: tuple[str, ...] = ()
) -> Speaker:
    """`channel` may not be stored yet (the dry run): its addresses are ours already."""
    key = mail.sender.key
    mailbox = channels.untagged(key)
    is_ours = mailbox in channels.own_addresses() or mailbox in (
        channel.address.casefold(),
        channel.address_key,
        *aliases,
    )
    through = mail.through.key if mail.through is not None else ""
    return Speaker(key, verdict, key in accounts.agent_addresses(), is_ours, through, _unheard(mail))


def _unheard(mail: Mail) -> frozenset[ClueKind]:
    if is_service(mail.sender.address) or says_via(mail.sender.name):
        return FROM_PROGRAMS
    return FROM_MANY if is_shared(mail.sender.address) or asks_elsewhere(mail) else frozenset()


@dataclass(frozen=True, slots=True)
class Route:
    """How a mail came, as far as that says something of its sender.

    `server`: the name of the one whose word counts. Without one we check ourselves who `peer` brought it for,
    if anybody did; `waits_until`: so long the mail may wait for a name server.
    `by_pop3`: a POP3 server handed it out.
    """

    server: str = ""
    peer: str = ""
    envelope_from: str = ""
    waits_until: datetime | None = None
    by_pop3: bool = False


def route_of(row: InboundMail) -> Route:
    server = server_name(row.channel)
    peer, until = "" if server else row.peer, row.received_at + WAITS
    return Route(server, peer, row.envelope_from or "", until, by_pop3=row.via == "pop3")


def check(raw: bytes, mail: Mail, route: Route, *, at_once: bool = False) -> tuple[Result, ...]:
    """What a server before us found about the sender, or we ourselves; empty where nobody has checked.

    Asks the name servers, so no transaction is open meanwhile; `at_once`: other mail waits. Raises Unanswered,
    but never where a server before us has checked.
    """
    ask = office().patience.of(office().lookup) if at_once else office().lookup
    if route.server:
        found = authentication_results.results_in(mail, route.server) or ()
        return sender_check.by_policy(mail.sender.address, found, ask)
    if not route.peer:
        return ()
    return sender_check.check(raw, mail.sender.address, route.envelope_from, route.peer, ask)


def foreseen(channel: Channel, mail: Mail) -> tuple[Result, ...]:
    """As `check`, for a mail that would be fetched for the channel."""
    return check(b"", mail, Route(server_name(channel)), at_once=True)


def verdict_of(channel: Channel, mail: Mail, results: tuple[Result, ...] = ()) -> SenderVerdict:
    """By the results of `check`, else by what the receiving server wrote on top, if the channel knows its name.

    Of a list or a service that stands in From it proves that alone: whom it names is checked by nobody.
    """
    checked = mail if mail.through is None else replace(mail, sender=mail.through)
    verdict = (
        authentication_results.verdict(checked, results)
        if results
        else authentication_results.verdict_by_header(checked, server_name(channel))
    )
    if mail.through is None or verdict == NOT_ANSWERED:
        return verdict
    return replace(verdict, unproven=ALL) if verdict.refuted else SenderVerdict(unproven=ALL)


def learn(channel: Channel, mail: Mail) -> None:
    """A mail that we sent to the channel itself came back: above it stands only what its server wrote.

    We write no results, and nobody else knows the signed Message-ID of a mail that went to nobody else.
    In the running transaction; what an administrator entered stays.
    """
    written = mail.all(authentication_results.RESULTS_HEADER)
    if not written or channel.authserv_id:
        return
    recipients = db.session.scalars(
        select(OutboundRecipient.address_key)
        .join(OutboundMail, OutboundMail.id == OutboundRecipient.mail_id)
        .where(OutboundMail.message_id == mail.message_id)
    ).all()
    own = {mailbox_key(channel.address), *channels.aliases_of(channel.id)}
    if recipients and own.issuperset(recipients):
        channel.authserv_id = authentication_results.read_results(written[0])[0][:255]
