"""Tokens: connected once, refreshed in time and by one alone, stored at once, ended without a storm."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from desk.channels import channels, health, oauth, oauth_providers
from desk.channels.channel_values import ChannelValues, InvalidChannel, values_of
from desk.channels.oauth_providers import InvalidProvider, ProviderInUse, ProviderValues
from desk.checks import connection_tests, dry_run
from desk.receiving import fetching
from desk.sending import outbox
from models import Channel, Incident, OauthGrant, OauthSignIn, db, now
from tests.servers.authorization import CLIENT, SECRET
from tests.servers.smtp_sink import CLOSE
from wire import PermanentFailure, TemporaryFailure

RAW = b"From: carol@customer.example\r\nMessage-ID: <1@customer.example>\r\nSubject: Hello\r\n\r\nHello\r\n"


@pytest.fixture
def values(authorization):
    """What an administrator enters of the local authorization server."""
    return ProviderValues(
        kind="other", name="Local", client_id=CLIENT, client_secret=SECRET, scopes="mail offline_access",
        authorize_url=f"{authorization.url}/authorize", token_url=f"{authorization.url}/token", hosts="localhost",
    )  # fmt: skip


@pytest.fixture
def provider(app, values, trusted_ca):
    return oauth_providers.save(values, None)


@pytest.fixture
def mailbox(token_dovecot, authorization):
    authorization.life, authorization.refreshing, authorization.gives_refresh = 3600, 0.0, True
    authorization.asked.clear()
    return token_dovecot.add_user()


@pytest.fixture
def sink(make_smtp_sink, authorization, ca):
    context = ca.issue(file="sink").context()
    return make_smtp_sink(mechanisms=("XOAUTH2",), accepts=authorization.accepts, context=context)


@pytest.fixture
def signed_in(provider, authorization, alice, mailbox):
    """The sign-in of the mailbox's user, as Alice does it in her browser."""

    def sign_in(**how):
        begun = oauth.begin(how.pop("provider", provider), mailbox.user, alice.id, None, "{}")
        asked = {key: value[0] for key, value in parse_qs(urlsplit(begun.url).query).items()}
        back = parse_qs(urlsplit(authorization.consent(asked, allowed=True)).query)
        return oauth.finish(
            back["state"][0], how.get("session", begun.state), how.get("agent", alice.id), back["code"][0], ""
        )

    return sign_in


@pytest.fixture
def connected(signed_in, provider, mailbox, sink):
    """A channel whose mailbox is opened by tokens; keywords are its values."""

    def connect(protocol="imap", **given):
        done, failure = signed_in()
        assert failure == ""
        return channels.create(
            replace(
                ChannelValues(
                    key="Books", address="books@acme.example", provider="own", protocol=protocol, server="localhost",
                    port=getattr(mailbox.dovecot, f"{protocol}s"), user=mailbox.user, oauth=str(provider.id),
                    grant_id=done.grant_id, smtp_server="localhost", smtp_port=sink.port,
                ),
                **given,
            )
        )  # fmt: skip

    return connect


def later(monkeypatch, **by):
    """Our clock stands elsewhere from now on."""
    monkeypatch.setattr(oauth, "now", lambda: now() + timedelta(**by))


def refreshes(authorization):
    return authorization.asked.count("refresh_token")


