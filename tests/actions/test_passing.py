"""The gate's question: what passes is written down first, and nothing passes whose session is in any doubt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from app.actions import decisions, doctor, grants, leaving, place_secrets, sessions
from app.actions.credentials import read_credential
from app.actions.ledger import write
from app.actions.passing import Passage, Passed
from app.domain.errors import Refusal, Refused, Unavailable
from app.domain.gate import MASK, masked, method_of
from app.storage import activity, tables
from app.storage.activity import EventRow
from app.storage.database import Database
from tests.actions.attacks import read_row, rewrite
from tests.actions.gating import ALMA, ESPLORO, KEYS, OTHER, OTHER_ALMA, Gates, run_gates
from tests.actions.worlds import CODE, GATEWAY, HEAD, WHERE
from tests.fixtures.postgres import DatabaseUrls

PLACES = {ALMA: CODE, ESPLORO: CODE, OTHER_ALMA: OTHER}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def gates(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Gates]:
    url, owner_url = f"sqlite:///{tmp_path}/countersign.db", None
    if request.param == "postgresql":
        urls: DatabaseUrls = request.getfixturevalue("migrated_url")
        url, owner_url = urls.app, urls.owner
    async with run_gates(url, owner_url, tmp_path) as made:
        yield made


async def inside(gates: Gates, environment: str = ESPLORO) -> str:
    """An engineer's cookie, fresh from the entry."""
    _, token = await gates.token(environment, PLACES[environment])
    return await gates.enter(token, environment)


async def recorded(gates: Gates, session: str) -> list[EventRow]:
    async with gates.world.services.database.read() as tx:
        return await activity.read(tx, CODE, session, 1, 10_000, 10_000)


async def session_of(gates: Gates) -> str:
    return (await gates.told("session.opened"))[-1].subject


def problem(answer: Passed | Refusal) -> str | None:
    return answer.problem if isinstance(answer, Refusal) else None


async def test_what_passes_is_recorded_once_each_in_order_however_many_ask_at_once(gates: Gates) -> None:
    cookies = [await inside(gates) for _ in range(3)]
    asked = [gates.ask(cookies[n % 3], summary=f"GET /{n}") for n in range(60)]
    assert all(isinstance(each, Passed) for each in await asyncio.gather(*asked))
    for n, entry in enumerate(await gates.told("session.opened")):
        events = await recorded(gates, entry.subject)
        assert sorted(event.summary for event in events) == sorted(f"GET /{m}" for m in range(60) if m % 3 == n)
        assert [event.n for event in events] == list(range(1, 21))
        assert {(event.kind, event.detail) for event in events} == {("request", '{"ip":"192.0.2.44"}')}


async def test_every_session_passes_in_front_of_its_own_environment_alone(gates: Gates) -> None:
    await gates.world.enrol()
    cookies = {ESPLORO: await inside(gates), OTHER_ALMA: await inside(gates, OTHER_ALMA)}
    filed = await gates.world.file()
    await gates.world.approve(HEAD, filed.row.id)
    cookies[ALMA] = await gates.enter(await gates.mint(filed.row.id), ALMA)
    for mine, theirs in permutations(PLACES, 2):
        assert problem(await gates.ask(cookies[mine], environment=theirs)) == "session-foreign", (mine, theirs)
    told = [(entry.data["environment"], entry.data["session"] is None) for entry in await gates.told("gate.refused")]
    assert sorted(told) == [(ALMA, False), (ALMA, True), (ESPLORO, False), (ESPLORO, True)]
    assert all([isinstance(await gates.ask(cookies[mine], environment=mine), Passed) for mine in PLACES])


async def test_a_revocation_cuts_off_at_the_next_request(gates: Gates) -> None:
    await gates.world.enrol()
    request, token = await gates.token()
    cookie = await gates.enter(token)
    assert isinstance(await gates.ask(cookie), Passed)
    await decisions.revoke(gates.world.services, await gates.world.visitor(HEAD), request, "")
    assert problem(await gates.ask(cookie)) == "access-over"
    assert problem(await gates.ask(token=token)) == "access-over"
    (ended,) = await gates.told("session.terminated")
    assert ended.data["because"] == "revoked"
    assert len(await recorded(gates, ended.subject)) == 1


async def test_the_windows_end_is_the_end_to_the_instant(gates: Gates) -> None:
    _, token = await gates.token(minutes=15)
    cookie = await gates.enter(token)
    row = await read_row(gates.world, tables.sessions, {"id": await session_of(gates)})
    left = row["not_after"] - gates.world.now()
    while left > timedelta(seconds=60):
        gates.world.skip(timedelta(seconds=60))
        assert isinstance(await gates.ask(cookie), Passed)
        left = row["not_after"] - gates.world.now()
    gates.world.skip(left - timedelta(seconds=2))
    assert isinstance(await gates.ask(cookie), Passed)
    gates.world.skip(row["not_after"] - gates.world.now())
    assert problem(await gates.ask(cookie)) == "access-over"
    (ended,) = await gates.told("session.terminated")
    assert ended.data["because"] == "grant-over"


