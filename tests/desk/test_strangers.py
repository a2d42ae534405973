"""No stranger gets in, and none learns anything: spoofed mails by the dozen, and everything that left after them.

Carol has a ticket with Kim and Dave in it; her first mail had Mallory in Cc. Mallory knows numbers, foreign
Message-IDs, addresses, whatever stands in her own mails from us. Some cases let her hold a mail of the ticket.
"""

from __future__ import annotations

import email
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from email import policy

import pytest
from flask import current_app

from desk.office import office, signing_key
from desk.receiving import arrivals, intake
from desk.sending import replies
from desk.tickets import participants
from mail import ids
from mail.types import Address
from models import Agent, Channel, InboundMail, InboundState, Message, OutboundMail, Ticket, db
from tests.support.clients import CLIENTS, filled, sent
from tests.support.mails import arrive, mail
from tests.support.post import Post, SentMail, opened
from tests.support.signatures import CURVE, RSA, record
from tests.support.signatures import signed as sign

MALLORY = "Mallory <mallory@evil.example>"
KIM = "kim.s@strasse.example"
MX = "mx.acme.example"
NUMBERS = itertools.count(1)
SECRETS = ("terminate", "4711", "carol", "dave", "kim.s", "confidential", "alice")
WORDS = "cheappills http://evil.example"


@dataclass
class House:
    """What Mallory aims at, and what she may hold."""

    channel: Channel
    ticket: Ticket
    number: int
    first_id: str  # of Carol's mail: foreign to us
    reply_id: str  # ours, signed
    reply_address: str
    marker: str
    loop: str  # of a mail that Mallory got
    mallorys: Ticket
    mallorys_id: str
    mallorys_address: str
    mallorys_marker: str
    post: Post


@pytest.fixture
def house(channel: Channel, alice: Agent) -> Iterator[House]:
    channel.authserv_id = MX
    db.session.commit()
    key = signing_key()
    with opened() as post:
        first = mail(
            "Carol <carol@customer.example>",
            "I terminate contract 4711",
            "My confidential reasons.",
            cc="mallory@evil.example",
            message_id="<first@customer.example>",
        )
        ticket = arrive(channel, first).ticket
        assert ticket is not None
        dave = (Address("Dave", "dave@customer.example"), Address("Kim", KIM))
        reply = replies.send_reply(
            ticket, alice, replies.Written(text="Your confidential end.", cc=dave)
        ).message
        mallorys = arrive(channel, mail(MALLORY, "Question", "What is open?")).ticket
        assert mallorys is not None
        own = replies.send_reply(mallorys, alice, replies.Written(text="Nothing.")).message
        loop = next(
            str(email.message_from_bytes(one.raw)[ids.LOOP_HEADER])
            for one in post.collect()
            if one.to == "mallory@evil.example"
        )
        yield House(
            channel=channel,
            ticket=ticket,
            number=ticket.number,
            first_id="<first@customer.example>",
            reply_id=reply.message_id,
            reply_address=ids.sign_reply_address(key, ticket.number, channel.address),
            marker=ids.sign_marker(key, ticket.number),
            loop=loop,
            mallorys=mallorys,
            mallorys_id=own.message_id,
            mallorys_address=ids.sign_reply_address(key, mallorys.number, channel.address),
            mallorys_marker=ids.sign_marker(key, mallorys.number),
            post=post,
        )


def spoof(
    sender: str = MALLORY, subject: str = "Hello", text: str = f"Tell me all. {WORDS}", **more: str
) -> bytes:
    return mail(sender, subject, text, **more)


def raw(sender: bytes | str, subject: str, more: str = "", body: str = f"Tell me all. {WORDS}") -> bytes:
    """Headers as they are, for what the library would not write. `sender` is the whole field."""
    field = sender if isinstance(sender, bytes) else sender.encode()
    rest = f"To: support-acme@poststelle.example\r\nSubject: {subject}\r\n{more}\r\n{body}\r\n"
    return field + b"\r\n" + rest.encode()


def come(house: House, one: bytes) -> InboundMail:
    """It arrives, some hours after all the others: so many in one hour would be a storm."""
    row = arrive(house.channel, one)
    row.received_at -= timedelta(hours=2)
    db.session.commit()
    return row


def forged_id(house: House, change: str) -> str:
    number, token, rest = house.mallorys_id.split(".", 2)
    signature, _, domain = rest.partition("@")
    return {
        "number": f"<{house.number}.{token}.{rest}",
        "short": f"<{house.number}.{token}.{signature[:8]}@{domain}",
        "zero": f"<{house.number}.{token}.{'a' * 32}@{domain}",
        "token": f"{number}.{token[::-1]}.{rest}",
        "bare": f"<{house.number}@poststelle.example>",
    }[change]


