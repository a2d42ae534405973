"""Further addresses of a channel: whose they are, what comes to them, and in whose name it is answered."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from email.utils import parseaddr
from typing import Any

import pytest
from flask import Flask

from desk.agents import accounts
from desk.agents.accounts import AccountRefused
from desk.channels import channels, dkim
from desk.channels.addresses import MOST_ALIASES, completed_aliases
from desk.channels.channel_values import ChannelValues, InvalidChannel, values_of
from desk.office import signing_key
from desk.receiving import blocking, intake, receiver, speakers
from desk.sending import mail_rendering, outbox, replies
from desk.telling import who_hears
from desk.texts import mail_designs, notice_texts
from desk.tickets import participants, tickets
from desk.tools import export
from mail import ids
from mail.types import Address
from mail.writing import dkim_signing
from models import Agent, Channel, ChannelAlias, InboundMail, InboundState, Message, OutboundMail, Ticket, db
from tests.blueprints.channels.test_channels import FORM
from tests.support import post
from tests.support.browsing import PageClient
from tests.support.mails import arrive, mail, ticket_of
from wire.sender_check import check

OWN = ChannelValues(
    "Billing", "billing@acme.example", "own", server="imap.acme.example", password="x", smtp_server="smtp.acme.example",
    aliases="accounts@acme.example\nrechnung@acme.test",
)  # fmt: skip
INFO = "info@poststelle.example"


@pytest.fixture
def alias(channel: Channel) -> Channel:
    """The default channel is reached as info@ and, in the spelling of a person, as Help.Desk@ too."""
    channels.update(channel, replace(values_of(channel), aliases="info, Help.Desk@Poststelle.example"))
    return channel


def refused(values: ChannelValues, channel: Channel | None = None) -> dict[str, str]:
    with pytest.raises(InvalidChannel) as caught:
        channels.update(channel, values) if channel else channels.create(values)
    return caught.value.errors


def sent_by(mails: list[post.SentMail], to: str = "carol@customer.example") -> tuple[str, str, str]:
    """From, Reply-To and the envelope's sender of the last mail to Carol."""
    last = [one for one in mails if one.to == to][-1]
    head = message_from_bytes(last.raw, policy=default)
    return parseaddr(str(head["From"]))[1], parseaddr(str(head["Reply-To"] or ""))[1], last.envelope_from


# --- rules


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ("support-acme", "same: support-acme@poststelle.example"),
        ("sales", "taken: sales@poststelle.example"),
        ("SALES@poststelle.example", "taken: sales@poststelle.example"),
        ("shop", "taken: shop@poststelle.example"),  # as an alias
        ("billing@acme.example", "domain: billing@acme.example"),
        ("in fo@x", "domain: in fo@x"),
        ("info.", "syntax: info.@poststelle.example"),
        ("info+x", "plus: info+x@poststelle.example"),
        ("a" * 31, f"too_long: {'a' * 31}@poststelle.example"),
        ("\n".join(f"a{number}" for number in range(MOST_ALIASES + 1)), "too_many"),
    ],
)
def test_what_a_standard_channel_refuses(channel: Channel, typed: str, error: str) -> None:
    channels.create(ChannelValues("Sales", "sales", aliases="shop"))
    assert refused(replace(values_of(channel), aliases=typed), channel) == {"aliases": error}


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        (INFO, f"domain: {INFO}"),  # our own receiver takes what comes there
        ("nobody", "syntax: nobody"),
        ("support-acme@poststelle.example", "domain: support-acme@poststelle.example"),
        ("a@b@c", "syntax: a@b@c"),
        (f"{'a' * 60}@{'b.' * 100}example", f"too_long: {'a' * 60}@{'b.' * 100}example"),
    ],
)
def test_what_a_mailbox_elsewhere_refuses(app: Flask, typed: str, error: str) -> None:
    assert refused(replace(OWN, aliases=typed)) == {"aliases": error}


