"""The dry run and the fetch decide alike, of all our mails and with every fact on and off.

By the form's own route the dry run looks into a real mailbox, then the command line fetches it, and what was
foreseen is compared with what the rows say.
"""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, fields
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

import cli.jobs
from desk.channels import channels
from desk.checks import dry_run
from desk.checks.foreseen import ForeseenFacts
from desk.files import content
from desk.mailroom import ledger, quarantine
from desk.office import office, signing_key
from desk.receiving import arrivals, blocking, deciding, decision_facts, explanations
from desk.receiving.deciding import Delivery
from desk.receiving.decision_facts import DatabaseFacts
from desk.receiving.explanations import Explanation
from desk.sending import replies
from mail import ids, safe_reading
from mail.judging import limits, rules
from mail.judging.authentication_results import Result, SenderState
from mail.safe_reading import read
from mail.types import Address, ClueKind, Facts
from models import (
    Agent,
    Channel,
    InboundMail,
    Message,
    NoticeItem,
    OutboundMail,
    Ticket,
    TicketEvent,
    db,
)
from tests.blueprints.channels.test_channels import FORM
from tests.servers.dovecot import Mailbox
from tests.support.mails import arrive, mail, ticket_of

MAILS = Path(__file__).resolve().parents[2] / "mails"
SERVER = "mx.acme.test"  # under this name the mailbox's server writes what it has checked
GROUP = "billing@acme.example"  # the channel's own address, a group through which mail comes


class Watched:
    """What the decisions of a run were given: each fact with its values, each reason, clue and state."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.facts: defaultdict[str, set[Any]] = defaultdict(set)
        self.decided: list[deciding.Decision] = []
        decide, asked = deciding.decide, DatabaseFacts.facts

        def watch_facts(own: DatabaseFacts, mail: Any, delivery: Delivery) -> Facts:
            found = asked(own, mail, delivery)
            for field in fields(Facts):
                self.facts[field.name].add(bool(getattr(found, field.name)))
            # Every channel has an address; what counts is whether the mail came through it as a list.
            self.facts["own_addresses"].add(rules.is_own_list(mail, found))
            return found

        def watch(reading: Any, delivery: Delivery, given: Any) -> deciding.Decision:
            for field in fields(Delivery):
                self.facts[field.name].add(bool(getattr(delivery, field.name)))
            self.decided.append(decide(reading, delivery, given))
            return self.decided[-1]

        monkeypatch.setattr(decision_facts.DatabaseFacts, "facts", watch_facts)
        monkeypatch.setattr(deciding, "decide", watch)

    def one_sided(self, names: Iterator[str]) -> set[str]:
        """The facts that were never on, or never off."""
        return {name for name in names if not {True, False} <= self.facts[name]}


# --- what is there before


@pytest.fixture
def before(app: Flask, channel: Channel, alice: Agent, bob: Agent) -> dict[str, Any]:
    """A ticket of Carol's with an answer that left, a mail with a link for a password, a blocked sender."""
    ticket = ticket_of(arrive(channel, mail(message_id="<first@customer.example>"), predates_channel=True))
    sent = replies.send_reply(ticket, alice, replies.Written(text="We look into it."))
    mark_as_left(sent.mail)
    # And one that names the channel which is looked into.
    named = replies.send_reply(
        ticket, alice, replies.Written(text="Billing writes to you.", cc=(Address("", GROUP),))
    )
    mark_as_left(named.mail)
    closed = ticket_of(arrive(channel, mail(message_id="<long-ago@customer.example>"), predates_channel=True))
    link = OutboundMail(
        message_id=ids.system_message_id(signing_key(), "a" * 16, "poststelle.example"),
        purpose="password_link", envelope_from="", send_after=ticket.created_at,
    )  # fmt: skip
    db.session.add(link)
    db.session.commit()
    blocking.block("pest@blocked.example", alice)
    return {
        "ticket": ticket.number,
        "other": closed.number,
        "sent": sent.mail.message_id,
        "named": named.mail.message_id,
        "named_raw": content(named.mail.sha256),
        "link": link.message_id,
    }


