"""The dry run: what the first fetch of a mailbox would do, told before anything is saved or touched."""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import select

from desk.batch_cache import same_for_a_batch
from desk.channels.channel_values import ChannelValues, address_key, completed, grant_of, incoming_password
from desk.channels.connections import incoming_credentials, incoming_server
from desk.checks.connection_tests import LONGEST, recent_checks
from desk.checks.foreseen import ForeseenFacts
from desk.office import in_background, office
from desk.receiving import arrivals, deciding, explanations, speakers
from desk.receiving.deciding import Decision, Delivery
from desk.receiving.decision_facts import as_written
from desk.receiving.explanations import Explanation
from mail.safe_reading import Reading, read
from mail.types import Mail
from models import Channel, Existing, InboundMail, Protocol, db, now
from models.base import reading
from wire import Timeouts, TransportFailure
from wire.peek import Glance, Glimpse, glance

log = logging.getLogger(__name__)

NEWEST = 20  # mails that are listed


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One mail and what would become of it; no decision for one that the ledger knows already.

    `cut`: only its beginning was read, so what stands further down did not count. `answers_unseen`: it answers a mail
    that may lie further down in the mailbox, below the newest.
    """

    subject: str
    sender: str
    arrived_at: datetime | None
    decision: Explanation | None
    cut: bool = False
    answers_unseen: bool = False

    @property
    def is_taken(self) -> bool:
        """Whether it would be fetched."""
        stays = (deciding.EXISTING.reason, deciding.WAS_READ.reason, deciding.OVERSIZE.reason)
        return self.decision is not None and self.decision.reason not in stays


@dataclass(slots=True)
class DryRun:
    """`failure` is a code with the server's `words`; `takes` how many of `total` mails the fetch would take."""

    agent_id: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    began: float = field(default_factory=time.monotonic)
    done: bool = False
    failure: str = ""
    words: str = ""
    total: int = 0
    takes: int = 0
    mails: list[Foreseen] = field(default_factory=list)
    values: ChannelValues | None = None  # without passwords

    @property
    def running(self) -> bool:
        return not self.done and time.monotonic() - self.began < LONGEST

    def wait(self) -> None:
        while self.running:
            time.sleep(0.05)


def start(values: ChannelValues, channel: Channel | None, agent_id: int) -> DryRun:
    """Begin to look into the mailbox of these values, saved or not. Answers at once."""
    values = completed(values)
    dry_run = DryRun(agent_id, values=replace(values, password="", smtp_password=""))
    login = incoming_credentials(values, incoming_password(values, channel), grant_of(values, channel))
    # The stored one is taken for its place in the mailbox only where it is still the same mailbox.
    stored = channel.id if channel is not None and values.server == channel.server else None
    server = replace(incoming_server(values), timeouts=Timeouts(LONGEST / 3, LONGEST / 2))
    db.session.rollback()
    recent_checks().keep(dry_run)

    foresee = in_background(_foresee)

    def run() -> None:
        try:
            seen = glance(values.protocol, server, login, NEWEST)
            foresee(dry_run, values, stored, seen)
        except TransportFailure as failure:
            dry_run.failure, dry_run.words = failure.code, failure.words
        except Exception:
            log.exception("a dry run failed")
            dry_run.failure = "internal"
        finally:
            dry_run.done = True

    threading.Thread(target=run, name="dry run", daemon=True).start()
    return dry_run


def get(token: str, agent_id: int) -> DryRun | None:
    """The dry run that this agent has begun; None when it is forgotten or another's."""
    found = recent_checks().get(token, agent_id)
    return found if isinstance(found, DryRun) else None