async def test_a_session_that_was_silent_is_lost_and_resumes_with_the_next_request(gates: Gates) -> None:
    cookie = await inside(gates)
    gates.world.skip(timedelta(seconds=95))
    assert isinstance(await gates.ask(cookie), Passed)
    assert [entry.type for entry in await gates.told("session.lost", "session.resumed")] == [
        "session.lost",
        "session.resumed",
    ]
    assert isinstance(await gates.ask(cookie), Passed)
    assert len(await recorded(gates, await session_of(gates))) == 2


@pytest.mark.parametrize("change", ["state", "not_after", "environment", "credential", "audience"])
async def test_a_row_that_was_changed_lets_nobody_through(gates: Gates, change: str) -> None:
    cookie, key = await inside(gates), {"id": await session_of(gates)}
    row = await read_row(gates.world, tables.sessions, key)
    credential = None if read_credential(gates.world.services, "mine", None) is None else b"\x01" * 32
    values: dict[str, Any] = {
        "state": "lost",
        "not_after": row["not_after"] + timedelta(hours=1),
        "environment": ALMA,
        "credential": credential,
        "audience": "https://elsewhere.example",
    }
    await rewrite(gates.world, tables.sessions, key, {change: values[change]})
    assert problem(await gates.ask(cookie, environment=ALMA if change == "environment" else ESPLORO)) == "unauthorized"
    assert await recorded(gates, key["id"]) == []


async def test_a_gate_key_moved_to_another_environment_opens_no_gate_until_the_right_one_is_back(gates: Gates) -> None:
    cookie, services = await inside(gates), gates.world.services
    kept = {name: {"log": CODE, "environment": name} for name in (ALMA, ESPLORO)}
    rows = {name: await read_row(gates.world, tables.environment_secrets, key) for name, key in kept.items()}
    await rewrite(gates.world, tables.environment_secrets, kept[ALMA], {"gate_key": None})
    for moved in ({"gate_key": rows[ALMA]["gate_key"]}, {name: rows[ALMA][name] for name in ("gate_key", "mac")}):
        await rewrite(gates.world, tables.environment_secrets, kept[ESPLORO], moved)
        with pytest.raises(Refused) as refused:
            await gates.ask(cookie, environment=ALMA)
        assert refused.value.refusal.problem == "gate-unknown"
    found = [each.words for each in await doctor.examine(services)]
    assert found == [f"{doctor.GATE_SEAL_BROKEN} {name}" for name in sorted(kept)]
    for name in (ESPLORO, ALMA):
        await rewrite(gates.world, tables.environment_secrets, kept[name], rows[name])
    assert await doctor.examine(services) == []
    assert isinstance(await gates.ask(cookie), Passed)


async def test_gate_keys_of_before_they_were_sealed_are_sealed_by_the_doctor(gates: Gates) -> None:
    cookie, key = await inside(gates), {"log": CODE, "environment": ESPLORO}
    await rewrite(gates.world, tables.environment_secrets, key, {"mac": None})
    with pytest.raises(Refused):
        await gates.ask(cookie)
    assert CODE in await doctor.seal(gates.world.services)
    assert isinstance(await gates.ask(cookie), Passed)
    assert await doctor.examine(gates.world.services) == []


async def test_other_secrets_of_an_environment_do_not_seal_a_key_that_somebody_wrote(gates: Gates) -> None:
    services, key = gates.world.services, {"log": CODE, "environment": ESPLORO}
    await rewrite(gates.world, tables.environment_secrets, key, {"gate_key": b"of somebody's own choice"})
    async with write(services, CODE) as book:
        await place_secrets.keep(book, ESPLORO, {"alma_api_base": "https://api.vendor.example"})
    assert [each.words for each in await doctor.examine(services)] == [f"{doctor.GATE_SEAL_BROKEN} {ESPLORO}"]
    async with write(services, CODE) as book:
        await place_secrets.keep(book, ESPLORO, {"gate_key": KEYS[ESPLORO]})
    assert await doctor.examine(services) == []
    assert isinstance(await gates.ask(await inside(gates)), Passed)


async def test_an_older_row_put_back_lets_nobody_through(gates: Gates) -> None:
    cookie, key = await inside(gates), {"id": await session_of(gates)}
    before = await read_row(gates.world, tables.sessions, key)
    await leaving.leave(gates.world.services, KEYS[ESPLORO], read_credential(gates.world.services, cookie, None))
    assert problem(await gates.ask(cookie)) == "access-over"
    await rewrite(gates.world, tables.sessions, key, before)
    assert problem(await gates.ask(cookie)) == "access-over"
    problems = [entry.data["problem"] for entry in await gates.told("gate.refused")]
    assert problems == ["session-over", "session-forged"]