def mark_as_left(sent: OutboundMail) -> None:
    from models import MailState, RecipientState

    for recipient in sent.recipients:
        recipient.state = RecipientState.ACCEPTED
    sent.state = MailState.DONE
    db.session.commit()


def report(
    message_id: str,
    *,
    sender: str = "MAILER-DAEMON@mx.customer.example",
    name: str = "",
    action: str = "failed",
) -> bytes:
    """A delivery report on a mail of ours (RFC 3464)."""
    return (
        f"From: {sender}\r\nTo: support-acme@poststelle.example\r\nSubject: Undelivered {name}\r\n"
        f"Message-ID: <report-{sha256((message_id + sender + name).encode()).hexdigest()[:12]}@mx.customer.example>\r\n"
        "MIME-Version: 1.0\r\nReturn-Path: <>\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nIt could not be delivered.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.customer.example\r\n\r\n"
        f"Final-Recipient: rfc822; carol@customer.example\r\nAction: {action}\r\n"
        + (
            "Status: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 No such user\r\n\r\n"
            if action == "failed"
            else "Status: 4.4.1\r\nDiagnostic-Code: smtp; 451 4.4.1 No answer yet\r\n\r\n"
        )
        + f"--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: {message_id}\r\nSubject: x\r\n\r\nx\r\n--b--\r\n"
    ).encode()


def generated(there: dict[str, Any], run: str) -> Iterator[bytes]:
    """Mails that turn one fact on, each beside the same mail without it, from several people."""
    key = signing_key()
    switches: dict[str, dict[str, str]] = {
        "nothing": {},
        "group": {"list_id": "<billing.acme.example>", "precedence": "list"},
        "list": {"list_id": "<news.other.example>"},
        "envelope": {"return_path": "<>"},
        "envelope known": {"return_path": "<somebody@customer.example>"},
        "robot's envelope": {"return_path": "<news-bounces@%domain%>"},
        "spam": {"x_spam_flag": "YES"},
        "auto": {"auto_submitted": "auto-replied"},
        "bulk": {"precedence": "bulk"},
        "suppress": {"x_auto_response_suppress": "All"},
        "poison": {"x_poison": "yes"},
        "own mail": {"message_id": ids.sign_message_id(key, 0, f"{run}token".ljust(16, "a")[:16], "acme.example")},
        "loop": {ids.LOOP_HEADER.lower().replace("-", "_"): ids.sign_loop(key, "b" * 16)},
        "confirmed": {"authentication_results": f"{SERVER}; spf=pass smtp.mailfrom=%domain%"},
        "refuted": {"authentication_results": f"{SERVER}; dmarc=fail header.from=%domain%"},
        "unknown server": {"authentication_results": "mx.else.example; dmarc=fail header.from=%domain%"},
        "answers a link": {"in_reply_to": there["link"]},
        "signed": {"in_reply_to": there["sent"]},
        "foreign": {"in_reply_to": "<first@customer.example>"},
        "number": {"subject": f"About [#{there['ticket']}]"},
        "address": {"to": ids.sign_reply_address(key, there["ticket"], "support-acme@poststelle.example")},
        "passed on": {"subject": "Fwd: Delivery", "in_reply_to": there["sent"]},
    }  # fmt: skip
    people = (
        "Carol <carol@customer.example>", "Dave <dave@customer.example>", "Alice <alice@acme.example>",
        "pest@blocked.example", "Mailer <MAILER-DAEMON@customer.example>", f"Billing <{GROUP}>",
        "no-reply@shop.example",
    )  # fmt: skip
    for switch, headers in switches.items():
        for number, person in enumerate(people):
            domain = person.rpartition("@")[2].strip(">")
            given = {name: value.replace("%domain%", domain) for name, value in headers.items()}
            given.setdefault("message_id", f"<{run}-{switch.replace(' ', '-')}-{number}@customer.example>")
            yield mail(person, **({"to": GROUP} | given))
    yield mail(text='{"emoji": "👍", "version": 1}', message_id=f"<{run}-sign@x.example>").replace(
        b"text/plain", b"text/vnd.google.email-reaction+json"
    )
    for text in ("Something else.", "Billing writes to you.", "Billing writes to you. And more."):
        yield mail("Acme <support-acme@poststelle.example>", text=text, message_id=there["named"], to=GROUP)
    # The answer itself, by two ways.
    for number in range(2):
        yield f"X-Way: {run} {number}\r\n".encode() + there["named_raw"]
    yield mail(text=f"See {office().settings.public_url}/password/abc", message_id=f"<{run}-link@x.example>")
    for number, person in enumerate(people):
        text = f"> {ids.sign_marker(key, there['ticket'])}"
        yield mail(person, text=text, message_id=f"<{run}-marker-{number}@x.example>")
    # Who wrote the reply hears of it once, and not of a delay.
    yield report(there["sent"], name=f"{run} late", action="delayed")
    yield report(there["sent"], name=run)
    yield report(there["sent"], name=f"{run} again")
    yield report(there["sent"], sender="carol@customer.example", name=run)
    yield report("<nothing-of-ours@elsewhere.example>", name=run)
    # A conversation inside the mailbox, and a mail that lies there twice.
    first = mail("Eve <eve@new.example>", message_id=f"<{run}-eve@new.example>")
    yield from (first, first, b"Delivered-To: billing@acme.example\r\n" + first)
    for sender in ("Eve <eve@new.example>", "Mallory <mallory@else.example>"):
        yield mail(sender, "Re: Delivery", in_reply_to=f"<{run}-eve@new.example>", to=GROUP)
    for number in range(limits.STORM_LIMIT + 5):
        yield mail("Storm <storm@loud.example>", message_id=f"<{run}-storm-{number}@loud.example>")


