"""A real Dovecot (IMAP and POP3, plain with STARTTLS and TLS) on free loopback ports, for one test run."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

from imapclient.imap_utf7 import encode as encode_utf7

from tests.servers.ca import ServerCertificate
from tests.servers.ports import free_ports

PROGRAM = "/usr/sbin/dovecot"
PROTOCOLS = ("imap", "imaps", "pop3", "pop3s")


def is_installed() -> bool:
    return os.access(PROGRAM, os.X_OK)


@dataclass(frozen=True)
class Mailbox:
    """One user. Mail is put in and looked at in the Maildir itself, past the protocols."""

    dovecot: Dovecot
    user: str
    password: str

    def deliver(self, raw: bytes, flags: str = "", folder: str = "INBOX") -> None:
        self.dovecot.deliver(self.user, raw, flags, folder)

    def messages(self, folder: str = "INBOX") -> list[bytes]:
        return self.dovecot.messages(self.user, folder)

    def flags(self, folder: str = "INBOX") -> list[str]:
        return self.dovecot.flags(self.user, folder)

    def folders(self) -> set[str]:
        return self.dovecot.folders(self.user)


class Dovecot:
    """`capability` replaces what IMAP announces, for servers that can do less; `tls=False` has no TLS.

    `introspection`: the address that is asked about each token of XOAUTH2, which is the only way in then, and
    `authority` the path of who signed its certificate.
    """

    host = "localhost"

    def __init__(
        self,
        certificate: ServerCertificate,
        capability: str = "",
        tls: bool = True,
        trash: bool = True,
        introspection: str = "",
        authority: str = "",
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self.folder.chmod(0o755)  # as root, mail is read by another user
        self.ports: dict[str, int] = {}
        self._certificate, self._capability, self._tls, self._trash = certificate, capability, tls, trash
        self._introspection, self._authority = introspection, authority
        self._numbers = count(1)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def imap(self) -> int:
        return self.ports["imap"]

    @property
    def imaps(self) -> int:
        return self.ports["imaps"]

    @property
    def pop3(self) -> int:
        return self.ports["pop3"]

    @property
    def pop3s(self) -> int:
        return self.ports["pop3s"]

    def start(self) -> None:
        for name in ("run", "mail", "users"):
            (self.folder / name).mkdir(exist_ok=True)
        self.ports = free_ports(*PROTOCOLS)
        if self._introspection:
            shutil.copy(self._authority, self.folder / "authority.pem")  # where its own user can read it
        configuration = self.folder / "dovecot.conf"
        configuration.write_text(self._configuration(), encoding="utf-8")
        self._process = subprocess.Popen(
            [PROGRAM, "-F", "-c", configuration], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        ends = time.monotonic() + 20
        listening = [self.ports[name] for name in (PROTOCOLS if self._tls else ("imap", "pop3"))]
        while not all(map(_answers, listening)):
            if self._process.poll() is not None or time.monotonic() > ends:
                self.stop()
                raise RuntimeError(f"Dovecot does not start:\n{self.log()}")
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()  # a graceful end waits for clients, and nothing here is worth it
            self._process.wait(20)
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        path = self.folder / "dovecot.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def add_user(self, user: str = "", password: str = "secret") -> Mailbox:
        """A user with an empty INBOX. Without a name it is a fresh one."""
        user = user or f"user{next(self._numbers)}"
        for name in ("new", "cur", "tmp"):
            self._own(self._maildir(user) / name)
        # A file for each, since Dovecot looks at most once a second whether a file has changed.
        (self.folder / "users" / user).write_text(f"{user}:{{PLAIN}}{password}\n", encoding="utf-8")
        return Mailbox(self, user, password)

    def deliver(self, user: str, raw: bytes, flags: str = "", folder: str = "INBOX") -> None:
        """Put a mail into the Maildir: with flags (Maildir letters, for instance `S`) into cur."""
        maildir = self._maildir(user, folder)
        for name in ("new", "cur", "tmp"):
            self._own(maildir / name)
        # Seconds, then a number of fixed width: Dovecot gives out UIDs in the order of these names, and
        # takes the difference of the first numbers for a 32-bit one.
        name = f"{int(time.time())}.{next(self._numbers):09}.test"
        temporary = maildir / "tmp" / name
        temporary.write_bytes(raw)
        self._chown(temporary)
        temporary.rename(maildir / ("cur" if flags else "new") / (f"{name}:2,{flags}" if flags else name))

    def messages(self, user: str, folder: str = "INBOX") -> list[bytes]:
        """The raw mails that are in a folder, oldest first."""
        while True:
            with contextlib.suppress(FileNotFoundError):  # renamed (its flags changed) or deleted meanwhile
                return [path.read_bytes() for path in self._paths(user, folder)]

    def flags(self, user: str, folder: str = "INBOX") -> list[str]:
        """Their Maildir flags: S seen, T deleted, R answered, F flagged."""
        return [path.name.partition(":2,")[2] for path in self._paths(user, folder)]

    def folders(self, user: str) -> set[str]:
        """All folders but INBOX, `.` between the levels, as Maildir++ spells them (modified UTF-7)."""
        return {path.name[1:] for path in self._maildir(user).glob(".*") if path.is_dir()}

    def _paths(self, user: str, folder: str) -> list[Path]:
        maildir = self._maildir(user, folder)
        return sorted([*maildir.glob("new/*"), *maildir.glob("cur/*")], key=lambda path: path.name)

    def _maildir(self, user: str, folder: str = "INBOX") -> Path:
        root = self.folder / "mail" / user / "Maildir"
        return root if folder == "INBOX" else root / f".{encode_utf7(folder).decode('ascii')}"

    def _own(self, folder: Path) -> None:
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir()
            self._chown(path)

    def _chown(self, path: Path) -> None:
        if os.geteuid() == 0:
            shutil.chown(path, *_mail_owner())

    def _configuration(self) -> str:
        user, group = _mail_owner()
        is_root = os.geteuid() == 0
        differing = self._since_2_4() if _version() >= (2, 4) else self._before_2_4()
        trash = "mailbox Trash {\n    auto = create\n    special_use = \\Trash\n  }" if self._trash else ""
        return f"""
{differing}
base_dir = {self.folder}/run
state_dir = {self.folder}/run
log_path = {self.folder}/dovecot.log
protocols = imap pop3
listen = 127.0.0.1
ssl = {"yes" if self._tls else "no"}
auth_failure_delay = 0
auth_username_chars =
auth_mechanisms = {"xoauth2" if self._introspection else "plain login"}
default_internal_user = {"dovecot" if is_root else user}
default_internal_group = {"dovecot" if is_root else group}
default_login_user = {"dovenull" if is_root else user}
first_valid_uid = 1
first_valid_gid = 1
mail_uid = {user}
mail_gid = {group}
mail_max_userip_connections = 100
{f"protocol imap {{{chr(10)}  imap_capability = {self._capability}{chr(10)}}}" if self._capability else ""}
namespace inbox {{
  inbox = yes
  separator = .
  {trash}
}}
service anvil {{
  chroot =
  # A wrong password would make the whole machine wait at its next sign-in.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
{self._login_service("imap")}
{self._login_service("pop3")}
"""

    def _login_service(self, protocol: str) -> str:
        """One process serves all connections of a protocol."""
        without_end = "restart_request_count = unlimited" if _version() >= (2, 4) else "service_count = 0"
        return f"""
service {protocol}-login {{
  chroot =
  {without_end}
  inet_listener {protocol} {{
    port = {self.ports[protocol]}
    ssl = no
  }}
  inet_listener {protocol}s {{
    port = {self.ports[f"{protocol}s"]}
    ssl = yes
  }}
}}"""

    def _before_2_4(self) -> str:
        if self._introspection:
            (self.folder / "oauth2.conf").write_text(
                f"introspection_mode = post\nintrospection_url = {self._introspection}\n"
                f"tls_ca_cert_file = {self.folder}/authority.pem\nusername_attribute = username\n"
                "active_attribute = active\nactive_value = true\n",
                encoding="utf-8",
            )
            passdb = f"driver = oauth2\n  mechanisms = xoauth2\n  args = {self.folder}/oauth2.conf"
        else:
            passdb = f"driver = passwd-file\n  args = scheme=PLAIN username_format=%u {self.folder}/users/%u"
        return f"""
ssl_cert = <{self._certificate.certificate}
ssl_key = <{self._certificate.key}
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
passdb {{
  {passdb}
}}
userdb {{
  driver = static
  args = home={self.folder}/mail/%u
}}"""

    def _since_2_4(self) -> str:
        if self._introspection:
            passdb = f"""
ssl_client_ca_file = {self.folder}/authority.pem
oauth2 {{
  introspection_mode = post
  introspection_url = {self._introspection}
  username_attribute = username
  active_attribute = active
  active_value = true
}}"""
        else:
            passdb = f"""
passdb passwd-file {{
  passwd_file_path = {self.folder}/users/%{{user}}
  default_password_scheme = PLAIN
}}"""
        # The versions come first in the file.
        return f"""
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
ssl_server_cert_file = {self._certificate.certificate}
ssl_server_key_file = {self._certificate.key}
auth_allow_cleartext = yes
mail_driver = maildir
mail_path = ~/Maildir
{passdb}
userdb static {{
  fields {{
    home = {self.folder}/mail/%{{user}}
  }}
}}"""


@cache
def _version() -> tuple[int, int]:
    """Since 2.4 Dovecot understands no configuration of 2.3, nor the other way round."""
    said = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = said.split(".")[:2]
    return int(major), int(minor)


def _mail_owner() -> tuple[str, str]:
    """Dovecot refuses to read mail as root."""
    if os.geteuid() == 0:
        return "mail", "mail"
    entry = pwd.getpwuid(os.geteuid())
    return entry.pw_name, grp.getgrgid(entry.pw_gid).gr_name


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
