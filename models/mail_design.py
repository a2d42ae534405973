"""Designs of our mails: logo, colour, signature and footer, as each channel chooses."""

from __future__ import annotations

from sqlalchemy import LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base

ACCENT = "#ffcb05"  # the yellow of letter boxes
LOGO_HEIGHT = 40  # pixels


class MailDesign(Base):
    """One is the default: of channels that choose none, and of mails to agents."""

    __tablename__ = "mail_look"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    name_fold: Mapped[str] = mapped_column(String(160), unique=True)  # casefolded, which may be longer
    is_default: Mapped[bool] = mapped_column(default=False)
    accent: Mapped[str] = mapped_column(String(7), default=ACCENT)  # #rrggbb
    signature: Mapped[str] = mapped_column(Text, default="")  # empty: the company's name
    footer: Mapped[str] = mapped_column(Text, default="")
    # In the database and not among the files: it is small, and belongs to no mail that could be deleted.
    logo: Mapped[bytes] = mapped_column(LargeBinary, default=b"")
    logo_alt: Mapped[str] = mapped_column(String(200), default="")  # empty: the company's name
    logo_height: Mapped[int] = mapped_column(default=LOGO_HEIGHT)
