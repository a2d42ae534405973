"""The words of a mail: templates rendered in the reader's language and composed to MIME."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from babel import dates as babel_dates
from flask import render_template
from flask_babel import force_locale, get_locale, gettext
from sqlalchemy import select

from desk import channels
from desk.office import office, signing_key, the_account
from mail import ids
from mail.clean import markup
from mail.compose import compose, quote_text, reply_subject
from mail.types import Address, Outgoing
from models import (
    Agent,
    Channel,
    Contact,
    Incident,
    Kind,
    Message,
    OutboundMail,
    Ticket,
    Trouble,
    db,
    now,
)

EXCERPT = 2000  # characters of a mail that a notice to agents shows


def compose_queued(mail: OutboundMail) -> bytes:
    """The MIME of a queued notice, made when it is first sent; its Message-ID was given when it was queued."""
    if mail.incidents:
        return _compose_alert(mail)
    ticket = mail.ticket
    assert ticket is not None and mail.about_id is not None
    message = db.session.get(Message, mail.about_id)
    agent = db.session.get(Agent, mail.agent_id) if mail.agent_id else None
    channel = sending_channel(ticket)
    assert message is not None
    locale = (agent.locale or the_account().locale) if agent else ticket.locale
    marker = "" if agent else ids.sign_marker(signing_key(), ticket.number)
    subject, text, html = render(
        mail.purpose, locale, ticket=ticket, message=message, agent=agent, marker=marker
    )
    address = mail.recipients[0].address
    # Who sends with a false name would have us carry it to whom he likes.
    known_name = ticket.contact.name if message.sender_state == "confirmed" else ""
    return compose(
        Outgoing(
            sender=sender_address(channel),
            to=(Address(agent.name if agent else known_name, address),),
            subject=subject,
            text=text,
            html=html,
            message_id=mail.message_id,
            date=mail.created_at,
            reply_to=reply_addresses(ticket, channel) if agent is None else (),
            in_reply_to=message.message_id if agent is None else "",
            references=(message.message_id,) if agent is None and message.message_id else (),
            automatic=True,
            headers=loop_header(),
        )
    )


def _compose_alert(mail: OutboundMail) -> bytes:
    """About channels in trouble, in the name of the way that it takes."""
    channel = mail.channel or channels.default()
    agent = db.session.get(Agent, mail.agent_id)
    assert agent is not None
    subject, text, html = _render_alert(mail.purpose, mail.incidents or [], agent)
    return compose(
        Outgoing(
            sender=sender_address(channel),
            to=(Address(agent.name, mail.recipients[0].address),),
            subject=subject,
            text=text,
            html=html,
            message_id=mail.message_id,
            date=mail.created_at,
            automatic=True,
            headers=loop_header(),
        )
    )


def alert_subject(purpose: str, incidents: list[int], agent: Agent) -> str:
    return _render_alert(purpose, incidents, agent)[0]


def _render_alert(purpose: str, incidents: list[int], agent: Agent) -> tuple[str, str, str]:
    query = select(Incident, Channel).join(Channel, Channel.id == Incident.channel_id)
    rows = db.session.execute(query.where(Incident.id.in_(incidents)).order_by(Incident.id)).all()
    troubles = [(incident, channel, _channel_url(channel)) for incident, channel in rows]
    locale = agent.locale or the_account().locale
    return render(purpose, locale, troubles=troubles, agent=agent)


def render(purpose: str, locale: str, **context: Any) -> tuple[str, str, str]:
    """Subject, text and HTML of a mail, from the three templates of its folder."""
    account = the_account()
    context |= {"account": account, "ticket_url": _ticket_url(context.get("ticket")), "locale": locale}
    with force_locale(locale):
        subject = render_template(f"mail/{purpose}/subject.txt", **context)
        text = render_template(f"mail/{purpose}/body.txt", **context)
        html = render_template(f"mail/{purpose}/body.html", **context)
    return " ".join(subject.split()), text.strip() + "\n", html


def preview(name: str, locale: str) -> tuple[str, str, str]:
    """A notice as it would look, for an invented ticket that is stored nowhere."""
    german = locale == "de"
    contact = Contact(name="Maria Huber", address="maria.huber@example.at", locale=locale)
    ticket = Ticket(
        number=1042,
        subject="Lieferung unvollständig" if german else "Delivery incomplete",
        contact=contact,
        channel=channels.default(),
        locale=locale,
    )
    words = (
        "Guten Tag,\n\nin der gestrigen Lieferung fehlten zwei von fünf Artikeln.\n\nMaria Huber"
        if german
        else "Hello,\n\ntwo of five items were missing from yesterday's delivery.\n\nMaria Huber"
    )
    message = Message(
        ticket=ticket,
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
    default = channels.default()
    incident = Incident(
        trouble=Trouble.FETCH,
        code="auth_failed",
        words="NO [AUTHENTICATIONFAILED]",
        began_at=now() - timedelta(minutes=25),
        ended_at=now(),
    )
    answer = "Guten Tag Frau Huber,\n\ndie fehlenden Artikel treffen morgen ein."
    reply = answer if german else "Dear Ms Huber,\n\nthe missing items will arrive tomorrow."
    with db.session.no_autoflush:
        result = render(
            name,
            locale,
            ticket=ticket,
            message=message,
            agent=agent,
            reply_text=reply,
            reply_html="".join(f"<p>{part}</p>" for part in reply.split("\n\n")),
            answered=message,
            marker="",
            troubles=[(incident, default, _channel_url(default))],
        )
    db.session.expunge_all()
    return result


def sending_channel(ticket: Ticket) -> Channel:
    """The ticket's channel; the default one when that was deleted or switched off."""
    return ticket.channel if ticket.channel.living and ticket.channel.active else channels.default()


