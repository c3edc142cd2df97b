"""Settings, people: who is on the list, first sign-ins to confirm, and the page of one person."""

from __future__ import annotations

import re
from datetime import date

from starlette.responses import Response

from app.actions import people, person
from app.actions.person import Kept, NewPerson, PersonView
from app.actions.signin import Visitor
from app.actions.worldbodies import person_of
from app.domain.environment import PRODUCTS
from app.domain.errors import FieldError, Refusal, Refused
from app.domain.people import ROLES
from app.web.call import Call, CallDep
from app.web.failures import status_of
from app.web.guard import Form, SignedIn, VisitorsForm
from app.web.page_route import GET, pages
from app.web.settings import CHANGES

router = pages()
PATH = "/settings/people"
_DAY = re.compile(r"2\d{3}-\d\d-\d\d", re.ASCII)
# What the form itself can say better than a page of failure.
_ON_FORM = frozenset({"validation", "countersignature-needed", "last-admin"})


@router.api_route(PATH, methods=GET)
async def listed(call: CallDep, visitor: SignedIn) -> Response:
    """The list, for admins."""
    view = await people.people(call.services, visitor)
    return call.page("people.html", {"people": view}, visitor=visitor)


@router.post(PATH)
async def confirm(call: CallDep, visitor: SignedIn, form: VisitorsForm) -> Response:
    """Say whether a first sign-in is that person's; or that the list was gone through."""
    if form.one("review"):
        await people.review(call.services, visitor)
        return call.go(PATH)
    said = form.one("binding")
    if said not in {"confirm", "refuse"}:
        raise Refused(Refusal.of_field("/binding", "Confirm or refuse."))
    await people.confirm_binding(call.services, visitor, form.one("person"), confirm=said == "confirm")
    return call.go(PATH)


@router.api_route(PATH + "/new", methods=GET)
async def new(call: CallDep, visitor: SignedIn) -> Response:
    """The form of a new person, for admins."""
    await people.people(call.services, visitor)
    return _new_page(call, visitor, NewPerson("", "", (), ()), None)


@router.post(PATH + "/new")
async def add(call: CallDep, visitor: SignedIn, form: VisitorsForm) -> Response:
    """Add a person: at once, or as a change that waits where they would answer or keep settings."""
    members: dict[str, object] = {name: form.one(name).strip() or None for name in ("email", "name")}
    members |= {name: list(form.all(name)) for name in ("roles", "products")}
    shown = NewPerson(form.one("email"), form.one("name"), form.all("roles"), form.all("products"))
    try:
        spec = person_of(members)
        wanted = NewPerson(spec.email, spec.name, spec.roles, spec.products)
        change_id = await person.add(call.services, visitor, wanted)
    except Refused as refused:
        if refused.refusal.problem not in _ON_FORM:
            raise
        return _new_page(call, visitor, shown, refused.refusal)
    return call.go(PATH if change_id is None else f"{CHANGES}/{change_id}")


@router.api_route(PATH + "/{person_id}", methods=GET)
async def one(call: CallDep, visitor: SignedIn, person_id: str) -> Response:
    """One person, for admins."""
    return _page(call, visitor, await person.person(call.services, visitor, person_id), None)


@router.post(PATH + "/{person_id}")
async def keep(call: CallDep, visitor: SignedIn, form: VisitorsForm, person_id: str) -> Response:
    """Remove the person, or save what the form says."""
    view = await person.person(call.services, visitor, person_id)
    try:
        if form.one("remove"):
            await person.remove(call.services, visitor, person_id)
            return call.go(PATH)
        change_id = await person.change(call.services, visitor, person_id, read_kept(form))
    except Refused as refused:
        if refused.refusal.problem not in _ON_FORM:
            raise
        return _page(call, visitor, view, refused.refusal)
    return call.go(PATH if change_id is None else f"{CHANGES}/{change_id}")


def read_kept(form: Form) -> Kept:
    """The form of a person. Raises `Refused` validation."""
    roles, products = set(form.all("roles")), set(form.all("products"))
    days, wrong = {}, []
    for name in ("away_from", "away_to"):
        try:
            days[name] = _read_day(form.one(name))
        except ValueError:
            wrong.append(FieldError(f"/{name}", "Give a day as YYYY-MM-DD."))
    if not roles <= set(ROLES) or not products <= set(PRODUCTS):
        wrong.append(FieldError("/roles", "Choose from the roles and products that the page shows."))
    if wrong:
        raise Refused(Refusal("validation", wrong[0].detail, tuple(wrong)))
    return Kept(tuple(sorted(roles)), tuple(sorted(products)), days["away_from"], days["away_to"])


def _read_day(text: str) -> date | None:
    if not text:
        return None
    if _DAY.fullmatch(text) is None:
        raise ValueError(text)
    return date.fromisoformat(text)


def _new_page(call: Call, visitor: Visitor, shown: NewPerson, refusal: Refusal | None) -> Response:
    status = 200 if refusal is None else status_of(refusal)
    wrong = {} if refusal is None else {each.pointer[1:].partition("/")[0]: each.detail for each in refusal.errors}
    values = {"new": shown, "refusal": refusal, "wrong": wrong, "all_roles": ROLES}
    return call.page("person_new.html", values, status=status, visitor=visitor)


def _page(call: Call, visitor: Visitor, view: PersonView, refusal: Refusal | None) -> Response:
    status = 200 if refusal is None else status_of(refusal)
    values = {"view": view, "refusal": refusal, "all_roles": ROLES}
    return call.page("person.html", values, status=status, visitor=visitor)
