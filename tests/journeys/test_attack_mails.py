"""More than 300 mails that want out of their frame, in a real browser: none reaches anybody or anything."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, Route

from app import create_app
from config import from_environment
from desk.receiving import arrivals, intake
from desk.tickets.thread import SHOWN
from models import Channel, InboundMail, db
from tests.servers.browser import sign_in
from tests.servers.serving import PASSWORD, Serving, until
from tests.support.attacks import ATTACKS, REMOTE, WORDS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

PER_TICKET = SHOWN
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)
# What our own pages ask for, seen from the frame or around it.
OURS = (
    "/tickets",
    "/static/",
    "/messages/",
    "/attachments/",
    "/login",
    "/favicon",
    "/quarantine",
    "/system/",
)

# In the frame, after Chromium has read what the cleaner let through: elements and attributes that act.
ACTING = """() => { const ELEMENTS = new Set("%s".split(" ")), ATTRIBUTES = new Set("%s".split(" "));
return [...document.body.querySelectorAll("*")].flatMap(element => {
  const name = element.localName, found = [];
  if (!ELEMENTS.has(name)) found.push("<" + name + ">");
  for (const {name: key, value} of element.attributes) {
    if (key.startsWith("on") || !ATTRIBUTES.has(key)) found.push(name + " " + key);
    if (/^(href|src)$/.test(key) && !/^(https?:|mailto:|tel:|data:image\\/(png|jpe?g|gif|webp)|\\.\\.\\/\\.\\.\\/attachments\\/)/i.test(value))
      found.push(key + "=" + value);
    if (key === "style" && /url|image-set|position|expression|@|transform|animation/i.test(value)) found.push(value);
  }
  if (name === "a" && element.hasAttribute("href") && (element.target !== "_blank" || !/noopener/.test(element.rel)))
    found.push("a without its rel");
  if (element.namespaceURI !== "http://www.w3.org/1999/xhtml") found.push("namespace " + element.namespaceURI);
  return found;
})}"""
ELEMENTS = (
    "a abbr acronym address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del details "
    "dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p pre q s "
    "samp section small span strike strong sub summary sup table tbody td tfoot th thead tr tt u ul var wbr"
)
ATTRIBUTES = (
    "style dir lang title align href target rel class span width height color face size noshade src alt value start type "
    "reversed bgcolor border cellpadding cellspacing summary colspan rowspan nowrap valign scope background cite "
    "data-remote-src data-remote-background data-remote-style"
)
BOXES = """() => ["html", ".rail", ".topbar", "main", "#head", "#ticket-side", ".composer", ".tabs", "body > header", "h1"]
  .concat([...document.querySelectorAll(".message, .sheet-head")].map(element => "#" + (element.id || element.closest("[id]").id)))
  .flatMap(selector => [...document.querySelectorAll(selector)].slice(0, 1)
    .map(element => { const box = element.getBoundingClientRect(); return [selector, box.x, box.width]; }))"""
OVERLAPS = """() => [...document.querySelectorAll("iframe")].filter(frame => {
  const inner = frame.getBoundingClientRect(), outer = frame.closest(".sheet").getBoundingClientRect();
  return inner.left < outer.left || inner.right > outer.right || inner.top < outer.top || inner.bottom > outer.bottom;
}).map(frame => frame.name)"""
COVERED = """() => [...document.querySelectorAll(".rail a, .topbar a, .tabs a, .sheet-head h2")].filter(element => {
  const box = element.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;
  if (!box.width || y < 0 || y >= innerHeight || x < 0 || x >= innerWidth) return false;
  const top = document.elementFromPoint(x, y);
  return !(element.contains(top) || top?.contains(element));
}).map(element => element.outerHTML.slice(0, 80))"""


@dataclass
class Watch:
    """Everything that must not happen, as it happens."""

    page: Page
    origin: str
    dialogs: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    attempts: list[str] = field(default_factory=list)
    posts: list[str] = field(default_factory=list)
    popups: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        self.page.context.on("page", lambda page: self.popups.append(page.url))
        self.page.on("download", lambda download: self.popups.append(download.url))
        self.page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self.page.context.on("request", self._see)
        self.page.context.route(re.compile(r"^(?!data:|http://127\.0\.0\.1[:/])"), self._leaves)

    def _leaves(self, route: Route) -> None:
        """What really goes out; what a policy stops never comes here."""
        self.requests.append(route.request.url)
        route.fulfill(status=200, content_type="image/png", body=PNG)

    def _see(self, request: Request) -> None:
        """What is as much as begun."""
        address = urlsplit(request.url)
        ours = request.url.startswith(self.origin + "/") and (
            address.path == "/" or address.path.startswith(OURS)
        )
        if not ours and address.scheme not in ("data", "about"):
            self.attempts.append(request.url)
        if request.method != "GET":
            self.posts.append(request.url)

    @property
    def quiet(self) -> bool:
        return not (self.dialogs or self.requests or self.attempts or self.posts or self.popups)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A desk with a message for every attack, as many to a ticket as a page shows, and strangers with strange names."""
    served = Serving(tmp_path_factory.mktemp("attacked") / "data")
    served.create_account(locale="en")
    app = create_app(from_environment({**served.environment}))
    with app.app_context(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)  # what is planted here may be lost
        (channel,) = db.session.query(Channel).all()
        for number, (name, html) in enumerate(ATTACKS.items()):
            file(channel.id, mail(number, name, html))
        for number, words in enumerate(WORDS):
            file(channel.id, strange_mail(number, words))
        rows = db.session.query(InboundMail).order_by(InboundMail.id).all()
        assert {row.outcome for row in rows} == {"new_ticket"}, [row.reason for row in rows]
        db.session.remove()
        db.engine.dispose()
    served.sql(
        f"UPDATE message SET ticket_id = ((ticket_id - 1) / {PER_TICKET}) * {PER_TICKET} + 1 "
        f"WHERE ticket_id <= {len(ATTACKS)}"
    )
    served.start()
    yield served
    assert served.stop() == 0
    assert "Traceback" not in "".join(served.output)