def test_an_alias_is_nobody_elses_address(channel: Channel, alias: Channel, alice: Agent) -> None:
    assert refused(ChannelValues("Info", "info")) == {"address": "taken"}
    forwarded = replace(values_of(channel), forwarded_from=INFO)
    assert refused(forwarded, channel) == {"forwarded_from": "ours"}
    with pytest.raises(AccountRefused, match="email_of_channel"):
        accounts.create_agent("Ina", INFO, "agent", "correct horse battery")
    with pytest.raises(blocking.BlockRefused, match="ours"):
        blocking.block(INFO, alice)


def test_they_are_kept_changed_and_freed_again(app: Flask) -> None:
    own = channels.create(OWN)
    assert values_of(own).aliases == OWN.aliases
    kept = db.session.query(ChannelAlias).filter_by(address_key="rechnung@acme.test").one().id
    channels.update(own, replace(values_of(own), aliases="Rechnung@acme.test; new@acme.example"))
    assert values_of(own).aliases == "Rechnung@acme.test\nnew@acme.example"
    assert db.session.query(ChannelAlias).filter_by(address_key="rechnung@acme.test").one().id == kept
    assert export.channel(own)["aliases"] == ["Rechnung@acme.test", "new@acme.example"]
    # What was an alias becomes the address, and the other way round.
    turned = replace(values_of(own), address="new@acme.example", aliases="billing@acme.example", password="x")
    channels.update(own, turned)
    assert (own.address, values_of(own).aliases) == ("new@acme.example", "billing@acme.example")
    channels.delete(own)
    assert db.session.query(ChannelAlias).count() == 0
    assert channels.create(replace(OWN, key="Again")).address == "billing@acme.example"


def test_the_command_line_makes_and_lists_them(app: Flask) -> None:
    run = app.test_cli_runner().invoke
    made = ("channel", "create", "--id", "Sales", "--address", "sales", "--provider", "standard")
    result = run(args=[*made, "--alias", "shop", "--alias", "orders@poststelle.example"])
    assert result.exit_code == 0, result.output
    db.session.rollback()
    assert (
        '"aliases": ["shop@poststelle.example", "orders@poststelle.example"]'
        in run(args=["channel", "list", "--json"]).output
    )
    db.session.rollback()
    result = run(
        args=[
            "channel",
            "create",
            "--id",
            "Two",
            "--address",
            "two",
            "--provider",
            "standard",
            "--alias",
            "shop",
        ]
    )
    assert result.exit_code == 1 and "aliases: taken: shop@poststelle.example" in result.output


# --- what comes to them


@pytest.mark.parametrize(
    "address", [INFO, "INFO@poststelle.example", "help.desk@poststelle.example", "info+x@poststelle.example"]
)
def test_the_receiver_takes_their_mail(alias: Channel, address: str) -> None:
    assert receiver.accepts(address)
    taken = receiver.take(mail(to=address), "carol@customer.example", [address], "smtp", "192.0.2.1")
    intake.process_pending()
    (row,) = (db.session.get_one(InboundMail, number) for number in taken.rows)
    assert ticket_of(row).channel_id == alias.id


def test_a_mail_to_address_and_alias_is_one_ticket(alias: Channel) -> None:
    both = [alias.address, INFO]
    taken = receiver.take(mail(to=", ".join(both)), "carol@customer.example", both, "smtp", "192.0.2.1")
    assert len(taken.rows) == 1


def test_an_inactive_channel_has_no_alias(channel: Channel) -> None:
    sales = channels.create(ChannelValues("Sales", "sales", aliases="shop"))
    assert receiver.accepts("shop@poststelle.example")
    channels.set_active(sales, False)
    assert not receiver.accepts("shop@poststelle.example")
    assert not receiver.accepts("nobody@poststelle.example")


# --- they are ours


def test_nobody_is_answered_there(alias: Channel, alice: Agent) -> None:
    """A mail in their name is no customer's, gets no acknowledgement, and a Reply-To leads to nobody of ours."""
    for raw in (mail(f"Info <{INFO}>"), mail(reply_to=INFO), mail("Info <info+x@poststelle.example>")):
        ticket = ticket_of(arrive(alias, raw))
        assert INFO not in [one.address for one in participants.recipients(ticket)]
        assert INFO not in participants.around(ticket).others()
    assert db.session.query(OutboundMail).filter_by(purpose="confirmation").count() == 0
    ticket = ticket_of(arrive(alias, mail(cc=f"{INFO}, dave@else.example")))
    circle = participants.around(ticket)
    assert circle.copies(circle.recipients()) == ["dave@else.example"]


