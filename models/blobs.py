"""Content-addressed files under the data folder: raw mail and attachments.

A blob is on the disk, file and folder, before `put` returns; only then may a row point to it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path
from typing import BinaryIO


class BlobStore:
    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, data: bytes) -> str:
        """Store bytes durably and answer their SHA-256 in hex. The same bytes are stored once."""
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        if self._complete(path, len(data)):
            _sync_folder(path.parent)  # who put it there a moment ago may not have come so far
            return digest
        for folder in (path.parent.parent, path.parent):
            if not folder.exists():
                folder.mkdir(parents=True, exist_ok=True)
                _sync_folder(folder.parent)
        # Written beside its place and renamed: a reader never sees half a file.
        temporary = path.with_name(f".{digest[:16]}.{secrets.token_hex(8)}")
        try:
            with open(temporary, "xb", opener=_private) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes. Raises FileNotFoundError where a restore forgot the blobs."""
        return self._path(digest).read_bytes()

    def open(self, digest: str) -> BinaryIO:
        return open(self._path(digest), "rb")

    def forget(self, digest: str) -> None:
        """Remove bytes that must not stay; not an error if they are gone."""
        self._path(digest).unlink(missing_ok=True)

    def _complete(self, path: Path, size: int) -> bool:
        try:
            return path.stat().st_size == size
        except FileNotFoundError:
            return False

    def _path(self, digest: str) -> Path:
        if len(digest) != 64 or not digest.isalnum():
            raise ValueError("not a digest")
        return self.root / digest[:2] / digest[2:4] / digest


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
