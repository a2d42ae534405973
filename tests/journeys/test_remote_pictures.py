"""»Show remote images« in a real browser, against a real server: whoever sent the mail learns nothing of where we are."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from tests.servers import carol
from tests.servers.browser import sign_in, window
from tests.servers.serving import PASSWORD, Serving, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

ADDRESS = "support-acme@poststelle.example"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)
# Every way to have a picture, or to have something fetched, that HTML and CSS know. {0} is the stranger's server.
EMBEDDED = {
    "img": '<img src="{0}/img">',
    "img policy": '<img referrerpolicy="unsafe-url" src="{0}/img-policy">',
    "img crossorigin": '<img crossorigin="use-credentials" src="{0}/img-crossorigin">',
    "srcset": '<img srcset="{0}/srcset 1x, {0}/srcset2 2x">',
    "picture": '<picture><source srcset="{0}/source"><img src="{0}/picture"></picture>',
    "css background": '<div style="background:url({0}/css-div)">x</div>',
    "css background image": "<p style=\"background-image:url('{0}/css-p')\">x</p>",
    "css several": '<p style="background:url(data:,),url({0}/css-second)">x</p>',
    "css image-set": "<p style=\"background-image:image-set('{0}/css-set' 1x)\">x</p>",
    "css list": '<ul><li style="list-style-image:url({0}/css-list)">x</li></ul>',
    "css border": '<p style="border:3px solid;border-image:url({0}/css-border) 1">x</p>',
    "css cursor": '<p style="cursor:url({0}/css-cursor),auto">x</p>',
    "css content": '<p style="content:url({0}/css-content)">x</p>',
    "css mask": '<p style="mask-image:url({0}/css-mask)">x</p>',
    "cell": '<table background="{0}/table"><tr><td background="{0}/cell">x</td></tr></table>',
    "css of a cell": '<table><tr><td style="background:#fff url({0}/css-cell) no-repeat">x</td></tr></table>',
    "css of a table": '<table style="background-image:url({0}/css-table)"><tr><td>x</td></tr></table>',
    "css of both": '<table><tr><td background="{0}/b1" style="background:url({0}/b2)">x</td></tr></table>',
    "body": '<body background="{0}/body" style="background:url({0}/css-body)">',
    "style sheet": "<style>p{{background:url({0}/sheet)}} @import url({0}/import.css);</style>",
    "link": '<link rel="stylesheet" href="{0}/link.css"><link rel="icon" href="{0}/icon">',
    "prefetch": '<link rel="prefetch" href="{0}/prefetch"><link rel="preload" as="image" href="{0}/preload">',
    "meta": '<meta name="referrer" content="unsafe-url"><img src="{0}/meta">',
    "poster": '<video poster="{0}/poster" src="{0}/video"></video><audio src="{0}/audio"></audio>',
    "svg": '<svg width="9" height="9"><image href="{0}/svg" width="9" height="9"/></svg><img src="{0}/file.svg">',
    "object": '<object data="{0}/object"></object><embed src="{0}/embed"><iframe src="{0}/iframe"></iframe>',
    "input": '<input type="image" src="{0}/input">',
    "redirect": '<img src="{0}/redirect">',
}
# What is shown once an agent asks for it: without these the test would hold for a page that loads nothing.
SHOWN = {"/img", "/img-policy", "/img-crossorigin", "/srcset", "/picture", "/table", "/cell", "/css-cell",
         "/css-table", "/b2", "/meta", "/file.svg", "/redirect", "/landed"}  # fmt: skip


@dataclass
class Stranger:
    """A web server that writes down what it is told."""

    told: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __enter__(self) -> Stranger:
        stranger = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stranger.told.append(
                    (self.path, {name.lower(): value for name, value in self.headers.items()})
                )
                self.send_response(302 if self.path == "/redirect" else 200)
                if self.path == "/redirect":
                    self.send_header("Location", "/landed")
                self.send_header("Content-Type", "image/png")
                self.send_header("Referrer-Policy", "unsafe-url")  # a redirect can ask for one as well
                self.send_header("Access-Control-Allow-Origin", "*")
                self.end_headers()
                self.wfile.write(PNG)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_no_picture_says_who_asks_for_it(browser: Browser, make_serving: Callable[..., Serving]) -> None:
    serving = make_serving()
    serving.create_account()
    serving.start()
    with Stranger() as stranger, window(browser) as page:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = carol.ADDRESS, ADDRESS, "Pictures"
        mail.set_content("<p>Hello</p>" + "\n".join(EMBEDDED.values()).format(stranger.url), subtype="html")
        carol.send(mail.as_bytes(policy=SMTP), ADDRESS, serving.smtp_port, carol.ADDRESS)
        (message,) = until(lambda: serving.sql("SELECT id FROM message"))
        sign_in(page, serving.url, "alice@acme.example", PASSWORD)
        frame = f"{serving.url}/messages/{message['id']}/frame"
        for url in (frame, f"{frame}?images=1"):
            before = len(stranger.told)
            page.goto(url)
            page.wait_for_load_state("networkidle")
            assert before == 0
    asked = {path for path, _ in stranger.told}
    assert asked == SHOWN
    ours = urlsplit(serving.url).netloc
    for path, fields in stranger.told:
        assert not {"referer", "origin", "cookie"} & set(fields), path
        assert ours not in str(fields), path
    assert serving.stop() == 0
