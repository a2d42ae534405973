"""Keyboard shortcuts: what the page names, static/keys.js presses."""

from __future__ import annotations

import re

from tests.support.browsing import PageClient


def test_no_two_entries_of_the_rail_have_one_shortcut(as_alice: PageClient) -> None:
    page = as_alice.get("/tickets").get_data(as_text=True)
    strokes = re.findall(r'data-key="(g .)"', page)
    assert len(strokes) > 10 and len(set(strokes)) == len(strokes), strokes
