"""Whether the service may be used."""

from __future__ import annotations

from app.storage.heads import SignedHead
from tests.actions.worlds import CODE
from tests.api.conftest import Api


async def test_a_service_that_is_well_says_so_to_anybody(calls: Api) -> None:
    del calls.http.headers["Authorization"]
    assert (await calls.http.get("/healthz")).json() == {"status": "ok"}
    answer = await calls.http.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True})


async def test_a_log_shorter_than_its_checkpoint_makes_it_unready_and_gives_nothing(calls: Api) -> None:
    services = calls.world.services
    assert services.heads.swap(None, SignedHead(services.origin(CODE), 1000, bytes(32)))
    answer = await calls.http.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False})
    assert (await calls.http.get("/healthz")).status_code == 200
    signed = await calls.http.get(f"/trail/{CODE}/checkpoint")
    assert (signed.status_code, signed.json()["type"].rpartition("/")[2]) == (503, "trail-rolled-back")
    assert signed.headers["retry-after"]
