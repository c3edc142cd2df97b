"""Statements that a countersignature signs, and the inputs of salted digests: exact members, encoded by callers (JCS).

The sentence `text` is part of the statement: it says in words what the terms say, with times in the institution's zone
and in UTC, in the approver's language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from types import MappingProxyType
from typing import Any

from app.domain.environment import Environment
from app.domain.languages import DEFAULT
from app.domain.sentences import TABLES
from app.domain.sentences.words import Words
from app.domain.terms import Terms


def decision_statement(
    *,
    origin: str,
    institution: str,
    request: str,
    request_digest: str,
    terms: Terms,
    text: str,
    comment_digest: str,
    policy_digest: str,
    iss: str,
    sub: str,
    salt: str,
) -> dict[str, Any]:
    """`countersign/decision/1`: an approval of exactly this request with exactly these terms."""
    return {
        "v": "countersign/decision/1",
        "origin": origin,
        "institution": institution,
        "request": request,
        "request_digest": request_digest,
        "verdict": "approve",
        "terms": terms.to_data(),
        "text": text,
        "comment_digest": comment_digest,
        "policy_digest": policy_digest,
        "iss": iss,
        "sub": sub,
        "salt": salt,
    }


def standing_statement(
    *,
    origin: str,
    institution: str,
    standing: str,
    terms: Mapping[str, Any],
    text: str,
    policy_digest: str,
    iss: str,
    sub: str,
    salt: str,
) -> dict[str, Any]:
    """`countersign/standing/1`; `terms` are `StandingApproval.terms`."""
    return {
        "v": "countersign/standing/1",
        "origin": origin,
        "institution": institution,
        "standing": standing,
        "terms": dict(terms),
        "text": text,
        "policy_digest": policy_digest,
        "iss": iss,
        "sub": sub,
        "salt": salt,
    }


def change_statement(
    *,
    origin: str,
    institution: str,
    change: str,
    type_: str,
    subject: str,
    data_digest: str,
    text: str,
    iss: str,
    sub: str,
    salt: str,
) -> dict[str, Any]:
    """`countersign/change/1`: agreement to exactly the entry whose data `data_digest` covers."""
    return {
        "v": "countersign/change/1",
        "origin": origin,
        "institution": institution,
        "change": change,
        "type": type_,
        "subject": subject,
        "data_digest": data_digest,
        "text": text,
        "iss": iss,
        "sub": sub,
        "salt": salt,
    }


def comment_input(comment: str, salt: str) -> dict[str, str]:
    """What `comment_digest` covers, with the statement's salt."""
    return {"comment": comment, "salt": salt}


def email_input(email: str, salt: str) -> dict[str, str]:
    """What `email_digest` covers; the address in lower case."""
    return {"email": email.lower(), "salt": salt}


def sub_input(sub: str, salt: str) -> dict[str, str]:
    """What `sub_digest` covers."""
    return {"salt": salt, "sub": sub}


def change_input(data: Mapping[str, Any], commitment: str | None) -> dict[str, Any]:
    """What `data_digest` covers: the entry's data without `evidence`, and its private commitment where it has one."""
    kept = {name: value for name, value in data.items() if name != "evidence"}
    return kept if commitment is None else {**kept, "private": commitment}


@dataclass(frozen=True, slots=True)
class Approval:
    """What the sentence of an approval tells; vendor and engineer in the vendor's words, zone of the institution."""

    vendor: str
    engineer_name: str
    engineer_id: str
    account: str
    environment: Environment
    institution: str
    case_number: str
    terms: Terms
    zone: tzinfo
    zone_name: str


def approval_text(approval: Approval, language: str = DEFAULT) -> str:
    """The sentence that an approver signs, in a language that has a table of sentences."""
    words, terms, place = TABLES[language], approval.terms, approval.environment
    return words.say(
        "approval",
        engineer=approval.engineer_name,
        engineer_id=approval.engineer_id,
        vendor=approval.vendor,
        account=approval.account,
        place=_place(place, words),
        institution=approval.institution,
        window=_window(approval, words),
        roles=_roles(terms.roles, words),
        case=approval.case_number,
    )


@dataclass(frozen=True, slots=True)
class Advance:
    """What the sentence of a standing approval tells; one of `environment` and `case_number` is null."""

    vendor: str
    institution: str
    environment: Environment | None
    case_number: str | None
    roles: tuple[str, ...]
    max_window_minutes: int
    uses: int
    not_after: datetime
    zone: tzinfo
    zone_name: str


def standing_text(advance: Advance, language: str = DEFAULT) -> str:
    """The sentence that the giver of a standing approval signs, in a language that has a table of sentences."""
    words, case = TABLES[language], advance.case_number
    place = advance.environment
    return words.say(
        "advance",
        times=words.count("advance.times", advance.uses),
        end=words.instant(advance.not_after, advance.zone, advance.zone_name),
        vendor=advance.vendor,
        place=words.say("advance.anywhere") if place is None else _place(place, words),
        institution=advance.institution,
        about=words.say("advance.any_case") if case is None else words.say("advance.case", case=case),
        minutes=words.count("unit.minute", advance.max_window_minutes),
        roles=_roles(advance.roles, words) if advance.roles else words.say("advance.any_roles"),
    )


_PRODUCTS: Mapping[str, str] = MappingProxyType(
    {"alma": "Alma", "primo_ve": "Primo VE", "leganto": "Leganto", "esploro": "Esploro"}
)


def _place(environment: Environment, words: Words) -> str:
    name = f"place.{environment.tier}"
    return words.say(name, product=_PRODUCTS[environment.product], name=environment.environment)


def _window(approval: Approval, words: Words) -> str:
    terms = approval.terms
    facts: dict[str, object] = {"length": words.count("length", terms.minutes)}
    name = "window"
    if terms.not_before is not None:
        name += ".from"
        facts["start"] = words.instant(terms.not_before, approval.zone, approval.zone_name)
    if terms.not_after is not None:
        name += ".until"
        facts["end"] = words.instant(terms.not_after, approval.zone, approval.zone_name)
    return words.say(name, **facts)


def _roles(roles: tuple[str, ...], words: Words) -> str:
    if not roles:
        return words.say("roles.own")
    if len(roles) == 1:
        return words.say("roles.single", role=roles[0])
    return words.say("roles.many", roles=words.listed(roles))
