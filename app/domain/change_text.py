"""What a change says in words: point by point what is now and what would be, and the sentence that an admin signs.

The sentence names every point that differs from what is in force, so that nobody agrees to more than they have read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from app.domain.environment import Environment
from app.domain.institution import Institution
from app.domain.proposal import Wanted
from app.domain.statement import DEFAULT_LANGUAGE

NOTHING = "–"
_PRODUCTS = {"alma": "Alma", "primo_ve": "Primo VE", "leganto": "Leganto", "esploro": "Esploro"}
_ROLES = {"approver": "approver", "backup_approver": "backup approver", "auditor": "auditor", "admin": "admin"}


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that changes: its name in files and in the API, what people call it, before and after."""

    name: str
    label: str
    now: str
    after: str


@dataclass(frozen=True, slots=True)
class Around:
    """What the state does not tell: the institution's name and addresses, and people by id as (name, address)."""

    name: str
    notify: str
    people: Mapping[str, tuple[str, str]]


def points(
    institution: Institution, wanted: Wanted, around: Around, secrets: Mapping[str, str] | None = None
) -> tuple[Point, ...]:
    """Whatever would be different from what is in force; `secrets` come with it (empty: taken away)."""
    now, after = _SIDES[wanted.type](institution, wanted, around)
    told = [
        Point(name, _LABELS.get(name, name), _shown(name, now.get(name)), _shown(name, after.get(name)))
        for name in after
        if now.get(name) != after.get(name)
    ]
    return (*told, *(_secret(name, value) for name, value in sorted((secrets or {}).items())))


def _secret(name: str, value: str) -> Point:
    after = value if name == "alma_api_base" else "another, which is not shown"
    return Point(name, _LABELS.get(name, name), "as it is", after if value else NOTHING)


def title(institution: Institution, wanted: Wanted, around: Around, untold: Collection[str] = ()) -> str:
    """A change in one line; of the points `untold` no value stands in it."""
    changed = points(institution, wanted, around)
    if wanted.type in {"person.added", "person.removed", "person.roles_changed"}:
        verb = {"person.added": "New person", "person.removed": "Remove", "person.roles_changed": "Roles of"}
        name = _person(wanted, around)[0]
        return f"{verb[wanted.type]}: {'somebody' if untold and '@' in name else name}"  # a name may be the address
    what = _WHAT[wanted.type](wanted)
    if len(changed) == 1:
        label = f"{changed[0].label[:1].upper()}{changed[0].label[1:]}"
        return label if changed[0].name in untold else f"{label}: {changed[0].now} to {changed[0].after}"
    if not changed and wanted.type in {"identity_provider.set", "environment.set"}:
        return f"{what[:1].upper()}{what[1:]}: nothing but its secrets"
    return f"{what[:1].upper()}{what[1:]}: {len(changed)} points" if changed else f"{what[:1].upper()}{what[1:]}"


def change_text(
    institution: Institution,
    wanted: Wanted,
    around: Around,
    language: str = DEFAULT_LANGUAGE,
    secrets: Mapping[str, str] | None = None,
) -> str:
    """The sentence that an admin signs; English where the language has none yet."""
    return SENTENCES.get(language, SENTENCES[DEFAULT_LANGUAGE])(institution, wanted, around, secrets or {})


def _english(institution: Institution, wanted: Wanted, around: Around, secrets: Mapping[str, str]) -> str:
    place = f"{around.name} ({institution.code})"
    if wanted.type == "person.added":
        name, email = _person(wanted, around)
        roles, products = _roles(wanted.data["roles"]), _products(wanted.data["products"])
        return f"I agree that {name} ({email}) joins the people of {place}: {roles}, for {products}."
    if wanted.type == "person.removed":
        name, email = _person(wanted, around)
        return f"I agree that {name} ({email}) is removed from the people of {place}."
    if wanted.type == "environment.set" and wanted.data["environment"]["environment"] not in institution.environments:
        keys = "".join(f", with its {_LABELS.get(name, name)}" for name in sorted(secrets))
        return f"I agree that {place} has a new environment: {_environment(wanted.data['environment'])}{keys}."
    what = _WHAT[wanted.type](wanted)
    if wanted.type == "person.roles_changed":
        name, email = _person(wanted, around)
        what = f"what {name} ({email}) may do"
    listed = [f"{each.label} from {each.now} to {each.after}" for each in points(institution, wanted, around, secrets)]
    return f"I agree that {what} at {place} changes: {'; '.join(listed) or 'nothing'}."


def _person(wanted: Wanted, around: Around) -> tuple[str, str]:
    if wanted.private is not None:
        return wanted.private["name"] or "", wanted.private["email"] or ""
    return around.people.get(wanted.subject, (wanted.subject, ""))


def _environment(data: Mapping[str, Any]) -> str:
    found = Environment.from_data(data)
    until = f" until {found.implementation_ends}" if found.implementation_ends else ""
    return (
        f"{found.environment} ({_PRODUCTS[found.product]} {found.tier}) at {found.url}, behind the gateway "
        f"{found.audience}, in {found.phase}{until}"
    )


_Sides = tuple[Mapping[str, Any], Mapping[str, Any]]


def _policy_sides(institution: Institution, wanted: Wanted, _: Around) -> _Sides:
    return institution.policy.to_data(), wanted.data["policy"]


def _provider_sides(institution: Institution, wanted: Wanted, _: Around) -> _Sides:
    return institution.provider.to_data(), wanted.data["identity_provider"]


def _environment_sides(institution: Institution, wanted: Wanted, _: Around) -> _Sides:
    after = wanted.data["environment"]
    old = institution.environments.get(after["environment"])
    return {} if old is None else old.to_data(), after


