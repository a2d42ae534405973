"""»System >> Settings«, through the browser."""

from __future__ import annotations

import dataclasses
import re

import pytest

from config import Relay
from desk.channels import channels
from desk.office import office, relay, the_account
from models import Channel, db
from tests.blueprints.visitor import Visitor

ANSWERS = {
    "company": "Müller & Söhne GmbH",
    "locale": "en",
    "timezone": "Europe/Zurich",
    "undo_seconds": "0",
    "close_days": "30",
    "reopen_days": "0",
    "relay_host": "smtp.acme.example",
    "relay_encryption": "ssl",
    "relay_port": "",
    "relay_user": "post",
    "relay_password": "geheim & sicher",
}


@pytest.fixture
def admin(house):
    visitor = Visitor(house)
    visitor.sign_in("alice@acme.test")
    visitor.get("/system/settings")
    return visitor


def test_everything_is_kept_and_shown_again(house, admin):
    answer = admin.post("/system/settings", ANSWERS, follow_redirects=True)
    assert admin.notices[0] == "The settings are saved."
    with house.app_context():
        row = the_account()
        assert (row.company, row.locale, row.timezone) == ("Müller & Söhne GmbH", "en", "Europe/Zurich")
        assert (row.undo_seconds, row.close_days, row.reopen_days) == (0, 30, 0)
        assert relay() == Relay("smtp.acme.example", 465, "ssl", "post", "geheim & sicher")
    assert 'value="smtp.acme.example"' in answer.text
    assert 'value="465"' not in answer.text, "a usual port follows the encryption"
    assert "geheim" not in answer.text


def test_the_stored_password_goes_only_to_its_server(house, admin):
    admin.post("/system/settings", ANSWERS)
    empty = ANSWERS | {"relay_password": "", "relay_port": "465"}
    admin.post("/system/settings", empty)
    with house.app_context():
        assert relay().password == "geheim & sicher"
    for change in (
        {"relay_host": "elsewhere.example"},
        {"relay_user": "another"},
        {"relay_port": "587"},
        {"relay_encryption": "none"},
    ):
        admin.post("/system/settings", ANSWERS)
        assert admin.post("/system/settings", empty | change).status_code == 303
        with house.app_context():
            assert relay().password == ""


def test_without_a_server_name_there_is_no_relay(house, admin):
    admin.post("/system/settings", ANSWERS)
    admin.post("/system/settings", ANSWERS | {"relay_host": ""})
    with house.app_context():
        assert relay() is None and the_account().relay_password == ""


def test_channels_follow_the_name_unless_they_have_their_own(house, admin):
    with house.app_context():
        own = Channel(key="B", key_fold="b", address="b@x.example", address_key="b@x.example", provider="standard",
                      active=True, sender_name="Buchhaltung")  # fmt: skip
        db.session.add(own)
        db.session.commit()
        before = the_account().company
        channels.default().sender_name = before
        db.session.commit()
    admin.post("/system/settings", ANSWERS)
    with house.app_context():
        assert channels.default().sender_name == "Müller & Söhne GmbH"
        assert channels.by_key("B").sender_name == "Buchhaltung"


@pytest.mark.parametrize(
    "changes",
    [
        {"company": ""},
        {"company": "two\nlines"},
        {"locale": "xx"},
        {"timezone": "Mars/Olympus"},
        {"undo_seconds": "-1"},
        {"undo_seconds": "121"},
        {"undo_seconds": "soon"},
        {"close_days": "0"},
        {"close_days": "366"},
        {"reopen_days": "3651"},
        {"relay_host": "https://mail.acme.example/"},
        {"relay_port": "70000"},
        {"relay_encryption": "rot13"},
    ],
)
def test_what_cannot_be_is_refused_beside_its_field_and_nothing_is_kept(house, admin, changes):
    answer = admin.post("/system/settings", ANSWERS | changes)
    assert answer.status_code == 422
    assert admin.errors and re.search(r"aria-invalid", answer.text)
    with house.app_context():
        assert the_account().company != "Müller & Söhne GmbH" and relay() is None


def test_what_the_environment_fixes_is_no_field(house, admin):
    with house.app_context():
        fixed = Relay("relay.fixed.example", 25, "none", "user", "the relay's secret")
        office().settings = dataclasses.replace(
            office().settings, relay=fixed, timezone="Europe/Berlin", base_url="https://hilfe.acme.example"
        )
    page = admin.get("/system/settings").text
    for name in ("relay_host", "relay_password", "timezone"):
        assert f'name="{name}"' not in page
    for words in ("MAIL_SERVER", "relay.fixed.example:25", "POSTSTELLE_TIMEZONE", "POSTSTELLE_BASE_URL"):
        assert words in page
    assert "secret" not in page
    before = admin.post("/system/settings", ANSWERS)
    assert before.status_code == 303
    with house.app_context():
        assert the_account().relay_host == "" and the_account().timezone != "Europe/Zurich"


def test_the_relay_that_is_entered_is_tried_before_it_is_saved(house, admin, make_smtp_sink):
    sink = make_smtp_sink(users={"post": "geheim & sicher"})
    entered = ANSWERS | {"relay_host": "localhost", "relay_port": str(sink.port), "relay_encryption": "none"}
    page = admin.post("/system/settings/relay-test", entered).text
    assert page.count("step-ok") >= 2 and "step-failed" not in page
    wrong = admin.post("/system/settings/relay-test", entered | {"relay_password": "wrong"}).text
    assert "step-failed" in wrong
    with house.app_context():
        assert relay() is None


@pytest.mark.parametrize("htmx", [True, False])
@pytest.mark.parametrize(
    "changes", [{"relay_encryption": "rot13"}, {"relay_port": "999999999"}, {"relay_host": "a b"}]
)
def test_the_test_says_what_is_wrong_with_the_fields(admin, changes, htmx):
    headers = {"HX-Request": "true", "HX-Request-Type": "partial"} if htmx else {}
    answer = admin.post("/system/settings/relay-test", ANSWERS | changes, headers=headers)
    assert answer.status_code == 422 and "step-" not in answer.text


def test_a_test_of_another_or_an_old_one_says_so(admin):
    assert "interrupted" in admin.get("/system/settings/relay-tests/unknown").text


def test_agents_do_not_get_there(house):
    bob = Visitor(house)
    bob.sign_in("bob@acme.test")
    assert bob.get("/system/settings").status_code == 403
