"""Mail behind a list of our own, a form, certified mail: whose ticket it is, whose storm, and what it proves."""

from __future__ import annotations

from email import message_from_bytes, policy

import pytest

from desk.files import content
from desk.notices import notice_mails, previews
from desk.office import Office, signing_key
from desk.receiving import blocking
from desk.sending import mail_rendering, replies
from desk.telling import who_hears
from desk.texts import notice_texts
from desk.tickets import participants, requester, tickets
from mail import ids
from mail.judging import limits
from models import (
    Agent,
    Channel,
    Contact,
    InboundMail,
    InboundState,
    Message,
    OutboundMail,
    Outcome,
    Status,
    Ticket,
    db,
)
from tests.support.mails import arrive, mail, ticket_of

LIST = "liste@lists.example.org"
ENVELOPE = "liste-bounces@lists.example.org"
MX = "mx.acme.example"
MAX = "Max Muster <max@example.net>"


@pytest.fixture
def group(channel: Channel) -> Channel:
    """The default channel, which a list of ours brings its mail."""
    channel.forwarded_from = LIST
    db.session.commit()
    return channel


@pytest.fixture
def forms(channel: Channel) -> Channel:
    channel.requester_from_reply_to = True
    db.session.commit()
    return channel


def posted(author: str = MAX, name: str = "", **fields: str) -> bytes:
    """What Mailman makes of a post of this author, whose domain has a policy."""
    name = name or f"{author.partition(' <')[0]} über Liste"
    given = {
        "to": f"Liste <{LIST}>",
        "precedence": "list",
        "list_post": f"<mailto:{LIST}>",
        "reply_to": author,
    }
    return mail(f"{name} <{LIST}>", **given | fields)


def filled_in(
    customer: str = "Karl Kunde <karl@mail.example>", sender: str = "website@acme.example", **how: str
) -> bytes:
    return mail(f"Kontaktformular <{sender}>", reply_to=customer, **how)


def message_of(row: InboundMail) -> Message:
    return db.session.query(Message).filter_by(inbound_id=row.id).one()


def sent(purpose: str) -> list[str]:
    return [mail.recipients[0].address for mail in db.session.query(OutboundMail).filter_by(purpose=purpose)]


# --- a list of our own


def test_the_person_behind_our_list_is_the_requester(group: Channel, alice: Agent) -> None:
    row = arrive(group, posted(), envelope_from=ENVELOPE)
    ticket, message = ticket_of(row), message_of(row)
    assert (row.outcome, row.reason, row.sender) == (Outcome.NEW_TICKET, "person", "max@example.net")
    assert (ticket.contact.address, ticket.shown_requester) == ("max@example.net", "Max Muster")
    assert (message.from_address, message.through, message.sender_state) == (
        "max@example.net",
        LIST,
        "unchecked",
    )
    assert sent("confirmation") == ["max@example.net"]
    reply = replies.send_reply(ticket, alice, replies.Written(text="Yes.")).message
    assert reply.to == [{"name": "Max Muster", "address": "max@example.net"}]


def test_where_the_list_is_not_ours_it_stays_a_machine(channel: Channel) -> None:
    row = arrive(channel, posted(), envelope_from=ENVELOPE)
    assert row.outcome == Outcome.QUIET and row.sender == LIST
    assert sent("confirmation") == [] and ticket_of(row).contact.address == LIST


def test_what_a_machine_sends_through_our_list_stays_a_machines(group: Channel) -> None:
    for fields in ({"author": "Shop <noreply@shop.example>"}, {"auto_submitted": "auto-replied"}):
        assert arrive(group, posted(**fields), envelope_from=ENVELOPE).outcome == Outcome.QUIET
    assert sent("confirmation") == []


def test_seventy_customers_of_one_list_are_seventy_senders(group: Channel) -> None:
    for number in range(limits.STORM_LIMIT + 10):
        raw = posted(f"Customer {number} <c{number}@example.net>")
        assert arrive(group, raw, envelope_from=ENVELOPE).state == InboundState.FILED, number
    assert db.session.query(Contact).count() == limits.STORM_LIMIT + 10


def test_one_customer_behind_the_list_is_one_storm_and_one_block(group: Channel, alice: Agent) -> None:
    rows = [arrive(group, posted(), envelope_from=ENVELOPE) for _ in range(limits.STORM_LIMIT + 1)]
    assert [row.state for row in rows[-2:]] == [InboundState.FILED, InboundState.HELD]
    assert rows[-1].reason == "storm"
    blocking.block("@evil.example", alice)
    evil = arrive(group, posted("Eve <eve@evil.example>"), envelope_from=ENVELOPE)
    assert (evil.outcome, evil.reason) == (Outcome.DROPPED, "blocked_sender")
    assert blocking.blocked()[0].stopped == 1


