"""The mail room's codes in words: verdicts, server copies, what persons did, what does not add up."""

from __future__ import annotations

from flask_babel import lazy_gettext, ngettext

from blueprints.labels.codes import FAILURE
from models import InboundEvent

# Verdict: its name, and the sign that it carries.
VERDICT = {
    "new_ticket": lazy_gettext("New ticket"),
    "reply": lazy_gettext("Answer"),
    "bounce": lazy_gettext("Returned mail"),
    "quiet": lazy_gettext("Filed silently"),
    "duplicate": lazy_gettext("Identical copy"),
    "left_alone": lazy_gettext("Left alone"),
    "dropped": lazy_gettext("Dropped"),
    "held": lazy_gettext("In quarantine"),
    "failed": lazy_gettext("Failed"),
    "pending": lazy_gettext("Not processed yet"),
}
SIGN = {
    "new_ticket": "open",
    "reply": "open",
    "bounce": "high",
    "held": "high",
    "failed": "critical",
    "pending": "waiting",
}
COPY = {
    "present": lazy_gettext("Lies on the server"),
    "deleted": lazy_gettext("Deleted on the server"),
    "moved": lazy_gettext("Moved to another folder"),
    "kept": lazy_gettext("Kept, marked as read"),
    "none": lazy_gettext("No copy (delivered to us)"),
}
PERIOD = {
    "day": lazy_gettext("Last 24 hours"),
    "week": lazy_gettext("Last 7 days"),
    "month": lazy_gettext("Last 30 days"),
    "quarter": lazy_gettext("Last 3 months"),
    "year": lazy_gettext("Last 12 months"),
}
VIA = {
    "imap": lazy_gettext("Fetched by IMAP"),
    "pop3": lazy_gettext("Fetched by POP3"),
    "smtp": lazy_gettext("Delivered by SMTP"),
    "lmtp": lazy_gettext("Delivered by LMTP"),
    "pipe": lazy_gettext("Handed over by a command"),
}
EVENT = {
    "released": lazy_gettext("Let in by %(name)s"),
    "processed_again": lazy_gettext("Processed again by %(name)s"),
    "discarded": lazy_gettext("Deleted by %(name)s"),
    "put_back": lazy_gettext("Put back into the mailbox by %(name)s"),
    "blocked": lazy_gettext("Sender blocked by %(name)s"),
}
PUT_BACK = {
    "raw_gone": lazy_gettext("The raw mail is no longer here, so it cannot be put back."),
    "channel_gone": lazy_gettext(
        "The channel was deleted, so there is no mailbox any more. Download the mail instead."
    ),
    "no_mailbox": lazy_gettext(
        "This mail was delivered to Poststelle itself; there is no mailbox to put it into. Download it instead."
    ),
    "only_imap": lazy_gettext(
        "POP3 can only fetch mail, not store it. Download the mail instead, or switch the channel to IMAP."
    ),
    "still_there": lazy_gettext("Its copy still lies in the mailbox."),
    "moved": lazy_gettext(
        "The channel fetches from another mailbox now than the one this mail came from. Download the mail instead."
    ),
    "put_back_before": lazy_gettext("It was just put back into the mailbox, or is being put back."),
}
FINDING = {
    "state": lazy_gettext("State and verdict contradict each other."),
    "filed_without_message": lazy_gettext("Counted as filed, but no ticket has them."),
    "message_without_filed": lazy_gettext("A ticket has them, but they do not count as filed."),
    "message_without_row": lazy_gettext("Customers’ messages of which the ledger knows nothing."),
    "copy_of_nothing": lazy_gettext("Identical copies whose first mail is not here."),
    "removed_undecided": lazy_gettext("Gone from the server before they were processed."),
    "raw_missing": lazy_gettext(
        "The raw mail is not on the disk, for instance after restoring a backup without it."
    ),
}


def event_sentence(event: InboundEvent) -> str:
    """What a person did with a mail."""
    return str(EVENT[event.code] % {"name": event.agent.name if event.agent else "–"})


def verdict_count(verdict: str, count: int) -> str:
    """“18 new tickets”: how many of a verdict, inside the sentence of the balance."""
    match verdict:
        case "new_ticket":
            return ngettext("%(num)s new ticket", "%(num)s new tickets", count)
        case "reply":
            return ngettext("%(num)s answer", "%(num)s answers", count)
        case "bounce":
            return ngettext("%(num)s returned mail", "%(num)s returned mails", count)
        case "quiet":
            return ngettext("%(num)s filed silently", "%(num)s filed silently", count)
        case "duplicate":
            return ngettext("%(num)s identical copy", "%(num)s identical copies", count)
        case "left_alone":
            return ngettext("%(num)s left alone", "%(num)s left alone", count)
        case "dropped":
            return ngettext("%(num)s dropped", "%(num)s dropped", count)
        case "held":
            return ngettext("%(num)s in quarantine", "%(num)s in quarantine", count)
        case "failed":
            return ngettext("%(num)s failed", "%(num)s failed", count)
        case _:
            return ngettext("%(num)s not processed yet", "%(num)s not processed yet", count)


def put_back_word(code: str) -> str:
    return str(PUT_BACK.get(code) or FAILURE.get(code, code))


def missing_words(missing: int) -> str:
    """What a wrong sum means."""
    if missing > 0:
        return ngettext(
            "%(num)s mail was seen and has no row any more.",
            "%(num)s mails were seen and have no row any more.",
            missing,
        )
    return ngettext(
        "%(num)s row is here of a mail that was not counted when it came.",
        "%(num)s rows are here of mails that were not counted when they came.",
        -missing,
    )
