"""Trials: connection tests that go on in threads of their own while the page asks how far they are.

They live in the memory of the process that serves the page, for a few minutes, and hold neither passwords
nor a transaction.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from flask import current_app
from flask_babel import force_locale, gettext

from desk.channels.channel_values import (
    ChannelValues,
    completed,
    grant_of,
    incoming_password,
    outgoing_password,
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
class Trial:
    """One test. `steps` grow while it runs; `names` are those that will be there in the end.

    `waits_here`: its test mail comes back through our own receiver, so the ledger is asked for it, beyond
    the row `newest` that was the last when the trial began.
    """

    agent_id: int
    existing: str
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


class Kept(Protocol):
    """What is kept for its page: a trial or a rehearsal."""

    token: str
    began: float
    agent_id: int


class Trials:
    """Those of the last minutes, by their token."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, Kept] = {}

    def keep(self, trial: Kept) -> None:
        with self._lock:
            for token in [key for key, old in self._kept.items() if _is_old(old)]:
                del self._kept[token]
            while len(self._kept) >= MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[trial.token] = trial

    def get(self, token: str, agent_id: int) -> Kept | None:
        """What this agent has begun; None when it is forgotten or another's."""
        with self._lock:
            found = self._kept.get(token)
        return found if found is not None and found.agent_id == agent_id else None


def start(values: ChannelValues, channel: Channel | None, agent_id: int, send_mail: bool = False) -> Trial:
    """Try what stands in the form, saved or not. Answers at once; nothing runs longer than 15 seconds.

    A stored password is used only for the very server it was given for. A »Standard« address has no
    incoming server; its way out is the relay. `send_mail` sends one mail from the address to itself and
    waits for it to come back; it carries our signature, so that the next fetch leaves it out.
    """
    values = completed(values)
    incoming_secret, outgoing_secret = incoming_password(values, channel), outgoing_password(values, channel)
    still_to_come = values.existing if channel is None or channel.first_fetch_at is None else ""
    trial = Trial(agent_id, still_to_come if values.is_own else "")
    test_mail = _test_mail(trial, values.address) if send_mail and values.address else b""
    if test_mail and not values.is_own:
        trial.newest = db.session.scalar(db.select(db.func.max(InboundMail.id))) or 0
    our_name, relay = the_account().mail_domain, relay_server()
    grant = grant_of(values, channel)
    login = incoming_credentials(values, incoming_secret, grant)
    outgoing_login = outgoing_credentials(values, outgoing_secret, grant)
    db.session.rollback()
    trials().keep(trial)
    if not values.is_own:
        trial.waits_here = bool(test_mail)
        _try_sending(trial, relay, values.address, our_name, test_mail)
        return trial
    servers = presets.for_host(values.server)
    trial.provider = servers.name if servers else ""
    server = incoming_server(values)
    trial.names["incoming"] = (*probe.INCOMING, RETURNED) if test_mail else probe.INCOMING
    way = outgoing_server(values), outgoing_login
    _try_sending(trial, way, values.address, our_name, test_mail)
    _in_thread(trial, "incoming", lambda told: _try_fetching(trial, values.protocol, server, login, told))
    return trial


def run(values: ChannelValues, channel: Channel | None) -> tuple[list[Step], list[Step]]:
    """The same for those who wait: the steps of the incoming and of the outgoing server."""
    trial = start(values, channel, agent_id=0)
    trial.wait()
    return trial.steps["incoming"], trial.steps["outgoing"]


def get(token: str, agent_id: int) -> Trial | None:
    """The trial that this agent has begun, as far as it is; None when it is forgotten or another's."""
    trial = trials().get(token, agent_id)
    if not isinstance(trial, Trial):
        return None
    if trial.waits_here:
        _look_for_return(trial)
    return trial


def trials() -> Trials:
    kept: Trials = current_app.extensions.setdefault("trials", Trials())
    return kept


def _try_sending(
    trial: Trial,
    way: tuple[ServerAddress, Credentials] | None,
    address: str,
    our_name: str,
    test_mail: bytes,
) -> None:
    if way is None:
        trial.waits_here = False
        trial.names["outgoing"] = ("relay",)
        trial.steps["outgoing"].append(Step("relay", "skipped", "no_relay"))
        return
    names = (*probe.OUTGOING, probe.SENT) if test_mail else probe.OUTGOING
    trial.names["outgoing"] = (*names, RETURNED) if trial.waits_here else names
    server, credentials = way
    _in_thread(
        trial,
        "outgoing",
        lambda told: probe.check_outgoing(server, credentials, address, our_name, LONGEST, told, test_mail),
    )


def _try_fetching(
    trial: Trial,
    protocol: str,
    server: ServerAddress,
    login: Credentials,
    told: Callable[[Step], None],
) -> None:
    probe.check_incoming(protocol, server, login, limit=LONGEST, told=told)
    if RETURNED not in trial.names["incoming"]:
        return
    while trial.left > 0 and len(trial.steps["outgoing"]) < len(trial.names["outgoing"]):
        time.sleep(0.05)
    tried = trial.steps["incoming"] + trial.steps["outgoing"]
    if any(step.state in ("failed", "skipped") for step in tried) or not trial.left:
        told(Step(RETURNED, "skipped"))
        return
    seen = wait_for(protocol, server, login, trial.message_id, trial.left - 0.5)
    told(Step(RETURNED, "ok") if seen else Step(RETURNED, "warning", "not_back_yet"))


def _look_for_return(trial: Trial) -> None:
    """Whether the test mail of a »Standard« address has come to our own receiver."""
    steps, names = trial.steps["outgoing"], trial.names["outgoing"]
    if len(steps) != len(names) - 1:
        return
    if steps[-1].state != "ok":
        steps.append(Step(RETURNED, "skipped"))
    elif _has_come(trial):
        steps.append(Step(RETURNED, "ok"))
    elif trial.left < 1:
        steps.append(Step(RETURNED, "warning", "not_back_yet"))


def _has_come(trial: Trial) -> bool:
    """Asked again and again while the page waits, so it looks at nothing older than the trial."""
    ours = InboundMail.id > trial.newest, InboundMail.message_id == trial.message_id
    return db.session.scalar(db.select(InboundMail.id).where(*ours)) is not None


def _in_thread(trial: Trial, side: str, work: Callable[[Callable[[Step], None]], object]) -> None:
    """A fault of ours ends the side as failed instead of leaving the page waiting."""
    steps = trial.steps[side]

    def run() -> None:
        try:
            work(steps.append)
        except Exception:
            names = trial.names[side]
            steps.append(Step(names[min(len(steps), len(names) - 1)], "failed", "internal"))
            steps.extend(Step(name, "skipped") for name in names[len(steps) :])
            raise

    threading.Thread(target=run, name=f"trial {side}", daemon=True).start()


def _test_mail(trial: Trial, address: str) -> bytes:
    """From the address to itself. Our signed Message-ID makes the fetch leave it out as our own."""
    token = ids.new_token(secrets.token_bytes)
    trial.message_id = ids.system_message_id(signing_key(), token, address.rpartition("@")[2])
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
            message_id=trial.message_id,
            date=now(),
            automatic=True,
            headers=loop_header(),
        )
    )


def _is_old(trial: Kept) -> bool:
    return time.monotonic() - trial.began > KEPT_SECONDS
