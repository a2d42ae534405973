"""What the desk refuses about agents, groups and the company, in words: a sentence for every code."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from blueprints.page.forms import Form
from desk.agents.accounts import LONGEST, LONGEST_NAME, AccountRefused
from desk.agents.passwords import SHORTEST

# Codes of desk.agents.accounts.AccountRefused: which field is wrong, and what to do about it.
REFUSALS = {
    "already_set_up": ("", _l("Poststelle is already set up.")),
    "company_missing": ("company", _l("Enter the name of your company.")),
    "company_long": ("company", _l("Use at most %(count)s characters.", count=LONGEST_NAME)),
    "company_unprintable": ("company", _l("Use one line without control characters.")),
    "domain_invalid": ("mail_domain", _l("This is no valid domain. An example: acme.example")),
    "timezone_unknown": ("timezone", _l("This time zone is not known.")),
    "locale_unknown": ("locale", _l("This language is not available.")),
    "scheme_unknown": ("scheme", _l("This colour scheme is not available.")),
    "name_missing": ("name", _l("Enter a name.")),
    "name_long": ("name", _l("Use at most %(count)s characters.", count=LONGEST_NAME)),
    "name_unprintable": ("name", _l("Use one line without control characters.")),
    "email_invalid": ("email", _l("This is no valid e-mail address. An example: name@acme.example")),
    "email_taken": ("email", _l("There is already an agent with this e-mail address.")),
    "email_of_channel": (
        "email",
        _l("This is the address of a channel. Enter the agent's personal e-mail address."),
    ),
    "group_taken": ("name", _l("There is already a group of this name.")),
    "role_unknown": ("role", _l("This role is not available.")),
    "password_short": ("password", _l("Use at least %(count)s characters.", count=SHORTEST)),
    "password_long": ("password", _l("Use at most %(count)s characters.", count=LONGEST)),
    "password_wrong": ("old", _l("This is not your present password.")),
    "system_protected": (
        "",
        _l("Who created the account stays an administrator and cannot be deactivated."),
    ),
    "yourself": ("", _l("You cannot take away your own rights. Another administrator can.")),
    "choice_unknown": ("notify", _l("This choice is not available.")),
    "undo_seconds": ("undo_seconds", _l("This number is not available.")),
    "close_days": ("close_days", _l("This number is not available.")),
    "reopen_days": ("reopen_days", _l("This number is not available.")),
    "hours_order": ("work_end", _l("Enter two times of the same day, the earlier one first.")),
    "inactive": ("", _l("This agent is deactivated. Activate the agent first.")),
}


def refuse(form: Form, error: AccountRefused) -> None:
    """Put the sentence of a refusal beside its field, or above the form."""
    name, sentence = REFUSALS[error.code]
    form.object_to(name, str(sentence))


def sentence(error: AccountRefused) -> str:
    """A refusal in words, where there is no form."""
    return str(REFUSALS[error.code][1])
