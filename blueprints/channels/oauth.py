"""»System >> Kanäle >> OAuth 2«: providers that this install is registered with, and signing in at one of them."""

from __future__ import annotations

from typing import Any

from flask import abort, flash, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, HiddenField, PasswordField, StringField

from blueprints.channels.channel_form import posted_form, written_down
from blueprints.channels.channels import channel_in_form, form_context
from blueprints.labels.oauth import KIND, PROVIDER_ERRORS, refused_words
from blueprints.page.access import AdminBlueprint, me
from blueprints.page.htmx import go, invalid, page
from blueprints.page.limits import OAUTH_SIGN_INS, limiter
from blueprints.page.security import writes
from desk.channels import channels, oauth, oauth_providers
from desk.channels.channel_values import completed
from desk.channels.oauth_providers import InvalidProvider, ProviderInUse, ProviderValues
from models import Channel, OauthKind, OauthProvider

blueprint = AdminBlueprint("oauth", __name__, url_prefix="/system/oauth")

_STATE = "oauth_state"


class ProviderForm(FlaskForm):
    """The kind is chosen before; it decides which fields there are."""

    kind = HiddenField()
    name = StringField(_l("Name"))
    client_id = StringField(_l("Client ID"))
    client_secret = PasswordField(_l("Client secret"))
    tenant = StringField(_l("Directory (tenant)"))
    app_only = BooleanField(_l("Without a person"))
    authorize_url = StringField(_l("Address of the sign-in page"))
    token_url = StringField(_l("Address for tokens"))
    scopes = StringField(_l("Scopes"))
    hosts = StringField(_l("Mail servers"))

    def values(self) -> ProviderValues:
        names = ProviderValues.__dataclass_fields__.keys()
        return ProviderValues(**{name: value for name in names if (value := self[name].data) is not None})

    def show_errors(self, errors: dict[str, str]) -> None:
        for name, code in errors.items():
            self[name].errors = [PROVIDER_ERRORS[code]]
        next(field for field in self if field.errors).render_kw = {"autofocus": True}


# --- providers ---


@blueprint.get("")
def index() -> ResponseReturnValue:
    rows = [(one, oauth_providers.in_use(one)) for one in oauth_providers.providers()]
    return page("oauth/index.html", rows=rows, kinds=KIND, redirect_uri=oauth.redirect_uri())


@blueprint.get("/new")
def new() -> ResponseReturnValue:
    kind = request.args.get("kind", OauthKind.OTHER)
    if kind not in tuple(OauthKind):
        abort(404)
    return page("oauth/form.html", **_context(ProviderForm(formdata=None, data={"kind": kind}), None))


@blueprint.post("/new")
def create() -> ResponseReturnValue:
    return _save(None)


@blueprint.get("/<int:provider_id>")
def edit(provider_id: int) -> ResponseReturnValue:
    provider = _provider(provider_id)
    stored = {
        name: getattr(provider, name) for name in ProviderValues.__dataclass_fields__ if "secret" not in name
    }
    return page("oauth/form.html", **_context(ProviderForm(formdata=None, data=stored), provider))


@blueprint.post("/<int:provider_id>")
def update(provider_id: int) -> ResponseReturnValue:
    return _save(_provider(provider_id))


@blueprint.post("/<int:provider_id>/removal")
def remove(provider_id: int) -> ResponseReturnValue:
    provider = _provider(provider_id)
    try:
        oauth_providers.remove(provider)
    except ProviderInUse:
        abort(409, gettext("Channels are connected by this provider. Change their sign-in first."))
    return go(url_for(".index"), gettext("The provider was deleted."))


# --- signing in ---


@blueprint.post("/sign-in")
@limiter.limit(OAUTH_SIGN_INS)
def connect() -> ResponseReturnValue:
    """»Connect with …« in a channel's form, saved or not: what stands there is back after the sign-in."""
    channel = channel_in_form()
    form = posted_form(channel)
    provider, user = oauth_providers.by_choice(form.oauth.data or ""), completed(form.values()).user
    if provider is None or not user:
        form.show_errors({"oauth": "choice"} if provider is None else {"address": "required"})
        return invalid("channels/form.html", **form_context(form, channel))
    return _begin(provider, user, channel, written_down(form))


@blueprint.post("/channels/<int:channel_id>/sign-in")
@limiter.limit(OAUTH_SIGN_INS)
def reconnect(channel_id: int) -> ResponseReturnValue:
    """»Connect again«: the channel stays as it is, with fresh tokens."""
    channel = channels.by_id(channel_id)
    if channel is None or channel.grant is None:
        abort(404)
    return _begin(channel.grant.provider, channel.user, channel, "")


@blueprint.get("/callback")
@writes
@limiter.limit(OAUTH_SIGN_INS)
def callback() -> ResponseReturnValue:
    """The provider sends the browser back here."""
    state, kept = request.args.get("state", "")[:200], session.pop(_STATE, "")
    code, error = request.args.get("code", "")[:4000], request.args.get("error", "")
    try:
        sign_in, failure = oauth.finish(state, kept, me().id, code, error)
    except oauth.SignInRefused as refused:
        flash(refused_words(refused.code), "danger")
        return go(url_for("channels.index"))
    return _arrive(sign_in, failure)


def _begin(provider: OauthProvider, user: str, channel: Channel | None, form: str) -> ResponseReturnValue:
    begun = oauth.begin(provider, user, me().id, channel, form)
    if not begun.url:
        return _arrive(begun.sign_in, begun.failure)
    session[_STATE] = begun.state
    # A redirect after a form would need every provider in the policy's form-action: the page itself leads there.
    return page("oauth/leave.html", url=begun.url, provider=provider)


def _arrive(sign_in: Any, failure: str) -> ResponseReturnValue:
    """Back in the form as it was left, or at the channel that was connected again."""
    channel = channels.by_id(sign_in.channel_id) if sign_in.channel_id else None
    if failure:
        flash(refused_words(failure), "danger")
    if not sign_in.form and channel is not None:
        if not failure:
            channels.reconnect(channel, sign_in.grant_id)
            flash(gettext("The channel is connected again."))
        return go(url_for("channels.edit", channel_id=channel.id))
    if channel is not None:
        return go(url_for("channels.edit", channel_id=channel.id, sign_in=sign_in.id))
    return go(url_for("channels.new", sign_in=sign_in.id))


def _save(provider: OauthProvider | None) -> ResponseReturnValue:
    form = ProviderForm()
    if form.validate_on_submit():
        try:
            oauth_providers.save(form.values(), provider)
        except InvalidProvider as error:
            form.show_errors(error.errors)
        else:
            return go(url_for(".index"), gettext("The provider was saved."))
    return invalid("oauth/form.html", **_context(form, provider))


def _provider(provider_id: int) -> OauthProvider:
    return oauth_providers.by_id(provider_id) or abort(404)


def _context(form: ProviderForm, provider: OauthProvider | None) -> dict[str, Any]:
    return {"form": form, "provider": provider, "kinds": KIND, "redirect_uri": oauth.redirect_uri()}
