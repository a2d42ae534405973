"""A notice is one row, and what belongs to it stands in few places: here is said which of them is missing.

Nothing is added by these tests. Each line that `missing` answers begins with the file to open.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask import Flask
from flask_babel import force_locale, lazy_gettext
from jinja2 import ChoiceLoader, DictLoader, StrictUndefined, UndefinedError

from blueprints.labels import notices
from blueprints.labels.notices import AUDIENCE, LABELS, Label
from config import LOCALES
from desk.channels import channels
from desk.notices import notice_mails, previews
from desk.office import the_account
from desk.sending import mail_rendering
from desk.telling import who_hears
from desk.texts import mail_designs, notice_placeholders, notice_table, notice_texts
from desk.texts.notice_table import BY_NAME, CHOICES, Notice
from models import Agent, Channel, NoticeItem, OutboundMail, db
from tests.support.browsing import PageClient
from tests.support.mails import arrive, mail, ticket_of

ROOT = Path(__file__).resolve().parent.parent
FILES = ("subject.txt", "body.txt", "body.html")
LONGEST = NoticeItem.__table__.c.notice.type.length


def missing(app: Flask, agent: Agent) -> list[str]:
    """What the rows of the table still need, and the labels that no row needs any more.

    Templates are strict for it: what they are not given is an error, in place of an empty line in a mail.
    """
    names = {notice.name for notice in notice_table.NOTICES}
    found = [f"{file(notices)}: a label of {name}, which is no notice" for name in LABELS.keys() - names]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app.jinja_env, "undefined", StrictUndefined)
        for notice in notice_table.NOTICES:
            lines = [*of_row(notice), *of_label(notice), *of_placeholders(notice), *of_folder(app, notice)]
            found += [f"{line} (notice {notice.name})" for line in lines or of_preview(notice, agent)]
    return found


def of_row(notice: Notice) -> Iterator[str]:
    here = file(notice_table)
    if BY_NAME.get(notice.name) is not notice:
        yield f"{here}: another row has its name"
    if len(notice.name) > LONGEST:
        yield f"{here}: its name is longer than the {LONGEST} characters of its column"
    if notice.audience not in AUDIENCE:
        yield f"{here}: no such audience: {notice.audience}"
    if notice.choice not in CHOICES:
        yield f"{here}: no such choice: {notice.choice}"
    if notice.required and notice.required not in notice.placeholders:
        yield f"{here}: {notice.required} is required, but no placeholder of it"
    if notice.name not in named_in_the_desk():
        yield f"{file(who_hears)}: nothing tells of it"


def of_label(notice: Notice) -> Iterator[str]:
    """Its words in both languages: where they are alike, the catalogue has no German for them."""
    here, label = file(notices), LABELS.get(notice.name)
    if label is None:
        yield f"{here}: no label"
        return
    rings = notice.audience == "agents"
    if rings != bool(label.icon) or rings != bool(label.event):
        yield f"{here}: an icon and words of its event are needed by what goes to agents, and by nothing else"
    spoken = {"title": str, "when": str, **({"event": said} if label.event else {})}
    for part, speak in spoken.items():
        in_each = []
        for locale in LOCALES:
            with force_locale(locale):
                in_each.append(speak(getattr(label, part)))
        if len(set(in_each)) < len(LOCALES):
            yield f"translations/de/LC_MESSAGES/messages.po: no German for {in_each[-1]!r}, then make messages"


def of_placeholders(notice: Notice) -> Iterator[str]:
    given = previews.invented(LOCALES[0]) | {
        "ticket_url": "https://desk.example/tickets/1042",
        "account": the_account(),
        "design": mail_designs.of_agents(channels.default()),
        "quote_line": "On Monday, Maria wrote:",
    }
    for name in notice.placeholders:
        if name not in notice_placeholders.MEANING:
            yield f"{file(notice_placeholders)}: no meaning of {name}"
        elif not meant(name, given):
            yield f"{file(previews)}: the invented ticket says nothing for {name}"


def of_folder(app: Flask, notice: Notice) -> Iterator[str]:
    known = set(app.jinja_env.list_templates(filter_func=lambda path: path.startswith("mail/")))
    for name in FILES:
        path = f"mail/{notice.name}/{name}"
        if path not in known:
            yield f"templates/{path}: not there"


def of_preview(notice: Notice, agent: Agent) -> list[str]:
    """The first flaw of its mail about an invented ticket, and of our words as the form shows them."""
    return next(([flaw] for locale in LOCALES for flaw in flaws(notice, locale, agent)), [])


def flaws(notice: Notice, locale: str, agent: Agent) -> Iterator[str]:
    try:
        rendered = previews.preview(notice.name, locale, agent)
        if not all(rendered[:3]):
            yield f"templates/mail/{notice.name}/: a subject, text or HTML is empty"
        if notice.changeable:
            notice_texts.checked(notice.name, previews.ours(notice.name, locale), locale)
    except UndefinedError as error:
        yield f"{file(previews)}: {error.message}, which its mail speaks of; nothing like it is invented"
    except notice_texts.TextRefused as error:
        yield f"{file(notice_table)}: our own {error.field} has {error.words or error.code}, which is refused"


def said(event: Any) -> str:
    return str(event("Alice", {}))


def meant(name: str, given: dict[str, Any]) -> str:
    try:
        return notice_placeholders.MEANING[name](given)
    except (KeyError, AttributeError):
        return ""


def file(module: ModuleType) -> str:
    return Path(str(module.__file__)).relative_to(ROOT).as_posix()


@cache
def named_in_the_desk() -> frozenset[str]:
    """The texts that stand in the code of the desk; its table names all notices, and its previews some."""
    paths = [path for path in (ROOT / "desk").rglob("*.py") if path.stem not in ("notice_table", "previews")]
    return frozenset(
        node.value
        for path in paths
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


# --- the check, and a notice that we make up to try it


def test_no_notice_lacks_anything(app: Flask, alice: Agent) -> None:
    assert missing(app, alice) == [], "docs/recipes.md says how a notice is added"


MADE_UP = Notice(
    "weather_report", "agents", placeholders=("ticket.number", "recipient.address", "weather.forecast")
)
MAIL = {
    "mail/weather_report/subject.txt": "Weather for #{{ ticket.number }}",
    "mail/weather_report/body.txt": "It will be {{ details.to }}.",
    "mail/weather_report/body.html": "<p>It will be {{ details.to }}.</p>",
}


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice_table, "NOTICES", (*notice_table.NOTICES, MADE_UP))
    monkeypatch.setitem(BY_NAME, MADE_UP.name, MADE_UP)


@pytest.fixture
def worked_out(app: Flask, made_up: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row with its label, the meaning of its placeholder and its mail."""
    monkeypatch.setitem(
        LABELS,
        MADE_UP.name,
        # Words of other labels: they have their German.
        Label(
            lazy_gettext("Mentioned"), lazy_gettext("to all agents"), "inbox", LABELS["delivery_failed"].event
        ),
    )
    monkeypatch.setitem(notice_placeholders.MEANING, "weather.forecast", lambda given: given["details"]["to"])
    monkeypatch.setattr(app.jinja_env, "loader", ChoiceLoader([DictLoader(MAIL), app.jinja_env.loader]))  # type: ignore[list-item]