def test_our_own_mail_that_comes_back_by_an_alias_is_dropped(alias: Channel, alice: Agent) -> None:
    ticket = ticket_of(arrive(alias, mail()))
    sent = replies.send_reply(ticket, alice, replies.Written(text="Hello", cc=(Address("", INFO),)))
    row = arrive(
        alias, mail(f"Acme <{alias.address}>", text="Hello", message_id=sent.mail.message_id), to=INFO
    )
    assert (row.state, row.reason) == (InboundState.DROPPED, "own_mail")


def test_our_answer_to_the_alias_of_another_channel_is_filed_there(alias: Channel, alice: Agent) -> None:
    sales = channels.create(ChannelValues("Sales", "sales", aliases="shop"))
    ticket = ticket_of(arrive(alias, mail()))
    replies.send_reply(
        ticket, alice, replies.Written(text="Hello", cc=(Address("", "Shop@poststelle.example"),))
    )
    with post.opened() as office:
        outbox.deliver_due(at_once=True)
    raw = next(one.raw for one in office.mails if one.to.startswith("Shop"))
    assert arrive(sales, raw, to="shop@poststelle.example").reason == "our_answer"


def test_a_list_that_is_an_alias_says_nothing_of_the_writer(app: Flask) -> None:
    own = channels.create(OWN)
    row = arrive(own, mail(to="rechnung@acme.test", list_id="<rechnung.acme.test>", precedence="list"))
    assert str(row.outcome) == "new_ticket"
    assert arrive(own, mail(list_id="<news.else.example>")).reason == "list_mail"


def test_what_an_alias_taught_of_the_server_counts(app: Flask, alice: Agent) -> None:
    """A mail of ours to the mailbox alone: the name on top is that of its server."""
    own = channels.create(OWN)
    ticket = ticket_of(arrive(own, mail()))
    sent = replies.send_reply(ticket, alice, replies.Written(text="Hello"))
    sent.mail.recipients[0].address_key = "rechnung@acme.test"
    db.session.commit()
    arrive(own, mail(message_id=sent.mail.message_id, authentication_results="mx.acme.test; spf=pass"))
    assert own.authserv_id == "mx.acme.test"
    assert speakers.server_name(own) == "mx.acme.test"


# --- in whose name it is answered


@pytest.mark.parametrize(
    ("head", "envelope", "sender"),
    [
        ({"to": INFO}, "", INFO),
        ({"to": f"Acme <{INFO.upper()}>"}, "", INFO),
        ({"to": "dave@else.example", "cc": INFO}, "", INFO),
        ({"to": "dave@else.example"}, INFO, INFO),  # Bcc
        ({"to": "dave@else.example", "delivered_to": INFO}, "", INFO),
        ({"to": "dave@else.example", "x_original_to": "info+1@poststelle.example"}, "", INFO),
        ({"to": "support-acme@poststelle.example", "cc": INFO}, INFO, "support-acme@poststelle.example"),
        ({"to": "support-acme@poststelle.example"}, "", "support-acme@poststelle.example"),
        ({"to": "undisclosed-recipients:;"}, "", "support-acme@poststelle.example"),
    ],
)
def test_acknowledgement_and_answer_come_from_the_address_that_was_written_to(
    alias: Channel, alice: Agent, head: dict[str, str], envelope: str, sender: str
) -> None:
    with post.opened() as office:
        ticket = ticket_of(arrive(alias, mail(**head), to=envelope))
        author, reply_to, envelope_from = sent_by(office.collect())
        assert (author, envelope_from) == (sender, "")
        local, _, domain = sender.partition("@")
        assert reply_to.startswith(f"{local}+{ticket.number}-") and reply_to.endswith(f"@{domain}")
        sent = replies.send_reply(ticket, alice, replies.Written(text="Hello"))
        author, reply_to, envelope_from = sent_by(office.collect())
    assert (author, envelope_from, sent.message.from_address) == (sender, sender, sender)
    # What Carol answers to that signed address is taken, and is this ticket's.
    assert receiver.accepts(reply_to)
    assert ticket_of(arrive(alias, mail(to=reply_to), to=reply_to)).id == ticket.id


