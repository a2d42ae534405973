"""The company and its agents: how Poststelle begins, who may sign in, who they are."""

from __future__ import annotations

import secrets
from unicodedata import category
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import func, select

from config import LOCALES, Relay
from desk.agents.passwords import LONGEST, SHORTEST, hash_password, is_outdated, password_fits
from desk.batch_cache import asked_once
from desk.office import account, office, the_account
from desk.refusal import Refusal
from desk.texts import mail_designs
from mail.domains import ascii_domain
from mail.reading.addresses import local_part_of_company, valid_address
from models import Account, Agent, Channel, ChannelAlias, Counter, Provider, Role, db, now
from models.base import unless_taken

FIRST_TICKET = 1000  # the number before the first one
TRIAL_DOMAIN = "poststelle.example"
# Characters, as the columns; before the domain stands an address of ours.
LONGEST_NAME, LONGEST_EMAIL, LONGEST_DOMAIN = 200, 254, 190
UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")  # Unicode: control, surrogate, line and paragraph separator
SCHEMES = ("", "light", "dark")  # empty: as the system


class AccountRefused(Refusal):
    """It was not done. `code` says why; blueprints/labels/agents.py has the words."""


class AlreadySetUp(AccountRefused):
    """The account exists; there is only one."""

    def __init__(self) -> None:
        super().__init__("already_set_up")


# --- the beginning ---


def create_account(
    company: str,
    mail_domain: str,
    locale: str,
    timezone: str,
    name: str,
    email: str,
    password: str,
    relay: Relay | None = None,
) -> Account:
    """Set Poststelle up: the company, its default address (S1, S2) and the agent who created it.

    What the environment sets wins over `mail_domain` and `timezone`. Raises AccountRefused.
    """
    if account() is not None:
        raise AlreadySetUp
    settings = office().settings
    mail_domain = _checked_domain(settings.mail_domain or mail_domain)
    timezone = checked_timezone(settings.timezone or timezone)
    company = checked_name(company, "company")
    if locale not in LOCALES:
        raise AccountRefused("locale_unknown")
    agent = Agent(**_checked_person(name, email), role=Role.SYSTEM, locale=locale)
    if agent.email_key == default_address(company, mail_domain).casefold():
        raise AccountRefused("email_of_channel")
    agent.password_hash = hash_new_password(password)
    row = Account(
        id=1,
        company=company,
        mail_domain=mail_domain,
        locale=locale,
        timezone=timezone,
        signing_key=secrets.token_hex(32),
    )
    if relay is not None:
        row.relay_host, row.relay_port, row.relay_encryption = relay.host, relay.port, relay.encryption
        row.relay_user, row.relay_password = relay.user, relay.password
    db.session.add_all(
        (row, agent, Counter(name="ticket", value=FIRST_TICKET), _default_channel(row), mail_designs.first())
    )
    with unless_taken(AlreadySetUp()):  # the row's number is always 1
        db.session.commit()
    office().setup_token = ""
    return row


def default_address(company: str, mail_domain: str) -> str:
    """The address that the account starts with: `support-<company>@<mail domain>` (S1, S2)."""
    return f"support-{local_part_of_company(company)}@{mail_domain}"


def _default_channel(row: Account) -> Channel:
    address = default_address(row.company, row.mail_domain)
    return Channel(
        key="Support",
        key_fold="support",
        address=address,
        address_key=address.casefold(),
        provider=Provider.STANDARD,
        is_default=True,
        active=True,
        sender_name=row.company,
    )


# --- signing in ---


def session_agent(session_id: str) -> Agent | None:
    """The agent of a session `id:version`; None when deactivated, or when the session was ended."""
    number, _, version = session_id.partition(":")
    if not (number.isdecimal() and version.isdecimal()):
        return None
    agent = db.session.get(Agent, int(number))
    return agent if agent and agent.active and agent.session_version == int(version) else None


def authenticate(email: str, password: str) -> Agent | None:
    """Who signs in with this, or None: in the same time whether the agent exists or not."""
    agent = agent_by_email(email)
    number, password_hash = (agent.id, agent.password_hash) if agent and agent.active else (0, "")
    db.session.rollback()  # hashing is slow on purpose: nobody else waits for it
    if not password_fits(password_hash, password):
        return None
    renewed = hash_password(password) if is_outdated(password_hash) else password_hash
    agent = db.session.get(Agent, number)
    if agent is None or not agent.active or agent.password_hash != password_hash:
        return None  # changed meanwhile
    agent.password_hash, agent.last_login_at = renewed, now()
    db.session.commit()
    return agent


# --- the agents ---


@asked_once
def agents() -> list[Agent]:
    """Everybody, by name; the deactivated last."""
    return list(db.session.scalars(select(Agent).order_by(Agent.active.desc(), func.lower(Agent.name))))


def active_agents() -> list[Agent]:
    """Who can work now: not switched off, and the invitation was taken."""
    return [agent for agent in agents() if agent.active and agent.password_hash]


def agent_by_id(number: int) -> Agent | None:
    return db.session.get(Agent, number)


def agent_by_email(email: str) -> Agent | None:
    return db.session.scalar(select(Agent).where(Agent.email_key == email.strip().casefold()))


