"""The vendor's accounts, and scans of an institution's users: sent as a file, or read from Alma by this service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.actions import alma_scans, scans
from app.actions.scans import MAX_FILE, Read, Scanned, ScanRow
from app.actions.services import Services
from app.api import answers
from app.api.findings import Keeper, keeps
from app.api.guard import ServicesDep, needs
from app.api.once import KEY_PARAMETER, asked, key_of, streamed
from app.api.once import PROBLEMS as KEYED
from app.api.problems import documented
from app.api.route import ApiRoute, Call, media_type
from app.domain.accounts import ACCOUNTS, SOURCE
from app.domain.errors import Refusal, Refused
from app.domain.events import Actor
from app.domain.user_file import COLUMNS, Reading
from app.domain.user_json import JsonReader
from app.tokens.clients import Caller

JSON, CSV = "application/json", "text/csv"


class _File(Call):
    limit = MAX_FILE


class FileRoute(ApiRoute):
    """A route that takes a list of users."""

    call = _File


router = APIRouter(route_class=ApiRoute, tags=["Accounts"])
files = APIRouter(prefix="/v1/institutions/{code}", route_class=FileRoute, tags=["Accounts"])

_ANY = ("unauthorized", "insufficient-scope", "unavailable")
_TEXT = {"type": "string"}
_TOLD = {"type": ["string", "object", "null"]}
_USER = {
    "type": "object",
    "properties": {
        **dict.fromkeys(COLUMNS[:-1], _TOLD),
        "primary_id": _TEXT,
        "roles": {"type": "array", "items": _TEXT},
    },
    "required": ["primary_id"],
    "description": "a user as Alma's Users API tells of one; codes may be `{value, desc}`, roles stand in `user_role`",
}
_EXAMPLE = {
    "environment": "alma-production",
    "users": [{"primary_id": "exl_impl", "full_name": "Staff, Ex Libris", "status": {"value": "ACTIVE"}}],
}
_ROW = 'exl_impl,,,"Staff, Ex Libris",STAFF,INTERNAL,ACTIVE,\n'
_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        JSON: {
            "schema": {
                "type": "object",
                "properties": {
                    "environment": _TEXT,
                    "source": {"type": "string", "enum": ["alma"]},
                    "users": {"type": "array", "items": _USER},
                },
                "required": ["environment"],
            },
            "example": _EXAMPLE,
        },
        CSV: {"schema": {"type": "string", "format": "binary"}, "example": f"{','.join(COLUMNS)}\n{_ROW}"},
    },
}
_PLACE = {
    "name": "environment",
    "in": "query",
    "required": False,
    "schema": _TEXT,
    "description": "the environment, for users as text/csv",
}


@router.get(
    "/v1/accounts", response_model=answers.Accounts, summary="List the vendor's accounts", responses=documented(*_ANY)
)
async def find(_: Annotated[Caller, Depends(needs(scans.SCOPE))]) -> answers.Accounts:
    """The three accounts, with every name seen and what each may be used for."""
    listed = [
        answers.Account(
            id=account.id,
            names=list(account.names),
            may_be_requested=account.problem is None,
            problem=account.problem,
            may_sign_in=account.may_sign_in,
            why=account.why,
        )
        for account in ACCOUNTS.values()
    ]
    return answers.Accounts(items=listed, source=SOURCE, next_cursor=None)


@files.post(
    "/account-scans",
    status_code=201,
    response_model=answers.AccountScan,
    summary="Scan an environment's users",
    responses=documented(
        *(*_ANY, "not-found", "malformed", "unsupported-media-type", "validation", "too-large"),
        *("scan-under-way", "scan-failed", "wrong-state", "trail-rolled-back", *KEYED),
    ),
    openapi_extra={"parameters": [_PLACE, KEY_PARAMETER], "requestBody": _BODY},
)
async def scan(caller: Keeper, services: ServicesDep, code: str, request: Request) -> Response:
    """Users sent as a file are read as they come, at constant memory; rows that cannot be used are told by line.

    With `source` `alma` the service reads them from Alma itself. A finding is opened for what is wrong, once for as
    long as it is there, and closed when a scan that could read every row no longer sees it.
    """
    await scans.judge_place(services, caller, code)
    keeps(caller)
    key_of(request)
    fingerprint = sha256(asked(request))
    sent = await _read(services, code, request, fingerprint.update)
    once = streamed(request, services, fingerprint.digest())
    row: ScanRow | None = None
    if isinstance(sent, str):
        if (before := await once.kept(caller)) is not None:
            return before  # what was answered is not asked of Alma again
        read, row = await alma_scans.scan_now(services, caller, code, sent)
    else:
        read = sent

    async def act(inside: Services) -> Response:
        actor = Actor("client", caller.cli)
        done = await scans.complete(inside, actor, code, read, asked_by=caller.cli, scan=row)
        return Response(_answer(done).model_dump_json(), 201, media_type=JSON)

    return await once(caller, act)


async def _read(services: Services, code: str, request: Request, note: Callable[[bytes], None]) -> Read | str:
    """What was sent; or the environment whose Alma is to be read."""
    kind = media_type(request)
    if kind not in {JSON, CSV}:
        raise Refused(Refusal("unsupported-media-type", f"Send users as {JSON} or {CSV}."))
    reading = scans.reading(kind)
    await scans.read_file(reading, _noted(request.stream(), note))
    if isinstance(reading.reader, JsonReader):
        return await _of_json(services, code, reading, reading.reader)
    environment = await scans.judge_environment(services, code, request.query_params.get("environment"))
    return scans.finish_file(reading, environment)


async def _noted(pieces: AsyncIterator[bytes], note: Callable[[bytes], None]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        note(piece)
        yield piece


async def _of_json(services: Services, code: str, reading: Reading, reader: JsonReader) -> Read | str:
    asks = scans.members(reader)
    if asks.keys() - {"environment", "source", "total_record_count"}:
        raise Refused(Refusal.of_field("", "There are fields that are not of a scan; leave them out."))
    environment = await scans.judge_environment(services, code, asks.get("environment"))
    if "source" not in asks:
        return scans.finish_file(reading, environment)
    if asks["source"] != "alma" or reader.had_list:
        raise Refused(Refusal.of_field("/source", "Give users, or `alma` as the source, and not both."))
    return environment


def _answer(done: Scanned) -> answers.AccountScan:
    broken = [answers.BrokenRow(line=each.line, detail=each.why) for each in done.lines]
    return answers.AccountScan(
        id=done.id,
        users=done.users,
        opened=list(done.opened),
        closed=list(done.closed),
        broken=done.broken,
        broken_rows=broken,
    )