def test_the_way_to_the_provider(provider, alice):
    begun = oauth.begin(provider, "books@acme.example", alice.id, None, "")
    asked = parse_qs(urlsplit(begun.url).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == ["http://127.0.0.1:8080/system/oauth/callback"]
    assert asked["login_hint"] == ["books@acme.example"]
    assert len(begun.state) == 43  # 256 bit
    assert begun.sign_in.verifier not in begun.url and begun.sign_in.state_digest not in begun.url


def test_a_sign_in_is_good_once_in_its_session_for_its_agent(signed_in, alice, bob, monkeypatch):
    for wrong in ({"session": ""}, {"session": "x" * 43}, {"agent": bob.id}):
        with pytest.raises(oauth.SignInRefused, match="unknown"):
            signed_in(**wrong)
    later(monkeypatch, minutes=16)
    with pytest.raises(oauth.SignInRefused, match="unknown"):
        signed_in()
    monkeypatch.undo()


@pytest.mark.dovecot
def test_a_state_cannot_be_used_twice(provider, authorization, alice, mailbox):
    begun = oauth.begin(provider, mailbox.user, alice.id, None, "")
    sign_in, failure = oauth.finish(begun.state, begun.state, alice.id, "", "access_denied")
    assert failure == "denied" and sign_in.grant_id is None
    with pytest.raises(oauth.SignInRefused, match="unknown"):
        oauth.finish(begun.state, begun.state, alice.id, "code", "")
    assert authorization.asked == []


@pytest.mark.dovecot
def test_without_a_lasting_permission_nothing_is_connected(signed_in, authorization):
    authorization.gives_refresh = False
    assert signed_in()[1] == "no_refresh"
    assert db.session.query(OauthGrant).count() == 0


@pytest.mark.dovecot
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_mail_comes_and_goes_by_tokens(connected, mailbox, sink, reply, protocol):
    mailbox.deliver(RAW)
    channel = connected(protocol)
    result = fetching.fetch_channel(channel.id)
    assert (result.error, result.fetched, result.removed) == ("", 1, 1)
    reply(on=channel)
    outbox.deliver_due()
    assert sink.wait_for(1)[0].user == mailbox.user


@pytest.mark.dovecot
def test_the_test_and_the_dry_run_work_before_anything_is_saved(signed_in, provider, mailbox, sink, alice):
    mailbox.deliver(RAW)
    done, _ = signed_in()
    form = ChannelValues(
        key="Books", address=mailbox.user + "@acme.example", provider="own", server="localhost",
        port=mailbox.dovecot.imaps, user=mailbox.user, oauth=str(provider.id), grant_id=done.grant_id,
        smtp_server="localhost", smtp_port=sink.port,
    )  # fmt: skip
    incoming, outgoing = connection_tests.run(form, None)
    assert [step.state for step in incoming + outgoing] == ["ok"] * (len(incoming) + len(outgoing))
    begun = dry_run.start(form, None, alice.id)
    begun.wait()
    assert (begun.failure, begun.takes) == ("", 1)
    incoming, _ = connection_tests.run(replace(form, grant_id=None), None)
    assert [step.code for step in incoming if step.state == "failed"] == ["oauth_not_connected"]


@pytest.mark.dovecot
def test_refreshed_five_minutes_ahead_and_the_rotated_token_is_stored(connected, authorization, monkeypatch):
    channel = connected()
    first = channel.grant.refresh_token
    later(monkeypatch, minutes=54)
    fetching.fetch_channel(channel.id)
    assert refreshes(authorization) == 0
    later(monkeypatch, minutes=56)
    assert fetching.fetch_channel(channel.id).error == ""
    assert refreshes(authorization) == 1
    db.session.expire_all()
    second = channel.grant.refresh_token
    assert second != first
    later(monkeypatch, minutes=112)
    assert fetching.fetch_channel(channel.id).error == ""
    assert refreshes(authorization) == 2


@pytest.mark.dovecot
def test_one_refresh_token_is_never_used_twice(app, connected, authorization, monkeypatch):
    """Fetch and outbox at the same moment; the provider would revoke everything at the second use."""
    channel = connected()
    grant_id = channel.grant_id
    db.session.rollback()
    authorization.refreshing = 0.5
    later(monkeypatch, minutes=58)
    tokens = []

    def ask():
        with app.app_context():
            tokens.append(oauth.access_token(grant_id))
            db.session.remove()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refreshes(authorization) == 1
    assert len(tokens) == 4 and len(set(tokens)) == 1
    assert authorization.owner(tokens[0])


@pytest.mark.dovecot
def test_another_process_waits_and_takes_what_came(app, make_app, connected, authorization, monkeypatch):
    """The lease is a row: whoever has another name finds it held, and the fresh token after it."""
    channel = connected()
    grant_id = channel.grant_id
    db.session.rollback()
    authorization.refreshing = 0.5
    later(monkeypatch, minutes=58)
    held = threading.Event()
    ask_provider = oauth._ask

    def noticed(provider, form):
        held.set()
        return ask_provider(provider, form)

    monkeypatch.setattr(oauth, "_ask", noticed)
    tokens = []

    def ask(process, owner):
        process.extensions["poststelle"].owner = owner
        with process.app_context():
            tokens.append(oauth.access_token(grant_id))
            db.session.remove()

    first = threading.Thread(target=ask, args=(app, "one machine||1|abc"))
    first.start()
    assert held.wait(10)
    second = threading.Thread(target=ask, args=(make_app(), "another machine||1|abc"))
    second.start()
    first.join()
    second.join()
    assert refreshes(authorization) == 1
    assert len(set(tokens)) == 1


@pytest.mark.dovecot
@pytest.mark.parametrize("minutes", [-10, 10])
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_clock_ten_minutes_off(connected, mailbox, authorization, monkeypatch, minutes, protocol):
    """Ahead: refreshed a little early. Behind: the server's refusal brings the fresh token, in the same fetch."""
    mailbox.deliver(RAW)
    channel = connected(protocol)
    later(monkeypatch, minutes=49 + minutes)
    authorization.expire()  # by the provider's clock the hour is over
    result = fetching.fetch_channel(channel.id)
    assert (result.error, result.fetched) == ("", 1)
    assert refreshes(authorization) == 1


@pytest.mark.dovecot
def test_a_clock_that_was_set_after_the_receipt_sends_as_well(
    connected, authorization, sink, reply, monkeypatch
):
    channel = connected()
    later(monkeypatch, minutes=-10)
    authorization.expire()
    reply(on=channel)
    outbox.deliver_due()
    assert len(sink.wait_for(1)) == 1
    assert refreshes(authorization) == 1


@pytest.mark.dovecot
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_token_that_expires_in_mid_session(
    connected, mailbox, authorization, monkeypatch, office, protocol
):
    """The hour is over while a full mailbox is fetched, and the server hangs up: the same fetch goes on."""
    for number in range(60):
        mailbox.deliver(RAW.replace(b"<1@", b"<%d@" % number))
    channel = connected(protocol)
    channel_id, take_in = channel.id, fetching.intake.take_in

    def hung_up(*args):
        monkeypatch.setattr(fetching.intake, "take_in", take_in)
        rows = take_in(*args)
        later(monkeypatch, minutes=61)
        authorization.expire()
        office.conversations[channel_id][1].cut()
        return rows

    monkeypatch.setattr(fetching.intake, "take_in", hung_up)
    result = fetching.fetch_channel(channel_id)
    assert (result.error, result.fetched) == ("", 60)
    assert refreshes(authorization) == 1
    assert mailbox.messages() == []
    assert db.session.query(Incident).count() == 0


@pytest.mark.dovecot
def test_a_lost_connection_with_a_good_token_is_a_fault_as_ever(connected, mailbox, monkeypatch, office):
    mailbox.deliver(RAW)
    channel_id, take_in = connected().id, fetching.intake.take_in

    def hung_up(*args):
        office.conversations[channel_id][1].cut()
        return take_in(*args)

    monkeypatch.setattr(fetching.intake, "take_in", hung_up)
    assert fetching.fetch_channel(channel_id).error == "connection_lost"


@pytest.mark.dovecot
def test_a_token_that_expires_between_two_mails(connected, authorization, sink, reply, monkeypatch):
    """The server hangs up after the first: the second goes out by a fresh token, in the same run."""
    channel = connected()
    reply(on=channel)
    reply(on=channel, question="<q2@customer.example>")
    keep = sink.keep

    def expired(mail):
        keep(mail)
        authorization.expire()

    monkeypatch.setattr(sink, "keep", expired)
    sink.fail_next("mail", "")
    sink.fail_next("mail", CLOSE)
    assert outbox.deliver_due() == {"done": 2}
    assert len(sink.wait_for(2)) == 2
    assert refreshes(authorization) == 1


@pytest.mark.dovecot
def test_an_ended_permission_is_one_incident_and_no_storm(connected, mailbox, authorization, monkeypatch):
    channel = connected()
    authorization.revoke(mailbox.user)
    for _ in range(5):
        assert fetching.fetch_channel(channel.id).error == "oauth_reconnect"
    assert refreshes(authorization) == 1
    db.session.expire_all()
    assert db.session.query(Incident).count() == 1
    assert channel.grant.access_token == channel.grant.refresh_token == ""
    assert "***" in channel.error_words  # the provider repeated the token, we do not
    rested = channel.next_try_at - now()
    assert rested > timedelta(minutes=10)
    assert health.due(now(), 60) == []


@pytest.mark.dovecot
def test_mail_waits_for_a_new_connection(connected, mailbox, authorization, sink, reply, signed_in):
    channel = connected()
    authorization.revoke(mailbox.user)
    mailbox.deliver(RAW)
    assert fetching.fetch_channel(channel.id).error == "oauth_reconnect"
    done, _ = signed_in()
    old = channel.grant_id
    channels.reconnect(channel, done.grant_id)
    assert db.session.get(OauthGrant, old) is None
    assert (channel.error_code, channel.failures) == ("", 0)
    assert fetching.fetch_channel(channel.id).fetched == 1


@pytest.mark.dovecot
def test_answers_wait_in_the_outbox_for_a_new_connection(
    connected, mailbox, authorization, sink, reply, signed_in
):
    channel = connected()
    authorization.revoke(mailbox.user)
    sent = reply(on=channel)
    outbox.deliver_due()
    db.session.expire_all()
    assert (sent.state, sent.reason) == ("queued", "oauth_reconnect")
    done, _ = signed_in()
    channels.reconnect(channel, done.grant_id)
    outbox.deliver_due(at_once=True)
    assert len(sink.wait_for(1)) == 1


@pytest.mark.dovecot
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (302, b""),  # what is in the form is meant for this address alone
        (200, b"x" * 100_000),
        (200, b"{}"),
        (200, b"<html>"),
        (429, b"{}"),
        (500, b'{"error": "server_error"}'),
    ],
)
def test_an_answer_that_says_nothing_ends_nothing(connected, authorization, monkeypatch, status, body):
    channel = connected()
    later(monkeypatch, minutes=58)
    authorization.fail_next(status, body)
    with pytest.raises(TemporaryFailure, match="oauth_unreachable"):
        oauth.access_token(channel.grant_id)
    assert authorization.owner(oauth.access_token(channel.grant_id)) == channel.user


