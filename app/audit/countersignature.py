"""Sign-ins as evidence (`events.md`): whether an ID token, by its provider's signature, says what an entry relies on.

Which keys count: those whose RFC 7638 thumbprint stands in an earlier `identity_provider.keys_seen` of the issuer, and,
where the verifier was handed key sets from the institution's own side, only those. A key's place in the blob proves
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from app.audit.evidence import SignedIn, nonce_of
from app.audit.findings import Fault
from app.domain.institution import Provider
from app.domain.people import Person
from app.domain.policy import Policy
from app.identity.id_token import (
    EVIDENCE_ALGORITHMS,
    EVIDENCE_LEEWAY_S,
    MAX_TOKEN_AGE_S,
    Expected,
    IdTokenRefused,
    Jwks,
    VerifiedIdentity,
    thumbprint,
    verify,
)
from app.trail import canonical

_DECISION = "v origin institution request request_digest verdict terms text comment_digest policy_digest iss sub salt"
_STANDING = "v origin institution standing terms text policy_digest iss sub salt"
_CHANGE = "v origin institution change type subject data_digest text iss sub salt"
STATEMENTS: Mapping[str, frozenset[str]] = {
    "countersign/decision/1": frozenset(_DECISION.split()),
    "countersign/standing/1": frozenset(_STANDING.split()),
    "countersign/change/1": frozenset(_CHANGE.split()),
}
"""Version → exactly these members."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Thumbprints that count for one issuer: those the trail has seen, and those given from outside (null: none)."""

    seen: frozenset[str]
    given: frozenset[str] | None

    def judge(self, jwk: Mapping[str, Any]) -> None:
        """Raise `Fault` unless the key counts."""
        print_ = _thumbprint(tuple(sorted((name, value) for name, value in jwk.items() if isinstance(value, str))))
        if self.given is not None and print_ not in self.given:
            raise Fault("key-not-given", f"the ID token is signed by key {print_}, which is not among those given")
        if print_ not in self.seen:
            raise Fault("key-not-seen", f"the ID token is signed by key {print_}, which the trail had not seen before")


def judge_statement(signed: SignedIn, version: str, expected: Mapping[str, object]) -> Mapping[str, Any]:
    """The statement, after comparing it with what the entry and the state before it say. Raises `Fault`."""
    statement = signed.statement
    if statement is None or statement.get("v") != version or statement.keys() != STATEMENTS[version]:
        raise Fault("statement-form", f"the evidence holds no statement of {version}")
    for name, value in expected.items():
        if statement[name] != value or type(statement[name]) is not type(value):
            raise Fault("statement-differs", f"what was signed says another {name} than the entry")
    if not all(isinstance(statement[name], str) and statement[name] for name in ("text", "iss", "sub", "salt")):
        raise Fault("statement-form", "the statement lacks a text, an issuer, a subject or a salt")
    return statement


def judge_countersignature(
    signed: SignedIn, statement: Mapping[str, Any], at: datetime, provider: Provider, policy: Policy, keys: Keys
) -> VerifiedIdentity:
    """Who countersigned the statement at `at`. Raises `Fault` unless a fresh sign-in at the provider says so."""
    keys.judge(signed.jwk)
    expected = Expected(
        issuer=provider.issuer,
        audience=provider.approval_audience,
        nonce=nonce_of(canonical.encode(dict(statement))),
        now=at,
        max_age=policy.sign_in_max_age_s,
        acr_values=policy.acr_values,
        leeway=EVIDENCE_LEEWAY_S,
        algorithms=EVIDENCE_ALGORITHMS,
    )
    identity = _verified(signed, expected)
    if (identity.iss, identity.sub) != (statement["iss"], statement["sub"]):
        raise Fault("statement-differs", "the ID token is of another subject than the statement")
    return identity


