"""What agents decide for themselves: name, language, time zone, colours, shortcuts, password."""

from __future__ import annotations

from flask import Blueprint, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, refresh
from flask_babel import lazy_gettext as _l
from flask_login import logout_user
from wtforms import BooleanField, RadioField, SelectField

from blueprints import people
from blueprints.access import me
from blueprints.htmx import go, invalid, page
from blueprints.limits import limiter
from blueprints.sessions import sign_in
from desk import accounts
from desk.office import the_account

blueprint = Blueprint("profile", __name__, url_prefix="/profile")


class ProfileForm(people.Form):
    name = people.text(_l("Name"), _l("Enter a name."), autocomplete="name")
    locale = SelectField(
        _l("Language"), choices=people.choices(("", _l("As the browser")), *people.LANGUAGES)
    )
    timezone = SelectField(_l("Time zone"))
    scheme = RadioField(
        _l("Colour scheme"),
        choices=people.choices(("", _l("As the system")), ("light", _l("Light")), ("dark", _l("Dark"))),
    )
    shortcuts = BooleanField(_l("Keyboard shortcuts"))


class OwnPasswordForm(people.Form):
    old = people.old_password(_l("Present password"))
    password = people.new_password(_l("New password"))


@blueprint.get("")
def edit() -> ResponseReturnValue:
    return page("profile/edit.html", form=_profile_form(), password_form=OwnPasswordForm())


@blueprint.post("")
def update() -> ResponseReturnValue:
    form = _profile_form()
    if form.validate():
        try:
            accounts.update_profile(
                me(),
                name=form.name.data or "",
                locale=form.locale.data,
                timezone=form.timezone.data,
                scheme=form.scheme.data,
                shortcuts=form.shortcuts.data,
            )
        except accounts.Refused as error:
            form.refuse(error)
        else:
            refresh()  # the notice already speaks the language that was chosen
            return go(url_for("profile.edit"), gettext("Your profile is saved."))
    return invalid("profile/edit.html", form=form, password_form=OwnPasswordForm(formdata=None))


@blueprint.post("/password")
@limiter.limit("10 per 5 minutes", deduct_when=lambda response: response.status_code == 422)
def change_password() -> ResponseReturnValue:
    form = OwnPasswordForm()
    if form.validate():
        try:
            accounts.change_own_password(me(), form.old.data or "", form.password.data or "")
        except accounts.Refused as error:
            form.refuse(error)
        else:
            sign_in(me(), remember="remember_token" in request.cookies)  # all sessions have ended
            return go(
                url_for("profile.edit"),
                gettext("Your password has been changed. You are signed out on all other devices."),
            )
    return invalid("profile/edit.html", form=_profile_form(unsent=True), password_form=form)


@blueprint.post("/sessions")
def end_sessions() -> ResponseReturnValue:
    accounts.end_sessions(me())
    session.clear()
    logout_user()
    return go(url_for("sessions.new"), gettext("You are signed out on all devices."))


def _profile_form(unsent: bool = False) -> ProfileForm:
    form = ProfileForm(formdata=None, obj=me()) if unsent else ProfileForm(obj=me())
    zone = the_account().timezone
    as_company = people.choices(("", gettext("As the company (%(zone)s)", zone=zone)))
    form.timezone.choices = as_company + people.timezones()
    return form
