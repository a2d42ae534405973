"""Blocked senders: their mail is dropped, counted, and can be let in from the ledger as long as it is kept."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from desk import files
from desk.agents import accounts
from desk.batch_cache import asked_once
from desk.channels import channels
from desk.refusal import Refusal
from mail.domains import mailbox_key
from mail.reading.addresses import valid_address
from mail.safe_reading import read
from mail.types import Mail
from models import Agent, BlockedSender, InboundMail, Message, RawMail, db, now


class BlockRefused(Refusal):
    """`code`: invalid, ours (an address or domain that we write from ourselves)."""


def senders_of(mail: Mail) -> list[str]:
    """Whom a block may stop: who wrote it, by its own word, and who stands in From instead of them."""
    both = (mail.sender, mail.through) if mail.through is not None else (mail.sender,)
    return [one.key[:320] for one in both if one.key]


def stops(mail: Mail) -> bool:
    """Whether its writer or who it came through is blocked. Anybody can write any From: this is no proof."""
    return any(not _all_patterns().isdisjoint(_patterns(sender)) for sender in senders_of(mail))


def count_stopped(mail: Mail) -> None:
    """One more mail was dropped, in the running transaction. An address counts before a domain."""
    patterns = [pattern for sender in senders_of(mail) for pattern in _patterns(sender)]
    found = db.session.scalars(select(BlockedSender.pattern).where(BlockedSender.pattern.in_(patterns))).all()
    if found:
        db.session.execute(
            update(BlockedSender)
            .where(BlockedSender.pattern == min(found, key=lambda pattern: pattern.startswith("@")))
            .values(stopped=BlockedSender.stopped + 1, last_stopped_at=now())
        )


@asked_once
def _all_patterns() -> frozenset[str]:
    return frozenset(db.session.scalars(select(BlockedSender.pattern)))


def blocked() -> list[BlockedSender]:
    """The newest first."""
    return list(db.session.scalars(select(BlockedSender).order_by(BlockedSender.id.desc())))


def block(text: str, agent: Agent) -> str:
    """Block an address, or with `@x.example` a domain; answers the pattern. Raises BlockRefused. Commits."""
    pattern = text.strip().casefold()
    if not valid_address(pattern.replace("@", "x@", 1) if pattern.startswith("@") else pattern):
        raise BlockRefused("invalid")
    ours = channels.own_addresses() | {row.email.casefold() for row in accounts.active_agents()}
    if pattern in ours or pattern in {f"@{address.rpartition('@')[2]}" for address in ours}:
        raise BlockRefused("ours")
    db.session.add(BlockedSender(pattern=pattern, agent_id=agent.id))
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()  # blocked already
    return pattern


def carrier_of(row: InboundMail, message: Message | None) -> str:
    """Who stands in From of a mail of the ledger that names another as its writer, or empty.

    `message` is what it became; of one that became none the bytes tell, if they are kept. Empty also where it is
    one of our own addresses, a group's among them, which are not blocked.
    """
    if message is not None:
        carrier = mailbox_key(message.through)
    else:
        raw = files.content(row.sha256) if row.sha256 and row.raw == RawMail.KEPT else None
        carrier = read(raw, by_pop3=row.via == "pop3").mail.sender.key[:320] if raw is not None else ""
    ours = {row.channel.forwarded_from.casefold(), *channels.own_addresses()}
    return "" if carrier == row.sender or carrier in ours else carrier


def unblock(blocked_id: int) -> str:
    """Answers the pattern, empty if somebody else was quicker. Commits."""
    row = db.session.get(BlockedSender, blocked_id)
    if row is None:
        return ""
    pattern = row.pattern
    db.session.delete(row)
    db.session.commit()
    return pattern


def domain_of(sender: str) -> str:
    """The pattern of everybody at the sender's domain, or empty."""
    domain = sender.rpartition("@")[2]
    return f"@{domain}" if "@" in sender and domain else ""


def _patterns(sender: str) -> list[str]:
    return [sender, domain] if (domain := domain_of(sender)) else [sender]
