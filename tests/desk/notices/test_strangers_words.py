"""What a stranger wrote is carried to themselves alone: names, subjects and placeholders in automatic mail."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest

from desk.notices import notice_mails, previews
from desk.office import Office
from desk.receiving import intake, receiver
from desk.sending import mail_rendering
from desk.telling import who_hears
from desk.texts import notice_texts
from desk.texts.notice_placeholders import TO_REQUESTERS
from desk.tickets import participants, tickets
from mail.providers.lookup import Unanswered
from models import Agent, Channel, OutboundMail, Status, db
from tests.support.mails import arrive, mail, ticket_of

MX = "mx.acme.example"
NAME, SUBJECT = "Konrad Fremdwort", "Zahlungserinnerung Altbestand"
CONFIRMED, NOT_CHECKED, FAILED = "pass", "", "fail"
ZONE = {
    "_dmarc.customer.example": [b"v=DMARC1; p=reject"],
    "_dmarc.own.customer.example": [b"v=DMARC1; p=none; psd=n"],
}
GERMAN = "Guten Tag, ich habe eine Frage und bitte um Hilfe."
ENGLISH = "Hello, I have a question, please help me."
EVERYTHING = "\n".join(f"{name}: {{{{{name}}}}}" for name in TO_REQUESTERS)


@pytest.fixture(autouse=True)
def known_server(channel: Channel, office: Office) -> None:
    channel.authserv_id = MX
    db.session.commit()
    office.lookup = lambda name, kind: ZONE.get(name, []) if kind == "TXT" else []


def came(
    channel: Channel, sender: str = f"{NAME} <carol@customer.example>", checked: str = CONFIRMED, **how: str
) -> None:
    if checked:
        domain = sender.rpartition("@")[2].rstrip(">")
        how["authentication_results"] = (
            f"{MX}; dmarc={checked} header.from={domain}; dkim={checked} header.d={domain}"
        )
    arrive(channel, mail(sender, how.pop("subject", SUBJECT), how.pop("text", ENGLISH), **how))


def automatic(purpose: str = "confirmation") -> tuple[str, EmailMessage]:
    """To whom it goes, and what."""
    (row,) = db.session.query(OutboundMail).filter_by(purpose=purpose)
    parsed = message_from_bytes(mail_rendering.compose_queued(row), policy=default)
    assert isinstance(parsed, EmailMessage)
    return row.recipients[0].address, parsed


def everything(made: EmailMessage) -> str:
    """Headers and both bodies as a reader sees them; not the Message-ID that it answers."""
    del made["In-Reply-To"], made["References"]
    bodies = [made.get_body((kind,)) for kind in ("plain", "html")]
    return "\n".join(
        [
            *(f"{name}: {value}" for name, value in made.items()),
            *(body.get_content() for body in bodies if body),
        ]
    )


def words_in(text: str) -> set[str]:
    return {word for word in (NAME, SUBJECT, "carol", "evil") if word in text}


# --- to whom


SITUATIONS: list[Any] = [
    # how it came, where the confirmation goes, whether it has words
    pytest.param({}, "carol@customer.example", True, id="no Reply-To"),
    pytest.param({"reply_to": "Carol@Customer.example"}, "Carol@Customer.example", True, id="the same address"),
    pytest.param({"reply_to": "carol+x@customer.example"}, "carol+x@customer.example", True, id="a plus address"),
    pytest.param({"reply_to": "office@customer.example"}, "office@customer.example", True, id="the same domain"),
    pytest.param({"reply_to": "a@mail.customer.example"}, "a@mail.customer.example", True, id="below the domain"),
    pytest.param(
        {"sender": f"{NAME} <carol@mail.customer.example>", "reply_to": "a@customer.example"},
        "a@customer.example", True, id="above the domain",
    ),
    pytest.param({"reply_to": "a@own.customer.example"}, "a@own.customer.example", False, id="an organisation of its own"),
    pytest.param({"reply_to": "a@sub.nobody.example"}, "a@sub.nobody.example", False, id="a domain of others"),
    pytest.param({"reply_to": "victim@victim.example"}, "victim@victim.example", False, id="a third party"),
    pytest.param({"reply_to": "alice@acme.example"}, "alice@acme.example", False, id="an agent as third party"),
    pytest.param({"reply_to": "a@evilcustomer.example"}, "a@evilcustomer.example", False, id="a domain that ends alike"),
    pytest.param(
        {"reply_to": "victim@victim.example, carol@customer.example"}, "victim@victim.example", False, id="a list, others first"
    ),
    pytest.param(
        {"reply_to": "carol@customer.example, victim@victim.example"}, "carol@customer.example", True, id="a list, own first"
    ),
    pytest.param(
        {"sender": f"{NAME} <form@shop.example>", "reply_to": "customer@mail.example"}, "customer@mail.example", False,
        id="a web form",
    ),
    pytest.param({"checked": NOT_CHECKED}, "carol@customer.example", False, id="nobody checked"),
    pytest.param(
        {"checked": NOT_CHECKED, "reply_to": "office@customer.example"}, "office@customer.example", False,
        id="nobody checked, the same domain",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("how", "reader", "has_words"), SITUATIONS)
@pytest.mark.parametrize("text", [GERMAN, ENGLISH], ids=["de", "en"])
def test_words_go_to_their_author_alone(
    channel: Channel, how: dict[str, str], reader: str, has_words: bool, text: str
) -> None:
    came(channel, text=text, **how)
    address, made = automatic()
    said = everything(made)
    assert address == reader and "[#1001]" in made["Subject"]
    assert (SUBJECT in made["Subject"], NAME in made["To"]) == (has_words, has_words)
    assert has_words or words_in(said.replace(reader, "")) == set()
    assert ("Guten Tag" in said) == (text == GERMAN)


@pytest.mark.parametrize("how", [case.values[0] for case in SITUATIONS], ids=[case.id for case in SITUATIONS])
def test_every_placeholder_in_a_text_of_an_administrator(channel: Channel, how: dict[str, str]) -> None:
    for locale in ("de", "en"):
        notice_texts.save("confirmation", locale, "{{requester.name}}: {{ticket.subject}}", EVERYTHING)
    came(channel, **how)
    has_words = next(case.values[2] for case in SITUATIONS if case.values[0] is how)
    address, made = automatic()
    said = everything(made)
    assert (words_in(said.replace(address, "")) >= {NAME, SUBJECT}) == has_words
    assert has_words or words_in(said.replace(address, "")) == set()
    assert "ticket.number: 1001" in said and "company.name: Acme GmbH" in said and "{{" not in said
    assert "[#1001]" in made["Subject"] and made["Subject"].replace("[#1001]", "").strip(" :")


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("Hello {{requester.name}},", "Hello,"),
        ("Your request “{{ticket.subject}}” (#{{ticket.number}}) is here.", "Your request (#1001) is here."),
        ("Ihre Anfrage „{{ticket.subject}}“ ist da.", "Ihre Anfrage ist da."),
        ("Your request: {{ticket.subject}}", "Your request"),
        ("Request ({{ticket.subject}})", "Request"),
    ],
)
def test_a_text_without_the_words_reads_well(channel: Channel, body: str, shown: str) -> None:
    notice_texts.save("confirmation", "en", "Received", body)
    came(channel, reply_to="victim@victim.example")
    plain = automatic()[1].get_body(("plain",))
    assert plain is not None and plain.get_content().splitlines()[0] == shown


def test_silent_name_servers_are_no_proof(channel: Channel, office: Office) -> None:
    def silent(name: str, kind: str) -> list[Any]:
        raise Unanswered(name)

    came(channel, reply_to="a@mail.customer.example")
    office.lookup = silent
    assert words_in(everything(automatic()[1]).replace("a@mail.customer.example", "")) == set()


def test_a_forged_sender_gets_nothing(channel: Channel) -> None:
    came(channel, checked=FAILED, reply_to="victim@victim.example")
    assert db.session.query(OutboundMail).filter_by(purpose="confirmation").count() == 0


# --- web addresses


@pytest.mark.parametrize(
    ("name", "subject", "named", "titled"),
    [
        (NAME, "Konto prüfen: https://evil.example/x", True, False),
        (NAME, "evil.com", True, False),
        ("Bank www.evil.example", SUBJECT, False, True),
        ("Bank evil.de", "evil.de", False, False),
        (NAME, "Rechnung.pdf", True, True),
        ("Müller & Co.", SUBJECT, True, True),
    ],
)
def test_web_addresses_go_to_nobody(
    channel: Channel, name: str, subject: str, named: bool, titled: bool
) -> None:
    notice_texts.save("confirmation", "en", "We have it: {{ticket.subject}}", EVERYTHING)
    came(channel, sender=f'"{name}" <carol@customer.example>', subject=subject)
    _, made = automatic()
    said = everything(made)
    assert (name in made["To"], f"requester.name: {name}" in said) == (named, named)
    assert (subject in made["Subject"], f"ticket.subject: {subject}" in said) == (titled, titled)
    assert "evil" not in said


# --- the notice of the end, and the preview


@pytest.mark.parametrize(("subject", "shown"), [(SUBJECT, True), ("see evil.com", False)])
def test_the_end_of_a_ticket_tells_no_more(channel: Channel, alice: Agent, subject: str, shown: bool) -> None:
    who_hears.switch("resolved", True)
    notice_texts.save("resolved", "en", "Done: {{ticket.subject}}", EVERYTHING)
    came(channel, subject=subject)
    ticket = ticket_of_last()
    tickets.set_status(ticket, Status.RESOLVED, alice)
    notice_mails.gather(at_once=True)
    address, made = automatic("resolved")
    assert address == "carol@customer.example" and (subject in everything(made)) == shown


@pytest.mark.parametrize(
    ("reader", "shown"), [("office@customer.example", True), ("victim@victim.example", False)]
)
def test_the_end_of_a_ticket_is_told_where_the_answers_go(
    channel: Channel, alice: Agent, reader: str, shown: bool
) -> None:
    who_hears.switch("resolved", True)
    notice_texts.save("resolved", "en", "Done: {{ticket.subject}}", EVERYTHING)
    came(channel, reply_to=reader)
    tickets.set_status(ticket_of_last(), Status.RESOLVED, alice)
    notice_mails.gather(at_once=True)
    address, made = automatic("resolved")
    assert (address, SUBJECT in everything(made)) == (reader, shown)


def ticket_of_last() -> Any:
    return db.session.query(OutboundMail).filter_by(purpose="confirmation").one().ticket


@pytest.mark.parametrize(
    ("reply_to", "shown"), [("office@customer.example", True), ("victim@victim.example", False)]
)
def test_the_preview_of_a_real_ticket_shows_what_its_reader_sees(
    channel: Channel, alice: Agent, reply_to: str, shown: bool
) -> None:
    came(channel, reply_to=reply_to)
    seen = previews.preview("confirmation", "en", alice, ticket_of_last())
    assert (SUBJECT in seen.subject) == shown


def test_what_agents_are_told_has_the_words(channel: Channel, alice: Agent) -> None:
    came(channel, subject="see https://evil.example", reply_to="victim@victim.example")
    notice_mails.gather(at_once=True)
    row = db.session.query(OutboundMail).filter_by(agent_id=alice.id).one()
    assert b"evil.example" in mail_rendering.compose_queued(row)


def test_the_answer_of_a_person_goes_the_same_way(channel: Channel) -> None:
    """The confirmation never goes elsewhere than the answer would."""
    for how in (case.values[0] for case in SITUATIONS):
        row = arrive(
            channel,
            mail(
                how.get("sender", "carol@customer.example"),
                reply_to=how.get("reply_to", "carol@customer.example"),
            ),
        )
        confirmations = db.session.query(OutboundMail).filter_by(
            purpose="confirmation", ticket_id=row.ticket_id
        )
        answered = participants.recipients(ticket_of(row))[0].address
        assert {one.recipients[0].address for one in confirmations} <= {answered}


def test_who_could_not_be_checked_in_time_gets_no_words(channel: Channel, office: Office) -> None:
    """Our own check had no answer, which a stranger can bring about."""

    def silent(name: str, kind: str) -> list[Any]:
        raise Unanswered(name)

    channel.authserv_id, office.lookup = "", silent
    db.session.commit()
    raw = mail(f"{NAME} <carol@customer.example>", SUBJECT, ENGLISH)
    rows = receiver.take(raw, "x@evil.example", [channel.address], "smtp", "93.184.215.14").rows
    intake.process(rows[0])
    reader, sent = automatic()
    assert reader == "carol@customer.example"
    assert NAME not in sent.as_string() and SUBJECT not in str(sent["Subject"])