def swapped(house: House, token: str) -> str:
    """A name that we signed for Mallory's ticket, with Carol's number."""
    return token.replace(str(house.mallorys.number), str(house.number))


def results(words: str, server: str = MX) -> str:
    return f"{server}; {words}"


FAIL = results("spf=fail smtp.mailfrom=customer.example; dmarc=fail header.from=customer.example")
PASS = "spf=pass smtp.mailfrom=customer.example; dkim=pass header.d=customer.example; dmarc=pass"

SPOOFS = {
    # the number
    "number": lambda h: spoof(subject=f"[#{h.number}]"),
    "number-in-answer": lambda h: spoof(subject=f"Re: I terminate contract 4711 [#{h.number}]"),
    "number-twice": lambda h: spoof(subject=f"[#{h.number}] AW: [#{h.number}]"),
    "number-encoded": lambda h: raw(f"From: {MALLORY}", f"=?utf-8?q?=5B=23{h.number}=5D?="),
    "number-in-fullwidth-digits": lambda h: raw(f"From: {MALLORY}", "[#１００１]"),
    "number-after-line-break": lambda h: raw(
        f"From: {MALLORY}", f"=?utf-8?q?x=0D=0ABcc=3A_x=40evil.example=0D=0A?= [#{h.number}]"
    ),
    "number-forwarded": lambda h: spoof(subject=f"WG: [#{h.number}]"),
    "number-from-a-machine": lambda h: spoof(subject=f"[#{h.number}]", auto_submitted="auto-generated"),
    "number-from-a-list": lambda h: spoof(subject=f"[#{h.number}]", list_id="<x.evil.example>"),
    # Message-IDs
    "foreign-id": lambda h: spoof(in_reply_to=h.first_id),
    "foreign-id-in-references": lambda h: spoof(references=f"<a@evil.example> {h.first_id}"),
    "foreign-id-and-number": lambda h: spoof(in_reply_to=h.first_id, subject=f"[#{h.number}]"),
    "same-message-id": lambda h: spoof(message_id=h.first_id, subject=f"[#{h.number}]"),
    "id-of-another-key": lambda h: spoof(in_reply_to=ids.sign_message_id(b"x", h.number, "abc", "x.example")),
    "id-with-another-number": lambda h: spoof(in_reply_to=forged_id(h, "number")),
    "id-with-short-signature": lambda h: spoof(in_reply_to=forged_id(h, "short")),
    "id-with-empty-signature": lambda h: spoof(in_reply_to=forged_id(h, "zero")),
    "id-with-another-token": lambda h: spoof(in_reply_to=forged_id(h, "token"), subject=f"[#{h.number}]"),
    "id-of-the-number-alone": lambda h: spoof(references=forged_id(h, "bare")),
    "a-hundred-guessed-ids": lambda h: spoof(
        references=" ".join(f"<{h.number}.{n:016d}.{'b' * 32}@poststelle.example>" for n in range(100))
    ),
    "own-id-and-number": lambda h: spoof(in_reply_to=h.mallorys_id, subject=f"[#{h.number}]"),
    "own-message-id-forged": lambda h: spoof(
        message_id=ids.sign_message_id(b"x", h.number, "abc", "x.example"), subject=f"[#{h.number}]"
    ),
    "own-message-id-replayed": lambda h: spoof(message_id=h.mallorys_id, subject=f"[#{h.number}]"),
    # reply addresses
    "address-of-another-key": lambda h: spoof(to=ids.sign_reply_address(b"x", h.number, h.channel.address)),
    "address-with-another-number": lambda h: spoof(to=swapped(h, h.mallorys_address)),
    "address-without-signature": lambda h: spoof(to=f"support-acme+{h.number}@poststelle.example"),
    "address-of-another-channel": lambda h: spoof(
        to=ids.sign_reply_address(signing_key(), h.number, "sales@poststelle.example").replace("sales", "support-acme")
    ),
    "address-in-cc": lambda h: spoof(cc=swapped(h, h.mallorys_address)),
    "address-in-delivered-to": lambda h: spoof(delivered_to=swapped(h, h.mallorys_address)),
    # the mark in the quoted body
    "marker-of-another-key": lambda h: spoof(text=f"> {ids.sign_marker(b'x', h.number)}"),
    "marker-with-another-number": lambda h: spoof(text=f"> {swapped(h, h.mallorys_marker)}"),
    "marker-leaked": lambda h: spoof(text=f"I found this:\n> {h.marker}"),
    "marker-leaked-in-html": lambda h: raw(
        f"From: {MALLORY}", "x", "MIME-Version: 1.0\r\nContent-Type: text/html\r\n", f"<p hidden>{h.marker}</p>"
    ),
    "history-leaked": lambda h: spoof(
        text=f"> Message-ID: {h.reply_id}\n> In-Reply-To: {h.first_id}\n> To: {h.reply_address}\n> {h.marker}"
    ),
    "mail-leaked-as-attachment": lambda h: raw(
        f"From: {MALLORY}", "Fwd:", 'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n',
        f"--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: carol@customer.example\r\nIn-Reply-To: {h.reply_id}\r\n"
        f"Subject: [#{h.number}]\r\n\r\n{h.marker}\r\n--b--",
    ),
    # an agent's address, and our own
    "agent": lambda h: spoof("Alice Admin <alice@acme.example>", f"[#{h.number}]"),
    "agent-answers": lambda h: spoof("alice@acme.example", in_reply_to=h.first_id),
    "agent-with-marker": lambda h: spoof("ALICE@acme.example", text=h.marker),
    "agent-refuted": lambda h: spoof(
        "alice@acme.example", f"[#{h.number}]", authentication_results=results("dmarc=fail header.from=acme.example")
    ),
    "agent-confirmed-by-mallory": lambda h: spoof(
        "alice@acme.example", f"[#{h.number}]", authentication_results=results(PASS, "evil.example")
    ),
    "agent-by-name": lambda h: spoof('"Alice Admin (Acme GmbH)" <mallory@evil.example>', f"[#{h.number}]"),
    "ourselves": lambda h: spoof(h.channel.address, f"[#{h.number}]"),
    "our-reply-address": lambda h: spoof(h.mallorys_address, f"[#{h.number}]"),
    # in Cc of the first mail
    "cc": lambda h: spoof(subject=f"AW: I terminate contract 4711 [#{h.number}]", references=h.first_id),
    "cc-puts-others-in": lambda h: spoof(
        subject=f"[#{h.number}]", cc="carol@customer.example, eve@evil.example", in_reply_to=h.first_id
    ),
    # Carol's address, and what looks like it
    "carol-refuted": lambda h: spoof(
        "carol@customer.example", f"[#{h.number}]", authentication_results=FAIL, in_reply_to=h.first_id
    ),
    "carol-refuted-with-marker": lambda h: spoof(
        "carol@customer.example", text=h.marker, authentication_results=FAIL
    ),
    "carol-softfail": lambda h: spoof(
        "carol@customer.example", f"[#{h.number}]",
        authentication_results=results("spf=softfail smtp.mailfrom=customer.example; dkim=none"),
    ),
    "carol-refuted-then-confirmed-by-mallory": lambda h: raw(
        f"Authentication-Results: {FAIL}\r\nAuthentication-Results: {results(PASS)}\r\nFrom: carol@customer.example",
        f"[#{h.number}]",
    ),
    "carol-and-mallory": lambda h: raw("From: carol@customer.example, mallory@evil.example", f"[#{h.number}]"),
    "mallory-and-carol": lambda h: raw("From: mallory@evil.example, carol@customer.example", f"[#{h.number}]"),
    "two-from-fields": lambda h: raw(
        "From: carol@customer.example\r\nFrom: mallory@evil.example", f"[#{h.number}]"
    ),
    "group": lambda h: raw("From: us: carol@customer.example, mallory@evil.example;", f"[#{h.number}]"),
    "no-from": lambda h: raw("Reply-To: carol@customer.example", f"[#{h.number}]"),
    "no-from-but-return-path": lambda h: raw("Return-Path: <carol@customer.example>", f"[#{h.number}]"),
    "carol-in-other-fields": lambda h: spoof(
        subject=f"[#{h.number}]", sender_="x", reply_to="carol@customer.example",
        resent_from="carol@customer.example", x_original_from="carol@customer.example",
    ),
    "carol-by-name": lambda h: spoof('"carol@customer.example" <mallory@evil.example>', f"[#{h.number}]"),
    "carol-by-encoded-name": lambda h: raw(
        "From: =?utf-8?q?carol=40customer.example_=3Ccarol=40customer.example=3E?= <mallory@evil.example>",
        f"[#{h.number}]",
    ),
    "carol-in-comment": lambda h: raw("From: mallory@evil.example (carol@customer.example)", f"[#{h.number}]"),
    "carol-in-route": lambda h: raw("From: <@customer.example,carol@customer.example:m@evil.example>", f"[#{h.number}]"),
    "carol-below": lambda h: spoof("carol@customer.example.evil.example", f"[#{h.number}]"),
    "carol-with-tag": lambda h: spoof("carol+x@customer.example", f"[#{h.number}]"),
    "homoglyph": lambda h: raw("From: cаrol@customer.example", f"[#{h.number}]"),
    "homoglyph-domain": lambda h: raw("From: carol@custоmer.example", f"[#{h.number}]"),
    "punycode-domain": lambda h: raw("From: carol@xn--custmer-f1g.example", f"[#{h.number}]"),
    "fullwidth": lambda h: raw("From: ｃarol@customer.example", f"[#{h.number}]"),
    "zero-width": lambda h: raw("From: ca\u200brol@customer.example", f"[#{h.number}]"),
    "kelvin": lambda h: raw("From: \u212aim.s@strasse.example", f"[#{h.number}]"),
    "long-s": lambda h: raw("From: kim.ſ@strasse.example", f"[#{h.number}]"),
    "sharp-s": lambda h: raw("From: kim.s@straße.example", f"[#{h.number}]"),
    # headers of ours
    "loop-header-forged": lambda h: spoof(subject=f"[#{h.number}]", x_poststelle_loop="abc." + "a" * 32),
    "loop-header-replayed": lambda h: spoof(subject=f"[#{h.number}]", x_poststelle_loop=h.loop),
    "control-headers": lambda h: spoof(
        subject="Hello", x_poststelle_ticket=str(h.number), x_poststelle_agent="alice@acme.example",
        x_poststelle_command="merge", x_auto_response_suppress="None",
    ),
    # reports
    "bounce-of-a-guessed-mail": lambda h: raw(
        "From: MAILER-DAEMON@evil.example", "Undelivered",
        'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n',
        "--b\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n"
        "Final-Recipient: rfc822; carol@customer.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
        f"--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: {forged_id(h, 'number')}\r\n\r\nx\r\n--b--",
    ),
}  # fmt: skip


