"""An answer inside a history that nothing marks is seen, since we know what we sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from desk.office import office
from desk.sending import replies
from models import Message, OutboundMail, db
from tests.support.clients import FOLDER, filled, sent
from tests.support.mails import arrive, mail, ticket_of

QUESTION, ANSWER = "Shall we deliver it on Friday?", "No, Monday would be better."


@pytest.mark.parametrize(
    "name", ["outlook-classic-en", "outlook-ios-en", "gmx-en", "exchange-no-references-en", "gmail-web-en"]
)
def test_an_answer_between_our_lines_is_not_folded(channel, bob, name):
    ticket = ticket_of(arrive(channel, mail(sender="Carol Carter <carol@kunde.example>", subject="Parts")))
    reply = replies.send_reply(
        ticket, bob, replies.Written(text=f"Hello Carol,\n\nthe parts are here.\n{QUESTION}\n\nBye")
    )
    raw = office().blobs.get(reply.mail.sha256)
    ours = sent(raw)
    assert QUESTION in ours.text and QUESTION in ours.html
    plain = shown(channel, filled(FOLDER / f"{name}.eml", ours))
    assert QUESTION not in plain[0] and QUESTION not in plain[1].partition("<details")[0]
    between = replace(
        ours,
        text=ours.text.replace(QUESTION, f"{QUESTION}\n{ANSWER}"),
        html=ours.html.replace(QUESTION, f"{QUESTION}\n{ANSWER}"),
    )
    answered = filled(FOLDER / f"{name}.eml", between).replace(b"Message-ID: <", b"Message-ID: <again-")
    text, html = shown(channel, answered)
    assert ANSWER in text or name == "gmail-web-en", "marked quotes are not answers in plain text"
    assert not html or ANSWER in html.partition("<details")[0]
    assert db.session.query(OutboundMail).count() >= 1


def shown(channel, raw):
    """The new text and the HTML of the message that a mail became."""
    row = arrive(channel, raw)
    message = db.session.query(Message).filter_by(inbound_id=row.id).one()
    assert message.why in ("reply_address", "signed_id")
    return message.new_text, message.html
