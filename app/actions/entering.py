"""An engineer enters the gate: with an approval token, and with a sign-in of their own at the vendor's provider.

The sign-in's nonce is the hash of grant and `jti` and its subject has to be the token's engineer, so it proves who sits
at this browser, for this token. Whoever enters a token in another person's browser opens nothing: that person is not
its engineer. When the browser is back everything is judged again, under the lock of the log, and opened in the same
transaction. The token itself is kept nowhere meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.actions import journey
from app.actions.credentials import cookie_hash
from app.actions.gates import Gate, gate_of, key_hash
from app.actions.held import Held, hold
from app.actions.journey import ASTRAY, Begun, Plan, Proof, Way, Where, set_out
from app.actions.ledger import lock, write
from app.actions.registrations import sign_in_registration
from app.actions.services import Services
from app.actions.sessions import INACTIVE, Opener, Shown, admit, problem_with, refuse
from app.actions.signin import sign_in_refusal
from app.actions.views import VENDOR
from app.audit.evidence import binding_blob, nonce_of
from app.domain.errors import Refusal, Refused, Unavailable
from app.domain.institution import Institution
from app.identity import browser as browsers
from app.storage import institutions, objects
from app.storage.institutions import InstitutionRow
from app.storage.objects import EvidenceRow
from app.tokens import approval
from app.tokens.approval import Approval
from app.tokens.jwt import TokenRefused
from app.trail import canonical

HOME = "/"
_JOURNEY = "cookie/gate-journey"
_GATE = Opener()


@dataclass(frozen=True, slots=True)
class Entered:
    """The engineer is in: the gate's new cookie, and the path to go on to."""

    cookie: str
    next: str


async def enter(
    services: Services, key: str | None, token: str, next_path: str, browser: str | None, where: Where
) -> Begun:
    """Send an engineer's browser to the vendor's provider; afterwards it goes on to `next_path`, if that is a path.

    Raises `Refused`: gate-unknown, token-inactive (an event); `Unavailable`.
    """
    async with services.database.look() as tx:
        gate = await gate_of(services, tx, key_hash(services, key))
        vendor = await institutions.read(tx, VENDOR)
        now = await tx.now()
    try:
        read = approval.verify(services.ring, services.base_url, token, now, frozenset({gate.environment.audience}))
    except TokenRefused as error:
        await _refuse(services, gate, "token-unknown", where)
        raise Refused(INACTIVE) from error
    if (read.access.institution, read.access.environment) != (gate.code, gate.name):
        await _refuse(services, gate, "token-foreign", where)
        raise Refused(INACTIVE)
    await _judge(services, gate, read, where)
    details = {
        "next": next_path if browsers.is_own_path(next_path) else HOME,
        "environment": gate.name,
        "request": read.access.request,
        "jti": read.jti,
        "digest": read.digest,
    }
    plan = Plan("gate", details, nonce=_nonce(read.access.grant, read.jti), scope="openid")
    return await set_out(services, _way(services, gate, vendor), plan, browser)


async def _judge(services: Services, gate: Gate, read: Approval, where: Where) -> None:
    """Raise `Refused` token-inactive unless it would open a session now, before anybody is sent to sign in."""
    async with services.database.begin() as tx:
        held = await hold(await lock(services, tx, gate.code), read.access.request)
        held.book.trust_clock()
        problem = await problem_with(held, Shown.of(read), _GATE)
        if problem is not None:
            await refuse(held.book, _GATE, problem, gate.name, where)
        await held.store()
    if problem is not None:
        raise Refused(INACTIVE)


def _nonce(grant: str, jti: str) -> str:
    return nonce_of(canonical.encode({"grant": grant, "jti": jti}))


async def come_back(
    services: Services, key: str | None, parameters: Sequence[tuple[str, str]], browser: str | None, where: Where
) -> Entered:
    """Back from the vendor's provider: open the session of the token.

    Raises `Refused`: gate-unknown, sign-in-astray (no event: the journey is nobody's), sign-in-refused, token-inactive;
    `Unavailable`.
    """
    async with services.database.begin() as tx:
        gate = await gate_of(services, tx, key_hash(services, key))
        flow = await journey.take(services, tx, parameters, _JOURNEY, browser)
        now = await tx.now()
        vendor = await institutions.read(tx, VENDOR)
    if flow is None or not journey.is_own(services, flow, gate.code, _JOURNEY, browser, now):
        raise Refused(ASTRAY)
    details = flow.details["details"]
    if (flow.details["purpose"], details["environment"]) != ("gate", gate.name):
        raise Refused(ASTRAY)
    proof = await journey.prove(services, _way(services, gate, vendor), flow, parameters, now)
    if isinstance(proof, str):
        await _refuse(services, gate, proof, where)
        raise Refused(sign_in_refusal(proof))
    cookie = browsers.new_secret()
    await _open(services, gate, details, proof, cookie_hash(services, cookie), where)
    return Entered(cookie, str(details["next"]))


async def _open(
    services: Services, gate: Gate, details: Mapping[str, Any], proof: Proof, hashed: bytes, where: Where
) -> None:
    shown = Shown(details["jti"], details["digest"], gate.environment.audience, gate.name)
    async with services.database.begin() as tx:
        held = await hold(await lock(services, tx, gate.code), details["request"])
        refusal = await _admit(held, shown, proof, hashed, where)
        await held.store()
    if refusal is not None:
        raise Refused(refusal)


async def _admit(held: Held, shown: Shown, proof: Proof, hashed: bytes, where: Where) -> Refusal | None:
    book = held.book
    blob = binding_blob(proof.id_token, proof.identity.jwk)
    evidence = EvidenceRow(book.code, canonical.sha(blob), blob)
    problem = _not_the_engineer(held, shown, proof)
    if problem is None and await objects.read_many(book.tx, book.code, [evidence.digest]):
        problem = "evidence-used"
    if problem is not None:
        await refuse(book, _GATE, problem, shown.environment, where)
        return sign_in_refusal(problem)
    outcome = await admit(held, shown, Opener(credential=hashed, evidence=(evidence.digest,)), where)
    if isinstance(outcome, Refusal):
        return outcome
    await objects.put(book.tx, evidence)
    return None


def _not_the_engineer(held: Held, shown: Shown, proof: Proof) -> str | None:
    """What keeps a sign-in from proving that the token's engineer sits there; its signature was judged before."""
    identity, grant = proof.identity, held.request.grant
    if identity.iss not in held.book.institution.vendor_issuers:
        return "id-token-iss"
    if grant is None or identity.claims.get("nonce") != _nonce(grant.id, shown.jti):
        return "id-token-nonce"
    return None if identity.sub == held.row.engineer_id else "engineer-differs"


async def _refuse(services: Services, gate: Gate, problem: str, where: Where) -> None:
    async with write(services, gate.code) as book:
        await refuse(book, _GATE, problem, gate.name, where)
        await book.append()


def _way(services: Services, gate: Gate, vendor: InstitutionRow | None) -> Way:
    """To the vendor's provider and back through the gateway's own host. Raises `Unavailable`."""
    if vendor is None:
        raise Unavailable("The vendor's sign-in is not set up.", "provider-unavailable")
    registration = sign_in_registration(services, vendor, Institution.from_data(vendor.state))
    return Way(gate.code, registration, gate.return_uri(services), cookie=_JOURNEY)
