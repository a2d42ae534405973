"""The table of providers: twenty-five domains, and rules that every row keeps."""

import pytest

from mail.providers.presets import PRESETS, MailServer, for_domain, for_mx


@pytest.mark.parametrize(
    ("domain", "imap", "pop3", "smtp"),
    [
        ("gmail.com", "imap.gmail.com", "pop.gmail.com", MailServer("smtp.gmail.com", 465)),
        ("googlemail.com", "imap.gmail.com", "pop.gmail.com", MailServer("smtp.gmail.com", 465)),
        ("office365.com", "outlook.office365.com", "outlook.office365.com", MailServer("smtp.office365.com", 587, "starttls")),
        ("outlook.com", "outlook.office365.com", "outlook.office365.com", MailServer("smtp-mail.outlook.com", 587, "starttls")),
        ("hotmail.de", "outlook.office365.com", "outlook.office365.com", MailServer("smtp-mail.outlook.com", 587, "starttls")),
        ("gmx.net", "imap.gmx.net", "pop.gmx.net", MailServer("mail.gmx.net", 465)),
        ("gmx.at", "imap.gmx.net", "pop.gmx.net", MailServer("mail.gmx.net", 465)),
        ("GMX.ch", "imap.gmx.net", "pop.gmx.net", MailServer("mail.gmx.net", 465)),
        ("web.de", "imap.web.de", "pop3.web.de", MailServer("smtp.web.de", 465)),
        ("t-online.de", "secureimap.t-online.de", "securepop.t-online.de", MailServer("securesmtp.t-online.de", 465)),
        ("online.de", "imap.ionos.de", "pop.ionos.de", MailServer("smtp.ionos.de", 465)),
        ("strato.de", "imap.strato.de", "pop3.strato.de", MailServer("smtp.strato.de", 465)),
        ("mailbox.org", "imap.mailbox.org", "pop3.mailbox.org", MailServer("smtp.mailbox.org", 465)),
        ("posteo.de", "posteo.de", "posteo.de", MailServer("posteo.de", 465)),
        ("world4you.com", "imap.world4you.com", "pop3.world4you.com", MailServer("smtp.world4you.com", 587, "starttls")),
        ("a1.net", "securemail.a1.net", None, MailServer("securemail.a1.net", 587, "starttls")),
        ("aon.at", "securemail.a1.net", None, MailServer("securemail.a1.net", 587, "starttls")),
        ("ik.me", "mail.infomaniak.com", "mail.infomaniak.com", MailServer("mail.infomaniak.com", 465)),
        ("bluewin.ch", "imaps.bluewin.ch", "pop3s.bluewin.ch", MailServer("smtpauths.bluewin.ch", 465)),
        ("yahoo.de", "imap.mail.yahoo.com", "pop.mail.yahoo.com", MailServer("smtp.mail.yahoo.com", 465)),
        ("icloud.com", "imap.mail.me.com", None, MailServer("smtp.mail.me.com", 587, "starttls")),
        ("vodafonemail.de", "imap.vodafonemail.de", "pop3.vodafonemail.de", MailServer("smtp.vodafonemail.de", 465)),
        ("fastmail.com", "imap.fastmail.com", "pop.fastmail.com", MailServer("smtp.fastmail.com", 465)),
        ("mail.com", "imap.mail.com", "pop.mail.com", MailServer("smtp.mail.com", 465)),
        ("zoho.eu", "imap.zoho.eu", "pop.zoho.eu", MailServer("smtp.zoho.eu", 465)),
    ],
)  # fmt: skip
def test_a_domain_of_the_table(domain, imap, pop3, smtp):
    servers = for_domain(domain)
    assert servers.imap == MailServer(imap, 993)
    assert servers.pop3 == (MailServer(pop3, 995) if pop3 else None)
    assert servers.smtp == smtp


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("acme.mail.protection.outlook.com", "Microsoft 365"),
        ("outlook-com.olc.protection.outlook.com", "Outlook.com"),
        ("ASPMX.L.GOOGLE.COM.", "Gmail / Google Workspace"),
        ("smtp.google.com", "Gmail / Google Workspace"),
        ("mx01.ionos.de", "IONOS"),
        ("mx00.kundenserver.de", "IONOS"),
        ("smtpin.rzone.de", "STRATO"),
        ("mxext1.mailbox.org", "mailbox.org"),
        ("mx13.infomaniak.ch", "Infomaniak"),
        ("mx.your-server.de", "Hetzner"),
    ],
)
def test_a_mail_exchanger_of_the_table(host, name):
    assert for_mx([host]).name == name


@pytest.mark.parametrize("host", ["notgoogle.com", "google.com.evil.example", "", ".", "mail.acme.example"])
def test_another_host_only_looks_alike(host):
    assert for_mx([host]) is None


def test_each_domain_and_each_ending_stands_once():
    domains = [domain for preset in PRESETS for domain in preset.domains]
    endings = [ending for preset in PRESETS for ending in preset.mx]
    assert len(set(domains)) == len(domains) >= 80
    assert len(set(endings)) == len(endings)


def test_the_usual_ports_and_always_encrypted():
    for preset in PRESETS:
        servers = preset.servers
        assert servers.imap and servers.imap.port == 993 and servers.imap.encryption == "ssl"
        assert servers.smtp and (servers.smtp.port, servers.smtp.encryption) in (
            (465, "ssl"),
            (587, "starttls"),
        )
