"""Groups of agents: who hears first of a channel's mails, and what is left when one is deleted."""

from __future__ import annotations

import pytest
from sqlalchemy import event, select

from desk.agents import accounts, groups
from desk.agents.accounts import AccountRefused
from desk.batch_cache import same_for_a_batch
from desk.channels import channels
from desk.channels.channel_values import ChannelValues, InvalidChannel, values_of
from desk.tickets import tickets
from models import Agent, Channel, NoticeItem, db
from tests.conftest import PASSWORD
from tests.support.mails import arrive, mail, ticket_of


@pytest.fixture
def dora(app) -> Agent:
    return accounts.create_agent("Dora Doll", "dora@acme.example", "agent", PASSWORD)


@pytest.fixture
def group(channel: Channel, bob: Agent, dora: Agent) -> int:
    """Bob and Dora have the default channel; Alice is not in their group."""
    number = groups.create("Accounts", [bob.id, dora.id])
    channel.group_id = number
    db.session.commit()
    return number


def told(notice: str) -> set[str]:
    query = select(Agent.name).join(NoticeItem, NoticeItem.agent_id == Agent.id)
    return {name.partition(" ")[0] for name in db.session.scalars(query.where(NoticeItem.notice == notice))}


def test_members_hear_of_new_tickets_and_of_answers_that_nobody_has(channel, group, alice):
    ticket = ticket_of(arrive(channel, mail()))
    assert told("new_ticket") == {"Bob", "Dora"}
    arrive(channel, mail(subject=f"Re: [#{ticket.number}]"))
    assert told("customer_reply") == {"Bob", "Dora"}


def test_an_answer_goes_to_the_assignee_also_outside_of_the_group(channel, group, alice):
    ticket = ticket_of(arrive(channel, mail()))
    tickets.assign(ticket, alice, alice)
    arrive(channel, mail(subject=f"Re: [#{ticket.number}]"))
    assert told("customer_reply") == {"Alice"}


@pytest.mark.parametrize("why", ["empty", "deactivated", "deleted"])
def test_nobody_left_means_all(channel, group, alice, bob, dora, why):
    if why == "empty":
        groups.change(group, "Accounts", [])
    elif why == "deleted":
        groups.delete(group)
    else:
        accounts.deactivate(bob, by=alice)
        accounts.deactivate(dora, by=alice)
    arrive(channel, mail())
    assert told("new_ticket") == ({"Alice"} if why == "deactivated" else {"Alice", "Bob", "Dora"})


def test_in_a_batch_the_members_are_asked_for_once(channel, group):
    statements: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    with same_for_a_batch():
        for _ in range(3):
            assert len(groups.of_channel(channels.default(), accounts.active_agents())) == 2
    assert len([one for one in statements if "group_member" in one]) == 1


def test_a_channel_names_a_group_that_exists(channel, group):
    stored = channels.create(ChannelValues("Sales", "sales", group_id=group))
    assert (stored.group_id, values_of(stored).group_id) == (group, group)
    with pytest.raises(InvalidChannel) as wrong:
        channels.create(ChannelValues("Other", "other", group_id=group + 1))
    assert wrong.value.errors == {"group_id": "choice"}


def test_deleted_groups_leave_their_channels_and_agents(channel, group, bob):
    groups.delete(group)
    db.session.expire_all()
    assert channel.group_id is None and groups.groups() == [] and bob.active


def test_a_name_stands_once_in_whatever_case(group):
    with pytest.raises(AccountRefused, match="group_taken"):
        groups.create("ACCOUNTS", [])
    with pytest.raises(AccountRefused, match="name_long"):
        groups.create("x" * 81, [])
    groups.change(group, "accounts", [])  # its own name is not taken
    assert [one.name for one in groups.groups()] == ["accounts"]
