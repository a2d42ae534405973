"""Carol asks: mails as a customer's mail program makes them, and what comes back to her."""

from __future__ import annotations

import smtplib
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from email.utils import make_msgid

ADDRESS = "carol@customer.example"
PICTURE = bytes(range(256)) * 40  # every byte once and more: what mangles attachments mangles this
SUBJECT = "Lieferung unvollständig – Größe „M“ fehlt"
TEXT = "Guten Tag,\n\nin der gestrigen Lieferung fehlten zwei von fünf Artikeln.\n\nLiebe Grüße\nCarol Weiß\n"


def request(to: str, subject: str = SUBJECT, text: str = TEXT, picture: bytes = PICTURE) -> bytes:
    """A mail in German with umlauts, text and HTML, and an attachment whose name needs RFC 2231."""
    mail = EmailMessage(policy=default.clone(linesep="\r\n"))
    mail["From"], mail["To"], mail["Subject"] = f"Carol Weiß <{ADDRESS}>", to, subject
    mail["Date"], mail["Message-ID"] = (
        "Mon, 03 Aug 2026 10:00:00 +0200",
        make_msgid(domain="customer.example"),
    )
    mail.set_content(text)
    mail.add_alternative(f"<p>{text}</p>", subtype="html")
    if picture:
        mail.add_attachment(picture, "application", "octet-stream", filename="Lieferschein März.bin")
    return mail.as_bytes()


@dataclass(frozen=True)
class Got:
    """A mail that reached somebody, taken apart."""

    raw: bytes
    envelope_from: str
    recipients: tuple[str, ...]

    @property
    def mail(self) -> EmailMessage:
        return message_from_bytes(self.raw, policy=default)  # type: ignore[return-value]

    @property
    def text(self) -> str:
        body = self.mail.get_body(("plain",))
        return body.get_content() if body else ""

    @property
    def html(self) -> str:
        body = self.mail.get_body(("html",))
        return body.get_content() if body else ""

    @property
    def files(self) -> dict[str, bytes]:
        return {part.get_filename(): part.get_content() for part in self.mail.iter_attachments()}

    def header(self, name: str) -> str:
        return str(self.mail[name] or "")


def answer(to: Got, text: str, subject: str = "") -> bytes:
    """Her answer to a mail of ours, as mail programs do it: Reply-To first, both reference headers, a quote."""
    mail = EmailMessage(policy=default.clone(linesep="\r\n"))
    mail["From"] = f"Carol Weiß <{ADDRESS}>"
    mail["To"] = to.header("Reply-To") or to.header("From")
    mail["Subject"] = subject or f"AW: {to.header('Subject')}"
    mail["Message-ID"] = make_msgid(domain="customer.example")
    mail["In-Reply-To"] = to.header("Message-ID")
    mail["References"] = f"{to.header('References')} {to.header('Message-ID')}".strip()
    quote = "".join(f"> {line}\n" for line in to.text.splitlines())
    mail.set_content(f"{text}\n\nAm 03.08.2026 um 12:00 schrieb Acme GmbH:\n{quote}")
    return mail.as_bytes()


def send(raw: bytes, recipient: str, port: int, sender: str = ADDRESS) -> None:
    """Hand a mail to an SMTP server on this machine. Raises what smtplib raises."""
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as server:
        server.sendmail(sender, [recipient], raw)
