"""Every notice as one row: whom it is for, who gets it unless they choose otherwise, what its text can say.

A new notice is a row here, its label in blueprints/labels/notices.py, its mail in templates/mail/<name>/, and
the call of desk/telling/who_hears.py where it happens (docs/recipes.md). tests/test_notice_table.py says what
is missing.
"""

from __future__ import annotations

from dataclasses import dataclass

from desk.texts import notice_placeholders

# What an agent can choose to hear of, by mail and at the bell: each lets through less than the one before.
CHOICES = ("all", "mine", "mentions", "none")


@dataclass(frozen=True, slots=True)
class Notice:
    """A kind of mail that the desk writes by itself. `name` is stored: with switches, texts, mails and events."""

    name: str
    audience: str  # requester, agents or administrators
    fixed: bool = False  # always on
    on: bool = True  # while no administrator has switched it
    per_channel: bool = False  # channels can be left out

    # Notices to agents: the last of CHOICES that lets it through; and whether »mine« does so for the tickets
    # alone that are assigned to the agent.
    choice: str = "all"
    own_with_mine: bool = False

    # The text.
    placeholders: tuple[str, ...] = ()
    required: str = ""  # the placeholder that must stand in it exactly once
    subject: bool = True  # without: that of the conversation, else mail programs would tear it apart
    quotes: bool = False  # has a quotation, and a line above it with placeholders of its own
    # Goes to people outside by itself, so what a stranger wrote mostly stays out: whoever writes with a false name
    # would have us carry it, and their subject, to whom they like (desk/texts/strangers_words.py).
    withholds: bool = False

    @property
    def changeable(self) -> bool:
        """Whether administrators can write its text: what has no placeholders has none but ours."""
        return bool(self.placeholders)


# In the order of the screen.
NOTICES = (
    Notice(
        "confirmation",
        "requester",
        per_channel=True,
        placeholders=notice_placeholders.TO_REQUESTERS,
        withholds=True,
    ),
    Notice(
        "ticket_reply",
        "requester",
        fixed=True,
        placeholders=notice_placeholders.REPLY,
        required="reply.body",
        subject=False,
        quotes=True,
    ),
    Notice(
        "resolved",
        "requester",
        on=False,
        per_channel=True,
        placeholders=notice_placeholders.TO_REQUESTERS,
        withholds=True,
    ),
    Notice(
        "new_ticket",
        "agents",
        per_channel=True,
        placeholders=notice_placeholders.OF_A_MAIL,
    ),
    Notice(
        "customer_reply",
        "agents",
        per_channel=True,
        choice="mine",
        own_with_mine=True,
        placeholders=notice_placeholders.OF_A_MAIL,
    ),
    Notice("assigned", "agents", choice="mine", placeholders=notice_placeholders.OF_A_COLLEAGUE),
    Notice(
        "mentioned",
        "agents",
        choice="mentions",
        placeholders=notice_placeholders.OF_A_NOTE,
    ),
    Notice(
        "delivery_failed",
        "agents",
        choice="mentions",
        placeholders=notice_placeholders.OF_A_FAILURE,
    ),
    Notice("channel_trouble", "administrators"),
    Notice("channel_recovered", "administrators"),
)
BY_NAME = {notice.name: notice for notice in NOTICES}


def of_mail(purpose: str) -> Notice:
    """The row of a mail; for one that is no notice (an invitation, a list of several) one with nothing to change."""
    return BY_NAME.get(purpose) or Notice(purpose, "agents")