@pytest.mark.dovecot
def test_a_provider_out_of_reach_is_asked_again(connected, authorization, monkeypatch):
    channel = connected()
    later(monkeypatch, minutes=58)
    authorization.fail_next(503, b"<html>busy</html>")
    assert fetching.fetch_channel(channel.id).error == "oauth_unreachable"
    assert fetching.fetch_channel(channel.id).error == ""


@pytest.mark.dovecot
def test_a_wrong_client_secret_says_so_and_ends_nothing(
    connected, provider, values, authorization, monkeypatch
):
    channel = connected()
    oauth_providers.save(replace(values, client_secret="expired"), provider)
    later(monkeypatch, minutes=58)
    assert fetching.fetch_channel(channel.id).error == "oauth_client_refused"
    oauth_providers.save(values, provider)
    assert fetching.fetch_channel(channel.id).error == ""


@pytest.mark.dovecot
def test_the_app_alone_needs_nobody_and_no_refresh_token(
    app, values, authorization, trusted_ca, alice, mailbox
):
    provider = oauth_providers.save(replace(values, app_only=True), None)
    begun = oauth.begin(provider, mailbox.user, alice.id, None, "")
    assert begun.url == ""
    token = oauth.access_token(begun.sign_in.grant_id)
    assert oauth.access_token(begun.sign_in.grant_id, refused=token) != token
    assert authorization.asked == ["client_credentials"] * 2


