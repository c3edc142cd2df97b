"""Sessions as a vendor's own gateway opens, reports and ends them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from app.actions import session_calls, sessions
from app.actions.callers import authenticate
from app.actions.journey import Where
from app.actions.ledger import NOT_FOUND
from app.actions.reports import Heard, Report, hear_one
from app.actions.services import Services
from app.actions.sessions import SessionView
from app.actions.watched import Reported
from app.api import guard
from app.api import session_schemas as schemas
from app.api.guard import ProofHeader, ServicesDep, holder_of, needs
from app.api.hot import HotRoute, described, read_body
from app.api.lists import next_link
from app.api.once import PROBLEMS as KEYED
from app.api.once import OnceDep, once_of
from app.api.problems import documented
from app.api.route import ApiRoute, Call
from app.domain.errors import Refused
from app.domain.ids import is_id
from app.domain.recording import HEARTBEAT
from app.tokens.clients import Caller

router = APIRouter(prefix="/v1/sessions", route_class=ApiRoute, tags=["Sessions"])
hot = APIRouter(prefix="/v1/sessions", route_class=HotRoute, tags=["Sessions"])

Gateway = Annotated[Caller, Depends(needs("sessions"))]
_ANY = ("unauthorized", "insufficient-scope", "unavailable")
_BODY = ("malformed", "unsupported-media-type", *KEYED)


async def session_id_of(session_id: str) -> str:
    """The id in the path, if it can be one of a session. Raises `Refused` not-found."""
    if not is_id(session_id, "ses"):
        raise Refused(NOT_FOUND)
    return session_id


SessionId = Annotated[str, Depends(session_id_of)]


@router.post(
    "",
    status_code=201,
    response_model=schemas.Session,
    summary="Open the session of an approval token",
    responses=documented(*_ANY, *_BODY, "token-inactive", "trail-rolled-back"),
)
async def open_session(
    request: Request,
    caller: Gateway,
    services: ServicesDep,
    once: OnceDep,
    new: schemas.NewSession,
    _: ProofHeader = None,
) -> Response:
    """A token opens one session, while it and its grant are good, and at a gateway of the client's alone.

    One that is bound to a key needs a DPoP proof for this call by that key, whose `ath` is the hash of this token.
    """
    jkt = await holder_of(services, request, caller, new.token)

    async def act(services: Services) -> Response:
        where = Where(new.client.ip, new.client.user_agent)
        view = await sessions.open_session(services, caller, new.token, where, jkt)
        return _json(shown(view), {"Location": services.page(f"{router.prefix}/{view.row.id}")}, 201)

    return await once(caller, act)


@router.get(
    "",
    response_model=schemas.Sessions,
    summary="List sessions, newest first",
    responses=documented(*_ANY, "validation"),
)
async def find(caller: Gateway, services: ServicesDep, query: Annotated[schemas.SessionsQuery, Query()]) -> Response:
    """Every session at the client's gateways in its institutions; `state` is that of the clock."""
    page = await session_calls.find(
        services, caller, query.institution, query.request, query.state, query.limit, query.cursor
    )
    listed = schemas.Sessions(items=[shown(view) for view in page.items], next_cursor=page.next_cursor)
    return _json(listed, next_link(services, router.prefix, query, page.next_cursor))


@router.get(
    "/{session_id}",
    response_model=schemas.Session,
    summary="Read a session",
    responses=documented(*_ANY, "not-found"),
)
async def read(caller: Gateway, services: ServicesDep, session_id: SessionId) -> Response:
    """The session by the clock, with how much of it is recorded."""
    return _json(shown(await session_calls.read(services, caller, session_id)))


@hot.post(
    "/{session_id}/activity",
    response_model=schemas.Heard,
    summary="Report what happened, and learn whether the session goes on",
    responses=documented(*_ANY, *_BODY, "not-found", "trail-rolled-back"),
    openapi_extra=described("sessions", schemas.NewActivity),
)
async def activity(call: Call, session_id: str) -> Response:
    """Durably kept before it is answered; also the heartbeat. After the end it is kept as late, and told so."""
    services = call.app.state.services
    caller = await authenticate(services, guard.shown(call), "sessions")
    once = await once_of(call, services)
    report = Report(await session_id_of(session_id), caller.cli, await _told(call))
    if once.key is None:
        return _heard(await call.app.state.reports.take(report))

    async def act(services: Services) -> Response:
        return _heard(await hear_one(services, report))  # the key's transaction has begun: the log is locked first

    return await once(caller, act)


async def _told(call: Call) -> tuple[Reported, ...]:
    told = await read_body(call, schemas.NewActivity)
    return tuple(Reported(each.at, each.kind, each.summary, each.detail) for each in told.events)


def _heard(heard: Heard) -> Response:
    until = heard.not_after if heard.goes_on else None
    answer = schemas.Heard(goes_on=heard.goes_on, not_after=until, because=heard.because)
    return Response(answer.model_dump_json(by_alias=True, exclude_none=True), media_type="application/json")


@router.post(
    "/{session_id}/end",
    response_model=schemas.Session,
    summary="End a session",
    responses=documented(*_ANY, *_BODY, "not-found", "wrong-state", "trail-rolled-back"),
)
async def end(caller: Gateway, once: OnceDep, session_id: SessionId, said: schemas.SessionEnd) -> Response:
    """Seals what was reported; a session that is over already stays as it is."""

    async def act(services: Services) -> Response:
        return _json(shown(await session_calls.end(services, caller, session_id, said.summary)))

    return await once(caller, act)


def shown(view: SessionView) -> schemas.Session:
    """The representation of a session."""
    row, coverage = view.row, view.coverage
    return schemas.Session(
        id=row.id,
        grant=row.grant,
        request=row.request,
        institution=row.log,
        environment=row.environment,
        account=row.account,
        engineer=row.engineer_id,
        engineer_proved=row.client is None,
        state=view.state,
        opened_at=row.opened_at,
        ended_at=view.ended_at,
        ended_because=view.ended_because,
        not_after=row.not_after,
        heartbeat_s=int(HEARTBEAT.total_seconds()),
        coverage=schemas.SessionCoverage(
            seconds=coverage.open_s,
            recorded_seconds=coverage.covered_s,
            supplied_by=view.supplied_by,
            gaps=[schemas.Gap(start=gap.start, end=gap.end) for gap in coverage.gaps],
        ),
    )


def _json(
    answer: schemas.Session | schemas.Sessions, headers: dict[str, str] | None = None, status: int = 200
) -> Response:
    return Response(answer.model_dump_json(by_alias=True).encode(), status, headers, "application/json")
