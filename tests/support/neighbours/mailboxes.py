"""Real mailbox servers: each mail becomes one ticket, its copy goes the way that was chosen, and the ledger adds up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import make_msgid

from flask import Flask
from sqlalchemy import func, select

from app import create_app
from config import from_environment
from desk import schema
from desk.agents import accounts
from desk.channels import channels
from desk.channels.channel_values import ChannelValues
from desk.mailroom import balance, put_back
from desk.receiving import fetching
from models import Channel, InboundMail, Message, ServerCopy, Ticket, db, now
from tests.support.neighbours.servers import PASSWORD, MailboxServer, running

MAILS = 100
LATER = 5  # that come between the second and the third fetch
PUT_BACK = 3
_MOST_FETCHES = 40  # until a mailbox is done: where a server wants pauses, one conversation does not do all
_LONGEST_PAUSE = 90  # seconds that a server may want between two sessions


class Wrong(Exception):
    """Something is not as it should be."""


@dataclass(frozen=True)
class Case:
    """`removes`: whether the server can take mail away by this protocol (GNU imap4d has neither UIDPLUS nor MOVE)."""

    protocol: str
    after_fetch: str
    removes: bool = True

    @property
    def user(self) -> str:
        return f"{self.protocol}{self.after_fetch}"


def cases(name: str) -> list[Case]:
    removes = name != "mailutils"
    return [
        Case("imap", "delete", removes),
        Case("imap", "move", removes),
        Case("imap", "keep"),
        Case("pop3", "delete"),
        Case("pop3", "keep"),
    ]


def prove(name: str, data: str, say: Callable[[str], None]) -> None:
    """All cases at one server. Raises Wrong."""
    chosen = cases(name)
    with running(name, [case.user for case in chosen]) as server, _desk(data).app_context():
        for case in chosen:
            began = time.monotonic()
            channel_id = _connect(server, case)
            server.put(server, case.user, _mails(case, range(MAILS)))
            found = _prove_case(server, case, channel_id)
            _same("what the ledger lacks", [row.findings for row in balance.check() if row.findings], [])
            say(f"{name}, {case.protocol}, {case.after_fetch}: {found} ({time.monotonic() - began:.0f} s)")
        db.session.remove()
        db.engine.dispose()


def _prove_case(server: MailboxServer, case: Case, channel_id: int) -> str:
    _same("fetched", _fetch(channel_id), MAILS)
    _is_filed(channel_id, MAILS)
    _same("fetched a second time", _fetch(channel_id), 0)
    parts = [f"{MAILS} mails, {MAILS} tickets"]
    if case.after_fetch == "keep":
        server.put(server, case.user, _mails(case, range(MAILS, MAILS + LATER)))
        _same("fetched a third time", _fetch(channel_id), LATER)
        _same("fetched a fourth time", _fetch(channel_id), 0)
        _is_filed(channel_id, MAILS + LATER)
        _same("kept on the server", len(server.inbox(case.user)), MAILS + LATER)
        return f"{parts[0]}, kept, {LATER} more at the third fetch, none twice"
    if not case.removes:
        _same("kept on the server", len(server.inbox(case.user)), MAILS)
        _copies(channel_id, {ServerCopy.KEPT: MAILS})
        return f"{parts[0]}, kept where the server cannot remove them"
    _same("left on the server", len(server.inbox(case.user)), 0)
    state = {"delete": ServerCopy.DELETED, "move": ServerCopy.MOVED}[case.after_fetch]
    _copies(channel_id, {state: MAILS})
    parts.append(f"all {state.value}")
    if case.after_fetch == "move":
        _same("in the folder", len(server.folder(case.user, _folder(server))), MAILS)
    if case.protocol == "imap":
        _put_back(server, case, channel_id)
        parts.append(f"{PUT_BACK} put back and left alone")
    return ", ".join(parts)


def _put_back(server: MailboxServer, case: Case, channel_id: int) -> None:
    of_channel = (InboundMail.channel_id == channel_id, InboundMail.put_back_at.is_(None))
    rows = db.session.scalars(select(InboundMail).where(*of_channel).limit(PUT_BACK)).all()
    _same("why it cannot be put back", [put_back.refusal(row) for row in rows], [""] * PUT_BACK)
    for row in rows:
        put_back.put_back(row, None)
    _same("back on the server", len(server.inbox(case.user)), PUT_BACK)
    for _ in range(2):
        _fetch(channel_id)
        _is_filed(channel_id, MAILS)
    _same("still on the server", len(server.inbox(case.user)), PUT_BACK)


def _folder(server: MailboxServer) -> str:
    return {"courier": "INBOX.Done"}.get(server.name, "Done")


def _fetch(channel_id: int) -> int:
    """Fetch until the mailbox is done; how many mails came. Waits where the server wants pauses."""
    fetched = 0
    for _ in range(_MOST_FETCHES):
        result = fetching.fetch_channel(channel_id)
        db.session.expire_all()
        _same("the error of the fetch", (result.error, result.words), ("", ""))
        fetched += result.fetched
        channel = db.session.get_one(Channel, channel_id)
        pause = (channel.next_try_at - now()).total_seconds() if channel.next_try_at else 0
        held_off = channel.failures > 0  # it was not let in this time
        db.session.rollback()
        if pause > _LONGEST_PAUSE:
            raise Wrong(f"it would rest for {pause:.0f} s")
        time.sleep(max(pause, 0))
        if not held_off and not result.fetched:
            return fetched
    raise Wrong(f"not done after {_MOST_FETCHES} fetches")


def _is_filed(channel_id: int, count: int) -> None:
    """So many tickets of as many people, each with its mail once, and no other row that became one."""
    found = db.session.execute(
        select(func.count(), func.count(Ticket.contact_id.distinct())).where(Ticket.channel_id == channel_id)
    ).one()
    _same("tickets and requesters", tuple(found), (count, count))
    ids = Counter(
        db.session.scalars(
            select(Message.message_id).join(InboundMail, Message.inbound_id == InboundMail.id)
            .where(InboundMail.channel_id == channel_id)
        )
    )  # fmt: skip
    _same("mails and the most often of them", (len(ids), max(ids.values())), (count, 1))
    outcomes = Counter(
        map(str, db.session.scalars(select(InboundMail.outcome).where(InboundMail.channel_id == channel_id)))
    )
    _same("new tickets in the ledger", outcomes["new_ticket"], count)
    _same("duplicates in the ledger", outcomes["duplicate"], 0)
    db.session.rollback()


def _copies(channel_id: int, expected: dict[ServerCopy, int]) -> None:
    query = select(InboundMail.server_copy).where(InboundMail.channel_id == channel_id)
    _same("copies in the ledger", dict(Counter(db.session.scalars(query))), expected)
    db.session.rollback()


def _same(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise Wrong(f"{what}: {found} instead of {expected}")


def _connect(server: MailboxServer, case: Case) -> int:
    channel = channels.create(
        ChannelValues(
            key=case.user, address=f"{case.user}@acme.test", provider="own", protocol=case.protocol,
            server="localhost", port=server.imap if case.protocol == "imap" else server.pop3, ssl=False,
            allow_plaintext=True, user=case.user, password=PASSWORD, smtp_server="localhost",
            after_fetch=case.after_fetch, move_to="Done" if case.after_fetch == "move" else "",
        )
    )  # fmt: skip
    return channel.id


def _mails(case: Case, numbers: range) -> list[bytes]:
    """Of as many people. Some are as web forms write them, with raw 8-bit bytes in the header."""
    mails = []
    for number in numbers:
        charset = {7: "latin-1", 8: "utf-8"}.get(number % 10, "ascii")
        subject = f"Größe {number}" if charset != "ascii" else f"Number {number}"
        text = (
            f"From: Customer {number} <{case.user}.{number}@customer.example>\r\nTo: {case.user}@acme.test\r\n"
            f"Subject: {subject}\r\nDate: Mon, 30 Nov 2026 09:00:00 +0000\r\n"
            f"Message-ID: {make_msgid(f'{case.user}.{number}', 'customer.example')}\r\n\r\n"
            f"Line one of {number}\r\nFrom here on it goes on\r\n.\r\n..two dots\r\n{'x' * 70}\r\n"
        )
        mails.append(text.encode(charset))
    return mails


def _desk(data: str) -> Flask:
    settings = from_environment({"POSTSTELLE_DATA": data, "POSTSTELLE_ALLOW_PRIVATE_HOSTS": "1"})
    app = create_app(replace(settings, testing=True, assets="cdn"))
    with app.app_context():
        schema.bring_up_to_date()
        accounts.create_account(
            "Acme GmbH", "poststelle.example", "en", "UTC", "Alice", "alice@acme.example", "correct horse battery"
        )  # fmt: skip
    return app
