"""What a dry run found, in words: the mails of a mailbox and what the first fetch would do with each."""

from __future__ import annotations

from dataclasses import dataclass

from flask_babel import gettext, ngettext
from flask_babel import lazy_gettext as _l

from blueprints.labels.codes import FAILURE
from blueprints.labels.connection_advice import advice_for, incoming
from desk.checks.dry_run import DryRun, Foreseen


@dataclass(frozen=True, slots=True)
class ShownDryRun:
    """`summary` in one sentence; each mail with what would become of it; or a failure with its way out."""

    token: str
    running: bool
    summary: str
    mails: list[tuple[Foreseen, str]]
    failure: str = ""
    advice: str = ""
    details: str = ""


# What the first fetch would do with a mail: by the reason of the decision, else by its outcome.
BY_REASON = {
    "own_mail": _l("our own mail: left out"),
    "was_read": _l("already read: left alone"),
    "existing": _l("already there: left alone"),
    "oversize": _l("too large: held, stays on the server"),
    "copy": _l("the same mail came by another address: filed there, nobody is notified"),
    "again": _l("the same mail was delivered twice: filed in one ticket, nobody is notified"),
    "put_back": _l("put back into the mailbox: left alone"),
}
BY_OUTCOME = {
    "duplicate": _l("the same as another mail, byte for byte: filed once"),
    "new_ticket": _l("becomes a new ticket"),
    "reply": _l("becomes an answer to another mail of this mailbox"),
    "quiet": _l("written by a machine: becomes a ticket, without an answer and without notifications"),
    "bounce": _l("a report about a mail of ours: tied to that mail"),
    "held": _l("held in the quarantine"),
    "dropped": _l("from a blocked sender: left out"),
}
KNOWN = _l("fetched before: left alone")


def shown_dry_run(dry_run: DryRun) -> ShownDryRun:
    running = dry_run.running
    if running:
        return ShownDryRun(dry_run.token, True, "", [])
    failure = dry_run.failure or ("" if dry_run.done else "timeout")
    if failure:
        words = str(FAILURE.get(failure, FAILURE["internal"]))
        given = incoming(dry_run.values) if dry_run.values is not None else None
        advice = advice_for(failure, given=given)
        return ShownDryRun(dry_run.token, False, "", [], words, advice, dry_run.words)
    summary = ngettext(
        "%(num)s mail would be fetched, of %(total)s in the inbox.",
        "%(num)s mails would be fetched, of %(total)s in the inbox.",
        dry_run.takes,
        total=dry_run.total,
    )
    mails = [(mail, _foreseen(mail)) for mail in dry_run.mails]
    return ShownDryRun(dry_run.token, False, summary, mails)


def _foreseen(mail: Foreseen) -> str:
    said = mail.decision
    if said is None:
        return str(KNOWN)
    if said.ticket is not None and not said.foreseen and said.outcome in ("reply", "quiet"):
        if said.outcome == "reply":
            return gettext("becomes an answer in ticket #%(number)s", number=said.ticket)
        return gettext("joins ticket #%(number)s, nobody is notified", number=said.ticket)
    return str(BY_REASON.get(said.reason) or BY_OUTCOME[said.outcome])
