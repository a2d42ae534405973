"""»System >> Notifications«: the switches and the preview."""

from __future__ import annotations

import pytest

from desk import telling


@pytest.mark.parametrize("notice", [notice.name for notice in telling.NOTICES])
@pytest.mark.parametrize("language", ["de", "en"])
def test_every_notice_has_a_preview_in_both_languages(as_alice, notice, language):
    html = as_alice.get(f"/system/notifications?notice={notice}&text={language}").text
    about = {"de": "Kanal", "en": "Channel"}[language] if notice.startswith("channel_") else "#1042"
    assert f'<dd lang="{language}">{about}' in html or about == "#1042" in html


def test_an_unknown_notice_is_not_found(as_alice):
    as_alice.get("/system/notifications?notice=weather", status=404)
    as_alice.post("/system/notifications/weather", {"enabled": "1"}, status=404)


def test_a_notice_is_switched_off_and_on(as_alice):
    as_alice.post("/system/notifications/confirmation", {"enabled": "0"})
    assert not telling.enabled("confirmation")
    html = as_alice.post("/system/notifications/confirmation", {"enabled": "1"}, status=200, htmx=True).text
    assert telling.enabled("confirmation")
    assert 'hx-target="#notice-confirmation"' in html and 'aria-checked="true"' in html


def test_the_ticket_reply_is_always_on(as_alice):
    as_alice.post("/system/notifications/ticket_reply", {"enabled": "0"}, status=409)
    assert "Always on" in as_alice.get("/system/notifications").text


def test_agents_cannot_reach_it(as_bob):
    as_bob.get("/system/notifications", status=403)
    as_bob.post("/system/notifications/confirmation", {"enabled": "0"}, status=403)
    assert telling.enabled("confirmation")