@pytest.fixture
def page(browser: Browser, attacked: Serving) -> Iterator[Page]:
    context = browser.new_context(locale="en-GB", viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)
    sign_in(page, attacked.url, "alice@acme.example", PASSWORD)
    yield page
    context.close()


def test_no_mail_leaves_its_frame(page: Page, attacked: Serving) -> None:
    watch = Watch(page, attacked.url)
    seen = 0
    for ticket in attack_tickets(attacked):
        page.goto(f"{attacked.url}/tickets/{ticket}")
        page.wait_for_load_state("domcontentloaded")
        before = page.evaluate(BOXES)
        frames = all_frames(page)
        seen += len(frames)
        assert page.evaluate(BOXES) == before, "something outside the frames moved"
        assert page.evaluate(OVERLAPS) == []
        assert page.evaluate(COVERED) == []
        acting = ACTING % (ELEMENTS, ATTRIBUTES)
        for frame in frames:
            assert frame.url.startswith(f"{attacked.url}/messages/")
            assert frame.evaluate(acting) == [], frame.url
        assert page.evaluate("window.pwned") is None
        assert page.url == f"{attacked.url}/tickets/{ticket}"
    assert seen >= 200
    assert watch.quiet, watch
    assert not [line for line in watch.complaints if "Content Security Policy" in line], (
        "what the first wall lets through does not even try the second"
    )


def test_images_come_from_outside_after_the_click_only(page: Page, attacked: Serving) -> None:
    watch = Watch(page, attacked.url)
    blocked = attacked.sql("SELECT id, ticket_id FROM message WHERE remote_images > 0 ORDER BY id")
    assert len(blocked) >= 15
    for row in blocked:
        page.goto(f"{attacked.url}/messages/{row['id']}/frame")
    assert watch.quiet, watch
    for row in blocked:
        page.goto(f"{attacked.url}/messages/{row['id']}/frame?images=1")
        page.wait_for_load_state("load")
    asked = {url for url in watch.requests if url.startswith(REMOTE)}
    assert len(asked) >= 10 and not (watch.dialogs or watch.posts or watch.popups), watch
    watch.requests.clear()
    ticket = attacked.sql("SELECT number FROM ticket WHERE id = :id", id=blocked[0]["ticket_id"])[0]["number"]
    page.goto(f"{attacked.url}/tickets/{ticket}")
    card = page.locator(f"#message-{blocked[0]['id']}")
    card.scroll_into_view_if_needed()
    assert watch.requests == []
    with page.expect_response(lambda response: response.url.startswith(REMOTE)):
        card.get_by_role("link", name="Show remote images").click()
    assert len(set(watch.requests)) == 1, "one message at a time"
    card.get_by_role("button", name="Always for this message").click()
    card.get_by_role("button", name="Block them again").wait_for()
    assert attacked.sql("SELECT id FROM message WHERE images_shown") == [{"id": blocked[0]["id"]}]


def test_names_subjects_and_texts_are_only_words(page: Page, attacked: Serving) -> None:
    watch = Watch(page, attacked.url)
    strangers = [
        row["number"]
        for row in attacked.sql("SELECT number FROM ticket WHERE id > :last ORDER BY id", last=len(ATTACKS))
    ]
    places = ["/", "/tickets?q=Stranger", "/tickets?view=all"]
    places += [f"/tickets/{number}" for number in strangers]
    places += [f"/tickets/{strangers[0]}?tab=history"]
    for place in places:
        page.goto(attacked.url + place)
        page.wait_for_load_state("load")
        assert page.evaluate("window.pwned") is None
        assert (
            page.evaluate(
                "[...document.querySelectorAll('main *')].flatMap(e => [...e.attributes]).filter(a => a.name.startsWith('on')).length"
            )
            == 0
        )
        assert page.locator("main script, main svg svg, main iframe[srcdoc], main img[src='x']").count() == 0
    assert watch.quiet, watch
    assert not [line for line in watch.complaints if line.startswith("error")], watch.complaints


