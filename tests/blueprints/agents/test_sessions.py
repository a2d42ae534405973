"""Coming and going, through the browser."""

from __future__ import annotations

import re
import threading
import time

import pytest
from flask import template_rendered
from sqlalchemy import event, select

from blueprints.page.limits import limiter
from desk.agents import accounts
from desk.notices import password_links
from models import OutboundMail, db
from tests.blueprints.visitor import Visitor

HOME = "/tickets"
NOT_RIGHT = "The e-mail address or the password is not right."


@pytest.fixture
def visitor(house):
    return Visitor(house)


def signed_in(visitor):
    return visitor.client.get("/profile").status_code == 200


def test_in_and_out(visitor):
    assert not signed_in(visitor)
    answer = visitor.sign_in("alice@acme.test")
    assert (answer.status_code, answer.headers["Location"]) == (303, HOME)
    assert signed_in(visitor)
    assert visitor.get("/login").headers["Location"] == HOME
    visitor.get("/profile")
    assert visitor.post("/logout").headers["Location"] == "/login"
    assert not signed_in(visitor)
    visitor.get("/login")
    assert "You are signed out." in visitor.page


@pytest.mark.parametrize(
    ("email", "password"), [("alice@acme.test", "wrong"), ("nobody@acme.test", "wrong"), ("x", "y")]
)
def test_every_wrong_attempt_gets_the_same_answer(visitor, email, password):
    answer = visitor.sign_in(email, password)
    assert answer.status_code == 422 and visitor.errors == [NOT_RIGHT]
    assert f'value="{email}"' in answer.text and password not in visitor.errors
    assert not signed_in(visitor)


def test_wrong_answers_differ_in_nothing_but_the_address(house):
    pages = []
    for email in ("alice@acme.test", "nobdy@acme.test"):
        visitor = Visitor(house)
        visitor.sign_in(email, "wrong password")
        page = re.sub(r'(csrf_token" value="|"X-CSRFToken": "|nonce" content=")[^"]*', "", visitor.page)
        pages.append(page.replace(email, ""))
    assert pages[0] == pages[1]


def test_nothing_of_the_session_before_survives_the_login(visitor):
    """Session fixation: a stranger who planted the session knows what is in it."""
    with visitor.client.session_transaction() as session:
        session["planted"] = "by Mallory"
        session["csrf_token"] = "known to Mallory"
    visitor.sign_in("bob@acme.test")
    with visitor.client.session_transaction() as session:
        assert "planted" not in session
        assert session.get("csrf_token") != "known to Mallory"
        assert session["_user_id"].endswith(":1")


@pytest.mark.parametrize(
    "url", ["/login", "/logout", "/password/forgotten", "/password/x", "/profile", "/profile/password"]
)
def test_nothing_changes_without_the_token_of_the_form(visitor, url):
    visitor.sign_in("bob@acme.test")
    answer = visitor.client.post(url, data={"email": "bob@acme.test", "password": "bobs password"})
    assert answer.status_code == 400
    assert signed_in(visitor)


@pytest.mark.parametrize(
    ("target", "lands"),
    [
        ("/profile", "/profile"),
        ("/system/agents?x=1", "/system/agents?x=1"),
        ("//evil.test/", HOME),
        ("/\\evil.test", HOME),
        ("https://evil.test/", HOME),
        ("javascript:alert(1)", HOME),
        ("/%09/evil.test", "/%09/evil.test"),
        ("/\t/evil.test", HOME),
        ("profile", HOME),
        ("", HOME),
    ],
)
def test_after_signing_in_only_our_own_pages_follow(visitor, target, lands):
    visitor.get("/login")
    fields = {"email": "alice@acme.test", "password": "alices password"}
    answer = visitor.post("/login", fields, query_string={"next": target})
    assert answer.headers["Location"] == lands


def test_the_page_that_was_asked_for_comes_after_the_login(visitor):
    answer = visitor.get("/profile")
    assert answer.headers["Location"] == "/login?next=/profile"
    page = visitor.get(answer.headers["Location"]).text
    assert 'action="/login?next=/profile"' in page
    assert "lang=de" in page and page.count("next=") >= 3, "the other language keeps it too"


def test_staying_signed_in_is_a_choice(house):
    for fields, stays in (({}, False), ({"remember": "y"}, True)):
        visitor = Visitor(house)
        visitor.sign_in("bob@acme.test", **fields)
        visitor.client.delete_cookie("poststelle")  # the browser was closed
        assert signed_in(visitor) is stays
    visitor.get("/profile")
    visitor.post("/logout")
    visitor.client.delete_cookie("poststelle")
    assert not signed_in(visitor), "signing out forgets the device"


def test_somebody_else_who_signs_in_is_not_replaced_by_the_one_remembered(visitor):
    visitor.sign_in("alice@acme.test", remember="y")
    visitor.client.delete_cookie("poststelle", path="/")
    with visitor.client.session_transaction() as session:
        session.clear()
    visitor.get("/profile")
    visitor.post("/login", {"email": "bob@acme.test", "password": "bobs password"})
    visitor.client.delete_cookie("poststelle")
    assert not signed_in(visitor)


