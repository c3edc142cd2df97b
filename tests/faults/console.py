"""The vendor's support console and gateway: calls of the API, whose every one is written down."""

from __future__ import annotations

import asyncio
import uuid
from datetime import datetime
from random import Random
from typing import Any

import httpx2

from app.domain.times import wire
from tests.actions.worlds import CODE, TLS
from tests.faults.history import Call, History, Unknown
from tests.faults.service import Service
from tests.faults.tab import judge

CLIENT = ("support-console", "cs_support_console_secret_of_tests")
ENGINEER = {"id": "e1234", "name": "Tier 3 engineer", "email": "e1234@vendor.example", "works_from": "IE"}
PAUSE_S = 0.05
"""Before whoever was told nothing asks again."""


class Console:
    """One client. Each verb goes on until it knows what came of it."""

    def __init__(self, service: Service, history: History, random: Random) -> None:
        self._service, self._history, self._random = service, history, random
        self._client = httpx2.AsyncClient(trust_env=False, timeout=30, verify=TLS, base_url=service.base_url)
        self._cases = 0

    async def close(self) -> None:
        await self._client.aclose()

    async def sign_in(self) -> None:
        """Get an access token, which outlives every process of the run."""
        answer = await self._client.post("/oauth2/token", data={"grant_type": "client_credentials"}, auth=CLIENT)
        assert answer.status_code == 200, answer.text
        self._client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    async def file(self, environment: str, minutes: int, not_before: datetime | None = None) -> dict[str, Any]:
        """File a request under one key, however often it takes; now and then once more when it is answered."""
        self._cases += 1
        body = _body(environment, f"{self._cases:08}", minutes, not_before)
        key = str(uuid.UUID(int=self._random.getrandbits(128)))
        filed = await self._file(key, body)
        if self._random.random() < 0.25:
            again = await self._file(key, body)
            assert again["id"] == filed["id"]
        return filed

    async def _file(self, key: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Idempotency-Key": key}
        while True:
            call, answer = await self._post("create", key, "/v1/access-requests", 201, headers=headers, json=body)
            if answer is not None:
                assert answer.status_code == 201, answer.text
                filed: dict[str, Any] = answer.json()
                replayed = answer.headers.get("Idempotency-Replayed") == "true"
                call.answer |= {"id": filed["id"], "replayed": replayed, "case": body["case"]["number"]}
                return filed

    async def end(self, verb: str, request: str) -> bool:
        """Withdraw or complete; whether it did."""
        said = {"withdraw": {"reason": "Solved otherwise."}, "complete": {"summary": "Done as asked."}}[verb]
        path, headers = f"/v1/access-requests/{request}/{verb}", {"Idempotency-Key": f"{verb}-{request}"}
        broke_off: list[Call] = []
        while True:
            call, answer = await self._post(verb, request, path, 200, headers=headers, json=said)
            if answer is None:
                broke_off.append(call)
                continue
            status = (await self.read(request))["status"]
            took_effect = bool(status == {"withdraw": "withdrawn", "complete": "completed"}[verb])
            for each in broke_off:
                each.answer["found"] = took_effect
            return took_effect

    async def mint(self, request: str) -> tuple[str | None, float]:
        """A token, or after how many seconds to ask again; 0: never."""
        while True:
            call, answer = await self._post("mint", request, f"/v1/access-requests/{request}/token", 201)
            if answer is None:
                continue
            if answer.status_code == 201:
                token: str = answer.json()["access_token"]
                call.answer["token"] = token
                return token, 0
            return None, float(answer.headers.get("Retry-After", 0))

    async def introspect(self, request: str, token: str) -> bool:
        """Whether the token opens anything."""
        while True:
            call, answer = await self._post("introspect", request, "/oauth2/introspect", 200, data={"token": token})
            if answer is not None:
                call.answer |= answer.json()
                return bool(call.answer["active"])

    async def read(self, request: str) -> dict[str, Any]:
        """The request as it stands."""
        while True:
            await self._service.up.wait()
            try:
                answer = await self._client.get(f"/v1/access-requests/{request}")
            except httpx2.TransportError:
                continue
            if answer.status_code != 503:
                assert answer.status_code == 200, answer.text
                return dict(answer.json())
            await asyncio.sleep(PAUSE_S)

    async def checkpoint(self) -> None:
        """Fetch a checkpoint, if the service lives long enough to give it."""
        await self._service.up.wait()
        try:
            async with self._history.call("checkpoint", CODE) as call:
                answer = await self._client.get(f"/trail/{CODE}/checkpoint")
                judge(call, answer, 200)
                call.answer["note"] = answer.content
        except Unknown:
            return

    async def verifier_keys(self) -> list[str]:
        """Of the trail."""
        answer = await self._client.get(f"/trail/{CODE}/verifier-keys")
        assert answer.status_code == 200, answer.text
        return answer.text.split()

    async def _post(
        self, kind: str, what: str, path: str, good: int, **sent: Any
    ) -> tuple[Call, httpx2.Response | None]:
        """One try: the call, with its answer unless it broke off."""
        await self._service.up.wait()
        call = Call(kind, what)
        try:
            async with self._history.call(kind, what) as call:
                answer = await self._client.post(path, **sent)
                judge(call, answer, good)
        except Unknown:
            await asyncio.sleep(PAUSE_S)
            return call, None
        return call, answer


def _body(environment: str, case: str, minutes: int, not_before: datetime | None) -> dict[str, Any]:
    return {
        "institution": CODE,
        "environment": environment,
        "account": "exl_impl",
        "case": {"number": case, "title": "Nightly fulfilment job fails", "severity": "high", "escalated": True},
        "engineer": ENGINEER,
        "reason": "Read the configuration of the job and run it again with tracing.",
        "roles": ["Fulfillment Administrator"],
        "window": {"not_before": None if not_before is None else wire(not_before), "minutes": minutes},
    }
