"""Tiles of a trail (C2SP tlog-tiles v0.1.0, https://c2sp.org/tlog-tiles): hashes and entries as immutable resources.

Each has one path and no other. A tile stands at its full path once it is full; a partial one is served at every width
that the committed tree has or had, so that whoever holds a checkpoint finds the tiles of its size. Only private caches
keep them, because a trail stands behind a sign-in.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.actions import trail
from app.actions.ledger import NOT_FOUND
from app.api.guard import ReaderDep, ServicesDep
from app.api.problems import documented
from app.api.route import ApiRoute
from app.domain.errors import Refused
from app.trail.tiles import WIDTH, Tile, parse_path

router = APIRouter(route_class=ApiRoute, tags=["Trail"])

_MEDIA_TYPE = "application/octet-stream"
_FULL = "private, max-age=31536000, immutable"
_PARTIAL = "private, max-age=60"
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {_MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
    **documented("unauthorized", "insufficient-scope", "forbidden", "not-found", "unavailable", "trail-rolled-back"),
}


async def _as_sent(request: Request, path: str) -> str:
    """The end of the path, whole. The router's match would let a last newline go."""
    if not request.scope["path"].endswith(path):
        raise Refused(NOT_FOUND)
    return path


PathDep = Annotated[str, Depends(_as_sent)]


@router.get(
    "/trail/{code}/tile/entries/{path:path}",
    response_class=Response,
    summary="Read a bundle of 256 entries",
    responses=_ANSWERS,
)
async def entry_bundle(who: ReaderDep, services: ServicesDep, code: str, path: PathDep) -> Response:
    """`path` is `<N>[.p/<W>]`: the entries under a tile of level 0, each after its length in two bytes."""
    wanted = _tile(f"0/{path}")
    return _answer(wanted, await trail.entry_bundle(services, who, code, wanted))


@router.get(
    "/trail/{code}/tile/{level}/{path:path}",
    response_class=Response,
    summary="Read a tile of 256 hashes",
    responses=_ANSWERS,
)
async def tile(who: ReaderDep, services: ServicesDep, code: str, level: str, path: PathDep) -> Response:
    """`path` is `<N>[.p/<W>]`, N in groups of three digits, all but the last with `x`: 1234067 is `x001/x234/067`."""
    wanted = _tile(f"{level}/{path}")
    return _answer(wanted, await trail.tile(services, who, code, wanted))


def _tile(path: str) -> Tile:
    try:
        return parse_path(path)
    except ValueError as error:
        raise Refused(NOT_FOUND) from error


def _answer(wanted: Tile, body: bytes) -> Response:
    kept = _FULL if wanted.width == WIDTH else _PARTIAL
    return Response(body, media_type=_MEDIA_TYPE, headers={"Cache-Control": kept, "Vary": "Authorization, Cookie"})
