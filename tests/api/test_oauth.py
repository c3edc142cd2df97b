"""Machines sign in: tokens of the API, introspection, revocation, and what failed attempts leave behind."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.kinds import VENDOR
from app.storage import entries
from tests.actions.worlds import GATEWAY
from tests.api.conftest import ACCESS, CONSOLE, Api, basic

FORM = {"grant_type": "client_credentials"}
GATE = ["introspect"]


async def _refused(calls: Api) -> list[str]:
    async with calls.world.services.database.read() as tx:
        found = await entries.find(tx, VENDOR, entries.LeafFilter(type="client.refused"), 1000)
    return [each.entry.data["problem"] for each in found]


async def test_a_client_proves_itself_by_either_way_and_gets_what_it_asked(calls: Api) -> None:
    for extra, headers in (
        ({}, {"Authorization": basic(*CONSOLE)}),
        ({"client_id": CONSOLE[0], "client_secret": CONSOLE[1]}, {}),
    ):
        calls.http.headers.pop("Authorization", None)
        answer = await calls.http.post("/oauth2/token", data=FORM | extra | {"scope": "tokens"}, headers=headers)
        token = answer.json()
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert (token["token_type"], token["expires_in"], token["scope"]) == ("Bearer", 600, "tokens")


@pytest.mark.parametrize(
    "body,media_type,status,error",
    [
        (b"grant_type=password", None, 400, "unsupported_grant_type"),
        (b"scope=tokens", None, 400, "invalid_request"),
        (b"grant_type=client_credentials&scope=admin", None, 400, "invalid_scope"),
        (b"grant_type=client_credentials&grant_type=client_credentials", None, 400, "invalid_request"),
        (b'{"grant_type": "client_credentials"}', "application/json", 400, "invalid_request"),
        (b"grant_type=client_credentials", "text/plain", 400, "invalid_request"),
        (b"grant_type=%ff", None, 400, "invalid_request"),
        (b"\xff", None, 400, "invalid_request"),
        (b"a=1&" * 60, None, 400, "invalid_request"),
        (b"a" * ((1 << 20) + 1), None, 413, "invalid_request"),
    ],
)
async def test_forms_that_cannot_be_meant_get_errors_of_the_rfc(
    calls: Api, body: bytes, media_type: str | None, status: int, error: str
) -> None:
    headers = {
        "Authorization": basic(*CONSOLE),
        "Content-Type": media_type or "application/x-www-form-urlencoded",
    }
    answer = await calls.http.post("/oauth2/token", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers["cache-control"] == "no-store"
    assert await _refused(calls) == []


async def test_a_client_that_fails_to_sign_in_is_an_event_but_a_flood_is_not_many(calls: Api) -> None:
    for _ in range(5):
        for client in ((CONSOLE[0], "wrong"), ("nobody", "wrong"), ("no\0body", "wrong")):
            answer = await calls.http.post("/oauth2/token", data=FORM, headers={"Authorization": basic(*client)})
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
            assert answer.headers["www-authenticate"].startswith("Basic ")
    revoking = await calls.http.post(
        "/oauth2/revoke", data={"token": "x"}, headers={"Authorization": basic(CONSOLE[0], "wrong")}
    )
    assert (revoking.status_code, revoking.json()["error"]) == (401, "invalid_client")
    assert sorted(await _refused(calls)) == ["client-secret-wrong", "client-unknown"]


async def test_who_calls_without_a_token_of_ours_is_told_how(calls: Api) -> None:
    good = calls.http.headers.pop("Authorization")
    answer = await calls.http.get(ACCESS)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="countersign"')
    wrong = ("Bearer", "Bearer x", basic(*CONSOLE), good[:-4] + "AAAA", good + " x", f"Digest {good}", "Bearer é")
    for header in wrong:
        answer = await calls.http.get(ACCESS, headers={b"Authorization": header.encode("latin-1")})
        assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (401, "unauthorized"), header
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert (await calls.http.get(ACCESS, headers={"Authorization": good.replace("Bearer", "bEARER")})).is_success
    calls.world.skip(timedelta(seconds=601))
    assert (await calls.http.get(ACCESS, headers={"Authorization": good})).status_code == 401


async def test_a_token_reaches_as_far_as_its_scope(calls: Api) -> None:
    reading = {"Authorization": await calls.token(scope="requests:read")}
    filing = {"Authorization": await calls.token(scope="requests")}
    assert (await calls.http.get(ACCESS, headers=reading)).is_success
    assert (await calls.http.get(ACCESS, headers=filing)).is_success
    filed = await calls.file()
    for headers, path, scope in (
        (reading, f"{ACCESS}/{filed['id']}/withdraw", "requests"),
        (filing, f"{ACCESS}/{filed['id']}/token", "tokens"),
        (filing, "/oauth2/introspect", "introspect"),
    ):
        answer = await calls.http.post(path, json={"reason": "x"}, headers=headers)
        assert answer.status_code == 403
        assert f'scope="{scope}"' in answer.headers["www-authenticate"]
    problem = (await calls.http.post(ACCESS, json={}, headers=reading)).json()
    assert (problem["type"].rpartition("/")[2], problem["scope"]) == ("insufficient-scope", "requests")


async def test_a_gateway_sees_tokens_of_its_own_audience_alone(calls: Api) -> None:
    filed = await calls.file()
    minted = (await calls.http.post(f"{ACCESS}/{filed['id']}/token")).json()["access_token"]
    esploro = GATEWAY.replace("alma", "esploro")
    mine = {"Authorization": await calls.client("esploro-gate", GATE, ["*"], [esploro])}
    theirs = {"Authorization": await calls.client("alma-gate", GATE, ["*"], [GATEWAY])}
    answer = await calls.http.post("/oauth2/introspect", data={"token": minted}, headers=mine)
    claims = answer.json()
    assert claims["active"] is True
    assert (claims["aud"], claims["client_id"], claims["iss"]) == (esploro, CONSOLE[0], "http://countersign.test")
    inactive = [
        (theirs, minted),
        (mine, "nonsense"),
        (mine, (await calls.token()).removeprefix("Bearer ")),
        (mine, "x" * 100_000),
    ]
    for headers, token in inactive:
        answer = await calls.http.post("/oauth2/introspect", data={"token": token}, headers=headers)
        assert (answer.status_code, answer.json()) == (200, {"active": False})
    missing = await calls.http.post("/oauth2/introspect", data={"other": "x"}, headers=mine)
    assert (missing.status_code, missing.json()["error"]) == (400, "invalid_request")


async def test_a_token_given_back_is_good_for_nothing(calls: Api) -> None:
    filed = await calls.file()
    minted = (await calls.http.post(f"{ACCESS}/{filed['id']}/token")).json()["access_token"]
    gate = {"Authorization": await calls.client("gate", GATE, ["*"], [GATEWAY.replace("alma", "esploro")])}
    await calls.client("other", ["tokens"], ["*"], [])

    async def revoke(client: tuple[str, str], token: str) -> int:
        form = {"token": token, "token_type_hint": "access_token"}
        answer = await calls.http.post("/oauth2/revoke", data=form, headers={"Authorization": basic(*client)})
        return answer.status_code

    async def active() -> bool:
        answer = await calls.http.post("/oauth2/introspect", data={"token": minted}, headers=gate)
        return bool(answer.json()["active"])

    assert await revoke(("other", "cs_a_secret_for_other_of_tests"), minted) == 200
    assert await active()
    assert [await revoke(CONSOLE, token) for token in (minted, minted, "nonsense")] == [200, 200, 200]
    assert not await active()
    assert await revoke(CONSOLE, (await calls.token()).removeprefix("Bearer ")) == 400
    assert await revoke(CONSOLE, "") == 400


async def test_the_metadata_leads_to_everything_else(calls: Api) -> None:
    metadata = (await calls.http.get("/.well-known/oauth-authorization-server")).json()
    assert metadata["issuer"] == "http://countersign.test"
    jwks = await calls.http.get(metadata["jwks_uri"])
    assert jwks.headers["cache-control"].startswith("public, max-age=")
    assert {key["kty"] for key in jwks.json()["keys"]} == {"EC"}
    assert "d" not in jwks.json()["keys"][0]
    for name in ("token_endpoint", "introspection_endpoint", "revocation_endpoint"):
        assert (await calls.http.post(metadata[name])).status_code in {400, 401}
