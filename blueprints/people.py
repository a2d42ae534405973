"""What the forms about people share: fields, choices, and a sentence for every refusal of the desk."""

from __future__ import annotations

from functools import cache
from typing import Any
from zoneinfo import available_timezones

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import EmailField, PasswordField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length

from desk.accounts import LONGEST, LONGEST_NAME, SHORTEST, Refused

LANGUAGES = (("de", "Deutsch"), ("en", "English"))

# Codes of desk.accounts.Refused: which field is wrong, and what to do about it.
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
    "hours_order": ("work_end", _l("Enter two times of the same day, the earlier one first.")),
    "inactive": ("", _l("This agent is deactivated. Activate the agent first.")),
}


class Form(FlaskForm):
    """A form that comes back with the focus on its first wrong field."""

    def validate(self, extra_validators: Any = None) -> bool:
        good = bool(super().validate(extra_validators))
        self._focus_first_error()
        return good

    def refuse(self, error: Refused) -> None:
        """Put the sentence of a refusal beside its field, or above the form."""
        name, sentence = REFUSALS[error.code]
        if name in self:
            self[name].errors = [*self[name].errors, str(sentence)]
            self._focus_first_error()
        else:
            self.form_errors.append(str(sentence))

    def _focus_first_error(self) -> None:
        wrong = next((field for field in self if field.errors), None)
        if wrong is not None:
            for field in self:
                field.render_kw = {**(field.render_kw or {}), "autofocus": field is wrong}


def sentence(error: Refused) -> str:
    """A refusal in words, where there is no form."""
    return str(REFUSALS[error.code][1])


def text(label: Any, missing: Any, most: int = 200, **attributes: Any) -> StringField:
    """A line of text that must not be empty."""
    return StringField(
        label, [InputRequired(missing), _at_most(most)], filters=[_strip], render_kw=attributes
    )


def email(autocomplete: str = "username") -> EmailField:
    return EmailField(
        _l("E-mail address"),
        [InputRequired(_l("Enter an e-mail address.")), _at_most(254)],
        filters=[_strip],
        render_kw={"autocomplete": autocomplete},
    )


def new_password(label: Any) -> PasswordField:
    """A password to be set; the desk checks its length."""
    return PasswordField(
        label,
        [InputRequired(_l("Choose a password."))],
        render_kw={"autocomplete": "new-password", "minlength": SHORTEST},
    )


def old_password(label: Any) -> PasswordField:
    return PasswordField(
        label,
        [InputRequired(_l("Enter your password."))],
        render_kw={"autocomplete": "current-password"},
    )


def choices(*pairs: tuple[str, Any]) -> list[SelectChoice]:
    """Options of a select or of radio buttons: code and label."""
    return [SelectChoice(code, label) for code, label in pairs]


def timezones() -> list[SelectChoice]:
    return choices(*((zone, zone) for zone in _zones()))


@cache
def _zones() -> tuple[str, ...]:
    """Those that people know by a city, and UTC."""
    cities = (zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/"))
    return (*sorted(cities), "UTC")


def _at_most(count: int) -> Length:
    return Length(max=count, message=_l("Use at most %(count)s characters.", count=count))


def _strip(value: str | None) -> str | None:
    return value.strip() if value else value
