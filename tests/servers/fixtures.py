"""The servers as fixtures: `ca`, `trusted_ca`, `dovecot`, `mailbox`, `smtp_sink`, `make_smtp_sink`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.servers import dovecot as dovecot_server
from tests.servers.authorization import AuthorizationServer
from tests.servers.ca import Authority
from tests.servers.dovecot import Dovecot, Mailbox
from tests.servers.smtp_sink import SmtpSink


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that signs the test servers' certificates; trusted only where `trusted_ca` says so."""
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def trusted_ca(ca: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """This process trusts the authority, for one test. Others: `env | ca.environment`."""
    for name, value in ca.environment.items():
        monkeypatch.setenv(name, value)
    return ca


@pytest.fixture(scope="session")
def make_dovecot(ca: Authority) -> Iterator[Callable[..., Dovecot]]:
    """Starts a Dovecot of a special kind; the same kind only once."""
    started: dict[tuple[tuple[str, object], ...], Dovecot] = {}
    certificate = ca.issue(file="dovecot")

    def make(**kind: object) -> Dovecot:
        if not dovecot_server.is_installed():
            if os.environ.get("CI") == "true":
                pytest.fail("Dovecot is missing (apt install dovecot-imapd dovecot-pop3d)")
            pytest.skip("Dovecot is missing (apt install dovecot-imapd dovecot-pop3d)")
        key = tuple(sorted(kind.items()))
        if key not in started:
            started[key] = Dovecot(certificate, **kind)
            started[key].start()
        return started[key]

    yield make
    for server in started.values():
        server.remove()


@pytest.fixture(scope="session")
def dovecot(make_dovecot: Callable[..., Dovecot]) -> Dovecot:
    """IMAP and POP3 on `dovecot.imap`, `.imaps`, `.pop3`, `.pop3s` of localhost."""
    return make_dovecot()


@pytest.fixture
def mailbox(dovecot: Dovecot) -> Mailbox:
    """A fresh user: `mailbox.user`, `.password`, `.deliver(raw)`, `.messages()`, `.flags()`, `.folders()`."""
    return dovecot.add_user()


@pytest.fixture(scope="session")
def authorization(ca: Authority) -> Iterator[AuthorizationServer]:
    """Where tokens come from; each test has users of its own there."""
    with AuthorizationServer(ca.issue(file="authorization").context()) as server:
        yield server


@pytest.fixture(scope="session")
def token_dovecot(
    make_dovecot: Callable[..., Dovecot], authorization: AuthorizationServer, ca: Authority
) -> Dovecot:
    """A Dovecot that takes XOAUTH2 alone and asks the authorization server about each token."""
    return make_dovecot(introspection=f"{authorization.url}/introspect", authority=str(ca.path))


@pytest.fixture
def make_smtp_sink() -> Iterator[Callable[..., SmtpSink]]:
    """Starts sinks with users, TLS and so on (see SmtpSink)."""
    started: list[SmtpSink] = []

    def make(**options: object) -> SmtpSink:
        started.append(SmtpSink(**options))
        started[-1].start()
        return started[-1]

    yield make
    for sink in started:
        sink.stop()


@pytest.fixture
def smtp_sink(make_smtp_sink: Callable[..., SmtpSink]) -> SmtpSink:
    """Takes every mail without signing in, on `smtp_sink.port`."""
    return make_smtp_sink()