def test_each_speaks_their_own_language(group: Channel) -> None:
    german, english = (
        "Guten Tag, ich habe eine Frage und bitte um Hilfe.",
        "Hello, I have a question, please help me.",
    )
    for author, text, locale in (("A <a@example.net>", german, "de"), ("B <b@example.net>", english, "en")):
        assert ticket_of(arrive(group, posted(author, text=text), envelope_from=ENVELOPE)).locale == locale


def test_an_agent_behind_the_list_is_not_believed(group: Channel, alice: Agent) -> None:
    row = arrive(group, posted(f"Alice <{alice.email}>"), envelope_from=ENVELOPE)
    assert message_of(row).posing


def test_a_group_that_asks_for_answers_to_itself_gets_none(group: Channel) -> None:
    raw = mail("Rita <rita@rat.example>", to=LIST, list_id="<liste.lists.example.org>", reply_to=LIST)
    row = arrive(group, raw)
    assert [one.address for one in participants.recipients(ticket_of(row))] == ["rita@rat.example"]
    assert sent("confirmation") == ["rita@rat.example"]


# --- what a name behind a list proves: nothing


@pytest.mark.parametrize(
    "checked", ["", "dkim=pass header.d=lists.example.org; dmarc=pass header.from=lists.example.org"]
)
@pytest.mark.parametrize("named", ["reply_to", "x_original_from"])
@pytest.mark.parametrize("clue", ["subject", "in_reply_to"])
def test_who_names_carol_behind_our_list_is_in_none_of_her_tickets(
    group: Channel, checked: str, named: str, clue: str
) -> None:
    """Whoever posts to the list writes into Reply-To what they like, and the list's signature covers it."""
    group.authserv_id = MX
    db.session.commit()
    first = mail(message_id="<first@customer.example>")
    carols = ticket_of(arrive(group, first))
    given = (
        {"subject": f"[#{carols.number}]"}
        if clue == "subject"
        else {"in_reply_to": "<first@customer.example>"}
    )
    given |= {"reply_to": "", named: "Carol <carol@customer.example>"}
    if checked:
        given["authentication_results"] = f"{MX}; {checked}"
    raw = posted(**{name: value for name, value in given.items() if value})
    row = arrive(group, raw, envelope_from=ENVELOPE)
    ticket, message = ticket_of(row), message_of(row)
    assert ticket.id != carols.id and ticket.maybe_id == carols.id
    assert (message.sender_state, ticket.contact.address) == ("unchecked", "carol@customer.example")
    (*_, confirmation) = db.session.query(OutboundMail).filter_by(purpose="confirmation")
    made = message_from_bytes(mail_rendering.compose_queued(confirmation), policy=policy.default)
    assert confirmation.recipients[0].address == "carol@customer.example"
    assert "Carol" not in str(made["To"]) and "Delivery" not in made["Subject"]


def test_a_forged_list_is_refuted(group: Channel) -> None:
    group.authserv_id = MX
    db.session.commit()
    raw = posted(authentication_results=f"{MX}; dmarc=fail header.from=lists.example.org")
    message = message_of(arrive(group, raw, envelope_from=ENVELOPE))
    assert message.refuted and message.sender_state == "unconfirmed"
    assert sent("confirmation") == []


def test_an_answer_through_the_list_counts_where_they_came_by_it_before(group: Channel, alice: Agent) -> None:
    maxs, carols = (
        ticket_of(arrive(group, raw, envelope_from=envelope))
        for raw, envelope in ((posted(), ENVELOPE), (mail(), "carol@customer.example"))
    )
    for ticket, author, newcomer in (
        (maxs, MAX, False),
        (maxs, "Eve <eve@evil.example>", True),
        (carols, "Carol <carol@customer.example>", True),
    ):
        reply = replies.send_reply(ticket, alice, replies.Written(text="Well?")).message
        answer = arrive(group, posted(author, in_reply_to=reply.message_id), envelope_from=ENVELOPE)
        assert (ticket_of(answer).id, message_of(answer).newcomer) == (ticket.id, newcomer), author
        expected = {maxs.id: "max@example.net", carols.id: "carol@customer.example"}[ticket.id]
        assert [one.address for one in participants.recipients(ticket)] == [expected]


# --- certified mail


