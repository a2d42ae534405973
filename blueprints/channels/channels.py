"""»System >> Channels«: one channel per address, its form, its connection test, its switch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user

from blueprints.channels.channel_form import (
    ChannelForm,
    clone_form,
    filled_form,
    follow_choices,
    form_of,
    posted_form,
    read_back,
    refusals,
)
from blueprints.labels.channel_history import channel_history
from blueprints.labels.channels import ChannelState, channel_state
from blueprints.labels.connection_tests import shown_connection_test, shown_discovery
from blueprints.labels.dry_run import shown_dry_run
from blueprints.labels.forwards import REFUSED, STEPS, shown_forward
from blueprints.labels.oauth import shown_way
from blueprints.page.access import AdminBlueprint, me
from blueprints.page.htmx import change, go, invalid, page, wants_fragment
from blueprints.page.limits import CONNECTION_TESTS, limiter
from blueprints.page.numbers import whole_number
from desk.channels import channels, health, oauth
from desk.channels.channel_values import InvalidChannel, with_servers
from desk.checks import connection_tests, forward_probe
from desk.checks import dry_run as dry_runs
from desk.checks.connection_tests import ConnectionTest
from desk.office import the_account
from models import Channel, now

blueprint = AdminBlueprint("channels", __name__, url_prefix="/system/channels")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list."""

    channel: Channel
    state: ChannelState
    per_day: list[int]


@blueprint.get("")
def index() -> ResponseReturnValue:
    words = request.args.get("q", "").strip()
    listing = channels.listing(words, request.args.get("page", 1, type=whole_number))
    return page(
        "channels/index.html", rows=_rows(listing.channels), listing=listing, words=words, size=channels.PAGE
    )


@blueprint.get("/new")
def new() -> ResponseReturnValue:
    """An empty form, or that of another channel (`like`) without its ID, its address and its passwords.

    After a sign-in at a provider (`sign_in`) it is the form as it was left.
    """
    left = _left_form()
    if left is not None:
        return page("channels/form.html", **form_context(left, None))
    like = request.args.get("like", type=whole_number)
    form = ChannelForm(formdata=None) if like is None else clone_form(_channel(like))
    return page("channels/form.html", **form_context(follow_choices(form), None))


@blueprint.post("/new")
def create() -> ResponseReturnValue:
    form = posted_form(None)
    if form.validate_on_submit():
        try:
            channels.create(form.values())
        except InvalidChannel as error:
            form.show_errors(error.errors)
        else:
            return go(url_for(".index"), gettext("The channel was created."))
    return invalid("channels/form.html", **form_context(form, None))


@blueprint.get("/<int:channel_id>")
def edit(channel_id: int) -> ResponseReturnValue:
    channel = _channel(channel_id)
    return page("channels/form.html", **form_context(_left_form() or form_of(channel), channel))


@blueprint.post("/<int:channel_id>")
def update(channel_id: int) -> ResponseReturnValue:
    channel = _channel(channel_id)
    form = posted_form(channel)
    if form.validate_on_submit():
        try:
            channels.update(channel, form.values())
        except InvalidChannel as error:
            form.show_errors(error.errors)
        except channels.Protected:
            _protected()
        else:
            return go(url_for(".index"), gettext("The channel was saved."))
    return invalid("channels/form.html", **form_context(form, channel))


@blueprint.post("/form")
def shape() -> ResponseReturnValue:
    """The form as the new choice asks for: other fields, other usual ports. Saves nothing."""
    template = "channels/_form.html" if wants_fragment() else "channels/form.html"
    channel = channel_in_form()
    return page(template, **form_context(follow_choices(posted_form(channel)), channel))


@blueprint.post("/settings")
@limiter.limit(CONNECTION_TESTS)
def settings() -> ResponseReturnValue:
    """»Find the settings«: from the address to its servers, filled into the form. Saves nothing."""
    channel = channel_in_form()
    form = posted_form(channel)
    template = "channels/_form.html" if wants_fragment() else "channels/form.html"
    address = form.address.data or ""
    if "@" not in address:
        form.show_errors({"address": "whole"})
        return invalid(template, **form_context(form, channel))
    discovery = channels.find_settings(address, form.ask_database.data)
    if discovery.servers:
        form = filled_form(form, with_servers(form.values(), discovery.servers))
    else:
        form = follow_choices(form)  # what the address itself decides, which this answer overtakes
    context = form_context(form, channel_in_form())
    return page(template, **context, discovery=shown_discovery(discovery))


@blueprint.post("/test")
@limiter.limit(CONNECTION_TESTS)
def test() -> ResponseReturnValue:
    """»Test connection«: what stands in the form, saved or not. Saves nothing.

    With htmx the steps appear one after the other; a plain form waits for all of them.
    """
    channel = channel_in_form()
    form = posted_form(channel)
    begun = connection_tests.start(form.values(), channel, current_user.id, bool(form.send_mail.data))
    if wants_fragment():
        return page("channels/_test.html", form=form, **_test_context(begun))
    begun.wait()
    seen = connection_tests.get(begun.token, current_user.id) or begun
    return page("channels/form.html", **form_context(form, channel_in_form()), **_test_context(seen))


