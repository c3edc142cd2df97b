"""Settings, webhooks: where events of this institution's requests go; the institution's own are kept here."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from app.actions import own_webhooks, webhooks
from app.actions.signin import Visitor
from app.actions.webhooks import STANDARD, Wanted
from app.domain.errors import FieldError, Refusal, Refused
from app.domain.languages import msg, told
from app.web.call import Call, CallDep
from app.web.failures import status_of
from app.web.guard import SignedIn, VisitorsForm
from app.web.language import of_others
from app.web.page_route import GET, pages

router = pages()
PATH = "/settings/webhooks"
KINDS = (
    ("*", msg("Everything")),
    ("request.*", msg("What becomes of requests")),
    ("decision.*", msg("Each approver’s answer")),
    ("message.*", msg("Questions and answers")),
)
"""What the form offers: patterns, and what people call them."""
FORMS = (
    ("standard", msg("A machine, by Standard Webhooks")),
    ("slack", msg("A channel of Slack")),
    ("teams", msg("A channel of Teams")),
)
"""Who is told: forms of messages, and what people call them."""
SHOWN = 50
_LONGEST_URL, _LONGEST_TYPE, _MOST_TYPES = 2000, 64, 40


@router.api_route(PATH, methods=GET)
async def listed(call: CallDep, visitor: SignedIn) -> Response:
    """Every webhook that is told of this institution's requests, and the form of a new one, for admins."""
    return await _page(call, visitor, Wanted(), None)


@router.post(PATH)
async def add(call: CallDep, visitor: SignedIn, form: VisitorsForm) -> Response:
    """Set a webhook; its secret is shown in this answer and never again. A channel has none."""
    wanted = Wanted(form.one("url").strip(), tuple(sorted(set(form.all("type")))), form=form.one("kind") or STANDARD)
    try:
        _judge(wanted)
        view, secret = await webhooks.create(call.services, visitor, wanted)
    except Refused as refused:
        if refused.refusal.problem != "validation":
            raise
        return await _page(call, visitor, wanted, refused.refusal)
    if view.row.form != STANDARD:
        return call.go(f"{PATH}/{view.row.id}")
    return _secret(call, visitor, view.row.id, secret)


@router.api_route(PATH + "/{webhook_id}", methods=GET)
async def one(call: CallDep, visitor: SignedIn, webhook_id: str) -> Response:
    """One of the institution's own, with what could not be delivered."""
    view = await webhooks.read(call.services, visitor, webhook_id)
    dead = await webhooks.dead_letters(call.services, visitor, webhook_id, SHOWN, None)
    return call.page(
        "webhook.html", {"view": view, "dead": dead, "kinds": dict(KINDS), "forms": dict(FORMS)}, visitor=visitor
    )


@router.post(PATH + "/{webhook_id}")
async def act(call: CallDep, visitor: SignedIn, form: VisitorsForm, webhook_id: str) -> Response:
    """Give it another secret, send what was given up once more, let it go on after it was ended, or remove it."""
    match form.one("act"):
        case "rotate":
            secret = await webhooks.rotate(call.services, visitor, webhook_id)
            return _secret(call, visitor, webhook_id, secret)
        case "redeliver":
            await webhooks.redeliver(call.services, visitor, webhook_id)
        case "enable":
            await webhooks.change(call.services, visitor, webhook_id, Wanted(enabled=True), None)
        case "remove":
            await webhooks.remove(call.services, visitor, webhook_id, None)
            return call.go(PATH)
        case _:
            await webhooks.read(call.services, visitor, webhook_id)
            raise Refused(Refusal.of_field("/act", told("Choose what to do with it.")))
    return call.go(f"{PATH}/{webhook_id}")


def _judge(wanted: Wanted) -> None:
    """Raise `Refused` validation for a form that was left empty, or holds more than a form can."""
    errors = []
    if not 0 < len(wanted.url or "") <= _LONGEST_URL:
        errors.append(FieldError("/url", told("Give an https:// address.")))
    types = wanted.types or ()
    if not 0 < len(types) <= _MOST_TYPES or any(len(each) > _LONGEST_TYPE for each in types):
        errors.append(FieldError("/types", told("Choose what it is told.")))
    if errors:
        raise Refused(Refusal("validation", errors[0].detail, tuple(errors)))


def _secret(call: Call, visitor: Visitor, webhook_id: str, secret: str) -> Response:
    return call.page("webhook_secret.html", {"id": webhook_id, "secret": secret}, visitor=visitor)


async def _page(call: Call, visitor: Visitor, wanted: Wanted, refusal: Refusal | None) -> Response:
    known = await own_webhooks.told_about(call.services, visitor)
    wrong = (
        {}
        if refusal is None
        else {each.pointer[1:].partition("/")[0]: of_others(each.detail) for each in refusal.errors}
    )
    values: dict[str, Any] = {"told": known, "wanted": wanted, "refusal": refusal, "wrong": wrong}
    values |= {"kinds": KINDS, "forms": FORMS}
    status = 200 if refusal is None else status_of(refusal)
    return call.page("webhooks.html", values, status=status, visitor=visitor)
