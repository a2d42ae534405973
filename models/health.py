"""What happened with a channel's fetches: troubles from their beginning to their end, and the last fetches."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Code, UTCDateTime, now


class Trouble(StrEnum):
    FETCH = "fetch"  # the mailbox cannot be fetched
    REMOVAL = "removal"  # it is fetched, but the server does not remove what was filed
    WITHHELD = "withheld"  # it is fetched, but the server does not hand out some mails whole
    RENUMBERED = "renumbered"  # it is fetched, but the server gives out new UIDs again and again
    STALE = "stale"  # no fault is known, but nobody fetches
    SENDING = (
        "sending"  # its outgoing server does not let us in; the relay counts as that of the default channel
    )
    BRAKE = "brake"  # more was to leave by its server than its budget: the rest waits
    # Automatic mail about its tickets is withheld: to one address, to an organisation, or in total.
    BRAKE_ADDRESS = "brake_address"
    BRAKE_DOMAIN = "brake_domain"
    BRAKE_TOTAL = "brake_total"


# Nothing is broken there: too much was wanted. From wide to narrow.
BRAKES = (Trouble.BRAKE, Trouble.BRAKE_TOTAL, Trouble.BRAKE_DOMAIN, Trouble.BRAKE_ADDRESS)


class Ending(StrEnum):
    RECOVERED = "recovered"
    EDITED = "edited"  # the channel was changed, switched off or deleted: nobody knows whether it was mended


class Incident(Base):
    """One trouble of a channel, however many failures it had: told once when it began, once when it was over."""

    __tablename__ = "incident"

    id: Mapped[int] = mapped_column(primary_key=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("channel.id"))
    trouble: Mapped[Trouble] = mapped_column(Code(Trouble), default=Trouble.FETCH)
    code: Mapped[str] = mapped_column(String(40))  # of the last failure
    words: Mapped[str] = mapped_column(Text, default="")
    failures: Mapped[int] = mapped_column(default=1)
    needs_person: Mapped[bool] = mapped_column(default=False)  # the last failure: waiting does not mend it
    began_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    ending: Mapped[Ending | None] = mapped_column(Code(Ending))
    told_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    told_end_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    @property
    def is_brake(self) -> bool:
        return self.trouble in BRAKES

    __table_args__ = (
        Index("ix_incident_channel", "channel_id", "ended_at"),
        Index("ix_incident_untold", "told_end_at", "ended_at"),
    )


class FetchRecord(Base):
    """A fetch that brought something or failed; only the last ones of a channel are kept."""

    __tablename__ = "fetch_record"

    id: Mapped[int] = mapped_column(primary_key=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("channel.id"), index=True)
    began_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    fetched: Mapped[int] = mapped_column(default=0)
    removed: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)  # copies that the server did not remove
    left_alone: Mapped[int] = mapped_column(default=0)
    held: Mapped[int] = mapped_column(default=0)
    code: Mapped[str] = mapped_column(String(40), default="")
    words: Mapped[str] = mapped_column(Text, default="")
