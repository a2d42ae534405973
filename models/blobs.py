"""Content-addressed files under the data folder: raw mail and attachments.

A blob is on the disk, file and folder, before `put` returns; only then may a row point to it. They lie in
256 folders: with a folder for nearly every blob, as in older stores, making folders took longer than writing.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, TypeVar

Thing = TypeVar("Thing")


TOGETHER = 64  # files on their way to the disk at once; each holds a handle
THREADS = 4  # a disk brings several files to safety in the time of one


class BlobStore:
    def __init__(self, root: Path) -> None:
        self.root = root
        self._safe_folders: set[Path] = set()  # known to be on the disk

    def put(self, data: bytes) -> str:
        """Store bytes durably and answer their SHA-256 in hex. The same bytes are stored once."""
        return self.put_all([data])[0]

    def put_all(self, contents: Sequence[bytes]) -> list[str]:
        """As `put`, for several at once: they are brought to the disk together, which is much faster.

        When it raises, none of them is promised; those that were stored are found again by the next try.
        """
        digests = [hashlib.sha256(data).hexdigest() for data in contents]
        unique = list(dict(zip(digests, contents, strict=True)).items())
        for start in range(0, len(unique), TOGETHER):
            self._store(unique[start : start + TOGETHER])
        return digests

    def _store(self, contents: Sequence[tuple[str, bytes]]) -> None:
        paths = {digest: self._path(digest) for digest, _ in contents}
        folders = dict.fromkeys(path.parent for path in paths.values())
        for folder in folders:
            self._make(folder)
        # Written beside its place and renamed: a reader never sees half a file.
        written: list[tuple[Path, Path]] = []
        handles: list[int] = []
        try:
            for digest, data in contents:
                path = paths[digest]
                if _complete(path, len(data)):
                    continue  # who put it there a moment ago may not have come as far as the folder
                temporary = path.with_name(f".{digest[:16]}.{secrets.token_hex(8)}")
                written.append((temporary, path))
                handles.append(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
                with open(handles[-1], "wb", closefd=False) as file:
                    file.write(data)
            _each(os.fsync, handles)
            for temporary, path in written:
                os.replace(temporary, path)
        except BaseException:
            for temporary, _ in written:
                temporary.unlink(missing_ok=True)
            raise
        finally:
            for handle in handles:
                os.close(handle)
        _each(_sync_folder, list(folders))

    def _make(self, folder: Path) -> None:
        """A folder and those above it, in their folders on the disk; asked of the disk once per process."""
        if folder in self._safe_folders and folder.exists():
            return
        if folder != self.root:
            self._make(folder.parent)
        folder.mkdir(mode=0o700, parents=folder == self.root, exist_ok=True)
        _sync_folder(folder.parent)
        self._safe_folders.add(folder)

    def get(self, digest: str) -> bytes:
        """The bytes. Raises FileNotFoundError where a restore forgot the blobs."""
        return self._path(digest).read_bytes()

    def has(self, digest: str) -> bool:
        return self._path(digest).is_file()

    def open(self, digest: str) -> BinaryIO:
        return open(self._path(digest), "rb")

    def forget(self, digest: str) -> None:
        """Remove bytes that must not stay; not an error if they are gone."""
        self._path(digest).unlink(missing_ok=True)

    def forget_unused(self, digest: str, seconds: float = 3600.0) -> bool:
        """Remove bytes that nobody refers to, unless somebody put them here again within the last hour.

        Who puts bytes that are here already refers to them only a moment later, so that moment has to count.
        They are moved aside first: a `put` after that finds nothing and writes them anew.
        """
        path = self._path(digest)
        aside = path.with_name(f".{digest[:16]}.{secrets.token_hex(8)}")
        try:
            if time.time() - path.stat().st_mtime < seconds:
                return False
            os.replace(path, aside)
        except FileNotFoundError:
            return True
        if time.time() - aside.stat().st_mtime < seconds:  # put just between the two
            os.replace(aside, path)
            return False
        aside.unlink()
        return True

    def _path(self, digest: str) -> Path:
        if len(digest) != 64 or not digest.isalnum():
            raise ValueError("not a digest")
        path = self.root / digest[:2] / digest
        older = self.root / digest[:2] / digest[2:4] / digest
        return older if not path.exists() and older.exists() else path


def _complete(path: Path, size: int) -> bool:
    """Whether these bytes are here. If so they are in use from now on (see `forget_unused`)."""
    try:
        if path.stat().st_size != size:
            return False
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def _each(sync: Callable[[Thing], None], things: Sequence[Thing]) -> None:
    if len(things) < THREADS:
        for thing in things:
            sync(thing)
        return
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(sync, things))  # raises what one of them raised


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
