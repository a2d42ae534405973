"""»System >> Channels« through an administrator's browser, with and without htmx."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from html import unescape

import pytest

from config import Relay
from desk.channels import channels, health
from desk.channels.channel_values import ChannelValues
from desk.receiving import arrivals, intake
from models import Channel, db, now
from tests.desk.checks.test_forward_probe import GMAIL
from tests.servers.ports import free_port

OWN = ChannelValues(
    key="Billing",
    address="billing@acme.example",
    provider="own",
    server="imap.acme.example",
    password="inside-secret",
    smtp_server="smtp.acme.example",
    smtp_password="outside-secret",
)
FORM = {
    "key": "Billing",
    "kind": "email",
    "active": "y",
    "provider": "own",
    "address": "billing@acme.example",
    "sender_name": "Acme Billing",
    "protocol": "imap",
    "server": "imap.acme.example",
    "port": "993",
    "port_default": "993",
    "ssl": "y",
    "user": "billing@acme.example",
    "user_default": "billing@acme.example",
    "password": "inside-secret",
    "after_fetch": "delete",
    "existing": "take",
    "smtp_server": "smtp.acme.example",
    "smtp_port": "587",
    "smtp_port_default": "587",
    "smtp_encryption": "starttls",
    "smtp_auth": "auto",
}


@pytest.fixture
def own(app):
    return channels.create(OWN)


def value(html: str, name: str) -> str:
    tag = re.search(rf'<input[^>]*\bname="{name}"[^>]*>', html)[0]
    found = re.search(r'\bvalue="([^"]*)"', tag)
    return unescape(found[1]) if found else ""


def part(html: str, element_id: str) -> str:
    """The markup from that id on to the end of its section or row."""
    return re.search(rf'(?s)<(\w+)[^>]*\bid="{element_id}".*?</\1>', html)[0]


def without(form: dict[str, str], *names: str) -> dict[str, str]:
    return {name: text for name, text in form.items() if name not in names}


def to_the_end(client, html: str) -> str:
    """The connection test's piece, asked for again and again as the page does, until it stops asking."""
    while asks := re.search(r'<section[^>]*id="test"[^>]*hx-get="([^"]+)"', html):
        answer = client.client.get(unescape(asks[1]), headers={"HX-Request": "true"})
        html = answer.text if answer.status_code == 200 else html
        time.sleep(0.02)
    return html


# --- the list ---


def test_the_list_shows_every_channel_with_its_state(as_alice, own):
    health.record_failure(own.id, "auth_failed", "535 5.7.8 no", False)
    html = as_alice.get("/system/channels").text
    assert "support-acme@poststelle.example" in html and "Ready to receive" in html
    row = part(html, f"row-{own.id}")
    assert "billing@acme.example" in row and "Sign-in refused" in row and "next try" in row
    assert f'href="/system/channels/{own.id}"' in row and f"/system/channels/{own.id}/delete" in row


def test_the_default_channel_has_no_bin_and_no_working_switch(as_alice, channel):
    row = part(as_alice.get("/system/channels").text, f"row-{channel.id}")
    assert "delete" not in row
    assert re.search(r'<button class="switch"[^>]*type="button" aria-disabled="true"', row, re.S)


def test_that_plain_text_is_allowed_stays_visible(as_alice):
    made = channels.create(replace(OWN, allow_plaintext=True))
    assert "Unencrypted allowed" in part(as_alice.get("/system/channels").text, f"row-{made.id}")


@pytest.mark.parametrize("url", ["/system/channels", "/system/channels/new", "/system/channels/1"])
def test_agents_cannot_reach_it(as_bob, url):
    as_bob.get(url, status=403)


# --- the form ---


def test_a_standard_channel_is_created(as_alice):
    as_alice.get("/system/channels/new")
    answer = as_alice.post(
        "/system/channels/new", {"key": "Sales", "provider": "standard", "address": "sales", "active": "y"}
    )
    assert answer.location == "/system/channels"
    assert channels.by_key("Sales").address == "sales@poststelle.example"


