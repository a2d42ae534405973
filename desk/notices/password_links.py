"""Links by mail that let somebody set a password: the invitation, and the way back after forgetting it."""

from __future__ import annotations

import logging
import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from threading import Timer

from sqlalchemy import select, update

from desk.agents.accounts import AccountRefused, add_agent, agent_by_email, hash_new_password, new_agent
from desk.channels import channels, connections
from desk.notices import notice_mails
from desk.office import in_background, office, the_account
from desk.sending import mail_rendering
from models import Agent, Role, db, now

log = logging.getLogger(__name__)

AFTER_THE_ANSWER = 0.3  # seconds that a request for a link rests, so that its answer is out before any work
GOOD_FOR = {"invitation": timedelta(days=7), "password_link": timedelta(hours=2)}


def invite_agent(name: str, email: str, role: Role | str) -> tuple[Agent, str]:
    """A new agent without a password, and the token of the link that is in the mail. Raises AccountRefused."""
    agent = new_agent(name, email, role)
    add_agent(agent)
    token = _open_link(agent, "invitation")
    db.session.commit()
    return agent, token


def renew_link(agent: Agent) -> str:
    """A new link in the place of the open one, by mail as well: for an invitation that was lost."""
    if not agent.active:
        raise AccountRefused("inactive")
    token = _open_link(agent, "password_link" if agent.password_hash else "invitation")
    db.session.commit()
    return token


def request_password_link(email: str) -> Timer:
    """Somebody forgot the password. Nobody learns here whether the address belongs to an agent.

    Not even by a clock: the search and the writing of the mail begin after the answer, and a mail is written in
    any case, so that what is asked meanwhile is not slower for an agent's address either.
    """
    timer = Timer(AFTER_THE_ANSWER, in_background(_send_link), args=(email,))
    timer.name, timer.daemon = "password link", True
    timer.start()
    return timer


def address(token: str) -> str:
    """Where a link leads: never to the host that a request names, which a stranger can choose."""
    return f"{office().settings.public_url}/password/{token}"


def go_by_mail() -> bool:
    """Whether links are sent at all. Where not, they are shown once and kept nowhere."""
    return connections.has_way_out(channels.default())


def take_link(token: str) -> Agent | None:
    """The agent whose password the link may set; None when it is unknown, used or too old."""
    digest = _digest(token)
    agent = db.session.scalar(select(Agent).where(Agent.link_digest == digest))
    if agent is None or not compare_digest(agent.link_digest, digest):
        return None
    return agent if agent.active and _is_open(agent.link_expires_at) else None


def set_password_by_link(token: str, password: str) -> Agent | None:
    """Use the link up: of two attempts at the same time one gets None. Raises AccountRefused for the password."""
    if take_link(token) is None:
        return None
    password_hash = hash_new_password(password)
    number = db.session.scalar(
        update(Agent)
        .where(Agent.link_digest == _digest(token), Agent.link_expires_at > now(), Agent.active)
        .values(link_digest="", link_expires_at=None, password_hash=password_hash)
        .values(session_version=Agent.session_version + 1, last_login_at=now())
        .returning(Agent.id)
    )
    db.session.commit()
    return db.session.get(Agent, number) if number else None


def _send_link(email: str) -> None:
    try:
        agent = agent_by_email(email)
        if agent is not None and agent.active and not _is_invited(agent):
            renew_link(agent)
        else:  # for nobody, and thrown away
            nobody = Agent(name=email, email=email)
            mail_rendering.render(
                "password_link", the_account().locale, agent=nobody, url=address(_digest(email))
            )
    except Exception:
        log.exception("a link for a new password could not be written")


def _is_invited(agent: Agent) -> bool:
    """Whose invitation is open keeps it: anybody can ask for a new link, and would end the one that was sent."""
    return not agent.password_hash and _is_open(agent.link_expires_at)


def _open_link(agent: Agent, purpose: str) -> str:
    """Only the digest is kept: who reads the database cannot use the link."""
    token = secrets.token_urlsafe(32)
    agent.link_digest, agent.link_expires_at = _digest(token), now() + GOOD_FOR[purpose]
    notice_mails.queue_link_mail(agent, purpose, address(token))
    return token


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _is_open(until: datetime | None) -> bool:
    return until is not None and until > now()
