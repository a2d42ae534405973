"""The third-party scripts and styles of the pages: from a CDN with a hash, or from a copy of our own.

`assets.toml` is the only source of versions, addresses and hashes. Nothing of third parties is in git.
"""

from __future__ import annotations

import base64
import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from flask import Flask, url_for
from markupsafe import Markup

from config import SettingsError

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = Markup('<script src="{src}" defer></script>')
SCRIPT_CDN = Markup('<script src="{src}" integrity="{hash}" crossorigin="anonymous" defer></script>')
STYLE = Markup('<link rel="stylesheet" href="{src}">')
STYLE_CDN = Markup('<link rel="stylesheet" href="{src}" integrity="{hash}" crossorigin="anonymous">')


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

    def sources(self, scripts: bool) -> tuple[str, ...]:
        """The foreign files that the Content-Security-Policy must allow, each by its whole address; of local
        copies none. The CDN's host would allow whatever anybody publishes there."""
        if self.local:
            return ()
        return tuple(sorted(asset.url for asset in self.files.values() if asset.is_script == scripts))

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
