"""Several processes at one mailbox: the lease lets one of them in, and no mail comes twice.

`make two-processes` runs the long form: 2,000 mails, three times.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

import cli.jobs
from desk.leases import LeaseHeld
from desk.receiving import fetching
from models import Lease, Ticket, db, now
from tests.jobs.test_kill import connect, imported, mail, own_channel
from tests.servers.ca import Authority
from tests.servers.dovecot import Dovecot, Mailbox
from tests.servers.serving import Serving, until
from tests.servers.smtp_sink import SmtpSink

LONG = os.environ.get("POSTSTELLE_LONG") == "1"
MAILS, RUNS = (2000, 3) if LONG else (40, 1)

pytestmark = [pytest.mark.dovecot, pytest.mark.timeout(1800 if LONG else 180)]


@pytest.mark.parametrize("run", range(RUNS))
def test_two_processes_at_one_mailbox_take_each_mail_once(
    run: int, make_serving: Callable[..., Serving], smtp_sink: SmtpSink, ca: Authority, dovecot: Dovecot
) -> None:
    """Two times `serve` and a command, on one database; half of the mails come while all three are at it."""
    mailbox = dovecot.add_user()
    for number in range(MAILS // 2):
        mailbox.deliver(mail(number))
    serving = make_serving(**ca.environment)
    serving.create_account()
    connect(serving, "imap", mailbox, smtp_sink)
    second = make_serving(beside=serving)
    with ThreadPoolExecutor() as threads:
        command = threads.submit(serving.flask, "jobs", "once", "fetch", code=None)
        starts = [threads.submit(one.start) for one in (serving, second)]
        for number in range(MAILS // 2, MAILS):
            mailbox.deliver(mail(number))
        for start in starts:
            start.result()
        command.result()
    until(lambda: not mailbox.messages(), patience=600 if LONG else 90)
    assert imported(serving) == Counter(f"<{number}@customer.example>" for number in range(MAILS))
    (ledger,) = serving.sql(
        "SELECT count(*) AS seen, count(DISTINCT source_id) AS mails, count(DISTINCT sha256) AS bytes,"
        " sum(CASE WHEN outcome = 'new_ticket' THEN 1 ELSE 0 END) AS tickets"
        " FROM inbound_mail WHERE via = 'imap'"
    )
    assert ledger == {"seen": MAILS, "mails": MAILS, "bytes": MAILS, "tickets": MAILS}
    print(f"run {run + 1}: {MAILS} mails, three processes, 0 doubled, 0 lost")


def test_a_mailbox_that_another_machine_fetches_is_left_to_it(
    app: Flask,
    mailbox: Mailbox,
    smtp_sink: SmtpSink,
    trusted_ca: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    channel_id = own_channel("imap", mailbox, smtp_sink)
    mailbox.deliver(mail(1))
    lease = Lease(
        name=f"fetch:{channel_id}", owner="elsewhere|1|nonce", expires_at=now() + timedelta(minutes=3)
    )
    db.session.add(lease)
    db.session.commit()
    with pytest.raises(LeaseHeld):
        fetching.fetch_channel(channel_id, wait_seconds=0.2)
    monkeypatch.setattr(cli.jobs, "LEASE_WAIT", 0.2)
    answer = app.test_cli_runner().invoke(args=["jobs", "once", "fetch"])
    assert answer.exit_code == 75 and "Another process" in answer.output
    assert len(mailbox.messages()) == 1 and db.session.scalar(select(Ticket.id)) is None
