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


def test_the_form_explains_both_ways(as_alice):
    """S7, S18: where the choice is made, with a recommendation and what forwarding costs."""
    html = as_alice.get("/system/channels/new").text
    ways = html[html.index('id="ways"') : html.index('name="address"')]
    assert "Way 1, recommended" in ways and "Way 2" in ways and "may be marked as spam" in ways


def test_the_pictures_are_of_our_own_screens_in_the_reader_s_language(as_alice):
    html = as_alice.get("/help/email-channel").text
    pictures = re.findall(r'src="(/static/help/[^"?]+)', html)
    assert len(pictures) == 2 and all(name.endswith("-en.jpg") for name in pictures)
    for name in pictures:
        as_alice.get(name)