async def test_whoever_is_turned_away_is_counted_by_the_minute_and_none_is_lost(gates: Gates) -> None:
    await inside(gates)
    asked = [*(gates.ask() for _ in range(20)), *(gates.ask(f"guess-{n}") for n in range(30))]
    assert {problem(each) for each in await asyncio.gather(*asked)} == {"unauthorized"}
    told = [(entry.data["problem"], entry.data["count"]) for entry in await gates.told("gate.refused")]
    assert sorted(told) == [("credential-missing", 1), ("credential-unknown", 1)]
    async with gates.world.services.database.read() as tx:
        rows = (await tx.connection.execute(tables.refusals.select())).all()
    assert sorted(row.later for row in rows) == [19, 29]


async def test_a_token_that_has_entered_passes_by_itself_while_it_lives(gates: Gates) -> None:
    _, token = await gates.token()
    assert problem(await gates.ask(token=token)) == "unauthorized"
    await gates.enter(token)
    assert isinstance(await gates.ask(token=token), Passed)
    assert problem(await gates.ask(token=token, environment=ALMA)) == "session-foreign"
    assert problem(await gates.ask(token=token[:-2])) == "unauthorized"
    gates.world.skip(timedelta(minutes=15))
    assert problem(await gates.ask(token=token)) == "unauthorized"


async def test_a_token_that_was_given_back_passes_no_more(gates: Gates) -> None:
    _, token = await gates.token()
    await gates.enter(token)
    await grants.take_back(gates.world.services, gates.world.client, token)
    assert problem(await gates.ask(token=token)) == "unauthorized"


async def test_a_session_opened_at_a_vendors_own_gateway_passes_no_gate(gates: Gates) -> None:
    await gates.world.enrol()
    filed = await gates.world.file()
    await gates.world.approve(HEAD, filed.row.id)
    token = await gates.mint(filed.row.id)
    assert GATEWAY in gates.world.caller.audiences
    await sessions.open_session(gates.world.services, gates.world.caller, token, WHERE)
    assert problem(await gates.ask(token=token, environment=ALMA)) == "unauthorized"


async def test_while_the_clock_stands_behind_the_log_nothing_passes(gates: Gates) -> None:
    cookie = await inside(gates)
    gates.world.skip(-timedelta(seconds=5))
    with pytest.raises(Unavailable):
        await gates.ask(cookie)
    gates.world.skip(timedelta(seconds=5))
    assert isinstance(await gates.ask(cookie), Passed)


async def test_without_its_database_nothing_passes(gates: Gates) -> None:
    cookie = await inside(gates)
    nowhere = "postgresql://nobody@127.0.0.1:1/none" if gates.world.owner_url else "sqlite:////nonexistent/none.db"
    services = replace(gates.world.services, database=Database(nowhere))
    gates.passage, gates.world.services = Passage(services), services
    for asked in (gates.ask(cookie), gates.ask()):
        with pytest.raises(Unavailable):
            await asked


async def test_leaving_ends_the_session_and_nobody_elses(gates: Gates) -> None:
    services = gates.world.services
    mine, other = await inside(gates), await inside(gates)
    with pytest.raises(Refused, match="unauthorized"):
        await leaving.leave(services, KEYS[ALMA], read_credential(services, mine, None))
    await leaving.leave(services, KEYS[ESPLORO], read_credential(services, mine, None))
    assert problem(await gates.ask(mine)) == "access-over"
    assert isinstance(await gates.ask(other), Passed)
    (ended,) = await gates.told("session.ended")
    assert ended.actor.kind == "system"


@pytest.mark.parametrize(
    "uri, kept",
    [
        ("/", "/"),
        ("/jobs?", "/jobs?"),
        ("/jobs?name=fulfilment&patron=4711", f"/jobs?name={MASK}&patron={MASK}"),
        ("/jobs?a=b=c;d=e&&f", f"/jobs?a={MASK}&d={MASK}&&{MASK}"),
        ("/jobs?a=", "/jobs?a="),
        ("/a?b?c=d", f"/a?b?c={MASK}"),
        ("/a#b?c=d", "/a"),
        ("/ä\r\n?x=\u2028", f"/%E4%0D%0A?x={MASK}"),
        ("/" + "x" * 3000, "/" + "x" * 1999),
        ("", ""),
    ],
)
def test_values_of_a_query_are_masked(uri: str, kept: str) -> None:
    assert masked(uri) == kept


@pytest.mark.parametrize(
    "method, kept", [("GET", "GET"), ("M-SEARCH", "M-SEARCH"), ("get", "?"), ("", "?"), ("A" * 21, "?")]
)
def test_a_method_is_kept_as_far_as_it_is_one(method: str, kept: str) -> None:
    assert method_of(method) == kept