@pytest.mark.dovecot
def test_tokens_go_to_the_providers_servers_alone(connected, signed_in, mailbox, alice):
    channel = connected()
    with pytest.raises(InvalidChannel) as refused:
        channels.update(channel, replace(values_of(channel), server="127.0.0.1"))
    assert refused.value.errors == {"server": "oauth_host"}
    with pytest.raises(InvalidChannel) as refused:
        channels.update(channel, replace(values_of(channel), user="boss@acme.example"))
    assert refused.value.errors == {"oauth": "connect"}
    incoming, _ = connection_tests.run(replace(values_of(channel), server="127.0.0.1"), channel)
    assert {step.code for step in incoming if step.state == "failed"} == {"oauth_host"}
    second, _ = signed_in()
    with pytest.raises(InvalidChannel) as refused:  # that of another channel
        channels.create(
            replace(values_of(channel), key="Copy", address="copy@acme.example", grant_id=channel.grant_id)
        )
    assert refused.value.errors == {"oauth": "connect"}
    assert second.grant_id != channel.grant_id


@pytest.mark.dovecot
def test_secrets_stand_nowhere_in_the_database(connected, authorization, settings, monkeypatch):
    channel = connected()
    later(monkeypatch, minutes=58)
    fetching.fetch_channel(channel.id)
    db.session.rollback()
    rows = [
        str(row)
        for table in ("oauth_provider", "oauth_grant", "oauth_sign_in", "channel", "fetch_record", "incident")
        for row in db.session.connection().exec_driver_sql(f'SELECT * FROM "{table}"')
    ]
    planted = authorization.secrets()
    assert len(planted) > 4 and rows
    assert [secret for secret in planted if any(secret in row for row in rows)] == []


