"""API clients by the API: who keeps them, what is shown once, and that nothing of theirs outlives them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from app.actions import doctor
from app.actions.operators import operator, operator_behind
from app.domain.kinds import VENDOR
from app.storage import entries, tables
from app.storage.leaves import Stored
from tests.actions.worlds import CODE, GATEWAY
from tests.api.conftest import ACCESS, Api, basic
from tests.tokens.proofs import KEY, OTHER_KEY, assertion, public

CLIENTS, NAME = "/v1/clients", "another-console"
ASKED: dict[str, Any] = {"id": NAME, "scopes": ["tokens", "requests"], "institutions": ["*"], "audiences": [GATEWAY]}
TOKEN = "http://countersign.test/oauth2/token"


async def administer(calls: Api) -> Api:
    """Call as a client that administers every institution."""
    calls.http.headers["Authorization"] = await calls.client("administration", ["admin"], ["*"], [])
    return calls


async def told(calls: Api) -> list[Stored]:
    """The vendor's entries about clients, but for those of the world's own making."""
    async with calls.world.services.database.read() as tx:
        found = await entries.read_leaves(tx, VENDOR, 0, 1 << 31)
    mine = operator(calls.world.services, "tests").id
    return [each for each in found if each.entry.type.startswith("client.") and each.entry.actor.id != mine]


async def signs_in(calls: Api, secret: str) -> int:
    answer = await calls.http.post(
        "/oauth2/token",
        data={"grant_type": "client_credentials"},
        headers={"Authorization": basic(NAME, secret)},
    )
    return answer.status_code


async def make(calls: Api, **changes: Any) -> dict[str, Any]:
    answer = await calls.http.post(CLIENTS, json=ASKED | changes)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"].endswith(f"{CLIENTS}/{NAME}")
    made: dict[str, Any] = answer.json()
    return made


async def test_a_client_is_created_read_and_listed_and_its_secret_shown_once(both: Api) -> None:
    admin = await administer(both)
    made = await make(admin)
    secret = made.pop("secret")
    assert made == ASKED | {
        "actor": made["actor"],
        "scopes": ["requests", "tokens"],
        "secrets": 1,
        "jwks": None,
        "jwks_uri": None,
    }
    assert await signs_in(admin, secret) == 200
    assert (await admin.http.get(f"{CLIENTS}/{NAME}")).json() == made
    first = (await admin.http.get(CLIENTS, params={"limit": 2})).json()
    rest = (await admin.http.get(CLIENTS, params={"cursor": first["next_cursor"]})).json()
    names = [each["id"] for each in first["items"] + rest["items"]]
    assert names == sorted(names)
    assert {NAME, "administration", "support-console"} <= set(names)
    assert made in first["items"]
    assert secret not in (await admin.http.get(CLIENTS)).text
    again = await admin.http.post(CLIENTS, json=ASKED)
    assert (again.status_code, again.json()["errors"][0]["pointer"]) == (422, "/id")


async def test_two_secrets_count_while_one_is_rotated_out(both: Api) -> None:
    admin = await administer(both)
    secrets = [(await make(admin))["secret"]]
    for live in (2, 2):
        answer = await admin.http.post(f"{CLIENTS}/{NAME}/rotate")
        secrets.append(answer.json()["secret"])
        assert (await admin.http.get(f"{CLIENTS}/{NAME}")).json()["secrets"] == live
        assert [await signs_in(admin, each) for each in secrets[-2:]] == [200, 200]
    assert await signs_in(admin, secrets[0]) == 401


async def test_what_is_done_stands_in_the_vendors_log_by_an_operator_behind_the_system(both: Api) -> None:
    admin = await administer(both)
    async with admin.world.services.database.read() as tx:
        row = (await tx.connection.execute(sa.select(tables.clients.c.id).filter_by(client_id="administration"))).one()
    made = await make(admin)
    await admin.http.post(f"{CLIENTS}/{NAME}/rotate")
    assert (await admin.http.delete(f"{CLIENTS}/{NAME}")).status_code == 204
    found = [each.entry for each in await told(admin) if each.entry.subject == made["actor"]]
    assert [each.type for each in found] == ["client.created", "client.rotated", "client.revoked"]
    assert found[0].data == {"institutions": ["*"], "scopes": ["requests", "tokens"], "audiences": [GATEWAY]}
    behind = operator_behind(admin.world.services, replace(admin.world.caller, cli=row.id))
    assert {each.actor for each in found} == {behind}
    assert await doctor.examine(admin.world.services) == []


async def test_with_a_client_ends_all_that_runs_on_what_it_filed(both: Api) -> None:
    await both.world.enrol()
    admin = await administer(both)
    made = await make(admin, scopes=["admin", "requests", "tokens"])
    token = {"Authorization": await admin.token((NAME, made["secret"]))}
    filed = await admin.file(headers=token)
    hook = {"url": "https://cases.vendor.example/hooks", "types": ["*"], "institutions": [CODE]}
    assert (await admin.http.post("/v1/webhooks", json=hook, headers=token)).status_code == 201
    assert (await admin.http.get(f"{ACCESS}/{filed['id']}", headers=token)).json()["status"] == "active"
    assert (await admin.http.delete(f"{CLIENTS}/{NAME}")).status_code == 204
    assert (await admin.http.get(f"{ACCESS}/{filed['id']}", headers=token)).status_code == 401
    assert (await admin.http.get("/v1/webhooks")).json()["items"] == []
    console = {"Authorization": await admin.token()}
    found = (await admin.http.get(f"{ACCESS}/{filed['id']}", headers=console)).json()
    assert (found["status"], found["grant"]["ended_because"]) == ("revoked", "rules")
    for method in ("GET", "DELETE"):
        assert (await admin.http.request(method, f"{CLIENTS}/{NAME}")).status_code == 404
    again = await admin.http.post(CLIENTS, json=ASKED)
    assert (again.status_code, again.json()["errors"][0]["pointer"]) == (422, "/id")
    report = await admin.world.verify(await admin.world.bundle())
    assert (report.exit_code, report.findings) == (0, ())
    assert await doctor.examine(admin.world.services) == []


async def test_a_client_gets_other_keys_and_what_it_had_counts_no_more(both: Api) -> None:
    admin = await administer(both)
    secret, address = (await make(admin))["secret"], f"{CLIENTS}/{NAME}"

    async def asserts(key: Any) -> int:
        text = assertion(NAME, TOKEN, admin.world.now(), key=key)
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": text,
        }
        request = admin.http.build_request("POST", "/oauth2/token", data=form)
        del request.headers["authorization"]
        return (await admin.http.send(request)).status_code

    merge = {"Content-Type": "application/merge-patch+json"}
    for key, other in ((KEY, OTHER_KEY), (OTHER_KEY, KEY)):
        patch = {"jwks": {"keys": [public(key)]}, "scopes": ["requests", "tokens"]}
        patched = await admin.http.patch(address, json=patch, headers=merge)
        assert (patched.status_code, patched.json()["secrets"]) == (200, 0), patched.text
        assert [await asserts(key), await asserts(other), await signs_in(admin, secret)] == [200, 401, 401]
        assert (await admin.http.patch(address, json=patch, headers=merge)).json() == patched.json()
    rotated = [each for each in await told(admin) if each.entry.type == "client.rotated"]
    assert len(rotated) == 2, "what changes nothing is no event"
    assert (await admin.http.post(f"{address}/rotate")).status_code == 422


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"id": "Has Spaces"}, "/id"),
    ({"scopes": ["everything"]}, "/scopes/0"),
    ({"scopes": []}, "/scopes"),
    ({"institutions": ["*", CODE]}, "/institutions"),
    ({"institutions": ["VENDOR"]}, "/institutions/0"),
    ({"secret": "one of the caller's own choice"}, "/secret"),
    ({"jwks": {"keys": []}}, "/jwks/keys"),
    ({"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}}, "/jwks"),
    ({"jwks": {"keys": [{"kty": "EC", "kid": "\u0000"}]}}, "/jwks"),
    ({"jwks_uri": "ftp://keys.vendor.example/"}, "/jwks_uri"),
    ({"jwks_uri": "https://keys.vendor.example/", "jwks": {"keys": [public(KEY)]}}, "/jwks_uri"),
)


async def test_what_cannot_be_is_refused_with_its_place(calls: Api) -> None:
    admin = await administer(calls)
    for changes, pointer in WRONG:
        answer = await admin.http.post(CLIENTS, json=ASKED | changes)
        assert (answer.status_code, [each["pointer"] for each in answer.json()["errors"]]) == (422, [pointer]), changes
    await make(admin)
    for patch, pointer in (
        ({"scopes": ["admin"]}, "/scopes"),
        ({"institutions": [CODE]}, "/institutions"),
        ({"audiences": []}, "/audiences"),
        ({"id": "another"}, "/id"),
        ({"scopes": None}, "/scopes"),
        ({"jwks_uri": "https://a.example/", "jwks": {"keys": [public(KEY)]}}, "/jwks_uri"),
    ):
        answer = await admin.http.patch(f"{CLIENTS}/{NAME}", json=patch)
        assert (answer.status_code, [each["pointer"] for each in answer.json()["errors"]]) == (422, [pointer]), patch
    assert [each.entry.type for each in await told(admin)] == ["client.created"]


@pytest.mark.parametrize(
    "scopes,institutions,status", [(["admin"], [CODE], 404), (["requests"], ["*"], 403), (["requests"], [CODE], 404)]
)
async def test_only_who_administers_every_institution_keeps_clients(
    calls: Api, scopes: list[str], institutions: list[str], status: int
) -> None:
    held = {"Authorization": await calls.client("held", scopes, institutions, [])}
    item = f"{CLIENTS}/support-console"
    asks: list[tuple[str, str, Any]] = [
        ("GET", CLIENTS, None),
        ("POST", CLIENTS, ASKED),
        ("GET", item, None),
        ("PATCH", item, {"jwks_uri": "https://keys.evil.example/"}),
        ("DELETE", item, None),
        ("POST", f"{item}/rotate", None),
    ]
    for method, path, body in asks:
        sent = {} if body is None else {"json": body}
        assert (await calls.http.request(method, path, headers=held, **sent)).status_code == status, (method, path)
    assert await told(calls) == []
    assert (await calls.http.get(f"{CLIENTS}/%00", headers=held)).status_code == status


async def test_a_row_in_doubt_is_neither_rotated_nor_given_keys_but_may_be_revoked(calls: Api) -> None:
    admin = await administer(calls)
    await make(admin)
    async with admin.world.services.database.begin() as tx:
        changed = {"mac": b"0" * 32}
        await tx.connection.execute(sa.update(tables.clients).filter_by(client_id=NAME).values(changed))
    address = f"{CLIENTS}/{NAME}"
    for answer in (
        await admin.http.post(f"{address}/rotate"),
        await admin.http.patch(address, json={"jwks_uri": "https://keys.vendor.example/"}),
    ):
        assert answer.json()["type"].endswith("/problems/records-in-doubt")
    assert (await admin.http.delete(f"{CLIENTS}/{NAME}")).status_code == 204
