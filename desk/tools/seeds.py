"""Demo scenes: what a small company's week looks like, by the same ways as real mail.

Every mail is received and filed, every answer written and frozen as always; only then its times are
moved to where the scene says. Nothing of it leaves: each answer is settled before it is due.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, update

from desk.agents import accounts
from desk.channels import channels
from desk.channels.channel_values import ChannelValues
from desk.office import office, the_account
from desk.receiving import arrivals, intake
from desk.sending import delivery_results, replies
from desk.telling import who_hears
from desk.tickets import thread, tickets
from desk.tools.scenes import (
    AGENTS,
    HELD,
    NOBODY,
    SCENES,
    US,
    Answer,
    Bounce,
    Change,
    DemoMail,
    Note,
    Scene,
    Step,
    When,
)
from mail.types import Part
from mail.writing.compose import quote_text
from models import (
    Agent,
    Channel,
    InboundMail,
    Kind,
    MailState,
    Message,
    OutboundMail,
    RecipientState,
    Role,
    Ticket,
    TicketEvent,
    TicketSeen,
    db,
)

HANDED_OVER = "250 2.0.0 Ok: queued"
UNHURRIED = 3600  # seconds that an answer of the demo waits, so that no sending job can take it first


@dataclass(slots=True)
class _Stage:
    """What the steps of a scene need; `tickets` are row ids by scene."""

    at: datetime
    zone: ZoneInfo
    agents: dict[str, Agent]
    channels: dict[str, Channel]
    tickets: dict[Scene, int] = field(default_factory=dict)


def plant(at: datetime) -> int:
    """Play the scenes so that they end at `at`; answers how many tickets were made.

    A desk that has a ticket already stays as it is.
    """
    if db.session.scalar(select(Ticket.id).limit(1)) is not None:
        return 0
    zone = ZoneInfo(office().settings.timezone or the_account().timezone)
    stage = _Stage(at, zone, _agents(), _channels())
    # All scenes at once, in the order of time: numbers and ids rise as they would have.
    steps = [(_moment(step.when, stage), scene, step) for scene in (*SCENES, HELD) for step in scene.steps]
    with _unhurried():
        for moment, scene, step in sorted(steps, key=lambda entry: entry[0]):
            _play(stage, scene, step, moment)
    _read(stage)
    _received()
    return len(stage.tickets)


def _received() -> None:
    """The channels say when the last mail came, as if the receiver had taken it."""
    for channel in channels.living():
        channel.last_received_at = db.session.scalar(
            select(func.max(InboundMail.received_at)).where(InboundMail.channel_id == channel.id)
        )
    db.session.commit()


# --- who and where


def _agents() -> dict[str, Agent]:
    found = {US: db.session.scalars(select(Agent).where(Agent.role == Role.SYSTEM)).one()}
    for name, email in AGENTS:
        agent = accounts.agent_by_email(email)
        if agent is None:
            agent = accounts.new_agent(name, email, Role.AGENT)
            accounts.add_agent(agent)
        found[name] = agent
    db.session.commit()
    return found


def _channels() -> dict[str, Channel]:
    account = the_account()
    wanted = (
        ChannelValues("Verkauf", f"verkauf@{account.mail_domain}", sender_name=account.company),
        ChannelValues(
            "Buchhaltung",
            "buchhaltung@mail.example",
            provider="own",
            active=False,
            server="imap.mail.example",
            password=secrets.token_urlsafe(),  # of a mailbox that nobody has
            smtp_server="smtp.mail.example",
        ),
    )
    found = {"": channels.default()}
    for values in wanted:
        found[values.key] = channels.by_key(values.key) or channels.create(values)
    return found


def _moment(when: When, stage: _Stage) -> datetime:
    if when.minutes:
        return stage.at - timedelta(minutes=when.minutes)
    day = _working_day(stage.at.astimezone(stage.zone).date(), when.days)
    return datetime.combine(day, time.fromisoformat(when.clock), stage.zone).astimezone(UTC)


def _working_day(today: date, back: int) -> date:
    day = today
    while back:
        day -= timedelta(days=1)
        back -= day.weekday() < 5
    return day


@contextmanager
def _unhurried() -> Iterator[None]:
    """Answers wait long enough to be settled here, whatever the account's time for »undo« is."""
    usual = the_account().undo_seconds
    the_account().undo_seconds = max(usual, UNHURRIED)
    db.session.commit()
    try:
        yield
    finally:
        db.session.rollback()
        the_account().undo_seconds = usual
        db.session.commit()


