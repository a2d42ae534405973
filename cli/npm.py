"""Files of npm packages without npm: fetched from the registry that this machine uses, checked, never run.

The registry, its token and its certificates are those that npm would take (npmrc(5)), else it is the public one:
project files name none.
What was fetched is hashed before anything looks into it. Only the files asked for are read, into memory;
nothing of a package reaches the disk by a name of its own.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import ssl
import tarfile
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from packageurl.contrib import purl2url

SECONDS = 15  # for the connection and for each silence
MOST_FETCHED = 20 * 1024 * 1024  # bytes of a package
MOST_UNPACKED = 100 * 1024 * 1024


class PackageError(Exception):
    """A package cannot be had, or is not the one we know. The text is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Registry:
    """Where packages come from, from npm's public registry without a `url`.

    `authorization` is the header's value; `ca_file` counts beside the system's certificates.
    """

    url: str = ""
    authorization: str = ""
    ca_file: str = ""

    def __repr__(self) -> str:  # the value may hold a password
        return f"Registry({self.url})"

    def address(self, package: Package) -> str:
        """Of a package's archive: the one that npm derives as well when a lock file names none."""
        if not self.url:
            public: str = purl2url.get_download_url(f"pkg:npm/{package.name}@{package.version}")
            return public
        file = f"{package.name.rpartition('/')[2]}-{package.version}.tgz"
        return f"{self.url}/{package.name}/-/{file}"


@dataclass(frozen=True, slots=True)
class Package:
    """One package of the lock file. `integrity` is a W3C SRI value: one or more of `sha512-…`."""

    name: str
    version: str
    integrity: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def configured(npmrc: Iterable[Path], url: str = "", ca_file: str = "") -> Registry:
    """The registry of the files, the first of which counts most; `url` and `ca_file` count more than they."""
    settings: dict[str, str] = {}
    for path in npmrc:
        settings = _settings(path) | settings
    ca_file = ca_file or settings.get("cafile", "")
    url = (url or settings.get("registry", "")).rstrip("/")
    if not url:
        return Registry(ca_file=ca_file)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PackageError(
            "The npm registry that is configured here is no address that begins with https://."
        )
    place = parts.netloc.rpartition("@")[2]
    url = f"{parts.scheme}://{place}{parts.path}"
    authorization = ""
    if token := settings.get(f"//{place}{parts.path}/:_authToken"):
        authorization = f"Bearer {token}"
    elif basic := settings.get(f"//{place}{parts.path}/:_auth"):
        authorization = f"Basic {basic}"
    elif parts.username:
        pair = f"{parts.username}:{parts.password or ''}"
        authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return Registry(url, authorization, ca_file)


def locked(name: str, lock: Path) -> Package:
    """What the lock file (version 3) knows of a package."""
    entry = json.loads(lock.read_text(encoding="utf-8"))["packages"].get(f"node_modules/{name}")
    if not entry:
        raise PackageError(f"{lock.name} does not know the package {name}.")
    return Package(name, entry["version"], entry["integrity"])


def files(package: Package, names: Collection[str], registry: Registry) -> dict[str, bytes]:
    """The named files of a package, by their names. Raises PackageError; then nothing has been written."""
    archive = _download(package, registry)
    if not _is_known(archive, package.integrity):
        raise PackageError(
            f"{package} from {_host(registry.address(package))} is not the package that the lock file knows."
        )
    try:
        found = _unpack(archive, names)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise PackageError(f"{package} is no archive that can be read: {error}.") from error
    except PackageError as error:
        raise PackageError(f"{package} was refused: {error}") from error
    for missing in sorted(set(names) - set(found)):
        raise PackageError(f"{package} has no file {missing}.")
    return found


def _settings(npmrc: Path) -> dict[str, str]:
    """`key=value` lines; `;` and `#` begin a comment, `${NAME}` is a variable of the environment."""
    try:
        lines = npmrc.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    pairs = (line.partition("=") for line in lines if not line.lstrip().startswith((";", "#")))
    return {key.strip(): os.path.expandvars(value.strip().strip("\"'")) for key, _, value in pairs}


def _download(package: Package, registry: Registry) -> bytes:
    address = registry.address(package)
    request = Request(address, headers={"User-Agent": "poststelle"})
    if registry.authorization:  # for the host itself, not for where it may send us
        request.add_unredirected_header("Authorization", registry.authorization)
    try:
        opener = build_opener(_OnlyToHttps, HTTPSHandler(context=_trust(registry.ca_file)))
        with opener.open(request, timeout=SECONDS) as answer:
            content: bytes = answer.read(MOST_FETCHED + 1)
    except (OSError, HTTPException) as error:
        if isinstance(error, HTTPError):
            error.close()
        reason = getattr(error, "reason", "") or error
        raise PackageError(f"{package} could not be fetched from {_host(address)}: {reason}.") from error
    if len(content) > MOST_FETCHED:
        raise PackageError(f"{package} from {_host(address)} is larger than {MOST_FETCHED >> 20} MB.")
    return content


def _host(address: str) -> str:
    return urlsplit(address).netloc


class _OnlyToHttps(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).scheme != "https":
            fp.close()
            raise PackageError(f"{req.host} redirects to an address without https; it was not followed.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _trust(ca_file: str) -> ssl.SSLContext:
    """The system's certificates, or those of SSL_CERT_FILE, which OpenSSL reads itself, and `ca_file`."""
    context = ssl.create_default_context()
    if Path(ca_file).is_file():
        context.load_verify_locations(cafile=ca_file)
    elif ca_file:
        context.load_verify_locations(capath=ca_file)
    return context


def _is_known(archive: bytes, integrity: str) -> bool:
    """Whether a SHA-512 of the integrity value is the archive's; weaker hashes do not count."""
    return f"sha512-{base64.b64encode(hashlib.sha512(archive).digest()).decode()}" in integrity.split()


def _unpack(archive: bytes, names: Collection[str]) -> dict[str, bytes]:
    """All of a package stands below one folder, mostly `package/`; names are those below it."""
    found = {}
    room = MOST_UNPACKED
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts:
                raise PackageError("it holds a path that leads out of it.")
            room -= member.size
            if room < 0:
                raise PackageError(f"unpacked it is larger than {MOST_UNPACKED >> 20} MB.")
            name = "/".join(path.parts[1:])
            content = tar.extractfile(member) if member.isfile() and name in names else None
            if content:
                found[name] = content.read()
    return found
