"""Who may: every route there is, for a stranger, an agent and an administrator."""

from __future__ import annotations

import pytest
from werkzeug.routing.converters import NumberConverter

from blueprints.page.access import safe_next
from tests.blueprints.visitor import Visitor

# Whoever adds a route decides here who may use it. All others need an agent who is signed in.
OPEN = {
    "static",
    "health.alive",
    "health.ready",
    "security_txt.show",
    "sessions.new",
    "sessions.create",
    "sessions.destroy",
    "sessions.forgotten",
    "sessions.request_link",
    "sessions.password",
    "sessions.set_password",
    "setup.closed",
    "setup.show",
    "setup.create",
    "setup.address",
}
ADMIN = {
    "agents", "blocked_senders", "channels", "deliverability", "groups", "ledger", "mail_designs", "moved",
    "notifications", "oauth", "outbox", "requester_languages",
}  # fmt: skip
SAMPLES = {"int": 1, "default": "x", "string": "x", "path": "x", "uuid": "0" * 32}


def routes(house):
    """(endpoint, method, address) of every rule, with something in the place of each part."""
    adapter = house.url_map.bind("localhost")
    for rule in house.url_map.iter_rules():
        values = {
            name: SAMPLES.get(type(converter).__name__.removesuffix("Converter").lower(), 1)
            for name, converter in rule._converters.items()
        }
        values = {
            name: "x" if value == 1 and not _is_number(rule, name) else value
            for name, value in values.items()
        }
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            yield rule.endpoint, method, adapter.build(rule.endpoint, values, method=method)


def _is_number(rule, name):
    return isinstance(rule._converters[name], NumberConverter)


def is_for_admins(endpoint):
    return endpoint.partition(".")[0] in ADMIN


def ask(visitor, method, url):
    """With a good CSRF token, so that it is the guard that answers."""
    if method == "GET":
        return visitor.client.get(url)
    return visitor.client.post(url, data={"csrf_token": visitor.token})


def test_only_these_pages_are_open_to_a_stranger(house):
    visitor = Visitor(house)
    visitor.get("/login")
    let_in = {
        endpoint
        for endpoint, method, url in routes(house)
        if endpoint not in OPEN and not _leads_to_login(ask(visitor, method, url))
    }
    assert let_in == set()


def _leads_to_login(answer):
    return answer.status_code == 303 and answer.headers["Location"].startswith("/login")


def test_system_is_closed_to_agents(house):
    bob = Visitor(house)
    bob.sign_in("bob@acme.test")
    bob.get("/profile")
    admin = [route for route in routes(house) if is_for_admins(route[0])]
    assert {endpoint for endpoint, _, _ in admin} >= {"agents.index", "channels.index", "notifications.index"}
    answers = {endpoint: ask(bob, method, url).status_code for endpoint, method, url in admin}
    assert {endpoint: status for endpoint, status in answers.items() if status != 403} == {}


def test_what_stands_under_system_is_for_administrators(house):
    """A new view under »System« that forgot to say so."""
    forgotten = [
        url for endpoint, _, url in routes(house) if url.startswith("/system") and not is_for_admins(endpoint)
    ]
    assert forgotten == []


def test_agents_see_no_link_to_what_is_closed(house):
    bob = Visitor(house)
    bob.sign_in("bob@acme.test")
    assert "/system/" not in bob.get("/profile").text


def test_htmx_is_led_to_the_login_as_a_whole_page(house):
    answer = Visitor(house).get("/profile", headers={"HX-Request": "true"})
    assert answer.status_code == 401 and answer.headers["HX-Redirect"] == "/login"


def test_a_refusal_is_a_notice_for_htmx_and_a_page_otherwise(house):
    bob = Visitor(house)
    bob.sign_in("bob@acme.test")
    page = bob.get("/system/agents")
    assert page.status_code == 403 and page.text.count("<h1") == 1
    notice = bob.get("/system/agents", headers={"HX-Request": "true"})
    assert notice.status_code == 403 and "<html" not in notice.text
    assert (notice.headers["HX-Retarget"], notice.headers["HX-Reswap"]) == ("#notices", "beforeend")


@pytest.mark.parametrize(
    ("target", "safe"),
    [
        ("/", True),
        ("/tickets/1001?view=open#end", True),
        (None, False),
        ("", False),
        ("tickets", False),
        ("//evil.test", False),
        ("///evil.test", False),
        ("/\\evil.test", False),
        ("\\\\evil.test", False),
        ("/a\r\nSet-Cookie: x", False),
        ("http://evil.test", False),
        ("/ok\x00", False),
    ],
)
def test_next_stays_in_the_house(target, safe):
    assert safe_next(target, "/home") == (target if safe else "/home")