def test_the_second_wall_holds_alone(page: Page, attacked: Serving) -> None:
    """A quarter of the same mails as if nobody had cleaned them: the sandbox and the frame's policy stop them all."""
    tickets = attack_tickets(attacked)[::4]
    cleaned = attacked.sql(f"SELECT id, html, images_shown FROM message ORDER BY id LIMIT {len(ATTACKS)}")
    for row, html in zip(cleaned, ATTACKS.values(), strict=True):
        change = {"id": row["id"], "html": html.replace("\0", ""), "shown": False}
        attacked.sql("UPDATE message SET html = :html, images_shown = :shown WHERE id = :id", **change)
    watch = Watch(page, attacked.url)
    try:
        for ticket in tickets:
            page.goto(f"{attacked.url}/tickets/{ticket}")
            page.wait_for_load_state("domcontentloaded")
            before = page.evaluate(BOXES)
            all_frames(page)
            assert page.evaluate(BOXES) == before
            assert page.evaluate(OVERLAPS) == []
            assert page.evaluate("window.pwned") is None
            assert page.url == f"{attacked.url}/tickets/{ticket}"
    finally:
        for row in cleaned:
            attacked.sql(
                "UPDATE message SET html = :html, images_shown = :images_shown WHERE id = :id", **row
            )
    assert not (watch.requests or watch.dialogs or watch.posts or watch.popups), watch


def attack_tickets(served: Serving) -> list[Any]:
    rows = served.sql(
        "SELECT number FROM ticket WHERE id IN (SELECT ticket_id FROM message) AND id <= :last ORDER BY id",
        last=len(ATTACKS),
    )
    return [row["number"] for row in rows]


def all_frames(page: Page) -> list[Any]:
    """Every mail frame of the page, loaded (they are lazy) and fitted."""
    page.evaluate("document.querySelectorAll('iframe').forEach(frame => (frame.loading = 'eager'))")
    until(
        lambda: page.evaluate(
            "[...document.querySelectorAll('iframe')]"
            ".every(frame => frame.contentDocument?.readyState === 'complete' && frame.contentDocument.title)"
        ),
        60,
    )
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return [frame for frame in page.frames if frame.parent_frame is not None]


def file(channel: int, raw: bytes) -> None:
    inbound = arrivals.receive(channel, arrivals.Arrival(raw, "smtp", f"attack:{hash(raw)}"))
    assert inbound is not None
    intake.process(inbound, raw)


def mail(number: int, name: str, html: str) -> bytes:
    message = EmailMessage()
    message["From"], message["To"] = f"mallory{number}@stranger.example", "support-acme@poststelle.example"
    message["Subject"], message["Message-ID"] = f"Attack {number}", f"<attack-{number}@stranger.example>"
    message.set_content(
        f"<html><body><p>{number} {name.replace('<', '')}</p>{html}</body></html>".encode("utf-8", "replace"),
        "text",
        "html",
        cte="base64",
    )
    message.set_param("charset", "utf-8")
    return message.as_bytes()


def strange_mail(number: int, words: str) -> bytes:
    message = EmailMessage()
    message["From"] = f'"Stranger {quoted(words)}" <stranger{number}@stranger.example>'
    message["To"], message["Cc"] = (
        "support-acme@poststelle.example",
        f'"{quoted(words)}" <cc@stranger.example>',
    )
    message["Subject"], message["Message-ID"] = words, f"<strange-{number}@stranger.example>"
    message.set_content(f"Text {words}\n\n> {words}\n\n-- \n{words}\n")
    message.add_attachment(words.encode(), "text", "html", filename=f"{words}.html")
    message.add_attachment(PNG, "image", "png", filename=f"{words}.png")
    invitation = (
        f"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:{number}\r\nSUMMARY:{words}\r\nLOCATION:{words}\r\n"
        "DTSTART:20261201T090000Z\r\nDTEND:20261201T100000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    message.add_attachment(
        invitation.encode(), "text", "calendar", filename="invite.ics", params={"method": "REQUEST"}
    )
    inner = EmailMessage()
    inner["From"], inner["Subject"] = f'"{quoted(words)}" <inner@stranger.example>', words
    inner.set_content(words)
    message.add_attachment(inner)
    return message.as_bytes()


def quoted(words: str) -> str:
    return words.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