def sender_address(channel: Channel) -> Address:
    return Address(channel.sender_name or the_account().company, channel.address)


def reply_addresses(ticket: Ticket, channel: Channel) -> tuple[Address, ...]:
    """The signed reply address of a »Standard« channel; other servers may not know plus-addressing."""
    if channel.is_own:
        return ()
    signed = ids.sign_reply_address(signing_key(), ticket.number, channel.address)
    return (Address(channel.sender_name or the_account().company, signed),) if signed else ()


def new_message_id(ticket: Ticket) -> str:
    token = ids.new_token(secrets.token_bytes)
    domain = sending_channel(ticket).address.rpartition("@")[2]
    return ids.sign_message_id(signing_key(), ticket.number, token, domain)


def automatic_envelope(channel: Channel) -> str:
    """The null sender by our relay, so that nothing is answered; providers refuse it (mail rules, 3)."""
    return channel.address if channel.is_own else ""


def loop_header() -> tuple[tuple[str, str], ...]:
    return ((ids.LOOP_HEADER, ids.sign_loop(signing_key(), ids.new_token(secrets.token_bytes))),)


def _channel_url(channel: Channel) -> str:
    return f"{office().settings.public_url}/system/channels/{channel.id}"


def _ticket_url(ticket: Ticket | None) -> str:
    return f"{office().settings.public_url}/tickets/{ticket.number}" if ticket is not None else ""


def in_words(moment: datetime) -> str:
    """A date inside a sentence, in the reader's language and the account's time zone."""
    zone = ZoneInfo(office().settings.timezone or the_account().timezone)
    day = babel_dates.format_date(moment.astimezone(zone), "long", locale=get_locale())
    clock = babel_dates.format_time(moment.astimezone(zone), "short", locale=get_locale(), tzinfo=zone)
    return gettext("%(day)s at %(time)s", day=day, time=clock)


def shortened(text: str) -> str:
    """Enough of a mail to know what it is about; a notice is no second home for it."""
    text = text.strip()
    return text if len(text) <= EXCERPT else text[:EXCERPT].rstrip() + " …"


# What the templates of mails and messages write: `{{ text|quoted }}`.
FILTERS = {"in_words": in_words, "quoted": quote_text, "shortened": shortened, "cleaned": markup}
