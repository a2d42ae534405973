"""The bell: what an agent is told in the browser, as a list; and how the list is read. The count is the frame's."""

from __future__ import annotations

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from blueprints.labels.notices import LABELS, event_word
from blueprints.page.access import me
from blueprints.page.htmx import go, page
from blueprints.page.numbers import whole_number
from desk.telling import bell
from models import Kind, NoticeItem

blueprint = Blueprint("bell", __name__, url_prefix="/notices")


@blueprint.get("")
def index() -> ResponseReturnValue:
    number = min(max(1, request.args.get("page", 1, type=whole_number) or 1), 10_000)
    items, more = bell.listing(me(), number)
    return page(
        "bell/index.html",
        items=items,
        more=more,
        number=number,
        size=bell.LISTED,
        event=_event,
        place=_place,
    )


@blueprint.post("/read")
def read_all() -> ResponseReturnValue:
    bell.read_all(me(), request.form.get("newest", 0, type=whole_number))
    return go(url_for(".index"), gettext("All notifications are marked as read."))


def _event(item: NoticeItem) -> tuple[str, str]:
    """Its icon and what happened."""
    return LABELS[item.notice].icon, event_word(item)


def _place(item: NoticeItem) -> str:
    """The message that it is about, in the ticket where that stands today."""
    if item.about is None:
        return url_for("tickets.show", number=item.ticket.number)
    note = item.about.kind == Kind.NOTE
    return url_for(
        "tickets.show",
        number=item.about.ticket.number,
        tab="note" if note else None,
        _anchor=f"{'note' if note else 'message'}-{item.about.id}",
    )