def test_no_stranger_is_appended_and_none_learns_anything(house: House) -> None:
    assert len(SPOOFS) >= 60
    status, number = (
        house.ticket.status,
        db.session.query(Message).filter_by(ticket_id=house.ticket.id).count(),
    )
    wrong = {}
    for name, spoofed in SPOOFS.items():
        row = come(house, spoofed(house))
        if row.ticket_id == house.ticket.id:
            wrong[name] = "appended"
        elif row.state == InboundState.FAILED or row.outcome is None:
            wrong[name] = f"{row.reason} {row.details}"
        for one in house.post.collect():
            if told := _told(one):
                wrong[name] = f"{one.to} learns {told}"
    assert wrong == {}
    assert db.session.query(Message).filter_by(ticket_id=house.ticket.id).count() == number
    assert (house.ticket.status, house.ticket.contact.address) == (status, "carol@customer.example")


def _told(one: SentMail) -> list[str]:
    """What a mail to anybody but an agent says beyond its number and our own words."""
    if one.to == "alice@acme.example":
        return []
    message = email.message_from_bytes(one.raw, policy=policy.default)
    bodies = [part.get_content() for part in message.walk() if not part.is_multipart()]
    fields = [
        f"{name}: {value}"
        for name, value in message.items()
        if name.lower() not in ("in-reply-to", "references")
    ]
    said = re.sub(r"(?i)support-acme[+\w-]*@", "", "\n".join([*fields, *bodies])).lower()
    purpose = db.session.query(OutboundMail).filter_by(message_id=message["Message-ID"]).one().purpose
    found = [
        word
        for word in (*SECRETS, *WORDS.split())
        if word in said.replace(one.to.partition("@")[0].lower(), "")
    ]
    return found if purpose == "confirmation" else [purpose, *found]


