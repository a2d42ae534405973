"""Connection tests, which go on in threads of their own while the page asks how far they are.

They live in the memory of the process that serves the page, for a few minutes, and hold neither passwords
nor a transaction.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from flask import current_app
from flask_babel import force_locale, gettext

from config import Relay
from desk.channels.channel_values import (
    INCOMING_LOGIN,
    ChannelValues,
    completed,
    grant_of,
    incoming_password,
    keeps_login,
    outgoing_password,
    refused,
)
from desk.channels.connections import (
    incoming_credentials,
    incoming_server,
    outgoing_credentials,
    outgoing_server,
    relay_server,
)
from desk.office import signing_key, the_account
from desk.sending.mail_rendering import loop_header
from mail import ids
from mail.providers import presets
from mail.types import Address, Outgoing
from mail.writing.compose import compose
from models import Channel, InboundMail, db, now
from wire import Credentials, ServerAddress, Step, probe
from wire.peek import wait_for

LONGEST = probe.LIMIT
KEPT_SECONDS = 600
MOST_KEPT = 100
RETURNED = "returned"


@dataclass(slots=True)
class ConnectionTest:
    """One test. `steps` grow while it runs; `names` are those that will be there in the end.

    `refused`: field to code, what saving refuses whatever the servers say. `worked_until`: when the mailbox was last
    fetched with these very settings.
    `waits_here`: its test mail comes back through our own receiver, so the ledger is asked for it, beyond
    the row `newest` that was the last when the test began.
    """

    agent_id: int
    existing: str
    values: ChannelValues = field(default_factory=lambda: ChannelValues("", ""))  # without passwords
    refused: dict[str, str] = field(default_factory=dict)
    worked_until: datetime | None = None
    provider: str = ""
    message_id: str = ""
    waits_here: bool = False
    newest: int = 0
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    began: float = field(default_factory=time.monotonic)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    steps: dict[str, list[Step]] = field(default_factory=lambda: {"incoming": [], "outgoing": []})

    @property
    def left(self) -> float:
        """Seconds until it ends, whatever it waits for."""
        return max(self.began + LONGEST - time.monotonic(), 0.0)

    @property
    def running(self) -> bool:
        return self.left > 0 and any(len(self.steps[side]) < len(names) for side, names in self.names.items())

    def wait(self) -> None:
        while self.running:
            time.sleep(0.05)


class Check(Protocol):
    """What is kept for its page: a connection test, a dry run, or what deliverability asks."""

    token: str
    began: float
    agent_id: int


class RecentChecks:
    """Those of the last minutes, by their token."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, Check] = {}

    def keep(self, test: Check) -> None:
        with self._lock:
            for token in [key for key, old in self._kept.items() if _is_old(old)]:
                del self._kept[token]
            while len(self._kept) >= MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[test.token] = test

    def get(self, token: str, agent_id: int) -> Check | None:
        """What this agent has begun; None when it is forgotten or another's."""
        with self._lock:
            found = self._kept.get(token)
        return found if found is not None and found.agent_id == agent_id else None


def start(
    values: ChannelValues,
    channel: Channel | None,
    agent_id: int,
    send_mail: bool = False,
    relay: Relay | None = None,
) -> ConnectionTest:
    """Try what stands in the form, saved or not. Answers at once; nothing runs longer than 15 seconds.

    `relay`: one that is not stored yet, in the place of the one that is.

    A stored password is used only for the very server it was given for. A »Standard« address has no
    incoming server; its way out is the relay. `send_mail` sends one mail from the address to itself and
    waits for it to come back; it carries our signature, so that the next fetch leaves it out.
    """
    values = completed(values)
    incoming_secret, outgoing_secret = incoming_password(values, channel), outgoing_password(values, channel)
    still_to_come = values.existing if channel is None or channel.first_fetch_at is None else ""
    test = ConnectionTest(
        agent_id,
        still_to_come if values.is_own else "",
        replace(values, password="", smtp_password=""),
        refused(values, channel),
    )
    if channel is not None and channel.is_own and keeps_login(values, channel, INCOMING_LOGIN):
        test.worked_until = channel.last_success_at
    test_mail = _test_mail(test, values.address) if send_mail and values.address else b""
    if test_mail and not values.is_own:
        test.newest = db.session.scalar(db.select(db.func.max(InboundMail.id))) or 0
    our_name, way_out = the_account().mail_domain, relay_server(relay)
    grant = grant_of(values, channel)
    login = incoming_credentials(values, incoming_secret, grant)
    outgoing_login = outgoing_credentials(values, outgoing_secret, grant)
    db.session.rollback()
    recent_checks().keep(test)
    if not values.is_own:
        test.waits_here = bool(test_mail)
        _try_sending(test, way_out, values.address, our_name, test_mail)
        return test
    test.provider = provider_name(values.server)
    server = incoming_server(values)
    test.names["incoming"] = (*probe.INCOMING, RETURNED) if test_mail else probe.INCOMING
    way = outgoing_server(values), outgoing_login
    _try_sending(test, way, values.address, our_name, test_mail)
    _in_thread(test, "incoming", lambda told: _try_fetching(test, values.protocol, server, login, told))
    return test


