"""The agents, for administrators: invite, role, deactivate, a new link."""

from __future__ import annotations

from flask import abort, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from wtforms import RadioField

from blueprints.labels.agents import refuse, sentence
from blueprints.page import forms
from blueprints.page.access import AdminBlueprint, me
from blueprints.page.htmx import go, invalid, page
from desk.agents import accounts
from desk.notices import password_links
from models import Agent, Role

blueprint = AdminBlueprint("agents", __name__, url_prefix="/system/agents")


class InvitationForm(forms.Form):
    name = forms.text(_l("Name"), _l("Enter a name."), autocomplete="off", autofocus=True)
    email = forms.email(autocomplete="off")
    role = RadioField(
        _l("Role"),
        choices=forms.choices(("agent", _l("Agent")), ("admin", _l("Administrator"))),
        default="agent",
    )


@blueprint.get("")
def index() -> ResponseReturnValue:
    return page("agents/index.html", agents=accounts.agents())


@blueprint.get("/new")
def new() -> ResponseReturnValue:
    return page("agents/new.html", form=InvitationForm())


@blueprint.post("")
def create() -> ResponseReturnValue:
    form = InvitationForm()
    if form.validate():
        try:
            agent, token = password_links.invite_agent(
                form.name.data or "", form.email.data or "", form.role.data
            )
        except accounts.AccountRefused as error:
            refuse(form, error)
        else:
            return _link_page(agent, token)
    return invalid("agents/new.html", form=form)


@blueprint.post("/<int:number>/role/<role>")
def role(number: int, role: str) -> ResponseReturnValue:
    agent = _agent(number)
    try:
        accounts.change_role(agent, role, by=me())
    except accounts.AccountRefused as error:
        return _refused(error)
    if agent.role == Role.ADMIN:
        return _back(gettext("%(name)s is an administrator now.", name=agent.name))
    return _back(gettext("%(name)s is an agent now.", name=agent.name))


@blueprint.post("/<int:number>/deactivation")
def deactivate(number: int) -> ResponseReturnValue:
    agent = _agent(number)
    try:
        accounts.deactivate(agent, by=me())
    except accounts.AccountRefused as error:
        return _refused(error)
    return _back(gettext("%(name)s can no longer sign in.", name=agent.name))


@blueprint.post("/<int:number>/activation")
def activate(number: int) -> ResponseReturnValue:
    agent = _agent(number)
    accounts.activate(agent)
    return _back(gettext("%(name)s can sign in again.", name=agent.name))


@blueprint.post("/<int:number>/link")
def link(number: int) -> ResponseReturnValue:
    agent = _agent(number)
    try:
        token = password_links.renew_link(agent)
    except accounts.AccountRefused as error:
        return _refused(error)
    return _link_page(agent, token)


def _agent(number: int) -> Agent:
    return accounts.agent_by_id(number) or abort(404)


def _back(message: str) -> ResponseReturnValue:
    return go(url_for("agents.index"), message)


def _refused(error: accounts.AccountRefused) -> ResponseReturnValue:
    return invalid("agents/index.html", 409, agents=accounts.agents(), refusal=sentence(error))


def _link_page(agent: Agent, token: str) -> ResponseReturnValue:
    """Shown once: only the digest of the token is kept."""
    return page(
        "agents/link.html",
        agent=agent,
        url=password_links.address(token),
        by_mail=password_links.go_by_mail(),
    )
