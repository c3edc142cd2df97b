"""Webhooks by the API: who administers which, what may be set, and what is told of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from standardwebhooks import Webhook

from app.actions.deliver_webhooks import deliver_webhooks
from app.api import representation
from app.identity.http import Fetcher
from app.notify.webhook import secret_of
from tests.actions.worlds import CODE
from tests.api.conftest import CONSOLE, Api, events
from tests.fixtures.receiver import Receiver, key_of, receiving

HOOKS = "/v1/webhooks"


@pytest.fixture
async def admin(calls: Api) -> Api:
    """The API with a token of a client that may administer every institution."""
    calls.http.headers["Authorization"] = await calls.client("administration", ["admin", "requests"], ["*"], [])
    return calls


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


async def make(api: Api, **changes: Any) -> dict[str, Any]:
    body = {"url": "https://cases.vendor.example/hooks", "types": ["request.*"], "institutions": [CODE]} | changes
    answer = await api.http.post(HOOKS, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["location"].endswith(f"{HOOKS}/{made['id']}")
    return made


async def test_a_webhook_is_made_read_changed_and_removed_and_its_secret_shown_once(admin: Api) -> None:
    made = await make(admin)
    secret, address = made.pop("secret"), f"{HOOKS}/{made['id']}"
    assert secret.startswith("whsec_")
    read = await admin.http.get(address)
    assert (read.json(), read.headers["etag"]) == (made, '"1"')
    assert (await admin.http.get(HOOKS)).json() == {"items": [made], "next_cursor": None}
    merge = {"Content-Type": "application/merge-patch+json", "If-Match": read.headers["etag"]}
    patched = await admin.http.patch(address, content=b'{"types": ["request.approved"]}', headers=merge)
    assert (patched.status_code, patched.json()["types"], patched.json()["url"]) == (
        200,
        ["request.approved"],
        made["url"],
    )
    stale = await admin.http.patch(address, content=b'{"enabled": false}', headers=merge)
    assert (stale.status_code, stale.json()["type"].rpartition("/")[2]) == (412, "stale")
    rotated = await admin.http.post(f"{address}/rotate")
    assert rotated.json()["secret"] not in {secret, ""}
    assert (await admin.http.get(address)).json()["old_secret_until"] is not None
    assert (await admin.http.delete(address)).status_code == 204
    assert (await admin.http.get(address)).status_code == 404
    assert len(await events(admin, "webhook.set")) == 3
    assert len(await events(admin, "webhook.removed")) == 1


async def test_the_secret_is_not_kept_in_the_clear_and_the_same_key_gives_the_same_secret(admin: Api) -> None:
    body = {"url": "https://cases.vendor.example/hooks", "types": ["*"]}
    answers = [await admin.http.post(HOOKS, json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert answers[0].content == answers[1].content
    secret = answers[0].json()["secret"].removeprefix("whsec_").encode()
    kept = b"".join(path.read_bytes() for path in admin.world.directory.glob("countersign.db*"))
    assert secret not in kept


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"url": "ftp://cases.vendor.example/"}, "/url"),
    ({"url": "https://user@cases.vendor.example/"}, "/url"),
    ({"url": "https://cases.vendor.example/#x"}, "/url"),
    ({"url": "cases.vendor.example"}, "/url"),
    ({"url": "https://cases.vendor.example/\u0000"}, "/url"),
    ({"url": ""}, "/url"),
    ({"types": []}, "/types"),
    ({"types": ["request.approved", "request"]}, "/types/1"),
    ({"types": ["token.issued"]}, "/types/0"),
    ({"types": ["re*"]}, "/types/0"),
    ({"types": "request.*"}, "/types"),
    ({"institutions": ["01NONE_INST"]}, "/institutions/0"),
    ({"institutions": [CODE, "VENDOR"]}, "/institutions/1"),
    ({"institutions": []}, "/institutions"),
    ({"colour": "blue"}, "/colour"),
)


async def test_what_cannot_be_told_is_refused_with_its_place(admin: Api) -> None:
    for changes, pointer in WRONG:
        body = {"url": "https://cases.vendor.example/hooks", "types": ["request.*"]} | changes
        answer = await admin.http.post(HOOKS, json=body)
        assert (answer.status_code, [each["pointer"] for each in answer.json()["errors"]]) == (422, [pointer]), changes
    assert (await admin.http.get(HOOKS)).json()["items"] == []


async def test_an_address_inside_is_refused_when_it_is_set(admin: Api) -> None:
    object.__setattr__(admin.world.services, "webhooks", Fetcher())
    for host in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]"):
        answer = await admin.http.post(HOOKS, json={"url": f"https://{host}/hooks", "types": ["*"]})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/url"), host


@pytest.mark.parametrize("problem", ["address", "scheme"])
async def test_nothing_is_sent_to_an_address_inside_whatever_its_name_says(
    admin: Api, receiver: Receiver, problem: str
) -> None:
    """The canary hears nothing, of a name that leads inside as little as of plain http."""
    made = await make(admin, url=receiver.url().replace("127.0.0.1", "localhost"))

    async def inside(host: str, port: int) -> list[str]:
        assert (host, port) == ("localhost", receiver.port)
        return ["127.0.0.1"]

    strict = Fetcher(allow_http=problem == "address", resolver=inside)
    object.__setattr__(admin.world.services, "webhooks", strict)
    await admin.file()
    await deliver_webhooks(admin.world.services, representation.body)
    read = (await admin.http.get(f"{HOOKS}/{made['id']}")).json()
    assert (receiver.calls, read["deliveries"]["error"], read["deliveries"]["waiting"]) == (0, problem, 3)


async def test_who_does_not_administer_all_of_its_institutions_sees_none_of_it(admin: Api) -> None:
    every, own = await make(admin, institutions=["*"]), await make(admin)
    limited = await admin.client("limited", ["admin"], [CODE], [])
    plain = await admin.client("plain", ["requests"], ["*"], [])
    calls = [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/rotate"), ("GET", "/dead-letters")]
    calls += [("POST", "/redeliver")]
    for method, path in calls:
        body = {"types": ["*"]} if method == "PATCH" else None
        for token, name, status in (
            (limited, every["id"], 404),
            (limited, every["id"][:-1] + ("0" if every["id"][-1] != "0" else "1"), 404),
            (limited, "whk_none", 404),
            (plain, own["id"], 403),
        ):
            answer = await admin.http.request(
                method, f"{HOOKS}/{name}{path}", headers={"Authorization": token}, json=body
            )
            assert answer.status_code == status, (method, path, name)
    headers = {"Authorization": limited}
    assert [each["id"] for each in (await admin.http.get(HOOKS, headers=headers)).json()["items"]] == [own["id"]]
    wider = await admin.http.patch(f"{HOOKS}/{own['id']}", json={"institutions": ["*"]}, headers=headers)
    assert (wider.status_code, wider.json()["type"].rpartition("/")[2]) == (422, "institution-unknown")
    assert (await admin.http.post(HOOKS, json={}, headers={"Authorization": plain})).status_code in {403, 422}


async def test_a_change_keeps_within_the_limits_of_the_client_that_made_it(admin: Api) -> None:
    token = await admin.client("limited", ["admin"], [CODE], [])
    answer = await admin.http.post(
        HOOKS, json={"url": "https://a.example/", "types": ["*"]}, headers={"Authorization": token}
    )
    made = answer.json()
    assert made["institutions"] == [CODE]
    wider = await admin.http.patch(f"{HOOKS}/{made['id']}", json={"institutions": ["*"]})
    assert wider.status_code == 422


async def test_a_client_has_twenty_webhooks_at_most_and_lists_them_by_page(admin: Api) -> None:
    made = [(await make(admin))["id"] for _ in range(20)]
    more = await admin.http.post(HOOKS, json={"url": "https://a.example/", "types": ["*"]})
    assert (more.status_code, more.json()["type"].rpartition("/")[2]) == (422, "validation")
    seen, address = [], f"{HOOKS}?limit=7"
    while address:
        answer = await admin.http.get(address)
        seen += [each["id"] for each in answer.json()["items"]]
        address = answer.links["next"]["url"] if "link" in answer.headers else ""
    assert seen == made[::-1]


async def test_dead_letters_are_shown_page_by_page_and_sent_again(admin: Api, receiver: Receiver) -> None:
    receiver.status = 410
    made = await make(admin, url=receiver.url(), types=["*"])
    filed = [await admin.file() for _ in range(2)]
    await deliver_webhooks(admin.world.services, representation.body)
    address = f"{HOOKS}/{made['id']}"
    seen, page = [], f"{address}/dead-letters?limit=4"
    while page:
        answer = await admin.http.get(page)
        seen += answer.json()["items"]
        page = answer.links["next"]["url"] if "link" in answer.headers else ""
    assert [each["sequence"] for each in seen] == [1, 2, 3, 4, 5, 6]
    assert {each["request"] for each in seen} == {each["id"] for each in filed}
    assert (await admin.http.get(f"{address}/dead-letters?cursor=x")).status_code == 422
    receiver.status = 200
    assert (await admin.http.patch(address, json={"enabled": True})).json()["enabled"] is True
    again = await admin.http.post(f"{address}/redeliver")
    assert again.json()["deliveries"]["waiting"] == 6
    receiver.taken.clear()
    await deliver_webhooks(admin.world.services, representation.body)
    assert [each.id for each in receiver.taken] == [each["id"] for each in seen]
    for each in receiver.taken:
        Webhook(made["secret"]).verify(each.body, each.headers)


async def test_no_key_is_taken_for_that_of_a_webhook_nor_a_webhooks_for_another(admin: Api, receiver: Receiver) -> None:
    one, other = [await make(admin, url=receiver.url(path)) for path in ("/one", "/other")]
    await admin.file()
    await deliver_webhooks(admin.world.services, representation.body)
    for each in receiver.taken:
        right, wrong = (one, other) if each.path == "/one" else (other, one)
        assert each.is_signed(right["secret"])
        own = admin.world.services.secrets
        foreign = [own.derive(label) for label in ("seal", "mac/secret", f"webhook/{right['id']}")]
        for secret in (wrong["secret"], *map(secret_of, foreign), secret_of(CONSOLE[1].encode())):
            assert not each.is_signed(secret)
    key = key_of(one["secret"])
    bearer = admin.http.headers["Authorization"].removeprefix("Bearer ")
    for token in (one["secret"], *forged(bearer, key), *forged(bearer, one["secret"].encode())):
        answer = await admin.http.get(HOOKS, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401
    for secret in (one["secret"], key.hex()):
        form = {"grant_type": "client_credentials", "client_id": "administration", "client_secret": secret}
        assert (await admin.http.post("/oauth2/token", data=form)).status_code == 401


def forged(token: str, key: bytes) -> Iterator[str]:
    """The token signed anew by HMAC, under its own header and under one that says so."""
    header, payload, _ = token.split(".")
    told = json.loads(base64.urlsafe_b64decode(header + "=="))
    for alg in ("HS256", told["alg"]):
        head = base64.urlsafe_b64encode(json.dumps(told | {"alg": alg}).encode()).rstrip(b"=")
        signed = head + b"." + payload.encode()
        digest = hmac.new(key, signed, hashlib.sha256).digest()
        yield (signed + b"." + base64.urlsafe_b64encode(digest).rstrip(b"=")).decode()
