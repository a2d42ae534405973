"""Who a report speaks of: a mail to several leaves with a return address for each (VERP), which only the servers on
the way to that one ever see.

The others in Cc know the mail, its Message-ID and all addresses in it; they can write a perfect report about each
other, but not to that address. See docs/decisions/026.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from desk.office import office, signing_key
from mail import ids
from models import OutboundMail, OutboundRecipient
from wire import Handover, PermanentFailure, Sender, TransportFailure


@dataclass(frozen=True, slots=True)
class Envelope:
    sender: str  # empty: the null sender
    recipients: tuple[str, ...]


def envelopes(mail: OutboundMail, waiting: Sequence[OutboundRecipient]) -> list[Envelope]:
    """One for all who wait; one for each where there are several and reports come to our own receiver.

    Other servers may refuse an address that they do not know as the mailbox's.
    """
    together = Envelope(mail.envelope_from, tuple(one.address for one in waiting))
    if len(mail.recipients) < 2 or not mail.envelope_from or mail.channel is None or mail.channel.is_own:
        return [together]
    own = [ids.sign_return_address(signing_key(), one.id, mail.envelope_from) for one in waiting]
    if not all(own):
        return [together]
    return [Envelope(sender, (one.address,)) for sender, one in zip(own, waiting, strict=True)]


def send(sender: Sender, raw: bytes, ways: Sequence[Envelope], plain: str) -> dict[str, Handover]:
    """Hand the mail over by each envelope; answers for whom there are any. Raises TransportFailure without any.

    A server that does not take our return addresses gets the mail from `plain`, as one.
    """
    answers: dict[str, Handover] = {}
    for way in ways:
        if answers and office().stopping.is_set():
            break  # who has it is written down before the process ends; the others are asked again
        try:
            answers |= sender.send(raw, way.sender, way.recipients)
        except PermanentFailure as failure:
            left = [address for one in ways for address in one.recipients if address not in answers]
            if failure.code == "sender_refused" and way.sender != plain:
                return answers | _together(sender, raw, plain, left, bool(answers))
            if failure.code == "smtputf8_missing" and len(ways) > 1:
                answers |= dict.fromkeys(
                    way.recipients, Handover("permanent", "550 5.6.7 SMTPUTF8 is not offered")
                )
            elif answers:
                break  # the others are asked again, and are told the same
            else:
                raise
        except TransportFailure:
            if not answers:
                raise
            break
    return answers


def _together(
    sender: Sender, raw: bytes, plain: str, readers: Sequence[str], others_have_it: bool
) -> dict[str, Handover]:
    """The mail to all who are left. What fails here is not said of those who have it: they would get it again."""
    try:
        return sender.send(raw, plain, readers)
    except PermanentFailure as failure:
        if not others_have_it:
            raise
        return dict.fromkeys(readers, Handover("permanent", failure.words or failure.code))
    except TransportFailure:
        if not others_have_it:
            raise
        return {}  # they are asked again


def meant(mail: OutboundMail, address: str) -> OutboundRecipient | None:
    """The recipient whose return address this is."""
    number = ids.read_return_address(signing_key(), address)
    return next((one for one in mail.recipients if one.id == number), None)
