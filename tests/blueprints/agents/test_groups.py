"""Groups through an administrator's browser, and what agents see of them."""

from __future__ import annotations

import re

import pytest

from desk.agents import groups
from desk.channels import channels
from models import db
from tests.support.mails import arrive, mail, ticket_of


@pytest.fixture
def group(channel, bob):
    number = groups.create("Accounts", [bob.id])
    channel.group_id = number
    db.session.commit()
    return number


def test_a_group_is_made_changed_and_chosen_for_a_channel(as_alice, alice, bob):
    page = as_alice.get("/system/groups")
    assert "There is no group yet" in page.text
    as_alice.get("/system/groups/new")
    as_alice.post("/system/groups", data={"name": "Accounts", "member": [bob.id]})
    (made,) = groups.groups()
    assert [agent.name for agent in made.members] == ["Bob Berger"]
    as_alice.post(f"/system/groups/{made.id}", data={"name": "Billing", "member": [alice.id, 999]})
    (made,) = groups.groups()
    assert (made.name, [agent.name for agent in made.members]) == ("Billing", ["Alice Admin"])
    form = {"key": "Sales", "address": "sales", "provider": "standard", "active": "y", "group_id": made.id}
    as_alice.post("/system/channels/new", data=form)
    sales = channels.by_key("Sales")
    assert sales.group_id == made.id
    assert re.search(
        r"<option selected value=\"\d+\">Billing", as_alice.get(f"/system/channels/{sales.id}").text
    )
    form["group_id"] = ""
    as_alice.post(f"/system/channels/{sales.id}", data=form)
    assert channels.by_key("Sales").group_id is None


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "Enter a name."),
        ("accounts", "There is already a group of this name."),
        ("x" * 81, "Use at most 80 characters."),
        ("a\nb", "Use one line without control characters."),
    ],
)
def test_a_wrong_name_gets_a_sentence_and_keeps_the_ticks(as_alice, bob, group, name, sentence):
    as_alice.get("/system/groups/new")
    answer = as_alice.post("/system/groups", data={"name": name, "member": [bob.id]}, status=422)
    assert sentence in answer.text
    assert f'value="{bob.id}" checked' in answer.text


def test_deleting_asks_and_names_the_channels_that_lose_it(as_alice, group):
    asked = as_alice.get(f"/system/groups/{group}/delete")
    assert "Support" in asked.text and "Yes, delete" in asked.text and groups.groups()
    as_alice.post(f"/system/groups/{group}/delete")
    assert groups.groups() == [] and channels.default().group_id is None
    as_alice.get(f"/system/groups/{group}", status=404)


@pytest.mark.parametrize(
    ("members", "menu"),
    [
        ("Bob", ["nobody", "Bob Berger", "<hr>", "Alice Admin"]),
        ("nobody", ["nobody", "Alice Admin", "Bob Berger"]),
        ("both", ["nobody", "Alice Admin", "Bob Berger"]),
    ],
)
def test_members_stand_first_among_those_who_can_get_a_ticket(
    as_alice, alice, channel, group, bob, members, menu
):
    groups.change(group, "Accounts", {"Bob": [bob.id], "nobody": [], "both": [alice.id, bob.id]}[members])
    number = ticket_of(arrive(channel, mail())).number
    db.session.commit()
    text = as_alice.get(f"/tickets/{number}").text
    options = text[text.index('id="side-assignee"') :].partition("</select>")[0]
    assert re.findall(r"<hr>|(?<=>)[\w ]+(?=</option>)", options) == menu
