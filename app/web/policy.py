"""Settings, policy: the form of every rule, read strictly; what is stricter counts at once, what is looser waits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from app.actions import policy as policies
from app.actions.signin import Visitor
from app.domain.errors import FieldError, Refusal, Refused
from app.domain.institution import Institution, implementing
from app.domain.languages import msg, told
from app.domain.policy import DAYS, Policy
from app.web.call import Call, CallDep
from app.web.failures import status_of
from app.web.guard import Form, SignedIn, VisitorsForm
from app.web.language import of_others
from app.web.page_route import GET, pages
from app.web.settings import CHANGES
from app.web.words import Spoken

router = pages()
PATH = "/settings/policy"
NUMBERS = (
    "approvals_required", "second_approval_over_minutes", "max_window_minutes", "max_implementation_window_days",
    "decide_within_minutes", "escalate_after_minutes", "sign_in_max_age_s", "token_ttl_minutes",
    "recording_retention_days", "retention_years",
)  # fmt: skip
MAY_BE_EMPTY = frozenset({"second_approval_over_minutes", "escalate_after_minutes"})
SWITCHES = ("standing_approvals_allowed", "recording_required", "vendor_sees_evidence")
HOURS = tuple(f"{hour:02}:00" for hour in range(25))
DAY_NAMES = {
    "mon": msg("Monday"),
    "tue": msg("Tuesday"),
    "wed": msg("Wednesday"),
    "thu": msg("Thursday"),
    "fri": msg("Friday"),
    "sat": msg("Saturday"),
    "sun": msg("Sunday"),
}
LABELS = Spoken(
    {
        "approvals_required": msg("Approvals needed"),
        "second_approval_over_minutes": msg("One approval more, for windows over"),
        "working_hours": msg("Working hours"),
        "access_hours": msg("Access hours"),
        "blackouts": msg("No access in these ranges"),
        "max_window_minutes": msg("Longest window"),
        "max_implementation_window_days": msg("Longest window in implementation"),
        "token_ttl_minutes": msg("A token opens a session within"),
        "decide_within_minutes": msg("A request lapses after"),
        "remind_after_minutes": msg("Remind after"),
        "escalate_after_minutes": msg("Mail the backup approvers after"),
        "sign_in_max_age_s": msg("A sign-in counts for"),
        "acr_values": msg("Second factor, as your provider names it"),
        "recording_retention_days": msg("Keep recordings"),
        "retention_years": msg("Keep evidence, names and reasons"),
    }
)
MAX_BLACKOUTS = 20
_WHOLE = re.compile(r"\d{1,6}", re.ASCII)


@router.api_route(PATH, methods=GET)
async def shown(call: CallDep, visitor: SignedIn) -> Response:
    """The policy in force, for admins."""
    institution, now = await policies.current(call.services, visitor)
    automatic = tuple(
        each for name, each in sorted(institution.environments.items()) if implementing(institution, name, now)
    )
    return _page(call, visitor, institution.policy.to_data(), institution, automatic, None)


@router.post(PATH)
async def save(call: CallDep, visitor: SignedIn, form: VisitorsForm) -> Response:
    """Keep what the form says; on to the change that waits, where there is one."""
    institution, _ = await policies.current(call.services, visitor)
    data = read_policy(form)
    data["blackouts"] += institution.policy.to_data()["blackouts"][MAX_BLACKOUTS:]  # more than the form has room for
    try:
        policy = _policy(data)
    except Refused as refused:
        return _page(call, visitor, data, institution, (), refused.refusal)
    saved = await policies.save(call.services, visitor, policy)
    return call.go(PATH if saved.change is None else f"{CHANGES}/{saved.change}")


def read_policy(form: Form) -> dict[str, Any]:
    """The form as data of a policy; what is no number stays a text, and is refused as one."""
    data: dict[str, Any] = {name: _number(form.one(name), empty=name in MAY_BE_EMPTY) for name in NUMBERS}
    data |= {name: form.one(name) == "true" for name in SWITCHES}
    data["remind_after_minutes"] = [
        _number(each.strip()) for each in form.one("remind_after_minutes").split(",") if each
    ]
    data["acr_values"] = form.one("acr_values").split()
    data |= {name: _hours(form, name) for name in ("working_hours", "access_hours")}
    return data | {"blackouts": list(filter(None, (_blackout(form, place) for place in range(1, MAX_BLACKOUTS + 1))))}


def _number(text: str, *, empty: bool = False) -> int | str | None:
    if empty and not text.strip():
        return None
    return int(text) if _WHOLE.fullmatch(text.strip()) else text


def _hours(form: Form, name: str) -> list[dict[str, str]]:
    spans = []
    for day in DAYS:
        pairs = zip(form.all(f"{name}.{day}.from"), form.all(f"{name}.{day}.to"), strict=False)
        spans += [{"day": day, "from": begins, "to": ends} for begins, ends in pairs if begins or ends]
    return spans


def _blackout(form: Form, place: int) -> dict[str, str] | None:
    found = {}
    for end in ("from", "to"):
        day, at = form.one(f"blackouts.{place}.{end}"), form.one(f"blackouts.{place}.{end}_time")
        if day:
            found[end] = f"{day}T{at or '00:00'}"
    return found or None


def _policy(data: Mapping[str, Any]) -> Policy:
    """Raises `Refused` validation, by field."""
    try:
        return Policy.from_data(data)
    except ValueError as error:
        errors = []
        for each in str(error).split("; "):
            name, _, detail = each.partition(": ")
            words = next((said for part, said in _WORDS.items() if part in detail), detail)
            errors.append(FieldError(f"/{name}", words))
        raise Refused(Refusal("validation", told("Some rules cannot be so."), tuple(errors))) from None


_WORDS = {"int is wanted": told("Give a whole number."), "unknown or missing": told("Give both ends of the range.")}


def _page(
    call: Call,
    visitor: Visitor,
    data: Mapping[str, Any],
    institution: Institution,
    automatic: tuple[Any, ...],
    refusal: Refusal | None,
) -> Response:
    week = {
        name: {day: [span for span in data[name] if span["day"] == day] or [{"from": "", "to": ""}] for day in DAYS}
        for name in ("working_hours", "access_hours")
    }
    values = {
        "p": data,
        "week": week,
        "institution": institution,
        "automatic": automatic,
        "refusal": refusal,
        "wrong": {each.pointer[1:].partition(":")[0]: of_others(each.detail) for each in refusal.errors}
        if refusal
        else {},
        "hours": HOURS,
        "days": DAY_NAMES,
        "labels": LABELS,
        "ranges": [*data["blackouts"], {"from": "", "to": ""}, {"from": "", "to": ""}][:MAX_BLACKOUTS],
    }
    return call.page("policy.html", values, status=200 if refusal is None else status_of(refusal), visitor=visitor)
