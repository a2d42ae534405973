"""What agents decide for themselves."""

from __future__ import annotations

import re

import pytest

from desk.agents import accounts
from tests.blueprints.visitor import Visitor

FIELDS = {"name": "Bob", "locale": "", "timezone": "", "scheme": "", "shortcuts": "y"}


@pytest.fixture
def bob(house):
    visitor = Visitor(house)
    visitor.sign_in("bob@acme.test")
    visitor.get("/profile")
    return visitor


@pytest.fixture
def row(house):
    def read(*columns):
        with house.app_context():
            agent = accounts.agent_by_email("bob@acme.test")
            return tuple(getattr(agent, column) for column in columns)

    return read


def test_the_profile_is_kept_and_seen_on_the_next_page(bob, row):
    fields = {"name": " Bob Maier ", "locale": "de", "timezone": "Asia/Tokyo", "scheme": "dark"}
    answer = bob.post("/profile", fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/profile")
    assert row("name", "locale", "timezone", "scheme", "shortcuts") == (
        "Bob Maier",
        "de",
        "Asia/Tokyo",
        "dark",
        False,
    )
    page = bob.get("/profile").text
    assert '<html lang="de" data-scheme="dark"' in page
    assert 'data-shortcuts="off"' in page
    assert '<option selected value="Asia/Tokyo">' in page


@pytest.mark.parametrize(
    "wrong",
    [{"name": " "}, {"locale": "fr"}, {"timezone": "Europe"}, {"scheme": "pink"}, {"name": "x" * 201}],
)
def test_a_wrong_profile_changes_nothing(bob, row, wrong):
    assert bob.post("/profile", FIELDS | {"scheme": "dark"} | wrong).status_code == 422
    assert row("name", "locale", "timezone", "scheme") == ("Bob", "", "", "")


def test_nobody_raises_himself_by_the_form(bob, row):
    bob.post("/profile", FIELDS | {"role": "admin", "email": "alice@acme.test", "session_version": "9"})
    assert row("role", "email", "session_version") == ("agent", "bob@acme.test", 1)


def test_a_new_password_ends_every_other_session(house, bob):
    elsewhere = Visitor(house)
    elsewhere.sign_in("bob@acme.test", remember="y")
    answer = bob.post("/profile/password", {"old": "bobs password", "password": "a better password"})
    assert answer.status_code == 303
    assert bob.get("/profile").status_code == 200
    assert elsewhere.get("/profile").status_code == 303
    assert Visitor(house).sign_in("bob@acme.test").status_code == 422
    assert Visitor(house).sign_in("bob@acme.test", "a better password").status_code == 303


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("wrong", "a better password", "This is not your present password."),
        ("", "a better password", "Enter your password."),
        ("bobs password", "short", "Use at least 10 characters."),
        ("bobs password", "", "Choose a password."),
    ],
)
def test_a_password_that_is_not_taken(bob, row, old, new, sentence):
    before = row("password_hash")
    answer = bob.post("/profile/password", {"old": old, "password": new})
    assert answer.status_code == 422 and sentence in bob.errors
    assert 'value="Bob"' in answer.text, "the other form of the page still shows the profile"
    assert row("password_hash") == before


def test_signing_out_everywhere(house, bob):
    elsewhere = Visitor(house)
    elsewhere.sign_in("bob@acme.test", remember="y")
    assert bob.post("/profile/sessions").headers["Location"] == "/login"
    for visitor in (bob, elsewhere):
        assert visitor.get("/profile").status_code == 303


# --- what is heard of by mail

CHOICE = {
    "notify": "mine",
    "bell": "mentions",
    "digest": "daily",
    "work_days": ["1", "3"],
    "work_begin": "08:30",
    "work_end": "16:00",
}
STORED = ("notify", "bell", "digest", "work_days", "work_begin", "work_end")


def test_what_is_heard_of_and_when_is_kept_and_shown(bob, row):
    assert bob.post("/profile/notices", CHOICE).status_code == 303
    assert row(*STORED) == ("mine", "mentions", "daily", "13", "08:30", "16:00")
    html = bob.get("/profile").text
    for shown in ('id="notify-1"', 'id="bell-2"', 'value="daily"', 'value="3"'):
        (element,) = [one for one in re.findall(r"<input[^>]*>", html) if shown in one]
        assert "checked" in element
    assert 'value="08:30"' in html
    bob.post("/profile/notices", CHOICE | {"work_days": []})
    assert row(*STORED) == ("mine", "mentions", "daily", "", "", "")


@pytest.mark.parametrize(
    "wrong",
    [
        {"notify": "weather"},
        {"notify": ""},
        {"bell": "weather"},
        {"digest": "yearly"},
        {"work_days": ["8"]},
        {"work_begin": "16:00"},
        {"work_begin": "17:00"},
        {"work_begin": ""},
        {"work_end": "25:00"},
        {"work_end": "4 pm"},
    ],
)
def test_a_wrong_choice_changes_nothing(bob, row, wrong):
    assert bob.post("/profile/notices", CHOICE | wrong).status_code == 422
    assert row(*STORED) == ("all", "all", "", "", "", "")
