"""Where we are says POSTSTELLE_BASE_URL alone; no redirect leads away from there, whatever is asked for."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest

from desk.agents import accounts
from tests.blueprints.test_access import routes
from tests.blueprints.visitor import PASSWORDS, Visitor

pytestmark = pytest.mark.one_database

FORWARDED = {
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Prefix": "//evil.test",
    "X-Forwarded-Port": "666",
    "Forwarded": "host=evil.test",
    "X-Original-Host": "evil.test",
}
WAYS_OUT = ["//evil.test", "/\\evil.test", "///evil.test/", "/%2f/evil.test", "/%5Cevil.test", "/%09/evil.test", "https://evil.test"]  # fmt: skip


@pytest.fixture
def make_house(make_app):
    def make(**settings):
        app = make_app(**settings)
        alice = PASSWORDS["alice@acme.test"]
        with app.app_context():
            accounts.create_account(
                "Acme", "acme.test", "en", "Europe/Vienna", "Alice", "alice@acme.test", alice
            )
        return app

    return make


def leads_away(base, location):
    """As a browser reads it: backslashes are slashes, tabs and line ends are nothing (WHATWG URL)."""
    read = location.replace("\\", "/").translate({9: None, 10: None, 13: None}).strip()
    return urlsplit(urljoin(base, read)).netloc != urlsplit(base).netloc


@pytest.mark.parametrize("proxies", [0, 1])
def test_forwarded_host_and_prefix_are_not_believed(make_house, proxies):
    house = make_house(trusted_proxies=proxies, base_url="https://desk.acme.test/help")
    client = house.test_client()
    answer = client.get("/profile", headers=FORWARDED)
    assert (answer.status_code, answer.location) == (303, "/help/login?next=/profile")
    page = client.get("/login", headers=FORWARDED).text
    assert "evil.test" not in page and 'action="/help/login"' in page


def test_without_a_base_url_there_is_no_sub_path(make_house):
    answer = make_house(trusted_proxies=1).test_client().get("/profile", headers=FORWARDED)
    assert answer.location == "/login?next=/profile"


@pytest.mark.parametrize("path", ["/help/login", "/login"])
def test_a_proxy_may_take_the_sub_path_off_or_leave_it_on(make_house, path):
    answer = make_house(base_url="https://desk.acme.test/help").test_client().get(path)
    assert answer.status_code == 200 and 'href="/help/static/' in answer.text


def test_what_only_begins_like_the_sub_path_is_another_page(make_house):
    assert (
        make_house(base_url="https://desk.acme.test/help").test_client().get("/helplogin").status_code == 404
    )


def test_who_asks_and_how_is_still_told_by_the_proxy(make_house):
    house = make_house(trusted_proxies=1, base_url="https://desk.acme.test")
    seen = []
    house.before_request(lambda: seen.append(_asked()))
    house.test_client().get("/login", headers={"X-Forwarded-For": "192.0.2.9", "X-Forwarded-Proto": "https"})
    assert seen == [("192.0.2.9", True, "desk.acme.test")]


def _asked():
    from flask import request

    return request.remote_addr, request.is_secure, request.host


def test_behind_a_proxy_with_tls_people_can_sign_in(make_house):
    """Our pages tell browsers to send no Referer: nothing may ask for one."""
    house = make_house(trusted_proxies=1, base_url="https://desk.acme.test")
    visitor = Visitor(house)
    visitor.client.environ_base["HTTP_X_FORWARDED_PROTO"] = "https"
    visitor.client.environ_base["wsgi.url_scheme"] = "https"
    base = {"base_url": "https://desk.acme.test"}
    visitor.get("/login", **base)
    answer = visitor.post(
        "/login", {"email": "alice@acme.test", "password": PASSWORDS["alice@acme.test"]}, **base
    )
    assert (answer.status_code, answer.location) == (303, "/tickets")


@pytest.mark.parametrize("signed_in", [False, True])
def test_no_redirect_leads_away_whatever_the_path(house, signed_in):
    visitor = Visitor(house)
    visitor.sign_in("alice@acme.test") if signed_in else visitor.get("/login")
    away, seen = [], 0
    for number, url in enumerate(sorted({url for _, _, url in routes(house)})):
        way = WAYS_OUT[number % len(WAYS_OUT)]
        for path, query in (
            (url + way, ""),
            (f"/{way}{url}", ""),
            (url.replace("/", "//"), ""),
            (f"{url}/", f"next={way}&back={way}"),
            (url, f"next={way}&back={way}&lang=en"),
        ):
            answer = asked(visitor.client, path, query)
            if answer.location:
                seen += 1
                away += [(path, answer.location)] * leads_away("http://localhost", answer.location)
    assert away == [] and seen > 10


def asked(client, path, query="", host="localhost"):
    """Past the test client's own reading of the address."""
    with client.get(
        "/", environ_overrides={"PATH_INFO": path, "QUERY_STRING": query, "HTTP_HOST": host}
    ) as answer:  # a file of ours is closed
        return answer


def test_a_slash_too_many_is_answered_without_a_host(house):
    """What the Host header says stays out of the answer: a cache between would keep it."""
    answer = asked(house.test_client(), "/password//forgotten", "lang=en", host="evil.test")
    assert (answer.status_code, answer.location) == (308, "/password/forgotten?lang=en")
