"""Who is speaking? An ordered table of small rules; the first one with an opinion wins.

A wrong HOLD or QUIET is seen and put right by a person; a wrong answer to a machine makes a loop.
So the rules name certain signs only, and the counting of automatic answers (outbox) ends what they miss.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mail.domains import related
from mail.envelopes import is_robots, list_behind, return_address, unwrapped
from mail.judging import limits
from mail.judging.forward_requests import read_forward_check
from mail.judging.machine_signs import (
    AFTER_PHRASE,
    AUTO_SUBMITTED,
    COMPLAINT,
    LIST_HEADERS,
    MACHINE_NAMES,
    MAIL_PROGRAMS,
    OUT_OF_OFFICE,
    PRECEDENCE,
    SPAM_HEADERS,
    SUPPRESS_ALL,
    VENDOR_HEADERS,
    first_match,
    sender_names,
)
from mail.types import Action, Bounce, Facts, Mail, Verdict


@dataclass(frozen=True, slots=True)
class Case:
    """What the rules look at. `envelope_from` is empty for the null sender, None if nobody knows it."""

    mail: Mail
    facts: Facts
    bounce: Bounce | None
    envelope_from: str | None


@dataclass(frozen=True, slots=True)
class Rule:
    """`applies` answers with the words of the mail that made it apply (may be empty), else None."""

    action: Action
    reason: str
    applies: Callable[[Case], str | None]


def judge(mail: Mail, facts: Facts, bounce: Bounce | None, envelope_from: str | None = None) -> Verdict:
    """The verdict on a mail.

    `envelope_from` is the MAIL FROM of our own receiver. For fetched mail it is None, and the
    Return-Path that the last server wrote (RFC 5321 section 4.4) stands in for it.
    """
    return _first_opinion(RULES, _case(mail, facts, bounce, envelope_from)) or Verdict(Action.FILE, "person")


def as_machine(mail: Mail, bounce: Bounce | None, envelope_from: str | None = None) -> Verdict | None:
    """Whether a machine wrote it and by which sign, whatever else (spam, a storm) may come first."""
    return _first_opinion(MACHINE_RULES, _case(mail, Facts(), bounce, envelope_from))


def our_answer(case: Case) -> str | None:
    """An agent put another channel into Cc: who reads that one shall have it. What writes itself is for nobody.

    Nor is what a filter took for spam: others know the Message-ID, and a true one came from our own server.
    """
    facts = case.facts
    is_here = facts.own_message_id and facts.names_this_channel and not facts.own_loop_header
    return case.mail.message_id if is_here and spam_header(case) is None else None


def own_mail(case: Case) -> str | None:
    if case.facts.own_message_id or case.facts.own_loop_header:
        return case.mail.message_id
    return None


def bounced(case: Case) -> str | None:
    if case.bounce and case.bounce.is_final:
        return next((recipient.words for recipient in case.bounce.recipients if recipient.permanent), "")
    return None


def delayed(case: Case) -> str | None:
    """A warning: the server goes on trying. Tied to the sent mail like a bounce, but no failure."""
    if case.bounce and not case.bounce.is_final:
        return case.bounce.recipients[0].words
    return None


def disposition(case: Case) -> str | None:
    """RFC 8098: it was read, or deleted unread."""
    return _report_type(case.mail, "disposition-notification")


def other_report(case: Case) -> str | None:
    """Any other RFC 6522 report: a success, a complaint (RFC 5965), TLS and DMARC statistics.

    Outlook.com tells of complaints without that type: by its subject, with the mail that was called spam.
    """
    passed_on = any(part.is_mail for part in case.mail.attachments)
    if passed_on and COMPLAINT.match(case.mail.subject):
        return case.mail.subject
    return _report_type(case.mail, r"[\w-]+")


def private_link(case: Case) -> str | None:
    """Whoever reads the link that it quotes can choose the password of somebody else."""
    return "" if case.facts.holds_a_link else None


def blocked_sender(case: Case) -> str | None:
    return case.mail.sender.address if case.facts.sender_blocked else None


def storm(case: Case) -> str | None:
    """`recent_from_sender` counts the mails before this one."""
    return case.mail.sender.address if case.facts.recent_from_sender >= limits.STORM_LIMIT else None


def forward_check(case: Case) -> str | None:
    """A provider asks whether it may forward to us. Before the spam filter's word: setting up waits for it."""
    asked = read_forward_check(case.mail)
    return asked.provider if asked else None


