"""The mail servers of a Debian as neighbours: each in its root, on free ports of 127.0.0.1, as its package sets it up."""

from __future__ import annotations

import contextlib
import imaplib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.servers.bare_debian import inside
from tests.servers.ports import free_ports
from tests.support.neighbours.roots import fresh_root

PASSWORD = "secret"
LOG = "var/log/neighbour.log"
_PATIENCE = 60  # seconds until a server answers

# Runs in the root; $1 is the IMAP port, $2 the POP3 port, the rest are the users. The last command stays.
_SYSTEM_USERS = """
set -e
imap=$1 pop3=$2; shift 2
for user in "$@"; do useradd -m "$user"; echo "$user:secret" | chpasswd; done
"""
_CYRUS = """
set -e
imap=$1 pop3=$2; shift 2
mkdir -p /run/cyrus/socket /run/cyrus/proc /run/cyrus/lock && chown -R cyrus:mail /run/cyrus
for user in cyrus "$@"; do echo secret | saslpasswd2 -p -c -u "$(hostname)" "$user"; done
chown cyrus /etc/sasldb2
cat >>/etc/imapd.conf <<END
admins: cyrus
sasl_mech_list: PLAIN
virtdomains: off
servername: $(hostname)
END
sed -i 's/^altnamespace: no/altnamespace: yes/; s/^unixhierarchysep: no/unixhierarchysep: yes/' /etc/imapd.conf
cat >/etc/cyrus.conf <<END
START {
  recover cmd="/usr/sbin/cyrus ctl_cyrusdb -r"
}
SERVICES {
  imap cmd="imapd -U 30" listen="127.0.0.1:$imap" proto="tcp4" prefork=0
  pop3 cmd="pop3d -U 30" listen="127.0.0.1:$pop3" proto="tcp4" prefork=0
}
EVENTS {
  checkpoint cmd="/usr/sbin/cyrus ctl_cyrusdb -c" period=30
}
END
exec /usr/sbin/cyrmaster
"""
_COURIER = (
    _SYSTEM_USERS
    + """
for user in "$@"; do su "$user" -s /bin/sh -c 'maildirmake ~/Maildir'; done
sed -i "s/^ADDRESS=.*/ADDRESS=127.0.0.1/; s/^MAXPERIP=.*/MAXPERIP=40/" /etc/courier/imapd /etc/courier/pop3d
sed -i "s/^PORT=.*/PORT=$imap/" /etc/courier/imapd
sed -i "s/^PORT=.*/PORT=$pop3/" /etc/courier/pop3d
sed -i "s/^\\(IMAPDSTARTTLS\\|POP3_STARTTLS\\)=.*/\\1=NO/" /etc/courier/imapd-ssl /etc/courier/pop3d-ssl
mkdir -p /run/courier/authdaemon && chown -R courier:courier /run/courier
/usr/sbin/authdaemond start
/usr/sbin/imapd start
/usr/sbin/pop3d start
exec sleep 3600
"""
)
_MAILUTILS = (
    _SYSTEM_USERS
    + """
cat >/etc/mailutils.conf <<END
program imap4d {
  server 127.0.0.1:$imap { };
}
program pop3d {
  server 127.0.0.1:$pop3 { };
}
END
/usr/sbin/pop3d --daemon=20 --foreground &
exec /usr/sbin/imap4d --daemon=20 --foreground
"""
)
_DOVECOT = (
    _SYSTEM_USERS
    + """
cat >/etc/dovecot/local.conf <<END
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
mail_max_userip_connections = 100
log_path = /var/log/neighbour.log
service imap-login {
  inet_listener imap {
    port = $imap
  }
}
service pop3-login {
  inet_listener pop3 {
    port = $pop3
  }
}
END
exec /usr/sbin/dovecot -F
"""
)


