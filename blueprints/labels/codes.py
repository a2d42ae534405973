"""Codes in the database, words at the edge: the label of every code that a screen shows."""

from __future__ import annotations

from flask_babel import lazy_gettext

from blueprints.labels import oauth_failures

STATUS = {
    "new": lazy_gettext("New"),
    "open": lazy_gettext("In progress"),
    "waiting": lazy_gettext("Waiting"),
    "resolved": lazy_gettext("Resolved"),
    "closed": lazy_gettext("Closed"),
}
PRIORITY = {
    "low": lazy_gettext("Low"),
    "normal": lazy_gettext("Normal"),
    "high": lazy_gettext("High"),
    "critical": lazy_gettext("Critical"),
}
ROLE = {
    "system": lazy_gettext("System"),
    "admin": lazy_gettext("Administrator"),
    "agent": lazy_gettext("Agent"),
}
DELIVERY = {
    "queued": lazy_gettext("queued"),
    "sending": lazy_gettext("being sent"),
    "done": lazy_gettext("handed over to the mail server"),
    "failed": lazy_gettext("undeliverable"),
    "cancelled": lazy_gettext("cancelled"),
    "kept": lazy_gettext("Trial operation: not sent"),
    "accepted": lazy_gettext("accepted"),
    "delayed": lazy_gettext("delayed"),
    "undeliverable": lazy_gettext("undeliverable"),
}
RECIPIENT = {
    "queued": lazy_gettext("waits"),
    "accepted": lazy_gettext("taken by the mail server"),
    "delayed": lazy_gettext("delayed, it is tried again"),
    "undeliverable": lazy_gettext("undeliverable"),
    "cancelled": lazy_gettext("not sent"),
}
# How another ticket hangs together with the one on screen.
RELATION = {
    "continues": lazy_gettext("Earlier part"),
    "continued_by": lazy_gettext("Later part"),
    "maybe": lazy_gettext("Perhaps"),
    "maybe_here": lazy_gettext("Perhaps"),
    "split_from": lazy_gettext("Origin"),
    "split_off": lazy_gettext("Split off"),
    "same_mail": lazy_gettext("Same mail"),
    "our_answer": lazy_gettext("Answered there"),
    "answer_there": lazy_gettext("Answer is there too"),
}
# Before the number of the other ticket.
SAME_MAIL = {
    "same_mail": lazy_gettext("The same mail is"),
    "our_answer": lazy_gettext("An answer of yours that was written in"),
    "answer_there": lazy_gettext("This answer is also"),
}
FAILURE = oauth_failures.FAILURE | {
    "name_not_found": lazy_gettext("The server name does not exist."),
    "refused_address": lazy_gettext("The server name leads to an address that is not allowed."),
    "connect_refused": lazy_gettext("The server refuses connections on this port."),
    "connect_timeout": lazy_gettext("The server does not answer on this port."),
    "timeout": lazy_gettext("The server stopped answering."),
    "session_too_long": lazy_gettext("The server is too slow: the conversation took too long."),
    "connection_lost": lazy_gettext("The server closed the connection."),
    "tls_failed": lazy_gettext("No encrypted connection could be made."),
    "certificate_invalid": lazy_gettext("The server's certificate is not valid."),
    "certificate_name": lazy_gettext("The server's certificate is for another name."),
    "certificate_expired": lazy_gettext("The server's certificate has expired."),
    "certificate_self_signed": lazy_gettext("The server's certificate is signed by nobody we know."),
    "certificate_unknown": lazy_gettext(
        "The server's certificate comes from an authority that is not known here."
    ),
    "starttls_missing": lazy_gettext("The server offers no encryption on this port."),
    "plaintext_refused": lazy_gettext("An unencrypted connection is not allowed for this channel."),
    "wrong_port_ssl": lazy_gettext("The server does not speak SSL on this port."),
    "wrong_port_plain": lazy_gettext("The server expects SSL on this port from the first byte."),
    "wrong_protocol": lazy_gettext("Another service answers on this port."),
    "we_are_blocked": lazy_gettext("The server refuses connections from the address of this machine."),
    "auth_failed": lazy_gettext("Sign-in refused"),
    "auth_unsupported": lazy_gettext("The server does not offer this way of signing in."),
    "auth_required": lazy_gettext("The server wants a sign-in before it takes mail."),
    "password_expired": lazy_gettext("The password has expired."),
    "account_locked": lazy_gettext("The provider has locked the account."),
    "app_password": lazy_gettext("The provider asks for an application password."),
    "oauth_required": lazy_gettext("The provider no longer accepts passwords (OAuth 2 only)."),
    "protocol_disabled": lazy_gettext("Fetching is switched off at the provider."),
    "folder_missing": lazy_gettext("The folder does not exist on the server."),
    "folder_refused": lazy_gettext("The server does not open the folder."),
    "protocol_error": lazy_gettext("The server gave an answer that makes no sense."),
    "mailbox_locked": lazy_gettext("The mailbox is in use by somebody else."),
    "login_delay": lazy_gettext("The server wants a pause between two sign-ins by POP3."),
    "over_quota": lazy_gettext("The mailbox is full."),
    "sender_refused": lazy_gettext("The server does not accept this sender."),
    "recipients_refused": lazy_gettext("The mail server refused the recipient."),
    "unknown_recipient": lazy_gettext("The recipient's address does not exist."),
    "unknown_domain": lazy_gettext("The recipient's domain takes no mail."),
    "mailbox_disabled": lazy_gettext("The recipient's mailbox is switched off."),
    "mailbox_full": lazy_gettext("The recipient's mailbox is full."),
    "greylisted": lazy_gettext("The recipient's server asks every new sender to try again."),
    "sender_not_proven": lazy_gettext(
        "The recipient's server does not believe that we may send for this address."
    ),
    "gave_up_there": lazy_gettext("The recipient's server could not be reached for a long time."),
    "too_large": lazy_gettext("The mail is larger than the server accepts."),
    "smtputf8_missing": lazy_gettext("The server cannot deliver to an address with such characters."),
    "content_refused": lazy_gettext("The recipient's server takes the mail for spam or for dangerous."),
    "server_busy": lazy_gettext("The server is busy."),
    "removal_refused": lazy_gettext("The server does not remove mails that became tickets."),
    "mail_withheld": lazy_gettext("The server does not hand out some mails whole."),
    "renumbered": lazy_gettext("The server gives all mails new numbers again and again (UIDVALIDITY)."),
    "stale": lazy_gettext("The mailbox has not been fetched for a while, and no fault is known."),
    "password_missing": lazy_gettext("The password is missing; enter it again."),
    "no_relay": lazy_gettext("No outgoing server is set up."),
    "not_https": lazy_gettext("The address leads to a connection that is not encrypted."),
    "http_status": lazy_gettext("The web server answers with an error."),
    "too_many_redirects": lazy_gettext("The web server sends us on and on."),
    "not_readable": lazy_gettext("The answer cannot be read."),
    "name_server_failed": lazy_gettext("The name server does not answer properly."),
    "gave_up": lazy_gettext("Given up after four days of trying."),
    "bounced": lazy_gettext("The recipient's mail server sent the mail back."),
    "alleged": lazy_gettext(
        "A report says that this address was not reached. Nothing proves where it came from; it may be forged."
    ),
    "unconfirmed": lazy_gettext(
        "The server fell silent after it had the whole mail. Most likely it was delivered."
    ),
    "brake": lazy_gettext("Unusually much mail left by this channel within an hour; the rest waits."),
    "brake_automatic": lazy_gettext(
        "Unusually much automatic mail left by this channel within an hour; the rest of it waits. What people write "
        "leaves as always."
    ),
    "brake_address": lazy_gettext(
        "One address was to get unusually many automatic mails within an hour; they are withheld."
    ),
    "brake_domain": lazy_gettext(
        "The addresses of one domain were to get unusually many automatic mails; what is above is withheld."
    ),
    "brake_total": lazy_gettext(
        "Unusually many automatic mails were to go to customers within an hour; what is above is withheld. "
        "What people write leaves as always."
    ),
    "stopped": lazy_gettext("Somebody stopped the sending."),
    "link_expired": lazy_gettext("Its link leads nowhere any more, so it was removed and not sent."),
    "internal": lazy_gettext("Poststelle made a mistake; nothing was lost."),
}
# Where the settings of an address were found, and what its provider wants besides.
WAY = {
    "preset": lazy_gettext("They are on our list of providers."),
    "mx": lazy_gettext("The domain's mail goes to a provider of our list (MX record)."),
    "autoconfig": lazy_gettext("The domain itself publishes them (autoconfig)."),
    "well_known": lazy_gettext("The domain itself publishes them (.well-known)."),
    "ispdb": lazy_gettext("They are in Thunderbird's database."),
    "srv": lazy_gettext("The domain names its servers itself (SRV records)."),
}
HINT = {
    "oauth_only": lazy_gettext("This provider no longer accepts passwords, but only a sign-in by OAuth 2."),
    "app_password": lazy_gettext(
        "With two-factor sign-in this provider asks for an application password: make one in the account's "
        "security settings and enter it below."
    ),
    "switch_on": lazy_gettext(
        "IMAP and POP3 are off at first: switch them on in the settings of the mailbox."
    ),
    "own_password": lazy_gettext(
        "This provider has a password of its own for mail programs, apart from that of the account."
    ),
    "archives": lazy_gettext(
        "Deleting by IMAP may only archive there: in Gmail's settings choose under “Forwarding and POP/IMAP” "
        "what happens to deleted mails."
    ),
    "unverified": lazy_gettext("We could not verify these names; test the connection before you save."),
}
# What a trouble of a channel means for those who wait for mail.
EFFECT = {
    "fetch": lazy_gettext("Its mailbox is not being fetched: new mail waits on the server and is not lost."),
    "removal": lazy_gettext("Its mail becomes tickets, but stays on the server."),
    "renumbered": lazy_gettext("Its mail becomes tickets, each once."),
    "stale": lazy_gettext("Its mailbox is not being fetched: new mail waits on the server and is not lost."),
    "sending": lazy_gettext("Its answers do not leave: they wait in the outbox and are not lost."),
    "withheld": lazy_gettext("Its mailbox is fetched, but some mails wait on the server and are not lost."),
    "brake": lazy_gettext("What is above waits in the outbox, leaves by itself later, and is not lost."),
    "brake_address": lazy_gettext("The mails became tickets; each says that no confirmation was sent."),
    "brake_domain": lazy_gettext("The mails became tickets; each says that no confirmation was sent."),
    "brake_total": lazy_gettext("The mails became tickets; each says that no confirmation was sent."),
}
# The steps of the connection test; the failed one says so by its FAILURE.
STEP = {
    "found": lazy_gettext("Server found"),
    "connected": lazy_gettext("Connected"),
    "encrypted": lazy_gettext("Encrypted"),
    "capabilities": lazy_gettext("Server ready to take mail"),
    "signed_in": lazy_gettext("Signed in"),
    "inbox": lazy_gettext("Inbox counted"),
    "sender": lazy_gettext("Sender address accepted"),
    "relay": lazy_gettext("Outgoing server of this Poststelle"),
    "sent": lazy_gettext("Test mail handed over"),
    "returned": lazy_gettext("Test mail came back"),
}
