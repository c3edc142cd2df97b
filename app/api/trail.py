"""Trails for those who audit: entries, proofs, checkpoints, and the bundle to take home."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from app.actions import evidence, trail
from app.actions.derived import take
from app.actions.export import Asked
from app.actions.ledger import NOT_FOUND
from app.actions.trail import Seen, Wanted, page_from
from app.api import answers, schemas
from app.api.guard import ReaderDep, ServicesDep
from app.api.lists import next_link
from app.api.problems import documented
from app.api.route import ApiRoute
from app.domain.errors import Refused
from app.domain.kinds import is_code
from app.trail.log import Proof

router = APIRouter(route_class=ApiRoute, tags=["Trail"])

Index = Annotated[int, Query(ge=0, lt=1 << 31)]
Size = Annotated[int | None, Query(ge=0, lt=1 << 31)]
_ANY = ("unauthorized", "insufficient-scope", "forbidden", "not-found", "unavailable")
_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain; charset=utf-8": {"schema": {"type": "string"}}}}
}
_EXPORTS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "application/zip": {"schema": {"type": "string", "format": "binary"}},
            "application/x-ndjson": {"schema": {"type": "string"}},
            "text/csv; charset=utf-8; header=present": {"schema": {"type": "string"}},
            "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
        }
    }
}


@router.get(
    "/v1/institutions/{code}/trail/entries",
    response_model=answers.Entries,
    summary="Read entries, by rising index",
    responses=documented(*_ANY, "validation"),
)
async def entries(
    who: ReaderDep, services: ServicesDep, code: str, query: Annotated[schemas.EntriesQuery, Query()]
) -> Response:
    """From `from` (in) to `to` (out), recorded after `after` and before `before`.

    Private parts are in it where the caller may see them. A page by `actor` looks at 20,000 entries, so it may be
    short, or empty: go on until `next_cursor` is null.
    """
    asked = (query.start, query.stop, query.type, query.request, query.actor, query.after, query.before)
    wanted = page_from(Wanted(*asked), query.cursor)
    found, following = await trail.find(services, who, code, wanted, query.limit)
    cursor = None if following is None else str(following)
    page = {"items": list(map(_item, found)), "next_cursor": cursor}
    link = next_link(services, f"/v1/institutions/{code}/trail/entries", query, cursor)
    return Response(orjson.dumps(page), headers=link, media_type="application/json")


def _item(seen: Seen) -> dict[str, Any]:
    entry = orjson.Fragment(seen.leaf)
    return {"index": seen.index, "leaf_hash": seen.leaf_hash, "entry": entry, "private": seen.private}


@router.get(
    "/v1/institutions/{code}/trail/export",
    response_class=StreamingResponse,
    summary="Take a trail home",
    responses={**_EXPORTS, **documented(*_ANY, "validation", "trail-rolled-back")},
)
async def download(
    who: ReaderDep, services: ServicesDep, code: str, query: Annotated[schemas.ExportQuery, Query()]
) -> Response:
    """The whole trail, or what concerns one request: a bundle that verifies offline, or rows (`jsonl`, `csv`,
    `parquet`).

    Rows run from `from` (in) to `to` (out) and end with a marker (in Parquet, its footer). The export's
    own event is committed before the first byte.
    """
    if not is_code(code):
        raise Refused(NOT_FOUND)
    exported = await take(services, who, code, Asked(query.form, query.request, query.start, query.stop))
    first = await anext(exported.pieces)  # what is in doubt shows here, while it can still be answered
    headers = {"Content-Disposition": f'attachment; filename="{exported.filename}"'}
    return StreamingResponse(_joined(first, exported.pieces), media_type=exported.media_type, headers=headers)


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


@router.get(
    "/v1/institutions/{code}/trail/evidence/{sha256}",
    response_class=Response,
    summary="Read one piece of evidence",
    responses={
        200: {"content": {"application/json": {"schema": {"type": "object"}}}},
        **documented(*_ANY, "trail-rolled-back"),
    },
)
async def read_evidence(who: ReaderDep, services: ServicesDep, code: str, sha256: str) -> Response:
    """The exact bytes: canonical JSON whose SHA-256 is `sha256` (64 lower hex, or as `sha256:…`).

    Reading it is an entry of the trail, `evidence.read`, committed before the first byte.
    """
    digest = sha256 if sha256.startswith("sha256:") else f"sha256:{sha256}"
    blob = await evidence.read(services, who, code, digest)
    return Response(blob, headers={"Cache-Control": "no-store"}, media_type="application/json")


@router.get(
    "/trail/{code}/checkpoint",
    response_class=PlainTextResponse,
    summary="The signed checkpoint",
    responses={**_TEXT, **documented(*_ANY, "trail-rolled-back")},
)
async def checkpoint(who: ReaderDep, services: ServicesDep, code: str) -> Response:
    """A signed note (C2SP tlog-checkpoint) of everything committed."""
    return PlainTextResponse(await trail.checkpoint(services, who, code))


@router.get(
    "/trail/{code}/checkpoint/witnessed",
    response_class=PlainTextResponse,
    summary="The newest checkpoint that every witness has cosigned",
    responses={**_TEXT, **documented(*_ANY, "trail-rolled-back")},
)
async def witnessed(who: ReaderDep, services: ServicesDep, code: str) -> Response:
    """With their cosignatures (C2SP tlog-cosignature). Not found where there are no witnesses, or not yet one."""
    return PlainTextResponse(await trail.witnessed(services, who, code))


@router.get(
    "/trail/{code}/verifier-keys",
    response_class=PlainTextResponse,
    summary="The verifier keys",
    responses={**_TEXT, **documented(*_ANY)},
)
async def verifier_keys(who: ReaderDep, services: ServicesDep, code: str) -> Response:
    """One a line; keep your own copy, and compare."""
    return PlainTextResponse("".join(f"{key}\n" for key in await trail.verifier_keys(services, who, code)))


@router.get(
    "/v1/institutions/{code}/trail/proof/inclusion",
    response_model=answers.ProofAnswer,
    summary="Prove that an entry is in the trail",
    responses=documented(*_ANY, "validation"),
)
async def inclusion(who: ReaderDep, services: ServicesDep, code: str, index: Index, size: Size = None) -> Response:
    """Good for the tree of `size` entries, or of all there are."""
    return _proof(await trail.inclusion(services, who, code, index, size))


@router.get(
    "/v1/institutions/{code}/trail/proof/consistency",
    response_model=answers.ProofAnswer,
    summary="Prove that the trail only grew",
    responses=documented(*_ANY, "validation"),
)
async def consistency(
    who: ReaderDep,
    services: ServicesDep,
    code: str,
    old: Annotated[int, Query(alias="from", ge=0, lt=1 << 31)],
    to: Size = None,
) -> Response:
    """From the tree of `from` entries to that of `to`, or of all there are."""
    return _proof(await trail.consistency(services, who, code, old, to))


def _proof(proof: Proof) -> Response:
    answer = answers.ProofAnswer(size=proof.size, root=_base64(proof.root), hashes=list(map(_base64, proof.hashes)))
    return Response(answer.model_dump_json(), media_type="application/json")


def _base64(data: bytes) -> str:
    return b64encode(data).decode()
