"""Recordings as a vendor's own gateway adds them, part by part."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from app.actions import recordings
from app.actions.recordings import MAX_NUMBER, MAX_PART, NewPart, read_digests
from app.api import session_schemas as schemas
from app.api.guard import ServicesDep
from app.api.problems import documented
from app.api.route import ApiRoute, Call
from app.api.sessions import Gateway, SessionId
from app.domain.errors import Refusal, Refused


class _Part(Call):
    limit = MAX_PART


class PartRoute(ApiRoute):
    """A route that takes a part of a recording."""

    call = _Part


router = APIRouter(prefix="/v1/sessions", route_class=PartRoute, tags=["Sessions"])

_CONTENT_TYPE = re.compile(r"(?=.{3,100}$)[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+[ -~]*")
_CONTENT = {"required": True, "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}
_DIGEST = {"name": "Content-Digest", "in": "header", "schema": {"type": "string"}, "description": "RFC 9530"}


@router.put(
    "/{session_id}/recording/{n}",
    status_code=201,
    response_model=schemas.Part,
    summary="Add a part of the recording",
    responses={
        200: {"model": schemas.Part, "description": "it was there already"},
        **documented(
            *("unauthorized", "insufficient-scope", "unavailable", "not-found", "wrong-state", "validation"),
            *("digest-mismatch", "part-differs", "too-large", "unsupported-media-type", "trail-rolled-back"),
        ),
    },
    openapi_extra={"parameters": [_DIGEST], "requestBody": _CONTENT},
)
async def add_part(
    caller: Gateway,
    services: ServicesDep,
    request: Request,
    session_id: SessionId,
    n: Annotated[int, Path(ge=1, le=MAX_NUMBER)],
) -> Response:
    """Streamed into the store, and there once: the same bytes again change nothing, other bytes are refused."""
    lines = request.headers.getlist("content-digest")  # several are one list (RFC 9110, section 5.3)
    digests = read_digests(", ".join(lines) if lines else None)
    part = NewPart(n, _content_type(request), digests, request.stream())
    kept = await recordings.add_part(services, session_id, caller.cli, part)
    answer = schemas.Part(sha256=kept.sha256, bytes=kept.bytes)
    return Response(answer.model_dump_json(), 201 if kept.new else 200, media_type="application/json")


def _content_type(request: Request) -> str:
    given = request.headers.get("content-type", "application/octet-stream")
    if not _CONTENT_TYPE.fullmatch(given):
        detail = "Content-Type has to be a media type, such as application/x-asciicast, of at most 100 characters."
        raise Refused(Refusal("unsupported-media-type", detail))
    return given