def test_a_row_alone_is_told_each_place_that_it_needs(app: Flask, alice: Agent, made_up: None) -> None:
    assert missing(app, alice) == [
        f"{file(who_hears)}: nothing tells of it (notice weather_report)",
        f"{file(notices)}: no label (notice weather_report)",
        f"{file(notice_placeholders)}: no meaning of weather.forecast (notice weather_report)",
        "templates/mail/weather_report/subject.txt: not there (notice weather_report)",
        "templates/mail/weather_report/body.txt: not there (notice weather_report)",
        "templates/mail/weather_report/body.html: not there (notice weather_report)",
    ]


def test_three_places_make_a_notice(
    app: Flask, channel: Channel, alice: Agent, as_bob: PageClient, bob: Agent, worked_out: None
) -> None:
    """With row, label and mail it is told, rings, becomes mail, and stands among the others on the page."""
    assert missing(app, alice) == [f"{file(who_hears)}: nothing tells of it (notice weather_report)"]
    ticket = ticket_of(arrive(channel, mail(), predates_channel=True))
    who_hears._tell([bob], MADE_UP.name, ticket, details={"to": "sunny"})
    db.session.commit()
    assert "Not delivered to sunny" in as_bob.get("/notices").text
    notice_mails.gather(at_once=True)
    queued = db.session.query(OutboundMail).filter_by(purpose=MADE_UP.name).one()
    assert b"It will be sunny." in mail_rendering.compose_queued(queued)


@pytest.mark.parametrize(
    ("spoiled", "line"),
    [
        ({"mail/weather_report/body.txt": "{{ sunshine }}"}, f"{file(previews)}: 'sunshine' is undefined"),
        ({"mail/weather_report/body.txt": "{{ actor }}"}, f"{file(notice_table)}: our own body has colleague.name"),
        ({"mail/weather_report/body.html": ""}, "templates/mail/weather_report/: a subject, text or HTML"),
    ],
)  # fmt: skip
def test_a_mail_that_says_what_it_cannot_know_is_found(
    app: Flask, alice: Agent, worked_out: None, monkeypatch: pytest.MonkeyPatch, spoiled: Any, line: str
) -> None:
    monkeypatch.setattr(f"{__name__}.named_in_the_desk", lambda: {notice.name for notice in BY_NAME.values()})
    monkeypatch.setattr(app.jinja_env, "loader", ChoiceLoader([DictLoader(spoiled), app.jinja_env.loader]))  # type: ignore[list-item]
    found = missing(app, alice)
    assert len(found) == 1 and found[0].startswith(line), found


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (Notice("assigned", "agents"), f"{file(notice_table)}: another row has its name"),
        (Notice("x" * 41, "agents"), f"{file(notice_table)}: its name is longer than the 40 characters"),
        (Notice("weather", "everybody"), f"{file(notice_table)}: no such audience: everybody"),
        (Notice("weather", "agents", choice="some"), f"{file(notice_table)}: no such choice: some"),
        (Notice("weather", "agents", required="reply.body"), f"{file(notice_table)}: reply.body is required"),
    ],
)
def test_a_row_that_contradicts_itself_is_found(row: Notice, line: str) -> None:
    assert any(found.startswith(line) for found in of_row(row))


def test_a_label_without_german_words_for_its_event_or_without_a_row_is_found(
    app: Flask, alice: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LABELS, "assigned", LABELS["assigned"]._replace(title=lazy_gettext("Nobody says so")))
    monkeypatch.setitem(LABELS, "mentioned", LABELS["mentioned"]._replace(event=None))
    monkeypatch.setitem(LABELS, "weather", LABELS["mentioned"])
    first, *rest = missing(app, alice)
    assert first == f"{file(notices)}: a label of weather, which is no notice"
    assert [line.partition(":")[0] for line in rest] == [
        "translations/de/LC_MESSAGES/messages.po",
        file(notices),
    ]
