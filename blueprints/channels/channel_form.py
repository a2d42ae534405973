"""The fields of a channel's form, what they say when they are wrong, and what follows from a choice."""

from __future__ import annotations

import json
from typing import Any

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    HiddenField,
    IntegerField,
    PasswordField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import Optional
from wtforms.widgets import HiddenInput

from blueprints.page.access import me
from blueprints.page.forms import choices
from desk.agents import groups
from desk.channels import oauth, oauth_providers
from desk.channels.channel_values import ChannelValues, port_for, smtp_port_for, values_of
from desk.channels.oauth import PASSWORD
from desk.texts import mail_designs, requester_languages
from models import Channel, OauthSignIn

PROVIDER = {"standard": _l("Standard (Poststelle)"), "own": _l("Use your own mail server")}
PROTOCOL = {"imap": "IMAP", "pop3": "POP3"}
AFTER_FETCH = {
    "delete": _l("Delete on the server"),
    "move": _l("Move to a folder (IMAP only)"),
    "keep": _l("Mark as read and keep"),
}
EXISTING = {
    "take": _l("Turn unread mails that are already there into tickets"),
    "leave": _l("Leave everything that is already there alone"),
}
ENCRYPTION = {"none": _l("None"), "starttls": "STARTTLS", "ssl": "SSL/TLS"}
AUTH = {
    "auto": _l("Automatic"),
    "plain": "PLAIN",
    "login": "LOGIN",
    "cram-md5": "CRAM-MD5",
    "xoauth2": "OAuth 2",
    "none": _l("No authentication"),
}

# (field, code) first, else the code alone.
ERRORS: dict[str | tuple[str, str], Any] = {
    "required": _l("Please fill in this field."),
    "too_long": _l("This is too long."),
    "control": _l("Line breaks and control characters are not allowed here."),
    "choice": _l("Please choose one of the options."),
    "range": _l("Please enter a port from 1 to 65535."),
    "syntax": _l("This is not a valid server name."),
    "taken": _l("Another channel already uses this ID."),
    "password_again": _l(
        "The password was given for other settings. For your safety, please enter it again."
    ),
    "plaintext": _l(
        "Choose an encryption. Or switch on “Allow unencrypted” below the incoming server; it counts for both "
        "directions."
    ),
    "pop3_move": _l("POP3 has no folders. Choose another option, or use IMAP."),
    "connect": _l("The mailbox is not connected yet, or its user name has changed. Please connect it."),
    "oauth_host": _l("Tokens of this provider are for its own mail servers; this is none of them."),
    "oauth_first": _l(
        "OAuth 2 is chosen for the incoming server first; the outgoing one then uses it as well."
    ),
    ("forwarded_from", "syntax"): _l("This is not a valid e-mail address."),
    ("forwarded_from", "ours"): _l("This is an address of this Poststelle: it would forward to itself."),
    ("aliases", "syntax"): _l("This is not a valid e-mail address: %(address)s"),
    ("aliases", "taken"): _l("Another channel already has this address: %(address)s"),
    ("aliases", "agent"): _l("An agent has this address, so it cannot be a channel's: %(address)s"),
    ("aliases", "same"): _l("This is the address of the channel itself: %(address)s"),
    ("aliases", "plus"): _l(
        "What stands behind a + belongs to the address before it, so it needs no entry: %(address)s"
    ),
    ("aliases", "domain"): _l(
        "An address of Poststelle's domain belongs to a standard channel, all others to a mailbox of your own: "
        "%(address)s"
    ),
    ("aliases", "too_long"): _l("This address is too long: %(address)s"),
    ("aliases", "too_many"): _l("A channel can have 50 further addresses."),
    ("address", "taken"): _l("There already is a channel with this address."),
    ("address", "agent"): _l("An agent has this address, so it cannot be a channel's."),
    ("address", "syntax"): _l("This is not a valid e-mail address."),
    ("address", "whole"): _l("Enter the whole address first, for example support@your-company.example."),
    ("address", "domain"): _l("A standard address must end in the domain of this Poststelle."),
    ("address", "too_long"): _l(
        "The part before the @ may have 30 characters, so that signed reply addresses fit."
    ),
}


TYPED = "typed"


