"""The key of the house: encrypts secrets at rest and signs sessions. It lives beside the database, not in it."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from config import SettingsError


def load_keys(data: Path, from_environment: tuple[str, ...]) -> tuple[str, ...]:
    """The encryption keys, newest first: from the environment, else from `secret.key`, made when missing.

    Raises SettingsError with a sentence when a key is no key or the file cannot be made.
    """
    keys = from_environment or _from_file(data / "secret.key")
    try:
        cipher(keys)
    except ValueError as error:
        raise SettingsError(
            "The encryption key is not valid: it must be 32 bytes in URL-safe base64 "
            "(POSTSTELLE_ENCRYPTION_KEY, or the file secret.key in the data folder)."
        ) from error
    return keys


def cipher(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key.encode()) for key in keys])


def derive(keys: tuple[str, ...], purpose: str) -> bytes:
    """32 bytes for one purpose, so that no key serves two."""
    return HKDF(SHA256(), 32, salt=None, info=purpose.encode()).derive(keys[0].encode())


def _from_file(path: Path) -> tuple[str, ...]:
    try:
        if not path.exists():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(Fernet.generate_key() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        return tuple(path.read_text(encoding="ascii").split())
    except FileExistsError:
        return tuple(path.read_text(encoding="ascii").split())
    except OSError as error:
        raise SettingsError(f"The key file {path} cannot be used: {error.strerror}.") from error
