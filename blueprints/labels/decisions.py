"""A decision about a mail in words: the same lines in the dry run, in the ledger, and after processing again."""

from __future__ import annotations

from typing import NamedTuple

from flask_babel import LazyString, gettext, lazy_gettext

from desk.receiving.explanations import Explanation

# »Warum hier?«: the clue that led a message into its ticket.
WHY = {
    "reply_address": lazy_gettext("The reply address carried our signature for this ticket."),
    "signed_id": lazy_gettext("It answers a message that we signed for this ticket."),
    "foreign_id": lazy_gettext("It answers a message of this ticket, and the sender takes part in it."),
    "marker": lazy_gettext("The quoted history carries the mark of this ticket."),
    "subject": lazy_gettext("The subject names the ticket, and the sender takes part in it."),
    "new": lazy_gettext("Nothing in the mail points to an existing ticket, so it opens a new one."),
    "reopened_late": lazy_gettext(
        "It answers a ticket that was closed too long ago, so it opens a new one that continues it."
    ),
    "maybe": lazy_gettext(
        "It points to another ticket, but the sender takes no part there, so it opens one of its own."
    ),
    "other_channel": lazy_gettext(
        "It points to a ticket of another address of ours, so it opens one of its own that is linked to it."
    ),
    "our_answer": lazy_gettext("An answer of yours named this channel, so it opens a ticket here."),
    "our_answer_again": lazy_gettext(
        "An answer of yours named this channel, and this ticket belongs to the one that it was written in."
    ),
    "again": lazy_gettext("The same mail is in this ticket already; it was delivered a second time."),
    "merge": lazy_gettext("An agent merged its ticket into this one."),
    "split": lazy_gettext("An agent split it off from another ticket."),
    "bounce": lazy_gettext("A mail server reports on a message that we sent in this ticket."),
    "unreadable": lazy_gettext("The mail could not be read fully; the original is attached."),
}
# Whether the sender wrote the mail, by the receiving server's own check.
SENDER = {
    "confirmed": lazy_gettext("Sender verified"),
    "unconfirmed": lazy_gettext("Sender not verified"),
    "unchecked": lazy_gettext("Sender not checked"),
}
# What is open in a header (mail/judging/authentication_results.py).
PROOF = {
    "twice": lazy_gettext("more than once: %(fields)s"),
    "unsigned": lazy_gettext("not signed: %(fields)s"),
    "From": lazy_gettext("no author, or several"),
    "unanswered": lazy_gettext("a name server did not answer"),
}
DOUBTED = {
    "twice": lazy_gettext(
        "This mail has a header field more than once that may stand there once only (%(fields)s). So nothing proves "
        "which of them the sender wrote."
    ),
    "From": lazy_gettext("This mail names no author, or several (From). So nothing tells who wrote it."),
}
# Why a mail became what it is: the reasons of the rules (mail/judging/rules.py), of the fetch and of
# persons.
REASON = {
    "person": lazy_gettext("A person wrote this mail."),
    "our_answer": lazy_gettext("An answer of yours, which named this channel as well."),
    "own_mail": lazy_gettext("We wrote this mail ourselves."),
    "bounce": lazy_gettext("A mail server reports that a message could not be delivered."),
    "delayed": lazy_gettext("A mail server reports that a message is delayed."),
    "other_report": lazy_gettext("A mail server reports on a message, but not a failure."),
    "released": lazy_gettext("A person let it in from the quarantine."),
    "disposition": lazy_gettext("A receipt that a message was read or deleted."),
    "blocked_sender": lazy_gettext("The sender is blocked."),
    "private_link": lazy_gettext(
        "It answers or quotes a mail of ours with a link for a password, so it is for administrators only."
    ),
    "storm": lazy_gettext("Unusually many mails came from this sender in a short time."),
    "forward_check": lazy_gettext("A mail provider asks to confirm that mail may be forwarded here."),
    "spam_header": lazy_gettext("The mail server that received it marked it as spam."),
    "reaction": lazy_gettext("It only puts a sign at a mail of yours."),
    "auto_submitted": lazy_gettext("The mail says that a machine wrote it (Auto-Submitted)."),
    "precedence": lazy_gettext("The mail says that it is bulk mail (Precedence)."),
    "list_mail": lazy_gettext("The mail came through a mailing list."),
    "list_envelope": lazy_gettext("Its return address is that of a mailing list or of another machine."),
    "auto_response_suppress": lazy_gettext("The mail asks not to be answered automatically."),
    "vendor_header": lazy_gettext("The mail carries the mark of an auto-responder."),
    "out_of_office_subject": lazy_gettext("The subject is that of an out-of-office reply."),
    "null_sender": lazy_gettext("The mail has no sender to answer to, as mails of machines do."),
    "mailer_daemon": lazy_gettext("The sender is a mail system."),
    "unreadable": lazy_gettext("The mail could not be read fully; the original is attached."),
    "oversize": lazy_gettext("The mail is larger than allowed and was not fetched."),
    "duplicate": lazy_gettext("This channel already has the same mail, byte for byte."),
    "copy": lazy_gettext("This mail came here a second time through another channel."),
    "again": lazy_gettext("The same mail came to this channel before; it was delivered a second time."),
    "was_read": lazy_gettext("It was already read when the channel was connected."),
    "existing": lazy_gettext("It was in the mailbox before the channel was connected."),
    "put_back": lazy_gettext("You put it back into the mailbox; it stays there."),
    "discarded": lazy_gettext("A person deleted it from the quarantine."),
    "": lazy_gettext("No decision yet."),
    "fault": lazy_gettext("Poststelle failed on this mail; the original is safe."),
}
# Who hears of it, by the notice that they get.
NOTIFIED = {
    "new_ticket": lazy_gettext("the agents who want to hear of new tickets"),
    "customer_reply": lazy_gettext("the agents who want to hear of answers"),
    "delivery_failed": lazy_gettext("the author of the message that did not arrive"),
    "": lazy_gettext("nobody"),
}
WITHHELD = {
    "withheld": lazy_gettext("none, since this address got enough automatic mails for now"),
    "withheld_domain": lazy_gettext(
        "none, since the addresses of this domain got enough automatic mails for now"
    ),
    "withheld_total": lazy_gettext("none, since enough automatic mails went out for now"),
    "refuted": lazy_gettext("none, since somebody else wrote in this sender's name"),
}


