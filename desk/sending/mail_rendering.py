"""The words of a mail: templates rendered in the reader's language and composed to MIME."""

from __future__ import annotations

import secrets
from base64 import b64encode
from datetime import datetime
from textwrap import shorten
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from babel import Locale
from babel import dates as babel_dates
from flask import render_template
from flask_babel import force_locale, get_locale, gettext
from sqlalchemy import select

from config import LOCALES
from desk.channels import channels
from desk.office import office, signing_key, the_account
from desk.texts import mail_designs, notice_placeholders, notice_texts, requester_languages, strangers_words
from desk.texts.notice_table import of_mail
from desk.tickets import participants
from mail import arrival, ids
from mail.showing.clean import markup, with_breaks
from mail.types import Address, Outgoing, Part
from mail.writing.compose import compose, quote_text
from models import (
    Agent,
    Channel,
    Incident,
    Message,
    NoticeItem,
    OutboundMail,
    Ticket,
    db,
)

LINE = 140  # characters of a mail in a list of several
LISTED = 50  # events that one mail lists


def compose_queued(mail: OutboundMail) -> bytes:
    """The MIME of a queued notice, made when it is first sent; its Message-ID was given when it was queued."""
    if mail.agent_id is not None:
        return _compose_for_agent(mail, db.session.get_one(Agent, mail.agent_id))
    ticket = mail.ticket
    assert ticket is not None and mail.about_id is not None
    message = db.session.get_one(Message, mail.about_id)
    channel = channels.sending_channel(ticket)
    address = channels.written_to(channel, message)
    marker = ids.sign_marker(signing_key(), ticket.number)
    reader = participants.named(ticket, message, mail.recipients[0].address)
    left_out = strangers_words.left_out(ticket, message, reader)
    rendered = render(
        mail.purpose,
        ticket.locale,
        ticket=ticket,
        message=message,
        reader=reader,
        marker=marker,
        left_out=left_out,
        channel_address=address,
    )
    known_name = "" if "requester.name" in left_out else reader.name
    return compose(
        Outgoing(
            sender=channels.sender_address(channel, address),
            to=(Address(known_name, reader.address),),
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
            message_id=mail.message_id,
            date=mail.created_at,
            reply_to=reply_addresses(ticket, channel, address),
            in_reply_to=message.message_id,
            references=(message.message_id,) if message.message_id else (),
            automatic=True,
            headers=loop_header(),
            attachments=rendered.pictures,
        )
    )


def _compose_for_agent(mail: OutboundMail, agent: Agent) -> bytes:
    """In the name of the way that it takes."""
    if mail.incidents:
        rendered = _render_alert(mail.purpose, mail.incidents, agent)
    else:
        locale = agent.locale or the_account().locale
        rendered = render(mail.purpose, locale, agent=agent, **_events_of(mail))
    return compose(
        Outgoing(
            sender=channels.sender_address(mail.channel or channels.default()),
            to=(Address(agent.name, mail.recipients[0].address),),
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
            message_id=mail.message_id,
            date=mail.created_at,
            automatic=True,
            headers=loop_header(),
            attachments=rendered.pictures,
        )
    )


def alert_subject(purpose: str, incidents: list[int], agent: Agent) -> str:
    return _render_alert(purpose, incidents, agent).subject


def _render_alert(purpose: str, incidents: list[int], agent: Agent) -> RenderedMail:
    query = select(Incident, Channel).join(Channel, Channel.id == Incident.channel_id)
    rows = db.session.execute(query.where(Incident.id.in_(incidents)).order_by(Incident.id)).all()
    troubles = [(incident, channel, channel_url(channel)) for incident, channel in rows]
    locale = agent.locale or the_account().locale
    return render(purpose, locale, troubles=troubles, agent=agent)


def _events_of(mail: OutboundMail) -> dict[str, Any]:
    """What a notice to an agent speaks of: one event, or a list of several."""
    query = select(NoticeItem).where(NoticeItem.mail_id == mail.id).order_by(NoticeItem.id)
    items = db.session.scalars(query).all()
    if mail.purpose == "several":
        return {"items": items[:LISTED], "more": max(0, len(items) - LISTED)}
    item = next(iter(items), None)
    return {
        "ticket": mail.ticket,
        "message": db.session.get(Message, mail.about_id) if mail.about_id else None,
        "actor": item.actor.name if item is not None and item.actor is not None else "Poststelle",
        "details": item.details if item is not None else {},
    }


class RenderedMail(NamedTuple):
    """A mail before it has a sender and a reader. `pictures` are what its HTML shows by `cid:`."""

    subject: str
    text: str
    html: str
    pictures: tuple[Part, ...] = ()

    @property
    def on_screen(self) -> str:
        """The HTML with its pictures inside, for a frame of our own pages."""
        html = self.html
        for part in self.pictures:
            data = b64encode(part.data).decode()
            html = html.replace(f"cid:{part.content_id}", f"data:{part.type};base64,{data}")
        return html