def judge_binding(
    signed: SignedIn, at: datetime, provider: Provider, keys: Keys, audience: str | None = None
) -> VerifiedIdentity:
    """Who signed in when a person was bound at `at`. `audience`: another registration of ours. Raises `Fault`."""
    if signed.statement is not None:
        raise Fault("evidence-form", "a countersignature stands where a sign-in is wanted")
    keys.judge(signed.jwk)
    expected = Expected(
        issuer=provider.issuer,
        audience=audience or provider.client_id,
        nonce=None,
        now=at,
        leeway=EVIDENCE_LEEWAY_S,
        algorithms=EVIDENCE_ALGORITHMS,
        required_claims=provider.required_claims,
        of_binding=True,
    )
    return _verified(signed, expected)


def judge_claim(signed: SignedIn, at: datetime, provider: Provider, keys: Keys) -> VerifiedIdentity:
    """Whose claim roles were set at `at`, by a sign-in or a countersignature just then. Raises `Fault`."""
    try:
        identity = judge_binding(signed, at, provider, keys)
    except Fault as fault:
        if fault.code != "id-token-aud" or provider.approval_client_id is None:
            raise
        identity = judge_binding(signed, at, provider, keys, provider.approval_client_id)
    if at.timestamp() - identity.iat > MAX_TOKEN_AGE_S + EVIDENCE_LEEWAY_S:
        raise Fault("claim-stale", "the sign-in that carried the claim was not of that moment")
    return identity


def judge_engineer(
    signed: SignedIn,
    at: datetime,
    issuers: Iterable[str],
    client_id: str,
    grant: str,
    jti: str,
    given: frozenset[str] | None,
) -> VerifiedIdentity:
    """Which engineer signed in, at the vendor's provider, to use this token of this grant. Raises `Fault`."""
    if signed.statement is not None:
        raise Fault("evidence-form", "a countersignature stands where a sign-in is wanted")
    print_ = _thumbprint(tuple(sorted((name, value) for name, value in signed.jwk.items() if isinstance(value, str))))
    if given is not None and print_ not in given:
        raise Fault("key-not-given", "the engineer's sign-in is signed by a key that is not among those given")
    for issuer in issuers:
        expected = Expected(
            issuer=issuer,
            audience=client_id,
            nonce=nonce_of(canonical.encode({"grant": grant, "jti": jti})),
            now=at,
            leeway=EVIDENCE_LEEWAY_S,
            algorithms=EVIDENCE_ALGORITHMS,
        )
        try:
            return verify(signed.id_token, Jwks((signed.jwk,)), expected)
        except IdTokenRefused as error:
            if error.problem != "id-token-iss":
                raise Fault(error.problem, "the engineer's sign-in does not hold") from error
    raise Fault("id-token-iss", "the engineer signed in at a provider that is not the vendor's")


def roles_in(claims: Mapping[str, Any], provider: Provider) -> frozenset[str]:
    """The roles that the provider's claim map reads from an ID token."""
    value = claims.get(provider.roles_claim) if provider.roles_claim is not None else None
    values = value if isinstance(value, list) else [value]
    return frozenset(provider.roles[each] for each in values if isinstance(each, str) and each in provider.roles)


def shows_role(person: Person, claims: Mapping[str, Any], provider: Provider, roles: frozenset[str]) -> bool:
    """Whether those of these roles that a claim alone gave stand in the very token of these claims."""
    claimed = roles.intersection(person.claimed)
    return not claimed or not person.by_claim_alone(roles) or bool(claimed & roles_in(claims, provider))


@lru_cache(maxsize=64)
def _thumbprint(members: tuple[tuple[str, str], ...]) -> str:
    """The thumbprint of a key, remembered. Raises `Fault`."""
    try:
        return thumbprint(dict(members))
    except IdTokenRefused as error:
        raise Fault("key-unfit", "the key beside the ID token is none") from error


def _verified(signed: SignedIn, expected: Expected) -> VerifiedIdentity:
    try:
        return verify(signed.id_token, Jwks((signed.jwk,)), expected)
    except IdTokenRefused as error:
        raise Fault(error.problem, "the ID token behind this entry does not hold") from error