# --- who holds a mail that Carol signed, and sends it once more with something added

CLUES = "From To Subject Date Message-ID In-Reply-To"
SIGNED_PASS = "dkim=pass header.d=customer.example; dmarc=pass header.from=customer.example"
ELSEWHERE = "Reply-To: Carol <mallory@evil.example>"


def carols(h: House, more: str = "", subject: str = "", answers: str = "") -> bytes:
    """A mail of hers of which Mallory got a copy; it may name the ticket."""
    lines = [
        "From: Carol <carol@customer.example>", "To: support-acme@poststelle.example, mallory@evil.example",
        f"Subject: {subject or 'Yes'}", "Date: Mon, 02 Nov 2026 10:00:00 +0000",
        f"Message-ID: <{next(NUMBERS)}@customer.example>",
    ]  # fmt: skip
    lines += [f"In-Reply-To: {answers}"] if answers else []
    lines += [more] if more else []
    return "\r\n".join([*lines, "", f"Yes, please do that. {WORDS}", ""]).encode()


def named(h: House, more: str = "") -> bytes:
    return carols(h, more, f"Re: [#{h.number}]", h.first_id)


def again(added: str, raw: bytes) -> bytes:
    return added.encode() + b"\r\n" + raw


# What comes, and what the server in front of a mailbox says of it: it knows signatures, and not what we think of them.
REPLAYS = {
    # a field twice
    "from": (lambda h: again(f"From: {MALLORY}", sign(named(h), CLUES)), SIGNED_PASS),
    "from-below": (lambda h: sign(named(h, f"From: {MALLORY}"), CLUES), SIGNED_PASS),
    "from-the-same": (lambda h: again("From: carol@customer.example", sign(named(h), CLUES)), SIGNED_PASS),
    "reply-to": (
        lambda h: again(ELSEWHERE, sign(named(h, "Reply-To: carol@home.example"), f"{CLUES} Reply-To")),
        SIGNED_PASS,
    ),
    "reply-to-once-signed": (lambda h: again(ELSEWHERE, sign(named(h, ELSEWHERE), f"{CLUES} Reply-To")), SIGNED_PASS),
    "to": (lambda h: again("To: eve@evil.example", sign(named(h), CLUES)), SIGNED_PASS),
    "cc": (lambda h: again("Cc: a@evil.example\r\nCc: eve@evil.example", sign(named(h), CLUES)), SIGNED_PASS),
    "message-id": (lambda h: again("Message-ID: <new@evil.example>", sign(named(h), CLUES)), SIGNED_PASS),
    "references": (
        lambda h: again(f"References: {h.first_id}", sign(carols(h, "References: <a@b.example>"), f"{CLUES} References")),
        SIGNED_PASS,
    ),
    "in-reply-to": (
        lambda h: again(f"In-Reply-To: {h.first_id}", sign(carols(h, answers="<a@b.example>"), CLUES)),
        SIGNED_PASS,
    ),
    "subject": (lambda h: again(f"Subject: [#{h.number}]", sign(carols(h), CLUES)), SIGNED_PASS),
    "date": (lambda h: again("Date: Mon, 30 Nov 2026 10:00:00 +0000", sign(named(h), CLUES)), SIGNED_PASS),
    # not covered
    "from-unsigned": (lambda h: sign(named(h), "To Subject Date Message-ID In-Reply-To"), SIGNED_PASS),
    "from-swapped": (
        lambda h: sign(carols(h, subject=f"[#{h.number}]"), "Subject").replace(b"From: Carol", b"From: Karol"),
        SIGNED_PASS,
    ),
    "reply-to-unsigned": (lambda h: again(ELSEWHERE, sign(named(h), "From To Subject In-Reply-To")), SIGNED_PASS),
    "reply-to-known": (lambda h: again("Reply-To: dave@customer.example", sign(named(h), CLUES)), SIGNED_PASS),
    "reply-to-of-a-list": (
        lambda h: again("List-Post: <mailto:list@evil.example>\r\nReply-To: list@evil.example", sign(named(h), CLUES)),
        SIGNED_PASS,
    ),
    "references-unsigned": (lambda h: again(f"References: {h.first_id}", sign(carols(h), "From Subject")), SIGNED_PASS),
    "in-reply-to-unsigned": (lambda h: again(f"In-Reply-To: {h.first_id}", sign(carols(h), "From Subject")), SIGNED_PASS),
    "subject-unsigned": (
        lambda h: sign(carols(h), "From Date").replace(b"Subject: Yes", f"Subject: [#{h.number}]".encode()),
        SIGNED_PASS,
    ),
    "subject-unsigned-on-a-curve": (
        lambda h: sign(carols(h), "From Date", CURVE, selector="curve").replace(b"Subject: Yes", f"Subject: [#{h.number}]".encode()),
        SIGNED_PASS,
    ),
    # two signatures, of which the one that holds covers less
    "wide-signature-forged": (
        lambda h: again(
            "DKIM-Signature: v=1; a=rsa-sha256; d=customer.example; s=s1; h=From:Subject:In-Reply-To:References; bh=x; b=y",
            again(f"References: {h.first_id}", sign(carols(h), "From Subject")),
        ),
        SIGNED_PASS,
    ),
    # proofs that are none
    "length": (lambda h: sign(named(h), CLUES, more="l=10;") + b"Pay here: evil.example\r\n", SIGNED_PASS),
    "key-on-trial": (
        lambda h: sign(named(h), CLUES, selector="trial"), "dkim=neutral header.d=customer.example; dmarc=fail",
    ),
    "unsigned": (lambda h: named(h, ELSEWHERE), "dkim=none; dmarc=fail header.from=customer.example"),
    "results-forged-below": (
        lambda h: again(f"X-A: b\r\nAuthentication-Results: {results(PASS)}", named(h, ELSEWHERE)),
        "dkim=none; dmarc=fail header.from=customer.example",
    ),
    "results-forged-by-name": (
        lambda h: again(f"Authentication-Results: evil.example ({MX}); {PASS}", named(h)),
        "spf=fail smtp.mailfrom=customer.example; dmarc=fail",
    ),
    "signed-by-mallory": (
        lambda h: sign(named(h, ELSEWHERE), CLUES, domain="evil.example"),
        "dkim=pass header.d=evil.example; dmarc=fail header.from=customer.example",
    ),
}  # fmt: skip