def certified(person: str, name: str, **fields: str) -> bytes:
    return mail(
        f'"Per conto di: {person}" <posta-certificata@pec.gestore.example>',
        "POSTA CERTIFICATA: Reclamo", x_trasporto="posta-certificata", reply_to=f"{name} <{person}>", **fields,
    )  # fmt: skip


def test_two_customers_of_one_provider_are_two_people(channel: Channel, alice: Agent) -> None:
    found = []
    for person, name in (("mario.rossi@pec.example", "Mario Rossi"), ("anna@pec.example", "Anna Bianchi")):
        ticket = ticket_of(arrive(channel, certified(person, name)))
        found.append(ticket.contact_id)
        assert (ticket.contact.address, ticket.shown_requester) == (person, name)
        reply = replies.send_reply(ticket, alice, replies.Written(text="Si.")).message
        assert reply.to == [{"name": name, "address": person}]
        assert participants.participants(ticket) == {person}
    assert len(set(found)) == 2


def test_the_second_does_not_get_into_the_ticket_of_the_first(channel: Channel) -> None:
    first = ticket_of(arrive(channel, certified("mario.rossi@pec.example", "Mario Rossi")))
    other = arrive(channel, mail(
        '"Per conto di: mario.rossi@pec.example" <posta-certificata@pec.gestore.example>', f"Re: [#{first.number}]"
    ))  # fmt: skip
    assert ticket_of(other).maybe_id == first.id


MARIO, PROVIDER = "mario.rossi@pec.example", "posta-certificata@pec.gestore.example"


@pytest.mark.parametrize(
    ("results", "confirmed"),
    [
        ("", []),
        ("dmarc=pass header.from=pec.gestore.example; dkim=pass header.d=pec.gestore.example", [MARIO]),
        ("dmarc=fail header.from=pec.gestore.example", []),
        ("dkim=pass header.d=evil.example; spf=pass smtp.mailfrom=x@evil.example", []),
    ],
)
def test_whom_only_a_lookalike_names_gets_no_confirmation(
    channel: Channel, results: str, confirmed: list[str]
) -> None:
    channel.authserv_id = MX
    db.session.commit()
    given = {"authentication_results": f"{MX}; {results}"} if results else {}
    row = arrive(channel, certified(MARIO, "Mario Rossi", **given))
    assert row.outcome == Outcome.NEW_TICKET and message_of(row).from_address == MARIO
    assert sent("confirmation") == confirmed


def test_nor_does_a_lookalike_itself(channel: Channel) -> None:
    arrive(channel, mail(f'"Per conto di: Mario" <{PROVIDER}>', x_trasporto="posta-certificata"))
    assert sent("confirmation") == []


# --- who is blocked, and whose storm it is


@pytest.mark.parametrize("pattern", [PROVIDER, "@pec.gestore.example", MARIO, "@pec.example"])
def test_a_block_of_either_stops_it(channel: Channel, alice: Agent, pattern: str) -> None:
    blocking.block(pattern, alice)
    row = arrive(channel, certified(MARIO, "Mario Rossi"))
    assert (row.outcome, row.reason) == (Outcome.DROPPED, "blocked_sender")
    assert blocking.blocked()[0].stopped == 1


def test_a_block_of_both_counts_the_mail_once(channel: Channel, alice: Agent) -> None:
    for pattern in (MARIO, PROVIDER):
        blocking.block(pattern, alice)
    arrive(channel, certified(MARIO, "Mario Rossi"))
    assert sorted(one.stopped for one in blocking.blocked()) == [0, 1]


def test_the_block_of_a_form_stops_whatever_name_is_typed_in(forms: Channel, alice: Agent) -> None:
    blocking.block("website@acme.example", alice)
    for customer in ("Karl <karl@mail.example>", "rosa@mail.example"):
        assert arrive(forms, filled_in(customer)).reason == "blocked_sender"
    assert arrive(forms, mail("Karl <karl@mail.example>")).outcome == Outcome.NEW_TICKET


def test_invented_names_make_one_storm(channel: Channel, forms: Channel) -> None:
    for make in (
        lambda number: certified(f"c{number}@pec.example", f"C {number}"),
        lambda number: filled_in(f"C <c{number}@mail.example>"),
    ):
        rows = [arrive(channel, make(number)) for number in range(limits.STORM_LIMIT + 2)]
        assert {row.state for row in rows[: limits.STORM_LIMIT]} == {InboundState.FILED}
        assert {(row.state, row.reason) for row in rows[limits.STORM_LIMIT :]} == {
            (InboundState.HELD, "storm")
        }


