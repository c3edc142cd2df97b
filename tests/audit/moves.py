"""Dishonest moves by name: the code they have to be found as, and what they do. `moves_*` register them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.domain.events import Event
from tests.audit.world import World

Move = Callable[[World], int]
"""Does something dishonest; the index at which it has to be found."""

MOVES: dict[str, tuple[str, Move]] = {}


def found_as(code: str) -> Callable[[Move], Move]:
    """Register a move under its own name."""

    def register(move: Move) -> Move:
        MOVES[move.__name__] = (code, move)
        return move

    return register


def pending(world: World, **changes: Any) -> str:
    """A request that waits."""
    request = world.ask(**changes)
    world.pass_time(minutes=5)
    return request


def running(world: World) -> str:
    """A request with a running grant."""
    request = pending(world)
    world.approve(request)
    world.pass_time(minutes=1)
    return request


def append(world: World, event: Event) -> int:
    """One entry as it is; its index."""
    return world.append(event)[0].index
