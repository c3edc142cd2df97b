"""Test sign-ins: what another identity provider answers, seen before it is the one that counts.

A test changes nothing. It goes to the provider as it would be: once with each registration, the last time with the
`max_age` of countersignatures, and shows what came back. A candidate waits in a draft of the admin's session, sealed
with its secrets; the result is sealed too.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from app.actions.drafting import digest_of, own_draft, sealed_draft
from app.actions.journey import Arrived, Begun, Plan, Proof, try_out
from app.actions.ledger import NOT_FOUND, unwrap
from app.actions.services import Services
from app.actions.signin import Visitor
from app.audit.countersignature import roles_in
from app.domain.errors import Refusal, Refused
from app.domain.ids import new_id
from app.domain.institution import Institution, Provider
from app.domain.languages import msg
from app.domain.times import parse_stamp, stamp
from app.identity.id_token import VerifiedIdentity
from app.identity.provider import ProviderConfig
from app.storage import drafts, institutions, roster
from app.storage import proposals as rows
from app.storage.database import Transaction
from app.storage.drafts import DraftRow
from app.tokens.secrets import SealBroken, Secrets

_CANDIDATE, _RESULT = "provider/candidate", "provider/test"
_BROKEN = Refusal("draft-over", msg("This test is over. Nothing was recorded; begin it again."))


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: what came back, whether it is as it has to be, and what that means."""

    what: str
    received: str
    good: bool
    says: str


@dataclass(frozen=True, slots=True)
class TestResult:
    """How a test sign-in went, `of` which provider (digest). `problem`: the slug of what was refused, if anything."""

    __test__ = False  # no test class

    of: str
    at: datetime
    problem: str | None
    checks: tuple[Check, ...]

    @property
    def worked(self) -> bool:
        """Whether people could sign in and countersign with it."""
        return self.problem is None and all(check.good for check in self.checks)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A provider that is not in force, the secrets of our registrations there, and the `change` that proposes it."""

    provider: Provider
    client_secret: str
    approval_client_secret: str | None
    change: str | None = None

    def legs(self) -> tuple[ProviderConfig, ...]:
        """The registrations to try, in turn."""
        provider = self.provider
        first = ProviderConfig(provider.issuer, provider.client_id, self.client_secret)
        if provider.approval_client_id is None or self.approval_client_secret is None:
            return (first,)
        return (first, ProviderConfig(provider.issuer, provider.approval_client_id, self.approval_client_secret))


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate of the visitor's session, and how its last test went."""

    draft: str
    candidate: Candidate
    result: TestResult | None


async def keep(services: Services, visitor: Visitor, candidate: Candidate) -> str:
    """Keep a candidate for a test; the id of its draft. Raises `Refused` not-found for whoever is no admin."""
    if "admin" not in visitor.roles:
        raise Refused(NOT_FOUND)
    async with services.database.begin() as tx:
        now = await tx.now()
        details = {"candidate": _sealed(services.secrets, _CANDIDATE, _candidate_data(candidate)), "result": None}
        row = DraftRow(
            log=visitor.code,
            id=new_id("dft", now),
            kind="provider",
            subject=visitor.person,
            person=visitor.person,
            session=visitor.session,
            statement=b"",
            details=details,
            created_at=now,
        )
        await drafts.add(tx, sealed_draft(services, row))
        return row.id


async def trial(services: Services, visitor: Visitor, draft_id: str) -> Trial:
    """The visitor's own candidate. Raises `Refused`: not-found, draft-over."""
    async with services.database.read() as tx:
        return (await _trial(services, tx, visitor, draft_id))[0]


async def begin(services: Services, visitor: Visitor, draft_id: str, browser: str | None) -> Begun:
    """Go to the candidate. Raises `Refused`: not-found, draft-over; `Unavailable`."""
    found = await trial(services, visitor, draft_id)
    return await _leg(services, visitor, found, 0, None, browser)


async def arrived(services: Services, visitor: Visitor | None, back: Arrived, browser: str | None) -> Begun | str:
    """A browser is back from a test: on to the next registration, or the draft whose result is kept.

    Raises `Refused`: not-found (nobody is signed in), draft-over.
    """
    if visitor is None:
        raise Refused(NOT_FOUND)
    draft_id, leg, before = str(back.details["draft"]), int(back.details["leg"]), back.details["sub"]
    found = await trial(services, visitor, draft_id)
    proof = back.outcome if isinstance(back.outcome, Proof) else None
    if proof is not None and leg + 1 < len(found.candidate.legs()):
        first = {"sub": proof.identity.sub, "claims": _told(proof.identity, found.candidate.provider)}
        return await _leg(services, visitor, found, leg + 1, first, browser)
    async with services.database.begin() as tx:
        found, row = await _trial(services, tx, visitor, draft_id)
        problem = back.outcome if isinstance(back.outcome, str) else None
        checks = () if proof is None else await _checks(tx, visitor.code, found.candidate, proof.identity, before)
        result = TestResult(provider_digest(found.candidate.provider), await tx.now(), problem, checks)
        sealed = _sealed(services.secrets, _RESULT, _result_data(result))
        kept_draft = sealed_draft(services, replace(row, details={**row.details, "result": sealed}))
        await drafts.keep(tx, row.log, row.id, kept_draft.details)
        if found.candidate.change is not None and (kept := await rows.read(tx, row.log, found.candidate.change)):
            await rows.keep(tx, replace(kept, tested=b64decode(sealed)))
    return draft_id


def provider_digest(provider: Provider) -> str:
    """By what a test is known to be of this provider."""
    return digest_of(provider.to_data())