def test_an_own_channel_is_created_with_all_its_fields(as_alice):
    as_alice.post(
        "/system/channels/new", FORM | {"after_fetch": "move", "move_to": "Done", "existing": "leave"}
    )
    made = channels.by_key("Billing")
    assert (made.server, made.port, made.ssl, made.user, made.password) == (
        "imap.acme.example",
        993,
        True,
        "billing@acme.example",
        "inside-secret",
    )
    assert (made.smtp_server, made.smtp_port, made.smtp_encryption, made.smtp_auth) == (
        "smtp.acme.example",
        587,
        "starttls",
        "auto",
    )
    assert (made.after_fetch, made.move_to, made.existing, made.active) == ("move", "Done", "leave", True)


def test_without_javascript_the_missing_fields_are_shown_and_asked_for(as_alice):
    answer = as_alice.post(
        "/system/channels/new", {"key": "Billing", "provider": "own", "address": "b@acme.example"}, status=422
    )
    assert 'aria-labelledby="fields-incoming">' in answer.text
    assert 'aria-invalid="true"' in re.search(r'<input[^>]*name="server"[^>]*>', answer.text)[0]
    assert channels.by_key("Billing") is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"key": "SUPPORT"}, "Another channel already uses this ID."),
        ({"address": "x"}, "This is not a valid e-mail address."),
        ({"port": "many"}, "Please enter a port from 1 to 65535."),
        ({"smtp_encryption": "none"}, "Choose an encryption. Or switch on “Allow unencrypted”"),
        ({"protocol": "pop3", "after_fetch": "move", "move_to": "x"}, "POP3 has no folders."),
    ],
)
def test_a_wrong_field_has_its_sentence_and_nothing_is_saved(as_alice, wrong, words):
    answer = as_alice.post("/system/channels/new", FORM | wrong, status=422)
    assert words in answer.text and "inside-secret" not in answer.text
    assert channels.by_key("Billing") is None


def test_passwords_never_come_back(as_alice, own):
    for url in ("/system/channels", f"/system/channels/{own.id}"):
        html = as_alice.get(url).text
        assert "inside-secret" not in html and "outside-secret" not in html


def test_an_edit_with_an_empty_password_keeps_it(as_alice, own):
    as_alice.get(f"/system/channels/{own.id}")
    as_alice.post(f"/system/channels/{own.id}", without(FORM, "password") | {"key": "Invoices"})
    db.session.refresh(own)
    assert (own.key, own.password, own.smtp_password) == ("Invoices", "inside-secret", "outside-secret")


def test_another_server_asks_for_the_password_again(as_alice, own):
    typed = without(FORM, "password") | {"server": "imap.mallory.example"}
    answer = as_alice.post(f"/system/channels/{own.id}", typed, status=422)
    assert "please enter it again" in answer.text and own.server == "imap.acme.example"


def test_the_default_channel_keeps_what_its_form_does_not_offer(as_alice, channel):
    forged = {"key": "Help", "provider": "own", "address": "x@elsewhere.example"}
    as_alice.post(f"/system/channels/{channel.id}", forged)
    db.session.refresh(channel)
    assert (channel.key, channel.active, channel.provider, channel.address) == (
        "Help",
        True,
        "standard",
        "support-acme@poststelle.example",
    )


def test_a_deleted_channel_is_gone(as_alice, own):
    channels.delete(own)
    as_alice.get(f"/system/channels/{own.id}", status=404)


# --- the form follows a choice ---


@pytest.mark.parametrize(
    ("change", "ports"),
    [
        ({"protocol": "pop3"}, ("995", "587")),
        ({"ssl": None}, ("143", "587")),
        ({"protocol": "pop3", "ssl": None}, ("110", "587")),
        ({"smtp_encryption": "ssl"}, ("993", "465")),
        ({"smtp_encryption": "none"}, ("993", "25")),
        ({"protocol": "pop3", "port": "1993"}, ("1993", "587")),  # typed: never replaced
        ({"protocol": "pop3", "port_default": "typed"}, ("993", "587")),  # typed, though it is the usual one
        ({"protocol": "pop3", "port": ""}, ("995", "587")),
    ],
)
@pytest.mark.parametrize("htmx", [True, False])
def test_ports_follow_the_choice_but_never_over_a_typed_one(as_alice, change, ports, htmx):
    typed = {name: text for name, text in (FORM | change).items() if text is not None}
    html = as_alice.post("/system/channels/form", typed, status=200, htmx=htmx).text
    assert (value(html, "port"), value(html, "smtp_port")) == ports
    assert ("<!doctype" in html) != htmx


