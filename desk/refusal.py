"""What a verb of the desk raises when a person asked for something that is not done."""

from __future__ import annotations

from collections.abc import Mapping


class Refusal(Exception):
    """It was not done, and nothing was changed. `code` is stable; the labels have the words.

    `field` names what is wrong in a form, or is empty; `words` are somebody else's own: what was typed, or
    what a server said.
    """

    def __init__(self, code: str = "", field: str = "", words: str = "") -> None:
        super().__init__(code, field, words)
        self.code, self.field, self.words = code, field, words


class Invalid(Refusal):
    """A form that cannot be saved. `errors` maps each field that is wrong to a code, all of them at once."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(", ".join(f"{name}: {code}" for name, code in errors.items()))
        self.errors = dict(errors)