def test_signature_and_texts_name_the_alias(alias: Channel, alice: Agent) -> None:
    design = mail_designs.default()
    design.footer = "Write to {{channel.address}}"
    db.session.commit()
    notice_texts.save("confirmation", "en", "Got it", "Answer to {{channel.address}}.")
    with post.opened() as office:
        ticket = ticket_of(arrive(alias, mail(to=INFO)))
        replies.send_reply(ticket, alice, replies.Written(text="Hello"))
        texts = [one.raw for one in office.collect() if one.to == "carol@customer.example"]
    parts = [message_from_bytes(raw, policy=default).get_body(("plain",)).get_content() for raw in texts]
    confirmation = next(text for text in parts if "Answer to" in text)
    assert f"Answer to {INFO}." in confirmation
    assert all(f"Write to {INFO}" in text and alias.address not in text for text in parts), parts


def test_a_channel_is_found_by_its_alias(alias: Channel) -> None:
    channels.create(ChannelValues("Sales", "sales"))
    assert [one.key for one in channels.listing("help.desk").channels] == [alias.key]


def test_the_form_keeps_them_and_says_which_is_wrong(as_alice: PageClient, channel: Channel) -> None:
    typed = FORM | {"aliases": "rechnung@acme.example\r\nkonto@acme.example"}
    as_alice.post("/system/channels/new", typed)
    made = channels.by_key(FORM["key"])
    assert made is not None and values_of(made).aliases == "rechnung@acme.example\nkonto@acme.example"
    made_id = made.id
    url = f"/system/channels/{made_id}"
    db.session.rollback()
    page = as_alice.get(url).text
    assert ">\r\nrechnung@acme.example\nkonto@acme.example</textarea>" in page
    wrong = as_alice.post(
        url, typed | {"aliases": "konto@acme.example, support-acme@poststelle.example"}, status=422
    ).text
    assert "all others to a mailbox of your own: support-acme@poststelle.example" in wrong
    clone = as_alice.get(f"/system/channels/new?like={made_id}").text
    assert "konto@acme.example" not in clone


def test_the_last_mail_decides_and_notices_follow(alias: Channel, alice: Agent) -> None:
    who_hears.switch("resolved", True)
    with post.opened() as office:
        ticket = ticket_of(arrive(alias, mail(message_id="<1@customer.example>")))
        arrive(alias, mail(to=INFO, in_reply_to="<1@customer.example>"))
        assert sent_by(office.collect())[0] == alias.address
        replies.send_reply(ticket, alice, replies.Written(text="Hello"))
        assert sent_by(office.collect())[0] == INFO
        tickets.set_status(ticket, tickets.Status.RESOLVED, alice)
        assert sent_by(office.collect())[0] == INFO


def test_a_mailbox_elsewhere_sends_by_its_alias_in_its_envelope_too(app: Flask, alice: Agent) -> None:
    own = channels.create(OWN)
    with post.opened() as office:
        ticket = ticket_of(arrive(own, mail(to="rechnung@acme.test")))
        assert sent_by(office.collect()) == ("rechnung@acme.test", "", "rechnung@acme.test")
        replies.send_reply(ticket, alice, replies.Written(text="Hello"))
        assert sent_by(office.collect()) == ("rechnung@acme.test", "", "rechnung@acme.test")


def test_one_that_was_removed_meanwhile_is_not_used(alias: Channel, alice: Agent) -> None:
    ticket = ticket_of(arrive(alias, mail(to=INFO)))
    channels.update(alias, replace(values_of(alias), aliases=""))
    sent = replies.send_reply(ticket, alice, replies.Written(text="Hello"))
    assert sent.message.from_address == alias.address


def test_merged_into_a_ticket_of_another_channel_that_one_answers(alias: Channel, alice: Agent) -> None:
    from desk.tickets import merging

    sales = channels.create(ChannelValues("Sales", "sales"))
    one, other = ticket_of(arrive(alias, mail(to=INFO))), ticket_of(arrive(sales, mail()))
    merging.merge(one, other, alice)
    sent = replies.send_reply(db.session.get_one(Ticket, other.id), alice, replies.Written(text="Hello"))
    assert sent.message.from_address == "sales@poststelle.example"