@asked_once
def agent_addresses() -> frozenset[str]:
    """Keys of all agents' addresses, the deactivated as well."""
    return frozenset(agent.email_key for agent in agents())


def create_agent(name: str, email: str, role: Role | str, password: str) -> Agent:
    """An agent who can sign in at once (invitations: desk/notices/password_links.py). Raises AccountRefused."""
    agent = new_agent(name, email, role)
    agent.password_hash = hash_new_password(password)
    add_agent(agent)
    db.session.commit()
    return agent


def new_agent(name: str, email: str, role: Role | str) -> Agent:
    """The checked row, not added yet. Raises AccountRefused, and NotSetUp before there is a company."""
    the_account()
    return Agent(**_checked_person(name, email), role=_checked_role(role))


def add_agent(agent: Agent) -> None:
    """Into the open transaction. Raises AccountRefused when somebody else took the address meanwhile."""
    db.session.add(agent)
    with unless_taken(AccountRefused("email_taken")):
        db.session.flush()


def change_role(agent: Agent, role: Role | str, by: Agent) -> None:
    """Administrator or agent. Who created the account stays: so an administrator is always left."""
    _keep_off(agent, by)
    agent.role = _checked_role(role)
    db.session.commit()


def deactivate(agent: Agent, by: Agent) -> None:
    """No way in any more, from this moment; what the agent wrote stays."""
    _keep_off(agent, by)
    agent.active = False
    agent.link_digest, agent.link_expires_at = "", None
    end_sessions(agent)


def activate(agent: Agent) -> None:
    agent.active = True
    db.session.commit()


def update_profile(agent: Agent, name: str, locale: str, timezone: str, scheme: str, shortcuts: bool) -> None:
    """What agents decide for themselves; empty `locale`, `timezone`, `scheme` follow the surroundings."""
    name = checked_name(name)
    if locale and locale not in LOCALES:
        raise AccountRefused("locale_unknown")
    if scheme not in SCHEMES:
        raise AccountRefused("scheme_unknown")
    agent.timezone = checked_timezone(timezone) if timezone else ""
    agent.name, agent.locale, agent.scheme, agent.shortcuts = name, locale, scheme, shortcuts
    db.session.commit()


def change_own_password(agent: Agent, old: str, new: str) -> None:
    """Raises AccountRefused when the old one is wrong. Ends all sessions, the caller begins a new one."""
    number, password_hash = agent.id, agent.password_hash
    db.session.rollback()
    if not password_fits(password_hash, old):
        raise AccountRefused("password_wrong")
    set_password(db.session.get_one(Agent, number), new)


def set_password(agent: Agent, password: str) -> None:
    """Ends all sessions and the open link of the agent. Raises AccountRefused."""
    number = agent.id
    password_hash = hash_new_password(password)
    agent = db.session.get_one(Agent, number)
    agent.password_hash = password_hash
    agent.link_digest, agent.link_expires_at = "", None
    end_sessions(agent)


def hash_new_password(password: str) -> str:
    """Raises AccountRefused when too short. Ends the running transaction: nobody else waits for the hashing."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise AccountRefused("password_short" if len(password) < SHORTEST else "password_long")
    db.session.rollback()
    return hash_password(password)


def end_sessions(agent: Agent) -> None:
    """Sign the agent out everywhere."""
    agent.session_version = Agent.session_version + 1
    db.session.commit()


# --- what is accepted ---


def _keep_off(agent: Agent, by: Agent) -> None:
    if agent.role == Role.SYSTEM:
        raise AccountRefused("system_protected")
    if agent.id == by.id:
        raise AccountRefused("yourself")


def _checked_person(name: str, email: str) -> dict[str, str]:
    name, email = checked_name(name), email.strip()
    if not valid_address(email) or len(email.casefold()) > LONGEST_EMAIL:
        raise AccountRefused("email_invalid")
    if agent_by_email(email) is not None:
        raise AccountRefused("email_taken")
    of_channels = (Channel.address_key, ChannelAlias.address_key)
    if any(db.session.scalar(select(key).where(key == email.casefold())) for key in of_channels):
        raise AccountRefused("email_of_channel")  # notices to this agent would become tickets
    return {"name": name, "email": email, "email_key": email.casefold()}


def checked_name(name: str, what: str = "name") -> str:
    """One line of print: it stands in headers of mails and in the browser's title."""
    name = name.strip()
    if not name:
        raise AccountRefused(f"{what}_missing")
    if len(name) > LONGEST_NAME:
        raise AccountRefused(f"{what}_long")
    if any(category(character) in UNPRINTABLE for character in name):
        raise AccountRefused(f"{what}_unprintable")
    return name


def _checked_role(role: Role | str) -> Role:
    if role not in (Role.ADMIN, Role.AGENT):
        raise AccountRefused("role_unknown")
    return Role(role)


def _checked_domain(domain: str) -> str:
    domain = ascii_domain(domain.strip().removeprefix("@"))
    if not valid_address(f"support@{domain}") or len(domain) > LONGEST_DOMAIN:
        raise AccountRefused("domain_invalid")
    return domain


def checked_timezone(timezone: str) -> str:
    try:
        return ZoneInfo(timezone).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise AccountRefused("timezone_unknown") from None
