"""A thousand bodies that are no request, at every operation that takes one: a problem each, and nothing done."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import sqlalchemy as sa

from app import __version__
from app.api import routers
from app.api.describe import description
from app.storage.tables import metadata
from app.tokens.clients import SCOPES
from tests.actions.worlds import CODE
from tests.api.conftest import Api, asked

BODIES = 1000
JSON = "application/json"
Sent = tuple[bytes, dict[str, str]]
"""A body, and the headers that go with it."""
_ODD: tuple[Any, ...] = (None, True, 7, -1, 1.5, "", "x", [], {}, [[]], {"": {}}, "\u0000", 1 << 70)


def _text(body: object) -> bytes:
    return json.dumps(body).encode()


def _json(content: bytes) -> Sent:
    return content, {"Content-Type": JSON}


def _cut(random: Random, body: dict[str, Any]) -> Sent:
    whole = _text(body)
    return _json(whole[: random.randrange(len(whole))])


def _followed(random: Random, body: dict[str, Any]) -> Sent:
    return _json(_text(body) + random.choice((b"x", b"{}", b"\x00", b",", b"]", b"}")))


def _spoilt(random: Random, _: dict[str, Any]) -> Sent:
    name = random.choice(("reason", "text", "summary", "x"))
    values = (
        *("NaN", "-Infinity", '"\\ud800"', '"\\udc00\\ud800"', "'x'", '"\u0001"', "01", "1e999", "+1", ".5", "0x10"),
        *("undefined", '"a" /* b */', "[1,]", "9" * 5000, "[" * 5000 + "]" * 5000, '{"a":' * 5000 + "1" + "}" * 5000),
    )  # fmt: skip
    return _json(f'{{"{name}": {random.choice(values)}}}'.encode())


def _twice(random: Random, body: dict[str, Any]) -> Sent:
    name = random.choice(list(body) or ["x"])
    again = _text({name: body.get(name, 1)})
    return _json(b"{" + again[1:-1] + b", " + (_text(body) if body else again)[1:])


def _other_value(random: Random, _: dict[str, Any]) -> Sent:
    return _json(_text(random.choice((None, True, 7, 1.5, "x", [], [{}], [[[]]]))))


def _unknown(random: Random, body: dict[str, Any]) -> Sent:
    name = random.choice(("__proto__", "constructor", "\u202e", "a/b~c", "x" * 3000, "id ", ""))
    return _json(_text(body | {name: random.choice(_ODD)}))


def _bytes(random: Random, body: dict[str, Any]) -> Sent:
    whole = _text(body)
    spoilt = (
        b"\xff" + whole,
        b"\xef\xbb\xbf" + whole,
        whole.decode().encode("utf-16"),
        random.randbytes(40),
        b"",
        b" ",
    )
    return _json(random.choice(spoilt))


def _packed(_: Random, body: dict[str, Any]) -> Sent:
    return gzip.compress(_text(body)), {"Content-Type": JSON, "Content-Encoding": "gzip"}


def _huge(random: Random, body: dict[str, Any]) -> Sent:
    return _json(_text(body | {random.choice(("reason", "x")): "x" * (1 << 20)}))


def _mistyped(random: Random, body: dict[str, Any]) -> Sent:
    types = (
        *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", "*/*", ""),
        *("application/json-patch+json", "application/xml", "application/jsonp", 'text/plain; x="application/json"'),
    )
    return _text(body), {"Content-Type": random.choice(types)}


def _form(random: Random, body: dict[str, Any]) -> Sent:
    return "&".join(f"{name}={random.randrange(9)}" for name in body).encode(), {"Content-Type": JSON}


MALFORMED: tuple[Callable[[Random, dict[str, Any]], Sent], ...] = (
    *(_cut, _followed, _spoilt, _twice, _other_value, _unknown, _bytes, _packed, _huge, _mistyped, _form),
)


def _operations(request_id: str) -> Iterator[tuple[str, str]]:
    """Method and address of every operation below `/v1` that takes JSON."""
    known = {"code": CODE, "request_id": request_id, "name": "esploro-sandbox"}
    document = description(routers(), __version__)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if path.startswith("/v1/") and JSON in operation.get("requestBody", {}).get("content", {}):
                names = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"]
                yield method.upper(), path.format(**{name: known.get(name, "1") for name in names})


async def _everything(calls: Api) -> dict[str, int]:
    """How many rows each table has, and how many entries all logs."""
    async with calls.world.services.database.read() as tx:
        rows = {
            name: (await tx.connection.execute(sa.select(sa.func.count()).select_from(table))).scalar_one()
            for name, table in metadata.tables.items()
        }
        size = sa.select(sa.func.sum(metadata.tables["logs"].c.size))
        return rows | {"entries": (await tx.connection.execute(size)).scalar_one()}


async def test_a_thousand_malformed_bodies_are_refused_and_change_nothing(calls: Api) -> None:
    random = Random(2026)
    filed = await calls.file()
    calls.http.headers["Authorization"] = await calls.client("everything", sorted(SCOPES), ["*"], [])
    operations = list(_operations(filed["id"]))
    before, met = await _everything(calls), set[int]()
    for n in range(BODIES):
        method, address = operations[n // len(MALFORMED) % len(operations)]
        body = random.choice((asked(), {"text": "x"}, {"reason": "x"}, {"summary": "x"}, {}))
        make = MALFORMED[n % len(MALFORMED)]
        content, headers = make(random, body)
        key = {"Idempotency-Key": str(n)} if random.random() < 0.3 else {}
        answer = await calls.http.request(method, address, content=content, headers=headers | key)
        told = (n, make.__name__, method, address, content[:200], answer.text)
        assert 400 <= answer.status_code < 500, told
        assert answer.headers["content-type"] == "application/problem+json", told
        assert answer.json()["status"] == answer.status_code, told
        assert len(answer.content) < 20_000, told
        met.add(answer.status_code)
    assert met >= {400, 413, 415, 422}
    assert await _everything(calls) == before