def test_who_stands_in_from_of_a_mail_of_the_ledger(group: Channel, forms: Channel) -> None:
    for raw, carrier in (
        (certified(MARIO, "Mario Rossi"), PROVIDER),
        (filled_in(), "website@acme.example"),
        (mail(), ""),
        (posted(), ""),  # a group of our own is not blocked
    ):
        row = arrive(group, raw, envelope_from=ENVELOPE if LIST.encode() in raw else None)
        assert blocking.carrier_of(row, message_of(row)) == carrier
        assert blocking.carrier_of(row, None) == carrier, "held, it is no message"


# --- web forms


def test_a_form_as_ever_where_the_channel_says_nothing(channel: Channel, alice: Agent) -> None:
    ticket = ticket_of(arrive(channel, filled_in()))
    assert ticket.contact.address == "website@acme.example" and sent("confirmation") == ["karl@mail.example"]
    reply = replies.send_reply(ticket, alice, replies.Written(text="Yes.")).message
    assert reply.to == [{"name": "Karl Kunde", "address": "karl@mail.example"}]


def test_the_customer_of_a_form_is_the_requester(forms: Channel, alice: Agent) -> None:
    first, second = (
        ticket_of(arrive(forms, filled_in(who)))
        for who in ("Karl Kunde <karl@mail.example>", "rosa@mail.example")
    )
    assert (first.contact.address, first.shown_requester) == ("karl@mail.example", "Karl Kunde")
    assert second.shown_requester == "rosa@mail.example", "the form's name is nobody's"
    assert sent("confirmation") == ["karl@mail.example", "rosa@mail.example"]
    assert participants.participants(first) == {"karl@mail.example"}
    reply = replies.send_reply(first, alice, replies.Written(text="Yes.")).message
    answer = arrive(forms, mail("Karl <karl@mail.example>", in_reply_to=reply.message_id))
    assert ticket_of(answer).id == first.id and not message_of(answer).newcomer


def test_an_answer_of_a_customer_is_theirs_whatever_they_ask_for(forms: Channel, alice: Agent) -> None:
    ticket = ticket_of(arrive(forms, mail()))
    reply = replies.send_reply(ticket, alice, replies.Written(text="Yes.")).message
    answer = arrive(forms, mail(in_reply_to=reply.message_id, reply_to="mallory@evil.example"))
    assert message_of(answer).from_address == "carol@customer.example"
    assert ticket_of(answer).contact.address == "carol@customer.example"


@pytest.mark.parametrize("switched", [True, False])
@pytest.mark.parametrize("customer", ["Karl <karl@mail.example>", "Mallory <mallory@evil.example>"])
@pytest.mark.parametrize(
    "sender",
    ["website@acme.example", "noreply@forms.example", "wordpress@acme.example", "shop-acme@acme.example"],
)
def test_a_number_typed_into_a_form_joins_nobodys_ticket(
    channel: Channel, switched: bool, customer: str, sender: str
) -> None:
    channel.requester_from_reply_to = switched
    db.session.commit()
    karls = ticket_of(arrive(channel, filled_in(sender=sender)))
    row = arrive(channel, filled_in(customer, sender=sender, subject=f"To [#{karls.number}]"))
    ticket = ticket_of(row)
    assert ticket.id != karls.id and ticket.maybe_id == karls.id
    assert message_of(row).why == "maybe"


def test_a_form_does_not_say_that_an_address_works(forms: Channel) -> None:
    ticket = ticket_of(arrive(forms, filled_in()))
    ticket.contact.undeliverable_since = ticket.created_at
    db.session.commit()
    arrive(forms, filled_in())
    db.session.refresh(ticket.contact)
    assert ticket.contact.undeliverable_since is not None


# --- one address, many people


def test_a_ticket_shows_the_name_of_its_own_mail(channel: Channel, alice: Agent) -> None:
    for name in ("Anna Berg", "Bernd Tal"):
        ticket = ticket_of(arrive(channel, mail(f"{name} <info@gruppe.example>")))
        assert ticket.shown_requester == name
        reply = replies.send_reply(ticket, alice, replies.Written(text="Yes.")).message
        assert reply.to == [{"name": name, "address": "info@gruppe.example"}]
    nobody = ticket_of(arrive(channel, mail("info@gruppe.example")))
    assert nobody.shown_requester == "info@gruppe.example"
    assert tickets.earlier(ticket) == [], "those of others at the same address are not theirs"


def test_a_person_may_be_called_anew(channel: Channel) -> None:
    names = ("Carol Old", "", "Carol New")
    found = [ticket_of(arrive(channel, mail(f"{name} <carol@customer.example>"))) for name in names]
    assert [one.shown_requester for one in found] == ["Carol Old", "Carol Old", "Carol New"]
    assert [one.id for one in tickets.earlier(found[2])] == [found[1].id, found[0].id]


