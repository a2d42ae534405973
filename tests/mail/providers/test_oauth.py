"""OAuth 2 as values: PKCE, addresses, answers of token endpoints, and who may see a token."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from mail.providers import oauth, presets
from mail.providers.oauth import TokenRefusal, Tokens


def test_pkce_as_in_the_appendix_of_rfc_7636():
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert oauth.challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_a_verifier_has_256_bit():
    asked = []
    verifier = oauth.new_verifier(lambda octets: asked.append(octets) or bytes(octets))
    assert asked == [32] and len(verifier) == 43


def test_google_is_asked_for_lasting_access():
    url = oauth.sign_in_url(oauth.GOOGLE, "id", "https://help.example/cb", "state", "v" * 43, "a+b@gmail.com")
    asked = parse_qs(urlsplit(url).query)
    assert url.startswith("https://accounts.google.com/o/oauth2/v2/auth?")
    assert asked["access_type"] == ["offline"] and asked["prompt"] == ["consent"]
    assert asked["scope"] == ["https://mail.google.com/"] and asked["login_hint"] == ["a+b@gmail.com"]
    assert "v" * 43 not in url


def test_microsoft_of_one_directory():
    where = oauth.microsoft("acme.example")
    assert where.token_url == "https://login.microsoftonline.com/acme.example/oauth2/v2.0/token"
    assert "https://outlook.office.com/SMTP.Send" in where.scopes and "offline_access" in where.scopes
    assert oauth.app_form(where)["scope"] == "https://outlook.office365.com/.default"
    assert "/common/" in oauth.microsoft("").authorize_url


def test_a_query_of_the_providers_own_stays():
    where = oauth.Endpoints("https://login.example/a?policy=x", "https://login.example/t", "s", ())
    assert oauth.sign_in_url(where, "id", "r", "s", "v", "u").startswith(
        "https://login.example/a?policy=x&response_type=code&"
    )


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ({"access_token": "a", "expires_in": 60, "refresh_token": "r"}, Tokens("a", 60, "r")),
        ({"access_token": "a", "expires_in": "3599", "token_type": "bearer"}, Tokens("a", 3599)),
        ({"access_token": "a"}, Tokens("a", 3600)),
        ({"access_token": "a", "expires_in": None}, Tokens("a", 3600)),
        ({"access_token": "a", "expires_in": -5}, Tokens("a", 0)),
        ({"access_token": "a", "expires_in": 10**12}, Tokens("a", 30 * 24 * 3600)),
        ({"access_token": "a", "token_type": "mac"}, TokenRefusal("not_readable", "token_type")),
        ({"access_token": "a\r\nb"}, TokenRefusal("not_readable", "access_token")),
        ({"access_token": "a\1b"}, TokenRefusal("not_readable", "access_token")),
        ({"access_token": ["a"]}, TokenRefusal("not_readable", "access_token")),
        ({"access_token": "a" * 20_000}, TokenRefusal("not_readable", "access_token")),
        ({"refresh_token": "r"}, TokenRefusal("not_readable", "access_token")),
        ([], TokenRefusal("not_readable", "200")),
    ],
)
def test_what_a_token_endpoint_says(said, read):
    assert oauth.read_answer(200, json.dumps(said).encode()) == read


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, b'{"error": "invalid_grant", "error_description": "expired"}', "invalid_grant"),
        (401, b'{"error": "invalid_client"}', "invalid_client"),
        (200, b'{"error": "invalid_grant"}', "invalid_grant"),
        (503, b"<html>busy</html>", "http_status"),
        (400, b'{"access_token": "a"}', "http_status"),
        (200, b"\xff\xfe", "not_readable"),
        (200, b"[" * 100_000, "not_readable"),
        (400, b'{"error": {"code": 1}}', "{'code': 1}"),
    ],
)
def test_refusals(status, body, code):
    answer = oauth.read_answer(status, body)
    assert isinstance(answer, TokenRefusal) and answer.code == code


def test_words_of_a_provider_are_one_printable_line():
    said = json.dumps({"error": "x", "error_description": "a\r\nb\x1b[31m " + "c" * 900}).encode()
    words = oauth.read_answer(400, said).words
    assert words.startswith("a b [31m c") and words.isprintable() and len(words) == 300


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://login.example/token", True),
        ("https://login.example:8443/token?x=1", True),
        ("http://login.example/token", False),
        ("https://user:pass@login.example/", False),
        ("https://login.example/#x", False),
        ("https:///token", False),
        ("https://login.example/ token", False),
        ("https://login.example:port/", False),
        ("https://[::1/", False),
        ("javascript:alert(1)", False),
    ],
)
def test_endpoints(url, good):
    assert oauth.valid_endpoint(url) is good


@pytest.mark.parametrize("tenant", ["..", "a/b", "", "a b", "-x", "x" * 90, "a?b", "a#b", "a%2fb"])
def test_a_tenant_never_leaves_its_place_in_the_address(tenant):
    assert not oauth.valid_tenant(tenant)


@pytest.mark.parametrize(
    ("host", "seen"),
    [
        ("outlook.office365.com", True),
        ("SMTP.Office365.com.", True),
        ("smtp-mail.outlook.com", True),
        ("office365.com.evil.example", False),
        ("evil-office365.com", False),
        ("imap.gmail.com", False),
        ("", False),
    ],
)
def test_tokens_are_for_the_providers_own_servers(host, seen):
    assert oauth.may_see(host, oauth.microsoft("").hosts) is seen


def test_every_server_of_a_preset_that_wants_oauth_is_known():
    for name, kind, hosts in (
        ("gmail.com", "google", oauth.GOOGLE.hosts),
        ("outlook.com", "microsoft", oauth.microsoft("").hosts),
        ("office365.com", "microsoft", oauth.microsoft("").hosts),
    ):
        servers = presets.for_domain(name)
        for server in (servers.imap, servers.pop3, servers.smtp):
            assert oauth.kind_for_host(server.host) == kind
            assert oauth.may_see(server.host, hosts)
    assert oauth.kind_for_host("imap.gmx.net") == ""


def test_a_token_stands_in_no_repr():
    assert "planted" not in repr(Tokens("planted", 1, "planted"))


def test_xoauth2():
    assert oauth.xoauth2("someuser@example.com", "ya29") == "user=someuser@example.com\1auth=Bearer ya29\1\1"
