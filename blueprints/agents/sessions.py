"""Coming and going: sign in, sign out, and the links that set a password."""

from __future__ import annotations

from flask import Blueprint, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_login import current_user, login_user, logout_user
from wtforms import BooleanField

from blueprints.labels.agents import refuse
from blueprints.page import forms
from blueprints.page.access import REMEMBERED, open_to_all, safe_next
from blueprints.page.htmx import go, invalid, page
from blueprints.page.limits import (
    LINK_REQUESTS,
    LINK_REQUESTS_OF_ONE,
    WRONG_LINKS,
    WRONG_SIGN_INS,
    WRONG_SIGN_INS_OF_ONE,
    limiter,
    wrong,
)
from desk import office
from desk.agents import accounts
from desk.notices import password_links
from desk.office import account
from models import Agent

blueprint = Blueprint("sessions", __name__)


def _typed_address() -> str:
    return "email:" + request.form.get("email", "").strip().casefold()[:254]


class LoginForm(forms.Form):
    email = forms.email()
    password = forms.old_password(_l("Password"))
    remember = BooleanField(_l("Stay signed in on this device"))


class ForgottenForm(forms.Form):
    email = forms.email()


class PasswordForm(forms.Form):
    password = forms.new_password(_l("New password"))


def sign_in(agent: Agent, remember: bool = False) -> None:
    """Begin a new session; nothing of the old one survives, least of all what a stranger planted in it."""
    session.clear()
    logout_user()  # forgets the one who was remembered on this device before
    login_user(agent, remember=remember, duration=REMEMBERED)


@blueprint.get("/login")
@open_to_all
def new() -> ResponseReturnValue:
    if account() is None:
        return redirect(url_for("setup.closed"))
    if current_user.is_authenticated:
        return redirect(_destination())
    return page("sessions/new.html", form=LoginForm())


@blueprint.post("/login")
@open_to_all
@limiter.limit(WRONG_SIGN_INS, deduct_when=wrong)
@limiter.limit(WRONG_SIGN_INS_OF_ONE, key_func=_typed_address, deduct_when=wrong)
def create() -> ResponseReturnValue:
    form = LoginForm()
    if form.validate():
        agent = accounts.authenticate(form.email.data or "", form.password.data or "")
        if agent is not None:
            sign_in(agent, form.remember.data)
            return go(_destination())
        form.form_errors.append(gettext("The e-mail address or the password is not right."))
    return invalid("sessions/new.html", form=form)


@blueprint.post("/logout")
@open_to_all
def destroy() -> ResponseReturnValue:
    session.clear()
    logout_user()
    return go(url_for("sessions.new"), gettext("You are signed out."))


@blueprint.get("/password/forgotten")
@open_to_all
def forgotten() -> ResponseReturnValue:
    return page("sessions/forgotten.html", form=ForgottenForm())


@blueprint.post("/password/forgotten")
@open_to_all
@limiter.limit(LINK_REQUESTS)
@limiter.limit(LINK_REQUESTS_OF_ONE, key_func=_typed_address)
def request_link() -> ResponseReturnValue:
    """The same answer for every address: who works here is nobody's business."""
    form = ForgottenForm()
    if not form.validate():
        return invalid("sessions/forgotten.html", form=form)
    password_links.request_password_link(form.email.data or "")
    return page("sessions/requested.html", relay=office.relay())


@blueprint.get("/password/<token>")
@open_to_all
@limiter.limit(WRONG_LINKS, deduct_when=wrong)
def password(token: str) -> ResponseReturnValue:
    """The form behind the link of an invitation or of a forgotten password."""
    agent = password_links.take_link(token)
    if agent is None:
        return page("sessions/expired.html", 404)
    return page("sessions/password.html", form=PasswordForm(), token=token, agent=agent)


@blueprint.post("/password/<token>")
@open_to_all
@limiter.limit(WRONG_LINKS, deduct_when=wrong)
def set_password(token: str) -> ResponseReturnValue:
    form = PasswordForm()
    if form.validate():
        try:
            agent = password_links.set_password_by_link(token, form.password.data or "")
        except accounts.AccountRefused as error:
            refuse(form, error)
        else:
            if agent is None:
                return page("sessions/expired.html", 404)
            sign_in(agent)
            return go(url_for("tickets.index"), gettext("Your password is set, and you are signed in."))
    agent = password_links.take_link(token)
    if agent is None:
        return page("sessions/expired.html", 404)
    return invalid("sessions/password.html", form=form, token=token, agent=agent)


def _destination() -> str:
    return safe_next(request.args.get("next"), url_for("tickets.index"))