def opened_result(secrets: Secrets, sealed: bytes | None) -> TestResult | None:
    """A result that was kept; none where it is not of this service."""
    if sealed is None:
        return None
    try:
        found = json.loads(secrets.open(_RESULT, sealed))
    except SealBroken:
        return None
    return TestResult(
        found["of"], parse_stamp(found["at"]), found["problem"], tuple(Check(**each) for each in found["checks"])
    )


def sealed_result(secrets: Secrets, result: TestResult) -> bytes:
    """A result as a change keeps it."""
    return b64decode(_sealed(secrets, _RESULT, _result_data(result)))


async def _trial(services: Services, tx: Transaction, visitor: Visitor, draft_id: str) -> tuple[Trial, DraftRow]:
    found = await drafts.read(tx, visitor.code, draft_id)
    row = unwrap(own_draft(services, found, visitor, visitor.person, await tx.now()))
    if row.kind != "provider":
        raise Refused(NOT_FOUND)
    try:
        members = json.loads(services.secrets.open(_CANDIDATE, b64decode(row.details["candidate"])))
    except SealBroken as error:
        raise Refused(_BROKEN) from error
    kept = row.details["result"]
    result = opened_result(services.secrets, None if kept is None else b64decode(kept))
    return Trial(row.id, _candidate(members), result), row


async def _leg(
    services: Services, visitor: Visitor, found: Trial, leg: int, before: Mapping[str, Any] | None, browser: str | None
) -> Begun:
    async with services.database.read() as tx:
        row = await institutions.read(tx, visitor.code)
    if row is None:
        raise Refused(NOT_FOUND)
    institution, legs = Institution.from_data(row.state), found.candidate.legs()
    last = leg + 1 == len(legs)
    plan = Plan(
        "test",
        {"draft": found.draft, "leg": leg, "sub": before},
        scope="openid email profile" if leg == 0 else "openid",
        max_age=institution.policy.sign_in_max_age_s if last else None,
        acr_values=institution.policy.acr_values if last else (),
    )
    claim = found.candidate.provider.roles_claim
    return await try_out(services, visitor.code, legs[leg], plan, browser, role_claim=claim)


def _told(identity: VerifiedIdentity, provider: Provider) -> dict[str, Any]:
    """What a later step needs of a sign-in: the claims that people and roles are read from."""
    names = {provider.email_claim, *provider.required_claims, *filter(None, [provider.roles_claim])}
    return {name: identity.claims[name] for name in names if name in identity.claims}


async def _checks(
    tx: Transaction, code: str, candidate: Candidate, last: VerifiedIdentity, before: Mapping[str, Any] | None
) -> tuple[Check, ...]:
    provider = candidate.provider
    claims = dict(last.claims) if before is None else before["claims"]
    client_id = candidate.legs()[-1].client_id
    checks = [
        Check("Issuer", last.iss, good=last.iss == provider.issuer, says="As set"),
        Check("Audience", client_id, good=True, says="This client only"),
        Check("Signature", str(last.jwk.get("kid", last.jwk.get("kty", ""))), good=True, says="Valid"),
        _auth_time(last),
        Check("acr", last.acr or "–", good=True, says="As the policy asks"),
    ]
    if before is not None:
        same = before["sub"] == last.sub
        says = "The same in both clients" if same else "Another in each client: nobody could countersign"
        checks.append(Check("Subject", last.sub, good=same, says=says))
    checks += [
        Check(name, str(claims.get(name, "–")), good=claims.get(name) == value, says=f"Has to be {value}")
        for name, value in sorted(provider.required_claims.items())
    ]
    checks.append(await _email(tx, code, provider, claims))
    if provider.roles_claim is not None:
        given = ", ".join(sorted(roles_in(claims, provider))) or "no role"
        shown = json.dumps(claims.get(provider.roles_claim), ensure_ascii=False)
        checks.append(Check(provider.roles_claim, shown, good=True, says=f"Gives: {given}"))
    return tuple(checks)


def _auth_time(identity: VerifiedIdentity) -> Check:
    if identity.auth_time is None:
        return Check("auth_time", "–", good=False, says="Missing: no sign-in could countersign")
    shown = datetime.fromtimestamp(identity.auth_time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Check("auth_time", shown, good=True, says="Came back")


async def _email(tx: Transaction, code: str, provider: Provider, claims: Mapping[str, Any]) -> Check:
    email = claims.get(provider.email_claim)
    if not isinstance(email, str) or not email:
        says = "Missing: an admin has to confirm each first sign-in"
        return Check("E-mail", "–", good=provider.roles_claim is not None, says=says)
    if not provider.exclusive and claims.get("email_verified") is not True:
        return Check("E-mail", email, good=False, says="Not said to be verified, as a shared provider has to")
    listed = await roster.of_email(tx, code, email) is not None
    return Check("E-mail", email, good=True, says="On your list" if listed else "Not on your list")


def _sealed(secrets: Secrets, label: str, members: Mapping[str, Any]) -> str:
    return b64encode(secrets.seal(label, json.dumps(members).encode())).decode()


def _candidate_data(candidate: Candidate) -> dict[str, Any]:
    secrets = {"client_secret": candidate.client_secret, "approval_client_secret": candidate.approval_client_secret}
    return {"provider": candidate.provider.to_data(), "change": candidate.change, **secrets}


def _candidate(members: Mapping[str, Any]) -> Candidate:
    return Candidate(
        Provider.from_data(members["provider"]),
        members["client_secret"],
        members["approval_client_secret"],
        members["change"],
    )


def _result_data(result: TestResult) -> dict[str, Any]:
    checks = [asdict(each) for each in result.checks]
    return {"of": result.of, "at": stamp(result.at), "problem": result.problem, "checks": checks}
