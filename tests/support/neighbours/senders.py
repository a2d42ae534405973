"""Real servers that hand mail over to our receiver: each mail once, at the first try, by SMTP and by LMTP."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.servers.bare_debian import inside
from tests.servers.ports import free_port
from tests.servers.serving import Serving
from tests.support.neighbours.mailboxes import Wrong
from tests.support.neighbours.roots import fresh_root

MAILS = 100
REFUSED_EACH = 10  # every so many mails have a second recipient whom nobody knows
_PATIENCE = 300  # seconds for all of them to arrive
SUPPORT, NOBODY = "support-acme@poststelle.example", "nobody@poststelle.example"

# In the root; $1 is smtp or lmtp, $2 our port. The mails lie in /var/tmp/mails. What they send back goes nowhere.
_EXIM = r"""
cat >/etc/exim4/exim4.conf <<END
primary_hostname = neighbour.example
log_file_path = /var/log/exim4/%slog
begin routers
desk:
  driver = manualroute
  domains = poststelle.example
  transport = desk
  route_list = * 127.0.0.1 byname
  self = send
elsewhere:
  driver = redirect
  data = :blackhole:
begin transports
desk:
  driver = smtp
  protocol = $1
  port = $2
  allow_localhost
begin retry
* * F,2h,15m
END
for mail in /var/tmp/mails/*; do
  exim -odf -f "$(basename "$mail")@customer.example" $(cat "$mail/to") <"$mail/raw"
done
cat /var/log/exim4/mainlog
"""
_POSTFIX = r"""
postconf -e compatibility_level=3.6 myhostname=neighbour.example mydestination= inet_protocols=ipv4 \
  disable_dns_lookups=yes smtp_host_lookup=native lmtp_host_lookup=native maillog_file=/var/log/postfix.log \
  "transport_maps=inline:{poststelle.example=$1:inet:[127.0.0.1]:$2}" default_transport=discard alias_maps=
[ "$1" = lmtp ] || postconf -e "transport_maps=inline:{poststelle.example=smtp:[127.0.0.1]:$2}"
postconf -MX smtp/inet
postfix start >/dev/null 2>&1
for mail in /var/tmp/mails/*; do
  sendmail -f "$(basename "$mail")@customer.example" $(cat "$mail/to") <"$mail/raw"
done
tries=0
while [ -n "$(postqueue -j)" ] && [ $tries -lt 240 ]; do sleep 0.5; tries=$((tries + 1)); done
postfix stop >/dev/null 2>&1
cat /var/log/postfix.log
"""
# What they write in their logs of a recipient that was taken, refused for good, and put off.
_SENDERS = {
    "exim": (_EXIM, r"^\S+ \S+ \S+ [=-]> ", r"^\S+ \S+ \S+ \*\* ", r"^\S+ \S+ \S+ == "),
    "postfix": (_POSTFIX, r"status=sent .*(250|2\.\d\.\d)", r"status=bounced", r"status=deferred"),
}
SENDERS = tuple(_SENDERS)


def prove(name: str, data: Path, say: Callable[[str], None]) -> None:
    """Raises Wrong."""
    for protocol in ("smtp", "lmtp"):
        lmtp = free_port()
        serving = Serving(data / f"{name}-{protocol}", POSTSTELLE_LMTP=f"127.0.0.1:{lmtp}")
        serving.create_account(locale="en")
        serving.start()
        try:
            port = serving.smtp_port if protocol == "smtp" else lmtp
            began = time.monotonic()
            taken, refused, deferred = _hand_over(name, protocol, port)
            _is_right(name, protocol, serving, taken, refused, deferred)
            seconds = time.monotonic() - began
            say(
                f"{name}, {protocol}: {taken} mails taken at the first try, {refused} unknown recipients refused, "
                f"0 deferrals, 0 duplicates ({seconds:.0f} s)"
            )
        finally:
            serving.stop()


def _hand_over(name: str, protocol: str, port: int) -> tuple[int, int, int]:
    """What the log of the server says: recipients taken, refused and put off."""
    script, taken, refused, deferred = _SENDERS[name]
    with fresh_root(name) as root:
        mails = root / "var/tmp/mails"
        mails.mkdir()
        for number in range(MAILS):
            _write(mails, number)
        with inside(root, "sh", "-c", script, "sh", protocol, str(port)) as process:
            log, _ = process.communicate(timeout=_PATIENCE)
    lines = [line for line in log.splitlines() if "poststelle.example" in line]
    found = [
        sum(re.search(pattern, line) is not None for line in lines) for pattern in (taken, refused, deferred)
    ]
    if found[0] != MAILS or found[2]:
        raise Wrong(
            f"{name} by {protocol}: {found} taken, refused, deferred; its log ends with\n{log[-3000:]}"
        )
    return found[0], found[1], found[2]


def _write(mails: Path, number: int) -> None:
    """A folder for each mail."""
    folder = mails / f"customer{number:03}"
    folder.mkdir()
    text = (
        f"From: Customer {number} <customer{number:03}@customer.example>\nTo: {SUPPORT}\nSubject: Number {number}\n"
        f"Message-ID: <{number}@customer.example>\nDate: Mon, 30 Nov 2026 09:00:00 +0000\n\nHello\n{'x' * 70}\n"
    )
    (folder / "raw").write_text(text, encoding="ascii")
    (folder / "to").write_text(
        f"{SUPPORT} {NOBODY}" if number % REFUSED_EACH == 0 else SUPPORT, encoding="ascii"
    )


def _is_right(name: str, protocol: str, serving: Serving, taken: int, refused: int, deferred: int) -> None:
    ends = time.monotonic() + 60
    while True:
        rows = serving.sql("SELECT outcome FROM inbound_mail WHERE via = :via", via=protocol)
        outcomes = Counter(row["outcome"] for row in rows)
        if outcomes == {"new_ticket": MAILS} or time.monotonic() > ends:
            break
        time.sleep(0.2)
    expected = (MAILS, MAILS // REFUSED_EACH, 0, {"new_ticket": MAILS})
    if (taken, refused, deferred, outcomes) != expected:
        raise Wrong(f"{name} by {protocol}: {(taken, refused, deferred, outcomes)} instead of {expected}")
