"""The words of one notice beside the mail that they make: what the page shows, saved or still being typed."""

from __future__ import annotations

from typing import Any

from flask import request, url_for
from flask_babel import get_locale, gettext

from blueprints.labels.notices import AUDIENCE, LABELS
from blueprints.page.access import me
from blueprints.page.numbers import whole_number
from blueprints.page.packed import packed, unpacked
from config import LOCALES
from desk.channels import channels
from desk.notices import previews
from desk.telling import who_hears
from desk.texts import notice_placeholders, notice_texts, requester_languages
from desk.texts.notice_table import NOTICES, Notice
from desk.texts.notice_texts import Words
from desk.tickets import tickets
from models import Ticket


def shown(chosen: Notice, typed: Words | None = None, **more: Any) -> dict[str, Any]:
    """What the page shows; `typed` are words that are not saved."""
    locale, ticket = language(chosen), asked_ticket()
    saved = notice_texts.text_of(chosen.name, locale)
    words = typed or (previews.to_edit(chosen.name, locale) if chosen.changeable else None)
    error: notice_texts.TextRefused | None = more.pop("error", None)
    try:
        checked = notice_texts.checked(chosen.name, words, locale) if words is not None else None
    except notice_texts.TextRefused as refused:
        error, checked = error or refused, saved
    # Our own words keep their form in HTML; what was changed is shown as it would be sent.
    changed = checked if typed is not None or saved is not None else None
    spoken = locale if changed is not None else requester_languages.of_mail(chosen.name, locale)
    return {
        "groups": [(title, _of(audience)) for audience, title in AUDIENCE.items()],
        "chosen": chosen,
        "title": LABELS[chosen.name].title,
        "languages": _choosable(chosen),
        "language": locale,
        "spoken": spoken,
        # A language without a text of its own: what stands in the form is another one's, to be translated.
        "stand_in": requester_languages.NAMES[spoken] if spoken != locale else "",
        "words": words,
        "is_ours": saved is None,
        "is_further": locale not in LOCALES,
        "errors": {error.field: _sentence(chosen, error)} if error else {},
        "frame": _frame(chosen.name, locale, ticket, changed if changed != saved else None),
        "channel_choices": _channel_choices(chosen),
        "further": {code: requester_languages.NAMES[code] for code in requester_languages.further()},
        "addable": requester_languages.addable(),
        **_fields(chosen),
        **_mail(chosen, locale, ticket, changed),
        **more,
    }


def item(notice: Notice) -> dict[str, Any]:
    """One line of the list."""
    label = LABELS[notice.name]
    on = who_hears.enabled(notice.name)
    return {"name": notice.name, "title": label.title, "text": label.when, "on": on, "fixed": notice.fixed}


def typed() -> Words:
    form = request.form
    body = form.get("body", "").replace("\r\n", "\n")
    return Words(form.get("subject", ""), body, form.get("quote_line", ""))


def language(chosen: Notice) -> str:
    """The language of the text, not of the page."""
    asked = request.values.get("text") or str(get_locale())
    return asked if asked in _choosable(chosen) else LOCALES[0]


def asked_ticket() -> Ticket | None:
    """The ticket of the preview: the one that was asked for, else the newest."""
    number = request.values.get("ticket", 0, type=whole_number)
    return (tickets.by_number(number) if number else None) or previews.newest_ticket()


def carried() -> Words | None:
    """The words that stand in the address of a frame, packed there by `_frame`; None where there are none."""
    match unpacked(request.args.get("words", "")):
        case [str(subject), str(body), str(quote_line)]:
            return Words(subject, body, quote_line)
    return None


# --- below


def _fields(chosen: Notice) -> dict[str, Any]:
    """What the form has for this notice, and what can be used there."""
    return {
        "with_subject": chosen.subject,
        "quotes": chosen.quotes,
        "only_if_confirmed": notice_placeholders.STRANGERS if chosen.withholds else (),
        "placeholders": chosen.placeholders,
        "quote_placeholders": notice_placeholders.QUOTE_LINE,
    }


def _mail(chosen: Notice, locale: str, ticket: Ticket | None, words: Words | None) -> dict[str, Any]:
    """The mail beside the form: about which ticket, from whom to whom, and what it says."""
    subject, text, *_ = previews.preview(chosen.name, locale, me(), ticket, words)
    sender, reader = previews.addresses(chosen.audience, locale, me(), ticket)
    return {
        "ticket": ticket,
        "no_ticket": _missing(ticket),
        "sender": sender,
        "reader": reader,
        "subject": subject,
        "text": text,
    }


def _missing(shown: Ticket | None) -> int:
    """The number that was asked for, if no ticket has it and another one is shown."""
    number = request.values.get("ticket", 0, type=whole_number)
    return number if shown is None or tickets.by_number(number) is None else 0


def _choosable(chosen: Notice) -> dict[str, str]:
    """The languages that a notice can have words in: requesters speak more than agents."""
    offered = requester_languages.offered()
    return offered if chosen.audience == "requester" else {code: offered[code] for code in LOCALES}


def _frame(name: str, locale: str, ticket: Ticket | None, words: Words | None) -> str:
    """The address of the mail as HTML. Words that are not saved stand in it; too long ones have none, and are
    shown as text alone."""
    said = packed(words) if words else None
    if said == "":
        return ""
    number = ticket.number if ticket is not None else None
    return url_for("notifications.frame", name=name, text=locale, ticket=number, words=said)


def _sentence(notice: Notice, error: notice_texts.TextRefused) -> str:
    allowed = ", ".join(notice_texts.allowed(notice, error.field))
    return {
        "empty": gettext("Write something here, or go back to our text."),
        "long": gettext("This text is too long."),
        "unknown": gettext(
            "“%(name)s” is no placeholder of this notification. You can use: %(allowed)s.",
            name=error.words,
            allowed=allowed,
        ),
        "missing": gettext("“%(name)s” must stand in this text exactly once.", name=error.words),
        "broken": gettext("A placeholder begins and ends with two curly brackets, as those below the text."),
    }[error.code]


def _channel_choices(chosen: Notice) -> list[dict[str, Any]]:
    """Each channel and whether this notice tells of it; nothing where there is only one."""
    living = channels.living() if chosen.per_channel else []
    if len(living) < 2:
        return []
    silent = who_hears.silent_channels(chosen.name)
    return [{"id": one.id, "key": one.key, "on": one.id not in silent} for one in living]


def _of(audience: str) -> list[dict[str, Any]]:
    return [item(notice) for notice in NOTICES if notice.audience == audience]
