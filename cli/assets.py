"""Copies of the browser's scripts and styles of our own: fetched, checked, and put where the pages take them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click
from flask import current_app
from flask.cli import AppGroup

from blueprints.page.assets import ROOT, Asset, load
from cli import npm

# Where npm's global configuration lies, by the way npm was installed.
GLOBAL_NPMRC = [Path("/usr/local/etc/npmrc"), Path("/usr/etc/npmrc"), Path("/etc/npmrc")]
# Who names further certificates; the first that is set counts.
CA_FILES = ["NPM_CONFIG_CAFILE", "npm_config_cafile", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "PIP_CERT"]


class AssetError(Exception):
    """A script or style is missing or not the one we know. The text is a sentence for the operator."""


def fetch(assets: Mapping[str, Asset], lock: Path, registry: npm.Registry) -> dict[str, bytes]:
    """The contents of all assets by name, from their packages. Raises npm.PackageError."""
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


assets_cli = AppGroup("assets", help="Local copies of the browser's scripts and styles.")


@assets_cli.command("sync")
@click.option("--registry", envvar=["NPM_CONFIG_REGISTRY", "npm_config_registry"], default="")
@click.option("--userconfig", envvar=["NPM_CONFIG_USERCONFIG", "npm_config_userconfig"], default="")
@click.option("--globalconfig", envvar=["NPM_CONFIG_GLOBALCONFIG", "npm_config_globalconfig"], default="")
@click.option("--cafile", envvar=CA_FILES, default="")
def sync_command(registry: str, userconfig: str, globalconfig: str, cafile: str) -> None:
    """Fetch them to static/vendor, each checked against assets.toml: from the npm registry that this machine is
    configured for, else from the public one.

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
