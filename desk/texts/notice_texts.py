"""The words of notices as administrators changed them, and the mails that they make."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask import render_template
from flask_babel import get_locale, gettext
from sqlalchemy import delete

from config import LOCALES
from desk.refusal import Refusal
from desk.texts import notice_placeholders
from desk.texts.notice_table import BY_NAME, Notice, of_mail
from mail.writing import placeholders
from models import NoticeText, db

LONGEST_SUBJECT, LONGEST_BODY = 200, 20_000  # characters; the line above a quotation is as long as a subject


class Words(NamedTuple):
    """What stands in a mail; `quote_line` above the quotation, if it quotes, empty: ours."""

    subject: str
    body: str
    quote_line: str = ""


class TextRefused(Refusal):
    """A text that cannot be saved. `field` is one of Words; `code` empty, long, unknown, missing or broken.

    `words` is the placeholder that is unknown or missing.
    """


def text_of(notice: str, locale: str) -> Words | None:
    """What somebody wrote for this notice; None: ours."""
    row = db.session.get(NoticeText, (notice, locale)) if of_mail(notice).changeable else None
    return Words(row.subject, row.body, row.quote_line) if row is not None else None


def save(notice: str, locale: str, subject: str, body: str, quote_line: str = "") -> None:
    """Write the words of a notice in one language. Raises TextRefused, KeyError for one without a text. Commits."""
    words = checked(notice, Words(subject, body, quote_line), locale)
    row = db.session.get(NoticeText, (notice, locale)) or NoticeText(notice=notice, locale=locale)
    row.subject, row.body, row.quote_line = words
    db.session.add(row)
    db.session.commit()


def reset(notice: str, locale: str) -> None:
    """Back to our text. Commits."""
    row = db.session.get(NoticeText, (notice, locale))
    if row is not None:
        db.session.delete(row)
    db.session.commit()


def forget(locale: str) -> None:
    """All texts of a language. In the running transaction."""
    db.session.execute(delete(NoticeText).where(NoticeText.locale == locale))


def checked(notice: str, words: Words, locale: str) -> Words:
    """The words as they are kept. Raises TextRefused, KeyError for a notice without a text of its own."""
    row = BY_NAME[notice]
    if not row.changeable:
        raise KeyError(notice)
    subject = " ".join(words.subject.split()) if row.subject else ""
    body = words.body.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").strip("\n")
    quote_line = " ".join(words.quote_line.split()) if row.quotes else ""
    if row.subject:
        _check(row, "subject", subject, LONGEST_SUBJECT)
    _check(row, "body", body, LONGEST_BODY)
    if quote_line or (row.quotes and locale not in LOCALES):  # there ours would speak another language
        _check(row, "quote_line", quote_line, LONGEST_SUBJECT)
    if row.required and placeholders.names(body).count(row.required) != 1:
        raise TextRefused("missing", "body", row.required)
    return Words(subject, body, quote_line)


def allowed(notice: Notice, field: str) -> tuple[str, ...]:
    """The placeholders of a field."""
    return notice_placeholders.QUOTE_LINE if field == "quote_line" else notice.placeholders


def _check(notice: Notice, field: str, text: str, most: int) -> None:
    if not text.strip():
        raise TextRefused("empty", field)
    if len(text) > most:
        raise TextRefused("long", field)
    for name in placeholders.names(text):
        if name not in allowed(notice, field):
            raise TextRefused("unknown", field, name)
    if placeholders.broken(text):
        raise TextRefused("broken", field)


def quote_line(words: Words | None, date: str, name: str) -> str:
    """»Am … schrieb …:« above a quotation, in somebody's words or in ours."""
    if words is not None and words.quote_line:
        return placeholders.fill(words.quote_line, {"message.date": date, "sender.name": name})
    return gettext("On %(date)s, %(name)s wrote:", date=date, name=name)


def worded(notice: str, words: Words, given: dict[str, Any]) -> tuple[str, str, str]:
    """Subject, text and HTML of a mail in somebody's words. Speaks the language that is forced around it."""
    row = BY_NAME[notice]
    subject, body, _ = words
    values = _values(row, given)
    marker = given.get("marker", "")
    title = placeholders.fill(subject, values) or _title(row, given)
    number = f"[#{given['ticket'].number}]"
    if row.withholds and number not in title:
        title = f"{title} {number}".strip()  # an answer finds its ticket by it where everything else is lost
    footer_stands = "quoted_history" in placeholders.names(body)  # above the history
    text = ended(placeholders.fill(body, values), "" if footer_stands else given["design"].footer, marker)
    pieces = placeholders.pieces(body, values, notice_placeholders.BLOCKS)
    excerpt = values.get("message.text", "")
    html = render_template(
        "mail/_worded.html", pieces=pieces, excerpt=excerpt, footer_stands=footer_stands, **given
    )
    return title, text, html


def ended(text: str, footer: str, marker: str) -> str:
    """A text with what stands at the end of every mail; a footer belongs to the signature (RFC 3676, 4.3)."""
    if footer and "\n-- \n" not in text:
        footer = f"-- \n{footer}"
    return "\n\n".join(part for part in (text.strip(), footer, marker) if part)


def _values(notice: Notice, given: dict[str, Any]) -> dict[str, str]:
    values = {name: notice_placeholders.MEANING[name](given) for name in notice.placeholders}
    return values | dict.fromkeys(given["left_out"], "")


def _title(notice: Notice, given: dict[str, Any]) -> str:
    """Of a mail whose own subject says nothing: the conversation's, but where that is a stranger's ours or none."""
    if not notice.withholds:
        return str(given["message"].subject)
    ours = str(get_locale()) in LOCALES
    return render_template(f"mail/{notice.name}/subject.txt", **given).strip() if ours else ""