def test_a_typed_port_stays_typed_over_two_choices(as_alice):
    typed = FORM | {"port": "995", "port_default": "typed"}
    html = as_alice.post("/system/channels/form", typed, status=200, htmx=True).text
    assert (value(html, "port"), value(html, "port_default")) == ("995", "typed")


def test_the_user_name_follows_the_address_until_it_is_typed(as_alice):
    moved = FORM | {"address": "new@acme.example"}
    html = as_alice.post("/system/channels/form", moved, status=200, htmx=True).text
    assert value(html, "user") == "new@acme.example"
    html = as_alice.post("/system/channels/form", moved | {"user": "acme-17"}, status=200, htmx=True).text
    assert value(html, "user") == "acme-17"


def test_what_a_choice_hides_is_still_there(as_alice):
    html = as_alice.post("/system/channels/form", FORM | {"provider": "standard"}, status=200, htmx=True).text
    assert re.search(r'aria-labelledby="fields-incoming" hidden', html)
    assert value(html, "server") == "imap.acme.example" and "inside-secret" not in html


def test_following_saves_nothing(as_alice, own):
    as_alice.post(
        "/system/channels/form", FORM | {"channel_id": own.id, "key": "Other"}, status=200, htmx=True
    )
    db.session.refresh(own)
    assert own.key == "Billing"


# --- the connection test ---


@pytest.mark.dovecot
@pytest.mark.parametrize("htmx", [True, False])
def test_the_connection_test_shows_both_directions(as_alice, mailbox, smtp_sink, ca, trusted_ca, htmx):
    mailbox.deliver(b"Subject: one\r\n\r\nHello\r\n")
    typed = FORM | {
        "server": "localhost",
        "port": str(mailbox.dovecot.imaps),
        "user": mailbox.user,
        "password": mailbox.password,
        "smtp_server": "localhost",
        "smtp_port": str(smtp_sink.port),
    }
    html = as_alice.post("/system/channels/test", typed, status=200, htmx=htmx).text
    html = unescape(to_the_end(as_alice, html) if htmx else html)
    assert "1 unread of 1 mails in the inbox" in html and "1 mail becomes a ticket at the first fetch" in html
    assert "The server offers no encryption on this port." in html  # the sink has no STARTTLS
    assert "switch on “Allow unencrypted”" in html
    assert ("<!doctype" in html) != htmx
    if not htmx:
        assert value(html, "server") == "localhost" and f'value="{mailbox.password}"' not in html


@pytest.mark.dovecot
def test_the_connection_test_of_a_stored_channel_needs_no_password(as_alice, mailbox, trusted_ca, smtp_sink):
    stored = channels.create(
        replace(
            OWN,
            server="localhost",
            port=mailbox.dovecot.pop3s,
            protocol="pop3",
            user=mailbox.user,
            password=mailbox.password,
            smtp_server="localhost",
            smtp_port=smtp_sink.port,
            smtp_encryption="none",
            smtp_auth="none",
            allow_plaintext=True,
        )
    )
    typed = without(FORM, "password") | {
        "channel_id": stored.id,
        "server": "localhost",
        "port": str(mailbox.dovecot.pop3s),
        "protocol": "pop3",
        "user": mailbox.user,
        "smtp_server": "localhost",
        "smtp_port": str(smtp_sink.port),
        "smtp_encryption": "none",
        "smtp_auth": "none",
        "allow_plaintext": "y",
    }
    html = to_the_end(as_alice, as_alice.post("/system/channels/test", typed, status=200, htmx=True).text)
    assert "0 mails in the mailbox" in html and "Sender address accepted" in html and "Not encrypted" in html


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"smtp_encryption": "none", "allow_plaintext": ""}, "Choose an encryption."),
        ({"protocol": "pop3", "after_fetch": "move"}, "POP3 has no folders."),
        ({"smtp_auth": "xoauth2"}, "OAuth 2 is chosen for the incoming server first"),
    ],
)
@pytest.mark.parametrize("htmx", [True, False])
def test_the_connection_test_does_not_pass_what_saving_refuses(as_alice, own, more, said, htmx):
    typed = FORM | {"channel_id": own.id, "server": "127.0.0.1", "smtp_server": "127.0.0.1"} | more
    html = unescape(as_alice.post("/system/channels/test", typed, status=200, htmx=htmx).text)
    assert "Saving refuses this" in html and said in html
    good = FORM | {"channel_id": own.id, "server": "127.0.0.1", "smtp_server": "127.0.0.1", "key": ""}
    html = unescape(as_alice.post("/system/channels/test", good, status=200, htmx=htmx).text)
    assert "Saving refuses this" not in html, "what is not filled in yet is no refusal"