def provider_name(host: str) -> str:
    """The provider whose server that is, as `mail.providers.presets` names it; empty for all others."""
    servers = presets.for_host(host)
    return servers.name if servers else ""


def run(values: ChannelValues, channel: Channel | None) -> tuple[list[Step], list[Step]]:
    """The same for those who wait: the steps of the incoming and of the outgoing server."""
    test = start(values, channel, agent_id=0)
    test.wait()
    return test.steps["incoming"], test.steps["outgoing"]


def get(token: str, agent_id: int) -> ConnectionTest | None:
    """The test that this agent has begun, as far as it is; None when it is forgotten or another's."""
    test = recent_checks().get(token, agent_id)
    if not isinstance(test, ConnectionTest):
        return None
    if test.waits_here:
        _look_for_return(test)
    return test


def recent_checks() -> RecentChecks:
    kept: RecentChecks = current_app.extensions.setdefault("recent_checks", RecentChecks())
    return kept


def _try_sending(
    test: ConnectionTest,
    way: tuple[ServerAddress, Credentials] | None,
    address: str,
    our_name: str,
    test_mail: bytes,
) -> None:
    if way is None:
        test.waits_here = False
        test.names["outgoing"] = ("relay",)
        test.steps["outgoing"].append(Step("relay", "skipped", "no_relay"))
        return
    names = (*probe.OUTGOING, probe.SENT) if test_mail else probe.OUTGOING
    test.names["outgoing"] = (*names, RETURNED) if test.waits_here else names
    server, credentials = way
    _in_thread(
        test,
        "outgoing",
        lambda told: probe.check_outgoing(server, credentials, address, our_name, LONGEST, told, test_mail),
    )


def _try_fetching(
    test: ConnectionTest,
    protocol: str,
    server: ServerAddress,
    login: Credentials,
    told: Callable[[Step], None],
) -> None:
    probe.check_incoming(protocol, server, login, limit=LONGEST, told=told)
    if RETURNED not in test.names["incoming"]:
        return
    while test.left > 0 and len(test.steps["outgoing"]) < len(test.names["outgoing"]):
        time.sleep(0.05)
    tried = test.steps["incoming"] + test.steps["outgoing"]
    if any(step.state in ("failed", "skipped") for step in tried) or not test.left:
        told(Step(RETURNED, "skipped"))
        return
    seen = wait_for(protocol, server, login, test.message_id, test.left - 0.5)
    told(Step(RETURNED, "ok") if seen else Step(RETURNED, "warning", "not_back_yet"))


def _look_for_return(test: ConnectionTest) -> None:
    """Whether the test mail of a »Standard« address has come to our own receiver."""
    steps, names = test.steps["outgoing"], test.names["outgoing"]
    if len(steps) != len(names) - 1:
        return
    if steps[-1].state != "ok":
        steps.append(Step(RETURNED, "skipped"))
    elif _has_come(test):
        steps.append(Step(RETURNED, "ok"))
    elif test.left < 1:
        steps.append(Step(RETURNED, "warning", "not_back_yet"))


def _has_come(test: ConnectionTest) -> bool:
    """Asked again and again while the page waits, so it looks at nothing older than the test."""
    ours = InboundMail.id > test.newest, InboundMail.message_id == test.message_id
    return db.session.scalar(db.select(InboundMail.id).where(*ours)) is not None


def _in_thread(test: ConnectionTest, side: str, work: Callable[[Callable[[Step], None]], object]) -> None:
    """A fault of ours ends the side as failed instead of leaving the page waiting."""
    steps = test.steps[side]

    def run() -> None:
        try:
            work(steps.append)
        except Exception:
            names = test.names[side]
            steps.append(Step(names[min(len(steps), len(names) - 1)], "failed", "internal"))
            steps.extend(Step(name, "skipped") for name in names[len(steps) :])
            raise

    threading.Thread(target=run, name=f"connection test, {side}", daemon=True).start()


def _test_mail(test: ConnectionTest, address: str) -> bytes:
    """From the address to itself. Our signed Message-ID makes the fetch leave it out as our own."""
    token = ids.new_token(secrets.token_bytes)
    test.message_id = ids.system_message_id(signing_key(), token, address.rpartition("@")[2])
    account = the_account()
    with force_locale(account.locale):
        text = gettext("This mail tests the connection of a channel of Poststelle. You may delete it.")
        subject = gettext("Connection test")
    return compose(
        Outgoing(
            sender=Address(account.company, address),
            to=(Address("", address),),
            subject=subject,
            text=f"{text}\n",
            html=f"<p>{text}</p>",
            message_id=test.message_id,
            date=now(),
            automatic=True,
            headers=loop_header(),
        )
    )


def _is_old(test: Check) -> bool:
    return time.monotonic() - test.began > KEPT_SECONDS
