"""The fields of the install's outgoing server, in the set-up and in the settings."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import IntegerField, PasswordField, SelectField, StringField
from wtforms.validators import Length, NumberRange, Optional, Regexp

from blueprints.page import forms
from config import Relay
from desk.office import office

PORTS = {"starttls": 587, "ssl": 465, "none": 25}


class RelayFields(forms.Form):
    relay_host = StringField(
        _l("Server name"),
        [
            Optional(),
            Length(max=255),
            Regexp(r"\s*[^\s/@:]+\s*$", message=_l("Enter only the name of the server: mail.acme.example")),
        ],
        render_kw={"autocapitalize": "off", "spellcheck": "false"},
    )
    relay_encryption = SelectField(
        _l("Encryption"),
        choices=forms.choices(("starttls", "STARTTLS"), ("ssl", "SSL/TLS"), ("none", _l("None"))),
    )
    relay_port = IntegerField(
        _l("Port"),
        [Optional(), NumberRange(1, 65535, _l("A port is a number from 1 to 65535."))],
        render_kw={"class": "input-short"},
    )
    relay_user = StringField(_l("User name"), [Length(max=255)], render_kw={"autocomplete": "off"})
    relay_password = PasswordField(
        _l("Password"), [Length(max=1000)], render_kw={"autocomplete": "new-password"}
    )

    def relay(self) -> Relay | None:
        """What was entered; None means that mail is kept, or that the environment has decided."""
        if office().settings.relay:
            return None
        host = (self.relay_host.data or "").strip()
        if not host:
            return None
        encryption = self.relay_encryption.data
        return Relay(
            host,
            self.relay_port.data or PORTS[encryption],
            encryption,
            (self.relay_user.data or "").strip(),
            self.relay_password.data or "",
        )

    def mistakes(self) -> list[str]:
        """What is wrong with these fields alone; the others are not asked."""
        own = [field for field in self if field.name.startswith("relay_")]
        return [str(error) for field in own if not field.validate(self) for error in field.errors]

    def fixed_by_environment(self) -> None:
        """Its own outgoing server wins, so there is nothing to enter."""
        if office().settings.relay:
            for name in [name for name in self._fields if name.startswith("relay_")]:
                del self[name]
