"""Who may: every route there is, for everybody there is, by every method there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from flask import session
from flask_wtf.csrf import generate_csrf
from sqlalchemy import select
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.routing.converters import NumberConverter

from blueprints.page.access import safe_next
from desk.agents import accounts
from desk.sending import replies
from desk.sending.replies import Written
from models import Channel, Role, db
from tests.blueprints.visitor import Visitor
from tests.support.mails import arrive, mail, ticket_of

# Whoever adds a route adds a line: who may use it (anybody; agent: all who are signed in; admin), by which method.
MAY = """
anybody GET  health.alive
anybody GET  health.ready
anybody GET  security_txt.show
anybody POST sessions.create
anybody POST sessions.destroy
anybody GET  sessions.forgotten
anybody GET  sessions.new
anybody GET  sessions.password
anybody POST sessions.request_link
anybody POST sessions.set_password
anybody GET  setup.address
anybody GET  setup.closed
anybody POST setup.create
anybody GET  setup.show
anybody GET  static
agent   GET  attachments.download
agent   GET  attachments.frame
agent   GET  attachments.headers
agent   GET  attachments.inline
agent   GET  attachments.mail
agent   GET  attachments.mail_file
agent   GET  attachments.original
agent   POST attachments.remember_images
agent   GET  attachments.whole_text
agent   GET  bell.index
agent   POST bell.read_all
agent   POST drafts.add_files
agent   POST drafts.remove_file
agent   POST drafts.save
agent   GET  help.email_channel
agent   POST merging.admit
agent   GET  merging.choose
agent   POST merging.merge
agent   POST merging.requester
agent   POST merging.split
agent   POST merging.undo
agent   POST profile.change_password
agent   POST profile.choose_notices
agent   GET  profile.edit
agent   POST profile.end_sessions
agent   POST profile.update
agent   GET  quarantine.ask_block
agent   POST quarantine.block
agent   POST quarantine.decide
agent   POST quarantine.discard
agent   GET  quarantine.index
agent   GET  quarantine.original
agent   POST quarantine.release
agent   GET  quarantine.show
agent   POST replies.change_and_send
agent   POST replies.create
agent   POST replies.create_note
agent   GET  replies.delivery
agent   POST replies.resend
agent   POST replies.undo
agent   GET  tickets.earlier
agent   POST tickets.first
agent   GET  tickets.index
agent   GET  tickets.news
agent   POST tickets.set_assignee
agent   POST tickets.set_language
agent   POST tickets.set_priority
agent   POST tickets.set_status
agent   POST tickets.set_tags
agent   GET  tickets.show
agent   GET  tickets.ticket_news
admin   POST agents.activate
admin   POST agents.create
admin   POST agents.deactivate
admin   GET  agents.index
admin   POST agents.link
admin   GET  agents.new
admin   POST agents.role
admin   POST blocked_senders.create
admin   GET  blocked_senders.index
admin   POST blocked_senders.remove
admin   POST channels.active
admin   POST channels.check_forward
admin   GET  channels.confirm_delete
admin   POST channels.create
admin   POST channels.delete
admin   POST channels.dry_run
admin   GET  channels.dry_run_result
admin   GET  channels.edit
admin   POST channels.fetch
admin   GET  channels.forward
admin   GET  channels.index
admin   GET  channels.new
admin   POST channels.settings
admin   POST channels.shape
admin   POST channels.test
admin   GET  channels.test_steps
admin   POST channels.update
admin   POST deliverability.check
admin   POST deliverability.make_key
admin   GET  deliverability.show
admin   POST deliverability.switch_key
admin   GET  deliverability.verdicts
admin   GET  groups.confirm_delete
admin   POST groups.create
admin   POST groups.delete
admin   GET  groups.edit
admin   GET  groups.index
admin   GET  groups.new
admin   POST groups.update
admin   GET  ledger.ask_block
admin   GET  ledger.ask_put_back
admin   POST ledger.block
admin   POST ledger.check
admin   POST ledger.discard
admin   GET  ledger.index
admin   POST ledger.keep
admin   GET  ledger.keeping
admin   GET  ledger.original
admin   POST ledger.process_failed
admin   POST ledger.release
admin   POST ledger.return_to_mailbox
admin   GET  ledger.show
admin   GET  mail_designs.confirm_delete
admin   POST mail_designs.create
admin   POST mail_designs.delete
admin   GET  mail_designs.edit
admin   GET  mail_designs.frame
admin   GET  mail_designs.index
admin   GET  mail_designs.new
admin   POST mail_designs.preview
admin   POST mail_designs.send_test
admin   POST mail_designs.update
admin   GET  moved.page
admin   POST moved.page
admin   GET  notifications.frame
admin   GET  notifications.index
admin   POST notifications.preview
admin   POST notifications.reset
admin   POST notifications.save
admin   POST notifications.send_test
admin   POST notifications.switch
admin   POST notifications.switch_channels
admin   GET  oauth.callback
admin   POST oauth.connect
admin   POST oauth.create
admin   GET  oauth.edit
admin   GET  oauth.index
admin   GET  oauth.new
admin   POST oauth.reconnect
admin   POST oauth.remove
admin   POST oauth.update
admin   POST outbox.correct
admin   GET  outbox.frame
admin   GET  outbox.index
admin   GET  outbox.original
admin   POST outbox.retry
admin   POST outbox.settle
admin   GET  outbox.show
admin   POST outbox.stop
admin   POST requester_languages.add
admin   GET  requester_languages.ask
admin   POST requester_languages.remove
admin   GET  settings.index
admin   POST settings.relay_test
admin   GET  settings.relay_test_steps
admin   POST settings.update
"""
RANKS = ("anybody", "agent", "admin")
# Who asks, and how far they come. Whoever was deactivated is nobody, however good the session was.
ROLES = {
    "stranger": "anybody",
    "deactivated": "anybody",
    "agent": "agent",
    "admin": "admin",
    "founder": "admin",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")
SIGNS_OUT = ("/logout", "/profile/sessions")  # whoever may ends at the login as well
# What stands in an address: a number of something that is there, else a word.
WORDS = {"kind": "reply", "role": "agent", "locale": "fr", "name": "new_ticket", "filename": "app.js"}


def table() -> dict[tuple[str, str], str]:
    """Who may, for each route and method."""
    rows = [line.split() for line in MAY.strip().splitlines()]
    assert max(Counter((route, method) for _, method, route in rows).values()) == 1
    return {(route, method): who for who, method, route in rows}


def routes(house: Any) -> Iterator[tuple[str, str, str]]:
    """(endpoint, method, address) of every rule, with something in the place of each part."""
    adapter = house.url_map.bind("localhost")
    for rule in house.url_map.iter_rules():
        values: dict[str, Any] = {}
        for name, converter in rule._converters.items():
            number = isinstance(converter, NumberConverter)
            values[name] = (1001 if "/tickets/" in rule.rule else 1) if number else WORDS.get(name, "x")
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            yield rule.endpoint, method, adapter.build(rule.endpoint, values, method=method)


def addresses(house: Any) -> list[str]:
    return list(dict.fromkeys(url for _, _, url in routes(house)))


@pytest.fixture
def walked(house):
    """With one of everything that an address may name: a ticket with its mail and its answer, a mail that is held."""
    with house.app_context():
        bob = accounts.agent_by_email("bob@acme.test")
        accounts.create_agent("Anna", "anna@acme.test", Role.ADMIN, "annas password")
        gone = accounts.create_agent("Gina", "gina@acme.test", Role.AGENT, "ginas password")
        accounts.deactivate(gone, by=accounts.agent_by_email("alice@acme.test"))
        channel = db.session.scalars(select(Channel)).first()
        row = arrive(channel, mail())
        replies.send_reply(ticket_of(row), bob, Written("Hello"))
        arrive(channel, mail(subject="held", x_spam_flag="YES"))
    return house


class Caller:
    """Somebody of a role. What was really done may have ended the session, so another one begins after it."""

    EMAIL = {"deactivated": "gina", "agent": "bob", "admin": "anna", "founder": "alice"}

    def __init__(self, house: Any, role: str) -> None:
        self.house, self.email = house, self.EMAIL.get(role)
        self.client = house.test_client()
        self._begin()

    def ask(self, method: str, url: str, with_token: bool = True) -> Any:
        headers = {"X-CSRFToken": self.token} if with_token else {}
        if method not in ("GET", "POST"):
            headers["HX-Request"] = "true"  # a notice is quicker made than a page
        answer = self.client.open(url, method=method, headers=headers)
        answer.close()
        if method == "POST" and answer.status_code < 400:
            self._begin()
        return answer

    def _begin(self) -> None:
        with self.house.test_request_context():
            self.token = generate_csrf()
            planted = dict(session)
            if self.email:
                agent = accounts.agent_by_email(f"{self.email}@acme.test")
                planted |= {"_user_id": agent.get_id(), "_fresh": True}
        with self.client.session_transaction() as own:
            own.clear()
            own.update(planted)


def kind(answer: Any) -> str:
    if answer.status_code == 405:
        return "no such method"
    if answer.status_code == 403:
        return "refused"
    led = answer.headers.get({303: "Location", 401: "HX-Redirect"}.get(answer.status_code, ""), "")
    if led.startswith("/login"):
        return "to the login"
    return "let in"


def expected(may: dict[tuple[str, str], str], house: Any, role: str, method: str, url: str) -> str:
    """What the table says. OPTIONS and HEAD are as open as the address is."""
    adapter = house.url_map.bind("localhost")
    try:
        endpoint, _ = adapter.match(url, method=method)
    except MethodNotAllowed:
        return "no such method"
    methods = [method] if method not in ("HEAD", "OPTIONS") else ["GET", "POST"]
    who = next(may[endpoint, one] for one in methods if (endpoint, one) in may)
    if RANKS.index(ROLES[role]) >= RANKS.index(who):
        return "let in"
    return "to the login" if ROLES[role] == "anybody" else "refused"


def test_every_route_stands_in_the_table(house):
    there = {
        (rule.endpoint, method)
        for rule in house.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert there == set(table())


@pytest.mark.parametrize("role", ROLES)
def test_who_may(walked, role):
    """Each address by each method, with a good token, so that it is the guard that answers, and the view after it."""
    caller, may, wrong = Caller(walked, role), table(), []
    for method in METHODS:  # what reads before what changes
        for url in addresses(walked):
            wanted = expected(may, walked, role, method, url)
            if method == "POST" and wanted == "let in" and caller.ask(method, url, False).status_code != 400:
                wrong.append((method, url, "without a token"))
            answer = caller.ask(method, url)
            as_wanted = kind(answer) == wanted or (url in SIGNS_OUT and wanted == "let in")
            if not as_wanted or answer.status_code >= 500:
                wrong.append((method, url, wanted, answer.status))
    assert wrong == []


def test_the_token_of_somebody_else_is_none(walked):
    bob, anna = Caller(walked, "agent"), Caller(walked, "admin")
    bob.token = anna.token
    assert bob.ask("POST", "/tickets/1001/notes").status_code == 400


def test_what_stands_under_system_is_for_administrators(house):
    """A new view under »System« that forgot to say so, or a line of the table that did."""
    below = [rule for rule in house.url_map.iter_rules() if rule.rule.startswith("/system")]
    methods = [(rule.endpoint, method) for rule in below for method in rule.methods - {"HEAD", "OPTIONS"}]
    assert methods and {table()[one] for one in methods} == {"admin"}


def test_agents_see_no_link_to_what_is_closed(house):
    bob = Visitor(house)
    bob.sign_in("bob@acme.test")
    assert "/system/" not in bob.get("/profile").text


def test_htmx_is_led_to_the_login_as_a_whole_page(house):
    answer = Visitor(house).get("/profile", headers={"HX-Request": "true"})
    assert answer.status_code == 401 and answer.headers["HX-Redirect"] == "/login"


def test_a_refusal_is_a_notice_for_htmx_and_a_page_otherwise(house):
    bob = Visitor(house)
    bob.sign_in("bob@acme.test")
    page = bob.get("/system/agents")
    assert page.status_code == 403 and page.text.count("<h1") == 1
    notice = bob.get("/system/agents", headers={"HX-Request": "true"})
    assert notice.status_code == 403 and "<html" not in notice.text
    assert (notice.headers["HX-Retarget"], notice.headers["HX-Reswap"]) == ("#notices", "beforeend")


@pytest.mark.parametrize(
    ("target", "safe"),
    [
        ("/", True),
        ("/tickets/1001?view=open#end", True),
        (None, False),
        ("", False),
        ("tickets", False),
        ("//evil.test", False),
        ("///evil.test", False),
        ("/\\evil.test", False),
        ("\\\\evil.test", False),
        ("/a\r\nSet-Cookie: x", False),
        ("http://evil.test", False),
        ("/ok\x00", False),
    ],
)
def test_next_stays_in_the_house(target, safe):
    assert safe_next(target, "/home") == (target if safe else "/home")
