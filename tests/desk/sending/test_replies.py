"""What an agent writes: what is refused, what it becomes, and what must never leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest

from desk.office import Office
from desk.sending import replies, undo_and_resend
from desk.tickets import drafts, thread, uploads
from models import Agent, Channel, Kind, Message, OutboundMail, Status, Ticket, db
from tests.support.mails import arrive, mail, ticket_of

Written = replies.Written
GERMAN = "Guten Tag, ich habe eine Frage und bitte um Hilfe."


@pytest.fixture
def ticket(channel: Channel) -> Ticket:
    return ticket_of(arrive(channel, mail(message_id="<first@customer.example>"), predates_channel=True))


@pytest.fixture
def frozen(office: Office) -> Callable[[replies.Sent], EmailMessage]:
    def read(sent: replies.Sent) -> EmailMessage:
        message = message_from_bytes(office.blobs.get(sent.mail.sha256), policy=default)
        assert isinstance(message, EmailMessage)
        return message

    return read


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


# --- refused


@pytest.mark.parametrize(
    ("written", "code"),
    [
        (Written(), "empty"),
        (Written(text=" \n\t"), "empty"),
        (Written(html="<div><br></div><script>x()</script>"), "empty"),
        (Written(text="x", files=(uploads.from_form("big.bin", b"x" * 800),)), "too_large"),
        (Written(text="x", seen=1), "newer_message"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refused_stores_nothing(
    ticket: Ticket, channel: Channel, alice: Agent, office: Office, written: Written, code: str
) -> None:
    arrive(channel, mail(subject=f"[#{ticket.number}]"), predates_channel=True)
    office.settings = replace(office.settings, max_mail_bytes=1000)
    with pytest.raises(replies.ReplyRefused, match=code):
        replies.send_reply(ticket, alice, written)
    db.session.rollback()
    assert (ticket.status, db.session.query(OutboundMail).count()) == (Status.NEW, 0)


def test_without_an_address_there_is_nobody_to_answer(channel: Channel, alice: Agent) -> None:
    ticket = ticket_of(arrive(channel, b"Subject: nobody\n\nHello"))
    with pytest.raises(replies.ReplyRefused, match="no_recipient"):
        replies.send_reply(ticket, alice, Written(text="x"))


def test_a_colleagues_answer_is_news_but_ones_own_is_not(ticket: Ticket, alice: Agent, bob: Agent) -> None:
    seen = db.session.query(Message.id).scalar()
    replies.send_reply(ticket, alice, Written(text="first", seen=seen))
    replies.send_reply(ticket, alice, Written(text="and another", seen=seen))
    with pytest.raises(replies.ReplyRefused, match="newer_message"):
        replies.send_reply(ticket, bob, Written(text="mine", seen=seen))


# --- the frozen mail


def test_every_answer_names_what_came_before(
    ticket: Ticket, channel: Channel, alice: Agent, frozen: Callable[[replies.Sent], EmailMessage]
) -> None:
    first = replies.send_reply(ticket, alice, Written(text="first"))
    arrive(
        channel,
        mail(
            message_id="<second@customer.example>",
            in_reply_to=first.message.message_id,
            references=f"<first@customer.example> {first.message.message_id}",
            text="Not yet.",
        ),
    )
    second = frozen(replies.send_reply(ticket, alice, Written(text="second")))
    assert second["In-Reply-To"] == "<second@customer.example>"
    assert second["References"].split() == [
        "<first@customer.example>",
        first.message.message_id,
        "<second@customer.example>",
    ]
    assert second["Message-ID"] != first.message.message_id
    text = text_of(second)
    assert ("> Not yet." in text, "> Hello" in text) == (True, False)  # the last mail, not the whole history


def test_the_customers_language_and_no_number_twice(
    channel: Channel, alice: Agent, frozen: Callable[[replies.Sent], EmailMessage]
) -> None:
    english = "Hello, I have a question, please help."
    for sender, subject, text, expected in (
        ("carol@customer.example", "Rechnung", GERMAN, "AW: Rechnung [#1001]"),
        ("carol@customer.example", "AW: WG: Rechnung", GERMAN, "AW: Rechnung [#1002]"),
        ("dave@customer.example", "Re: Invoice [#77]", english, "Re: Invoice [#1003]"),
    ):
        found = ticket_of(arrive(channel, mail(sender, subject=subject, text=text)))
        assert frozen(replies.send_reply(found, alice, Written(text="x")))["Subject"] == expected


def test_html_and_text_say_the_same_and_nothing_dangerous(
    ticket: Ticket, alice: Agent, frozen: Callable[[replies.Sent], EmailMessage]
) -> None:
    html = '<div><strong>Dear</strong> Carol,<br>see <a href="https://x.example/a">here</a></div><script>x()</script>'
    message = frozen(replies.send_reply(ticket, alice, Written(html=html)))
    for kind, expected in (("plain", "Dear Carol,\nsee"), ("html", "<strong>Dear</strong> Carol,<br>")):
        assert expected in text_of(message, kind), kind
    assert "script" not in text_of(message, "html")


def test_text_that_looks_like_markup_stays_text(
    ticket: Ticket, alice: Agent, frozen: Callable[[replies.Sent], EmailMessage]
) -> None:
    message = frozen(replies.send_reply(ticket, alice, Written(text="if a<b & b>c: <b>bold</b>")))
    assert "if a<b & b>c: <b>bold</b>" in text_of(message)
    assert "if a&lt;b &amp; b&gt;c: &lt;b&gt;bold&lt;/b&gt;" in text_of(message, "html")


def test_each_address_gets_it_once_and_bcc_is_seen_by_nobody(
    ticket: Ticket, alice: Agent, frozen: Callable[[replies.Sent], EmailMessage], office: Office
) -> None:
    sent = replies.send_reply(
        ticket,
        alice,
        Written(
            text="x",
            cc=uploads.addresses("Dave <dave@x.example>, CAROL@customer.example"),
            bcc=uploads.addresses("boss@acme.example; dave@X.example"),
        ),
    )
    assert [recipient.address_key for recipient in sent.mail.recipients] == [
        "carol@customer.example",
        "dave@x.example",
        "boss@acme.example",
    ]
    assert frozen(sent)["Bcc"] is None
    assert b"boss@acme.example" not in office.blobs.get(sent.mail.sha256)


def test_a_note_never_leaves(
    ticket: Ticket, alice: Agent, frozen: Callable[[replies.Sent], EmailMessage], office: Office
) -> None:
    replies.add_note(
        ticket, alice, Written(text="The customer is a pain", files=(uploads.from_form("n.txt", b"n"),))
    )
    assert db.session.query(OutboundMail).count() == 0
    assert ticket.status == Status.NEW
    sent = replies.send_reply(ticket, alice, Written(text="x"))
    assert "pain" not in text_of(frozen(sent)) + text_of(frozen(sent), "html")
    assert list(frozen(sent).iter_attachments()) == []
    assert "pain" not in ticket.snippet


# --- drafts


def test_a_draft_is_ones_own_and_gone_when_it_was_sent(ticket: Ticket, alice: Agent, bob: Agent) -> None:
    drafts.save(ticket, alice, Kind.REPLY, "<div>half<script>x()</script></div>", cc="d@x.example")
    drafts.save(ticket, alice, Kind.NOTE, "a note")
    draft = drafts.of(ticket, alice, Kind.REPLY)
    assert draft is not None
    assert (draft.body, draft.cc) == ("<div>half</div>", "d@x.example")
    assert drafts.of(ticket, bob, Kind.REPLY) is None
    replies.send_reply(ticket, alice, Written(text="whole"))
    assert drafts.of(ticket, alice, Kind.REPLY) is None
    assert drafts.of(ticket, alice, Kind.NOTE) is not None


def test_an_empty_draft_is_forgotten_but_not_one_with_files(ticket: Ticket, alice: Agent) -> None:
    drafts.save(ticket, alice, Kind.REPLY, "x")
    drafts.save(ticket, alice, Kind.REPLY, "<div><br></div>")
    assert drafts.of(ticket, alice, Kind.REPLY) is None
    for name in ("a.txt", "b.txt"):
        drafts.keep_files(ticket, alice, Kind.REPLY, (uploads.from_form(name, name.encode()),))
    drafts.save(ticket, alice, Kind.REPLY, "")
    draft = drafts.of(ticket, alice, Kind.REPLY)
    assert draft is not None
    assert [file["name"] for file in draft.files] == ["a.txt", "b.txt"]
    sent = replies.send_reply(
        ticket, alice, Written(kept_files=tuple(file["sha256"] for file in draft.files))
    )
    assert [file.name for file in sent.message.attachments] == ["a.txt", "b.txt"]


def test_an_undone_answer_is_seen_and_counted_nowhere(ticket: Ticket, alice: Agent) -> None:
    sent = replies.send_reply(ticket, alice, Written(text="oops"))
    assert undo_and_resend.undo(sent.message, alice)
    assert [message.kind for message in thread.messages_of(ticket, list(Kind))] == [Kind.INBOUND]
    assert thread.counts(ticket)[0] == {Kind.INBOUND: 1}
    assert not undo_and_resend.undo(sent.message, alice)
