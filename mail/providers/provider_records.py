"""What providers ask their customers to enter in DNS, by the servers that take the mail.

What mail administrators usually find there, written down from experience. Looked up in the provider's own help:
mailbox.org (kb.mailbox.org, »SPF, DKIM und DMARC«) and the selectors of IONOS (ionos.de/hilfe, »E-Mail-
Authentifizierung mit DKIM«), both in November 2026; the others may have changed. Where a provider gives each
customer names of its own, nothing stands here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProviderRecords:
    """`hosts` are endings of server names; `spf` is what a record includes; `selectors` under which it signs."""

    name: str
    hosts: tuple[str, ...]
    spf: str = ""
    selectors: tuple[str, ...] = ()


PROVIDERS = (
    ProviderRecords("Google", ("gmail.com", "google.com"), "_spf.google.com", ("google",)),
    ProviderRecords(
        "Microsoft 365",
        ("office365.com", "outlook.com", "mx.microsoft"),
        "spf.protection.outlook.com",
        ("selector1", "selector2"),
    ),
    ProviderRecords(
        "mailbox.org", ("mailbox.org",), "mailbox.org", ("MBO0001", "MBO0002", "MBO0003", "MBO0004")
    ),
    ProviderRecords("Infomaniak", ("infomaniak.com", "infomaniak.ch"), "spf.infomaniak.ch"),
    ProviderRecords(
        "Fastmail", ("fastmail.com", "messagingengine.com"), "spf.messagingengine.com", ("fm1", "fm2", "fm3")
    ),
    ProviderRecords("IONOS", ("ionos.de",), "_spf-eu.ionos.com", ("s1-ionos", "s2-ionos")),
    ProviderRecords("Zoho", ("zoho.eu",), "zohomail.eu", ("zmail", "zoho")),
    ProviderRecords("iCloud", ("mail.me.com",), "icloud.com", ("sig1",)),
    ProviderRecords("OVH", ("ovh.net",), "mx.ovh.com"),
    ProviderRecords("Amazon SES", ("amazonaws.com", "amazonses.com"), "amazonses.com"),
    ProviderRecords("SendGrid", ("sendgrid.net",), "sendgrid.net", ("s1", "s2")),
    ProviderRecords("Mailgun", ("mailgun.org",), "mailgun.org", ("k1", "mx", "smtp")),
    ProviderRecords("Mailjet", ("mailjet.com",), "spf.mailjet.com", ("mailjet",)),
    ProviderRecords("Brevo", ("brevo.com", "sendinblue.com"), "spf.brevo.com", ("mail", "brevo1", "brevo2")),
    ProviderRecords("Postmark", ("postmarkapp.com",), "spf.mtasv.net", ("pm",)),
)


def for_server(host: str) -> ProviderRecords | None:
    """The provider that runs this server."""
    name = "." + host.strip().rstrip(".").casefold()
    return next((row for row in PROVIDERS if any(name.endswith(f".{end}") for end in row.hosts)), None)
