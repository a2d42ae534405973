"""Old addresses lead to the page as it stands now; `test_access` asks who is led there."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/system/looks", "/system/mail-designs"),
        ("/system/looks/1", "/system/mail-designs/1"),
        ("/system/looks/1/delete?from=list&x=%C3%A4", "/system/mail-designs/1/delete?from=list&x=%C3%A4"),
        ("/system/looks/a%3Fb", "/system/mail-designs/a%3Fb"),
    ],
)
def test_an_old_address_leads_to_the_new_one_for_good(as_alice, old, new):
    answer = as_alice.client.get(old)
    assert (answer.status_code, answer.location) == (308, new)
