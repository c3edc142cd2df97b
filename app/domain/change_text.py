"""What a change says in words: point by point what is now and what would be, and the sentence that an admin signs.

The sentence names every point that differs from what is in force, so that nobody agrees to more than they have read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType
from typing import Any

from app.domain.environment import Environment
from app.domain.institution import Institution
from app.domain.languages import DEFAULT
from app.domain.proposal import Wanted
from app.domain.sentences import TABLES
from app.domain.sentences.words import Words

NOTHING = "–"
_PRODUCTS = {"alma": "Alma", "primo_ve": "Primo VE", "leganto": "Leganto", "esploro": "Esploro"}


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
    institution: Institution,
    wanted: Wanted,
    around: Around,
    secrets: Mapping[str, str] | None = None,
    language: str = DEFAULT,
) -> tuple[Point, ...]:
    """Whatever would be different from what is in force; `secrets` come with it (empty: taken away)."""
    words = TABLES[language]
    now, after = _SIDES[wanted.type](institution, wanted, around)
    told = [
        Point(name, words.name("label", name), _shown(name, now.get(name), words), _shown(name, after.get(name), words))
        for name in after
        if now.get(name) != after.get(name)
    ]
    return (*told, *(_secret(name, value, words) for name, value in sorted((secrets or {}).items())))


def _secret(name: str, value: str, words: Words) -> Point:
    after = value if name == "alma_api_base" else words.say("value.secret")
    return Point(name, words.name("label", name), words.say("value.same"), after if value else NOTHING)


def title(
    institution: Institution,
    wanted: Wanted,
    around: Around,
    untold: Collection[str] = (),
    language: str = DEFAULT,
) -> str:
    """A change in one line; of the points `untold` no value stands in it."""
    words, changed = TABLES[language], points(institution, wanted, around, language=language)
    if wanted.type in {"person.added", "person.removed", "person.roles_changed"}:
        name = _person(wanted, around)[0]
        told = words.say("title.somebody") if untold and "@" in name else name  # a name may be the address
        return words.say(f"title.{wanted.type}", name=told)
    what = _first_up(_what(wanted, words))
    if len(changed) == 1:
        label = _first_up(changed[0].label)
        if changed[0].name in untold:
            return label
        return words.say("title.point", label=label, now=changed[0].now, after=changed[0].after)
    if not changed and wanted.type in {"identity_provider.set", "environment.set"}:
        return words.say("title.secrets", what=what)
    return words.count("title.points", len(changed), what=what) if changed else what


def change_text(
    institution: Institution,
    wanted: Wanted,
    around: Around,
    language: str = DEFAULT,
    secrets: Mapping[str, str] | None = None,
) -> str:
    """The sentence that an admin signs, in a language that has a table of sentences."""
    words, place = TABLES[language], f"{around.name} ({institution.code})"
    name, email = _person(wanted, around) if wanted.type.startswith("person.") else ("", "")
    if wanted.type == "person.added":
        roles, products = _roles(wanted.data["roles"], words), _products(wanted.data["products"], words)
        return words.say(f"change.{wanted.type}", name=name, email=email, place=place, roles=roles, products=products)
    if wanted.type == "person.removed":
        return words.say(f"change.{wanted.type}", name=name, email=email, place=place)
    if wanted.type == "environment.set" and wanted.data["environment"]["environment"] not in institution.environments:
        keys = "".join(
            words.say("change.environment.key", key=words.name("label", each)) for each in sorted(secrets or ())
        )
        new = _environment(wanted.data["environment"], words)
        return words.say("change.environment.new", place=place, environment=new, keys=keys)
    about_person = wanted.type == "person.roles_changed"
    what = words.say("change.who", name=name, email=email) if about_person else _what(wanted, words)
    told = [
        words.say("change.point", label=each.label, now=each.now, after=each.after)
        for each in points(institution, wanted, around, secrets, language)
    ]
    listed = words.say("change.separator").join(told) or words.say("change.nothing")
    return words.say("change", what=what, place=place, points=listed)


def _what(wanted: Wanted, words: Words) -> str:
    return words.say(f"what.{wanted.type}", environment=wanted.data.get("environment", {}).get("environment"))


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]


def _person(wanted: Wanted, around: Around) -> tuple[str, str]:
    if wanted.private is not None:
        return wanted.private["name"] or "", wanted.private["email"] or ""
    return around.people.get(wanted.subject, (wanted.subject, ""))


def _environment(data: Mapping[str, Any], words: Words) -> str:
    found = Environment.from_data(data)
    facts = {
        "name": found.environment,
        "product": _PRODUCTS[found.product],
        "tier": words.name("tier", found.tier),
        "url": found.url,
        "audience": found.audience,
        "phase": words.name("phase", found.phase),
    }
    if not found.implementation_ends:
        return words.say("environment", **facts)
    return words.say("environment.until", day=found.implementation_ends, **facts)


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


def _shown(name: str, value: Any, words: Words) -> str:
    """A value in words."""
    if name in {"roles", "products"} and isinstance(value, list):
        return _roles(value, words) if name == "roles" else _products(value, words)
    match value:
        case None | "" | [] | {}:
            return words.texts.get(f"empty.{name}", NOTHING)
        case bool():
            return words.say("value.yes" if value else "value.no")
        case int():
            unit = _UNITS.get(name)
            return words.grouped(value) if unit is None else words.count(f"unit.{unit}", value, words.grouped(value))
        case list():
            row = words.row([_item(each, words) for each in value])
            return words.say("value.reminders", minutes=row) if name == "remind_after_minutes" else row
        case Mapping():
            return words.row([f"{key}: {value[key]}" for key in sorted(value)])
    return words.row(str(value).split("\n"))


def _item(item: Any, words: Words) -> str:
    if not isinstance(item, Mapping):
        return str(item)
    if "day" in item:
        return words.say("value.hours", day=words.name("day", item["day"]), first=item["from"], last=item["to"])
    return words.say("value.range", first=item["from"], last=item["to"])


def _roles(roles: Sequence[str], words: Words) -> str:
    named = [words.name("role", role) for role in roles]
    if not named:
        return words.say("value.no_role")
    return reduce(lambda first, last: words.say("value.roles", first=first, last=last), named)


def _products(products: Sequence[str], words: Words) -> str:
    return words.row([_PRODUCTS.get(product, product) for product in products]) or words.say("empty.products")
