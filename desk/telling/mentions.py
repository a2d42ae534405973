"""»@name« in a private note: whom a colleague wants to read it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from models import Agent


def mentioned(text: str, agents: Sequence[Agent]) -> list[Agent]:
    """The agents that a text names by @ and the whole name, the first name, or the start of the address.

    A first name that two of them share names nobody: the wrong one would be told. In the order of `agents`.
    """
    calls = _calls(agents)
    if "@" not in text or not calls:
        return []
    longest_first = "|".join(re.escape(call) for call in sorted(calls, key=len, reverse=True))
    # What stands before an @ of an address is no mention, nor is a longer word that begins like a name.
    pattern = re.compile(rf"(?<![\w.+-])@({longest_first})(?![\w@-]|\.\w)", re.IGNORECASE)
    named = {calls[" ".join(found.casefold().split())].id for found in pattern.findall(text)}
    return [agent for agent in agents if agent.id in named]


def _calls(agents: Sequence[Agent]) -> dict[str, Agent]:
    """What each can be called, casefolded, without what would mean two people."""
    meant: dict[str, set[int]] = {}
    people = {agent.id: agent for agent in agents}
    for agent in agents:
        name = " ".join(agent.name.casefold().split())
        for call in {name, name.split(" ")[0], agent.email_key.partition("@")[0]}:
            meant.setdefault(call, set()).add(agent.id)
    return {call: people[min(ids)] for call, ids in meant.items() if call and len(ids) == 1}
