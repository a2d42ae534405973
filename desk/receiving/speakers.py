"""Who is speaking: what the mail says, and whether the receiving server confirms it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from desk.agents import accounts
from desk.channels import channels
from desk.office import office
from mail.domains import mailbox_key
from mail.judging import authentication_results
from mail.judging.authentication_results import Result, SenderState, SenderVerdict
from mail.types import Mail
from models import Channel, InboundMail, OutboundMail, OutboundRecipient, db
from wire import sender_check


@dataclass(frozen=True, slots=True)
class Speaker:
    """The address of From, as it is compared, and how far it can be believed."""

    key: str
    verdict: SenderVerdict = authentication_results.UNCHECKED
    is_agent: bool = False  # an agent's address, which by itself proves nothing
    is_ours: bool = False  # the address of a channel: we do not write to ourselves

    @property
    def confirmed(self) -> bool:
        return self.verdict.state == SenderState.CONFIRMED


def server_name(channel: Channel) -> str:
    """The authserv-id whose results count for the channel: as entered or learned, else that of the provider."""
    return channel.authserv_id or authentication_results.KNOWN_SERVERS.get(channel.server.lower(), "")


def speaker_of(mail: Mail, verdict: SenderVerdict, channel: Channel) -> Speaker:
    """`channel` may not be stored yet (the dry run): its address is one of ours already."""
    key = mail.sender.key
    mailbox = channels.untagged(key)
    is_ours = mailbox in channels.own_addresses() or mailbox in (
        channel.address.casefold(),
        channel.address_key,
    )
    return Speaker(key, verdict, key in accounts.agent_addresses(), is_ours)


def to_check(row: InboundMail) -> tuple[str, str]:
    """Peer and envelope sender of a mail whose sender we check ourselves; no peer where a server before us did."""
    return ("" if server_name(row.channel) else row.peer), row.envelope_from or ""


def own_check(raw: bytes, mail: Mail, envelope_from: str, peer: str) -> tuple[Result, ...]:
    """Asks the name servers, so no transaction is open meanwhile. Empty without a peer or without an answer."""
    if not peer:
        return ()
    return sender_check.check(raw, mail.sender.address, envelope_from, peer, office().lookup)


def verdict_of(channel: Channel, mail: Mail, results: tuple[Result, ...] = ()) -> SenderVerdict:
    """By our own check, else by what the receiving server wrote on top, if the channel knows its name."""
    return (
        authentication_results.verdict(mail, results)
        if results
        else authentication_results.verdict_by_header(mail, server_name(channel))
    )


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
    if recipients and {mailbox_key(channel.address)} == set(recipients):
        channel.authserv_id = authentication_results.read_results(written[0])[0][:255]
