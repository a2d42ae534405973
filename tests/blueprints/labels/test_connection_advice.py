"""Every kind of failure of a connection test has a sentence and a way out of its own, in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask_babel import force_locale

from blueprints.labels.channels import channel_state
from blueprints.labels.codes import FAILURE
from blueprints.labels.connection_advice import (
    _AT_PROVIDER,
    ADVICE,
    SILENT,
    advice_for,
    incoming,
    outgoing,
)
from desk.channels import channels, health
from desk.channels.channel_values import ChannelValues
from mail.providers.presets import PRESETS
from models import db, now

TABLE = Path(__file__).parents[2] / "wire" / "test_misconfigurations.py"
KINDS = sorted(
    set(re.findall(r'"(?:found|connected|encrypted|signed_in|inbox|sender)", "(\w+)"\)', TABLE.read_text()))
    | set(re.findall(r'", "([a-z_]+)"\)', TABLE.read_text())) & FAILURE.keys()
)


def test_at_least_twenty_kinds_are_proven():
    assert len(KINDS) >= 20, KINDS


@pytest.mark.parametrize("locale", ["de", "en"])
def test_no_two_kinds_say_the_same(app, locale):
    with force_locale(locale):
        sentences = [str(FAILURE[kind]) for kind in KINDS]
        ways_out = [advice_for(kind) for kind in KINDS]
    assert len(set(sentences)) == len(sentences)
    assert all(ways_out)
    assert len({*sentences, *ways_out}) >= len(KINDS) * 2 - 2  # two that differ only in what went wrong


def test_the_german_is_not_the_english(app):
    for kind in KINDS:
        with force_locale("de"):
            german = str(FAILURE[kind]), advice_for(kind)
        with force_locale("en"):
            english = str(FAILURE[kind]), advice_for(kind)
        assert german[0] != english[0] and german[1] != english[1], kind


def test_a_known_provider_gets_words_of_its_own(app):
    names = {preset.servers.name for preset in PRESETS}
    assert {provider for _, provider in _AT_PROVIDER} <= names
    with force_locale("en"):
        assert "myaccount.google.com/apppasswords" in advice_for("app_password", "Gmail / Google Workspace")
        assert advice_for("app_password", "STRATO") == advice_for("app_password")


def settings(**more):
    given = {
        "key": "Books", "address": "books@acme.example", "provider": "own", "server": "imap.acme.example", "port": 993,
        "ssl": True, "user": "books@acme.example", "password": "secret", "smtp_server": "smtp.acme.example",
        "smtp_port": 587, "smtp_encryption": "starttls",
    }  # fmt: skip
    return ChannelValues(**given | more)


@pytest.mark.parametrize(
    ("code", "side", "more", "not_said"),
    [
        ("connect_refused", incoming, {}, "the port and the protocol"),
        ("connect_timeout", incoming, {}, "Check the port"),
        ("connect_timeout", outgoing, {}, "use 587"),
        ("connect_timeout", outgoing, {"smtp_port": 465, "smtp_encryption": "ssl"}, "use 587"),
        ("wrong_port_ssl", incoming, {}, "993"),
        ("wrong_port_plain", incoming, {"port": 143, "ssl": False}, "143"),
        ("wrong_protocol", incoming, {}, "993"),
        ("plaintext_refused", incoming, {"allow_plaintext": True}, "Allow unencrypted"),
        ("auth_failed", incoming, {}, "full address"),
        ("auth_unsupported", outgoing, {}, "Choose “Automatic”"),
        ("auth_required", outgoing, {}, "Choose “Automatic”"),
        ("auth_required", outgoing, {"smtp_port": 2525}, "Choose “Automatic”"),
        ("oauth_required", incoming, {"oauth": "1"}, "Choose OAuth 2"),
        ("oauth_required", outgoing, {"oauth": "1"}, "Choose OAuth 2"),
        ("mailbox_locked", incoming, {}, "use IMAP"),
    ],
)
def test_what_is_set_already_is_not_recommended(app, code, side, more, not_said):
    with force_locale("en"):
        assert not_said in ADVICE[code], "else this proves nothing"
        said = advice_for(code, given=side(settings(**more)))
        assert said and not_said not in said


@pytest.mark.parametrize(
    ("code", "side", "more"),
    [
        ("connect_refused", incoming, {"port": 994}),
        ("connect_timeout", outgoing, {"smtp_port": 25}),
        ("wrong_port_ssl", incoming, {"port": 143}),
        ("wrong_protocol", incoming, {"port": 110}),
        ("auth_failed", incoming, {"user": "books"}),
        ("auth_required", outgoing, {"smtp_auth": "none"}),
        ("auth_unsupported", outgoing, {"smtp_auth": "cram-md5"}),
        ("oauth_required", incoming, {}),
        ("mailbox_locked", incoming, {"protocol": "pop3", "port": 995}),
    ],
)
def test_what_would_help_is_recommended(app, code, side, more):
    with force_locale("en"):
        assert advice_for(code, given=side(settings(**more))) == str(ADVICE[code])


@pytest.mark.parametrize("code", sorted(SILENT))
def test_a_server_that_is_down_after_it_worked_says_since_when(app, code):
    channel = channels.create(settings())
    health.record_success(channel.id)
    health.record_failure(channel.id, code, "", temporary=True)
    db.session.expire_all()
    with force_locale("de"):
        state = channel_state(channel, now())
        assert state.title.startswith("Antwortet seit ") and state.title.endswith(
            " nicht mehr, bis dahin ging es."
        )
        assert "Port" not in state.advice and "nichts zu ändern" in state.advice
    channels.update(channel, settings(port=994))
    health.record_failure(channel.id, code, "", temporary=True)
    db.session.expire_all()
    with force_locale("de"):
        assert channel_state(channel, now()).title == str(FAILURE[code]), "with that port it never worked"


def test_a_wrong_password_is_no_silence(app):
    channel = channels.create(settings())
    health.record_success(channel.id)
    health.record_failure(channel.id, "auth_failed", "", temporary=False)
    db.session.expire_all()
    with force_locale("en"):
        assert channel_state(channel, now()).title == "Sign-in refused"
