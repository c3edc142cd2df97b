"""Sign-in records of an environment: given as JSON, or as a file that the environment exported, and reconciled."""

from __future__ import annotations

from datetime import tzinfo
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from app.actions import reconciliation
from app.actions.reconciliation import Given
from app.actions.services import Services
from app.api import sign_in_schemas as schemas
from app.api.answers import BrokenRow
from app.api.guard import SCOPES, ServicesDep, needs
from app.api.hot import described, read_body
from app.api.once import KEY_PARAMETER, Once, asked, once_of, streamed
from app.api.once import PROBLEMS as KEYED
from app.api.problems import MAX_ERRORS, documented
from app.api.route import MAX_BODY, ApiRoute, Call, media_type
from app.domain.errors import FieldError, Refusal, Refused
from app.domain.reconciliation import SignIn
from app.domain.rows_of_text import Unreadable
from app.domain.sign_in_rows import SignInFile, TooMany, account_of, address, result
from app.tokens.clients import Caller

MAX_FILE = 256 << 20
"""Bytes of a file: a million rows and more, in UTF-16."""
CSV = "text/csv"


class _Records(Call):
    @property
    def limit(self) -> int:  # type: ignore[override] # a file may be longer than what is read whole
        return MAX_FILE if media_type(self) == CSV else MAX_BODY


class RecordsRoute(ApiRoute):
    """A route that takes records."""

    call = _Records


router = APIRouter(prefix="/v1/institutions/{code}/sign-ins", route_class=RecordsRoute, tags=["Accounts"])

# Any scope comes this far, so that what is not the caller's is a 404 before the scope is judged.
Keeper = Annotated[Caller, Depends(needs("accounts", *SCOPES))]
_BODY = described("accounts", schemas.NewSignIns)["requestBody"]
_FILE = {"schema": {"type": "string"}, "example": "at,user_name,ip\n2026-11-14 02:41:00,exl_impl,203.0.113.90\n"}
_EXTRA: dict[str, Any] = {
    "parameters": [KEY_PARAMETER],
    "requestBody": {**_BODY, "content": {**_BODY["content"], CSV: _FILE}},
}


@router.post(
    "",
    status_code=201,
    response_model=schemas.SignInsAnswer,
    response_model_exclude_none=True,
    summary="Give sign-in records, and match them to sessions",
    responses=documented(
        *("unauthorized", "insufficient-scope", "not-found", "unavailable", "trail-rolled-back"),
        *("malformed", "unsupported-media-type", "environment-unknown", *KEYED),
    ),
    openapi_extra=_EXTRA,
)
async def reconcile(
    caller: Keeper, services: ServicesDep, request: Request, code: str, query: Annotated[schemas.SignInsQuery, Query()]
) -> Response:
    """Each sign-in of `exl_impl` is matched to a session of its environment: within its opening and end, or 60 s of
    that. What matches none is a finding, opened once however often the same records are sent.

    JSON as described; or a file as `text/csv`, with `environment`, `from`, `to` and `source` in the query: an export
    of Alma Analytics (Security Events), Alma's staff login report, or any table with the columns `at`, `user_name`,
    `ip`, `result`. In UTF-8, or UTF-16 with its byte order mark. Times without an offset are of the institution's zone.
    Rows that cannot be used are told by their lines, and the others are used; where it cannot be read whose sign-in a
    row is, or when it was, no day counts as reconciled.
    """
    zone = await reconciliation.time_zone(services, caller, code)
    call = _Records(request.scope, request.receive)
    if media_type(call) != CSV:
        given = _given(await read_body(call, schemas.NewSignIns), sha256(await call.body()).hexdigest())
        return await _once(await once_of(call, services), caller, code, given, None)
    file, given, fingerprint = await _read(call, query, zone)
    return await _once(streamed(call, services, fingerprint), caller, code, given, file)


async def _once(once: Once, caller: Caller, code: str, given: Given, file: SignInFile | None) -> Response:
    async def act(services: Services) -> Response:
        done = await reconciliation.reconcile(services, caller, code, given)
        answer = schemas.SignInsAnswer(matched=done.matched, opened=list(done.opened))
        if file is not None:
            answer.rows, answer.broken = file.rows, file.faults.count
            answer.broken_rows = [BrokenRow(line=each.line, detail=each.why) for each in file.faults.told]
        return Response(answer.model_dump_json(exclude_none=True), 201, media_type="application/json")

    return await once(caller, act)


def _given(body: schemas.NewSignIns, digest: str) -> Given:
    """What a body gives. Raises `Refused` validation for records of another time."""
    outside = [n for n, each in enumerate(body.records) if not body.begins <= each.at <= body.ends]
    if outside:
        errors = tuple(FieldError(f"/records/{n}/at", "This lies outside the period.") for n in outside[:MAX_ERRORS])
        raise Refused(Refusal("validation", f"{len(outside)} records lie outside the period.", errors))
    read = [
        SignIn(account, (each.at,), address(each.ip), result(each.result))
        for each in body.records
        if (account := account_of(each.user_name)) is not None
    ]
    sign_ins = {each.key(): each for each in read}
    rows = len(body.records)
    return Given(body.environment, body.begins, body.ends, body.source, sign_ins, f"sha256:{digest}", rows)


async def _read(call: Call, query: schemas.SignInsQuery, zone: tzinfo) -> tuple[SignInFile, Given, bytes]:
    """A file in pieces, at a memory that does not grow with it. Raises `Refused` validation, too-large."""
    environment, begins, ends, source = query.environment, query.begins, query.ends, query.source
    if environment is None or begins is None or ends is None or source is None:
        named = {"environment": environment, "from": begins, "to": ends, "source": source}
        errors = tuple(
            FieldError(f"/{name}", "A file needs this in the query.") for name, each in named.items() if each is None
        )
        raise Refused(Refusal("validation", "The query does not say what the file is of.", errors))
    if (refusal := reconciliation.judge_period(begins, ends)) is not None:
        raise Refused(refusal)
    file = SignInFile(begins, ends, zone, query.dates)
    digest, fingerprint = sha256(), sha256(asked(call))
    try:
        async for piece in call.stream():
            digest.update(piece)
            fingerprint.update(piece)
            file.feed(piece)
        file.finish()
    except (Unreadable, TooMany) as error:
        raise Refused(Refusal("validation", f"This file cannot be used: {error}. Nothing was changed.")) from error
    whole = f"sha256:{digest.hexdigest()}"
    given = Given(environment, begins, ends, source, file.sign_ins, whole, file.rows, file.faults.count, file.unread)
    return file, given, fingerprint.digest()