@pytest.mark.dovecot
def test_deleting_the_channel_deletes_its_tokens(connected, provider):
    channel = connected()
    with pytest.raises(ProviderInUse):
        oauth_providers.remove(provider)
    channels.delete(channel)
    assert db.session.query(OauthGrant).count() == db.session.query(OauthSignIn).count() == 0
    oauth_providers.remove(provider)
    assert oauth_providers.providers() == []


@pytest.mark.dovecot
def test_what_was_never_saved_is_forgotten_after_a_day(signed_in, provider, alice, monkeypatch):
    signed_in()
    later(monkeypatch, days=2)
    oauth.begin(provider, "somebody", alice.id, None, "")
    monkeypatch.undo()
    oauth._forget_old()
    assert db.session.query(OauthGrant).count() == 0
    assert db.session.query(OauthSignIn).count() == 1


def test_back_to_a_password(app, channel):
    """A choice of the way out that needs tokens, without tokens."""
    own = ChannelValues(key="X", address="x@acme.example", provider="own", server="s.example", user="x",
                        password="p", smtp_server="s.example", smtp_auth="xoauth2")  # fmt: skip
    with pytest.raises(InvalidChannel) as refused:
        channels.create(own)
    assert refused.value.errors == {"smtp_auth": "oauth_first"}
    assert isinstance(channel, Channel)


# --- providers ---


def test_the_secret_is_good_for_its_endpoint_alone(provider, values):
    stored = replace(values, client_secret="")
    oauth_providers.save(replace(stored, name="Renamed"), provider)
    assert provider.client_secret == SECRET
    for change in (
        {"token_url": "https://evil.example/token"},
        {"hosts": "evil.example"},
        {"client_id": "x"},
    ):
        with pytest.raises(InvalidProvider) as refused:
            oauth_providers.save(replace(stored, **change), provider)
        assert refused.value.errors == {"client_secret": "again"}


@pytest.mark.parametrize(
    ("change", "errors"),
    [
        ({"token_url": "http://login.example/token"}, {"token_url": "url"}),
        ({"token_url": "https://user@login.example/"}, {"token_url": "url"}),
        ({"authorize_url": ""}, {"authorize_url": "required"}),
        ({"hosts": ""}, {"hosts": "required"}),
        ({"hosts": ".com"}, {"hosts": "hosts"}),
        ({"kind": "x"}, {"kind": "choice"}),
        ({"client_secret": ""}, {"client_secret": "required"}),
        ({"kind": "microsoft", "tenant": "a/b"}, {"tenant": "tenant"}),
        ({"kind": "microsoft", "app_only": True}, {"tenant": "required"}),
    ],
)
def test_what_is_wrong_with_a_provider(app, values, change, errors):
    with pytest.raises(InvalidProvider) as refused:
        oauth_providers.save(replace(values, **change), None)
    assert refused.value.errors == errors


def test_a_private_provider_is_refused_unless_a_setting_allows_it(app, office, provider, alice, mailbox):
    office.settings = replace(office.settings, allow_private_hosts=False)
    grant = OauthGrant(provider_id=provider.id, user="x", refresh_token="r", expires_at=now(), words="")
    db.session.add(grant)
    db.session.commit()
    with pytest.raises(TemporaryFailure, match="refused_address"):
        oauth.access_token(grant.id)
    grant.refresh_token = ""
    db.session.commit()
    with pytest.raises(PermanentFailure, match="oauth_reconnect"):
        oauth.access_token(grant.id)