def _institution_sides(institution: Institution, wanted: Wanted, around: Around) -> _Sides:
    private = wanted.private or {}
    now = {"name": around.name, "notify": around.notify, "locale": institution.locale}
    after = {"name": private["name"], "notify": private["notify"], "locale": wanted.data["locale"]}
    return now | {"time_zone": institution.time_zone}, after | {"time_zone": wanted.data["time_zone"]}


def _person_sides(institution: Institution, wanted: Wanted, around: Around) -> _Sides:
    person = institution.people.get(wanted.subject)
    there = person is not None and not person.removed
    now = {"roles": list(person.roles), "products": list(person.products)} if person is not None and there else {}
    if wanted.type == "person.removed":
        return now | {"person": _person(wanted, around)[0]}, {"person": None, "roles": [], "products": []}
    after = {"roles": wanted.data["roles"], "products": wanted.data["products"]}
    if wanted.type == "person.added":
        name, email = _person(wanted, around)
        return {}, {"person": name, "email": email} | after
    return now, after


_SIDES: Mapping[str, Callable[[Institution, Wanted, Around], _Sides]] = MappingProxyType(
    {
        "institution.changed": _institution_sides,
        "identity_provider.set": _provider_sides,
        "environment.set": _environment_sides,
        "policy.set": _policy_sides,
        "person.added": _person_sides,
        "person.roles_changed": _person_sides,
        "person.removed": _person_sides,
    }
)
_WHAT: Mapping[str, Callable[[Wanted], str]] = MappingProxyType(
    {
        "institution.changed": lambda _: "the general settings",
        "identity_provider.set": lambda _: "the identity provider",
        "environment.set": lambda wanted: f"the environment {wanted.data['environment']['environment']}",
        "policy.set": lambda _: "the policy",
        "person.roles_changed": lambda _: "the roles",
    }
)
_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "approvals_required": "approvals needed",
        "second_approval_over_minutes": "one approval more for windows over",
        "working_hours": "working hours",
        "access_hours": "hours in which access is possible",
        "blackouts": "times without access",
        "max_window_minutes": "longest window",
        "max_implementation_window_days": "longest window in implementation",
        "decide_within_minutes": "time to answer",
        "remind_after_minutes": "reminders after",
        "escalate_after_minutes": "backup approvers are mailed after",
        "sign_in_max_age_s": "oldest sign-in that countersigns",
        "acr_values": "kinds of sign-in asked for",
        "standing_approvals_allowed": "standing approvals allowed",
        "token_ttl_minutes": "life of an approval token",
        "recording_required": "recording required",
        "recording_retention_days": "recordings are kept for",
        "retention_years": "evidence and private parts are kept for",
        "vendor_sees_evidence": "the vendor's exports hold evidence",
        "issuer": "issuer",
        "client_secret": "secret for signing in",
        "approval_client_secret": "secret for countersignatures",
        "gate_key": "key of the gate",
        "alma_api_base": "address of the API for scans",
        "alma_api_key": "key for scans",
        "client_id": "client ID for signing in",
        "approval_client_id": "client ID for countersignatures",
        "exclusive": "serves this institution only",
        "required_claims": "required claims",
        "email_claim": "claim with the e-mail address",
        "roles_claim": "claim with the groups",
        "roles": "roles",
        "environment": "name",
        "audience": "gateway audience",
        "url": "address",
        "implementation_ends": "implementation until",
        "time_zone": "time zone",
        "locale": "language",
        "notify": "addresses for notifications",
        "email": "e-mail address",
    }
)
_UNITS: Mapping[str, str] = MappingProxyType(
    {
        "second_approval_over_minutes": "minute",
        "max_window_minutes": "minute",
        "max_implementation_window_days": "day",
        "decide_within_minutes": "minute",
        "escalate_after_minutes": "minute",
        "sign_in_max_age_s": "second",
        "token_ttl_minutes": "minute",
        "recording_retention_days": "day",
        "retention_years": "year",
    }
)
_EMPTY: Mapping[str, str] = MappingProxyType(
    {
        "second_approval_over_minutes": "never",
        "escalate_after_minutes": "never",
        "working_hours": "all hours",
        "access_hours": "any time",
        "approval_client_id": "the one for signing in",
        "products": "all products",
    }
)


def _shown(name: str, value: Any) -> str:
    """A value in words."""
    if name in {"roles", "products"} and isinstance(value, list):
        return _roles(value) if name == "roles" else _products(value)
    match value:
        case None | "" | [] | {}:
            return _EMPTY.get(name, NOTHING)
        case bool():
            return "yes" if value else "no"
        case int():
            unit = _UNITS.get(name)
            return f"{value:,}" if unit is None else f"{value:,} {unit}{'' if value == 1 else 's'}"
        case list():
            return ", ".join(map(_item, value)) + (" minutes" if name == "remind_after_minutes" else "")
        case Mapping():
            return ", ".join(f"{key}: {value[key]}" for key in sorted(value))
    return ", ".join(str(value).split("\n"))


def _item(item: Any) -> str:
    if not isinstance(item, Mapping):
        return str(item)
    return f"{item['day']} {item['from']}–{item['to']}" if "day" in item else f"{item['from']} to {item['to']}"


def _roles(roles: Sequence[str]) -> str:
    return " and ".join(_ROLES.get(role, role) for role in roles) or "no role"


def _products(products: Sequence[str]) -> str:
    return ", ".join(_PRODUCTS.get(product, product) for product in products) or "all products"


SENTENCES: Mapping[str, Callable[[Institution, Wanted, Around, Mapping[str, str]], str]] = MappingProxyType(
    {"en": _english}
)
"""The sentence of a change by language."""