def zone(name: str, kind: str) -> list[bytes]:
    """Carol's domain asks to refuse what it did not confirm; Mallory has a signature of her own."""
    records = {
        "_dmarc.customer.example": b"v=DMARC1; p=reject",
        "s1._domainkey.customer.example": record(RSA),
        "curve._domainkey.customer.example": record(CURVE),
        "trial._domainkey.customer.example": b"t=y; " + record(RSA),
        "s1._domainkey.evil.example": record(RSA),
    }
    return [records[name]] if kind == "TXT" and name in records else []


def brought(house: House, way: str, one: bytes, words: str) -> InboundMail:
    """By Mallory to our receiver, which checks; or fetched, with what the mailbox's server says on top."""
    fetched = way == "fetched"
    house.channel.authserv_id = MX if fetched else ""
    db.session.commit()
    office().lookup = zone
    arrival = arrivals.Arrival(
        again(f"Authentication-Results: {results(words)}", one) if fetched else one,
        "imap" if fetched else "smtp",
        f"again:{next(NUMBERS)}",
        None if fetched else "mallory@evil.example",
        peer="" if fetched else "8.8.8.8",
    )
    inbound_id = arrivals.receive(house.channel.id, arrival)
    assert inbound_id is not None
    intake.process(inbound_id)
    row = db.session.get_one(InboundMail, inbound_id, populate_existing=True)
    row.received_at -= timedelta(hours=2)
    db.session.commit()
    return row


