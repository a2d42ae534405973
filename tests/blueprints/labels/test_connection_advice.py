"""Every kind of failure of a connection test has a sentence and a way out of its own, in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask_babel import force_locale

from blueprints.labels.codes import FAILURE
from blueprints.labels.connection_advice import _AT_PROVIDER, advice_for
from mail.providers.presets import PRESETS

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
