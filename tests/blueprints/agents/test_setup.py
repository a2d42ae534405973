"""The beginning, through the browser."""

from __future__ import annotations

import dataclasses

import pytest

from config import Relay
from desk.office import account, office, relay
from models import Channel, db
from tests.blueprints.visitor import Visitor

TOKEN = "the-token-that-was-printed"
ANSWERS = {
    "company": "Käse & Söhne GmbH",
    "mail_domain": "poststelle.example",
    "timezone": "Europe/Berlin",
    "name": "Alice Berger",
    "email": "alice@acme.test",
    "password": "alices password",
    "relay_encryption": "starttls",
}


@pytest.fixture
def visitor(empty_app):
    empty_app.extensions["poststelle"].setup_token = TOKEN
    return Visitor(empty_app)


def finish(visitor, **changes):
    visitor.get(f"/setup/{TOKEN}")
    return visitor.post(f"/setup/{TOKEN}", ANSWERS | changes)


@pytest.mark.parametrize("url", ["/", "/profile", "/system/agents", "/login"])
def test_everything_leads_to_the_set_up_that_tells_where_the_link_is(visitor, url):
    answer = visitor.get(url, follow_redirects=True)
    assert answer.request.path == "/setup"
    assert "set-up link" in answer.text and TOKEN not in answer.text


@pytest.mark.parametrize("token", ["wrong", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "ü"])
def test_a_wrong_token_opens_nothing(visitor, token):
    visitor.get(f"/setup/{TOKEN}")  # for the CSRF token
    for answer in (
        visitor.client.get(f"/setup/{token}"),
        visitor.client.get(f"/setup/{token}/address?company=Acme"),
        visitor.post(f"/setup/{token}", ANSWERS),
    ):
        assert answer.status_code == 404
        assert 'name="company"' not in answer.text


def test_without_a_printed_token_nothing_opens(visitor, empty_app):
    empty_app.extensions["poststelle"].setup_token = ""
    assert visitor.get("/setup/").status_code == 404
    assert visitor.get("/setup/x").status_code == 404


def test_guessing_tokens_is_braked(visitor, brakes):
    statuses = [visitor.get(f"/setup/guess{number}").status_code for number in range(22)]
    assert statuses[0] == 404 and statuses[-1] == 429


def test_the_set_up_signs_in_and_closes_for_ever(visitor, empty_app):
    answer = finish(visitor)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/tickets")
    assert visitor.get("/profile").status_code == 200
    with empty_app.app_context():
        row = account()
        assert (row.company, row.timezone, row.locale) == ("Käse & Söhne GmbH", "Europe/Berlin", "en")
        assert db.session.query(Channel).one().address == "support-kaese-soehne@poststelle.example"
        assert office().setup_token == ""
    stranger = Visitor(empty_app)
    stranger.get("/login")
    for again in (
        stranger.get("/setup"),
        stranger.get(f"/setup/{TOKEN}"),
        stranger.post(f"/setup/{TOKEN}", ANSWERS),
        stranger.get(f"/setup/{TOKEN}/address"),
    ):
        assert (again.status_code, again.headers["Location"]) == (302, "/login")


def test_set_up_by_the_command_line_closes_the_link_of_a_running_server(visitor, empty_app):
    """The command runs in another process: the server's token is still there, the account counts."""
    finish(visitor)
    empty_app.extensions["poststelle"].setup_token = TOKEN
    assert Visitor(empty_app).get(f"/setup/{TOKEN}").headers["Location"] == "/login"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"company": ""}, "Enter the name of your company."),
        ({"mail_domain": "acme example"}, "This is no valid domain. An example: acme.example"),
        ({"name": " "}, "Enter a name."),
        ({"email": "alice"}, "This is no valid e-mail address. An example: name@acme.example"),
        ({"password": "short"}, "Use at least 10 characters."),
        ({"relay_host": "mail.acme.test:25"}, "Enter only the name of the server: mail.acme.example"),
        ({"relay_host": "mail.acme.test", "relay_port": "70000"}, "A port is a number from 1 to 65535."),
    ],
)
def test_a_wrong_answer_gets_a_sentence_and_keeps_what_was_typed(visitor, empty_app, changes, sentence):
    answer = finish(visitor, **changes)
    assert answer.status_code == 422
    assert sentence in visitor.errors
    assert answer.text.count("autofocus") == 1
    assert 'value="alice@acme.test"' in answer.text or "email" in changes
    assert "alices password" not in answer.text, "a password never comes back"
    with empty_app.app_context():
        assert account() is None