# --- both sides


def foresee(client: Any, url: str, typed: dict[str, str], seconds: float = 120) -> dry_run.DryRun:
    """By the form's own route, asked for again as the page does."""
    html = client.post(url, typed, 200, True).text
    token = re.search(r'hx-get="[^"]*/dry-runs/([^"]+)"', html)
    assert token is not None, html[:2000]
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        answer = client.client.get(f"/system/channels/dry-runs/{token[1]}", headers={"HX-Request": "true"})
        if answer.status_code == 200:
            break
        time.sleep(0.1)
    found = dry_run.get(token[1], 1)
    assert found is not None and found.done and not found.failure, (found, found and found.words)
    for mail_ in found.mails[:30]:
        assert unescape(answer.text).count(mail_.subject[:20].strip()) >= 1
    return found


def fetch(app: Flask) -> None:
    result = app.test_cli_runner().invoke(cli.jobs.jobs_cli, ["once", "fetch"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output.splitlines()[-1])["channels"][0]["error"] == ""
    db.session.rollback()


def as_filed(row: InboundMail) -> dict[str, Any]:
    """What the rows say of a mail, by questions of this test's own."""
    said: dict[str, Any] = {
        "end": str(row.state), "outcome": str(row.outcome), "reason": row.reason, "details": row.details,
    }  # fmt: skip
    message = db.session.scalars(select(Message).where(Message.inbound_id == row.id)).one_or_none()
    if message is None:
        return said
    opened = db.session.scalar(
        select(Message.id).where(Message.ticket_id == message.ticket_id).order_by(Message.id).limit(1)
    )
    ticket = db.session.get_one(Ticket, message.ticket_id)
    is_new = opened == message.id
    confirmations = [
        mail_.recipients[0].address
        for mail_ in db.session.scalars(
            select(OutboundMail).where(OutboundMail.about_id == message.id, OutboundMail.purpose == "confirmation")
        )
    ]  # fmt: skip
    events = db.session.scalars(select(TicketEvent.kind).where(TicketEvent.ticket_id == ticket.id)).all()
    withheld = [kind.removeprefix("confirmation_") for kind in events if kind.startswith("confirmation_")]
    notices = set(db.session.scalars(select(NoticeItem.notice).where(NoticeItem.about_id == message.id)))
    return said | {
        "ticket": None if is_new else ticket.number,
        "continues": ticket.continues.number if is_new and ticket.continues else None,
        "maybe": ticket.maybe.number if is_new and ticket.maybe else None,
        "why": message.why,
        "newcomer": message.newcomer,
        "speaker": row.sender,
        "sender_state": message.sender_state,
        "sender_proof": message.sender_proof,
        "refuted": message.refuted,
        "confirmation": next(iter(confirmations), ""),
        "withheld": next(iter(withheld), "") if is_new else "",
        "notice": next(iter(notices), ""),
    }


def differences(found: dry_run.DryRun, raws: list[bytes]) -> list[str]:
    """Mail by mail, the newest first, as it lies in the mailbox: where the foreseen is not what was filed."""
    rows = db.session.scalars(
        select(InboundMail).where(InboundMail.sha256 != "", InboundMail.via == "imap").order_by(InboundMail.id)
    ).all()[-len(raws) :]  # fmt: skip
    same = [row.sha256 == sha256(raw).hexdigest() for row, raw in zip(rows, raws, strict=True)]
    assert same.count(False) < 20, "but for what Dovecot hands out otherwise than it got (NUL and the like)"
    told = []
    for foreseen, row in zip(found.mails[::-1], rows, strict=True):
        assert foreseen.decision is not None
        if wrong := disagreements(foreseen.decision, row):
            told.append(f"{foreseen.subject!r} of {foreseen.sender!r}: {wrong}")
    return told


def disagreements(said: Explanation, row: InboundMail) -> dict[str, Any]:
    """Where what was decided is not what the rows say, by this test's questions and by those of the ledger's page."""
    read_back = asdict(explanations.stored(row, ledger.message_of(row)))
    wrong = {}
    for whose, filed in (("rows", as_filed(row)), ("page", read_back)):
        for name, value in filed.items():
            # Of a report the agents hear under the reply that did not arrive, which the page finds; it is counted
            # once more by `told_of_reports`. Foreseen tickets have become real.
            told_elsewhere = name == "notice" and said.outcome == "bounce" and whose == "rows"
            if getattr(said, name) != value and not told_elsewhere and name != "foreseen":
                wrong[f"{name} ({whose})"] = (getattr(said, name), value)
    return wrong


def told_of_reports() -> int:
    return len(
        set(db.session.scalars(select(NoticeItem.about_id).where(NoticeItem.notice == "delivery_failed")))
    )


def crlf(raw: bytes) -> bytes:
    """As a mail lies in a mailbox."""
    return re.sub(rb"\r?\n", b"\r\n", raw)


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail that says so is one that the reader does not survive."""
    skeleton = safe_reading.skeleton_of
    monkeypatch.setattr(
        safe_reading, "skeleton_of", lambda raw: None if b"X-Poison: yes" in raw else skeleton(raw)
    )
    monkeypatch.setattr(safe_reading, "_read_in_child", lambda *_: None)


@pytest.fixture
def run_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dry_run, "NEWEST", 5_000)
    monkeypatch.setattr(dry_run, "LONGEST", 300)


@pytest.mark.dovecot
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("trusted_ca", "run_long", "poisoned")
def test_every_mail_becomes_what_the_dry_run_said(
    app: Flask,
    as_alice: Any,
    mailbox: Mailbox,
    before: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched = Watched(monkeypatch)
    form = FORM | {
        "server": "localhost", "port": str(mailbox.dovecot.imaps), "user": mailbox.user,
        "password": mailbox.password, "address": GROUP, "authserv_id": SERVER,
    }  # fmt: skip
    # An unsaved channel: all that lies there is older than it will be, so nobody is told.
    files = [crlf(path.read_bytes()) for path in sorted(MAILS.rglob("*.eml"))]
    raws = [crlf(raw) for raw in generated(before, "first")] + list(dict.fromkeys(files))
    for raw in raws:
        mailbox.deliver(raw)
    found = foresee(as_alice, "/system/channels/dry-run", form)
    assert len(found.mails) == len(raws) > 400
    time.sleep(1.5)  # servers count whole seconds: what lies there is older than the channel
    as_alice.post("/system/channels/new", form)
    fetch(app)
    assert differences(found, raws) == []
    # The saved channel: what comes now is news, and people are told of it.
    own = channels.by_key(form["key"])
    assert own is not None
    of_carol = select(Ticket.number).where(
        Ticket.channel_id == own.id, Ticket.contact.has(address_key="carol@customer.example")
    )
    here = before | {"ticket": db.session.scalar(of_carol.limit(1))}
    more = [crlf(raw) for raw in generated(here, "second")]
    for raw in more:
        mailbox.deliver(raw)
    found = foresee(as_alice, "/system/channels/dry-run", form | {"channel_id": str(own.id)})
    fetch(app)
    assert differences(found, more) == []
    assert (
        told_of_reports()
        == [decision.told.notice for decision in watched.decided].count("delivery_failed") / 2
    )
    # Every fact that a fetched mail can have was on and off, every rule decided, every clue led somewhere.
    assert watched.one_sided(field.name for field in fields(Facts)) == set()
    assert watched.one_sided(iter(("predates_channel",))) == set()
    assert {rule.reason for rule in rules.RULES} <= {decision.reason for decision in watched.decided}
    matches = [decision.match for decision in watched.decided if decision.match is not None]
    assert {kind.value for kind in ClueKind} | {"new", "maybe", "other_channel"} <= {
        one.why for one in matches
    }
    speakers = [decision.speaker for decision in watched.decided if decision.speaker is not None]
    assert {speaker.verdict.state for speaker in speakers} == set(SenderState)
    assert {speaker.verdict.refuted for speaker in speakers} == {True, False}
    told = [decision.told for decision in watched.decided]
    assert {one.notice for one in told} == {"", "new_ticket", "customer_reply", "delivery_failed"}
    assert {one.withheld for one in told} == {"", "withheld", "refuted"}


@pytest.mark.parametrize("released", [False, True])
@pytest.mark.parametrize("envelope_from", [None, "", "somebody@customer.example"])
@pytest.mark.parametrize("predates_channel", [False, True])
def test_what_the_receiver_takes_becomes_what_was_decided(
    channel: Channel,
    before: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    envelope_from: str | None,
    predates_channel: bool,
    released: bool,
) -> None:
    """With what only our own receiver and a person in the quarantine know."""
    from desk.receiving import intake

    passed = (Result("spf", "pass", {"smtp.mailfrom": "customer.example"}),)
    for number, (switch, raw, results) in enumerate(
        (switch, raw, results)
        for switch, raw in {
            "person": mail(), "spam": mail(x_spam_flag="YES"), "report": report(before["sent"]),
            "stray": report("<nothing@elsewhere.example>"), "blocked": mail("pest@blocked.example"),
        }.items()
        for results in ((), passed)
    ):  # fmt: skip
        to = ids.sign_reply_address(signing_key(), before["ticket"], channel.address) if number % 2 else ""
        monkeypatch.setattr(intake.speakers, "check", lambda *_, found=results, **__: found)
        raw += f"\r\n{switch} {number}\r\n".encode()
        arrival = arrivals.Arrival(raw, "smtp", f"receiver:{number}", envelope_from, to, predates_channel)
        row_id = arrivals.receive(channel.id, arrival)
        row = db.session.get_one(InboundMail, row_id)
        if released:
            row.reason = "released"
            db.session.commit()
        delivery = Delivery(row.channel, envelope_from, to, predates_channel, released, results)
        expected = explanations.explain(deciding.decide(read(raw), delivery, ForeseenFacts()))
        intake.process(row.id)
        db.session.expire_all()
        assert disagreements(expected, row) == {}, switch
        assert quarantine.waits(row) == (expected.end == "held")


def test_a_new_fact_of_a_delivery_is_not_forgotten_here() -> None:
    """Whoever adds one finds it in one of the two tests above; those of `Facts` are watched by the first."""
    known = {
        "channel", "envelope_from", "envelope_to", "predates_channel", "released", "results", "aliases", "sha256",
    }  # fmt: skip
    assert {field.name for field in fields(Delivery)} == known