# --- one step


def _play(stage: _Stage, scene: Scene, step: Step, moment: datetime) -> None:
    before = _newest_ids()
    match step:
        case DemoMail():
            answered = _last_reply(_ticket(stage, scene)) if scene in stage.tickets else None
            raw = _mime(stage, scene, step, moment, answered)
            _arrive(stage, scene, raw, scene.address, moment)
        case Bounce():
            raw = _report(scene, step, stage.channels[scene.channel], _last_reply(_ticket(stage, scene)))
            _arrive(stage, scene, raw, "", moment)
        case Answer():
            _answer(_ticket(stage, scene), stage.agents[step.agent], step, moment)
        case Note():
            replies.add_note(_ticket(stage, scene), stage.agents[step.agent], replies.Written(text=step.text))
        case Change():
            _change(_ticket(stage, scene), step, stage.agents)
    if scene in stage.tickets:
        _move_to(moment, _ticket(stage, scene), before, is_mail=isinstance(step, DemoMail | Answer | Bounce))
    db.session.commit()


def _ticket(stage: _Stage, scene: Scene) -> Ticket:
    return db.session.get_one(Ticket, stage.tickets[scene])


def _arrive(stage: _Stage, scene: Scene, raw: bytes, envelope_from: str, moment: datetime) -> None:
    channel = stage.channels[scene.channel]
    arrival = arrivals.Arrival(
        raw=raw,
        via="smtp",
        source_id=f"demo:{scene.address}:{moment.isoformat()}",
        envelope_from=envelope_from,
        envelope_to=channel.address,
        arrived_at=moment,
        predates_channel=True,  # nobody is told: neither the customer nor the agents
    )
    inbound_id = arrivals.receive(channel.id, arrival)
    if inbound_id is None:
        raise RuntimeError("two mails of the demo have one identity")
    intake.process(inbound_id, arrival.raw)
    row = db.session.get_one(InboundMail, inbound_id)
    row.received_at, row.filed_at = moment, moment + timedelta(seconds=1)
    if row.ticket_id is None or scene in stage.tickets:
        return
    stage.tickets[scene] = row.ticket_id
    ticket = _ticket(stage, scene)
    ticket.created_at = moment
    ticket.contact.created_at = min(moment, ticket.contact.created_at)
    if scene.confirmed:
        tickets.note_event(ticket, "mail_sent", None, purpose="confirmation", to=scene.address)


def _last_reply(ticket: Ticket) -> Message | None:
    return next(iter(thread.messages_of(ticket, (Kind.REPLY,), newest=1)), None)


def _mime(
    stage: _Stage, scene: Scene, written: DemoMail, moment: datetime, answered: Message | None
) -> bytes:
    channel = stage.channels[scene.channel]
    mail = EmailMessage()
    mail["From"] = formataddr((scene.name, scene.address))
    mail["To"] = formataddr((channel.sender_name, channel.address))
    mail["Subject"] = written.subject or (f"AW: {scene.subject}" if answered else scene.subject)
    mail["Date"] = format_datetime(moment.astimezone(stage.zone))
    mail["Message-ID"] = f"<{moment:%Y%m%d%H%M%S}@{scene.address.rpartition('@')[2]}>"
    if answered is not None:
        mail["In-Reply-To"] = answered.message_id
        mail["References"] = " ".join((*answered.references, answered.message_id))
    for name, value in written.headers:
        mail[name] = value
    quoted = _quoted(answered, channel, stage.zone) if answered is not None and written.quotes else ""
    mail.set_content(written.text + quoted + "\n")
    if written.html:
        mail.add_alternative(written.html, subtype="html")
    for name, media_type, data in written.files:
        main, _, sub = media_type.partition("/")
        mail.add_attachment(data, maintype=main, subtype=sub, filename=name)
    return mail.as_bytes()


