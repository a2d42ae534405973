"""What servers say when they refuse a sign-in, and what we make of it."""

import pytest

from wire import Credentials, PermanentFailure, TemporaryFailure
from wire.failures import folder_failure, sign_in_failure, words

BOB = Credentials("bob@acme.example", "hunter2 secret")

SAYINGS = [
    ("[AUTHENTICATIONFAILED] Authentication failed.", "auth_failed"),
    ("535 5.7.8 Error: authentication failed: (reason unavailable)", "auth_failed"),
    ("[ALERT] Application-specific password required: https://support.google.com/accounts/answer/185833", "app_password"),
    ("534 5.7.9 Application-specific password required. Learn more at ...", "app_password"),
    ("[AUTHENTICATIONFAILED] Please generate an app password to use this client.", "app_password"),
    ("[ALERT] Please log in via your web browser: https://support.google.com/mail/...", "app_password"),
    ("[ALERT] Your account is not enabled for IMAP use. Please visit your Gmail settings page", "protocol_disabled"),
    ("[AUTHENTICATIONFAILED] IMAP access is disabled for your domain.", "protocol_disabled"),
    ("[SYS/PERM] Your account is not enabled for POP access.", "protocol_disabled"),
    ("IMAP ist fuer diesen Account nicht freigeschaltet", "protocol_disabled"),
    ("535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.", "protocol_disabled"),
    ("535 5.7.139 Authentication unsuccessful, basic authentication is disabled.", "oauth_required"),
    ("[PRIVACYREQUIRED] Plaintext authentication disallowed on non-secure connections", "plaintext_refused"),
    ("530 5.7.0 Must issue a STARTTLS command first", "plaintext_refused"),
    ("[IN-USE] Maildrop is locked by another session", "mailbox_locked"),
    ("maildrop already locked", "mailbox_locked"),
    ("[UNAVAILABLE] Temporary authentication failure.", "server_busy"),
    ("454 4.7.0 Temporary authentication failure", "server_busy"),
    ("[SYS/TEMP] Temporary system problem. Please try again later.", "server_busy"),
    ("[LOGIN-DELAY] minimum time between mail checks", "login_delay"),
]  # fmt: skip


@pytest.mark.parametrize(("saying", "code"), SAYINGS)
def test_a_refusal_has_a_cause_that_helps(saying, code):
    failure = sign_in_failure(saying, "mail.example", BOB)
    assert (failure.code, failure.words) == (code, saying)
    temporary = code in ("server_busy", "mailbox_locked", "login_delay")
    assert isinstance(failure, TemporaryFailure if temporary else PermanentFailure)


def test_microsoft_gives_no_reason_but_takes_only_oauth():
    failure = sign_in_failure("LOGIN failed.", "Outlook.Office365.com", BOB)
    assert failure.code == "oauth_required"


@pytest.mark.parametrize(
    "echo",
    [
        "BAD syntax near LOGIN bob@acme.example hunter2 secret",
        "BAD AGJvYkBhY21lLmV4YW1wbGUAaHVudGVyMiBzZWNyZXQ=",
        b"-ERR PASS hunter2 secret unknown",
    ],
)
def test_a_password_that_the_server_echoes_is_not_repeated(echo):
    failure = sign_in_failure(echo, "mail.example", BOB)
    for secret in ("hunter2 secret", "AGJvYkBhY21lLmV4YW1wbGUAaHVudGVyMiBzZWNyZXQ="):
        assert secret not in repr(failure) + str(failure)
    assert "hunter2" not in repr(BOB)


def test_words_are_printable_and_short():
    assert words(b"a\r\n\x1b[31mb\xff") == "a [31mb\N{REPLACEMENT CHARACTER}"
    assert len(words("x" * 9999)) == 500


@pytest.mark.parametrize(
    ("saying", "is_listed", "code"),
    [
        ("[NONEXISTENT] Mailbox does not exist", True, "folder_missing"),
        ("Mailbox doesn't exist: Erledigt", False, "folder_missing"),
        ("select failed", False, "folder_missing"),
        ("[UNAVAILABLE] Temporary System problem. Try again later.", False, "server_busy"),
        (
            "[SERVERBUG] Internal error occurred. Refer to server log for more information.",
            False,
            "server_busy",
        ),
        ("[INUSE] Mailbox is locked by another session", False, "server_busy"),
        ("Server Unavailable. 15", False, "server_busy"),
        ("Server is busy, please try again", False, "server_busy"),
        ("Too many simultaneous connections", False, "server_busy"),
        ("SELECT Unsafe Login. Please contact help@imap.example", True, "folder_refused"),
        ("[NOPERM] Permission denied", True, "folder_refused"),
    ],
)
def test_only_a_folder_that_is_not_there_is_missing(saying, is_listed, code):
    """All else is tried again, and nobody is told before it lasts."""
    failure = folder_failure(saying, lambda: is_listed)
    assert failure.code == code
    assert isinstance(failure, PermanentFailure if code == "folder_missing" else TemporaryFailure)