def spam_header(case: Case) -> str | None:
    return first_match(case.mail, SPAM_HEADERS)


def reaction(case: Case) -> str | None:
    """A sign at a mail of ours, by a person: it says nothing that somebody would have to answer."""
    return case.mail.reaction or None


def auto_submitted(case: Case) -> str | None:
    """RFC 3834: everything but `no`."""
    return first_match(case.mail, AUTO_SUBMITTED)


def precedence(case: Case) -> str | None:
    found = first_match(case.mail, PRECEDENCE)
    return (
        None
        if found and "list" in found and is_own_list(case.mail, case.facts, case.envelope_from)
        else found
    )


def list_mail(case: Case) -> str | None:
    """RFC 2369, RFC 2919. A list that is our own address (a group that takes in our mail) says nothing."""
    return (
        None
        if is_own_list(case.mail, case.facts, case.envelope_from)
        else first_match(case.mail, LIST_HEADERS)
    )


def list_envelope(case: Case) -> str | None:
    """Managers that write no List field (mlmmj, ezmlm) show themselves in the return address alone.

    Such an address is also what the services write that carry forms of the web and the desks of others: their mail
    is a person's, unless it is the list that was written to, or writes of itself without being asked.
    """
    mail, envelope = case.mail, case.envelope_from or ""
    if not from_a_robot(mail, envelope, case.facts.own_addresses):
        return None
    is_post = list_behind(envelope) in {mailbox.key for mailbox in (*mail.to, *mail.cc)}
    speaks_itself = related(_domain(unwrapped(envelope)), _domain(mail.sender.key)) and not mail.in_reply_to
    return envelope if is_post or speaks_itself else None


def from_a_robot(mail: Mail, envelope_from: str | None, own_addresses: frozenset[str]) -> bool:
    """By its return address: nobody reads an acknowledgement there, and some take it for a consent.

    A list of our own in front says nothing of the writer, and a form names the person who asks in Reply-To.
    """
    if mail.through is not None:
        return False
    envelope = _case(mail, Facts(), None, envelope_from).envelope_from or ""
    if not is_robots(envelope) or list_behind(envelope) in own_addresses:
        return False
    if unwrapped(envelope).casefold() == mail.sender.key:  # somebody's mailbox, whatever it is called
        return False
    return not any(
        not related(_domain(unwrapped(envelope)), _domain(asked.key))
        and not is_robots(asked.address)
        and not MACHINE_NAMES.fullmatch(asked.address)
        for asked in mail.reply_to
    )


def _domain(address: str) -> str:
    return address.rpartition("@")[2].casefold()


def auto_response_suppress(case: Case) -> str | None:
    """`All` is what programs write of themselves.

    The shorter lists (`DR, OOF, AutoReply`) say nothing about the writer: Exchange adds them to
    the mails of persons that pass through a distribution group.
    """
    return first_match(case.mail, SUPPRESS_ALL)


def vendor_header(case: Case) -> str | None:
    return first_match(case.mail, VENDOR_HEADERS)


def out_of_office_subject(case: Case) -> str | None:
    """The phrase begins the subject: an answer to such a mail (`AW: Abwesenheitsnotiz`) is a person's."""
    found = OUT_OF_OFFICE.fullmatch(case.mail.subject)
    if found and (AFTER_PHRASE.match(found["rest"]) or case.mail.in_reply_to):
        return case.mail.subject
    return None


def null_sender(case: Case) -> str | None:
    """RFC 5321 section 4.5.5: nobody wants to hear of what becomes of this mail."""
    return "<>" if case.envelope_from == "" else None


