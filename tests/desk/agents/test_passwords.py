"""What a guess may cost us."""

from __future__ import annotations

import threading
import time

import pytest

from desk.agents import passwords


class Counting:
    """A hasher that notes how many work in it at once; each of the real ones takes 64 MiB."""

    def __init__(self) -> None:
        self.inside = self.most = 0
        self._lock = threading.Lock()

    def verify(self, password_hash: str, password: str) -> bool:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        time.sleep(0.02)
        with self._lock:
            self.inside -= 1
        return True

    def hash(self, password: str) -> str:
        return str(self.verify("", password))


def test_many_guesses_at_once_take_the_memory_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = Counting()
    monkeypatch.setattr(passwords, "_hasher", lambda: hasher)
    fits: list[bool] = []
    guesses = [
        threading.Thread(target=lambda: fits.append(passwords.password_fits("x", "y"))) for _ in range(12)
    ]
    guesses += [threading.Thread(target=lambda: passwords.hash_password("y")) for _ in range(4)]
    for guess in guesses:
        guess.start()
    for guess in guesses:
        guess.join(10)
    assert fits == [True] * 12
    assert hasher.most == passwords.AT_ONCE
