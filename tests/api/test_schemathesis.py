"""Whatever the description lets anybody send, and much that it does not: no fault, and answers as described.

Schemathesis makes the calls from the description that the service itself serves, over a real socket, as a client that
has every scope.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.core.result import Ok

from app.tokens.clients import SCOPES
from tests.actions.worlds import run_world
from tests.api.conftest import asked, calling
from tests.api.replicas import serving
from tests.counts import times

EXAMPLES = times(3, 60)
ENDLESS = "/v1/access-requests/events"
"""A stream has no end to wait for; `test_events` reads it."""
PARTS = 6
"""The operations are shared out over so many tests, so that no one of them takes long."""
CHECKS: list[Any] = [
    *(not_a_server_error, status_code_conformance, content_type_conformance),
    *(response_headers_conformance, response_schema_conformance),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a service in a thread of its own, and the token of a client that may do everything."""
    ready: Queue[tuple[str, str] | BaseException] = Queue()
    over: Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Queue()

    async def serve(folder: Path) -> None:
        stop = asyncio.Event()
        over.put((asyncio.get_running_loop(), stop))
        async with run_world(f"sqlite:///{folder}/countersign.db", None, folder) as world, calling(world) as calls:
            await calls.http.post("/v1/access-requests", json=asked())
            token = await calls.client("everything", sorted(SCOPES), ["*"], [])
            async with serving(world.services) as address:
                ready.put((address, token))
                await stop.wait()

    def run(folder: Path) -> None:
        try:
            asyncio.run(serve(folder))
        except BaseException as error:
            ready.put(error)
            raise

    thread = threading.Thread(target=run, args=(tmp_path_factory.mktemp("served"),))
    thread.start()
    found = ready.get(timeout=60)
    assert isinstance(found, tuple), found
    yield found
    loop, stop = over.get()
    loop.call_soon_threadsafe(stop.set)
    thread.join(30)


@pytest.mark.timeout(times(300, 7200))
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["as described", "otherwise"])
def test_every_operation_answers_as_described_whatever_it_is_sent(
    served: tuple[str, str], mode: GenerationMode, part: int
) -> None:
    address, token = served
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    schema.config.update(base_url=address)
    called = 0
    for found in list(schema.get_all_operations())[part::PARTS]:
        assert isinstance(found, Ok)
        operation: APIOperation[Any, Any, Any, Any] = found.ok()
        if operation.path == ENDLESS:
            continue

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case: Any) -> None:
            case.validate_response(case.call(headers={"Authorization": token}, timeout=30), checks=CHECKS)

        with suppress(Unsatisfiable):  # of some there is nothing that would not be as described
            send()
            called += 1
    assert called > 20 // PARTS