def mailer_daemon(case: Case) -> str | None:
    """A name behind which nobody reads; but a contact form that names the person in Reply-To is answered,
    and a postmaster who sits at a mail program is a person."""
    address = next((name for name in sender_names(case.mail) if MACHINE_NAMES.fullmatch(name)), None)
    if address is None:
        return None
    if address.lower().startswith("postmaster") and first_match(case.mail, MAIL_PROGRAMS):
        return None
    person = any(not MACHINE_NAMES.fullmatch(other.address) for other in case.mail.reply_to)
    return None if person else address


def is_mail_server(mail: Mail) -> bool:
    """A report or another mail of a mail server itself: nobody who could be a requester."""
    return any(is_server_address(name) for name in sender_names(mail))


def is_server_address(address: str) -> bool:
    return re.match(r"mailer-?daemon\b", address, re.I) is not None


def speaks_for_a_server(mail: Mail, envelope_from: str | None) -> bool:
    """Whether a delivery report may be one: from the null sender (RFC 3464 section 2) or a machine's name."""
    case = _case(mail, Facts(), None, envelope_from)
    return null_sender(case) is not None or any(MACHINE_NAMES.fullmatch(name) for name in sender_names(mail))


def unreadable(case: Case) -> str | None:
    """It broke the limits of reading: a person looks at the original."""
    return "" if "unreadable" in case.mail.defects else None


RULES: tuple[Rule, ...] = (
    Rule(Action.QUIET, "our_answer", our_answer),
    Rule(Action.DROP, "own_mail", own_mail),
    Rule(Action.BOUNCE, "bounce", bounced),
    Rule(Action.BOUNCE, "delayed", delayed),
    Rule(Action.HOLD, "private_link", private_link),
    Rule(Action.DROP, "blocked_sender", blocked_sender),
    Rule(Action.HOLD, "storm", storm),
    Rule(Action.QUIET, "forward_check", forward_check),
    Rule(Action.HOLD, "spam_header", spam_header),
    Rule(Action.QUIET, "disposition", disposition),
    Rule(Action.QUIET, "other_report", other_report),
    Rule(Action.QUIET, "reaction", reaction),
    Rule(Action.QUIET, "auto_submitted", auto_submitted),
    Rule(Action.QUIET, "precedence", precedence),
    Rule(Action.QUIET, "list_mail", list_mail),
    Rule(Action.QUIET, "list_envelope", list_envelope),
    Rule(Action.QUIET, "auto_response_suppress", auto_response_suppress),
    Rule(Action.QUIET, "vendor_header", vendor_header),
    Rule(Action.QUIET, "out_of_office_subject", out_of_office_subject),
    Rule(Action.QUIET, "null_sender", null_sender),
    Rule(Action.QUIET, "mailer_daemon", mailer_daemon),
    Rule(Action.QUIET, "unreadable", unreadable),
)


MACHINE_RULES = tuple(
    r for r in RULES if r.action in (Action.BOUNCE, Action.QUIET) and r.applies != unreadable
)


def _case(mail: Mail, facts: Facts, bounce: Bounce | None, envelope_from: str | None) -> Case:
    return Case(mail, facts, bounce, return_address(mail, envelope_from))


def _first_opinion(rules: Iterable[Rule], case: Case) -> Verdict | None:
    for rule in rules:
        if (words := rule.applies(case)) is not None:
            return Verdict(rule.action, rule.reason, words[:200])
    return None


def is_own_list(mail: Mail, facts: Facts, envelope_from: str | None = None) -> bool:
    """Customers write to a group of the company (Google Groups, Microsoft 365), and it is what brings us the mail."""
    if envelope_from and list_behind(envelope_from) in facts.own_addresses:
        return True
    said = " ".join(mail.header(name) for name in ("list-id", "list-post", "mailing-list")).casefold()
    return any(
        re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w.-])", said)
        for own in facts.own_addresses
        for word in (own, own.replace("@", "."))
    )


def _report_type(mail: Mail, kind: str) -> str | None:
    declared = mail.header("content-type")
    found = re.match(r"\s*multipart/report\b", declared, re.I) and re.search(
        rf'report-type\s*=\s*"?\s*({kind})\s*"?', declared, re.I
    )
    return found[1].lower() if found else None
