"""»OAuth-2-Anbieter« and the way to them and back, without JavaScript."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from desk.channels import oauth, oauth_providers
from models import Channel, OauthGrant, OauthProvider, OauthSignIn, db, now
from tests.blueprints.visitor import Visitor
from tests.servers.authorization import CLIENT, SECRET

OWN = {
    "key": "Books", "kind": "email", "active": "y", "provider": "own", "address": "books@acme.test", "protocol": "imap",
    "server": "localhost", "port": "993", "ssl": "y", "user": "", "after_fetch": "keep", "existing": "leave",
    "smtp_server": "localhost", "smtp_port": "587", "smtp_encryption": "starttls", "smtp_auth": "auto",
    "sender_name": "Bücher", "password": "planted-in-the-form",
}  # fmt: skip


@pytest.fixture
def alice(house):
    visitor = Visitor(house)
    visitor.sign_in("alice@acme.test")
    return visitor


@pytest.fixture
def provider(house, alice, authorization, trusted_ca):
    alice.get("/system/oauth/new?kind=other")
    alice.post(
        "/system/oauth/new",
        {
            "kind": "other", "name": "Local", "client_id": CLIENT, "client_secret": SECRET, "hosts": "localhost",
            "authorize_url": f"{authorization.url}/authorize", "token_url": f"{authorization.url}/token",
        },
    )  # fmt: skip
    authorization.gives_refresh = True
    with house.app_context():
        return oauth_providers.providers()[0].id


def count(house, table):
    with house.app_context():
        return db.session.query(table).count()


def leave(visitor, provider, **fields):
    """Press »Connect with …« in the form; the address that the next page leads to."""
    visitor.get("/system/channels/new")
    answer = visitor.post("/system/oauth/sign-in", OWN | {"oauth": str(provider)} | fields)
    assert answer.status_code == 200
    return re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', answer.text)[1].replace("&amp;", "&")


def come_back(visitor, authorization, url, allowed=True):
    asked = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
    parts = urlsplit(authorization.consent(asked, allowed))
    return visitor.get(f"{parts.path}?{parts.query}")


def test_the_secret_is_kept_and_never_shown(house, alice, provider):
    page = alice.get(f"/system/oauth/{provider}")
    assert SECRET not in page.text and "Stored. Leave it empty to keep it." in page.text
    fields = {"kind": "other", "name": "Renamed", "client_id": CLIENT, "hosts": "localhost"}
    with house.app_context():
        stored = oauth_providers.by_id(provider)
        fields |= {"authorize_url": stored.authorize_url, "token_url": stored.token_url}
    assert alice.post(f"/system/oauth/{provider}", fields).status_code == 303
    refused = alice.post(f"/system/oauth/{provider}", fields | {"token_url": "https://evil.example/t"})
    assert refused.status_code == 422 and "enter it again" in refused.text
    with house.app_context():
        assert oauth_providers.by_id(provider).client_secret == SECRET


def test_each_kind_has_its_form(alice):
    for kind, words in (("google", "Gmail API"), ("microsoft", "SMTP.SendAsApp"), ("other", "Scopes")):
        assert words in alice.get(f"/system/oauth/new?kind={kind}").text
    assert alice.client.get("/system/oauth/new?kind=x").status_code == 404


def test_a_wrong_provider_is_told_field_by_field(house, alice):
    alice.get("/system/oauth/new?kind=other")
    answer = alice.post("/system/oauth/new", {"kind": "other", "token_url": "http://x"})
    assert answer.status_code == 422
    assert "https://" in " ".join(alice.errors)
    assert count(house, OauthProvider) == 0


def test_there_and_back_with_what_stood_in_the_form(house, alice, provider, authorization):
    url = leave(alice, provider)
    with house.app_context():
        form = db.session.query(OauthSignIn).one().form
    assert "planted-in-the-form" not in form
    back = come_back(alice, authorization, url)
    assert back.status_code == 303 and "/system/channels/new?sign_in=" in back.location
    page = alice.get(back.location)
    assert "Connected as books@acme.test" in page.text and "Bücher" in page.text
    grant_id = re.search(r'name="grant_id"[^>]*value="(\d+)"', page.text)[1]
    saved = alice.post("/system/channels/new", OWN | {"oauth": str(provider), "grant_id": grant_id})
    assert saved.status_code == 303
    with house.app_context():
        channel = db.session.query(Channel).filter_by(key="Books").one()
        assert channel.grant_id == int(grant_id) and channel.password == channel.smtp_password == ""


def test_refused_at_the_provider(house, alice, provider, authorization):
    back = come_back(alice, authorization, leave(alice, provider), allowed=False)
    page = alice.get(back.location)
    assert "gave no permission" in " ".join(alice.notices)
    assert "Bücher" in page.text and "Connected as" not in page.text
    assert count(house, OauthGrant) == 0


def test_a_strangers_answer_is_not_taken(house, alice, provider, authorization):
    """Somebody lures Alice's browser to the callback with a code of his own (RFC 6749, 10.12)."""
    url = leave(alice, provider)
    for forged in ("/system/oauth/callback", "/system/oauth/callback?state=x&code=y"):
        assert alice.get(forged).location == "/system/channels"
    assert come_back(alice, authorization, url).location == "/system/channels"  # the state was used up
    assert count(house, OauthGrant) == 0


