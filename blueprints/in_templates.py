"""What templates say of a code: `labels.status(code)`; and the filters for moments, sizes and numbers."""

from __future__ import annotations

from flask import Flask
from flask_babel import format_number

from blueprints import contents, decision_words, events, ledger_words, words
from blueprints.formats import file_size, full_time, initials, relative_time
from blueprints.notice_words import PURPOSE, event_word
from desk.deciding import Explanation
from models import InboundEvent, NoticeItem, TicketEvent


class Labels:
    """One method for each kind of code. Where a code may come from outside, unknown ones have words too."""

    # --- tickets and messages

    def status(self, code: str) -> str:
        return str(words.STATUS[code])

    def priority(self, code: str) -> str:
        return str(words.PRIORITY[code])

    def why(self, code: str) -> str:
        """»Warum hier?«: what led a message into its ticket."""
        return str(decision_words.WHY.get(code) or decision_words.REASON.get(code, ""))

    def relation(self, code: str) -> str:
        return str(words.RELATION[code])

    def sender(self, code: str) -> str:
        return str(decision_words.SENDER[code])

    def ticket_event(self, event: TicketEvent) -> str:
        return events.event_words(event)

    def ticket_event_icon(self, kind: str) -> str:
        return events.event_icon(kind)

    def invitation(self, method: str) -> str:
        return str(contents.METHOD.get(method, contents.METHOD["publish"]))

    def answer(self, code: str) -> str:
        """What somebody says to an invitation."""
        return str(contents.ANSWER.get(code, code))

    def seal(self, code: str) -> str:
        return str(contents.SEAL.get(code, ""))

    # --- mails on their way

    def delivery(self, code: str) -> str:
        return str(words.DELIVERY[code])

    def recipient(self, code: str) -> str:
        return str(words.RECIPIENT[code])

    def purpose(self, code: str) -> str:
        return str(PURPOSE[code])

    def reason(self, code: str) -> str:
        """Of a judgement about a mail, or of a failure."""
        return str(decision_words.REASON.get(code) or words.FAILURE.get(code, ""))

    def advice(self, code: str) -> str:
        """What to do about a failure; empty where there is no more to say."""
        return str(words.ADVICE.get(code, ""))

    def effect(self, trouble: str) -> str:
        return str(words.EFFECT[trouble])

    def notice_event(self, item: NoticeItem) -> str:
        """What happened, as a mail or the bell tells it."""
        return str(event_word(item))

    # --- the mail room

    def verdict(self, code: str) -> str:
        return str(ledger_words.VERDICT[code])

    def verdict_sign(self, code: str) -> str:
        return ledger_words.SIGN.get(code, "plain")

    def verdict_count(self, code: str, count: int) -> str:
        return ledger_words.verdict_count(code, count)

    def decision(self, said: Explanation) -> list[decision_words.Line]:
        """What decided it, where it goes, who speaks, and who hears of it."""
        return decision_words.lines(said)

    def server_copy(self, code: str) -> str:
        return str(ledger_words.COPY[code])

    def via(self, code: str) -> str:
        return str(ledger_words.VIA.get(code, code))

    def mail_event(self, event: InboundEvent) -> str:
        return ledger_words.event_sentence(event)

    def missing(self, count: int) -> str:
        return ledger_words.missing_words(count)

    def finding(self, code: str) -> str:
        return str(ledger_words.FINDING.get(code, code))

    # --- agents

    def role(self, code: str) -> str:
        return str(words.ROLE[code])


def init_app(app: Flask) -> None:
    app.jinja_env.globals["labels"] = Labels()
    app.jinja_env.filters.update(
        when=relative_time,
        moment=full_time,
        iso_moment=contents.iso_moment,
        event_time=contents.event_time,
        number=format_number,
        filesize=file_size,
        initials=initials,
    )
