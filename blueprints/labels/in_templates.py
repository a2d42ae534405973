"""What templates say of a code: `labels.status(code)`; and the filters for moments, sizes and numbers."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask
from flask_babel import format_number

from blueprints.labels import attached_parts, codes, connection_advice, decisions, events, ledger
from blueprints.labels.channel_history import braked
from blueprints.labels.channels import way_out as channel_way_out
from blueprints.labels.formats import file_size, full_time, initials, lay_for, relative_time
from blueprints.labels.notices import PURPOSE, event_word
from desk.receiving.explanations import Explanation
from desk.tickets import list_lines, thread
from models import Channel, InboundEvent, Incident, Message, NoticeItem, OutboundMail, TicketEvent, Trouble


class Labels:
    """One method for each kind of code. Where a code may come from outside, unknown ones have words too."""

    # --- tickets and messages

    def status(self, code: str) -> str:
        return str(codes.STATUS[code])

    def priority(self, code: str) -> str:
        return str(codes.PRIORITY[code])

    def why(self, code: str) -> str:
        """»Warum hier?«: what led a message into its ticket."""
        return str(decisions.WHY.get(code) or decisions.REASON.get(code, ""))

    def own_subject(self, message: Message) -> str:
        return list_lines.own_subject(message, message.ticket)

    def lay(self, message: Message) -> str:
        """Of a mail that was not fetched for a day or longer."""
        return lay_for(message.lay_for)

    def reactions(self, entries: Sequence[Message | TicketEvent]) -> dict[int, list[Message]]:
        return thread.reactions(entries)

    def relation(self, code: str) -> str:
        return str(codes.RELATION[code])

    def same_mail(self, code: str) -> str:
        return str(codes.SAME_MAIL[code])

    def sender(self, code: str, proof: str = "") -> str:
        return decisions.verdict(code, proof)

    def proof(self, code: str) -> str:
        return decisions.proof_of(code)

    def doubted(self, proof: str) -> str:
        return decisions.doubted(proof)

    def ticket_event(self, event: TicketEvent) -> str:
        return events.event_words(event)

    def ticket_event_icon(self, kind: str) -> str:
        return events.event_icon(kind)

    def invitation(self, method: str) -> str:
        return str(attached_parts.METHOD.get(method, attached_parts.METHOD["publish"]))

    def answer(self, code: str) -> str:
        """What somebody says to an invitation."""
        return str(attached_parts.ANSWER.get(code, code))

    def seal(self, code: str) -> str:
        return str(attached_parts.SEAL.get(code, ""))

    # --- mails on their way

    def delivery(self, code: str) -> str:
        return str(codes.DELIVERY[code])

    def recipient(self, code: str) -> str:
        return str(codes.RECIPIENT[code])

    def purpose(self, code: str) -> str:
        return str(PURPOSE[code])

    def title_of_mail(self, mail: OutboundMail) -> str:
        """Its subject; of a notice that is written only when it leaves, what it is going to be."""
        is_written = bool(mail.sha256) or not mail.subject.startswith("[#")
        return mail.subject if is_written else f"{self.purpose(mail.purpose)} {mail.subject}"

    def reason(self, code: str) -> str:
        """Of a judgement about a mail, or of a failure."""
        return str(decisions.REASON.get(code) or codes.FAILURE.get(code, ""))

    def advice(self, code: str) -> str:
        """What to do about a failure; empty where there is no more to say."""
        return str(connection_advice.ADVICE.get(code, ""))

    def happened(self, incident: Incident, channel: Channel) -> str:
        """What a trouble of a channel is; of a server that worked before, since when it does not answer."""
        silent = self._went_silent(incident, channel)
        return silent or self.reason(incident.code)

    def way_out(self, incident: Incident, channel: Channel) -> str:
        """What to do about a trouble of a channel; empty where there is no more to say."""
        if self._went_silent(incident, channel):
            return str(connection_advice.WENT_SILENT)
        return channel_way_out(channel, incident.code, outgoing=incident.trouble == Trouble.SENDING)

    def _went_silent(self, incident: Incident, channel: Channel) -> str:
        if incident.trouble != Trouble.FETCH or channel.last_success_at is None:
            return ""
        return connection_advice.went_silent(incident.code, incident.began_at)

    def effect(self, trouble: str) -> str:
        return str(codes.EFFECT[trouble])

    def braked(self, incident: Incident) -> str:
        """Whom a brake concerns."""
        return braked(incident)

    def notice_event(self, item: NoticeItem) -> str:
        """What happened, as a mail or the bell tells it."""
        return str(event_word(item))

    # --- the mail room

    def verdict(self, code: str) -> str:
        return str(ledger.VERDICT[code])

    def verdict_sign(self, code: str) -> str:
        return ledger.SIGN.get(code, "plain")

    def verdict_count(self, code: str, count: int) -> str:
        return ledger.verdict_count(code, count)

    def decision(self, said: Explanation) -> list[decisions.Line]:
        """What decided it, where it goes, who speaks, and who hears of it."""
        return decisions.lines(said)

    def server_copy(self, code: str) -> str:
        return str(ledger.COPY[code])

    def via(self, code: str) -> str:
        return str(ledger.VIA.get(code, code))

    def mail_event(self, event: InboundEvent) -> str:
        return ledger.event_sentence(event)

    def missing(self, count: int) -> str:
        return ledger.missing_words(count)

    def finding(self, code: str) -> str:
        return str(ledger.FINDING.get(code, code))

    # --- agents

    def role(self, code: str) -> str:
        return str(codes.ROLE[code])


def init_app(app: Flask) -> None:
    app.jinja_env.globals["labels"] = Labels()
    # Links in plain text, as the cleaner makes those of HTML.
    app.jinja_env.policies |= {"urlize.rel": "noopener noreferrer nofollow", "urlize.target": "_blank"}
    app.jinja_env.filters.update(
        when=relative_time,
        moment=full_time,
        iso_moment=attached_parts.iso_moment,
        event_time=attached_parts.event_time,
        number=format_number,
        filesize=file_size,
        initials=initials,
    )
