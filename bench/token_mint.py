"""`token_mint`: approval tokens a second, each under a grant derived anew from the trail and told in it.

Beside it stands what no mint can do without: one row read and one ES256 signature by joserfc.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from app.actions import grants
from app.storage import grants as grant_rows
from app.tokens.clients import Caller
from app.tokens.jwt import sign
from bench.measure import Result, alternate
from bench.provider import new_key
from bench.server import run_server
from bench.world import Desk, build_services, code_of, populate

CALLERS = 8
SECONDS = 4
INSTITUTIONS = 16

Act = Callable[[int], Awaitable[Any]]


def run() -> Result:
    """Each caller mints for a request of an institution of its own, again and again."""
    with run_server() as server, tempfile.TemporaryDirectory(prefix="countersign-bench-") as folder:
        directory, jwk = Path(folder), new_key()
        cli = asyncio.run(populate(server.urls.app, directory, jwk, INSTITUTIONS))
        measured = partial(_measure, server.urls.app, directory, jwk, cli)
        return alternate(
            "token_mint",
            "tokens/s",
            lambda: uvloop.run(measured(mint=True)),
            lambda: uvloop.run(measured(mint=False)),
            "joserfc ES256 and one row read",
        )


async def _measure(url: str, directory: Path, jwk: dict[str, str], cli: str, *, mint: bool) -> float:
    services, edge = build_services(url, directory, jwk, CALLERS)
    caller = Caller("support-console", cli, frozenset({"tokens"}), frozenset({"*"}), frozenset())
    try:
        desks = [await Desk.open(services, edge, cli, code_of(number)) for number in range(CALLERS)]
        requests = [await desk.create_and_approve() for desk in desks]
        claims = {
            "iss": services.base_url,
            "aud": "a" * 60,
            "jti": "j" * 22,
            "details": ["d" * 300],
            "iat": 0,
            "exp": 9,
        }

        async def bare(number: int) -> None:
            async with services.database.look() as tx:
                await grant_rows.of_request(tx, code_of(number), requests[number])
            sign(services.ring, claims)

        async def whole(number: int) -> None:
            await grants.mint(services, caller, requests[number])

        return await _rate(whole if mint else bare, range(CALLERS))
    finally:
        await services.database.close()


async def _rate(act: Act, callers: Sequence[int]) -> float:
    began = time.perf_counter()

    async def keep_on(number: int) -> int:
        done = 0
        while time.perf_counter() < began + SECONDS:
            await act(number)
            done += 1
        return done

    counts = await asyncio.gather(*map(keep_on, callers))
    return sum(counts) / (time.perf_counter() - began)
