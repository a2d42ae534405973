"""One mail in several tickets: it came to two of our channels, or a reply of ours named another channel. And one
that was delivered twice to the same channel, which stays in one.

`Message.copy_of_id` leads to the first message of the same mail, so the tickets follow their messages when agents
merge and split. All agents see all tickets; so each may name the others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import bindparam, or_, select, union
from sqlalchemy.orm import aliased, joinedload

from desk.channels.addresses import untagged
from desk.files import content
from desk.tickets import tickets
from desk.tickets.contacts import as_rows
from mail.domains import mailbox_key
from mail.safe_reading import Reading, read_with_attached
from mail.types import Mail
from models import InboundMail, Kind, Message, OutboundMail, OutboundRecipient, Ticket, db
from models.base import one_at_a_time

SAME_ID = 20  # messages that are looked at when many have one Message-ID
FOOTER = re.compile(r"--|[-_=*]{5,}")  # the word that a list begins its footer with

# Asked for most mails, so they are put together once.
_SAME = (
    select(Message.id, Message.copy_of_id, Message.from_address, Message.text, InboundMail.channel_id)
    .join(InboundMail, InboundMail.id == Message.inbound_id)
    .order_by(Message.id)
    .limit(SAME_ID)
)
BY_MESSAGE_ID = _SAME.where(Message.message_id == bindparam("message_id"))
BY_DIGEST = _SAME.where(InboundMail.sha256 == bindparam("sha256"))


class Become(NamedTuple):
    """What a mail has become: the number of the first message in another channel; the one in the same channel."""

    elsewhere: int | None = None
    here: Message | None = None


def same_mail(mail: Mail, sha256: str, channel_id: int, quiet: bool, refuted: bool, locks: bool) -> Become:
    """What this mail has become already; `quiet`, `refuted`: as it was judged itself.

    Servers on the way add lines above a mail and a list its footer below; and anybody can copy a Message-ID. So
    author and words decide; in one channel, where the second is no news, everything that its writer chose.
    `locks`: two of them that are filed at once see each other.
    """
    if not mail.message_id and not sha256:
        return Become()
    if locks:
        one_at_a_time([f"mail:{mail.message_id or sha256}"])
    question, values = BY_MESSAGE_ID, {"message_id": mail.message_id[:998]}
    if not mail.message_id:
        question, values = BY_DIGEST, {"sha256": sha256}
    elsewhere, here = None, None
    for number, first, author, text, at in db.session.connection().execute(question, values):
        if mailbox_key(author) != mail.sender.key:
            continue
        if at != channel_id and elsewhere is None and _same_words(text, mail.text):
            elsewhere = int(first or number)
        if at == channel_id and here is None and text == mail.text:
            before = db.session.get_one(Message, number)
            here = before if _is_again(before, mail, quiet, refuted) else None
    return Become(elsewhere, here)


def is_confirmed(message_id: int) -> bool:
    """Whether the sender got an acknowledgement of this message or of one that is the same mail."""
    of_it = or_(Message.id == message_id, Message.copy_of_id == message_id)
    query = (
        select(OutboundMail.id)
        .join(Message, Message.id == OutboundMail.about_id)
        .where(of_it, OutboundMail.ticket_id == Message.ticket_id, OutboundMail.purpose == "confirmation")
    )
    return db.session.scalar(query.limit(1)) is not None


class Answer(NamedTuple):
    """A reply of ours; `sent`: read anew from the bytes that left, so that nobody else's words are in it."""

    reply: Message
    sent: Reading


def our_answer(mail: Mail, addresses: Set[str], channel_id: int, locks: bool) -> Answer | None:
    """The reply of ours that this mail is, if it went to one of these addresses of the channel as well.

    None where it left by this very channel or is here already. Whoever got our mail knows its Message-ID and can
    write to us in our name: it has to be our words and no others, and what is filed is never what came.
    """
    rows = db.session.execute(
        select(
            OutboundMail.message_fk,
            OutboundMail.channel_id,
            OutboundRecipient.address_key,
            OutboundMail.sha256,
        )
        .join(OutboundRecipient, OutboundRecipient.mail_id == OutboundMail.id)
        .where(OutboundMail.message_id == mail.message_id, OutboundMail.message_fk.is_not(None))
    ).all()
    named = any(
        untagged(key) in addresses or key in addresses for _, left_by, key, _ in rows if left_by != channel_id
    )
    reply = db.session.get(Message, rows[0][0]) if named else None
    if reply is None or mail.sender.key != mailbox_key(reply.from_address):
        return None
    raw = content(rows[0][3])
    sent = read_with_attached(raw) if raw is not None else None
    if sent is None or not _is_sent(mail.text.split(), sent.mail.text.split()):
        return None
    if locks:
        one_at_a_time([f"mail:{mail.message_id}"])
    here = (
        select(Message.id)
        .join(InboundMail, InboundMail.id == Message.inbound_id)
        .where(Message.copy_of_id == reply.id, InboundMail.channel_id == channel_id)
    )
    return Answer(reply, sent) if db.session.scalar(here.limit(1)) is None else None