@pytest.mark.parametrize("way", ["receiver", "fetched"])
def test_a_mail_of_carols_that_is_sent_once_more_gets_nobody_in(house: House, way: str) -> None:
    assert len(REPLAYS) >= 20
    number = db.session.query(Message).filter_by(ticket_id=house.ticket.id).count()
    wrong = {}
    for name, (replayed, words) in REPLAYS.items():
        row = brought(house, way, replayed(house), words)
        if row.ticket_id == house.ticket.id:
            wrong[name] = "appended"
        elif row.state == InboundState.FAILED or row.outcome is None:
            wrong[name] = f"{row.reason} {row.details}"
        circle = participants.around(house.ticket)
        if [one.address for one in circle.recipients()] != ["carol@customer.example"] or circle.offered():
            wrong[name] = "diverted"
        for one in house.post.collect():
            if told := _told(one):
                wrong[name] = f"{one.to} learns {told}"
    assert wrong == {}
    assert db.session.query(Message).filter_by(ticket_id=house.ticket.id).count() == number


@pytest.mark.parametrize("way", ["receiver", "fetched"])
def test_a_mail_that_carol_signed_as_a_whole_is_hers(house: House, way: str) -> None:
    """Else the scenarios above would pass where nothing is believed."""
    for one in (named(house), named(house, "Reply-To: carol@customer.example")):
        row = brought(house, way, sign(one, f"{CLUES} Reply-To References"), SIGNED_PASS)
        message = db.session.query(Message).filter_by(inbound_id=row.id).one()
        assert (message.ticket_id, message.newcomer) == (house.ticket.id, False)
        assert (message.sender_state, message.refuted) == ("confirmed", False)


@pytest.mark.parametrize("way", ["receiver", "fetched"])
@pytest.mark.parametrize("case", ["reply-to", "reply-to-unsigned", "from", "to"])
def test_who_holds_our_answer_too_diverts_nothing(house: House, alice: Agent, way: str, case: str) -> None:
    """Our signed Message-ID leads into the ticket; but the answer goes to Carol, or to who took part."""
    replayed, words = REPLAYS[case]
    row = brought(house, way, again(f"References: {house.reply_id}", replayed(house)), words)
    assert row.ticket_id == house.ticket.id
    assert "mallory@evil.example" not in participants.participants(house.ticket)
    assert [one.address for one in participants.recipients(house.ticket)] == ["carol@customer.example"]
    replies.send_reply(house.ticket, alice, replies.Written(text="To Carol."))
    assert "mallory@evil.example" not in [one.to for one in house.post.collect()]


