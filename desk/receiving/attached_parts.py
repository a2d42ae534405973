"""What a mail carries besides its words, as the rows that its cards are shown from; and attached mails, read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from desk.files import content
from mail.reading.parse import parse
from mail.safe_reading import read
from mail.showing.clean import fold_text, is_forward
from mail.types import Invitation, Mail, Part
from models import Attachment, OutboundMail, Ticket, db

MAX_LEVELS = 10
MAX_DESCRIPTION = 2000


def invitation_row(invitation: Invitation | None) -> dict[str, Any] | None:
    """Moments in ISO 8601: dates for whole days (the last day included), with an offset where the zone is known."""
    if invitation is None:
        return None
    end = invitation.last_day or invitation.end
    return {
        "method": invitation.method,
        "summary": invitation.summary[:500],
        "start": invitation.start.isoformat() if invitation.start else "",
        "end": end.isoformat() if end else "",
        "all_day": invitation.all_day,
        "zone": invitation.zone[:100],
        "repeats": invitation.repeats,
        "location": invitation.location[:500],
        "description": invitation.description[:MAX_DESCRIPTION],
        "organizer": str(invitation.organizer) if invitation.organizer.address else "",
        "attendees": [
            {"who": str(attendee.address), "answer": attendee.answer}
            for attendee in invitation.attendees[:50]
        ],
    }


def note_attached_mails(attachments: Sequence[Attachment], heads: Sequence[Mail | None]) -> None:
    """Note of each attached mail whom it is from, about what and when. Few mails have any."""
    for row, mail in zip(attachments, heads, strict=False):
        if mail is None:
            continue
        row.attached_mail = {
            "from": str(mail.sender)[:400],
            "subject": mail.subject[:500],
            "date": mail.date.isoformat() if mail.date else "",
        }


def answered_text(mail: Mail, ticket: Ticket) -> str:
    """The text of the mail of ours that this one answers: the one it names, else our last in the ticket."""
    named = [*mail.in_reply_to[:1], *mail.references[-1:]]
    written = select(OutboundMail.sha256).where(OutboundMail.sha256 != "")
    digest = db.session.scalar(written.where(OutboundMail.message_id.in_(named)))
    if digest is None and not named:
        ours = written.where(OutboundMail.ticket_id == ticket.id, OutboundMail.purpose == "ticket_reply")
        digest = db.session.scalar(ours.order_by(OutboundMail.id.desc()).limit(1))
    raw = content(digest) if digest else None
    return parse(raw).text if raw else ""


@dataclass(frozen=True, slots=True)
class AttachedMail:
    """`path` leads from the attachment to the mail: the number of a part on each level, none for itself."""

    mail: Mail
    path: tuple[int, ...]
    new_text: str
    quoted_text: str

    @property
    def files(self) -> list[tuple[str, Part]]:
        """Each part with the way to it."""
        prefix = "".join(f"{number}." for number in self.path)
        return [(f"{prefix}{number}", part) for number, part in enumerate(self.mail.attachments)]


def attached_mail(attachment: Attachment, path: tuple[int, ...] = ()) -> AttachedMail | None:
    """The words of a mail inside a mail; its HTML is not shown. None where there is no mail."""
    part = attached_part(attachment, path)
    if part is None or not part.is_mail:
        return None
    mail = read(part.data).mail
    forwarded = is_forward(mail.subject)
    folded = fold_text(mail.text, forwarded=forwarded)
    return AttachedMail(mail, path, folded.visible, folded.quoted)


def attached_part(attachment: Attachment, path: tuple[int, ...]) -> Part | None:
    """The part that the numbers lead to, or the attachment itself."""
    data = content(attachment.sha256)
    if data is None or len(path) > MAX_LEVELS:
        return None
    part = Part(attachment.name, attachment.type, data)
    for number in path:
        if not part.is_mail:
            return None
        parts = read(part.data).mail.attachments
        if number >= len(parts):
            return None
        part = parts[number]
    return part