@pytest.mark.parametrize(
    ("entered", "expected"),
    [
        ({}, None),
        ({"relay_host": "mail.acme.test"}, Relay("mail.acme.test", 587, "starttls")),
        (
            {"relay_host": " mail.acme.test ", "relay_encryption": "ssl"},
            Relay("mail.acme.test", 465, "ssl"),
        ),
        (
            {"relay_host": "mx", "relay_port": "2525", "relay_encryption": "none"},
            Relay("mx", 2525, "none"),
        ),
        (
            {"relay_host": "mx", "relay_user": "acme", "relay_password": " pässwört "},
            Relay("mx", 587, "starttls", "acme", " pässwört "),
        ),
    ],
)
def test_the_relay_is_what_was_entered(visitor, empty_app, entered, expected):
    assert finish(visitor, **entered).status_code == 303
    with empty_app.app_context():
        assert relay() == expected
        if expected:
            assert relay().password == expected.password


def test_what_the_environment_sets_is_fixed_and_wins(visitor, empty_app):
    decided = office_settings(
        empty_app,
        mail_domain="decided.example",
        timezone="Europe/Zurich",
        relay=Relay("relay.decided.example", 25, "none", "user", "secret of the relay"),
    )
    empty_app.extensions["poststelle"].settings = decided
    text = visitor.get(f"/setup/{TOKEN}").text
    for shown in ("decided.example", "Europe/Zurich", "relay.decided.example:25"):
        assert shown in text
    for field in ("mail_domain", "timezone", "relay_host"):
        assert f'name="{field}"' not in text
    assert "secret of the relay" not in text
    # What the page does not ask for is not sent by a browser; what a stranger adds does not count.
    sent = {name: value for name, value in ANSWERS.items() if f'name="{name}"' in text}
    assert "relay_encryption" not in sent
    sent |= {"mail_domain": "other.example", "relay_host": "other.example"}
    assert visitor.post(f"/setup/{TOKEN}", sent).status_code == 303
    with empty_app.app_context():
        row = account()
        assert (row.mail_domain, row.timezone, row.relay_host) == ("decided.example", "Europe/Zurich", "")


def office_settings(app, **changes):
    return dataclasses.replace(app.extensions["poststelle"].settings, **changes)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("company=K%C3%A4se+GmbH&mail_domain=acme.test", "support-kaese@acme.test"),
        ("company=Acme&mail_domain=", "support-acme@poststelle.example"),
        ("company=%3Cscript%3E&mail_domain=%3Cb%3E", "support-script@&lt;b&gt;"),
        ("", "from the name of your company"),
    ],
)
def test_the_address_is_shown_while_typing(visitor, query, shown):
    answer = visitor.get(f"/setup/{TOKEN}/address?{query}", headers={"HX-Request": "true"})
    assert shown in answer.text and "<html" not in answer.text


def test_the_preview_never_carries_the_password(visitor):
    """It is a GET: what it includes stands in logs."""
    text = visitor.get(f"/setup/{TOKEN}").text
    assert 'hx-include="#company, #mail_domain"' in text


def test_the_language_is_chosen_by_a_link_and_kept(visitor, empty_app):
    assert '<html lang="de"' in visitor.get(f"/setup/{TOKEN}?lang=de").text
    assert '<html lang="de"' in visitor.get(f"/setup/{TOKEN}").text
    finish(visitor)
    with empty_app.app_context():
        assert account().locale == "de"
