"""One mail of the ledger or the quarantine, and what a person decides about it: both show the same page."""

from __future__ import annotations

from typing import Any

from flask import request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext

from blueprints.labels import decisions
from blueprints.page.access import me
from blueprints.page.htmx import go, page
from desk.mailroom import ledger, mail_steps, put_back, quarantine, raw_mail
from desk.receiving import blocking, explanations
from models import InboundMail, InboundState

BLOCK_REFUSED = {
    "invalid": lazy_gettext("This is not an e-mail address."),
    "ours": lazy_gettext("Poststelle or one of its agents writes from there, so it cannot be blocked."),
}


def show(mail: InboundMail, place: str) -> ResponseReturnValue:
    """`place` is the blueprint whose page it is: ledger or quarantine."""
    message = ledger.message_of(mail)
    return page(
        "mailroom/show.html",
        mail=mail,
        place=place,
        raw=raw_mail.view(mail),
        message=message,
        decision=explanations.stored(mail, message),
        copies=ledger.copies_of(mail),
        steps=mail_steps.of(mail),
        can_be_let_in=quarantine.can_be_let_in(mail),
        waits=quarantine.waits(mail),
        may_return=not put_back.refusal(mail),
    )


def let_in(mail: InboundMail, back: str) -> ResponseReturnValue:
    """What a rule held is filed; what failed is judged anew."""
    if not quarantine.can_be_let_in(mail):
        return go(back, gettext("Somebody has decided about this mail already."))
    failed = mail.state == InboundState.FAILED
    (quarantine.process_again if failed else quarantine.release)(mail, me())
    if mail.ticket is None:
        words = (
            gettext("The mail was processed again.") if failed else gettext("The mail could not be filed.")
        )
        if quarantine.waits(mail):
            words = gettext("The mail could not be filed; it still waits here.")
        return go(back, f"{words} {_decided(mail)}")
    words = gettext("The mail was let in.")
    return go(url_for("tickets.show", number=mail.ticket.number), f"{words} {_decided(mail)}")


def _decided(mail: InboundMail) -> str:
    """The decision in one line."""
    return " ".join(
        f"{line.label}: {line.text}"
        for line in decisions.lines(explanations.stored(mail, ledger.message_of(mail)))
    )


def ask_block(mail: InboundMail, place: str, status: int = 200, error: str = "") -> ResponseReturnValue:
    sender, carrier = _writers(mail)
    context: dict[str, Any] = {
        "mail": mail,
        "place": place,
        "sender": sender,
        "carrier": carrier,
        "patterns": _patterns(sender, carrier),
        "error": error,
        "waits": quarantine.waits(mail),
    }
    return page("mailroom/block.html", status, **context)


def _writers(mail: InboundMail) -> tuple[str, str]:
    """Whom the mail names as its writer, and who stands in From instead of them, if somebody does."""
    return mail.described.sender, blocking.carrier_of(mail.described, ledger.message_of(mail))


def _patterns(*senders: str) -> list[str]:
    """What the agent may block. A whole domain only administrators block."""
    domains = [blocking.domain_of(sender) for sender in senders] if me().is_admin else []
    return list(dict.fromkeys(pattern for pattern in (*senders, *domains) if pattern))


def block(mail: InboundMail, place: str) -> ResponseReturnValue:
    """Block who wrote it, or who it came through; a mail that waits is deleted along with it."""
    wanted = request.form.get("pattern", "")
    if not wanted or wanted not in _patterns(*_writers(mail)):
        return ask_block(mail, place, 422, gettext("Choose what is to be blocked."))
    try:
        pattern = blocking.block(wanted, me())
    except blocking.BlockRefused as refused:
        return ask_block(mail, place, 422, str(BLOCK_REFUSED[refused.code]))
    mail_steps.note(mail.id, "blocked", me(), pattern)
    quarantine.discard(mail, me())
    back = (
        url_for("quarantine.index") if place == "quarantine" else url_for("ledger.show", inbound_id=mail.id)
    )
    return go(back, gettext("Mail from %(sender)s is dropped from now on.", sender=pattern))