class Line(NamedTuple):
    label: str
    text: str
    ticket: int | None = None  # the number of the ticket that it speaks of


def lines(said: Explanation) -> list[Line]:
    """What decided it, where it goes, who speaks, and who hears of it."""
    found = [Line(gettext("Why"), str(REASON.get(said.reason, said.reason)))]
    if said.details:
        found.append(Line(gettext("What decided it"), said.details))
    if said.why and said.end == "filed":
        number = None if said.foreseen else said.ticket or said.continues or said.maybe
        found.append(Line(gettext("Ticket"), str(WHY[said.why]), number))
    if said.sender_state and said.why:
        found.append(Line(gettext("Sender"), sender(said)))
    if said.end != "filed":
        return found
    if said.confirmation or said.withheld:
        found.append(Line(gettext("Confirmation"), said.confirmation or str(WITHHELD.get(said.withheld, ""))))
    if said.notice is not None:
        found.append(Line(gettext("Notified"), str(NOTIFIED[said.notice])))
    return found


def sender(said: Explanation) -> str:
    return verdict(said.sender_state, said.sender_proof)


def verdict(state: str, proof: str = "") -> str:
    word = str(SENDER[state])
    return f"{word} ({proof_of(proof)})" if proof else word


def proof_of(code: str) -> str:
    """What passed (`SPF, DKIM`) or spoke against the sender, or what is open in the header."""
    return _told(PROOF, code) or code


def doubted(code: str) -> str:
    """The sentence about a header that leaves open what the sender wrote; empty for all others."""
    return _told(DOUBTED, code)


def _told(words: dict[str, LazyString], code: str) -> str:
    kind, _, fields = code.partition(":")
    return words[kind] % {"fields": ", ".join(fields.split())} if kind in words else ""
