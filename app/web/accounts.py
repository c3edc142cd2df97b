"""Accounts: the vendor's accounts in this institution's environments, what was found, and what the last scans saw."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from zoneinfo import ZoneInfo

from starlette.responses import Response

from app.actions import accounts, alma_scans, findings
from app.actions.signin import Visitor
from app.domain.errors import Refusal, Refused
from app.domain.languages import msg
from app.domain.scan import User
from app.web.call import Call, CallDep
from app.web.failures import status_of
from app.web.guard import SignedIn, VisitorsForm
from app.web.language import _, ngettext
from app.web.page_route import GET, pages
from app.web.times import Times

router = pages()
PATH = "/accounts"
KINDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "sign-in-unmatched": (msg("A sign-in that no approval covers"), msg("The gravest kind there is.")),
        "unintended-user": (msg("A user that is not intended"), msg("It is to be deactivated and deleted.")),
        "support-account-active": (msg("exl_support is not deactivated"), msg("It is to be inactive, without roles.")),
        "api-account-staff": (
            msg("exl_api is used as a member of staff"),
            msg("It takes no staff actions and never signs in."),
        ),
        "impl-account-changed": (
            msg("exl_impl is missing or has another name"),
            msg("Its use cannot be told apart any more."),
        ),
        "day-not-reconciled": (
            msg("A day without sign-in records"),
            msg("It closes when records for that day are given."),
        ),
        "work-disputed": (msg("A report of work is disputed"), msg("The vendor’s report does not match what you saw.")),
    }
)
"""What a kind of finding is called, and what is to be known of it."""
SOURCES: Mapping[str, str] = MappingProxyType(
    {"alma": msg("Alma Users API"), "csv": msg("uploaded file"), "json": msg("uploaded file")}
)


@router.api_route(PATH, methods=GET)
async def shown(call: CallDep, visitor: SignedIn) -> Response:
    """The status at a glance, the findings, and what the last scans saw."""
    return await _page(call, visitor, None)


@router.post(PATH + "/scan")
async def scan(call: CallDep, visitor: SignedIn, form: VisitorsForm) -> Response:
    """Have an environment scanned soon; the page then shows how far that is."""
    try:
        await alma_scans.ask(call.services, visitor, form.one("environment"))
    except Refused as refused:
        if refused.refusal.problem not in {"scan-under-way", "validation"}:
            raise
        return await _page(call, visitor, refused.refusal)
    return call.go(PATH)


@router.post(PATH + "/findings/{finding_id}/close")
async def close(call: CallDep, visitor: SignedIn, form: VisitorsForm, finding_id: str) -> Response:
    """Close what no scan can see again, with words that explain it, or after it was explained."""
    try:
        await findings.close(call.services, visitor, finding_id, form.one("why"))
    except Refused as refused:
        if refused.refusal.problem not in {"validation", "wrong-state"}:
            raise
        return await _page(call, visitor, refused.refusal)
    return call.go(PATH)


@router.api_route(PATH + "/findings.csv", methods=GET)
async def taken(call: CallDep, visitor: SignedIn) -> Response:
    """Every finding, to take along."""
    rows = await accounts.export(call.services, visitor)
    headers = {"Content-Disposition": f'attachment; filename="findings-{visitor.code}.csv"'}
    return Response(rows, media_type="text/csv; charset=utf-8", headers=headers)


def state_of(account: str, user: User | None) -> str:
    """What the last scan saw of an account, in a few words."""
    if user is None:
        return _("Missing") if account == "exl_impl" else _("Not there")
    if user.roles:
        n = len(user.roles)
        if user.is_active:
            return ngettext("Active, %(n)s role", "Active, %(n)s roles", n)
        return ngettext("Inactive, %(n)s role", "Inactive, %(n)s roles", n)
    return _("Active, no roles") if user.is_active else _("Inactive, no roles")


async def _page(call: Call, visitor: Visitor, refusal: Refusal | None) -> Response:
    view = await accounts.overview(call.services, visitor)
    times = Times(ZoneInfo(visitor.time_zone), view.at)
    values = {"all": view, "refusal": refusal, "kinds": KINDS, "sources": SOURCES, "state_of": state_of, "times": times}
    status = 200 if refusal is None else status_of(refusal)
    return call.page("accounts.html", values, status=status, visitor=visitor)
