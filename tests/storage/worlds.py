"""A trail to append to, and events that the catalogue allows anywhere."""

from __future__ import annotations

from datetime import UTC, datetime

from app.domain.events import WORKER, Actor, Event
from app.domain.ids import encode
from app.storage import leaves
from app.storage.database import Database

CODE = "01EXU_INST"
ORIGIN = "countersign.example/01EXU_INST"
CLIENT = Actor("client", encode("cli", 1))


async def open_trail(database: Database, code: str = CODE) -> None:
    """An empty log."""
    async with database.begin() as tx:
        await leaves.open_log(tx, code, f"countersign.example/{code}")


def refusal(count: int = 1, code: str = CODE) -> Event:
    """A refused request: with a private part, about no request."""
    data = {"account": "exl_impl", "environment": None, "problem": "environment-unknown", "count": count}
    return Event("request.refused", code, CLIENT, data, {"engineer_id": "e1234"})


def reminder(request: str, n: int = 1) -> Event:
    """An event of a request, without a private part."""
    return Event("request.reminded", request, WORKER, {"n": n, "to": []})


def at(second: int = 0) -> datetime:
    """An instant, by its second."""
    return datetime.fromtimestamp(1_795_000_020 + second, UTC)