def beside(ticket: Ticket, channel_id: int) -> Ticket | None:
    """The newest ticket of a channel that has a mail of this one."""
    found = {
        other.id: other for one in of(ticket).values() for _, other in one if other.channel_id == channel_id
    }
    return found[max(found)] if found else None


class Copied(NamedTuple):
    """`code`: same_mail; of a reply of ours our_answer where it was filed, answer_there where it was written."""

    code: str
    ticket: Ticket


Same = dict[int, list[Copied]]


def of(ticket: Ticket) -> Same:
    """The other tickets that have a mail of this one, by the number of the message here. Two statements at most."""
    rows = _same([ticket.id])
    numbers = {row.ticket_id for row in rows}
    query = select(Ticket).where(Ticket.id.in_(numbers)).options(joinedload(Ticket.channel))
    others = {other.id: other for other in db.session.scalars(query)} if numbers else {}
    found: Same = {}
    for row in rows:
        found.setdefault(row.id, []).append(Copied(_code(row.kind, row.kind_there), others[row.ticket_id]))
    return found


def numbers_of(ticket_ids: Sequence[int]) -> dict[int, list[int]]:
    """By message: the numbers of the other tickets that have the same mail. Two statements at most."""
    rows = _same(ticket_ids)
    query = select(Ticket.id, Ticket.number).where(Ticket.id.in_({row.ticket_id for row in rows}))
    numbers = {number_id: number for number_id, number in db.session.execute(query)} if rows else {}
    found: dict[int, list[int]] = {}
    for row in rows:
        found.setdefault(row.id, []).append(numbers[row.ticket_id])
    return found


def note(message: Message, ticket: Ticket) -> None:
    """Each of the tickets names the other, in the running transaction; `message` was just filed in this one."""
    for code, other in of(ticket).get(message.id, ()):
        back = "answer_there" if code == "our_answer" else code
        tickets.note_event(ticket, code, number=str(other.number), channel=other.channel.key)
        tickets.note_event(other, back, number=str(ticket.number), channel=ticket.channel.key)


def _same(ticket_ids: Sequence[int]) -> Sequence[Any]:
    """Each message of these tickets beside each of the same mail in another one, in the order of their numbers."""
    here, there = aliased(Message), aliased(Message)
    both = select(here.id, here.kind, there.kind.label("kind_there"), there.ticket_id).where(
        here.ticket_id.in_(ticket_ids), there.ticket_id != here.ticket_id
    )
    ways = (there.id == here.copy_of_id, there.copy_of_id == here.id, there.copy_of_id == here.copy_of_id)
    rows = db.session.execute(union(*(both.join(there, way) for way in ways)))
    return sorted(rows, key=lambda row: (row.id, row.ticket_id))


def _code(here: Kind, there: Kind) -> str:
    if here == Kind.REPLY:
        return "answer_there"
    return "our_answer" if there == Kind.REPLY else "same_mail"


def _is_again(before: Message, mail: Mail, quiet: bool, refuted: bool) -> bool:
    """Whether it adds nothing to this message, whose words it has.

    Whoever knows a mail can bring it first, with readers, files or signs of a machine of their own: then it is none.
    """
    judged = before.quiet <= quiet and before.refuted <= refuted
    if not judged or bool(before.html) != bool(mail.html):
        return False
    files = sorted((one.sha256, one.name) for one in before.attachments)
    return chosen(mail) == (before.subject, before.to, before.cc, before.reply_to, files)


def chosen(mail: Mail) -> tuple[Any, ...]:
    """What its writer chose besides its text."""
    files = sorted((sha256(part.data).hexdigest(), part.name[:255]) for part in mail.attachments)
    return mail.subject, as_rows(mail.to), as_rows(mail.cc), as_rows(mail.reply_to), files


def _is_sent(words: Sequence[str], sent: Sequence[str]) -> bool:
    """Whether these are the words that we sent, all of them and no others but the footer of a list."""
    ours, below = words[: len(sent)], words[len(sent) :]
    return ours == sent and (not below or FOOTER.fullmatch(below[0]) is not None)


def _same_words(one: str, other: str) -> bool:
    """Whether one is the other, but for blanks and for what a list writes below."""
    shorter, longer = sorted((one.split(), other.split()), key=len)
    return longer[: len(shorter)] == shorter if shorter else not longer
