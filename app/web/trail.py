"""The audit trail: its state, its entries with their proofs, the evidence of one request, and exports."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import orjson
from starlette.responses import Response, StreamingResponse

from app.actions import evidence, trailview
from app.actions.derived import offers_parquet, take
from app.actions.export import Asked
from app.actions.ledger import NOT_FOUND
from app.actions.paper import offered
from app.actions.request_evidence import request_evidence
from app.actions.signin import Visitor
from app.actions.trailview import Listing, Sought
from app.domain.errors import Refusal, Refused
from app.domain.window import day_over
from app.web import paper
from app.web.call import Call, CallDep
from app.web.guard import Form, SignedIn, VisitorsForm
from app.web.page_route import GET, pages
from app.web.review import standing
from app.web.trailwords import GROUPS, LABELS, said
from app.web.watching import number

router = pages()
_DAY = timedelta(days=1)
_FORMS = {"said": said, "b64": lambda data: b64encode(data).decode(), "on_paper": offered, "parquet": offers_parquet}


@router.api_route("/trail", methods=GET)
async def trail(
    call: CallDep,
    visitor: SignedIn,
    after: str = "",
    before: str = "",
    kind: str = "",
    request: str = "",
    below: str = "",
) -> Response:
    """What the trail lets one conclude; for auditors its state, its entries newest first, and the exports."""
    values: dict[str, Any] = {"found": None, "labels": LABELS, **_FORMS}
    chosen = {"after": after, "before": before, "kind": kind, "request": request.strip()}
    values |= {"chosen": chosen, "errors": ()}
    if "auditor" not in visitor.roles:
        return call.page("trail.html", values, visitor=visitor)
    try:
        found = await trailview.listing(call.services, visitor, _sought(visitor, chosen, below))
    except Refused as refused:
        if not refused.refusal.errors:
            raise
        values["errors"] = tuple(each.detail for each in refused.refusal.errors)
        return call.page("trail.html", values, status=422, visitor=visitor)
    return call.page("trail.html", values | _listed(found, chosen), visitor=visitor)


def _listed(found: Listing, chosen: Mapping[str, str]) -> dict[str, Any]:
    older = urlencode({**{name: value for name, value in chosen.items() if value}, "below": found.older})
    return {"found": found, "older": None if found.older is None else f"/trail?{older}"}


def _sought(visitor: Visitor, chosen: Mapping[str, str], below: str) -> Sought:
    """What the form asks for; its days are those of the institution's zone, both in. Raises `Refused` validation."""
    zone = ZoneInfo(visitor.time_zone)
    first, last = _day(chosen["after"], "/after"), _day(chosen["before"], "/before")
    return Sought(
        types=GROUPS.get(chosen["kind"], ()),
        request=chosen["request"] or None,
        after=None if first is None else day_over(first - _DAY, zone),
        before=None if last is None else day_over(last, zone),
        below=number(below),
    )


def _day(text: str, pointer: str) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise Refused(Refusal.of_field(pointer, "Give a day as YYYY-MM-DD.")) from error
    if not date(2000, 1, 1) < day < date(2200, 1, 1):
        raise Refused(Refusal.of_field(pointer, "Give a day of this century."))
    return day


@router.api_route("/trail/entries/{index}", methods=GET)
async def entry(call: CallDep, visitor: SignedIn, index: str) -> Response:
    """One entry, byte for byte, with its private part and the proof that it is in the log."""
    wanted = number(index)
    if wanted is None:
        raise Refused(NOT_FOUND)
    found = await trailview.entry_page(call.services, visitor, wanted)
    return call.page("trail_entry.html", {"page": found, **_FORMS}, visitor=visitor)


@router.api_route("/trail/evidence/{digest}", methods=GET)
async def blob(call: CallDep, visitor: SignedIn, digest: str) -> Response:
    """One piece of evidence by its SHA-256 in hex; reading it is an entry."""
    name = f"sha256:{digest}"
    read = await evidence.read(call.services, visitor, visitor.code, name)
    shown = orjson.dumps(orjson.loads(read), option=orjson.OPT_INDENT_2).decode()
    return call.page("trail_evidence.html", {"digest": name, "shown_text": shown}, visitor=visitor)


@router.api_route("/requests/{request_id}/evidence", methods=GET)
async def of_request(call: CallDep, visitor: SignedIn, request_id: str) -> Response:
    """What stands behind one request: asked, answered, signed, recorded, proved. Reading it is an entry."""
    found = await request_evidence(call.services, visitor, request_id)
    r = standing(found.view, visitor)
    values = {"e": found, "r": r, "times": r.times, "made_at": found.view.now, **_FORMS}
    return call.page("request_evidence.html", values, visitor=visitor)


@router.post("/trail/export")
async def download(call: CallDep, visitor: SignedIn, form: VisitorsForm) -> Response:
    """The whole trail, or one request: as a bundle, or as rows."""
    return await taken(call, visitor, visitor.code, form)


async def taken(call: Call, visitor: Visitor, code: str, form: Form) -> Response:
    """The export that a form asks for. Its event is committed before the first byte leaves."""
    rows = form.one("as") != "bundle"
    start, stop = (number(form.one("from")), number(form.one("to"))) if rows else (None, None)
    asked = Asked(form.one("as"), form.one("request") or None, start or 0, stop)
    if asked.form == "pdf" and code == visitor.code:
        return await paper.answered(call, visitor, replace(asked, form="jsonl"))
    export = await take(call.services, visitor, code, asked)
    headers = {"Content-Disposition": f'attachment; filename="{export.filename}"'}
    return StreamingResponse(export.pieces, media_type=export.media_type, headers=headers)
