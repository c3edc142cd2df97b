"""What a verification says: findings, each with the entry it is about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that the rules, the hashes or the signatures do not allow.

    `index` is the entry's, or null where no entry can be named; `code` a stable slug; `words` for people.
    """

    index: int | None
    code: str
    words: str


class Fault(Exception):
    """One check failed; whoever asked turns it into a finding. `code` and `words` as there."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(f"{code}: {words}")
        self.code = code
        self.words = words
