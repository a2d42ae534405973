"""A Debian of its own in a folder: made by debootstrap, kept as an archive, entered by chroot. Needs root.

For what cannot live on this machine beside the rest: the proof on a bare system (`.ci/fresh-proof`), and the
mail servers that exclude each other (`make neighbours`). Only the standard library, since that proof has no more.
Of this machine a system gets only how to reach the network. Mounts and processes are in namespaces of each
command and end with it, whatever happens.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# How this machine reaches package registries: variables and files, of whichever there are.
VARIABLES = re.compile(
    r"(?i)^(pip_\w+|npm_config_\w+|(https?|no|all)_proxy|ssl_cert_(file|dir)|requests_ca_bundle"
    r"|curl_ca_bundle|node_extra_ca_certs)$"
)
FILES = [
    "etc/hosts",
    "etc/resolv.conf",
    "etc/pip.conf",
    "etc/xdg/pip",
    "etc/npmrc",
    "usr/etc/npmrc",
    "usr/local/etc/npmrc",
    "etc/apt/auth.conf",
    "etc/apt/auth.conf.d",
    "root/.npmrc",
    "root/.pip",
    "root/.config/pip",
    "usr/local/share/ca-certificates",
]
APT_SETTINGS = re.compile(r"Acquire::(https?|Retries|Check-)")

# Mounts and processes of their own, which end when the first process does.
APART = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
MOUNTS = """
mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm" &&
mount -t tmpfs -o mode=755 tmpfs "$1/run" && mount -t sysfs -o ro sysfs "$1/sys" || exit 125
mount --rbind /sys/fs/cgroup "$1/sys/fs/cgroup"  # for the tests that limit the memory
root=$1; shift
chroot "$root" "$@"
"""


def say(text: str) -> None:
    print(f"=== {text}", flush=True)


def build(release: str, bare: Path, include: Sequence[str]) -> None:
    """Make the system with debootstrap and keep it as an archive, which is there whole or not at all."""
    mirror = os.environ.get("MIRROR") or own_mirror()
    say(f"Making a bare Debian {release}{f' from {mirror}' if mirror else ''}; this happens once")
    with tempfile.TemporaryDirectory(prefix="poststelle-fresh-", dir="/var/tmp") as folder:
        command = [*APART, "debootstrap", "--variant=minbase", f"--include={','.join(include)}", release]
        command += [f"{folder}/root", *([mirror] if mirror else [])]
        started = time.monotonic()
        done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            sys.exit(f"{done.stdout[-2000:]}\nThe bare Debian could not be made.")
        pack(Path(folder) / "root", bare)
    print(f"made in {time.monotonic() - started:.0f} s", flush=True)


def pack(root: Path, archive: Path) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    part = archive.with_suffix(".part")
    subprocess.run(["tar", "-cf", part, "--numeric-owner", "-C", root, "."], check=True)
    part.rename(archive)


def unpack(archive: Path, root: Path) -> None:
    root.mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", root, "--numeric-owner"], check=True)


def own_mirror() -> str:
    """Where this machine, if it is a Debian, has its own packages from; otherwise debootstrap knows best."""
    system = platform_release()
    if system.get("ID") != "debian" or not shutil.which("apt-get"):
        return ""
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
    ).stdout
    pairs = [line.split() for line in targets.splitlines()]
    return next((uri for release, uri in pairs if release == system.get("VERSION_CODENAME")), "")


def platform_release() -> dict[str, str]:
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    return {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}


def reach_the_network(root: Path) -> None:
    for file in FILES:
        source, target = Path("/") / file, root / file
        if not source.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            target.unlink(missing_ok=True)
            shutil.copy(source, target)
    dump = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True).stdout
    settings = [line for line in dump.splitlines() if APT_SETTINGS.match(line)]
    (root / "etc/apt/apt.conf.d/99network").write_text("\n".join([*settings, ""]), encoding="utf-8")


@contextmanager
def inside(root: Path, *command: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """A command in the system, with mounts and processes that end with it; its output is read by us."""
    environment = {
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "TERM": "dumb",
        **{name: value for name, value in os.environ.items() if VARIABLES.match(name)},
        **variables,
    }
    process = subprocess.Popen(
        [*APART, "sh", "-c", MOUNTS, "sh", str(root), *command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        while any(under(root)):  # the namespace is torn down a moment after its first process
            time.sleep(0.1)


def under(root: Path) -> Iterator[int]:
    """The processes whose root is that system."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "root") == str(root):
                yield int(entry.name)
        except OSError:  # it has ended meanwhile
            continue
