"""What a notice looks like before it is sent: with an invented ticket or a real one; and our own words to edit."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from flask_babel import force_locale
from sqlalchemy import select

from desk.channels import channels
from desk.notices import notice_mails
from desk.sending import mail_rendering
from desk.texts import mail_designs, notice_texts, requester_languages, strangers_words
from desk.texts.notice_table import BY_NAME, of_mail
from desk.texts.notice_texts import Words
from desk.tickets import participants
from mail.types import Address
from mail.writing.compose import reply_subject
from models import Agent, Incident, Kind, Message, Ticket, Trouble, db, now


def to_edit(notice: str, locale: str) -> Words:
    """What a person begins with: the words that are sent, in another language where there are none in this one."""
    locale = requester_languages.of_mail(notice, locale)
    return notice_texts.text_of(notice, locale) or ours(notice, locale)


def ours(notice: str, locale: str) -> Words:
    """Our words of a notice, with its placeholders in place of what they stand for."""
    contact = SimpleNamespace(name="{{requester.name}}", address="{{requester.address}}")
    channel = SimpleNamespace(address="{{channel.address}}")
    ticket = SimpleNamespace(
        number="{{ticket.number}}",
        subject="{{ticket.subject}}",
        contact=contact,
        shown_requester=contact.name,
        channel=channel,
    )
    given = {
        "ticket": ticket,
        "message": SimpleNamespace(
            from_name="{{sender.name}}",
            from_address="{{sender.address}}",
            new_text="{{message.text}}",
            is_wordless=False,
            text="{{message.text}}",
            subject="",
        ),
        "agent": SimpleNamespace(name="{{agent.name}}"),
        "actor": "{{colleague.name}}",
        "details": {"to": "{{recipient.address}}", "words": "{{server.words}}"},
        "reply_text": "{{reply.body}}",
        "reply_html": "",
        "answered": None,
        "marker": "",
        "design": SimpleNamespace(signature="{{channel.signature}}", footer=""),
    }
    subject, body = mail_rendering.our_words(notice, locale, ticket_url="{{ticket.link}}", **given)
    if not BY_NAME[notice].quotes:
        return Words(subject, body)
    with force_locale(locale):
        line = notice_texts.quote_line(None, "{{message.date}}", "{{sender.name}}")
    return Words(subject, f"{body}\n\n{{{{quoted_history}}}}", line)


def newest_ticket() -> Ticket | None:
    return db.session.scalar(
        select(Ticket).where(Ticket.merged_into_id.is_(None)).order_by(Ticket.id.desc()).limit(1)
    )


def preview(
    notice: str,
    locale: str,
    agent: Agent,
    ticket: Ticket | None = None,
    words: Words | None = None,
    design: mail_designs.FilledDesign | None = None,
) -> mail_rendering.RenderedMail:
    """A notice for a real ticket or an invented one. Nothing is stored."""
    given = _real(ticket, agent) if ticket is not None else None
    given = given or invented(locale)
    if notice == "ticket_reply":  # there the message is the answer itself
        shown = given["ticket"]
        given["message"] = SimpleNamespace(subject=reply_subject(shown.subject, shown.number, shown.locale))
    with db.session.no_autoflush:
        if isinstance(given["ticket"], Ticket) and of_mail(notice).audience == "requester":
            given["reader"] = _reader(notice, given["ticket"], given["answered"])
        left_out = _left_out(notice, given["ticket"], given["message"])
        return mail_rendering.render(notice, locale, words=words, design=design, left_out=left_out, **given)


def _left_out(notice: str, ticket: Any, message: Any) -> frozenset[str]:
    """What its reader would not be shown of a real ticket."""
    if not of_mail(notice).withholds or not isinstance(ticket, Ticket):
        return frozenset()
    return strangers_words.left_out(ticket, message, _reader(notice, ticket, message))


def _reader(notice: str, ticket: Ticket, message: Message) -> Address:
    if notice == "confirmation":
        address = participants.first_reader(message.reply_to, message.from_address)
    else:
        address, _ = participants.requesters_reader(ticket)
    return participants.named(ticket, message, address)


def addresses(audience: str, locale: str, agent: Agent, ticket: Ticket | None = None) -> tuple[str, str]:
    """From and to whom such a notice goes; agents' notices to who asks."""
    channel = channels.sending_channel(ticket) if ticket is not None else channels.default()
    shown = ticket if ticket is not None else invented(locale)["ticket"]
    reader = (
        Address(shown.requester_name or shown.contact.name, shown.contact.address)
        if audience == "requester"
        else Address(agent.name, agent.email)
    )
    return str(channels.sender_address(channel)), str(reader)


