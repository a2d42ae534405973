"""The agents, through an administrator's browser."""

from __future__ import annotations

import re

import pytest

from desk.agents import accounts
from models import Role
from tests.blueprints.visitor import Visitor


@pytest.fixture
def alice(house):
    visitor = Visitor(house)
    visitor.sign_in("alice@acme.test")
    visitor.get("/system/agents")
    return visitor


@pytest.fixture
def numbers(house):
    with house.app_context():
        return {agent.email.partition("@")[0]: agent.id for agent in accounts.agents()}


@pytest.fixture
def agent(house):
    def read(name, column):
        with house.app_context():
            return getattr(accounts.agent_by_email(f"{name}@acme.test"), column)

    return read


def test_an_invitation_shows_its_link_once_and_lets_the_agent_in(house, alice):
    alice.get("/system/agents/new")
    answer = alice.post("/system/agents", {"name": "Carl", "email": "carl@acme.test", "role": "admin"})
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
    # The address of the installation, not the host that the request named (localhost).
    url = re.search(r"<code>http://127\.0\.0\.1:8080(/password/[\w-]+)</code>", answer.text)[1]
    assert url not in alice.get("/system/agents").text and "invited" in alice.page
    carl = Visitor(house)
    carl.get(url)
    assert carl.post(url, {"password": "carls password"}).status_code == 303
    assert carl.get("/system/agents").status_code == 200


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": ""}, "Enter a name."),
        ({"name": "Carl\nBcc: all"}, "Use one line without control characters."),
        ({"name": "Carl\x00"}, "Use one line without control characters."),
        ({"email": "carl"}, "This is no valid e-mail address. An example: name@acme.example"),
        ({"email": "BOB@acme.test"}, "There is already an agent with this e-mail address."),
    ],
)
def test_a_wrong_invitation_gets_a_sentence(alice, fields, sentence):
    alice.get("/system/agents/new")
    answer = alice.post(
        "/system/agents", {"name": "Carl", "email": "carl@acme.test", "role": "agent"} | fields
    )
    assert answer.status_code == 422 and sentence in alice.errors
    assert alice.get("/system/agents").text.count("<tr id=") == 2


@pytest.mark.parametrize("role", ["system", "owner", ""])
def test_no_form_makes_a_second_owner(alice, numbers, agent, role):
    alice.get("/system/agents/new")
    fields = {"name": "Eve", "email": "eve@acme.test", "role": role}
    assert alice.post("/system/agents", fields).status_code == 422
    assert alice.post(f"/system/agents/{numbers['bob']}/role/{role}").status_code in (404, 409)
    assert agent("bob", "role") == Role.AGENT


def test_the_role_takes_effect_at_once(house, alice, numbers):
    bob = Visitor(house)
    bob.sign_in("bob@acme.test")
    assert bob.get("/system/agents").status_code == 403
    alice.post(f"/system/agents/{numbers['bob']}/role/admin")
    assert bob.get("/system/agents").status_code == 200
    alice.get("/system/agents")
    alice.post(f"/system/agents/{numbers['bob']}/role/agent")
    assert bob.get("/system/agents").status_code == 403


def test_deactivating_shuts_out_at_once_and_can_be_undone(house, alice, numbers):
    bob = Visitor(house)
    bob.sign_in("bob@acme.test", remember="y")
    alice.post(f"/system/agents/{numbers['bob']}/deactivation")
    assert bob.get("/profile").headers["Location"].startswith("/login")
    assert bob.sign_in("bob@acme.test").status_code == 422
    alice.get("/system/agents")
    assert "Bob can no longer sign in." in alice.page
    alice.post(f"/system/agents/{numbers['bob']}/activation")
    assert bob.sign_in("bob@acme.test").status_code == 303


@pytest.mark.parametrize("act", ["deactivation", "role/agent"])
def test_the_founder_is_protected_on_the_server_too(house, alice, numbers, agent, act):
    alice.post(f"/system/agents/{numbers['bob']}/role/admin")
    bob = Visitor(house)
    bob.sign_in("bob@acme.test")
    page = bob.get("/system/agents").text
    assert f"/system/agents/{numbers['alice']}/{act}" not in page, "there is no such button"
    assert bob.post(f"/system/agents/{numbers['alice']}/{act}").status_code == 409
    assert "stays an administrator" in bob.errors[0]
    assert agent("alice", "active") and agent("alice", "role") == Role.SYSTEM


def test_nobody_deactivates_himself(house, alice, numbers, agent):
    alice.post(f"/system/agents/{numbers['bob']}/role/admin")
    bob = Visitor(house)
    bob.sign_in("bob@acme.test")
    bob.get("/system/agents")
    assert bob.post(f"/system/agents/{numbers['bob']}/deactivation").status_code == 409
    assert agent("bob", "active")


def test_a_new_link_for_who_lost_the_first(house, alice, numbers):
    answer = alice.post(f"/system/agents/{numbers['bob']}/link")
    # The address of the installation, not the host that the request named (localhost).
    url = re.search(r"<code>http://127\.0\.0\.1:8080(/password/[\w-]+)</code>", answer.text)[1]
    assert Visitor(house).get(url).status_code == 200
    alice.get("/system/agents")
    alice.post(f"/system/agents/{numbers['bob']}/deactivation")
    assert Visitor(house).get(url).status_code == 404
    alice.get("/system/agents")
    assert alice.post(f"/system/agents/{numbers['bob']}/link").status_code == 409


@pytest.mark.parametrize("act", ["deactivation", "activation", "link", "role/admin"])
def test_an_agent_who_does_not_exist_is_not_found(alice, act):
    assert alice.post(f"/system/agents/999/{act}").status_code == 404
