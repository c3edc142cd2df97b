"""Sign-ins of an environment against approved windows; and records given on the page, by whoever keeps access."""

from __future__ import annotations

from datetime import date, datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

from starlette.responses import Response

from app.actions import reconciliation, sign_in_view
from app.actions.reconciliation import Given
from app.actions.signin import Visitor
from app.domain.errors import FieldError, Refusal, Refused
from app.domain.reconciled_days import day_span
from app.domain.rows_of_text import Faults, Unreadable
from app.domain.sign_in_rows import Dates, SignInFile, TooMany
from app.web.call import Call, CallDep
from app.web.guard import Form, SignedIn, VisitorsForm
from app.web.page_route import GET, pages
from app.web.sign_ins_figure import figures

router = pages()
PATH = "/accounts/sign-ins"


@router.api_route(PATH, methods=GET)
async def shown(call: CallDep, visitor: SignedIn, environment: str | None = None) -> Response:
    """The last two weeks of one environment."""
    return await _page(call, visitor, environment)


@router.post(PATH)
async def give(call: CallDep, visitor: SignedIn, form: VisitorsForm) -> Response:
    """Records of some days, pasted as rows of text; the page then says what became of them."""
    environment = form.one("environment")
    try:
        given, faults = _given(form, visitor)
        done = await reconciliation.reconcile(call.services, visitor, visitor.code, given)
    except Refused as refused:
        if refused.refusal.problem != "validation":
            raise
        return await _page(call, visitor, environment, form=form, refusal=refused.refusal)
    return await _page(call, visitor, environment, done=(done, faults))


async def _page(call: Call, visitor: Visitor, environment: str | None, **more: object) -> Response:
    view = await sign_in_view.sign_ins_of(call.services, visitor, environment)
    zone = ZoneInfo(visitor.time_zone)
    refusal = more.get("refusal")
    values = {
        "view": view,
        "figures": figures(view.days, zone),
        "form": more.get("form") or Form(),
        "refusal": refusal,
        "done": more.get("done"),
        "path": PATH,
    }
    return call.page("sign_ins.html", values, status=200 if refusal is None else 422, visitor=visitor)


def _given(form: Form, visitor: Visitor) -> tuple[Given, Faults]:
    """What a form gives. Raises `Refused` validation."""
    zone = ZoneInfo(visitor.time_zone)
    begins, ends = _day(form, "from", zone), _day(form, "to", zone)
    if (refusal := reconciliation.judge_period(begins[0], ends[1])) is not None:
        raise Refused(refusal)
    dates = Dates(form.one("dates")) if form.one("dates") in set(Dates) else Dates.ISO
    file, data = SignInFile(begins[0], ends[1], zone, dates), form.one("rows").encode()
    try:
        file.feed(data)
        file.finish()
    except (Unreadable, TooMany) as error:
        raise Refused(Refusal.of_field("/rows", f"These rows cannot be used: {error}.")) from error
    digest = f"sha256:{sha256(data).hexdigest()}"
    span = (form.one("environment"), begins[0], ends[1])
    return Given(*span, "institution", file.sign_ins, digest, file.rows, file.faults.count, file.unread), file.faults


def _day(form: Form, name: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    try:
        span = day_span(date.fromisoformat(form.one(name)), zone)
    except (ValueError, OverflowError) as error:
        detail = "Give a day, such as 2026-11-14."
        raise Refused(Refusal("validation", detail, (FieldError(f"/{name}", detail),))) from error
    return span.start, span.end