def _foresee(dry_run: DryRun, values: ChannelValues, stored: int | None, seen: Glance) -> None:
    """Decide of the newest mails as the fetch would, the oldest first. Reads the database, changes nothing."""
    by_pop3 = values.protocol == Protocol.POP3
    readings = [
        read(glimpse.raw, by_pop3=by_pop3) for glimpse in seen.mails
    ]  # may take a while: nothing is locked meanwhile
    with reading(), same_for_a_batch():
        older = seen.total > len(seen.mails)
        run = _DryRun(values, db.session.get(Channel, stored) if stored is not None else None, older)
        mails = [
            run.foreseen(glimpse, its) for glimpse, its in zip(seen.mails[::-1], readings[::-1], strict=True)
        ]
    dry_run.mails, dry_run.total = mails[::-1], seen.total
    if not run.first:  # of all below the newest the ledger knows
        dry_run.takes = sum(mail.is_taken for mail in mails)
    elif values.existing == Existing.TAKE:
        dry_run.takes = seen.unread


class _DryRun:
    """The mails of one mailbox, one after the other; each is decided with what was foreseen of those before."""

    def __init__(self, values: ChannelValues, stored: Channel | None, older: bool) -> None:
        self.first = stored is None or stored.first_fetch_at is None
        # Of mails below the newest that a first fetch takes nothing is known yet.
        self._takes_unseen = self.first and older and values.existing == Existing.TAKE
        self._activated_at = stored.activated_at if stored is not None else None
        if stored is not None and not stored.active:
            self._activated_at = now()  # it fetches from when it is switched on
        self._values, self._stored = values, stored
        # With the values of the form; never added to the session.
        self._channel = Channel(
            id=stored.id if stored is not None else 0,
            address=values.address,
            address_key=address_key(values.address),
            server=values.server,
            group_id=values.group_id,
            requester_from_reply_to=values.requester_from_reply_to,
            authserv_id=values.authserv_id or (stored.authserv_id if stored is not None else ""),
        )
        self._facts = ForeseenFacts()
        self._digests: set[str] = set()

    def foreseen(self, glimpse: Glimpse, its: Reading) -> Foreseen:
        mail = its.mail
        name = mail.sender.name or mail.sender.address
        known = self._is_known(glimpse.source_id)
        decided = None if known else self._decided(glimpse, its)
        return Foreseen(
            mail.subject,
            name,
            min(glimpse.arrived_at, now()) if glimpse.arrived_at is not None else None,
            explanations.explain(decided) if decided is not None else None,
            glimpse.cut,
            decided is not None and self._may_answer_unseen(mail, decided),
        )

    def _may_answer_unseen(self, mail: Mail, decided: Decision) -> bool:
        names_one = bool(mail.in_reply_to or mail.references)
        return self._takes_unseen and names_one and decided.match is not None and decided.match.why == "new"

    def _decided(self, glimpse: Glimpse, its: Reading) -> Decision:
        if (stays := self._stays(glimpse)) is not None:
            return stays
        if not glimpse.cut and (same := self._same_bytes(glimpse.raw)) is not None:
            return same
        predates = deciding.predates(glimpse.arrived_at, self._activated_at, self.first)
        checked = speakers.foreseen(self._channel, its.mail)
        aliases = tuple(address_key(alias) for alias in self._values.aliases.splitlines())
        delivery = Delivery(self._channel, predates_channel=predates, results=checked, aliases=aliases)
        its = as_written(its, delivery)
        decision = deciding.decide(its, delivery, self._facts)
        self._facts.remember(its.mail, delivery, decision)
        return decision

    def _stays(self, glimpse: Glimpse) -> Decision | None:
        return deciding.stays(
            glimpse.seen,
            glimpse.size,
            office().settings.max_mail_bytes,
            only_unseen=self._values.only_unseen,
            first=self.first,
            existing=self._values.existing,
        )

    def _is_known(self, source_id: str) -> bool:
        if self._stored is None:
            return False
        query = select(InboundMail.id).where(
            InboundMail.channel_id == self._stored.id,
            InboundMail.source_id == f"{self._stored.mailbox}/{source_id}",
        )
        return db.session.scalar(query) is not None

    def _same_bytes(self, raw: bytes) -> Decision | None:
        digest = hashlib.sha256(raw).hexdigest()
        known = arrivals.first_of(self._stored.id, [digest]) if self._stored is not None else {}
        if digest in known:
            return deciding.of_known_bytes(known[digest][1])
        if digest in self._digests:
            return deciding.DUPLICATE
        self._digests.add(digest)
        return None