@pytest.mark.dovecot
def test_the_connection_test_says_of_a_server_that_worked_that_it_is_down(as_alice, own):
    own.last_success_at = now()
    own.server, own.port = "127.0.0.1", free_port()
    db.session.commit()
    typed = without(FORM, "password") | {"channel_id": own.id, "server": own.server, "port": str(own.port)}
    for port, worked in ((own.port, True), (free_port(), False)):
        html = as_alice.post(
            "/system/channels/test", typed | {"port": str(port)}, status=200, htmx=False
        ).text
        assert ("until then it worked" in unescape(html)) is worked


def test_the_connection_test_is_limited(make_app, app, alice):
    """Else it could be used to try passwords and to look around in the network."""
    identity = alice.get_id()
    db.session.rollback()
    client = make_app(testing=False).test_client()
    with client.session_transaction() as session:
        session["_user_id"], session["_fresh"] = identity, True
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/system/channels/new").text)[1]
    typed = {"key": "x", "provider": "standard", "address": "x", "csrf_token": token}
    answers = [client.post("/system/channels/test", data=typed).status_code for _ in range(11)]
    assert answers == [200] * 10 + [429]


# --- switch, fetch, delete ---


def test_the_switch_works_without_javascript(as_alice, own):
    assert as_alice.post(f"/system/channels/{own.id}/active", {"active": ""}).location == "/system/channels"
    db.session.refresh(own)
    assert not own.active
    assert "no longer receives mail" in unescape(as_alice.get("/system/channels").text)


def test_the_switch_answers_htmx_with_the_row(as_alice, own):
    html = as_alice.post(f"/system/channels/{own.id}/active", {"active": ""}, status=200, htmx=True).text
    assert f'hx-target="#row-{own.id}"' in html and 'aria-checked="false"' in html and "Inactive" in html


def test_the_default_channel_is_protected_by_the_server(as_alice, channel):
    as_alice.post(f"/system/channels/{channel.id}/active", {"active": ""}, status=409)
    as_alice.get(f"/system/channels/{channel.id}/delete", status=409)
    as_alice.post(f"/system/channels/{channel.id}/delete", status=409)
    db.session.refresh(channel)
    assert channel.active and channel.living


def test_fetching_now_rings_the_job(as_alice, own, office):
    health.record_failure(own.id, "auth_failed", "no", False)
    rung = []
    office.ring = lambda job, at: rung.append(job)
    as_alice.post(f"/system/channels/{own.id}/fetch")
    db.session.refresh(own)
    assert rung == ["fetch"] and own.id in health.due(own.next_try_at, 60)


def test_deleting_asks_in_words_and_keeps_nothing_secret(as_alice, own):
    assert "Yes, delete" in as_alice.get(f"/system/channels/{own.id}/delete").text
    as_alice.post(f"/system/channels/{own.id}/delete")
    db.session.refresh(own)
    assert not own.living and own.password == ""
    assert f"row-{own.id}" not in as_alice.get("/system/channels").text


# --- the dry run ---


@pytest.mark.dovecot
@pytest.mark.parametrize("htmx", [True, False])
def test_the_dry_run_lists_what_would_become_of_the_mails(as_alice, mailbox, trusted_ca, htmx):
    mailbox.deliver(b"From: carol@customer.example\r\nSubject: <b>Help</b>\r\n\r\nHello\r\n")
    typed = FORM | {"server": "localhost", "port": str(mailbox.dovecot.imaps), "user": mailbox.user}
    html = as_alice.post("/system/channels/dry-run", typed | {"password": mailbox.password}, 200, htmx).text
    while asks := re.search(r'id="dry-run"[^>]*hx-get="([^"]+)"', html):
        answer = as_alice.client.get(asks[1], headers={"HX-Request": "true"})
        html = answer.text if answer.status_code == 200 else html
        time.sleep(0.02)
    assert "&lt;b&gt;Help&lt;/b&gt;" in html and "becomes a new ticket" in html
    assert "1 mail would be fetched, of 1 in the inbox." in html
    assert as_alice.client.get("/system/channels/dry-runs/unknown").text.count("was interrupted") == 1


# --- forms ---