class ChannelForm(FlaskForm):
    """`*_default` hold what was filled in by itself last, so that only that is ever replaced."""

    key = StringField(_l("ID"))
    kind = SelectField(_l("Type"), choices=choices(("email", _l("E-mail"))), default="email")
    active = BooleanField(_l("Active"), default=True)
    provider = RadioField(_l("E-mail provider"), choices=choices(*PROVIDER.items()), default="standard")
    address = StringField(_l("E-mail address"))
    send_mail = BooleanField(_l("Also send a test mail to this address and wait for it"))
    design_id = SelectField(
        _l("E-mail design"),
        choices=lambda: choices(
            ("", _l("Default design")), *((str(n), name) for n, name in mail_designs.names())
        ),
        coerce=lambda number: int(number) if number else None,
        default="",
    )
    locale = SelectField(
        _l("Language"),
        choices=lambda: choices(("", _l("Language of the company")), *requester_languages.offered().items()),
        default="",
    )
    group_id = SelectField(
        _l("Group"),
        choices=lambda: choices(
            ("", _l("None: all agents")), *((str(n), name) for n, name in groups.names())
        ),
        coerce=lambda number: int(number) if number else None,
        default="",
    )
    forwarded_from = StringField(_l("Forwarded address"))
    aliases = TextAreaField(_l("Further addresses"))
    ask_database = BooleanField(_l("Also ask Thunderbird's public database"))
    requester_from_reply_to = BooleanField(_l("Requesters from Reply-To"))
    sender_name = StringField(_l("Sender name"))

    protocol = RadioField(_l("Server type (protocol)"), choices=choices(*PROTOCOL.items()), default="imap")
    server = StringField(_l("Server name"))
    port = IntegerField(_l("Port"), [Optional()], default=port_for("imap", True))
    port_default = HiddenField(default=str(port_for("imap", True)))
    ssl = BooleanField(_l("SSL"), default=True)
    user = StringField(_l("User name"))
    user_default = HiddenField()
    oauth = SelectField(_l("Sign-in"), default=PASSWORD)
    oauth_default = HiddenField(default=PASSWORD)
    grant_id = IntegerField(validators=[Optional()], widget=HiddenInput())
    password = PasswordField(_l("Password"))
    after_fetch = SelectField(_l("After fetching"), choices=choices(*AFTER_FETCH.items()), default="delete")
    move_to = StringField(_l("Folder"))
    existing = SelectField(_l("At the first fetch"), choices=choices(*EXISTING.items()), default="take")
    only_unseen = BooleanField(_l("Only unread mails"))
    authserv_id = StringField(_l("Name of the checking server"))
    allow_plaintext = BooleanField(_l("Allow unencrypted"))

    smtp_server = StringField(_l("Server name"))
    smtp_port = IntegerField(_l("Port"), [Optional()], default=smtp_port_for("starttls"))
    smtp_port_default = HiddenField(default=str(smtp_port_for("starttls")))
    smtp_encryption = RadioField(_l("Encryption"), choices=choices(*ENCRYPTION.items()), default="starttls")
    smtp_auth = SelectField(_l("Authentication"), choices=choices(*AUTH.items()), default="auto")
    smtp_user = StringField(_l("User name"))
    smtp_password = PasswordField(_l("Password"))
    keep_sent = BooleanField(_l("Copy to “Sent”"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [(str(one.id), f"OAuth 2: {one.name}") for one in oauth_providers.providers()]
        self.oauth.choices = [*choices((PASSWORD, _l("Password"))), *known]

    @property
    def by_token(self) -> bool:
        return bool(self.oauth.data != PASSWORD)

    @property
    def is_own(self) -> bool:
        return bool(self.provider.data == "own")

    def values(self) -> ChannelValues:
        names = ChannelValues.__dataclass_fields__.keys()
        typed = {name: value for name in names if (value := self[name].data) is not None}
        return ChannelValues(**{"key": "", "address": ""} | typed)

    def validate(self, extra_validators: Any = None) -> bool:
        good = bool(super().validate(extra_validators))
        for name in ("port", "smtp_port"):
            if self[name].errors:
                self[name].errors = [ERRORS["range"]]
        return good

    def show_errors(self, errors: dict[str, str]) -> None:
        """Put the desk's codes beside the fields, in words; the first of them gets the focus."""
        for name, code in errors.items():
            self[name].errors = [said(name, code)]
        first = next(field for field in self if field.errors)
        first.render_kw = {"autofocus": True}


def refusals(errors: dict[str, str]) -> list[str]:
    """The desk's codes in words, each with the name of its field."""
    form = ChannelForm(formdata=None)
    return [f"{form[name].label.text}: {said(name, code)}" for name, code in errors.items()]


def said(name: str, code: str) -> str:
    """A code of the desk in words; some speak of one address of several, `code: address`."""
    code, _, address = code.partition(": ")
    words = str(ERRORS.get((name, code)) or ERRORS[code])
    return words % {"address": address} if address else words


def posted_form(channel: Channel | None) -> ChannelForm:
    """What was typed; the default channel keeps what its form does not offer."""
    form = ChannelForm()
    if form.grant_id.data and not oauth.may_use(form.grant_id.data, me().id, channel):
        form.grant_id.data = None
    if channel is not None and channel.is_default:
        form.active.data, form.provider.data = True, channel.provider.value
        form.address.data = channel.address.rpartition("@")[0]
    return form


def form_of(channel: Channel) -> ChannelForm:
    """The stored channel; passwords stay where they are."""
    values = values_of(channel)
    typed = {name: getattr(values, name) for name in ChannelValues.__dataclass_fields__}
    if not values.is_own:
        typed["address"] = values.address.rpartition("@")[0]
    return ChannelForm(formdata=None, data=_with_defaults(typed, _defaults(typed)))


def clone_form(channel: Channel) -> ChannelForm:
    """A new channel like this one: its servers and settings; what is its alone is to be entered."""
    typed = form_of(channel).data
    alone = {
        name: ""
        for name in ("key", "address", "user", "user_default", "smtp_user", "forwarded_from", "aliases")
    }
    return ChannelForm(formdata=None, data=typed | alone | {"active": True, "grant_id": None})


def written_down(form: ChannelForm) -> str:
    """What stands in the form, but for passwords, to be read back after a sign-in at a provider."""
    left_out = ("password", "smtp_password", "csrf_token", "grant_id")
    return json.dumps({name: value for name, value in form.data.items() if name not in left_out})


def read_back(sign_in: OauthSignIn) -> ChannelForm:
    return ChannelForm(formdata=None, data=json.loads(sign_in.form) | {"grant_id": sign_in.grant_id})


def follow_choices(form: ChannelForm) -> ChannelForm:
    """The form again, with ports and user name as the choices ask; what a person typed stays."""
    return ChannelForm(formdata=None, data=_with_defaults(form.data, _defaults(form.data)))


def filled_form(form: ChannelForm, values: ChannelValues) -> ChannelForm:
    """The form again with other values; what is usual for them is remembered as filled in by itself."""
    names = ChannelValues.__dataclass_fields__.keys()
    typed = form.data | {name: getattr(values, name) for name in names}
    defaults = _defaults(typed)
    usual = {f"{name}_default": str(default) for name, default in defaults.items()}
    if typed["oauth"] == typed["oauth_default"]:
        usual["oauth"] = defaults["oauth"]
    return ChannelForm(formdata=None, data=typed | usual)


def _defaults(typed: dict[str, Any]) -> dict[str, Any]:
    """What is usual for the choices (S39, S41, S45)."""
    protocol, encryption = typed["protocol"], typed["smtp_encryption"]
    return {
        "port": port_for(protocol if protocol in PROTOCOL else "imap", typed["ssl"]),
        "smtp_port": smtp_port_for(encryption if encryption in ENCRYPTION else "starttls"),
        "user": typed["address"] if "@" in (typed["address"] or "") else "",
        "oauth": _way_at(typed["server"] or "") if typed["provider"] == "own" else PASSWORD,
    }


def _way_at(host: str) -> str:
    """Where a provider that is set up gives tokens for this mail server, they are the way in."""
    provider = oauth_providers.for_host(host)
    return str(provider.id) if provider else PASSWORD


def _with_defaults(typed: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """Replace what is empty or was filled in by itself, and remember what is filled in now.

    The page's script writes another word over a remembered default as soon as a person types there.
    """
    result = dict(typed)
    for name, default in defaults.items():
        before = typed.get(f"{name}_default")
        if not typed[name] or str(typed[name]) == before:
            result[name] = default
        if result[name] == default and before != TYPED:
            result[f"{name}_default"] = str(default)
    return result
