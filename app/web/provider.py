"""Settings, sign-in: the institution's provider, another one proposed, and the test that shows what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from app.actions import doors, provider, provider_tests
from app.actions.provider_tests import Candidate, Trial
from app.actions.signin import Visitor
from app.domain.errors import Refusal, Refused
from app.domain.institution import Provider
from app.domain.people import ROLES
from app.identity.provider import PRIVATE_KEY_JWT
from app.web.call import Call, CallDep
from app.web.failures import status_of
from app.web.guard import Form, SignedIn, VisitorsForm
from app.web.page_route import GET, pages
from app.web.settings import CHANGES

router = pages()
PATH = "/settings/sign-in"
TEST = PATH + "/test"
MORE = 2
MAX_ROWS = 20
_TEXTS = ("issuer", "client_id", "approval_client_id", "email_claim", "roles_claim")


@dataclass(frozen=True, slots=True)
class Shown:
    """The form's values; never a secret."""

    texts: Mapping[str, str]
    exclusive: bool
    keyed: frozenset[str]
    claims: tuple[tuple[str, str], ...]
    roles: tuple[tuple[str, str], ...]


@router.api_route(PATH, methods=GET)
async def shown(call: CallDep, visitor: SignedIn, draft: str = "") -> Response:
    """The provider in force; with a draft, what was tried, and how that went."""
    trial = await provider_tests.trial(call.services, visitor, draft) if draft else None
    if trial is not None and trial.candidate.change is not None:
        return call.go(f"{CHANGES}/{trial.candidate.change}")
    view = await provider.current(call.services, visitor)
    shown = _shown(view.provider, view.keyed)
    if trial is not None:
        shown = _shown(trial.candidate.provider, provider.keyed(trial.candidate))
    return await _page(call, visitor, shown, trial, None)


@router.post(PATH)
async def keep(call: CallDep, visitor: SignedIn, form: VisitorsForm) -> Response:
    """Try what the form says, or propose it."""
    draft, members = form.one("draft"), read_provider(form)
    try:
        wanted = await provider.candidate(call.services, visitor, members, draft)
        if form.one("test"):
            return await _to_test(call, visitor, wanted)
        change_id = await provider.offer(call.services, visitor, wanted, draft)
    except Refused as refused:
        if refused.refusal.problem != "validation":
            raise
        return await _page(call, visitor, _of_form(members), None, refused.refusal)
    return call.go(PATH if change_id is None else f"{CHANGES}/{change_id}")


@router.post(TEST)
async def test(call: CallDep, visitor: SignedIn, form: VisitorsForm) -> Response:
    """Try the provider that a change proposes."""
    return await _to_test(call, visitor, await provider.of_change(call.services, visitor, form.one("change")))


@router.api_route(TEST + "/{draft_id}", methods=GET)
async def ready(call: CallDep, visitor: SignedIn, draft_id: str) -> Response:
    """Before the test: where it leads. A page of its own, because its form may lead to that provider alone."""
    trial = await provider_tests.trial(call.services, visitor, draft_id)
    origins = await doors.origins(call.services, trial.candidate.legs()[0])
    return call.page("provider_test.html", {"trial": trial}, visitor=visitor, origins=origins)


@router.post(TEST + "/{draft_id}")
async def go(call: CallDep, visitor: SignedIn, form: VisitorsForm, draft_id: str) -> Response:  # noqa: ARG001 -- the form is a guard
    """Off to the candidate."""
    browser = None if call.fresh else call.browser
    begun = await provider_tests.begin(call.services, visitor, draft_id, browser)
    response = call.go(begun.url)
    call.keep_browser(response, begun.cookie)
    return response


def read_provider(form: Form) -> dict[str, Any]:
    """The form by the names of the world file; what is empty is left out."""
    members: dict[str, Any] = {name: form.one(name).strip() or None for name in _TEXTS}
    members |= {name: _secret(form, name) for name in provider.SECRETS}
    exclusive = form.one("exclusive") == "true"
    claims = _pairs(form, "required_claims", "name", "value")
    members |= {"exclusive": exclusive, "required_claims": {} if exclusive else claims}
    return members | {"roles": _pairs(form, "roles", "value", "role") if members["roles_claim"] else {}}


def _secret(form: Form, name: str) -> str | None:
    return PRIVATE_KEY_JWT if form.one(f"{name}_key") == "true" else form.one(name) or None


def _pairs(form: Form, name: str, first: str, second: str) -> dict[str, str]:
    rows = [(form.one(f"{name}.{at}.{first}").strip(), form.one(f"{name}.{at}.{second}")) for at in range(1, MAX_ROWS)]
    return {key: value for key, value in rows if key}


def _shown(found: Provider, keyed: frozenset[str]) -> Shown:
    texts = {name: getattr(found, name) or "" for name in _TEXTS}
    return Shown(texts, found.exclusive, keyed, tuple(found.required_claims.items()), tuple(found.roles.items()))


def _of_form(members: Mapping[str, Any]) -> Shown:
    texts = {name: members[name] or "" for name in _TEXTS}
    claims, roles = (tuple(members[name].items()) for name in ("required_claims", "roles"))
    keyed = frozenset(name for name in provider.SECRETS if members[name] == PRIVATE_KEY_JWT)
    return Shown(texts, members["exclusive"], keyed, claims, roles)


async def _to_test(call: Call, visitor: Visitor, wanted: Candidate) -> Response:
    return call.go(f"{TEST}/{await provider_tests.keep(call.services, visitor, wanted)}")


async def _page(call: Call, visitor: Visitor, form: Shown, trial: Trial | None, refusal: Refusal | None) -> Response:
    view = await provider.current(call.services, visitor)
    errors = {} if refusal is None else {each.pointer[1:].partition("/")[0]: each.detail for each in refusal.errors}
    values = {
        "form": form,
        "trial": trial,
        "refusal": refusal,
        "wrong": errors,
        "redirect_uri": view.redirect_uri,
        "keys_uri": view.keys_uri,
        "sign_out_uri": call.services.page(f"/sign-in/{visitor.code}"),
        "logout_uri": call.services.page(f"/backchannel-logout/{visitor.code}"),
        "more": MORE,
        "all_roles": ROLES,
    }
    status = 200 if refusal is None else status_of(refusal)
    return call.page("provider.html", values, status=status, visitor=visitor)
