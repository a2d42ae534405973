"""A root file system for each neighbour: a bare Debian with the packages of one server, kept in a folder of the user.

They exclude each other as packages, and nothing of them comes onto this machine. POSTSTELLE_ROOTS names another
folder than ~/.cache/poststelle/roots, RELEASE another Debian than bookworm.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.servers.bare_debian import build, inside, pack, reach_the_network, say, unpack

PACKAGES = {
    "exim": ["exim4-daemon-light"],
    "postfix": ["postfix"],
    "cyrus": ["cyrus-imapd", "cyrus-pop3d", "sasl2-bin"],
    "courier": ["courier-imap", "courier-pop", "courier-authlib-userdb", "maildrop"],
    "mailutils": ["mailutils-imap4d", "mailutils-pop3d"],
    "dovecot": ["dovecot-imapd", "dovecot-pop3d"],
}

# No service may start while it is installed; nobody is there to answer questions.
INSTALL = """
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d &&
export DEBIAN_FRONTEND=noninteractive &&
apt-get update -q && apt-get install -q -y --no-install-recommends "$@" && apt-get clean
"""


def folder() -> Path:
    return Path(os.environ.get("POSTSTELLE_ROOTS") or Path.home() / ".cache/poststelle/roots")


@contextlib.contextmanager
def fresh_root(name: str) -> Iterator[Path]:
    """A copy for one run, with everything that the server keeps in it; removed at the end."""
    archive = _archive(name)
    with tempfile.TemporaryDirectory(prefix=f"poststelle-{name}-", dir="/var/tmp") as where:
        root = Path(where).resolve() / "root"
        unpack(archive, root)
        yield root


def _archive(name: str) -> Path:
    release = os.environ.get("RELEASE") or "bookworm"
    archive = folder() / f"{release}-{name}.tar"
    if archive.exists():
        return archive
    bare = folder() / f"{release}.tar"
    if not bare.exists():
        build(release, bare, ["ca-certificates"])
    say(f"Installing {' '.join(PACKAGES[name])} in a root of their own; this happens once")
    with tempfile.TemporaryDirectory(prefix=f"poststelle-{name}-", dir="/var/tmp") as where:
        root = Path(where).resolve() / "root"
        unpack(bare, root)
        reach_the_network(root)
        with inside(root, "sh", "-c", INSTALL, "sh", *PACKAGES[name]) as process:
            said, _ = process.communicate()
        if process.returncode:
            sys.exit(f"{said[-3000:]}\n{name} could not be installed.")
        subprocess.run(["rm", "-rf", root / "var/lib/apt/lists"], check=True)
        pack(root, archive)
    return archive
