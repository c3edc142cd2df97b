"""Statements that a countersignature signs, and the inputs of salted digests: exact members, encoded by callers (JCS).

The sentence `text` is part of the statement: it says in words what the terms say, with times in the institution's zone
and in UTC, in the approver's language.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from types import MappingProxyType
from typing import Any

from app.domain.environment import Environment
from app.domain.terms import Terms

DEFAULT_LANGUAGE = "en"


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


def approval_text(approval: Approval, language: str = DEFAULT_LANGUAGE) -> str:
    """The sentence that an approver signs; English where the language has none yet."""
    return SENTENCES.get(language, SENTENCES[DEFAULT_LANGUAGE])(approval)


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


def standing_text(advance: Advance, language: str = DEFAULT_LANGUAGE) -> str:
    """The sentence that the giver of a standing approval signs; English where the language has none yet."""
    return ADVANCES.get(language, ADVANCES[DEFAULT_LANGUAGE])(advance)


_MONTHS_EN = "January February March April May June July August September October November December".split()
_PRODUCTS_EN: Mapping[str, str] = MappingProxyType(
    {"alma": "Alma", "primo_ve": "Primo VE", "leganto": "Leganto", "esploro": "Esploro"}
)


def _english(approval: Approval) -> str:
    terms = approval.terms
    return (
        f"I approve that {approval.engineer_name} ({approval.engineer_id}) of {approval.vendor} "
        f"uses {approval.account} in {_place_en(approval.environment)} of {approval.institution} "
        f"{_window_en(approval)}, {_roles_en(terms.roles)}, for case {approval.case_number}."
    )


def _advance_en(advance: Advance) -> str:
    where = "any environment" if advance.environment is None else _place_en(advance.environment)
    about = "for any case" if advance.case_number is None else f"for case {advance.case_number}"
    times = "once" if advance.uses == 1 else f"up to {advance.uses} times"
    return (
        f"I approve in advance, {times} until {_instant_en(advance.not_after, advance)}, that engineers of "
        f"{advance.vendor} use its account in {where} of {advance.institution} {about}, each time for at most "
        f"{advance.max_window_minutes} minutes, {_advance_roles_en(advance.roles)}."
    )


def _advance_roles_en(roles: tuple[str, ...]) -> str:
    return _roles_en(roles) if roles else "with whatever roles are asked"


def _place_en(environment: Environment) -> str:
    return f"{_PRODUCTS_EN[environment.product]} {environment.tier} ({environment.environment})"


def _window_en(approval: Approval) -> str:
    terms = approval.terms
    length = f"for at most {terms.minutes} minute{'' if terms.minutes == 1 else 's'}"
    begins = "from the last approval"
    if terms.not_before is not None:
        begins = f"from {_instant_en(terms.not_before, approval)} or the last approval, whichever is later"
    ends = "" if terms.not_after is None else f", and not after {_instant_en(terms.not_after, approval)}"
    return f"{length} {begins}{ends}"


def _instant_en(at: datetime, approval: Approval | Advance) -> str:
    local, utc = at.astimezone(approval.zone), at.astimezone(UTC)
    there = _clock_en(utc) if utc.date() == local.date() else f"{_date_en(utc)} {_clock_en(utc)}"
    return f"{_date_en(local)} {_clock_en(local)} ({approval.zone_name}; {there} UTC)"


def _date_en(at: datetime) -> str:
    return f"{at.day} {_MONTHS_EN[at.month - 1]} {at.year}"


def _clock_en(at: datetime) -> str:
    """Hours and minutes, and what is below a minute where there is any: the sentence is exact."""
    fraction = f".{at.microsecond:06}" if at.microsecond else ""
    seconds = f":{at.second:02}{fraction}" if at.second or fraction else ""
    return f"{at.hour:02}:{at.minute:02}{seconds}"


def _roles_en(roles: tuple[str, ...]) -> str:
    if not roles:
        return "with the roles that the account has"
    if len(roles) == 1:
        return f"with the role {roles[0]}"
    return f"with the roles {', '.join(roles[:-1])} and {roles[-1]}"


SENTENCES: Mapping[str, Callable[[Approval], str]] = MappingProxyType({"en": _english})
"""The sentence of an approval by language."""

ADVANCES: Mapping[str, Callable[[Advance], str]] = MappingProxyType({"en": _advance_en})
"""The sentence of a standing approval by language."""