@dataclass(frozen=True)
class MailboxServer:
    """A running one. `put` lays mails into a user's empty inbox, as the server itself would have got them."""

    name: str
    root: Path
    imap: int
    pop3: int
    put: Callable[[MailboxServer, str, Sequence[bytes]], None]

    def inbox(self, user: str) -> list[bytes]:
        """What lies there, asked by IMAP without a mark."""
        with _signed_in(self, user) as client:
            client.select("INBOX", readonly=True)
            return _all(client)

    def folder(self, user: str, name: str) -> list[bytes]:
        with _signed_in(self, user) as client:
            said, _ = client.select(name, readonly=True)
            return _all(client) if said == "OK" else []

    def log(self) -> str:
        path = self.root / LOG
        return path.read_text(encoding="utf-8", errors="replace")[-4000:] if path.exists() else ""


def _put_by_imap(server: MailboxServer, user: str, mails: Sequence[bytes]) -> None:
    arrived_at = datetime.now(UTC) - timedelta(hours=1)
    with _signed_in(server, user) as client:
        for number, raw in enumerate(mails):
            client.append("INBOX", "", imaplib.Time2Internaldate(arrived_at + timedelta(seconds=number)), raw)


def _put_into_maildir(server: MailboxServer, user: str, mails: Sequence[bytes]) -> None:
    maildir = Path("/home") / user / "Maildir"
    for name in ("new", "cur", "tmp"):
        (server.root / maildir.relative_to("/") / name).mkdir(parents=True, exist_ok=True)
    for number, raw in enumerate(mails):
        path = server.root / maildir.relative_to("/") / "new" / f"{int(time.time())}.{number:06}.neighbour"
        path.write_bytes(raw.replace(b"\r\n", b"\n"))
    subprocess.run(["chroot", server.root, "chown", "-R", f"{user}:", maildir], check=True)


def _put_into_mbox(server: MailboxServer, user: str, mails: Sequence[bytes]) -> None:
    mbox = server.root / "var/mail" / user
    with open(mbox, "ab") as file:
        for raw in mails:
            lines = raw.replace(b"\r\n", b"\n").replace(b"\nFrom ", b"\n>From ")
            file.write(b"From sender@customer.example Mon Nov 30 10:00:00 2026\n" + lines + b"\n")
    subprocess.run(["chroot", server.root, "chown", f"{user}:mail", f"/var/mail/{user}"], check=True)


# name of the root: how it starts, how mail is put there
_SERVERS: dict[str, tuple[str, Callable[[MailboxServer, str, Sequence[bytes]], None]]] = {
    "cyrus": (_CYRUS, _put_by_imap),
    "courier": (_COURIER, _put_into_maildir),
    "mailutils": (_MAILUTILS, _put_into_mbox),
    "dovecot": (_DOVECOT, _put_into_maildir),
}
MAILBOX_SERVERS = tuple(_SERVERS)


@contextlib.contextmanager
def running(name: str, users: Sequence[str]) -> Iterator[MailboxServer]:
    script, put = _SERVERS[name]
    with fresh_root(name) as root:
        ports = free_ports("imap", "pop3")
        (root / LOG).touch()
        (root / LOG).chmod(0o666)
        arguments = [str(ports["imap"]), str(ports["pop3"]), *users]
        with inside(root, "sh", "-c", f"exec >>/{LOG} 2>&1\n{script}", "sh", *arguments) as process:
            server = MailboxServer(name, root, ports["imap"], ports["pop3"], put)
            _until_it_answers(server, process)
            yield server


def _until_it_answers(server: MailboxServer, process: subprocess.Popen[str]) -> None:
    ends = time.monotonic() + _PATIENCE
    waiting = {server.imap: b"* OK", server.pop3: b"+OK"}
    while waiting:
        for port, greeting in list(waiting.items()):
            with contextlib.suppress(OSError):
                with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                    if connection.recv(1000).startswith(greeting):
                        del waiting[port]
        if waiting and (process.poll() is not None or time.monotonic() > ends):
            raise RuntimeError(f"{server.name} does not start:\n{server.log()}")
        time.sleep(0.1)


@contextlib.contextmanager
def _signed_in(server: MailboxServer, user: str) -> Iterator[imaplib.IMAP4]:
    with imaplib.IMAP4("127.0.0.1", server.imap, timeout=60) as client:
        client.login(user, PASSWORD)
        yield client


def _all(client: imaplib.IMAP4) -> list[bytes]:
    _, found = client.uid("FETCH", "1:4294967295", "(BODY.PEEK[])")
    return [part[1] for part in found if isinstance(part, tuple)]