def send_test(
    notice: str,
    locale: str,
    agent: Agent,
    ticket: Ticket | None = None,
    words: Words | None = None,
    design: mail_designs.FilledDesign | None = None,
) -> None:
    """The preview as a mail to who asked for it. Commits."""
    rendered = preview(notice, locale, agent, ticket, words, design)
    notice_mails.queue_written("test_mail", agent, rendered._replace(subject=f"[Test] {rendered.subject}"))
    db.session.commit()


# --- below


def _real(ticket: Ticket, agent: Agent) -> dict[str, Any] | None:
    """What a notice about this ticket would speak of; None when nobody wrote to it yet."""
    written = select(Message).where(Message.ticket_id == ticket.id).order_by(Message.id.desc()).limit(1)
    asked = db.session.scalar(written.where(Message.kind == Kind.INBOUND))
    if asked is None:
        return None
    reply = db.session.scalar(written.where(Message.kind == Kind.REPLY))
    text, html = (reply.text, reply.html) if reply is not None else (_answer(ticket.locale), "")
    return _given(ticket, asked, agent, text, html)


def invented(locale: str) -> dict[str, Any]:
    """A ticket that is stored nowhere."""
    german = locale == "de"
    contact = SimpleNamespace(name="Maria Huber", address="maria.huber@example.at", locale=locale)
    ticket = SimpleNamespace(
        number=1042,
        subject="Lieferung unvollständig" if german else "Delivery incomplete",
        contact=contact,
        requester_name=contact.name,
        shown_requester=contact.name,
        channel=channels.default(),
        locale=locale,
    )
    words = (
        "Guten Tag,\n\nin der gestrigen Lieferung fehlten zwei von fünf Artikeln.\n\nMaria Huber"
        if german
        else "Hello,\n\ntwo of five items were missing from yesterday's delivery.\n\nMaria Huber"
    )
    message = Message(
        kind=Kind.INBOUND,
        from_name="Maria Huber",
        from_address="maria.huber@example.at",
        subject=reply_subject(ticket.subject, ticket.number, locale),
        text=words,
        visible=len(words),
        sender_state="confirmed",
        created_at=now(),
    )
    agent = Agent(name="Jonas Kern", email="jonas.kern@example.at", locale=locale)
    return _given(ticket, message, agent, _answer(locale))


def _answer(locale: str) -> str:
    german = "Guten Tag,\n\ndie fehlenden Artikel treffen morgen ein."
    return german if locale == "de" else "Hello,\n\nthe missing items will arrive tomorrow."


def _given(
    ticket: Any, message: Message, agent: Agent, reply_text: str, reply_html: str = ""
) -> dict[str, Any]:
    default = channels.default()
    incident = Incident(
        trouble=Trouble.FETCH,
        code="auth_failed",
        words="NO [AUTHENTICATIONFAILED]",
        began_at=now() - timedelta(minutes=25),
        ended_at=now(),
    )
    return {
        "ticket": ticket,
        "message": message,
        "agent": agent,
        "reply_text": reply_text,
        "reply_html": reply_html,
        "answered": message,
        "marker": "",
        "troubles": [(incident, default, mail_rendering.channel_url(default))],
        "actor": agent.name,
        "details": {"to": ticket.contact.address, "words": "550 5.1.1 User unknown"},
    }
