"""»System >> Notifications >> E-mail designs«: logo, colour, signature and footer of our mails."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale, gettext
from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField
from wtforms import BooleanField, IntegerField, StringField, TextAreaField
from wtforms.validators import Optional
from wtforms.widgets import ColorInput

from blueprints.page import forms
from blueprints.page.access import AdminBlueprint, me
from blueprints.page.bodies import takes_files
from blueprints.page.htmx import change, go, invalid, page, wants_fragment
from blueprints.page.limits import TEST_MAILS, limiter
from blueprints.page.mail_sheet import mail_sheet
from blueprints.page.numbers import whole_number
from blueprints.page.packed import packed, unpacked
from desk.channels import channels
from desk.notices import previews
from desk.sending.mail_rendering import RenderedMail
from desk.texts import mail_designs
from models import MailDesign

blueprint = AdminBlueprint("mail_designs", __name__, url_prefix="/system/mail-designs")

WIDTHS = {"600": _l("Wide"), "380": _l("Phone")}  # pixels
SCHEMES = {"light": _l("Light"), "dark": _l("Dark")}
SHOWN = "ticket_reply"  # what the preview shows: signature, footer and history

ERRORS = {
    "required": _l("Enter a name."),
    "taken": _l("There is already a design of this name."),
    "control": _l("Control characters are not allowed here."),
    "too_long": _l("This is too long."),
    "colour": _l("Enter a colour as # and six digits or letters from a to f, for example #ffcb05."),
    "height": _l(
        "Enter a height from %(low)s to %(high)s pixels.",
        low=mail_designs.LOWEST_LOGO,
        high=mail_designs.HIGHEST_LOGO,
    ),
    "too_large": _l(
        "This picture is larger than %(size)s KB. Save it smaller, as every mail carries it; 400 pixels are enough.",
        size=mail_designs.LARGEST_LOGO // 1000,
    ),
    "no_picture": _l(
        "This is no PNG, JPEG or GIF picture. Other kinds are not shown by all mail programs; save it as PNG."
    ),
    "unknown": _l(
        "You can use these placeholders here, and no others: %(names)s.",
        names=", ".join(mail_designs.PLACEHOLDERS),
    ),
    "broken": _l("A placeholder begins and ends with two curly brackets."),
}


class DesignForm(forms.Form):
    name = StringField(
        _l("Name"), render_kw={"maxlength": mail_designs.LONGEST["name"], "autocomplete": "off"}
    )
    logo = FileField(_l("Logo"), render_kw={"accept": "image/png,image/jpeg,image/gif"})
    without_logo = BooleanField(_l("Remove the logo"))
    logo_alt = StringField(
        _l("Words for the logo"), render_kw={"maxlength": mail_designs.LONGEST["logo_alt"]}
    )
    logo_height = IntegerField(_l("Height of the logo"), [Optional()], default=mail_designs.LOGO_HEIGHT)
    accent = StringField(_l("Colour"), default=mail_designs.ACCENT, widget=ColorInput())
    signature = TextAreaField(_l("Signature"))
    footer = TextAreaField(_l("Footer"))

    def values(self) -> mail_designs.DesignValues:
        upload = self.logo.data
        return mail_designs.DesignValues(
            name=self.name.data or "",
            accent=self.accent.data or "",
            signature=self.signature.data or "",
            footer=self.footer.data or "",
            logo=upload.read(mail_designs.LARGEST_LOGO + 1) if upload else b"",
            logo_alt=self.logo_alt.data or "",
            logo_height=self.logo_height.data,
            without_logo=bool(self.without_logo.data),
        )

    def show(self, error: mail_designs.InvalidDesign) -> None:
        for name, code in error.errors.items():
            self[name].errors = [str(ERRORS[code])]
        self.focus_first_error()


@blueprint.get("")
def index() -> ResponseReturnValue:
    listed = [(design, mail_designs.channels_of(design)) for design in mail_designs.listed()]
    return page("mail_designs/index.html", designs=listed)


@blueprint.get("/new")
def new() -> ResponseReturnValue:
    return page("mail_designs/form.html", **_shown(DesignForm(), None))


@blueprint.post("")
@takes_files
def create() -> ResponseReturnValue:
    return _save(None)


@blueprint.get("/<int:number>")
def edit(number: int) -> ResponseReturnValue:
    design = _design(number)
    return page("mail_designs/form.html", **_shown(_stored(design), design))


@blueprint.post("/<int:number>")
@takes_files
def update(number: int) -> ResponseReturnValue:
    return _save(_design(number))


@blueprint.post("/preview", defaults={"number": None})
@blueprint.post("/<int:number>/preview")
@takes_files
def preview(number: int | None) -> ResponseReturnValue:
    """How a mail would look with what stands in the form, or the sentences that say what is wrong."""
    design, form = _design(number) if number else None, DesignForm()
    shown = _shown(form, design)
    if wants_fragment():
        return page("mail_designs/preview.swap.html", **shown)
    return page("mail_designs/form.html", **shown)


@blueprint.get("/frame")
def frame() -> ResponseReturnValue:
    """A mail in the design that stands in the address, packed there by `_frame`."""
    values, design = _unpacked()
    scheme = "dark" if request.args.get("scheme") == "dark" else "light"
    return mail_sheet(in_scheme(_rendered(design, values).on_screen, scheme))


@blueprint.post("/test", defaults={"number": None})
@blueprint.post("/<int:number>/test")
@takes_files
@limiter.limit(TEST_MAILS)
def send_test(number: int | None) -> ResponseReturnValue:
    design, form = _design(number) if number else None, DesignForm()
    try:
        values = mail_designs.checked(_named(form.values()))
    except mail_designs.InvalidDesign as error:
        form.show(error)
        return invalid("mail_designs/form.html", **_shown(form, design))
    filled = mail_designs.filled(mail_designs.draft(design, values), channels.default())
    previews.send_test(SHOWN, str(get_locale()), me(), design=filled)
    said = gettext("A test e-mail is on its way to %(address)s.", address=me().email)
    if wants_fragment():
        return change("_notice.swap.html", url_for(".index"), said)
    return page("mail_designs/form.html", said=said, **_shown(form, design))


@blueprint.get("/<int:number>/delete")
def confirm_delete(number: int) -> ResponseReturnValue:
    design = _deletable(number)
    return page("mail_designs/delete.html", design=design, channels=mail_designs.channels_of(design))


@blueprint.post("/<int:number>/delete")
def delete(number: int) -> ResponseReturnValue:
    design = _deletable(number)
    name = design.name
    mail_designs.delete(design)
    return go(url_for(".index"), gettext("The design “%(name)s” was deleted.", name=name))


def in_scheme(html: str, scheme: str) -> str:
    """The mail as a program in this scheme shows it: a frame has that of the page around it."""
    block = "@media all" if scheme == "dark" else "@media not all"
    html = html.replace("@media (prefers-color-scheme: dark)", block, 1)
    return html.replace('content="light dark"', f'content="{scheme}"')


# --- below


def _save(design: MailDesign | None) -> ResponseReturnValue:
    form = DesignForm()
    try:
        saved = mail_designs.change(design, form.values()) if design else mail_designs.create(form.values())
    except mail_designs.InvalidDesign as error:
        form.show(error)
        return invalid("mail_designs/form.html", **_shown(form, design))
    return go(url_for(".index"), gettext("The design “%(name)s” was saved.", name=saved.name))


def _stored(design: MailDesign) -> DesignForm:
    names = ("name", "logo_alt", "logo_height", "accent", "signature", "footer")
    return DesignForm(formdata=None, data={name: getattr(design, name) for name in names})


def _shown(form: DesignForm, design: MailDesign | None) -> dict[str, Any]:
    width, scheme = request.form.get("width"), request.form.get("scheme")
    chosen = {
        "width": width if width in WIDTHS else next(iter(WIDTHS)),
        "scheme": scheme if scheme in SCHEMES else next(iter(SCHEMES)),
    }
    values = _named(form.values())
    wrong: list[str] = []
    try:
        values = mail_designs.checked(values)
    except mail_designs.InvalidDesign as error:
        wrong = [str(ERRORS[code]) for name, code in error.errors.items() if name != "logo"]
    frame = "" if wrong else _frame(design, values, chosen["scheme"])
    return {
        "logo_lost": request.method == "POST" and bool(request.files.get("logo")),
        "form": form,
        "design": design,
        "channels": mail_designs.channels_of(design) if design else [],
        "placeholders": mail_designs.PLACEHOLDERS,
        "widths": WIDTHS,
        "schemes": SCHEMES,
        "wrong": wrong,
        "frame": frame,
        **chosen,
    }


def _named(values: mail_designs.DesignValues) -> mail_designs.DesignValues:
    """A preview needs no name."""
    return replace(values, name=values.name or "-")


def _frame(design: MailDesign | None, values: mail_designs.DesignValues, scheme: str) -> str:
    """The address of a mail in this design; too long texts have none until they are saved."""
    texts = values.accent, values.signature, values.footer, values.logo_alt
    said = packed([*texts, values.logo_height, values.without_logo])
    return url_for(".frame", design=design.id if design else None, said=said, scheme=scheme) if said else ""


def _unpacked() -> tuple[mail_designs.DesignValues, MailDesign | None]:
    number = request.args.get("design", type=whole_number)
    design = _design(number) if number else None
    match unpacked(request.args.get("said", "")):
        case [str(accent), str(signature), str(footer), str(alt), int(height), bool(without)]:
            given = mail_designs.DesignValues("-", accent, signature, footer, logo_alt=alt)
            with suppress(mail_designs.InvalidDesign):
                return mail_designs.checked(replace(given, logo_height=height, without_logo=without)), design
    abort(404)


def _rendered(design: MailDesign | None, values: mail_designs.DesignValues) -> RenderedMail:
    filled = mail_designs.filled(mail_designs.draft(design, values), channels.default())
    return previews.preview(SHOWN, str(get_locale()), me(), design=filled)


def _design(number: int) -> MailDesign:
    return mail_designs.by_id(number) or abort(404)


def _deletable(number: int) -> MailDesign:
    design = _design(number)
    if design.is_default:
        abort(
            409,
            gettext("The default design cannot be deleted: it is that of every channel without another."),
        )
    return design
