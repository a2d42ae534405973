"""The test suite of RFC 7208, as the archive of pyspf carries it: fetched when a test needs it, never committed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

NAME = "pyspf-2.0.14"
SHA256 = "57a7ef01bda090173aafb6af0106251686ed73f03db4e911fcd34c57fc347186"
CACHE = Path(__file__).resolve().parents[2] / ".cache"
LONGEST = 1_000_000  # octets of the suite, unpacked
PATIENCE = 90  # seconds

Zone = dict[str, list[Any]]


def suite() -> dict[str, dict[str, Any]]:
    """The sections by their title, each with `tests` and `zonedata`. Skips without a network, but not on CI."""
    archive, failure = fetched()
    if archive is None:
        reason = f"the test suite of RFC 7208 could not be downloaded: {failure}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return _sections(archive)


@cache
def fetched() -> tuple[Path | None, str]:
    """The archive, or why there is none; tried once."""
    try:
        return _archive(), ""
    except (subprocess.SubprocessError, OSError) as error:
        words = str(getattr(error, "stderr", None) or error).strip().splitlines()
        return None, words[-1] if words else ""


@cache
def _sections(archive: Path) -> dict[str, dict[str, Any]]:
    with tarfile.open(archive) as opened:
        file = opened.extractfile(f"{NAME}/test/rfc7208-tests.yml")
        assert file is not None
        text = file.read(LONGEST + 1)
    assert len(text) <= LONGEST
    return {section["description"]: section for section in yaml.safe_load_all(text)}


def zone_of(section: dict[str, Any]) -> Zone:
    """The records by lower-case name, as (type, value). Records of the old type SPF stand for TXT where there are
    none of those, as the suite wants it; what is TIMEOUT there is it here."""
    zone: Zone = {}
    for name, written in section["zonedata"].items():
        records = [next(iter(one.items())) if isinstance(one, dict) else (one, None) for one in written]
        kinds = {kind for kind, _ in records}
        zone[name.lower()] = [
            ("TXT" if kind == "SPF" and "TXT" not in kinds else kind, value)
            for kind, value in records
            if kind != "SPF" or "TXT" not in kinds
        ]
    return zone


def _archive() -> Path:
    """From the cache, or by pip, which checks the digest before it looks inside."""
    kept = CACHE / f"{NAME}.tar.gz"
    if not kept.exists():
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            wanted = Path(folder) / "wanted.txt"
            wanted.write_text(f"{NAME.replace('-', '==')} --hash=sha256:{SHA256}\n")
            subprocess.run(
                [
                    *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
                    *("--no-input", "--no-deps", "--no-binary=:all:", "--require-hashes"),
                    *("--dest", folder, "-r", wanted),
                ],
                check=True, capture_output=True, text=True, timeout=PATIENCE,
            )  # fmt: skip
            (Path(folder) / kept.name).replace(kept)
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == SHA256, f"{kept} is not what was downloaded once"
    return kept
