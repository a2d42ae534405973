"""The beginning: the form behind the link that `serve` prints. Closed for ever when it has been used."""

from __future__ import annotations

from hmac import compare_digest
from typing import Any

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale, gettext
from flask_babel import lazy_gettext as _l
from wtforms import Field, SelectField

from blueprints.agents.relay_fields import RelayFields
from blueprints.agents.sessions import sign_in
from blueprints.labels.agents import refuse
from blueprints.page import forms
from blueprints.page.access import open_to_all
from blueprints.page.htmx import go, invalid, page
from blueprints.page.limits import WRONG_SETUP_LINKS, limiter
from desk.agents import accounts
from desk.office import account, office

blueprint = Blueprint("setup", __name__)

FALLBACK_ZONE = "Europe/Vienna"

wrong_tokens = limiter.limit(WRONG_SETUP_LINKS, deduct_when=lambda response: response.status_code == 404)


class SetupForm(RelayFields):
    company = forms.text(
        _l("Company"), _l("Enter the name of your company."), autocomplete="organization", autofocus=True
    )
    mail_domain = forms.text(
        _l("E-mail domain"), _l("Enter a domain."), 200, autocapitalize="off", spellcheck="false"
    )
    timezone = SelectField(_l("Time zone"))
    name = forms.text(_l("Your name"), _l("Enter a name."), autocomplete="name")
    email = forms.email()
    password = forms.new_password(_l("Password"))


@blueprint.get("/setup")
@open_to_all
def closed() -> ResponseReturnValue:
    """Where the link is found."""
    return redirect(url_for("sessions.new")) if account() else page("setup/closed.html")


@blueprint.get("/setup/<token>")
@open_to_all
@wrong_tokens
def show(token: str) -> ResponseReturnValue:
    return _refusal(token) or page("setup/show.html", **_context(_form(), token))


@blueprint.post("/setup/<token>")
@open_to_all
@wrong_tokens
def create(token: str) -> ResponseReturnValue:
    if refusal := _refusal(token):
        return refusal
    form = _form()
    if form.validate():
        try:
            accounts.create_account(
                company=form.company.data or "",
                mail_domain=_typed(form.mail_domain),
                locale=get_locale().language,
                timezone=_typed(form.timezone),
                name=form.name.data or "",
                email=form.email.data or "",
                password=form.password.data or "",
                relay=form.relay(),
            )
        except accounts.AlreadySetUp:
            return go(url_for("sessions.new"))
        except accounts.AccountRefused as error:
            refuse(form, error)
        else:
            agent = accounts.authenticate(form.email.data or "", form.password.data or "")
            if agent is None:  # somebody was faster to change it: let the login decide
                return go(url_for("sessions.new"))
            sign_in(agent)
            return go(url_for("tickets.index"), gettext("Welcome! Poststelle is ready."))
    return invalid("setup/show.html", **_context(form, token))


@blueprint.get("/setup/<token>/address")
@open_to_all
@wrong_tokens
def address(token: str) -> ResponseReturnValue:
    """The default address while the company's name is being typed."""
    company, domain = request.args.get("company", "")[:200], request.args.get("mail_domain", "")[:200]
    return _refusal(token) or page("setup/_address.html", address=_preview(company, domain))


def _refusal(token: str) -> ResponseReturnValue | None:
    if account() is not None:
        return redirect(url_for("sessions.new"))
    right = office().setup_token
    if not right or not compare_digest(token.encode(), right.encode()):
        return page("setup/closed.html", 404, wrong=True)
    return None


def _form() -> SetupForm:
    """What the environment decides is no field, but a fixed line of the page."""
    settings = office().settings
    form = SetupForm(mail_domain=accounts.TRIAL_DOMAIN, timezone=FALLBACK_ZONE)
    form.timezone.choices = forms.timezones()
    if settings.mail_domain:
        del form.mail_domain
    if settings.timezone:
        del form.timezone
    form.fixed_by_environment()
    return form


def _context(form: SetupForm, token: str) -> dict[str, Any]:
    address = _preview(form.company.data or "", _typed(form.mail_domain))
    return {"form": form, "token": token, "settings": office().settings, "address": address}


def _typed(field: Field | None) -> str:
    return (field.data if field else None) or ""


def _preview(company: str, mail_domain: str) -> str:
    domain = office().settings.mail_domain or mail_domain.strip() or accounts.TRIAL_DOMAIN
    return accounts.default_address(company, domain) if company.strip() else ""
