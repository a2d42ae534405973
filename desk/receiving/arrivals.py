"""A mail that came in is stored: bytes and row, durably, before anybody thinks about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from desk.failpoints import reach
from desk.office import office
from desk.receiving import deciding
from models import InboundMail, InboundState, Outcome, ServerCopy, db, now
from models.base import insert_if_new, one_at_a_time
from models.inbound import first_verdict


@dataclass(frozen=True, slots=True)
class Arrival:
    """A mail that came in. `source_id` is its identity at the server, unique per channel.

    `envelope_from` is empty for the null sender and None where nobody knows it (fetched mail).
    `peer`: the IP address that brought it to our own receiver.
    `predates_channel`: older than the channel's connection, so nobody is told of it. `arrived_at`: INTERNALDATE.
    """

    raw: bytes
    via: str
    source_id: str
    envelope_from: str | None = None
    envelope_to: str = ""
    predates_channel: bool = False
    peer: str = ""
    arrived_at: datetime | None = None


def receive(channel_id: int, arrival: Arrival) -> int | None:
    """Store a mail durably: bytes and row. Answers the row's id, or None if this source id was known.

    When this returns, the mail cannot be lost any more. Raises on a full disk or a lost database;
    then nothing was stored that anybody relies on, and the sender keeps the mail.
    """
    return receive_all(channel_id, [arrival])[0]


def receive_all(channel_id: int, arrivals: Sequence[Arrival], *, begun: bool = False) -> list[int | None]:
    """As `receive`, for several mails at once: all of them are durable, or none is promised.

    `begun`: who stores them reads them next, which counts as an attempt if the process should end.
    """
    db.session.rollback()
    digests = office().blobs.put_all([arrival.raw for arrival in arrivals])
    reach("stored")
    # A client that gave up on us may come again meanwhile.
    one_at_a_time([f"{channel_id}:{digest}" for digest in digests])
    first = first_of(channel_id, digests)
    rows: list[int | None] = []
    for arrival, digest in zip(arrivals, digests, strict=True):
        row = insert_if_new(InboundMail, _columns(channel_id, arrival, digest, first, begun))
        if row is not None:
            first.setdefault(digest, (row, None))
        rows.append(row)
    db.session.commit()
    reach("received")
    return rows


def first_of(channel_id: int, digests: Sequence[str]) -> dict[str, tuple[int, datetime | None]]:
    """Which of these bytes the channel has already: the row that had them first, and when we put them back."""
    found = db.session.execute(
        select(InboundMail.sha256, InboundMail.id, InboundMail.put_back_at)
        .where(
            InboundMail.channel_id == channel_id,
            InboundMail.sha256.in_(digests),
            InboundMail.state != InboundState.DUPLICATE,
        )
        .order_by(InboundMail.id.desc())
    )
    return {digest: (row, put_back_at) for digest, row, put_back_at in found}


def _columns(
    channel_id: int,
    arrival: Arrival,
    digest: str,
    first: dict[str, tuple[int, datetime | None]],
    begun: bool,
) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "channel_id": channel_id,
        "via": arrival.via,
        "source_id": arrival.source_id[:255],
        "sha256": digest,
        "size": len(arrival.raw),
        "envelope_from": arrival.envelope_from,
        "envelope_to": arrival.envelope_to[:320],
        "peer": arrival.peer[:60],
        "predates_channel": arrival.predates_channel,
        "arrived_at": arrival.arrived_at,
        "server_copy": ServerCopy.PRESENT if arrival.via in ("imap", "pop3") else ServerCopy.NONE,
        "attempts": int(begun),
        "duplicate_of_id": None,
        "filed_at": None,
        **first_verdict(Outcome.PENDING),
    }
    if digest in first:
        row, put_back_at = first[digest]
        # Put back by ourselves, and the server did not say as which UID, or we died before noting it.
        known = deciding.of_known_bytes(put_back_at)
        columns |= {"duplicate_of_id": row, "filed_at": now(), **first_verdict(known.outcome, known.reason)}
    return columns