def test_another_agents_grant_is_not_taken(house, alice, provider):
    with house.app_context():
        grant = OauthGrant(
            provider_id=provider, user="books@acme.test", refresh_token="r", expires_at=now(), words=""
        )
        db.session.add(grant)
        db.session.commit()
        grant_id = str(grant.id)
    alice.get("/system/channels/new")
    answer = alice.post("/system/channels/new", OWN | {"oauth": str(provider), "grant_id": grant_id})
    assert answer.status_code == 422 and "not connected yet" in answer.text


def test_connect_again_from_the_row(house, alice, provider, authorization):
    test_there_and_back_with_what_stood_in_the_form(house, alice, provider, authorization)
    with house.app_context():
        channel = db.session.query(Channel).filter_by(key="Books").one()
        number, old, edition = channel.id, channel.grant_id, channel.edition
        channel.error_code, channel.failing_since = "oauth_reconnect", now()
        db.session.commit()
    assert f"/system/oauth/channels/{number}/sign-in" in alice.get("/system/channels").text
    left = alice.post(f"/system/oauth/channels/{number}/sign-in")
    url = re.search(r'content="0; url=([^"]+)"', left.text)[1].replace("&amp;", "&")
    back = come_back(alice, authorization, url)
    assert back.location == f"/system/channels/{number}"
    with house.app_context():
        channel = db.session.get(Channel, number)
        assert channel.grant_id != old and channel.edition == edition + 1 and channel.error_code == ""


def test_a_host_that_takes_no_passwords_is_recognised(alice):
    alice.get("/system/channels/new")
    fields = OWN | {
        "server": "outlook.office365.com",
        "oauth": oauth.PASSWORD,
        "oauth_default": oauth.PASSWORD,
    }
    page = alice.post("/system/channels/form", fields)
    assert "no longer accepts passwords" in page.text and "/system/oauth/new?kind=microsoft" in page.text
    alice.get("/system/oauth/new?kind=microsoft")
    alice.post("/system/oauth/new", {"kind": "microsoft", "client_id": "x", "client_secret": "y"})
    page = alice.post("/system/channels/form", fields)
    assert "Connect with Microsoft" in page.text
    back = alice.post("/system/channels/form", fields | {"oauth": "password", "oauth_default": "1"})
    assert "Connect with Microsoft" not in back.text  # a person chose the password


def test_an_app_alone_is_connected_at_once(house, alice, provider, authorization):
    with house.app_context():
        oauth_providers.by_id(provider).app_only = True
        db.session.commit()
    alice.get("/system/channels/new")
    answer = alice.post("/system/oauth/sign-in", OWN | {"oauth": str(provider)})
    assert "Connected as books@acme.test" in alice.get(answer.location).text


def test_a_provider_goes_when_no_channel_needs_it(house, alice, provider, authorization):
    test_there_and_back_with_what_stood_in_the_form(house, alice, provider, authorization)
    assert alice.post(f"/system/oauth/{provider}/removal").status_code == 409
    with house.app_context():
        number = db.session.query(Channel).filter_by(key="Books").one().id
    alice.get("/system/channels")
    alice.post(f"/system/channels/{number}/delete")
    alice.get("/system/oauth")
    assert alice.post(f"/system/oauth/{provider}/removal").status_code == 303
    assert count(house, OauthProvider) == 0