@blueprint.get("/tests/<token>")
def test_steps(token: str) -> ResponseReturnValue:
    """How far a test is: the piece again if there is more to see than `seen` steps, else nothing."""
    begun = connection_tests.get(token, current_user.id)
    if begun is None:
        return page("channels/_test.html", form=ChannelForm(formdata=None), interrupted=True)
    test = shown_connection_test(begun)
    if test.running and test.seen == request.args.get("seen", type=int):
        return "", 204
    form = ChannelForm(formdata=None, data={"send_mail": bool(begun.message_id)})
    return page("channels/_test.html", form=form, **_test_context(begun))


@blueprint.post("/dry-run")
@limiter.limit(CONNECTION_TESTS)
def dry_run() -> ResponseReturnValue:
    """What the first fetch would do with what lies in the mailbox. Saves nothing, touches nothing."""
    channel = channel_in_form()
    form = posted_form(channel)
    begun = dry_runs.start(form.values(), channel, current_user.id)
    if wants_fragment():
        return page("channels/_dry_run.html", dry_run=shown_dry_run(begun))
    begun.wait()
    context = form_context(form, channel_in_form())
    return page("channels/form.html", **context, dry_run=shown_dry_run(begun))


@blueprint.get("/dry-runs/<token>")
def dry_run_result(token: str) -> ResponseReturnValue:
    """The piece when the dry run has ended, nothing before."""
    found = dry_runs.get(token, current_user.id)
    if found is not None and found.running:
        return "", 204
    shown = shown_dry_run(found) if found else None
    return page("channels/_dry_run.html", dry_run=shown, interrupted=found is None)


@blueprint.post("/<int:channel_id>/active")
def active(channel_id: int) -> ResponseReturnValue:
    channel = _channel(channel_id)
    try:
        channels.set_active(channel, request.form.get("active") == "1")
    except channels.Protected:
        _protected()
    words = (
        gettext("“%(id)s” receives mail again.", id=channel.key)
        if channel.active
        else gettext("“%(id)s” no longer receives mail.", id=channel.key)
    )
    return change("channels/active.swap.html", url_for(".index"), words, row=_rows([channel])[0])


@blueprint.post("/<int:channel_id>/fetch")
def fetch(channel_id: int) -> ResponseReturnValue:
    channel = _channel(channel_id)
    if not (channel.is_own and channel.active):
        abort(404)
    channels.fetch_now(channel)
    return go(url_for(".edit", channel_id=channel.id), gettext("The mailbox is being fetched now."))


@blueprint.post("/<int:channel_id>/forward-check")
@limiter.limit(CONNECTION_TESTS)
def check_forward(channel_id: int) -> ResponseReturnValue:
    """A mail to the forwarded address; it has to come back through our receiver."""
    channel = _channel(channel_id)
    try:
        forward_probe.check(channel)
    except forward_probe.CheckRefused as refused:
        abort(409, str(REFUSED[refused.code]))
    return go(url_for(".edit", channel_id=channel.id), gettext("The check was sent. It should be back soon."))


@blueprint.get("/<int:channel_id>/forward")
def forward(channel_id: int) -> ResponseReturnValue:
    """How the check fares; the piece asks for itself while it is on its way."""
    channel = _channel(channel_id)
    return page("channels/_forward.html", channel=channel, forward=shown_forward(channel, now()))


@blueprint.get("/<int:channel_id>/delete")
def confirm_delete(channel_id: int) -> ResponseReturnValue:
    channel = _channel(channel_id)
    if channel.is_default:
        _protected()
    return page("channels/delete.html", channel=channel)


@blueprint.post("/<int:channel_id>/delete")
def delete(channel_id: int) -> ResponseReturnValue:
    channel = _channel(channel_id)
    key = channel.key
    try:
        channels.delete(channel)
    except channels.Protected:
        _protected()
    return go(url_for(".index"), gettext("The channel “%(id)s” was deleted. Its tickets stay.", id=key))


def _channel(channel_id: int) -> Channel:
    return channels.by_id(channel_id) or abort(404)


def channel_in_form() -> Channel | None:
    """The stored channel that an open form belongs to; none in the form of a new one."""
    channel_id = request.form.get("channel_id", type=whole_number)
    return None if channel_id is None else _channel(channel_id)


def _left_form() -> ChannelForm | None:
    """What stood in the form when this agent went to sign in at a provider."""
    number = request.args.get("sign_in", type=whole_number)
    sign_in = oauth.under_way(number, me().id) if number is not None else None
    return read_back(sign_in) if sign_in is not None and sign_in.form else None


def _test_context(test: ConnectionTest) -> dict[str, Any]:
    return {"test": shown_connection_test(test), "refusals": refusals(test.refused)}


def _rows(found: list[Channel]) -> list[Row]:
    at = now()
    counts = health.tickets_per_day([channel.id for channel in found])
    mute = health.sending_troubles([channel.id for channel in found])
    return [
        Row(channel, channel_state(channel, at, mute.get(channel.id)), counts[channel.id])
        for channel in found
    ]


def _state(channel: Channel) -> ChannelState:
    return channel_state(channel, now(), health.sending_troubles([channel.id]).get(channel.id))


def form_context(form: ChannelForm, channel: Channel | None) -> dict[str, Any]:
    return {
        "form": form,
        "channel": channel,
        "way": shown_way(form.values(), channel),
        "state": _state(channel) if channel else None,
        "history": channel_history(channel) if channel else None,
        "mail_domain": the_account().mail_domain,
        "forward": shown_forward(channel, now()) if channel and not channel.is_own else None,
        "forward_steps": STEPS,
    }


def _protected() -> NoReturn:
    abort(409, gettext("The default address always receives mail. It cannot be switched off or deleted."))
