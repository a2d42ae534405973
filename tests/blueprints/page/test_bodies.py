"""How much a request may bring: every route, for a stranger and an agent."""

from __future__ import annotations

import pytest

from blueprints.page.bodies import BESIDE_FILES, FIELDS, OF_A_FORM, OF_A_STRANGER
from desk.office import Office
from tests.blueprints.test_access import routes
from tests.blueprints.visitor import Visitor

pytestmark = pytest.mark.one_database

# Whoever adds a form with files adds its route here, and marks it with `takes_files`.
WITH_FILES = {
    "drafts.add_files", "drafts.remove_file", "replies.create", "replies.create_note",
    "mail_designs.create", "mail_designs.update", "mail_designs.preview", "mail_designs.send_test",
}  # fmt: skip


def takes(house, visitor, size):
    """The endpoints that do not say 413 to a body of that size; it is announced, and refused before it comes."""
    return {
        endpoint
        for endpoint, method, url in routes(house)
        if method == "POST" and _status(visitor, url, size) != 413
    }


def _status(visitor, url, size):
    form = {"CONTENT_LENGTH": str(size), "CONTENT_TYPE": "application/x-www-form-urlencoded"}
    with visitor.client.post(url, environ_overrides=form) as answer:
        return answer.status_code


def test_a_stranger_brings_little_anywhere(house):
    visitor = Visitor(house)
    visitor.get("/login")
    assert takes(house, visitor, OF_A_STRANGER + 1) == set()
    assert "sessions.create" in takes(house, visitor, OF_A_STRANGER)


@pytest.mark.parametrize("remembered", [False, True])
def test_an_agent_brings_files_where_they_are_asked_for(house, remembered):
    alice = Visitor(house)
    alice.sign_in("alice@acme.test", **({"remember": "y"} if remembered else {}))
    if remembered:
        alice.client.delete_cookie("poststelle")  # the browser was closed
    office: Office = house.extensions["poststelle"]
    with_files = office.settings.max_mail_bytes + BESIDE_FILES
    assert takes(house, alice, OF_A_FORM + 1) == WITH_FILES
    assert takes(house, alice, with_files) == WITH_FILES
    assert takes(house, alice, with_files + 1) == set()


@pytest.mark.parametrize(("fields", "status"), [(FIELDS, 422), (FIELDS + 1, 413)])
def test_a_form_has_a_thousand_fields_at_most(house, fields, status):
    """Each costs a few microseconds before anybody has looked who asks; a body of 4 MB has a million."""
    visitor = Visitor(house)
    visitor.get("/login")
    more = {f"f{number}": "" for number in range(fields - 3)}  # beside the two of the form and its token
    answer = visitor.post("/login", {"email": "x@acme.test", "password": "wrong", **more})
    assert answer.status_code == status


def test_an_address_has_a_thousand_at_most(house):
    visitor = Visitor(house)
    assert visitor.client.get("/login?" + "&" * (FIELDS - 1)).status_code == 200
    assert visitor.client.get("/login?" + "&" * FIELDS).status_code == 413


def test_what_is_refused_unread_has_a_nonce_of_its_own(house):
    visitor = Visitor(house)
    policies = {
        visitor.client.get("/login?" + "&" * FIELDS).headers["Content-Security-Policy"] for _ in range(2)
    }
    assert len(policies) == 2 and not any("'nonce-'" in policy for policy in policies)
