"""What a check of the deliverability found, in words: each verdict with its reason and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask_babel import format_date, gettext
from flask_babel import lazy_gettext as _l

from blueprints.labels.codes import FAILURE
from desk.checks.deliverability import Examination, Finding

TOPIC = {
    "mx": _l("Where mail for the address goes (MX)"),
    "spf": _l("Who may send (SPF)"),
    "dkim": _l("Signature (DKIM)"),
    "dmarc": _l("What receivers shall do (DMARC)"),
    "ptr": _l("Name of the sending server (PTR)"),
    "forward": _l("Answers to forwarded mail"),
    "tls": _l("Encryption to the outgoing server"),
    "mx_tls": _l("Encryption of incoming mail"),
}
VERDICT = {
    "ok": _l("All right"),
    "warning": _l("Could be better"),
    "problem": _l("Problem"),
    "unknown": _l("Not known"),
}
# The state of a step in the list, as the connection test has them.
STATE = {"ok": "ok", "warning": "warning", "problem": "failed", "unknown": "skipped"}
UNANSWERED = _l("The name servers did not answer in time. Please check again later.")
SENTENCE = {
    "mx.ok": _l("Mail goes to %(hosts)s."),
    "mx.missing": _l("No server takes mail for this domain: answers and delivery reports do not arrive."),
    "mx.only_address": _l("There is no MX record. Mail goes to the domain's own address, which some servers refuse."),
    "mx.null": _l("The domain says that it takes no mail at all (null MX)."),
    "mx.is_address": _l("The MX record names the address %(host)s; a name is demanded there."),
    "mx.dangling": _l("The MX record names %(host)s, which has no address."),
    "mx.private": _l("The MX record names %(host)s, whose address cannot be reached from the internet."),
    "spf.ok": _l("Your outgoing server may send for the domain. The record costs %(questions)s of 10 look-ups."),
    "spf.missing": _l("There is no SPF record: receivers cannot know who may send, and many refuse the mail."),
    "spf.not_allowed": _l("Your outgoing server is not among those that may send for the domain."),
    "spf.unsure": _l(
        "The record is valid (%(questions)s of 10 look-ups). Whether your provider sends from one of its servers "
        "cannot be seen from outside; its help pages name the entry."
    ),
    "spf.everybody": _l("The record ends in “+all”: it allows the whole world to send in your name."),
    "spf.open": _l("The record does not say what holds for all other servers. End it with “~all” or “-all”."),
    "spf.near_the_limit": _l(
        "Your outgoing server may send, but the record costs %(questions)s of 10 look-ups: the next change at one "
        "of the providers may make it invalid. Remove what you no longer use."
    ),
    "spf.too_many": _l(
        "The record costs %(questions)s look-ups, 10 are allowed: receivers take it as invalid. Remove what you no "
        "longer use."
    ),
    "spf.several": _l("%(where)s has more than one SPF record, so none counts. Join them to one."),
    "spf.syntax": _l("The record has a mistake at “%(where)s”, so it does not count."),
    "spf.loop": _l("The record includes itself by way of %(where)s, so it does not count."),
    "spf.no_record": _l("The record includes %(where)s, which has no SPF record, so it does not count."),
    "spf.void": _l("%(where)s of the names in the record lead nowhere, two are allowed: it does not count."),
    "spf.mx": _l("%(where)s has more than ten mail servers, so the record does not count."),
    "dkim.ok": _l("Mail is signed, and DNS shows the key (selector %(selector)s)."),
    "dkim.no_key": _l("Mail is not signed. Make a key on this page and enter its line in DNS."),
    "dkim.waiting": _l("The key is made, but DNS does not show it yet."),
    "dkim.ready": _l("DNS shows the key. Switch on the signing on this page."),
    "dkim.gone": _l("Mail is signed, but DNS does not show the key any more: every signature fails."),
    "dkim.other_key": _l("DNS shows another key under this selector."),
    "dkim.found": _l("DNS has a key of %(bits)s bits (selector %(selector)s). The outgoing server can sign with it."),
    "dkim.weak": _l("The key (selector %(selector)s) has only %(bits)s bits; 2048 are usual today."),
    "dkim.useless": _l("The key (selector %(selector)s) is too short or cannot be read: nobody accepts it."),
    "dkim.revoked": _l("The key (selector %(selector)s) was revoked."),
    "dkim.not_found": _l(
        "No key was found under the names that are usual. Under which name your provider signs cannot be seen from "
        "outside; switch DKIM on in its settings."
    ),
    "dmarc.ok": _l("The policy is “%(policy)s”, and your mail fulfils it."),
    "dmarc.watching": _l("The policy is “none” (only watch), and your mail would fulfil a stricter one."),
    "dmarc.missing": _l("There is no DMARC record. Large providers expect one."),
    "dmarc.several": _l("There is more than one DMARC record, so none counts."),
    "dmarc.invalid": _l("The DMARC record has no valid policy (p=none, quarantine or reject), so it does not count."),
    "dmarc.refused": _l(
        "The policy is “%(policy)s”, but neither SPF nor DKIM confirms your mail: receivers refuse it or take "
        "it for spam."
    ),
    "dmarc.unproven": _l("The policy is “none”, but neither SPF nor DKIM confirms your mail."),
    "dmarc.unsure": _l(
        "The policy is “%(policy)s”. Whether SPF or DKIM confirms your mail cannot be seen from outside; send a test "
        "mail and look at its headers."
    ),
    "ptr.ok": _l("%(address)s is called %(name)s, and that name leads back."),
    "ptr.provider": _l("%(provider)s looks after the names of its servers."),
    "ptr.missing": _l("%(address)s has no name: many receivers refuse mail from such a server. Its host enters it."),
    "ptr.one_way": _l("%(address)s is called %(name)s, but that name does not lead back to it."),
    "ptr.no_public_address": _l("From which public address mail leaves cannot be seen here."),
    "forward.ok": _l("Answers leave from %(address)s."),
    "forward.proven": _l(
        "Customers wrote to %(outside)s, and answers leave from %(address)s. They are confirmed and should arrive, "
        "but the other address can surprise readers and spam filters. Connecting the mailbox avoids that."
    ),
    "forward.unproven": _l(
        "Customers wrote to %(outside)s, and answers leave from %(address)s, which neither SPF nor DKIM confirms: "
        "they will probably be taken for spam. Connect the mailbox instead, or mend SPF and DKIM."
    ),
    "forward.unsure": _l(
        "Customers wrote to %(outside)s, and answers leave from %(address)s. Whether SPF or DKIM confirms them "
        "cannot be seen from outside; they may be taken for spam. Connecting the mailbox avoids that."
    ),
    "tls.ok": _l("%(host)s encrypts (%(protocol)s), its certificate is valid until %(until)s."),
    "tls.local": _l("%(host)s stands in your own network and is spoken to without encryption."),
    "tls.plain": _l("Mail goes to %(host)s without encryption: everybody on the way can read it and the password."),
    "tls.failed": _l("%(host)s: %(failure)s"),
    "tls.no_relay": _l("No outgoing server is set up: nothing leaves."),
    "mx_tls.ok": _l("%(host)s offers encryption (%(protocol)s), its certificate is valid until %(until)s."),
    "mx_tls.plain": _l("%(host)s offers no encryption: mail to you can be read on its way."),
    "mx_tls.certificate": _l("%(host)s encrypts, but its certificate cannot be verified: %(failure)s"),
    "mx_tls.not_reached": _l("%(host)s could not be reached on port %(port)s, which many networks block outwards."),
    "mx_tls.no_server": _l("There is no server to look at."),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ShownFinding:
    """`state` is one of a step's; `lines` are (name, type, value) to enter in DNS."""

    state: str
    title: str
    verdict: str = ""
    text: str = ""
    lines: tuple[tuple[str, str, str], ...] = ()
    details: str = ""
    by_dns: bool = True


