"""What agents decide for themselves: name, language, time zone, colours, shortcuts, password."""

from __future__ import annotations

from flask import Blueprint, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, refresh
from flask_babel import lazy_gettext as _l
from flask_login import logout_user
from wtforms import BooleanField, RadioField, SelectField, SelectMultipleField, StringField
from wtforms.widgets import CheckboxInput

from blueprints.agents.sessions import sign_in
from blueprints.labels.agents import refuse
from blueprints.page import forms
from blueprints.page.access import me
from blueprints.page.htmx import go, invalid, page
from blueprints.page.limits import WRONG_OLD_PASSWORDS, limiter, wrong
from desk.agents import accounts
from desk.office import the_account
from desk.telling import preferences

blueprint = Blueprint("profile", __name__, url_prefix="/profile")


class ProfileForm(forms.Form):
    name = forms.text(_l("Name"), _l("Enter a name."), autocomplete="name")
    locale = SelectField(_l("Language"), choices=forms.choices(("", _l("As the browser")), *forms.LANGUAGES))
    timezone = SelectField(_l("Time zone"))
    scheme = RadioField(
        _l("Colour scheme"),
        choices=forms.choices(("", _l("As the system")), ("light", _l("Light")), ("dark", _l("Dark"))),
    )
    shortcuts = BooleanField(_l("Keyboard shortcuts"))


HEARS_OF = forms.choices(
    ("all", _l("Everything")),
    ("mine", _l("Mine")),
    ("mentions", _l("Mentions")),
    ("none", _l("Nothing")),
)


class NoticesForm(forms.Form):
    notify = RadioField(_l("By e-mail"), choices=HEARS_OF)
    bell = RadioField(_l("In the browser"), choices=HEARS_OF)
    digest = RadioField(
        _l("E-mails come"),
        choices=forms.choices(
            ("", _l("As it happens")), ("hourly", _l("Every hour")), ("daily", _l("Every morning"))
        ),
    )
    work_days = SelectMultipleField(
        _l("Working days"),
        choices=forms.choices(
            ("1", _l("Mon")),
            ("2", _l("Tue")),
            ("3", _l("Wed")),
            ("4", _l("Thu")),
            ("5", _l("Fri")),
            ("6", _l("Sat")),
            ("7", _l("Sun")),
        ),
        option_widget=CheckboxInput(),
    )
    work_begin = StringField(_l("Working hours from"), render_kw={"type": "time"})
    work_end = StringField(_l("Working hours until"), render_kw={"type": "time"})


class OwnPasswordForm(forms.Form):
    old = forms.old_password(_l("Present password"))
    password = forms.new_password(_l("New password"))


@blueprint.get("")
def edit() -> ResponseReturnValue:
    return page("profile/edit.html", **_forms())


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
        except accounts.AccountRefused as error:
            refuse(form, error)
        else:
            refresh()  # the notice already speaks the language that was chosen
            return go(url_for("profile.edit"), gettext("Your profile is saved."))
    return invalid("profile/edit.html", **_forms(form=form))


@blueprint.post("/notices")
def choose_notices() -> ResponseReturnValue:
    form = NoticesForm()
    if form.validate():
        try:
            preferences.choose(
                me(),
                notify=form.notify.data,
                bell=form.bell.data,
                digest=form.digest.data,
                days=form.work_days.data or (),
                begin=form.work_begin.data or "",
                end=form.work_end.data or "",
            )
        except accounts.AccountRefused as error:
            refuse(form, error)
        else:
            return go(url_for("profile.edit"), gettext("Your notifications are saved."))
    return invalid("profile/edit.html", **_forms(notices_form=form))


@blueprint.post("/password")
@limiter.limit(WRONG_OLD_PASSWORDS, deduct_when=wrong)
def change_password() -> ResponseReturnValue:
    form = OwnPasswordForm()
    if form.validate():
        try:
            accounts.change_own_password(me(), form.old.data or "", form.password.data or "")
        except accounts.AccountRefused as error:
            refuse(form, error)
        else:
            sign_in(me(), remember="remember_token" in request.cookies)  # all sessions have ended
            return go(
                url_for("profile.edit"),
                gettext("Your password has been changed. You are signed out on all other devices."),
            )
    return invalid("profile/edit.html", **_forms(password_form=form))


@blueprint.post("/sessions")
def end_sessions() -> ResponseReturnValue:
    accounts.end_sessions(me())
    session.clear()
    logout_user()
    return go(url_for("sessions.new"), gettext("You are signed out on all devices."))


def _forms(**sent: forms.Form) -> dict[str, forms.Form]:
    """The three forms of the page: what was sent comes back, the others show what is stored."""
    agent = me()
    stored = NoticesForm(
        formdata=None,
        notify=agent.notify,
        bell=agent.bell,
        digest=agent.digest,
        work_days=list(agent.work_days),
        work_begin=agent.work_begin or "08:00",
        work_end=agent.work_end or "17:00",
    )
    return {
        "form": _profile_form(unsent=True),
        "notices_form": stored,
        "password_form": OwnPasswordForm(formdata=None),
        **sent,
    }


def _profile_form(unsent: bool = False) -> ProfileForm:
    form = ProfileForm(formdata=None, obj=me()) if unsent else ProfileForm(obj=me())
    zone = the_account().timezone
    as_company = forms.choices(("", gettext("As the company (%(zone)s)", zone=zone)))
    form.timezone.choices = as_company + forms.timezones()
    return form
