"""The blob store: durable before it answers, each content once, never half a file."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest

from models import blobs
from models.blobs import BlobStore

DATA = b"From: carol@customer.example\r\n\r\nHello"
DIGEST = sha256(DATA).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def files(store: BlobStore) -> list[Path]:
    return [path for path in store.root.rglob("*") if path.is_file()]


def test_bytes_come_back_under_their_digest_and_are_for_us_alone(store: BlobStore) -> None:
    assert store.put(DATA) == DIGEST
    assert store.get(DIGEST) == DATA
    with store.open(DIGEST) as file:
        assert file.read() == DATA
    (path,) = files(store)
    assert (path.name, path.stat().st_mode & 0o777) == (DIGEST, 0o600)


@pytest.mark.parametrize(
    "data", [b"", b"\0\r\n\n\r", bytes(range(256)) * 5000], ids=["empty", "nul", "large"]
)
def test_every_byte_is_kept(store: BlobStore, data: bytes) -> None:
    assert store.get(store.put(data)) == data


def test_the_same_bytes_are_stored_once(store: BlobStore) -> None:
    store.put(DATA)
    first = files(store)[0].stat().st_ino
    assert store.put(DATA) == DIGEST
    assert [path.stat().st_ino for path in files(store)] == [first]


def test_file_and_folder_are_on_the_disk_before_put_returns(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order matters: a file that is renamed before it is synced may be empty after a power cut."""
    steps: list[str] = []
    real_sync, real_replace = os.fsync, os.replace

    def sync(handle: int) -> None:
        steps.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")
        real_sync(handle)

    def replace(source: Path, target: Path) -> None:
        steps.append("rename")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", replace)
    store.put(DATA)
    assert steps[-3:] == ["file", "rename", "folder"]
    steps.clear()
    # Another thread may have renamed it a moment ago: who relies on it makes sure of the folder too.
    store.put(DATA)
    assert steps == ["folder"]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_failing_disk_leaves_no_half_file_and_the_next_try_works(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    store.put(b"the folders are there")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(blobs.os, broken, fail)
        store.put(DATA)
    assert len(files(store)) == 1
    assert store.get(store.put(DATA)) == DATA


def test_blobs_of_an_older_store_are_found_where_they_lie(store: BlobStore) -> None:
    older = store.root / DIGEST[:2] / DIGEST[2:4] / DIGEST
    older.parent.mkdir(parents=True)
    older.write_bytes(DATA)
    assert (store.put(DATA), store.get(DIGEST), files(store)) == (DIGEST, DATA, [older])
    store.forget(DIGEST)
    assert files(store) == []
    store.put(DATA)
    assert files(store) == [store.root / DIGEST[:2] / DIGEST]


def test_many_are_stored_together_each_once(store: BlobStore) -> None:
    contents = [f"mail {number % 100}".encode() for number in range(150)]
    digests = store.put_all(contents)
    assert [store.get(digest) for digest in digests] == contents
    assert len(files(store)) == 100


def test_half_a_file_of_old_is_written_again(store: BlobStore) -> None:
    """What a crash of the machine, or a restore, may have cut."""
    store.put(DATA)
    files(store)[0].write_bytes(DATA[:5])
    assert store.get(store.put(DATA)) == DATA


def test_what_is_missing_says_so(store: BlobStore) -> None:
    with pytest.raises(FileNotFoundError):
        store.get(DIGEST)


@pytest.mark.parametrize("digest", ["", "../../../../etc/passwd", f"../{'a' * 61}", "a" * 63, "a" * 65])
def test_only_a_digest_leads_to_a_file(store: BlobStore, digest: str) -> None:
    with pytest.raises(ValueError, match="digest"):
        store.get(digest)
