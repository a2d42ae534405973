"""What forms share: the focus on what is wrong, and the fields that several of them have."""

from __future__ import annotations

from functools import cache
from typing import Any
from zoneinfo import available_timezones

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import EmailField, PasswordField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length

from config import LOCALES
from desk.agents.passwords import SHORTEST
from desk.texts import requester_languages

LANGUAGES = tuple((code, requester_languages.NAMES[code]) for code in LOCALES)


class Form(FlaskForm):
    """A form that comes back with the focus on its first wrong field."""

    def validate(self, extra_validators: Any = None) -> bool:
        good = bool(super().validate(extra_validators))
        self.focus_first_error()
        return good

    def object_to(self, name: str, sentence: str) -> None:
        """Put a sentence beside the field of this name, or above the form where it has none."""
        if name in self:
            self[name].errors = [*self[name].errors, sentence]
            self.focus_first_error()
        else:
            self.form_errors.append(sentence)

    def focus_first_error(self) -> None:
        wrong = next((field for field in self if field.errors), None)
        if wrong is not None:
            for field in self:
                field.render_kw = {**(field.render_kw or {}), "autofocus": field is wrong}


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


def timezones(chosen: str = "") -> list[SelectChoice]:
    """`chosen` is among them, whatever it is."""
    others = (chosen,) if chosen and chosen not in _zones() else ()
    return choices(*((zone, zone) for zone in (*others, *_zones())))


@cache
def _zones() -> tuple[str, ...]:
    """Those that people know by a city, and UTC."""
    cities = (zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/"))
    return (*sorted(cities), "UTC")


def _at_most(count: int) -> Length:
    return Length(max=count, message=_l("Use at most %(count)s characters.", count=count))


def _strip(value: str | None) -> str | None:
    return value.strip() if value else value
