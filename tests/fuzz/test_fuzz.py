"""Bad input has one clear error: everything in the corpus, and what is near it."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from random import Random

import pytest

from tests.counts import times
from tests.fuzz.mutate import mutated
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
MEMORY = 64 << 20
_SLOW = {"bundle", "member", "line"}


def corpus(name: str) -> tuple[bytes, ...]:
    """What is kept for a target, and good input of its kind."""
    folder = CORPUS / name
    kept = sorted(folder.iterdir()) if folder.is_dir() else []
    return (*(each.read_bytes() for each in kept), *seeds()[name])


def test_every_target_has_good_input() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} <= TARGETS.keys()
    assert TARGETS.keys() == {name for name, good in seeds().items() if good}


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_kept_and_what_is_near_it_is_refused_in_one_way(name: str) -> None:
    target, kept = TARGETS[name], corpus(name)
    for data in (b"", b"\0", *kept):
        target(data)
    chance = Random(name)
    for _ in range(times(25, 2000) if name in _SLOW else times(500, 50_000)):
        target(mutated(chance, chance.choice(kept), kept))


@pytest.mark.parametrize("name", TARGETS)
def test_bad_input_takes_little_memory(name: str) -> None:
    """A few hundred kilobytes of the worst kinds of input, never more than a bounded multiple of it."""
    target = TARGETS[name]
    good = corpus(name)[-1]
    target(good)  # what is made once is not counted
    tracemalloc.start()
    try:
        for bad in (b"[" * 300_000, b"\n" * 300_000, b"a: b\n" * 60_000, b"\xff" * 300_000, good[:40] * 5_000):
            target(bad)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