def test_an_alias_is_signed_as_the_address_is(alias: Channel, alice: Agent, office: Any) -> None:
    dkim.make_key()
    key = dkim.switch_on(None)
    ticket = ticket_of(arrive(alias, mail(to=INFO)))
    with post.opened() as out:
        replies.send_reply(ticket, alice, replies.Written(text="Hello"))
        raw = next(one.raw for one in out.collect() if one.to == "carol@customer.example")
    assert dkim_signing.is_signed(raw)
    record = dkim.record_of(key).encode()

    def ask(name: str, kind: str) -> list[Any]:
        return [record] if (name, kind) == (dkim.record_name(key), "TXT") else []

    found = check(raw, INFO, INFO, "192.0.2.1", ask)
    assert [one.value for one in found if one.method == "dkim"] == ["pass"]


def test_answers_to_several_come_back_to_the_alias(alias: Channel, alice: Agent) -> None:
    """Each has a return address of its own, which our receiver takes for the channel."""
    ticket = ticket_of(arrive(alias, mail(to=INFO)))
    with post.opened() as out:
        replies.send_reply(
            ticket, alice, replies.Written(text="Hello", cc=(Address("", "dave@else.example"),))
        )
        senders = {
            one.envelope_from
            for one in out.collect()
            if one.to in ("carol@customer.example", "dave@else.example")
        }
    tagged = [one for one in senders if one.startswith("info+b")]
    assert len(tagged) == 2 and all(receiver.accepts(one) for one in tagged)


def test_one_question_for_a_whole_batch(alias: Channel) -> None:
    from sqlalchemy import event

    from desk.receiving.arrivals import Arrival

    asked: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    intake.take_in(alias.id, [Arrival(mail(to=INFO), "imap", f"1/{number}") for number in range(20)])
    assert db.session.query(Message).filter_by(written_to=INFO).count() == 20
    assert len([one for one in asked if "channel_alias" in one]) == 1
    assert mail_rendering.automatic_envelope(alias, INFO) == ""


# --- an alias that was removed


@pytest.fixture
def removed(alias: Channel, alice: Agent) -> tuple[Ticket, list[post.SentMail]]:
    """Carol and Dave were answered in the name of an alias, which is no channel's since."""
    ticket = ticket_of(arrive(alias, mail(to=INFO)))
    with post.opened() as out:
        written = replies.Written(text="Hello", cc=(Address("", "dave@else.example"),))
        replies.send_reply(ticket, alice, written)
        sent = [one for one in out.collect() if one.to == "dave@else.example"]
    channels.update(alias, replace(values_of(alias), aliases=""))
    assert not receiver.accepts(INFO)
    return ticket, sent


def test_answers_in_its_name_still_arrive(alias: Channel, removed: Any, alice: Agent) -> None:
    ticket, sent = removed
    address, bounces_to = sent_by(sent, "dave@else.example")[1:]
    assert address.startswith("info+") and bounces_to.startswith("info+b")
    for taken in (address, address.upper(), bounces_to):
        assert channels.for_recipient(taken) == alias, taken
    raw = mail("Dave <dave@else.example>", to=address, text="Thanks!")
    row = receiver.take(raw, "dave@else.example", [address], "smtp", "192.0.2.1").rows[0]
    intake.process_pending()
    assert ticket_of(db.session.get_one(InboundMail, row)).id == ticket.id
    # And it is nobody whom an answer goes to.
    circle = participants.around(db.session.get_one(Ticket, ticket.id))
    assert address not in [*circle.copies(circle.recipients()), *circle.others()]
    again = ticket_of(arrive(alias, mail("Dave <dave@else.example>", to=address, reply_to=address)))
    assert [one.address for one in participants.recipients(again)] == ["dave@else.example"]


