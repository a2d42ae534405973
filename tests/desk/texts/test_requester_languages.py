"""The languages of requesters: one that was added speaks where there are words in it, and nowhere else."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default

import pytest
from babel import Locale

from config import LOCALES
from desk.notices import notice_mails, previews
from desk.office import Office
from desk.sending import mail_rendering, replies
from desk.texts import notice_texts, requester_languages
from desk.tickets import tickets
from models import Agent, Channel, Contact, Message, OutboundMail, Ticket, TicketEvent, db
from tests.support.mails import arrive, mail, ticket_of

FRENCH = "Bonjour, j'ai commandé deux articles la semaine dernière et je n'ai encore rien reçu. Merci."


@pytest.fixture
def claires(channel: Channel) -> Ticket:
    """Of a requester who writes French, where that was added before."""
    requester_languages.add("fr")
    return ticket_of(arrive(channel, mail("Claire <claire@client.example>", text=FRENCH)))


def text_of(raw: bytes) -> str:
    message = message_from_bytes(raw, policy=default)
    body = message.get_body(("plain",))  # type: ignore[attr-defined]
    return f"{message['Subject']}\n{body.get_content()}".replace("\r", "")


def answer(ticket: Ticket, alice: Agent, office: Office) -> str:
    sent = replies.send_reply(ticket, alice, replies.Written(text="C'est parti."))
    return text_of(office.blobs.get(sent.mail.sha256))


def test_the_table_has_the_names_that_babel_has() -> None:
    assert {
        code: Locale.parse(code).get_display_name() for code in requester_languages.NAMES
    } == requester_languages.NAMES
    assert list(requester_languages.NAMES)[:2] == list(LOCALES)
    assert max(map(len, requester_languages.NAMES)) <= 5, "as long as the columns"


def test_a_language_that_was_added_is_found_and_spoken_where_it_has_words(
    claires: Ticket, alice: Agent, office: Office
) -> None:
    assert (claires.locale, claires.contact.locale) == ("fr", "fr")
    (queued,) = db.session.query(OutboundMail).filter_by(purpose="confirmation")
    assert "We have received" in text_of(mail_rendering.compose_queued(queued)), (
        "no words yet: the company's language"
    )
    assert "Alice" in (before := answer(claires, alice, office)) and " wrote:" in before
    notice_texts.save("confirmation", "fr", "Bien reçu [#{{ticket.number}}]", "Bonjour {{ticket.number}} !")
    body = "{{reply.body}}\n\n{{agent.name}}\n\n{{quoted_history}}"
    notice_texts.save("ticket_reply", "fr", "", body, "Le {{message.date}}, {{sender.name}} a écrit :")
    assert text_of(mail_rendering.compose_queued(queued)).startswith(
        f"Bien reçu [#{claires.number}]\nBonjour"
    )
    text = answer(claires, alice, office)
    day = Locale.parse("fr").months["format"]["wide"][claires.created_at.month]
    assert f" {day} " in text and "Claire a écrit :\n> Bonjour" in text and "wrote" not in text
    assert text.startswith("Re: ")


@pytest.mark.parametrize(
    ("locale", "added", "words", "speaks"),
    [
        ("de", False, False, "de"),
        ("en", False, False, "en"),
        ("fr", True, True, "fr"),
        ("fr", True, False, "company"),
        ("fr", False, False, "company"),
        ("it", True, True, "company"),
    ],
)
def test_which_language_a_mail_to_a_requester_speaks(
    app: object, locale: str, added: bool, words: bool, speaks: str
) -> None:
    if added:
        requester_languages.add("fr")
    if words:
        notice_texts.save("resolved", "fr", "Fini", "C'est fini.")
    company = requester_languages.the_account().locale
    assert requester_languages.of_mail("resolved", locale) == (company if speaks == "company" else speaks)
    assert requester_languages.of_mail("confirmation", locale) == (locale if locale in LOCALES else company)


def test_a_language_that_somebody_just_added_is_refused(app: object, monkeypatch: pytest.MonkeyPatch) -> None:
    requester_languages.add("fr")
    monkeypatch.setattr(
        requester_languages, "addable", lambda: {"fr": "Français"}
    )  # asked before the other's commit
    with pytest.raises(KeyError):
        requester_languages.add("fr")
    assert requester_languages.further() == ("fr",)


def test_a_language_goes_with_its_texts(claires: Ticket) -> None:
    notice_texts.save("resolved", "fr", "Fini", "C'est fini.")
    claires.channel.locale = "fr"
    db.session.commit()
    assert requester_languages.texts("fr") == 1
    requester_languages.remove("fr")
    assert claires.channel.locale == "", "or its form could not be saved any more"
    assert (requester_languages.texts("fr"), requester_languages.further()) == (0, ())
    assert (claires.locale, requester_languages.of_mail("resolved", claires.locale)) == ("fr", "en")
    requester_languages.add("fr")
    assert requester_languages.of_mail("resolved", "fr") == "en", "its texts are gone"
    with pytest.raises(KeyError):
        requester_languages.add("fr")
    with pytest.raises(KeyError):
        requester_languages.add("klingon")


def test_who_spoke_before_the_language_was_added_is_told_by_an_agent(channel: Channel, alice: Agent) -> None:
    ticket = ticket_of(arrive(channel, mail("Claire <claire@client.example>", text=FRENCH)))
    assert (ticket.locale, ticket.contact.locale) == ("en", "")
    requester_languages.add("fr")
    tickets.set_language(ticket, "fr", alice)
    assert (ticket.locale, db.session.query(Contact).one().locale) == ("fr", "fr")
    event = db.session.query(TicketEvent).filter_by(kind="language").one()
    assert event.details == {"old": "English", "new": "français"}
    with pytest.raises(KeyError):
        tickets.set_language(ticket, "it", alice)
    assert ticket_of(arrive(channel, mail("claire@client.example", text="?"))).locale == "fr"


def test_a_text_begins_with_what_is_sent_without_it(app: object) -> None:
    requester_languages.add("fr")
    assert previews.to_edit("resolved", "fr") == previews.ours("resolved", "en")
    notice_texts.save("resolved", "en", "Done", "It is done.")
    assert previews.to_edit("resolved", "fr").subject == "Done"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("", "empty"),
        ("Le {{ticket.number}}", "unknown"),
        ("Le {{message.date", "broken"),
        ("x" * 201, "long"),
    ],
)
def test_the_line_above_a_quotation_is_needed_in_a_language_of_its_own(
    app: object, line: str, code: str
) -> None:
    requester_languages.add("fr")
    with pytest.raises(notice_texts.TextRefused) as refused:
        notice_texts.save("ticket_reply", "fr", "", "{{reply.body}}", line)
    assert (refused.value.field, refused.value.code) == ("quote_line", code)


def test_arabic_is_written_from_the_right_and_dated_in_arabic(channel: Channel, alice: Agent) -> None:
    requester_languages.add("ar")
    notice_texts.save(
        "ticket_reply", "ar", "", "{{reply.body}}\n\n{{quoted_history}}", "{{message.date}} {{sender.name}}:"
    )
    ticket = ticket_of(arrive(channel, mail()))
    _, text, html, _ = previews.preview("ticket_reply", "ar", alice, ticket)
    assert '<html lang="ar" dir="rtl">' in html
    message = db.session.query(Message).one()
    assert Locale.parse("ar").months["format"]["wide"][message.created_at.month] in text


def test_agents_are_never_written_to_in_it(channel: Channel, alice: Agent) -> None:
    requester_languages.add("fr")
    arrive(channel, mail("claire@client.example", text=FRENCH))
    notice_mails.gather(at_once=True)
    (queued,) = db.session.query(OutboundMail).filter_by(purpose="new_ticket")
    assert "New ticket" in text_of(mail_rendering.compose_queued(queued))