@dataclass(frozen=True, slots=True)
class ShownExamination:
    token: str
    running: bool
    seen: int
    findings: list[ShownFinding]


def shown_examination(examination: Examination) -> ShownExamination:
    running = examination.running  # asked first: what is found meanwhile is shown, not missed
    found = dict(examination.findings)
    shown = [_shown(topic, found.get(topic), running) for topic in examination.topics]
    return ShownExamination(examination.token, running, len(found), shown)


def _shown(topic: str, finding: Finding | None, running: bool) -> ShownFinding:
    title = str(TOPIC[topic])
    if finding is None and running:
        return ShownFinding("waiting", title)
    if finding is None:
        return ShownFinding("skipped", title, str(VERDICT["unknown"]), str(UNANSWERED))
    return ShownFinding(
        STATE[finding.verdict],
        title,
        str(VERDICT[finding.verdict]),
        sentence(finding),
        finding.lines,
        "\n".join(text for text in finding.shown if text),
        by_dns=topic not in ("tls", "mx_tls"),
    )


def sentence(finding: Finding) -> str:
    if finding.code == "unanswered":
        return str(UNANSWERED)
    facts = dict(finding.facts)
    if "failure" in facts:
        facts["failure"] = str(FAILURE.get(facts["failure"], FAILURE["internal"]))
    until = facts.get("not_after")
    facts["until"] = (
        format_date(datetime.fromisoformat(until), "long") if until else gettext("an unknown day")
    )
    return str(SENTENCE[f"{finding.topic}.{finding.code}"]) % facts