# --- who holds a mail of the ticket

LEAKED = {
    "id": lambda h: {"in_reply_to": h.reply_id},
    "address": lambda h: {"to": h.reply_address},
    "both-and-marker": lambda h: {"references": h.reply_id, "to": h.reply_address, "text": h.marker},
}


@pytest.mark.parametrize("leak", LEAKED)
@pytest.mark.parametrize(
    "sender", [MALLORY, "eve@evil.example", "alice@acme.example", "carol@customer.example (refuted)"]
)
def test_who_holds_a_mail_of_ours_is_filed_with_a_banner_and_gets_no_history(
    house: House, alice: Agent, leak: str, sender: str
) -> None:
    sender, refuted, _ = sender.partition(" (refuted)")
    more = {"authentication_results": FAIL} if refuted else {}
    row = arrive(house.channel, spoof(sender, reply_to="eve@evil.example", **LEAKED[leak](house), **more))
    message = db.session.query(Message).order_by(Message.id.desc()).first()
    assert message is not None
    assert (row.ticket_id, message.newcomer) == (house.ticket.id, True)
    assert message.posing is (sender == "alice@acme.example")
    house.post.collect()
    assert "eve@evil.example" not in participants.participants(house.ticket)
    assert [one.address for one in participants.recipients(house.ticket)] == ["carol@customer.example"]
    reply = replies.send_reply(house.ticket, alice, replies.Written(text="To Carol.")).message
    mails = house.post.collect()
    assert [one.to for one in mails] == ["carol@customer.example"]
    assert WORDS.encode() not in mails[0].raw
    assert reply.references[-1] == house.first_id


def test_carols_name_with_a_leaked_mail_does_not_divert_the_answer(house: House) -> None:
    """Nothing was checked, so Mallory passes for Carol; but the answer still goes to Carol."""
    row = arrive(house.channel, spoof("carol@customer.example", in_reply_to=house.reply_id, reply_to=MALLORY))
    assert row.ticket_id == house.ticket.id
    assert [one.address for one in participants.recipients(house.ticket)] == ["carol@customer.example"]


@pytest.mark.parametrize("checked", [results(PASS), results("spf=none"), ""])
def test_where_nobody_was_answered_yet_only_an_agent_sends_an_answer(
    house: House, alice: Agent, checked: str
) -> None:
    """Whether Carol is confirmed or not: who sends one of her mails once more is confirmed too."""
    more = {"authentication_results": checked} if checked else {}
    one = mail(in_reply_to=house.reply_id, reply_to="Me <carol@home.example>", **more)
    assert arrive(house.channel, one).ticket_id == house.ticket.id
    circle = participants.around(house.ticket)
    assert [one.address for one in circle.recipients()] == ["carol@customer.example"]
    assert circle.offered() == ["carol@home.example"]
    command = ["ticket", "reply", str(house.number), "--agent", "alice@acme.example"]
    house.post.collect()
    done = current_app.test_cli_runner().invoke(args=command, input="Fine.")
    assert done.exit_code == 0, done.output
    assert [one.to for one in house.post.collect()] == ["carol@customer.example"], "the command does the same"
    home = Address("", "carol@home.example")
    replies.send_reply(house.ticket, alice, replies.Written(text="Fine.", cc=(home,)))
    circle = participants.around(house.ticket)
    assert ([one.address for one in circle.recipients()], circle.offered()) == (["carol@home.example"], [])


@pytest.mark.parametrize(("checked", "known"), [(results(PASS), True), (results("spf=none"), False)])
def test_where_the_requester_was_answered_before_they_are_answered_again(
    house: House, alice: Agent, checked: str, known: bool
) -> None:
    """But not where somebody once opened a ticket in their name."""
    home = {"reply_to": "carol@home.example"}
    before = arrive(house.channel, mail(subject="Lamp", authentication_results=checked, **home)).ticket
    assert before is not None
    replies.send_reply(before, alice, replies.Written(text="It is on its way."))
    assert "carol@home.example" in [one.to for one in house.post.collect()]
    arrive(house.channel, mail(in_reply_to=house.reply_id, **home))
    circle = participants.around(house.ticket)
    assert "carol@home.example" not in circle.known
    assert [one.address for one in circle.recipients()] == [
        "carol@home.example" if known else "carol@customer.example"
    ]
    assert circle.offered() == ([] if known else ["carol@home.example"])