def test_guessing_is_braked_per_account_with_the_same_answer(house, brakes):
    for email in ("alice@acme.test", "nobody@acme.test"):
        limiter.reset()
        visitor = Visitor(house)
        statuses = [visitor.sign_in(email, "wrong").status_code for _ in range(11)]
        assert statuses == [422] * 10 + [429]


def test_guessing_is_braked_per_address_of_the_client(visitor, brakes):
    statuses = [visitor.sign_in(f"a{number}@acme.test", "wrong").status_code for number in range(31)]
    assert statuses == [422] * 30 + [429]
    stranger = Visitor(visitor.client.application)
    stranger.client.environ_base["REMOTE_ADDR"] = "192.0.2.7"
    assert stranger.sign_in("alice@acme.test").status_code == 303


@pytest.mark.parametrize(
    ("addresses", "others"),
    [
        ([f"2001:db8:1:2::{number:x}" for number in range(1, 32)], "2001:db8:1:3::1"),
        ([f"::ffff:192.0.2.{number % 2 + 7}" for number in range(61)], "192.0.2.9"),
    ],
)
def test_one_line_with_many_addresses_is_one_client(house, brakes, addresses, others):
    """A provider hands each customer a /64 of IPv6; and an IPv4 address is the same one however it is written."""
    statuses = []
    for number, address in enumerate(addresses):
        stranger = Visitor(house)
        stranger.client.environ_base["REMOTE_ADDR"] = address
        statuses.append(stranger.sign_in(f"a{number}@acme.test", "wrong").status_code)
    assert statuses[-1] == 429 and statuses[0] == 422
    stranger = Visitor(house)
    stranger.client.environ_base["REMOTE_ADDR"] = others
    assert stranger.sign_in("alice@acme.test").status_code == 303


def test_work_is_not_braked(house, brakes):
    for _ in range(12):
        assert Visitor(house).sign_in("bob@acme.test").status_code == 303


# --- links that set a password ---


def test_forgotten_gets_the_same_answer_for_everybody(house):
    pages = set()
    for email in ("bob@acme.test", "nobody@acme.test"):
        visitor = Visitor(house)
        visitor.get("/password/forgotten")
        answer = visitor.post("/password/forgotten", {"email": email})
        assert answer.status_code == 200
        page = re.sub(r'(csrf_token" value="|"X-CSRFToken": "|nonce" content=")[^"]*', "", answer.text)
        pages.add(page)
    assert len(pages) == 1
    with house.app_context():
        assert [mail.purpose for mail in db.session.scalars(select(OutboundMail))] == ["password_link"]


def test_no_clock_tells_who_works_here(house):
    """While the answer is on its way nothing has been looked up; then as much is done for an agent as for nobody."""
    visitor = Visitor(house)
    visitor.get("/password/forgotten")
    asked, written = [], []

    def note(_connection, _cursor, statement, *_):
        if "email_key" in statement:
            asked.append(time.monotonic())

    def note_mail(_app, template, **_):
        if template.name == "mail/password_link/body.html":
            written.append(template.name)

    with house.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    template_rendered.connect(note_mail, house)
    try:
        for email in ("bob@acme.test", "nobody@acme.test"):
            asked.clear()
            written.clear()
            visitor.client.post("/password/forgotten", data={"csrf_token": visitor.token, "email": email})
            answered = time.monotonic()
            for thread in threading.enumerate():
                if thread.name == "password link":
                    thread.join()
            assert asked and min(asked) > answered, email
            assert len(written) == 1, email
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_asking_for_links_is_braked_for_known_and_unknown_addresses(house, brakes):
    for email in ("bob@acme.test", "nobody@acme.test"):
        visitor = Visitor(house)
        visitor.get("/password/forgotten")
        token = visitor.token
        statuses = [
            visitor.post("/password/forgotten", {"email": email, "csrf_token": token}).status_code
            for _ in range(6)
        ]
        assert statuses == [200] * 5 + [429]


def test_a_link_sets_the_password_once_and_signs_in(house):
    with house.app_context():
        token = password_links.renew_link(accounts.agent_by_email("bob@acme.test"))
    elsewhere, visitor = Visitor(house), Visitor(house)
    elsewhere.sign_in("bob@acme.test")
    page = visitor.get(f"/password/{token}")
    assert page.status_code == 200 and page.headers["Referrer-Policy"] == "no-referrer"
    assert visitor.post(f"/password/{token}", {"password": "short"}).status_code == 422
    assert visitor.errors[0] == "Use at least 10 characters."
    answer = visitor.post(f"/password/{token}", {"password": "a better password"})
    assert (answer.status_code, answer.headers["Location"]) == (303, HOME)
    assert signed_in(visitor) and not signed_in(elsewhere)
    late = Visitor(house)
    late.get("/login")
    assert late.client.get(f"/password/{token}").status_code == 404
    assert late.post(f"/password/{token}", {"password": "mallorys password"}).status_code == 404
    assert not signed_in(late)
    assert late.sign_in("bob@acme.test", "a better password").status_code == 303


@pytest.mark.parametrize("token", ["x", "forgotten-not", "ü", "a" * 5000])
def test_a_made_up_link_says_so(visitor, token):
    answer = visitor.get(f"/password/{token}")
    assert answer.status_code == 404 and "no longer valid" in answer.text
