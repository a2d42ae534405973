"""E-mail templates: logo, colour, signature and footer. A channel has one, or the default, which always exists."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from unicodedata import category

from sqlalchemy import delete as delete_from
from sqlalchemy import func, select, update

from desk.office import the_account
from desk.refusal import Invalid, Refusal
from mail.types import Part
from mail.writing import placeholders
from mail.writing.pictures import ink_on, read_picture
from models import Channel, MailLook, db
from models.base import unless_taken
from models.look import ACCENT, LOGO_HEIGHT

LONGEST = {"name": 80, "logo_alt": 200, "signature": 2000, "footer": 2000}  # characters
LINES = ("signature", "footer")
# In base64 a logo takes a third more; a mail with one stays below 100 KB.
LARGEST_LOGO = 50_000  # octets
LOWEST_LOGO, HIGHEST_LOGO = 16, 120  # pixels
WIDEST_LOGO = 560
PLACEHOLDERS = ("company.name", "channel.address", "channel.name")


@dataclass(frozen=True, slots=True)
class LookValues:
    """What a person may say of a template. `logo` empty keeps what is there, unless `without_logo` is said."""

    name: str
    accent: str = ACCENT
    signature: str = ""
    footer: str = ""
    logo: bytes = b""
    logo_alt: str = ""
    logo_height: int | None = LOGO_HEIGHT
    without_logo: bool = False


class InvalidLook(Invalid):
    """`errors` are codes by the names of fields, all that is wrong at once; the view has the words."""


class Protected(Refusal):
    """The default template cannot be deleted."""


@dataclass(frozen=True, slots=True)
class Dress:
    """A template as a mail wears it: placeholders filled, the logo's sides in pixels, `ink` for words on `accent`."""

    accent: str
    ink: str
    signature: str
    footer: str
    logo: Part | None = None
    logo_alt: str = ""
    logo_width: int = 0
    logo_height: int = 0


def looks() -> list[MailLook]:
    """All templates, the default one first."""
    query = select(MailLook).order_by(MailLook.is_default.desc(), func.lower(MailLook.name))
    return list(db.session.scalars(query))


def names() -> list[tuple[int, str]]:
    """Number and name of every template but the default one."""
    rows = select(MailLook.id, MailLook.name).where(~MailLook.is_default).order_by(func.lower(MailLook.name))
    return [(number, name) for number, name in db.session.execute(rows)]


def by_id(number: int) -> MailLook | None:
    return db.session.get(MailLook, number)


def exists(number: int) -> bool:
    return db.session.get(MailLook, number) is not None


def default() -> MailLook:
    return db.session.scalars(select(MailLook).where(MailLook.is_default)).one()


def first() -> MailLook:
    """The default template of a new account; its name is the same in German and English."""
    return MailLook(name="Standard", name_fold="standard", is_default=True)


def channels_of(look: MailLook) -> list[Channel]:
    """The living channels whose mails wear it."""
    chosen = Channel.look_id == look.id
    if look.is_default:
        chosen = chosen | Channel.look_id.is_(None)
    query = select(Channel).where(chosen, Channel.deleted_at.is_(None))
    return list(db.session.scalars(query.order_by(Channel.is_default.desc(), func.lower(Channel.key))))


# --- changes; each is one transaction


def create(values: LookValues) -> MailLook:
    """Raises InvalidLook."""
    return _save(MailLook(is_default=False, logo=b""), values)


def change(look: MailLook, values: LookValues) -> MailLook:
    """Counts for mails that are written from now on. Raises InvalidLook."""
    return _save(look, values)


def delete(look: MailLook) -> None:
    """Its channels have the default one from then on. Raises Protected."""
    if look.is_default:
        raise Protected
    db.session.execute(update(Channel).where(Channel.look_id == look.id).values(look_id=None))
    db.session.execute(delete_from(MailLook).where(MailLook.id == look.id))
    db.session.commit()


