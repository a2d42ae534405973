"""»System >> Settings«, for administrators: the company, its way out, and how tickets close and reopen."""

from __future__ import annotations

from typing import Any

from flask import request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from wtforms import IntegerField, SelectField
from wtforms.validators import InputRequired, NumberRange

from blueprints.agents.relay_fields import PORTS, RelayFields
from blueprints.labels.agents import refuse
from blueprints.labels.connection_tests import shown_connection_test
from blueprints.page import forms
from blueprints.page.access import AdminBlueprint, me
from blueprints.page.htmx import go, invalid, page, wants_fragment
from blueprints.page.limits import CONNECTION_TESTS, limiter
from desk.agents import accounts, company
from desk.agents.company import LONGEST_REOPENING, LONGEST_UNDO, LONGEST_WAIT, CompanyValues
from desk.channels import channels
from desk.channels.channel_values import ChannelValues
from desk.checks import connection_tests
from desk.checks.connection_tests import ConnectionTest
from desk.office import account, office, the_account

blueprint = AdminBlueprint("settings", __name__, url_prefix="/system/settings")


def _number(label: Any, least: int, most: int) -> IntegerField:
    sentence = _l("Enter a whole number from %(least)s to %(most)s.", least=least, most=most)
    return IntegerField(
        label,
        [InputRequired(sentence), NumberRange(least, most, sentence)],
        render_kw={"class": "input-short", "min": least, "max": most},
    )


class SettingsForm(RelayFields):
    company = forms.text(_l("Company"), _l("Enter the name of your company."), autocomplete="organization")
    locale = SelectField(_l("Language"), choices=forms.choices(*forms.LANGUAGES))
    timezone = SelectField(_l("Time zone"))
    undo_seconds = _number(_l("Time to undo an answer, in seconds"), 0, LONGEST_UNDO)
    close_days = _number(_l("A resolved ticket closes after so many days"), 1, LONGEST_WAIT)
    reopen_days = _number(_l("An answer reopens a closed ticket for so many days"), 0, LONGEST_REOPENING)

    def values(self) -> CompanyValues:
        return CompanyValues(
            company=self.company.data or "",
            locale=self.locale.data,
            timezone=self.timezone.data if self.timezone else "",
            undo_seconds=self.undo_seconds.data or 0,
            close_days=self.close_days.data or 0,
            reopen_days=self.reopen_days.data or 0,
            relay=self.relay(),
        )


@blueprint.get("")
def index() -> ResponseReturnValue:
    form = _form()
    if "relay_port" in form and form.relay_port.data == PORTS[form.relay_encryption.data]:
        form.relay_port.data = None  # the usual one follows the encryption
    return page("settings/show.html", **_shown(form))


@blueprint.post("")
def update() -> ResponseReturnValue:
    form = _form()
    if form.validate():
        try:
            company.change(form.values())
        except accounts.AccountRefused as error:
            refuse(form, error)
        else:
            return go(url_for(".index"), gettext("The settings are saved."))
    return invalid("settings/show.html", **_shown(form))


@blueprint.post("/relay-test")
@limiter.limit(CONNECTION_TESTS)
def relay_test() -> ResponseReturnValue:
    """The test of the outgoing server: answers at once, and the page asks how far it is. Without script it waits."""
    form, default = _form(), channels.default()
    if mistakes := form.mistakes():
        if wants_fragment():
            return invalid("settings/_relay_test.html", mistakes=mistakes)
        return invalid("settings/show.html", **_shown(form))
    relay = company.with_password(form.relay())
    standard = ChannelValues(default.key, default.address, provider="standard")
    begun = connection_tests.start(standard, default, me().id, relay=relay)
    if wants_fragment():
        return page("settings/_relay_test.html", test=shown_connection_test(begun))
    begun.wait()
    return page("settings/show.html", **_shown(form, begun))


@blueprint.get("/relay-tests/<token>")
def relay_test_steps(token: str) -> ResponseReturnValue:
    """How far a test is: the piece again if there is more to see than `seen` steps, else nothing."""
    begun = connection_tests.get(token, me().id)
    if begun is None:
        return page("settings/_relay_test.html", interrupted=True)
    test = shown_connection_test(begun)
    if test.running and test.seen == request.args.get("seen", type=int):
        return "", 204
    return page("settings/_relay_test.html", test=test)


def _form() -> SettingsForm:
    """What the environment decides is no field, but a fixed line of the page."""
    form = SettingsForm(obj=account())
    form.timezone.choices = forms.timezones(the_account().timezone)
    if office().settings.timezone:
        del form.timezone
    form.fixed_by_environment()
    return form


def _shown(form: SettingsForm, test: ConnectionTest | None = None) -> dict[str, Any]:
    settings = office().settings
    return {
        "form": form,
        "account": the_account(),
        "default": channels.default(),
        "settings": settings,
        "test": shown_connection_test(test) if test else None,
        "fixed_lines": _fixed(),
    }


def _fixed() -> list[tuple[str, str, str]]:
    """What only the environment sets: label, value and variable. Nothing secret is among it."""
    settings = office().settings
    return [
        (gettext("Address of Poststelle"), settings.public_url, "POSTSTELLE_BASE_URL"),
        (
            gettext("Mail is received at"),
            f"{settings.smtp_host}:{settings.smtp_port}",
            "POSTSTELLE_SMTP_HOST, POSTSTELLE_SMTP_PORT",
        ),
        (
            gettext("Largest mail"),
            gettext("%(number)s MB", number=settings.max_mail_bytes // 1024 // 1024),
            "POSTSTELLE_MAX_MAIL_MB",
        ),
        (
            gettext("Mailboxes are fetched every"),
            gettext("%(number)s seconds", number=settings.fetch_seconds),
            "POSTSTELLE_FETCH_SECONDS",
        ),
        (
            gettext("Mails of one channel in an hour"),
            str(settings.send_per_hour or gettext("without limit")),
            "POSTSTELLE_SEND_PER_HOUR",
        ),
    ]
