"""A way out for the desk's mails, and an answer that is due."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from config import Relay
from desk.office import Office
from desk.sending import replies
from mail.types import Address
from models import Agent, Channel, OutboundMail, db, now
from tests.servers.smtp_sink import SmtpSink
from tests.support.mails import arrive, mail, ticket_of


@pytest.fixture
def relay(app: Flask, office: Office, smtp_sink: SmtpSink) -> SmtpSink:
    """The install's relay is the sink."""
    office.settings = replace(office.settings, relay=Relay("127.0.0.1", smtp_sink.port, "none"))
    return smtp_sink


@pytest.fixture
def reply(channel: Channel, alice: Agent) -> Callable[..., OutboundMail]:
    """An answer to Carol that is due; notices about her mail are out of the way."""

    def write(cc: tuple[str, ...] = (), bcc: tuple[str, ...] = (), **how: Any) -> OutboundMail:
        ticket = ticket_of(
            arrive(
                how.pop("on", channel),
                mail(message_id=how.pop("question", "<q@customer.example>")),
                predates_channel=True,
            )
        )
        written = replies.Written(
            text=how.pop("text", "Dear Carol,\n\nwe look into it."),
            cc=tuple(Address("", address) for address in cc),
            bcc=tuple(Address("", address) for address in bcc),
            **how,
        )
        sent = replies.send_reply(ticket, alice, written)
        sent.mail.send_after = now() - timedelta(seconds=1)
        db.session.commit()
        return sent.mail

    return write