def render(
    purpose: str,
    locale: str,
    words: notice_texts.Words | None = None,
    design: mail_designs.FilledDesign | None = None,
    left_out: frozenset[str] = frozenset(),
    **context: Any,
) -> RenderedMail:
    """A mail for a reader of this language.

    In `words`, in those that were saved, else in ours; without any in their language in the company's.
    In this `design`, else in that of the ticket's channel; mails to agents have the default one. `left_out`: the
    placeholders that stay empty. `channel_address` in the context: the address of the channel that it is from.
    """
    if words is None:
        locale = requester_languages.of_mail(purpose, locale)
        words = notice_texts.text_of(purpose, locale)
    design = design or _design_of(purpose, context.get("ticket"), context.get("channel_address", ""))
    context |= {
        "account": the_account(),
        "design": design,
        "left_out": left_out,
        "ticket_url": url_of(context.get("ticket")),
        "url_of": url_of,
        "locale": locale,
        "direction": Locale.parse(locale).text_direction,
    }
    with force_locale(locale):
        context["quote_line"] = _quote_line(words, context.get("answered"))
        if words is not None:
            subject, text, html = notice_texts.worded(purpose, words, context)
        else:
            subject, text = _our_words(purpose, context)
            footer = "" if of_mail(purpose).quotes else design.footer  # there above the history
            text = notice_texts.ended(text, footer, context.get("marker", ""))
            html = render_template(f"mail/{purpose}/body.html", **context)
    pictures = (design.logo,) if design.logo is not None else ()
    return RenderedMail(" ".join(subject.split()), text.strip() + "\n", html, pictures)


def _design_of(purpose: str, ticket: Ticket | None, address: str) -> mail_designs.FilledDesign:
    if of_mail(purpose).audience == "requester" and ticket is not None:
        return mail_designs.of_channel(channels.sending_channel(ticket), address)
    return mail_designs.of_agents(channels.default())


def _quote_line(words: notice_texts.Words | None, answered: Message | None) -> str:
    if answered is None:
        return ""
    sent_at = arrival.sent(answered.sent_at, answered.came_at)  # as mail programs do
    return notice_texts.quote_line(words, in_words(sent_at), answered.from_name or answered.from_address)


def our_words(purpose: str, locale: str, **context: Any) -> tuple[str, str]:
    """Subject and text in our own words, whatever was saved."""
    context |= {"account": the_account(), "locale": locale, "left_out": frozenset()}
    with force_locale(locale):
        subject, text = _our_words(purpose, context)
    return " ".join(subject.split()), text.strip()


def _our_words(purpose: str, context: dict[str, Any]) -> tuple[str, str]:
    return (
        render_template(f"mail/{purpose}/subject.txt", **context),
        render_template(f"mail/{purpose}/body.txt", **context),
    )


def reply_addresses(ticket: Ticket, channel: Channel, address: str) -> tuple[Address, ...]:
    """The signed reply address of a »Standard« channel; other servers may not know plus-addressing.

    `address`: the channel's that the mail is from.
    """
    if channel.is_own:
        return ()
    signed = ids.sign_reply_address(signing_key(), ticket.number, address)
    return (Address(channel.sender_name or the_account().company, signed),) if signed else ()


def new_message_id(ticket: Ticket) -> str:
    token = ids.new_token(secrets.token_bytes)
    domain = channels.sending_channel(ticket).address.rpartition("@")[2]
    return ids.sign_message_id(signing_key(), ticket.number, token, domain)


def system_message_id() -> str:
    """Of a mail that belongs to no ticket."""
    return ids.system_message_id(signing_key(), ids.new_token(secrets.token_bytes), the_account().mail_domain)


def automatic_envelope(channel: Channel, address: str = "") -> str:
    """The null sender by our relay, so that nothing is answered; providers refuse it (mail rules, 3).

    `address`: the channel's that the mail is from, if that is an alias.
    """
    return (address or channel.address) if channel.is_own else ""


def loop_header() -> tuple[tuple[str, str], ...]:
    return ((ids.LOOP_HEADER, ids.sign_loop(signing_key(), ids.new_token(secrets.token_bytes))),)


def channel_url(channel: Channel) -> str:
    return f"{office().settings.public_url}/system/channels/{channel.id}"


def url_of(ticket: Ticket | None) -> str:
    return f"{office().settings.public_url}/tickets/{ticket.number}" if ticket is not None else ""


def in_words(moment: datetime) -> str:
    """A date inside a sentence, in the reader's language and the account's time zone."""
    zone = ZoneInfo(office().settings.timezone or the_account().timezone)
    day = babel_dates.format_date(moment.astimezone(zone), "long", locale=get_locale())
    clock = babel_dates.format_time(moment.astimezone(zone), "short", locale=get_locale(), tzinfo=zone)
    if str(get_locale()) in LOCALES:
        return gettext("%(day)s at %(time)s", day=day, time=clock)
    both = str(babel_dates.get_datetime_format("long", locale=get_locale()))
    return both.replace("'", "").replace("{0}", clock).replace("{1}", day)


def one_line(text: str) -> str:
    """The beginning of a mail for a list."""
    return shorten(text, LINE, placeholder=" …")


# What the templates of mails and messages write: `{{ text|quoted }}`.
FILTERS = {
    "in_words": in_words,
    "quoted": quote_text,
    "words": notice_placeholders.words_of,
    "shortened": notice_placeholders.shortened,
    "cleaned": markup,
    "line": one_line,
    "with_breaks": with_breaks,
}