def _report(scene: Scene, bounce: Bounce, channel: Channel, sent: Message | None) -> bytes:
    """A delivery report as RFC 3464 has it, about our mail to the customer."""
    assert sent is not None, "only an answer can come back"
    host = scene.address.rpartition("@")[2]
    return (
        f"From: Mail Delivery System <MAILER-DAEMON@{host}>\r\nTo: {channel.address}\r\n"
        "Subject: Undelivered Mail Returned to Sender\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="report"\r\n\r\n'
        f"--report\r\n\r\nThis is the mail system at host {host}.\r\n\r\n"
        f"Your message could not be delivered to {scene.address}:\r\n{bounce.words}\r\n"
        "--report\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; {host}\r\n\r\nFinal-Recipient: rfc822; {scene.address}\r\nAction: failed\r\n"
        f"Status: {bounce.status}\r\nDiagnostic-Code: smtp; {bounce.words}\r\n"
        "--report\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        f"Message-ID: {sent.message_id}\r\n\r\n--report--\r\n"
    ).encode()


def _quoted(answered: Message, channel: Channel, zone: ZoneInfo) -> str:
    """As Thunderbird writes it, in the language of the one who answers."""
    sender, at = f"{answered.from_name} <{channel.address}>", answered.created_at.astimezone(zone)
    if answered.ticket.locale == "de":
        line = f"Am {at:%d.%m.%Y} um {at:%H:%M} schrieb {sender}:"
    else:
        line = f"On {at:%d/%m/%Y %H:%M}, {sender} wrote:"
    return f"\n\n{line}\n{quote_text(answered.text)}"


def _answer(ticket: Ticket, agent: Agent, answer: Answer, moment: datetime) -> None:
    files = tuple(Part(name, media_type, data) for name, media_type, data in answer.files)
    sent = replies.send_reply(ticket, agent, replies.Written(text=answer.text, files=files), answer.then)
    mail = sent.mail
    mail.attempts, mail.send_after = 1, moment + timedelta(seconds=10)
    mail.claimed_at = mail.done_at = moment + timedelta(seconds=12)
    mail.move(MailState.SENDING)
    for recipient in mail.recipients:
        recipient.created_at = moment
        recipient.move(RecipientState.UNDELIVERABLE if answer.refused else RecipientState.ACCEPTED)
        recipient.reason = "unknown_recipient" if answer.refused else ""
        recipient.reply = answer.refused or HANDED_OVER
    if answer.refused:
        mail.move(MailState.FAILED)
        mail.reason, mail.words = "unknown_recipient", answer.refused
        delivery_results.back_to_author(mail, mail.recipients)
    else:
        mail.move(MailState.DONE)
        to = ", ".join(recipient.address for recipient in mail.recipients)
        tickets.note_event(ticket, "mail_sent", None, purpose=mail.purpose, to=to)
    db.session.commit()


def _change(ticket: Ticket, change: Change, agents: dict[str, Agent]) -> None:
    if change.by == NOBODY:
        assert change.status is not None
        tickets.set_status(ticket, change.status, None)
        return
    by = agents[change.by]
    if change.assignee is not None:
        tickets.assign(ticket, agents[change.assignee], by)
    if change.priority is not None:
        tickets.set_priority(ticket, change.priority, by)
    if change.tags:
        tickets.set_tags(ticket, list(change.tags), by)
    if change.status is not None:
        tickets.set_status(ticket, change.status, by)


# --- the times


def _newest_ids() -> dict[type[Message | TicketEvent | OutboundMail], int]:
    return {
        table: db.session.scalar(select(func.max(table.id))) or 0
        for table in (Message, TicketEvent, OutboundMail)
    }


def _move_to(
    moment: datetime,
    ticket: Ticket,
    before: dict[type[Message | TicketEvent | OutboundMail], int],
    is_mail: bool,
) -> None:
    """What the step made is as old as the scene says; other tickets are not touched."""
    for table, times in (
        (Message, {"created_at": moment}),
        (TicketEvent, {"at": moment}),
        (OutboundMail, {"created_at": moment}),
    ):
        db.session.execute(
            update(table).where(table.ticket_id == ticket.id, table.id > before[table]).values(**times)
        )
    if is_mail:
        ticket.last_message_at = moment
    if ticket.resolved_at is not None:
        ticket.resolved_at = min(ticket.resolved_at, moment)
    if ticket.closed_at is not None:
        ticket.closed_at = min(ticket.closed_at, moment)


def _read(stage: _Stage) -> None:
    """Everybody has read what is not marked as unread, and nobody is told of it."""
    for scene in stage.tickets:
        ticket = _ticket(stage, scene)
        who_hears.forget(ticket)
        if not scene.unread:
            db.session.add_all(
                TicketSeen(agent_id=agent.id, ticket_id=ticket.id, message_id=ticket.last_inbound_id)
                for agent in stage.agents.values()
            )
    db.session.commit()
