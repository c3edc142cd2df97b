"""Settings, environments: which phase each is in, the switch to support, and new or changed ones to propose."""

from __future__ import annotations

from datetime import date
from typing import Any

from starlette.responses import Response

from app.actions import environments
from app.actions.signin import Visitor
from app.domain.errors import Refusal, Refused
from app.domain.languages import told
from app.web.call import Call, CallDep
from app.web.failures import status_of
from app.web.guard import Form, SignedIn, VisitorsForm
from app.web.language import of_others
from app.web.page_route import GET, pages
from app.web.settings import CHANGES
from app.web.times import dated

router = pages()
PATH = "/settings/environments"
FIELDS = ("name", "product", "tier", "phase", "url", "gateway_audience", "implementation_ends")
_ATTRIBUTES = {"name": "environment", "gateway_audience": "audience"}


@router.api_route(PATH, methods=GET)
async def listed(call: CallDep, visitor: SignedIn) -> Response:
    """The list, for admins."""
    found = await environments.environments(call.services, visitor)
    return call.page("environments.html", {"environments": found, "day": _day}, visitor=visitor)


@router.post(PATH)
async def switch(call: CallDep, visitor: SignedIn, form: VisitorsForm) -> Response:
    """Switch one to support."""
    await environments.switch_to_support(call.services, visitor, visitor.code, form.one("environment"))
    return call.go(PATH)


@router.api_route(PATH + "/new", methods=GET)
async def new(call: CallDep, visitor: SignedIn) -> Response:
    """The form of a new environment, for admins."""
    await environments.environments(call.services, visitor)
    return _page(call, visitor, dict.fromkeys(FIELDS), None, fresh=True)


@router.post(PATH + "/new")
async def add(call: CallDep, visitor: SignedIn, form: VisitorsForm) -> Response:
    """Propose a new environment."""
    if any(each.environment == form.one("name") for each in await environments.environments(call.services, visitor)):
        refusal = Refusal.of_field("/name", told("There is an environment of this name already."))
        return _page(call, visitor, read_environment(form), refusal, fresh=True)
    return await _want(call, visitor, read_environment(form), fresh=True)


@router.api_route(PATH + "/{name}", methods=GET)
async def one(call: CallDep, visitor: SignedIn, name: str) -> Response:
    """The form of one environment, for admins."""
    found = await environments.environment(call.services, visitor, name)
    members = {field: getattr(found, _ATTRIBUTES.get(field, field)) for field in FIELDS}
    return _page(call, visitor, members, None, fresh=False)


@router.post(PATH + "/{name}")
async def keep(call: CallDep, visitor: SignedIn, form: VisitorsForm, name: str) -> Response:
    """Propose the environment as the form says."""
    found = await environments.environment(call.services, visitor, name)
    return await _want(call, visitor, read_environment(form) | {"name": found.environment}, fresh=False)


def read_environment(form: Form) -> dict[str, Any]:
    """The form by the names of the world file; what is empty is left out."""
    return {name: form.one(name).strip() or None for name in FIELDS}


async def _want(call: Call, visitor: Visitor, members: dict[str, Any], *, fresh: bool) -> Response:
    try:
        change_id = await environments.want(call.services, visitor, members)
    except Refused as refused:
        if refused.refusal.problem != "validation":
            raise
        return _page(call, visitor, members, refused.refusal, fresh=fresh)
    return call.go(f"{CHANGES}/{change_id}")


def _page(call: Call, visitor: Visitor, members: dict[str, Any], refusal: Refusal | None, *, fresh: bool) -> Response:
    wrong = {} if refusal is None else {each.pointer[1:]: of_others(each.detail) for each in refusal.errors}
    path = f"{PATH}/new" if fresh else f"{PATH}/{members['name']}"
    values = {"e": members, "refusal": refusal, "wrong": wrong, "fresh": fresh, "path": path}
    status = 200 if refusal is None else status_of(refusal)
    return call.page("environment.html", values, status=status, visitor=visitor)


def _day(day: date) -> str:
    return dated(day, "yMMMd")
