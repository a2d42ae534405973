"""The company and its agents, on a real database."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from sqlalchemy import select

from config import Relay
from desk.agents import accounts, passwords
from desk.agents.accounts import AccountRefused, AlreadySetUp
from desk.notices import password_links
from desk.office import NotSetUp, account, office, relay
from models import Agent, Channel, OutboundMail, Role, db, now

BEGINNING = {
    "company": "Käse & Söhne GmbH",
    "mail_domain": "Poststelle.Example",
    "locale": "de",
    "timezone": "Europe/Vienna",
    "name": "Alice Berger",
    "email": "Alice@Acme.test",
    "password": "alices password",
}


@pytest.fixture
def desk(empty_app):
    with empty_app.app_context():
        yield


@pytest.fixture
def staff(desk):
    """Alice created the account, Anna administers, Bob answers."""
    accounts.create_account(**BEGINNING)
    accounts.create_agent("Anna", "anna@acme.test", Role.ADMIN, "annas password")
    accounts.create_agent("Bob", "bob@acme.test", Role.AGENT, "bobs password")
    return lambda name: accounts.agent_by_email(f"{name}@acme.test")


# --- the beginning ---


def test_the_account_begins_with_its_default_address_and_its_first_administrator(desk):
    office().setup_token = "open"
    accounts.create_account(**BEGINNING, relay=Relay("mail.acme.test", 587, "starttls", "u", "secret"))
    channel = db.session.scalars(select(Channel)).one()
    assert (channel.address, channel.key) == ("support-kaese-soehne@poststelle.example", "Support")
    assert channel.is_default and channel.active and not channel.is_own
    assert channel.sender_name == "Käse & Söhne GmbH"
    agent = db.session.scalars(select(Agent)).one()
    assert (agent.role, agent.email_key) == (Role.SYSTEM, "alice@acme.test")
    assert relay() == Relay("mail.acme.test", 587, "starttls", "u", "secret")
    assert len(account().signing_key) == 64
    assert office().setup_token == "", "the set-up link must be dead"


def test_there_is_one_account_only(desk):
    accounts.create_account(**BEGINNING)
    with pytest.raises(AlreadySetUp):
        accounts.create_account(**BEGINNING | {"email": "mallory@evil.test"})
    assert [agent.name for agent in accounts.agents()] == ["Alice Berger"]


def test_of_two_set_ups_at_the_same_time_one_wins(desk, monkeypatch):
    accounts.create_account(**BEGINNING)
    monkeypatch.setattr(accounts, "account", lambda: None)  # the second one looked before the first was done
    with pytest.raises(AlreadySetUp):
        accounts.create_account(**BEGINNING | {"email": "mallory@evil.test"})
    assert len(accounts.agents()) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"company": "  "}, "company_missing"),
        ({"mail_domain": "no domain"}, "domain_invalid"),
        ({"mail_domain": ""}, "domain_invalid"),
        ({"locale": "fr"}, "locale_unknown"),
        ({"timezone": "Vienna"}, "timezone_unknown"),
        ({"timezone": "Europe"}, "timezone_unknown"),
        ({"timezone": "../../etc/passwd"}, "timezone_unknown"),
        ({"name": ""}, "name_missing"),
        ({"email": "alice"}, "email_invalid"),
        ({"email": "SUPPORT-kaese-soehne@poststelle.example"}, "email_of_channel"),
        ({"password": "123456789"}, "password_short"),
        ({"password": "x" * 1001}, "password_long"),
    ],
)
def test_a_wrong_beginning_leaves_nothing_behind(desk, change, code):
    with pytest.raises(AccountRefused) as refused:
        accounts.create_account(**BEGINNING | change)
    assert refused.value.code == code
    assert account() is None and accounts.agents() == []


@pytest.mark.parametrize("domain", ["acme.local", "acme.test", "mail.localhost", "localhost", "käse.example"])
def test_domains_of_the_house_and_of_the_world_are_welcome(desk, domain):
    assert accounts.create_account(**BEGINNING | {"mail_domain": domain}).mail_domain.isascii()


def test_agents_come_after_the_company(desk):
    with pytest.raises(NotSetUp):
        accounts.create_agent("Bob", "bob@acme.test", Role.AGENT, "bobs password")


# --- signing in ---


def test_the_right_password_opens(staff):
    agent = accounts.authenticate(" ALICE@acme.test ", "alices password")
    assert agent is not None and agent.last_login_at is not None


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("alice@acme.test", "alices passwort"),
        ("alice@acme.test", ""),
        ("nobody@acme.test", "alices password"),
        ("", ""),
        ("invited@acme.test", ""),
        ("left@acme.test", "left password"),
    ],
)
def test_everything_else_does_not(staff, email, password):
    password_links.invite_agent("Invited", "invited@acme.test", Role.AGENT)
    left = accounts.create_agent("Left", "left@acme.test", Role.AGENT, "left password")
    accounts.deactivate(left, by=staff("alice"))
    assert accounts.authenticate(email, password) is None


def test_a_guess_costs_the_same_work_whether_the_agent_exists_or_not(staff, monkeypatch):
    """Counted, not timed: exactly one verification, with a hash of the same parameters."""
    hashes = []
    real = type(passwords._TEST_HASHER).verify
    monkeypatch.setattr(
        type(passwords._TEST_HASHER),
        "verify",
        lambda self, hashed, password: hashes.append(hashed) or real(self, hashed, password),
    )
    accounts.authenticate("alice@acme.test", "wrong password")
    accounts.authenticate("nobody@acme.test", "wrong password")
    known, unknown = (hashed.split("$") for hashed in hashes)
    assert known[:4] == unknown[:4] and list(map(len, known)) == list(map(len, unknown))


def test_the_time_of_a_guess_says_nothing_with_the_real_parameters(staff, monkeypatch):
    monkeypatch.setattr(passwords, "_TEST_HASHER", passwords._HASHER)
    accounts.set_password(staff("bob"), "bobs password")

    def best_time(email):
        times = []
        for _ in range(3):
            began = time.perf_counter()
            accounts.authenticate(email, "wrong password")
            times.append(time.perf_counter() - began)
        return min(times)

    assert best_time("nobody@acme.test") > best_time("bob@acme.test") / 4, (
        "an unknown address answers at once"
    )


def test_hashing_holds_no_transaction(staff, monkeypatch):
    held = []
    real = passwords.password_fits
    monkeypatch.setattr(
        accounts,
        "password_fits",
        lambda *given: held.append(db.session().in_transaction()) or real(*given),
    )
    accounts.authenticate("bob@acme.test", "bobs password")
    assert held == [False], "a slow hash would hold up every other writer"


def test_an_old_hash_is_renewed_at_the_next_login(staff):
    from argon2 import PasswordHasher

    weak = PasswordHasher(time_cost=1, memory_cost=16, parallelism=1).hash("bobs password")
    staff("bob").password_hash = weak
    db.session.commit()
    assert accounts.authenticate("bob@acme.test", "bobs password") is not None
    assert staff("bob").password_hash != weak
    assert accounts.authenticate("bob@acme.test", "bobs password") is not None


@pytest.mark.parametrize("session_id", ["", "1", "1:", ":1", "1:2", "99:1", "x:y", "1:1:1", "²:1", "-1:1"])
def test_a_forged_session_is_nobody(staff, session_id):
    assert accounts.session_agent(session_id) is None


def test_a_session_lives_until_its_version_is_raised(staff):
    before = staff("bob").get_id()
    assert accounts.session_agent(before).name == "Bob"
    accounts.set_password(staff("bob"), "another password")
    assert accounts.session_agent(before) is None
    before = staff("bob").get_id()
    accounts.deactivate(staff("bob"), by=staff("anna"))
    assert accounts.session_agent(before) is None
    accounts.activate(staff("bob"))
    assert accounts.session_agent(before) is None, "a session from before must not come back to life"


# --- the agents ---


def test_who_created_the_account_is_protected_even_from_other_administrators(staff):
    for act in (
        lambda: accounts.deactivate(staff("alice"), by=staff("anna")),
        lambda: accounts.change_role(staff("alice"), Role.AGENT, by=staff("anna")),
    ):
        with pytest.raises(AccountRefused) as refused:
            act()
        assert refused.value.code == "system_protected"
    assert staff("alice").active and staff("alice").role == Role.SYSTEM


def test_nobody_locks_himself_out(staff):
    for act in (
        lambda: accounts.deactivate(staff("anna"), by=staff("anna")),
        lambda: accounts.change_role(staff("anna"), Role.AGENT, by=staff("anna")),
    ):
        with pytest.raises(AccountRefused) as refused:
            act()
        assert refused.value.code == "yourself"


@pytest.mark.parametrize("role", ["system", "owner", ""])
def test_only_two_roles_can_be_given(staff, role):
    with pytest.raises(AccountRefused) as refused:
        accounts.change_role(staff("bob"), role, by=staff("alice"))
    assert refused.value.code == "role_unknown"
    with pytest.raises(AccountRefused):
        accounts.create_agent("Eve", "eve@acme.test", role, "eves password")


def test_an_address_belongs_to_one_agent_whatever_its_case(staff):
    with pytest.raises(AccountRefused) as refused:
        accounts.create_agent("Bob II", "BOB@acme.test", Role.AGENT, "bobs password")
    assert refused.value.code == "email_taken"


def test_the_address_of_a_channel_is_no_agent(staff):
    """Every notice to this agent would become a ticket, with a notice to this agent."""
    with pytest.raises(AccountRefused) as refused:
        password_links.invite_agent("Bot", "support-kaese-soehne@poststelle.example", Role.AGENT)
    assert refused.value.code == "email_of_channel"


def test_the_own_password_needs_the_old_one(staff):
    with pytest.raises(AccountRefused) as refused:
        accounts.change_own_password(staff("bob"), "wrong", "a better password")
    assert refused.value.code == "password_wrong"
    accounts.change_own_password(staff("bob"), "bobs password", "a better password")
    assert accounts.authenticate("bob@acme.test", "bobs password") is None
    assert accounts.authenticate("bob@acme.test", "a better password") is not None


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (" ", "name_missing"),
        ("Carl\r\nBcc: all", "name_unprintable"),
        ("Carl\x00", "name_unprintable"),
        ("Carl\u2028Cole", "name_unprintable"),
        ("C" * 201, "name_long"),
    ],
)
def test_a_name_is_one_line_that_fits(staff, name, code):
    """It stands in headers of mails; PostgreSQL refuses NUL and what is longer than the column."""
    with pytest.raises(AccountRefused, match=code):
        accounts.create_agent(name, "carl@acme.test", Role.AGENT, "carls password")
    with pytest.raises(AccountRefused, match=code):
        accounts.update_profile(staff("bob"), name, "", "", "", True)


# --- links ---


def test_an_invitation_is_a_mail_and_a_link_that_works_once(staff):
    agent, token = password_links.invite_agent("Carl", "carl@acme.test", Role.AGENT)
    mail = db.session.scalars(select(OutboundMail).where(OutboundMail.purpose == "invitation")).one()
    assert mail.agent_id == agent.id
    assert token not in repr(vars(agent)), "only the digest is kept"
    assert len(token) >= 43, "256 bits"
    assert password_links.take_link(token) is agent
    assert password_links.set_password_by_link(token, "carls password").name == "Carl"
    assert password_links.set_password_by_link(token, "mallorys password") is None
    assert password_links.take_link(token) is None
    assert accounts.authenticate("carl@acme.test", "carls password") is not None


def test_a_password_that_is_too_short_does_not_use_the_link_up(staff):
    _, token = password_links.invite_agent("Carl", "carl@acme.test", Role.AGENT)
    with pytest.raises(AccountRefused):
        password_links.set_password_by_link(token, "short")
    assert password_links.take_link(token) is not None


@pytest.mark.parametrize(
    ("purpose", "good", "over"),
    [
        ("invitation", timedelta(days=6, hours=23), timedelta(days=7, minutes=1)),
        ("password_link", timedelta(hours=1, minutes=59), timedelta(hours=2, minutes=1)),
    ],
)
def test_a_link_ends(staff, monkeypatch, purpose, good, over):
    if purpose == "invitation":
        _, token = password_links.invite_agent("Carl", "carl@acme.test", Role.AGENT)
    else:
        token = password_links.renew_link(staff("bob"))
    opened = now()
    monkeypatch.setattr(password_links, "now", lambda: opened + good)
    assert password_links.take_link(token) is not None
    monkeypatch.setattr(password_links, "now", lambda: opened + over)
    assert password_links.take_link(token) is None
    assert password_links.set_password_by_link(token, "too late password") is None


def test_a_new_link_ends_the_old_one(staff):
    first, second = password_links.renew_link(staff("bob")), password_links.renew_link(staff("bob"))
    assert password_links.take_link(first) is None and password_links.take_link(second).name == "Bob"


@pytest.mark.parametrize("end", ["password", "deactivation"])
def test_what_ends_a_link(staff, end):
    token = password_links.renew_link(staff("bob"))
    if end == "password":
        accounts.set_password(staff("bob"), "another password")
    else:
        accounts.deactivate(staff("bob"), by=staff("alice"))
        with pytest.raises(AccountRefused):
            password_links.renew_link(staff("bob"))
        accounts.activate(staff("bob"))
    assert password_links.take_link(token) is None


@pytest.mark.parametrize("token", ["", "x", "0" * 64])
def test_no_token_opens_an_agent_without_a_link(staff, token):
    assert password_links.take_link(token) is None


def test_only_agents_who_work_here_get_a_password_link(staff):
    accounts.deactivate(staff("bob"), by=staff("alice"))
    db.session.rollback()  # the links are written beside the request
    for email in ("bob@acme.test", "nobody@acme.test", ""):
        password_links.request_password_link(email).join()
    assert db.session.scalars(select(OutboundMail)).all() == []
    db.session.rollback()
    password_links.request_password_link("Anna@acme.test").join()
    assert db.session.scalars(select(OutboundMail)).one().purpose == "password_link"


def test_a_stranger_who_asks_for_a_link_ends_no_invitation(staff, monkeypatch):
    carl, token = password_links.invite_agent("Carl", "carl@acme.test", Role.AGENT)
    invited = now()
    password_links.request_password_link("carl@acme.test").join()
    db.session.expire_all()
    assert password_links.take_link(token) == carl
    assert [mail.purpose for mail in db.session.scalars(select(OutboundMail))] == ["invitation"]
    db.session.rollback()
    monkeypatch.setattr(password_links, "now", lambda: invited + timedelta(days=8))
    password_links.request_password_link("carl@acme.test").join()
    assert db.session.query(OutboundMail).count() == 2, "one that has ended is renewed"
