"""Help inside the application, for everybody who is signed in."""

from __future__ import annotations

from flask import Blueprint
from flask.typing import ResponseReturnValue
from flask_babel import get_locale

from blueprints.page.htmx import page
from desk.channels import channels
from desk.office import the_account

blueprint = Blueprint("help", __name__, url_prefix="/help")


@blueprint.get("/email-channel")
def email_channel() -> ResponseReturnValue:
    """The four topics of the e-mail channel (S53), with this install's own addresses."""
    address, mail_domain = channels.default().address, the_account().mail_domain
    return page(
        "help/email_channel.html", default_address=address, mail_domain=mail_domain, locale=str(get_locale())
    )
