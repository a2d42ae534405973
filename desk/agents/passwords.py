"""Passwords: argon2id, and the same work for a guess at an account that does not exist."""

from __future__ import annotations

from base64 import b64encode
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from desk.office import office

SHORTEST = 10
AT_ONCE = (
    2  # passwords that are hashed; further ones wait, since guesses of strangers must not take our memory
)
LONGEST = 1000  # in characters; nobody types more, and hashing must stay cheap

_HASHER = PasswordHasher()  # the library's parameters follow RFC 9106
_turns = BoundedSemaphore(AT_ONCE)
_TEST_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def hash_password(password: str) -> str:
    """The argon2id hash in PHC form. Takes about 0.1 s and 64 MiB: never inside a transaction."""
    with _turns:
        return _hasher().hash(password)


def password_fits(password_hash: str, password: str) -> bool:
    """Whether the password belongs to the hash; an empty hash takes as long and never fits."""
    try:
        with _turns:
            return _hasher().verify(password_hash or _hash_of_nobody(), password) and bool(password_hash)
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(password_hash: str) -> bool:
    """Whether it was made with weaker parameters than today's."""
    return _hasher().check_needs_rehash(password_hash)


def _hasher() -> PasswordHasher:
    return _TEST_HASHER if office().settings.testing else _HASHER


def _hash_of_nobody() -> str:
    """A hash in our parameters that no password has: its digest is all zeros."""
    hasher = _hasher()
    salt, digest = (
        b64encode(bytes(length)).decode().rstrip("=") for length in (hasher.salt_len, hasher.hash_len)
    )
    return (
        f"$argon2id$v=19$m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}${salt}${digest}"
    )
