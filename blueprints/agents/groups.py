"""»System >> Agents >> Groups«, for administrators: who is told first of a channel's mails."""

from __future__ import annotations

from typing import Any

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from blueprints.labels.agents import refuse
from blueprints.page import forms
from blueprints.page.access import AdminBlueprint
from blueprints.page.htmx import go, invalid, page
from desk.agents import accounts, groups

blueprint = AdminBlueprint("groups", __name__, url_prefix="/system/groups")


class GroupForm(forms.Form):
    name = forms.text(
        _l("Name"), _l("Enter a name."), groups.LONGEST_NAME, autocomplete="off", autofocus=True
    )


@blueprint.get("")
def index() -> ResponseReturnValue:
    return page("groups/index.html", groups=groups.groups())


@blueprint.get("/new")
def new() -> ResponseReturnValue:
    return page("groups/form.html", **_shown(GroupForm(), None, set()))


@blueprint.post("")
def create() -> ResponseReturnValue:
    form = GroupForm()
    if form.validate():
        try:
            groups.create(form.name.data or "", _ticked())
        except accounts.AccountRefused as error:
            refuse(form, error)
        else:
            return _back(gettext("The group “%(name)s” was created.", name=form.name.data))
    return invalid("groups/form.html", **_shown(form, None, _ticked()))


@blueprint.get("/<int:number>")
def edit(number: int) -> ResponseReturnValue:
    group = _group(number)
    members = {agent.id for agent in group.members}
    return page("groups/form.html", **_shown(GroupForm(formdata=None, obj=group), group, members))


@blueprint.post("/<int:number>")
def update(number: int) -> ResponseReturnValue:
    group, form = _group(number), GroupForm()
    if form.validate():
        try:
            groups.change(number, form.name.data or "", _ticked())
        except accounts.AccountRefused as error:
            refuse(form, error)
        else:
            return _back(gettext("The group “%(name)s” was saved.", name=form.name.data))
    return invalid("groups/form.html", **_shown(form, group, _ticked()))


@blueprint.get("/<int:number>/delete")
def confirm_delete(number: int) -> ResponseReturnValue:
    return page("groups/delete.html", group=_group(number))


@blueprint.post("/<int:number>/delete")
def delete(number: int) -> ResponseReturnValue:
    name = _group(number).name
    groups.delete(number)
    return _back(gettext("The group “%(name)s” was deleted.", name=name))


def _group(number: int) -> groups.Group:
    return groups.by_id(number) or abort(404)


def _ticked() -> set[int]:
    return set(request.form.getlist("member", type=int))


def _shown(form: GroupForm, group: groups.Group | None, members: set[int]) -> dict[str, Any]:
    """The form with everybody who may be chosen: who can work, and members who cannot at the moment."""
    chosen = [agent for agent in accounts.agents() if agent.active or agent.id in members]
    return {"form": form, "group": group, "agents": chosen, "members": members}


def _back(message: str) -> ResponseReturnValue:
    return go(url_for("groups.index"), message)