def test_a_form_for_forms(as_alice, channel):
    page = f"/system/channels/{channel.id}"
    assert "Requesters from Reply-To" in as_alice.get(page).text and not channel.requester_from_reply_to
    for typed in ({"requester_from_reply_to": "y"}, {}):
        as_alice.post(page, {"key": channel.key} | typed)
        db.session.refresh(channel)
        assert channel.requester_from_reply_to == bool(typed)
    assert (
        "checked"
        not in re.search(r'<input[^>]*name="requester_from_reply_to"[^>]*>', as_alice.get(page).text)[0]
    )


# --- forwarding ---


def test_the_form_shows_steps_question_and_check_of_a_forwarding(as_alice, channel, office, smtp_sink):
    html = as_alice.get(f"/system/channels/{channel.id}").text
    for name in ("Gmail", "Microsoft 365", "GMX", "WEB.DE", "IONOS", "STRATO", "mailbox.org", "A1",
                 "World4You", "Hetzner", "Infomaniak"):  # fmt: skip
        assert f"<dt>{name}</dt>" in html
    typed = {"key": channel.key, "forwarded_from": "info@acme.example"}
    as_alice.post(f"/system/channels/{channel.id}", typed)
    intake.process(arrivals.receive(channel.id, arrivals.Arrival(GMAIL, "smtp", "1")))
    html = unescape(as_alice.get(f"/system/channels/{channel.id}").text)
    assert (
        "Not checked yet" in html and "Gmail asks for a confirmation" in html and ">123456789</code>" in html
    )
    assert 'href="https://mail-settings.google.com/mail/vf-' in html
    check = f"/system/channels/{channel.id}/forward-check"
    as_alice.post(check, status=409)  # there is no way out
    office.settings = replace(office.settings, relay=Relay("localhost", smtp_sink.port, "none"))
    assert as_alice.post(check).location == f"/system/channels/{channel.id}"
    piece = as_alice.get(f"/system/channels/{channel.id}/forward", htmx=True).text
    assert "The check is on its way" in piece and "hx-get" in piece


# --- many channels ---


@pytest.fixture
def many(app):
    """Three hundred standard channels, without the check of each that the form makes."""
    for number in range(300):
        key = f"Team {number:03}"
        address = f"team-{number:03}@poststelle.example"
        db.session.add(
            Channel(
                key=key, key_fold=key.casefold(), address=address, address_key=address, provider="standard"
            )
        )
    db.session.commit()


def shown(html: str) -> list[str]:
    return re.findall(r"data-item>([^<]+)</a>", html)


def test_the_list_has_pages_and_a_search(as_alice, many, own):
    first = as_alice.get("/system/channels").text
    assert len(shown(first)) == 50 and shown(first)[0] == "Support" and "1–50 of 302" in first
    last = as_alice.get("/system/channels?page=7").text
    assert shown(last) == ["Team 298", "Team 299"] and "301–302 of 302" in last and 'rel="next"' not in last
    assert shown(as_alice.get("/system/channels?page=999").text) == ["Team 298", "Team 299"]
    assert shown(as_alice.get("/system/channels?q=TEAM+12").text) == [f"Team {n:03}" for n in (12, 112, *range(120, 130), 212)]  # fmt: skip
    assert shown(as_alice.get("/system/channels?q=billing%40acme").text) == ["Billing"]
    for nothing in ("%25", "100%25_", "nobody", "'"):
        assert "No channel found" in as_alice.get(f"/system/channels?q={nothing}").text


def test_three_hundred_are_listed_with_as_many_questions_as_five(as_alice, own, many, app):
    from sqlalchemy import event

    asked = []
    event.listen(db.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    as_alice.get("/system/channels")
    with_many = len(asked)
    db.session.query(Channel).filter(Channel.key.like("Team%")).delete()
    db.session.commit()
    asked.clear()
    as_alice.get("/system/channels")
    assert with_many == len(asked) <= 13  # one of them is the count of the bell


def test_a_clone_has_the_servers_but_neither_address_nor_password(as_alice, own):
    html = as_alice.get(f"/system/channels/new?like={own.id}").text
    assert value(html, "server") == "imap.acme.example" and value(html, "smtp_server") == "smtp.acme.example"
    assert [value(html, name) for name in ("key", "address", "user", "password")] == [""] * 4
    assert "secret" not in html and 'action="/system/channels/new"' in html
    as_alice.get("/system/channels/new?like=999", status=404)