def checked(values: LookValues) -> LookValues:
    """The values as they are kept. Raises InvalidLook."""
    text = {name: getattr(values, name).replace("\r\n", "\n").strip() for name in LONGEST}
    errors: dict[str, str] = {}
    for name, longest in LONGEST.items():
        line = text[name].replace("\n", "") if name in LINES else text[name]
        if any(category(character) in ("Cc", "Cs") for character in line):
            errors[name] = "control"
        elif len(text[name]) > longest:
            errors[name] = "too_long"
        elif name in LINES and (code := _misused(text[name])):
            errors[name] = code
    if not text["name"]:
        errors["name"] = "required"
    accent = values.accent.strip().lower()
    if not re.fullmatch(r"#[0-9a-f]{6}", accent, re.A):
        errors["accent"] = "colour"
    height = values.logo_height
    if height is None or not LOWEST_LOGO <= height <= HIGHEST_LOGO:
        errors["logo_height"] = "height"
    if len(values.logo) > LARGEST_LOGO:
        errors["logo"] = "too_large"
    elif values.logo and read_picture(values.logo) is None:
        errors["logo"] = "no_picture"
    if errors:
        raise InvalidLook(errors)
    return LookValues(
        accent=accent, logo=values.logo, logo_height=height, without_logo=values.without_logo, **text
    )


# --- what a mail wears


def of_channel(channel: Channel) -> Dress:
    """For mails to requesters."""
    return worn(_chosen(channel.look_id), channel)


def of_agents(channel: Channel) -> Dress:
    """For mails to agents, which leave by this channel."""
    return worn(default(), channel)


def worn(look: MailLook, channel: Channel) -> Dress:
    company = the_account().company
    values = {"company.name": company, "channel.address": channel.address, "channel.name": channel.key}
    logo, width, height = _logo(look)
    return Dress(
        accent=look.accent,
        ink=ink_on(look.accent),
        signature=placeholders.fill(look.signature, values).strip() or company,
        footer=placeholders.fill(look.footer, values).strip(),
        logo=logo,
        logo_alt=look.logo_alt or company,
        logo_width=width,
        logo_height=height,
    )


def draft(look: MailLook | None, values: LookValues) -> MailLook:
    """A template as it would be with these values, stored nowhere; without a new logo it has the stored one."""
    logo = values.logo or (look.logo if look is not None and not values.without_logo else b"")
    return MailLook(
        name=values.name,
        accent=values.accent,
        signature=values.signature,
        footer=values.footer,
        logo=logo,
        logo_alt=values.logo_alt,
        logo_height=values.logo_height,
    )


# --- below


def _save(look: MailLook, values: LookValues) -> MailLook:
    values = checked(values)
    look.name, look.name_fold = values.name, values.name.casefold()
    look.accent, look.signature, look.footer = values.accent, values.signature, values.footer
    look.logo_alt, look.logo_height = values.logo_alt, values.logo_height or LOGO_HEIGHT
    if values.logo or values.without_logo:
        look.logo = values.logo
    db.session.add(look)
    with unless_taken(InvalidLook({"name": "taken"})):
        db.session.commit()
    return look


def _misused(text: str) -> str:
    """What is wrong with the placeholders of a text, as a code."""
    if any(name not in PLACEHOLDERS for name in placeholders.names(text)):
        return "unknown"
    return "broken" if placeholders.broken(text) else ""


def _chosen(number: int | None) -> MailLook:
    look = db.session.get(MailLook, number) if number is not None else None
    return look or default()


def _logo(look: MailLook) -> tuple[Part | None, int, int]:
    """The logo as a part of a mail, and its sides: as high as was chosen, unless it would be too wide then."""
    picture = read_picture(look.logo) if look.logo else None
    if picture is None:
        return None, 0, 0
    width = max(1, round(picture.width * look.logo_height / picture.height))
    height = look.logo_height
    if width > WIDEST_LOGO:
        width, height = WIDEST_LOGO, max(1, round(picture.height * WIDEST_LOGO / picture.width))
    kind = picture.type.partition("/")[2]
    name = f"logo.{'jpg' if kind == 'jpeg' else kind}"
    content_id = f"logo-{sha256(look.logo).hexdigest()[:16]}@poststelle"
    return Part(name, picture.type, look.logo, content_id, inline=True), width, height
