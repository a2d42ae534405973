"""The help page of the e-mail channel, for everybody who is signed in (S53)."""

from __future__ import annotations

import re


def test_agents_read_the_four_topics(as_bob):
    html = as_bob.get("/help/email-channel").text
    anchors = re.findall(r'<a href="#([\w-]+)">', html)
    assert anchors == ["own-address", "flow", "edit", "delete"]
    assert all(f'id="{anchor}"' in html for anchor in anchors)
    assert "support-acme@poststelle.example" in html and "/system/channels" not in html


def test_the_form_leads_to_it(as_alice):
    assert 'href="/help/email-channel"' in as_alice.get("/system/channels/new").text


def test_strangers_sign_in_first(client):
    client.get("/help/email-channel", status=303)
