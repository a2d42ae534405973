"""Blocked senders: their mail is dropped, counted, and can be let in from the ledger as long as it is kept."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from desk.agents import accounts
from desk.batch_cache import asked_once
from desk.channels import channels
from desk.refusal import Refusal
from mail.reading.addresses import valid_address
from models import Agent, BlockedSender, db, now


class BlockRefused(Refusal):
    """`code`: invalid, ours (an address or domain that we write from ourselves)."""


def stops(sender: str) -> bool:
    """Whether mail from this address (casefolded) is blocked. Anybody can write any From: this is no proof."""
    if not sender:
        return False
    return not _all_patterns().isdisjoint(_patterns(sender))


def count_stopped(sender: str) -> None:
    """One more mail was dropped, in the running transaction. The address counts before its domain."""
    found = db.session.scalars(
        select(BlockedSender.pattern).where(BlockedSender.pattern.in_(_patterns(sender)))
    ).all()
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
