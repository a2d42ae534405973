"""Once an hour: resolved tickets close by themselves, and what was told long ago is forgotten."""

from __future__ import annotations

from desk.notices import notice_mails
from desk.office import account
from desk.sending import link_mails
from desk.tickets import tickets


def run() -> None:
    if account() is not None:
        tickets.close_resolved()
        notice_mails.forget_old()
        link_mails.forget_spent()
