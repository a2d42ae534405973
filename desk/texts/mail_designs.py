"""E-mail designs: logo, colour, signature and footer. A channel has one, or the default, which always exists."""

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
from models import Channel, MailDesign, db
from models.base import unless_taken
from models.mail_design import ACCENT, LOGO_HEIGHT

LONGEST = {"name": 80, "logo_alt": 200, "signature": 2000, "footer": 2000}  # characters
LINES = ("signature", "footer")
# In base64 a logo takes a third more; a mail with one stays below 100 KB.
LARGEST_LOGO = 50_000  # octets
LOWEST_LOGO, HIGHEST_LOGO = 16, 120  # pixels
WIDEST_LOGO = 560
PLACEHOLDERS = ("company.name", "channel.address", "channel.name")


@dataclass(frozen=True, slots=True)
class DesignValues:
    """What a person may say of a design. `logo` empty keeps what is there, unless `without_logo` is said."""

    name: str
    accent: str = ACCENT
    signature: str = ""
    footer: str = ""
    logo: bytes = b""
    logo_alt: str = ""
    logo_height: int | None = LOGO_HEIGHT
    without_logo: bool = False


class InvalidDesign(Invalid):
    """`errors` are codes by the names of fields, all that is wrong at once; the view has the words."""


class DefaultStays(Refusal):
    """The default design cannot be deleted."""


@dataclass(frozen=True, slots=True)
class FilledDesign:
    """A design for the mails of one channel: placeholders filled, sides in pixels, `ink` for words on `accent`."""

    accent: str
    ink: str
    signature: str
    footer: str
    logo: Part | None = None
    logo_alt: str = ""
    logo_width: int = 0
    logo_height: int = 0


def listed() -> list[MailDesign]:
    """All designs, the default one first."""
    query = select(MailDesign).order_by(MailDesign.is_default.desc(), func.lower(MailDesign.name))
    return list(db.session.scalars(query))


def names() -> list[tuple[int, str]]:
    """Number and name of every design but the default one."""
    rows = (
        select(MailDesign.id, MailDesign.name)
        .where(~MailDesign.is_default)
        .order_by(func.lower(MailDesign.name))
    )
    return [(number, name) for number, name in db.session.execute(rows)]


def by_id(number: int) -> MailDesign | None:
    return db.session.get(MailDesign, number)


def exists(number: int) -> bool:
    return db.session.get(MailDesign, number) is not None


def default() -> MailDesign:
    return db.session.scalars(select(MailDesign).where(MailDesign.is_default)).one()


def first() -> MailDesign:
    """The default design of a new account; its name is the same in German and English."""
    return MailDesign(name="Standard", name_fold="standard", is_default=True)


def channels_of(design: MailDesign) -> list[Channel]:
    """The living channels whose mails have it."""
    chosen = Channel.design_id == design.id
    if design.is_default:
        chosen = chosen | Channel.design_id.is_(None)
    query = select(Channel).where(chosen, Channel.deleted_at.is_(None))
    return list(db.session.scalars(query.order_by(Channel.is_default.desc(), func.lower(Channel.key))))


# --- changes; each is one transaction


def create(values: DesignValues) -> MailDesign:
    """Raises InvalidLook."""
    return _save(MailDesign(is_default=False, logo=b""), values)


def change(design: MailDesign, values: DesignValues) -> MailDesign:
    """Counts for mails that are written from now on. Raises InvalidLook."""
    return _save(design, values)


def delete(design: MailDesign) -> None:
    """Its channels have the default one from then on. Raises DefaultStays."""
    if design.is_default:
        raise DefaultStays
    db.session.execute(update(Channel).where(Channel.design_id == design.id).values(design_id=None))
    db.session.execute(delete_from(MailDesign).where(MailDesign.id == design.id))
    db.session.commit()


def checked(values: DesignValues) -> DesignValues:
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
        raise InvalidDesign(errors)
    return DesignValues(
        accent=accent, logo=values.logo, logo_height=height, without_logo=values.without_logo, **text
    )


# --- a design filled for the mails of a channel


def of_channel(channel: Channel, address: str = "") -> FilledDesign:
    """For mails to requesters; `address`: the channel's that they are from, if that is an alias."""
    return filled(_chosen(channel.design_id), channel, address)


def of_agents(channel: Channel) -> FilledDesign:
    """For mails to agents, which leave by this channel."""
    return filled(default(), channel)


def filled(design: MailDesign, channel: Channel, address: str = "") -> FilledDesign:
    company = the_account().company
    values = {
        "company.name": company,
        "channel.address": address or channel.address,
        "channel.name": channel.key,
    }
    logo, width, height = _logo(design)
    return FilledDesign(
        accent=design.accent,
        ink=ink_on(design.accent),
        signature=placeholders.fill(design.signature, values).strip() or company,
        footer=placeholders.fill(design.footer, values).strip(),
        logo=logo,
        logo_alt=design.logo_alt or company,
        logo_width=width,
        logo_height=height,
    )


def draft(design: MailDesign | None, values: DesignValues) -> MailDesign:
    """A design as it would be with these values, stored nowhere; without a new logo it has the stored one."""
    logo = values.logo or (design.logo if design is not None and not values.without_logo else b"")
    return MailDesign(
        name=values.name,
        accent=values.accent,
        signature=values.signature,
        footer=values.footer,
        logo=logo,
        logo_alt=values.logo_alt,
        logo_height=values.logo_height,
    )


# --- below


def _save(design: MailDesign, values: DesignValues) -> MailDesign:
    values = checked(values)
    design.name, design.name_fold = values.name, values.name.casefold()
    design.accent, design.signature, design.footer = values.accent, values.signature, values.footer
    design.logo_alt, design.logo_height = values.logo_alt, values.logo_height or LOGO_HEIGHT
    if values.logo or values.without_logo:
        design.logo = values.logo
    db.session.add(design)
    with unless_taken(InvalidDesign({"name": "taken"})):
        db.session.commit()
    return design


def _misused(text: str) -> str:
    """What is wrong with the placeholders of a text, as a code."""
    if any(name not in PLACEHOLDERS for name in placeholders.names(text)):
        return "unknown"
    return "broken" if placeholders.broken(text) else ""


def _chosen(number: int | None) -> MailDesign:
    design = db.session.get(MailDesign, number) if number is not None else None
    return design or default()


def _logo(design: MailDesign) -> tuple[Part | None, int, int]:
    """The logo as a part of a mail, and its sides: as high as was chosen, unless it would be too wide then."""
    picture = read_picture(design.logo) if design.logo else None
    if picture is None:
        return None, 0, 0
    width = max(1, round(picture.width * design.logo_height / picture.height))
    height = design.logo_height
    if width > WIDEST_LOGO:
        width, height = WIDEST_LOGO, max(1, round(picture.height * WIDEST_LOGO / picture.width))
    kind = picture.type.partition("/")[2]
    name = f"logo.{'jpg' if kind == 'jpeg' else kind}"
    content_id = f"logo-{sha256(design.logo).hexdigest()[:16]}@poststelle"
    return Part(name, picture.type, design.logo, content_id, inline=True), width, height