@pytest.mark.parametrize(
    ("copied", "quoted"), [("mallory@evil.example", False), ("dave@customer.example", True)]
)
def test_a_copy_brings_no_history_to_whom_only_a_mail_named(
    house: House, alice: Agent, copied: str, quoted: bool
) -> None:
    """An agent puts Mallory in Cc, who stood in Carol's first mail but not in her last."""
    arrive(house.channel, mail(text="My confidential answer.", in_reply_to=house.reply_id))
    house.post.collect()
    replies.send_reply(house.ticket, alice, replies.Written(text="Fine.", cc=(Address("", copied),)))
    one = next(one for one in house.post.collect() if one.to == copied)
    assert (b"My confidential answer." in one.raw) is quoted


def test_carol_is_herself_in_any_case(house: House) -> None:
    for sender in ("CAROL@CUSTOMER.EXAMPLE", "Carol <carol@Customer.Example>", "Kim <KIM.S@strasse.example>"):
        row = arrive(house.channel, spoof(sender, f"Re: [#{house.number}]"))
        assert row.ticket_id == house.ticket.id, sender


def test_the_confirmation_names_the_subject_to_a_confirmed_sender_only(house: House) -> None:
    for checked, named in ((results(PASS), True), (results("spf=none"), False), (FAIL, False)):
        arrive(house.channel, mail("Zoe <z@customer.example>", "Broken lamp", authentication_results=checked))
        confirmation = next((one for one in house.post.collect() if one.to == "z@customer.example"), None)
        assert (confirmation is None) is (checked == FAIL)  # nothing to whom a forger names
        if confirmation is not None:
            assert (b"Broken lamp" in confirmation.raw, b"Zoe" in confirmation.raw) == (named, named)


# --- and who belongs there gets in: every mail program's answer


@pytest.fixture
def ours(house: House) -> bytes:
    """Alice's answer as it left for Carol, whose subject is none of a stranger's."""
    return next(
        office().blobs.get(row.sha256)
        for row in db.session.query(OutboundMail).filter_by(purpose="ticket_reply", ticket_id=house.ticket.id)
    )


def answer_of(client: bytes, sender: str = "Carol <carol@customer.example>") -> bytes:
    """The template's writer is Carol, at the address that takes part."""
    return re.sub(rb"(?im)^From:.*$", f"From: {sender}".encode(), client, count=1)


def test_the_answer_of_every_mail_program_finds_its_ticket(house: House, ours: bytes) -> None:
    lost = {}
    for path in CLIENTS:
        row = come(house, answer_of(filled(path, sent(ours))))
        if row.ticket_id != house.ticket.id:
            lost[path.stem] = (row.outcome, row.reason)
    assert len({path.stem.rsplit("-", 1)[0] for path in CLIENTS}) >= 15
    assert lost == {}


def only(signal: str, answer: bytes, number: int) -> bytes:
    """Exchange and SES replace Message-IDs, own servers have no reply address, people change the subject."""

    def without(fields: str, whole: bytes) -> bytes:
        return re.sub(rf"(?im)^({fields}):.*\n(?:[ \t].*\n)*".encode(), b"", whole)

    answer = re.sub(rb"(?i)support-acme\+[\w-]+@", b"support-acme@", answer)
    answer = without("Subject|In-Reply-To|References", answer)
    if signal == "marker":
        return b"Subject: Something else\n" + answer
    head = without(r"Content-[\w-]+|MIME-Version", re.split(rb"\r?\n\r?\n", answer, maxsplit=1)[0] + b"\n")
    return head + f"Subject: x [#{number}]\n\nFine: {hash(answer)}\n".encode()


@pytest.mark.parametrize("signal", ["marker", "subject"])
def test_one_signal_is_enough_where_the_others_get_lost(house: House, ours: bytes, signal: str) -> None:
    wrong, tried = {}, 0
    for path in CLIENTS:
        if signal in json.loads(path.with_suffix(".json").read_text())["signals"]:
            tried += 1
            row = come(house, only(signal, answer_of(filled(path, sent(ours))), house.number))
            why = db.session.query(Message.why).filter_by(inbound_id=row.id).scalar()
            if (row.ticket_id, why) != (house.ticket.id, signal):
                wrong[path.stem] = (row.outcome, row.reason, why)
    assert tried >= 15
    assert wrong == {}


def test_the_answers_of_a_stranger_with_the_same_signals_open_tickets(house: House, ours: bytes) -> None:
    for path in CLIENTS[:6]:
        bare = re.sub(
            rb"(?im)^(In-Reply-To|References):.*\n(?:[ \t].*\n)*",
            b"",
            answer_of(filled(path, sent(ours)), MALLORY),
        )
        row = arrive(house.channel, re.sub(rb"(?i)support-acme\+[\w-]+@", b"support-acme@", bare))
        assert row.ticket_id != house.ticket.id, path.stem