def test_only_a_signature_of_ours_in_our_domain_is_enough(removed: Any) -> None:
    _, sent = removed
    address, bounces_to = sent_by(sent, "dave@else.example")[1:]
    local = address.partition("@")[0]
    for refused_ in (
        f"{local}@else.example",
        f"{local[:-1]}{'a' if local[-1] != 'a' else 'b'}@poststelle.example",
        local.replace("info", "other") + "@poststelle.example",
        bounces_to.replace("+b", "+b1"),
        "info+1-x@poststelle.example",
    ):
        assert not receiver.accepts(refused_), refused_


def test_they_come_to_the_channel_of_the_ticket_else_to_the_first(channel: Channel, alice: Agent) -> None:
    sales = channels.create(ChannelValues("Sales", "sales", aliases="shop"))
    ticket = ticket_of(arrive(sales, mail(to="shop@poststelle.example")))
    address = ids.sign_reply_address(signing_key(), ticket.number, "shop@poststelle.example")
    channels.update(sales, replace(values_of(sales), aliases=""))
    assert channels.for_recipient(address) == sales
    channels.delete(sales)
    assert channels.for_recipient(address) == channel
    assert ticket_of(arrive(channel, mail(to=address), to=address)).id == ticket.id


# --- addresses that are none of ours


@pytest.mark.parametrize("typed", ["alice@acme.example", "ALICE@acme.example", "bob@acme.example"])
def test_an_agents_address_is_no_channels(app: Flask, alice: Agent, bob: Agent, typed: str) -> None:
    bob.email = bob.email_key = "bob+desk@acme.example"  # whose mailbox is bob@
    db.session.commit()
    assert refused(replace(OWN, aliases=typed)) == {
        "aliases": f"agent: {typed.lower() if '@' in typed else typed}"
    }
    assert refused(replace(OWN, address=typed)) == {"address": "agent"}


def test_nor_in_our_own_domain(channel: Channel, bob: Agent) -> None:
    bob.email = bob.email_key = "bob@poststelle.example"
    db.session.commit()
    assert refused(replace(values_of(channel), aliases="bob"), channel) == {
        "aliases": "agent: bob@poststelle.example"
    }
    assert refused(ChannelValues("Bob", "bob")) == {"address": "agent"}


@pytest.mark.parametrize(
    "local", ["*", "info*", "a%b", "a!b", "|cat", "$user", "{x}", "a`b", "a^b", "?", "a#b"]
)
def test_signs_that_no_address_of_ours_has(app: Flask, local: str) -> None:
    assert refused(replace(OWN, address=f"{local}@x.example")) == {"address": "syntax"}
    assert refused(replace(OWN, aliases=f"{local}@x.example")) == {"aliases": f"syntax: {local}@x.example"}


@pytest.mark.parametrize("local", ["o'neil", "a_b", "käse", "a&b", "x=y", "first.last+desk"])
def test_and_what_people_have(app: Flask, local: str) -> None:
    assert (
        channels.create(replace(OWN, address=f"{local}@x.example", aliases="")).address
        == f"{local}@x.example"
    )


def test_form_and_command_say_that_an_agent_has_it(as_alice: PageClient, app: Flask, bob: Agent) -> None:
    bob.locale = "de"
    taken = bob.email
    db.session.commit()
    typed = FORM | {"aliases": taken}
    assert (
        f"An agent has this address, so it cannot be a channel&#39;s: {taken}"
        in as_alice.post("/system/channels/new", typed, status=422).text
    )
    run = app.test_cli_runner().invoke
    db.session.rollback()
    made = ["channel", "create", "--id", "Two", "--provider", "standard", "--address", "two"]
    result = run(args=[*made, "--alias", "fine", "--alias", "*@poststelle.example"])
    assert result.exit_code == 1
    assert "aliases: syntax: *@poststelle.example (This is not a valid e-mail address: *@pos" in result.output


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("info@x.example post@x.example", ["info@x.example", "post@x.example"]),
        ("info@x.example,\n post@x.example;info@x.example", ["info@x.example", "post@x.example"]),
        ("max muster@x.example", ["max muster@x.example"]),
        ("", []),
    ],
)
def test_a_blank_stands_between_whole_addresses_alone(typed, kept):
    """`max muster@…` is one that is wrong: two addresses would be live without a word."""
    assert completed_aliases(typed, "own").splitlines() == kept
