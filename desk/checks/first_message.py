"""The first message of a new install: sent to the default address, in through the real receiver."""

from __future__ import annotations

import secrets
import smtplib
from email.message import EmailMessage
from email.utils import format_datetime

from flask_babel import gettext

from desk.channels import channels
from desk.office import office
from models import db, now

PATIENCE = 15  # seconds


def deliver() -> str:
    """Speak SMTP with our own receiver; answers the address. Raises OSError when it is not taken."""
    address = channels.default().address
    message = EmailMessage()
    message["From"] = "Maria Muster <maria.muster@customer.example>"
    message["To"] = address
    message["Subject"] = gettext("My first ticket")
    message["Date"] = format_datetime(now())
    message["Message-ID"] = f"<{secrets.token_hex(16)}@customer.example>"
    message["Auto-Submitted"] = "no"
    message.set_content(
        gettext(
            "Hello,\n\nthis is the test message of a new Poststelle. Try it out and answer me!\n\nMaria Muster"
        )
    )
    host, _, port = receiver().rpartition(":")
    # The receiver writes: we must hold nothing meanwhile. A translated text reads the agent's language.
    db.session.rollback()
    try:
        with smtplib.SMTP(host, int(port), timeout=PATIENCE) as server:
            server.send_message(message)
    except smtplib.SMTPException as error:
        raise OSError(str(error)) from error
    return address


def receiver() -> str:
    """Host and port of our own receiver, as one on this machine reaches it."""
    settings = office().settings
    host = "127.0.0.1" if settings.smtp_host in ("0.0.0.0", "::") else settings.smtp_host
    return f"{host}:{settings.smtp_port}"
