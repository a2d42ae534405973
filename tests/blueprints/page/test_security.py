"""What every answer says to protect its page, and /.well-known/security.txt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from blueprints.page import assets
from config import SettingsError, from_environment


def policy(answer):
    """The Content-Security-Policy by directive."""
    parts = (part.split() for part in answer.headers["Content-Security-Policy"].split(";"))
    return {name: sources for name, *sources in parts}


def test_the_cdn_may_serve_our_files_and_no_others(make_app):
    """Anybody may publish on jsdelivr: its host alone would allow every script there is."""
    found = policy(make_app(assets="cdn").test_client().get("/login"))
    foreign = {source for sources in found.values() for source in sources if "://" in source}
    assert foreign == {asset.url for asset in assets.load().values()}
    assert all(source.endswith(".js") for source in found["script-src"][1:])
    assert found["connect-src"] == ["'self'"]


@pytest.mark.parametrize(
    ("base_url", "said"),
    [("https://desk.acme.test", "max-age=31536000"), ("http://desk.acme.test", None), ("", None)],
)
def test_browsers_keep_to_https_where_it_is_used(make_app, base_url, said):
    client = make_app(base_url=base_url).test_client()
    for path in ("/login", "/healthz", "/nowhere", "/static/app.js"):
        with client.get(path) as answer:
            assert answer.headers.get("Strict-Transport-Security") == said


def test_security_txt(make_app):
    """RFC 9116: one Contact at least, one Expires within a year, at most one list of languages."""
    answer = (
        make_app(base_url="https://desk.acme.test", security_contact="mailto:safe@acme.test")
        .test_client()
        .get("/.well-known/security.txt")
    )
    assert answer.content_type == "text/plain; charset=utf-8"
    found = dict(line.split(": ", 1) for line in answer.text.splitlines())
    expires = datetime.strptime(found.pop("Expires"), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert timedelta(days=30) < expires - datetime.now(UTC) < timedelta(days=365)
    assert found == {
        "Contact": "mailto:safe@acme.test",
        "Preferred-Languages": "de, en",
        "Canonical": "https://desk.acme.test/.well-known/security.txt",
    }


@pytest.mark.parametrize(
    ("given", "contact"),
    [
        ({"base_url": "https://desk.acme.test"}, "https://desk.acme.test"),
        ({"security_contact": "https://acme.test/safe"}, "https://acme.test/safe"),
        ({"base_url": "http://desk.acme.test"}, None),
        ({}, None),
    ],
)
def test_whom_security_txt_names(make_app, given, contact):
    answer = make_app(**given).test_client().get("/.well-known/security.txt")
    assert answer.status_code == (200 if contact else 404)
    assert not contact or f"Contact: {contact}\n" in answer.text


@pytest.mark.parametrize(
    ("given", "contact"),
    [
        ("safe@acme.test", "mailto:safe@acme.test"),
        ("mailto:safe@acme.test", "mailto:safe@acme.test"),
        ("https://acme.test/safe", "https://acme.test/safe"),
        ("http://acme.test/safe", None),
        ("call us", None),
        ("mailto:a@acme.test\nCanonical: https://evil.test", None),
    ],
)
def test_the_contact_that_can_be_set(tmp_path, given, contact):
    environment = {"POSTSTELLE_DATA": str(tmp_path), "POSTSTELLE_SECURITY_CONTACT": given}
    if contact is None:
        with pytest.raises(SettingsError, match="POSTSTELLE_SECURITY_CONTACT"):
            from_environment(environment)
    else:
        assert from_environment(environment).security_contact == contact
