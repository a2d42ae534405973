"""The third-party scripts and styles of the pages: from a CDN with a hash, or from a copy of our own.

`assets.toml` is the only source of versions, addresses and hashes. Nothing of third parties is in git.
"""

from __future__ import annotations

import base64
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click
from flask import Flask, current_app, url_for
from flask.cli import AppGroup
from markupsafe import Markup

from blueprints.page import npm
from config import SettingsError

ROOT = Path(__file__).resolve().parents[2]

# Where npm's global configuration lies, by the way npm was installed.
GLOBAL_NPMRC = [Path("/usr/local/etc/npmrc"), Path("/usr/etc/npmrc"), Path("/etc/npmrc")]
# Who names further certificates; the first that is set counts.
CA_FILES = ["NPM_CONFIG_CAFILE", "npm_config_cafile", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "PIP_CERT"]

SCRIPT = Markup('<script src="{src}" defer></script>')
SCRIPT_CDN = Markup('<script src="{src}" integrity="{hash}" crossorigin="anonymous" defer></script>')
STYLE = Markup('<link rel="stylesheet" href="{src}">')
STYLE_CDN = Markup('<link rel="stylesheet" href="{src}" integrity="{hash}" crossorigin="anonymous">')


class AssetError(Exception):
    """A script or style is missing or not the one we know. The text is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of an npm package. `sha384` is base64, as in the integrity attribute (W3C SRI)."""

    name: str
    package: str
    version: str
    file: str
    sha384: str
    cdn: str

    @property
    def is_script(self) -> bool:
        return self.file.endswith(".js")

    @property
    def url(self) -> str:
        return f"{self.cdn}/{self.package}@{self.version}/{self.file}"

    @property
    def local(self) -> str:
        """Path below static/. The version is part of it: an old copy is a missing one, never a stale one."""
        return f"vendor/{self.name}-{self.version}{Path(self.file).suffix}"

    @property
    def integrity(self) -> str:
        return f"sha384-{self.sha384}"

    def matches(self, content: bytes) -> bool:
        return base64.b64encode(hashlib.sha384(content).digest()).decode() == self.sha384


def load(path: Path = ROOT / "assets.toml") -> dict[str, Asset]:
    """Read the table of assets, by name."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    cdn = table["cdn"].rstrip("/")
    return {name: Asset(name=name, cdn=cdn, **entry) for name, entry in table["files"].items()}


def fetch(assets: Mapping[str, Asset], lock: Path, registry: npm.Registry) -> dict[str, bytes]:
    """The contents of all assets by name: from their packages, else from where the pages would take them.

    Raises npm.PackageError.
    """
    if not registry.url:
        return {name: npm.download(name, asset.url, registry.ca_file) for name, asset in assets.items()}
    contents: dict[str, bytes] = {}
    for name in sorted({asset.package for asset in assets.values()}):
        wanted = [asset for asset in assets.values() if asset.package == name]
        found = npm.files(npm.locked(name, lock), {asset.file for asset in wanted}, registry)
        contents |= {asset.name: found[asset.file] for asset in wanted}
    return contents


def sync(assets: Mapping[str, Asset], contents: Mapping[str, bytes], static: Path) -> list[Path]:
    """Write each asset below `static`, after checking its hash.

    Nothing is written when one is wrong. Copies of other versions are removed. Raises AssetError.
    """
    for asset in assets.values():
        if not asset.matches(contents[asset.name]):
            raise AssetError(
                f"{asset.file} of {asset.package} is not the file that assets.toml knows: its SHA-384 differs."
            )
    copies = []
    for asset in assets.values():
        copy = static / asset.local
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(contents[asset.name])
        copies.append(copy)
    for old in set((static / "vendor").iterdir()) - set(copies):
        if old.suffix in (".js", ".css"):
            old.unlink()
    return copies


class Assets:
    """What the pages use: decided once, when the app is made. `mode` is auto, cdn or local."""

    def __init__(self, files: dict[str, Asset], static: Path, mode: str) -> None:
        self.files = files
        self.missing = (
            [] if mode == "cdn" else [file for file in files.values() if not _present(file, static)]
        )
        self.local = mode == "local" or (mode == "auto" and not self.missing)
        self.mode = mode

    def tag(self, name: str) -> Markup:
        """The script or link tag of one asset; `{{ asset("htmx") }}` in templates."""
        asset = self.files[name]
        if self.local:
            form = SCRIPT if asset.is_script else STYLE
            return form.format(src=url_for("static", filename=asset.local))
        form = SCRIPT_CDN if asset.is_script else STYLE_CDN
        return form.format(src=asset.url, hash=asset.integrity)

    @property
    def origins(self) -> tuple[str, ...]:
        """The foreign origins that the Content-Security-Policy must allow; none with local copies."""
        if self.local:
            return ()
        return tuple(sorted({"/".join(asset.cdn.split("/")[:3]) for asset in self.files.values()}))

    def check(self) -> None:
        """Raise SettingsError if local copies were asked for and are not there. For the start of `serve`."""
        if self.mode == "local" and self.missing:
            names = ", ".join(file.local for file in self.missing)
            raise SettingsError(
                f"POSTSTELLE_ASSETS is “local”, but static/ has no valid copy of {names}. "
                "Run “flask --app app assets sync”, or set it to “auto”."
            )


def _present(asset: Asset, static: Path) -> bool:
    try:
        return asset.matches((static / asset.local).read_bytes())
    except OSError:
        return False


def init_app(app: Flask, mode: str) -> None:
    """Give the templates `asset(name)`. The decision stands in `app.extensions["assets"]`."""
    assets = Assets(load(), Path(app.static_folder or ROOT / "static"), mode)
    app.extensions["assets"] = assets
    app.jinja_env.globals["asset"] = assets.tag


assets_cli = AppGroup("assets", help="Local copies of the browser's scripts and styles.")


@assets_cli.command("sync")
@click.option("--registry", envvar=["NPM_CONFIG_REGISTRY", "npm_config_registry"], default="")
@click.option("--userconfig", envvar=["NPM_CONFIG_USERCONFIG", "npm_config_userconfig"], default="")
@click.option("--globalconfig", envvar=["NPM_CONFIG_GLOBALCONFIG", "npm_config_globalconfig"], default="")
@click.option("--cafile", envvar=CA_FILES, default="")
def sync_command(registry: str, userconfig: str, globalconfig: str, cafile: str) -> None:
    """Fetch them to static/vendor, each checked against assets.toml: from the npm registry that this machine is
    configured for, else from the CDN.

    The options are those of npm and are read from its environment and its npmrc files as well.
    """
    files = load()
    npmrc = [
        ROOT / ".npmrc",
        Path(userconfig or Path.home() / ".npmrc"),
        *([Path(globalconfig)] if globalconfig else GLOBAL_NPMRC),
    ]
    try:
        contents = fetch(files, ROOT / "package-lock.json", npm.configured(npmrc, registry, cafile))
        copies = sync(files, contents, Path(current_app.static_folder or ROOT / "static"))
    except (AssetError, npm.PackageError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{len(copies)} files in static/vendor are the ones that assets.toml knows.")