def test_whoever_answers_from_a_shared_address_is_called_by_their_name(
    channel: Channel, alice: Agent
) -> None:
    ticket = ticket_of(arrive(channel, mail("Anna Berg <info@gruppe.example>")))
    reply = replies.send_reply(ticket, alice, replies.Written(text="Yes.")).message
    answer = arrive(channel, mail("Bernd Tal <info@gruppe.example>", in_reply_to=reply.message_id))
    assert ticket_of(answer).id == ticket.id and not message_of(answer).newcomer
    assert [str(one) for one in participants.recipients(ticket)] == ["Bernd Tal <info@gruppe.example>"]


@pytest.mark.parametrize(
    ("sender", "subject", "joins"),
    [
        ("Carol <carol@customer.example>", "{}", True),
        ("Anna <info@gruppe.example>", "{}", False),
        ("Anna <info@gruppe.example>", "Re: Delivery", True),  # with the Message-ID, which nobody types
        ("Max via Portal <max@portal.example>", "{}", False),
        ("Form <noreply@forms.example>", "Re: Delivery", False),
    ],
)
def test_what_a_shared_address_knows_of_a_ticket(
    channel: Channel, sender: str, subject: str, joins: bool
) -> None:
    ticket = ticket_of(arrive(channel, mail(sender, message_id="<first@x.example>")))
    how = {} if "{}" in subject else {"in_reply_to": "<first@x.example>"}
    found = ticket_of(arrive(channel, mail(sender, subject.format(f"[#{ticket.number}]"), **how)))
    assert (found.id == ticket.id) is joins and (joins or found.maybe_id == ticket.id)


def test_a_program_takes_no_part(channel: Channel, alice: Agent) -> None:
    ticket = ticket_of(arrive(channel, mail()))
    address = ids.sign_reply_address(signing_key(), ticket.number, channel.address)
    row = arrive(channel, mail("Fax <fax@portal.example>", to=address))
    assert ticket_of(row).id == ticket.id and message_of(row).newcomer
    requester.admit(message_of(row), alice)
    assert participants.participants(ticket) == {"carol@customer.example"}


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (mail("Bernd Tal <info@gruppe.example>"), "Bernd Tal"),
        (mail("info@gruppe.example"), "info@gruppe.example"),
        (filled_in("Karl Kunde <karl@mail.example>"), "Karl Kunde"),
        (filled_in("karl@mail.example", sender="kontaktformular@acme.example"), "karl@mail.example"),
        (mail(reply_to="carol@home.example"), "Carol"),
    ],
)
def test_the_name_in_a_mail_is_that_of_its_reader(
    channel: Channel, alice: Agent, raw: bytes, name: str
) -> None:
    notice_texts.save("ticket_reply", "en", "", "Hello <{{requester.name}}>\n\n{{reply.body}}")
    arrive(channel, mail("Anna Berg <info@gruppe.example>"))
    ticket = ticket_of(arrive(channel, raw))
    reply = replies.send_reply(ticket, alice, replies.Written(text="Yes."))
    made = message_from_bytes(content(reply.mail.sha256) or b"", policy=policy.default)
    body = made.get_body(("plain",))
    assert body is not None and f"Hello <{name}>" in body.get_content()
    assert f"Hello <{name}>" in previews.preview("ticket_reply", "en", alice, ticket).text


def test_the_end_is_told_to_the_customer_of_a_form(channel: Channel, alice: Agent, office: Office) -> None:
    who_hears.switch("resolved", True)
    ticket = ticket_of(arrive(channel, filled_in()))
    tickets.set_status(ticket, Status.RESOLVED, alice)
    notice_mails.gather(at_once=True)
    assert sent("resolved") == ["karl@mail.example"]


def test_the_author_of_a_forwarded_mail_is_called_by_their_name(channel: Channel, alice: Agent) -> None:
    text = "---------- Forwarded message ---------\nFrom: Otto Ort <info@ort.example>\nDate: Mon, 2 Nov 2026\nSubject: Hm\nTo: x@y.example\n\nHello"
    row = arrive(channel, mail("Tina <tina@customer.example>", "Fwd: Hm", text))
    ticket: Ticket = ticket_of(row)
    requester.take_over(message_of(row), alice)
    assert (ticket.contact.address, ticket.shown_requester) == ("info@ort.example", "Otto Ort")
    assert [str(one) for one in participants.recipients(ticket)] == ["Otto Ort <info@ort.example>"]
    requester.give_back(message_of(row), alice)
    assert ticket.shown_requester == "Tina"
