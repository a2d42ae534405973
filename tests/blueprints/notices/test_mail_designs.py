"""E-mail designs through an administrator's browser."""

from __future__ import annotations

import re
import zlib
from base64 import urlsafe_b64encode
from html import unescape
from io import BytesIO

import pytest

from desk.channels import channels
from desk.texts import mail_designs
from desk.tools.scenes.files import png
from models import OutboundMail, db

FORM = {
    "name": "Sales",
    "accent": "#0b3d91",
    "logo_height": "40",
    "signature": "Acme Sales",
    "footer": "FN 1 a",
}


def frame_of(page):
    return unescape(re.search(r'<iframe[^>]* src="([^"]+)"', page.text)[1])


def test_a_design_is_made_chosen_changed_and_deleted(as_alice):
    assert "Default design" in as_alice.get("/system/mail-designs").text
    as_alice.get("/system/mail-designs/new")
    as_alice.post("/system/mail-designs", data=FORM | {"logo": (BytesIO(png(80, 20)), "logo.png")})
    _, made = mail_designs.listed()
    assert (made.accent, made.signature, made.logo) == ("#0b3d91", "Acme Sales", png(80, 20))
    channel = {
        "key": "Sales",
        "address": "sales",
        "provider": "standard",
        "active": "y",
        "design_id": made.id,
    }
    as_alice.post("/system/channels/new", data=channel)
    sales = channels.by_key("Sales")
    assert mail_designs.of_channel(sales).footer == "FN 1 a"
    as_alice.post(f"/system/mail-designs/{made.id}", data=FORM | {"name": "Shop", "without_logo": "y"})
    assert (mail_designs.by_id(made.id).name, mail_designs.by_id(made.id).logo) == ("Shop", b"")
    asked = as_alice.get(f"/system/mail-designs/{made.id}/delete").text
    assert "This channel has the default design from then on" in asked and "sales@" in asked
    as_alice.post(f"/system/mail-designs/{made.id}/delete")
    assert channels.by_key("Sales").design_id is None and len(mail_designs.listed()) == 1


def test_a_chosen_logo_that_the_browser_forgets_is_said(as_alice):
    given = FORM | {"logo": (BytesIO(png(80, 20)), "logo.png")}
    assert (
        "please choose the logo again"
        in as_alice.post("/system/mail-designs/test", data=given, status=200).text
    )
    assert (
        "please choose the logo again"
        not in as_alice.post("/system/mail-designs/test", data=FORM, status=200).text
    )


def test_the_default_one_cannot_be_deleted(as_alice):
    number = mail_designs.default().id
    assert f"/system/mail-designs/{number}/delete" not in as_alice.get("/system/mail-designs").text
    as_alice.get(f"/system/mail-designs/{number}/delete", status=409)
    as_alice.post(f"/system/mail-designs/{number}/delete", status=409)
    with pytest.raises(mail_designs.DefaultStays):
        mail_designs.delete(mail_designs.default())


@pytest.mark.parametrize(("change", "sentence"), [
    ({"name": ""}, "Enter a name."),
    ({"name": "STANDARD"}, "There is already a design of this name."),
    ({"accent": "red"}, "Enter a colour as #"),
    ({"logo_height": "500"}, "Enter a height from 16 to 120 pixels."),
    ({"logo": (BytesIO(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "logo.png")}, "This is no PNG, JPEG or GIF"),
    ({"logo": (BytesIO(png(20, 20) + b"\0" * mail_designs.LARGEST_LOGO), "logo.png")}, "This picture is larger than 50 KB"),
    ({"footer": "x" * 2001}, "This is too long."),
    ({"footer": "{{ticket.number}}"}, "You can use these placeholders here, and no others"),
    ({"signature": "{{company.name"}, "A placeholder begins and ends with two curly brackets."),
])  # fmt: skip
def test_what_cannot_be_saved_is_said(as_alice, change, sentence):
    as_alice.get("/system/mail-designs/new")
    page = as_alice.post("/system/mail-designs", data=FORM | change, status=422)
    assert sentence in unescape(page.text)
    assert len(mail_designs.listed()) == 1


def test_the_preview_is_a_real_mail_with_what_is_typed(as_alice):
    number = mail_designs.default().id
    as_alice.get(f"/system/mail-designs/{number}")
    typed = FORM | {"footer": "<b>Seat</b> {{company.name}}", "scheme": "dark", "width": "380"}
    page = as_alice.post(f"/system/mail-designs/{number}/preview", data=typed, status=200)
    assert 'class="mail-frame mail-frame-380"' in page.text
    mail = as_alice.client.get(frame_of(page))
    assert (
        "&lt;b&gt;Seat&lt;/b&gt; Acme GmbH" in mail.text
        and "#0b3d91" in mail.text
        and "@media all" in mail.text
    )
    assert "sandbox" in mail.headers["Content-Security-Policy"]
    assert mail_designs.default().footer == ""
    for broken in ("", "x", "eJw="):
        assert as_alice.client.get(f"/system/mail-designs/frame?said={broken}").status_code == 404
    endless = urlsafe_b64encode(zlib.compress(b'["#000000", "", "", "", Infinity, false]')).decode()
    assert as_alice.client.get(f"/system/mail-designs/frame?said={endless}").status_code == 404
    assert as_alice.client.get(f"/system/mail-designs/frame?said=x&design={'9' * 20}").status_code == 404


def test_a_test_mail_has_what_is_typed(as_alice):
    as_alice.get("/system/mail-designs/new")
    as_alice.post("/system/mail-designs/test", data=FORM, status=200)
    mail = db.session.query(OutboundMail).filter_by(purpose="test_mail").one()
    assert mail.subject.startswith("[Test]")
    assert len(mail_designs.listed()) == 1
