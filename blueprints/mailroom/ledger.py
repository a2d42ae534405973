"""»System >> Posteingangsbuch«: every mail that a server showed us, and whether it all adds up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext

from blueprints.labels.channels import channel_state
from blueprints.labels.ledger import COPY, PERIOD, VERDICT, put_back_word
from blueprints.mailroom import mail_page
from blueprints.page.access import AdminBlueprint, me
from blueprints.page.htmx import go, invalid, page
from blueprints.page.numbers import whole_number
from blueprints.tickets.attachments import sent
from desk.mailroom import balance, ledger, put_back, quarantine, raw_mail, retention
from desk.mailroom.ledger import Filter
from desk.office import the_account
from models import InboundMail, Outcome, ServerCopy, now

blueprint = AdminBlueprint("ledger", __name__, url_prefix="/system/ledger")


@blueprint.get("")
def index() -> ResponseReturnValue:
    asked = _filter()
    before, after = (request.args.get(name, type=whole_number) for name in ("before", "after"))
    # It counts every row there is: once, when the list is opened, not on each page of it.
    balances = balance.balances() if before is None and after is None else []
    return page(
        "mailroom/ledger.html",
        listing=ledger.listing(asked, before, after),
        asked=asked,
        chips=_chips(asked),
        balances=balances,
        states={row.channel.id: channel_state(row.channel, now()) for row in balances if row.channel.living},
        failed=sum(row.counts[Outcome.FAILED] for row in balances),
        choices=_choices(),
        found_by=_arguments(asked),
    )


@blueprint.get("/<int:inbound_id>")
def show(inbound_id: int) -> ResponseReturnValue:
    return mail_page.show(_mail(inbound_id), "ledger")


@blueprint.get("/<int:inbound_id>/original")
def original(inbound_id: int) -> ResponseReturnValue:
    mail = _mail(inbound_id)
    return sent(raw_mail.content(mail), f"mail-{mail.id}.eml", "message/rfc822", True)


@blueprint.post("/<int:inbound_id>/release")
def release(inbound_id: int) -> ResponseReturnValue:
    return mail_page.let_in(_mail(inbound_id), url_for("ledger.show", inbound_id=inbound_id))


@blueprint.post("/<int:inbound_id>/discard")
def discard(inbound_id: int) -> ResponseReturnValue:
    quarantine.discard(_mail(inbound_id), me())
    return go(url_for("ledger.show", inbound_id=inbound_id), gettext("The mail was deleted."))


@blueprint.get("/<int:inbound_id>/block")
def ask_block(inbound_id: int) -> ResponseReturnValue:
    return mail_page.ask_block(_mail(inbound_id), "ledger")


@blueprint.post("/<int:inbound_id>/block")
def block(inbound_id: int) -> ResponseReturnValue:
    return mail_page.block(_mail(inbound_id), "ledger")


@blueprint.get("/<int:inbound_id>/mailbox")
def ask_put_back(inbound_id: int) -> ResponseReturnValue:
    mail = _mail(inbound_id)
    code = put_back.refusal(mail)
    return page("mailroom/put_back.html", mail=mail, refusal=put_back_word(code) if code else "")


@blueprint.post("/<int:inbound_id>/mailbox")
def return_to_mailbox(inbound_id: int) -> ResponseReturnValue:
    mail = _mail(inbound_id)
    address = mail.channel.address
    try:
        put_back.put_back(mail, me(), _last_time())
    except put_back.PutBackRefused as refused:
        return invalid(
            "mailroom/put_back.html",
            409,
            mail=_mail(inbound_id),
            refusal=put_back_word(refused.code),
            words=refused.words,
        )
    said = gettext("The mail lies in the mailbox of %(address)s again.", address=address)
    return go(url_for("ledger.show", inbound_id=inbound_id), said)


@blueprint.post("/failed")
def process_failed() -> ResponseReturnValue:
    count = quarantine.process_all_again(me())
    said = ngettext("%(num)s mail is processed again.", "%(num)s mails are processed again.", count)
    return go(url_for("ledger.index"), said)


@blueprint.post("/check")
def check() -> ResponseReturnValue:
    good = all(row.adds_up for row in balance.check())
    said = (
        gettext("Checked: the ledger adds up.") if good else gettext("Checked: the ledger does not add up.")
    )
    return go(url_for("ledger.index"), said)


@blueprint.get("/retention")
def keeping() -> ResponseReturnValue:
    return page("mailroom/retention.html", days=the_account().keep_raw_days, longest=retention.LONGEST)


@blueprint.post("/retention")
def keep() -> ResponseReturnValue:
    typed = request.form.get("days", "").strip()
    try:
        retention.set_days(whole_number(typed))
    except ValueError:
        return invalid("mailroom/retention.html", days=typed, longest=retention.LONGEST, wrong=True)
    return go(url_for("ledger.index"), gettext("Retention saved"))


def _mail(inbound_id: int) -> InboundMail:
    return ledger.by_id(inbound_id) or abort(404)


def _last_time() -> datetime | None:
    """When the mail was put back before, as the page said that asked; None: never."""
    try:
        return datetime.fromisoformat(request.form.get("last", "")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _filter() -> Filter:
    """What the address asks for; what it does not know is left out."""
    given = request.args
    verdict, copy, period = given.get("verdict", ""), given.get("copy", ""), given.get("period", "")
    return Filter(
        channel_id=given.get("channel", type=whole_number),
        verdict=Outcome(verdict) if verdict in VERDICT else None,
        copy=ServerCopy(copy) if copy in COPY else None,
        period=period if period in PERIOD else "",
        query=given.get("q", "").strip()[:200],
    )


def _arguments(asked: Filter, **other: Any) -> dict[str, Any]:
    """The same filter as parts of an address."""
    values = {
        "channel": asked.channel_id,
        "verdict": str(asked.verdict or ""),
        "copy": str(asked.copy or ""),
        "period": asked.period,
        "q": asked.query,
    } | other
    return {name: value for name, value in values.items() if value not in (None, "")}


def _chips(asked: Filter) -> list[tuple[str, str]]:
    """What is filtered by, in words, each with the address of the list without it."""
    keys = {channel.id: channel.key for channel in ledger.channels_seen()}
    words = {
        "channel": keys.get(asked.channel_id or 0, asked.channel_id),
        "verdict": VERDICT.get(asked.verdict or ""),
        "copy": COPY.get(asked.copy or ""),
        "period": PERIOD.get(asked.period),
        "q": gettext("Search: %(query)s", query=asked.query) if asked.query else None,
    }
    return [
        (str(word), url_for("ledger.index", **_arguments(asked, **{name: None})))
        for name, word in words.items()
        if word
    ]


def _choices() -> list[tuple[str, str, list[tuple[Any, Any]]]]:
    """The selects of the filter: name, label, values."""
    return [
        ("channel", gettext("Channel"), [(channel.id, channel.key) for channel in ledger.channels_seen()]),
        ("verdict", gettext("Verdict"), list(VERDICT.items())),
        ("copy", gettext("Server copy"), list(COPY.items())),
        ("period", gettext("Period"), list(PERIOD.items())),
    ]
