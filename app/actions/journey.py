"""The journey of a browser to an identity provider and back: sign-ins and countersignatures alike.

The `state` is found by its hash, once, within ten minutes, and only in the browser that left; until then nothing that
comes back is any institution's event. What the provider answers is judged by `identity`; whatever fails there is a
problem with a slug, and the caller records it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.actions.registrations import approval_registration, callback, sign_in_registration
from app.actions.services import Services
from app.domain.errors import Refusal, Refused
from app.domain.institution import Institution
from app.identity import browser as browsers
from app.identity.errors import ProviderUnavailable, SignInRefused
from app.identity.id_token import Expected, VerifiedIdentity
from app.identity.provider import Departure, ProviderConfig, PublishedKeys
from app.storage import institutions, web_sessions
from app.storage.institutions import InstitutionRow
from app.storage.web_sessions import SignInFlow

LIFE = timedelta(minutes=10)
_ASTRAY = Refusal(
    "sign-in-astray", "This answer belongs to no sign-in that began in this browser. Nothing was recorded; begin again."
)


@dataclass(frozen=True, slots=True)
class Where:
    """Where a call came from, for the private part of events."""

    ip: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Begun:
    """Send the browser to `url`, and let it keep `cookie` for as long as the journey may take."""

    url: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What the journey is for. `purpose` is `sign-in` or `countersign`; `nonce` null means a random one."""

    purpose: str
    details: Mapping[str, Any]
    nonce: str | None = None
    scope: str = "openid email profile"
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """An ID token that was judged and holds, and the keys it was judged by."""

    id_token: str
    identity: VerifiedIdentity
    keys: PublishedKeys


@dataclass(frozen=True, slots=True)
class Arrived:
    """A browser that is back from its own journey: with a proof, or with the slug of what was wrong."""

    purpose: str
    details: Mapping[str, Any]
    outcome: Proof | str


async def depart(
    services: Services, row: InstitutionRow, institution: Institution, plan: Plan, browser: str | None
) -> Begun:
    """Begin a journey, bound to the browser's cookie (a new one where it has none).

    Raises `Unavailable`, also for a provider whose description of itself does not fit.
    """
    registration = _registration(services, row, institution, plan.purpose)
    cookie = browser or browsers.new_secret()
    departure = Departure(
        redirect_uri=callback(services, row.code),
        state=browsers.new_secret(),
        nonce=plan.nonce or browsers.new_secret(),
        code_verifier=browsers.new_secret(),
        scope=plan.scope,
        max_age=plan.max_age,
        acr_values=plan.acr_values,
    )
    details = {
        "purpose": plan.purpose,
        "nonce": departure.nonce,
        "verifier": departure.code_verifier,
        "max_age": plan.max_age,
        "acr_values": list(plan.acr_values),
        "details": dict(plan.details),
    }
    async with services.database.begin() as tx:
        now = await tx.now()
        flow = SignInFlow(_state(services, departure.state), row.code, _browser(services, cookie), details, now)
        await web_sessions.begin_flow(tx, flow)
    try:
        url = await services.provider.authorization_url(registration, departure, now)
    except SignInRefused as refused:
        raise ProviderUnavailable(f"The provider's description of itself does not fit: {refused.problem}.") from refused
    return Begun(url, cookie)


async def arrive(services: Services, code: str, parameters: Sequence[tuple[str, str]], browser: str | None) -> Arrived:
    """What a callback brings. Raises `Refused` sign-in-astray for a journey that is not this browser's."""
    states = [value for name, value in parameters if name == "state"]
    async with services.database.begin() as tx:
        flow = await web_sessions.take_flow(tx, _state(services, states[0])) if len(states) == 1 else None
        now = await tx.now()
        row = await institutions.read(tx, code)
    if flow is None or row is None or flow.log != code or now - flow.created_at > LIFE:
        raise Refused(_ASTRAY)
    if browser is None or flow.browser != _browser(services, browser):
        raise Refused(_ASTRAY)
    outcome: Proof | str
    try:
        outcome = await _proof(services, row, flow, parameters, now)
    except SignInRefused as refused:
        outcome = refused.problem
    except ProviderUnavailable:
        outcome = "provider-unavailable"
    return Arrived(flow.details["purpose"], flow.details["details"], outcome)


async def _proof(
    services: Services, row: InstitutionRow, flow: SignInFlow, parameters: Sequence[tuple[str, str]], now: datetime
) -> Proof:
    institution = Institution.from_data(row.state)
    details = flow.details
    registration = _registration(services, row, institution, details["purpose"])
    metadata = await services.provider.metadata(registration, now)
    state = next(value for name, value in parameters if name == "state")
    code = browsers.callback_code(parameters, state=state, issuer=registration.issuer, iss_required=metadata.sends_iss)
    uri = callback(services, row.code)
    answer = await services.provider.exchange(registration, code, uri, details["verifier"], now)
    expected = Expected(
        issuer=registration.issuer,
        audience=registration.client_id,
        nonce=details["nonce"],
        now=now,
        max_age=details["max_age"],
        acr_values=tuple(details["acr_values"]),
        required_claims=institution.provider.required_claims if details["purpose"] == "sign-in" else {},
        access_token=answer.access_token,
        code=code,
    )
    identity, keys = await services.provider.identify(registration, answer.id_token, expected)
    return Proof(answer.id_token, identity, keys)


def _registration(services: Services, row: InstitutionRow, institution: Institution, purpose: str) -> ProviderConfig:
    choose = approval_registration if purpose == "countersign" else sign_in_registration
    return choose(services, row, institution)


def _state(services: Services, state: str) -> bytes:
    return services.secrets.mac("cookie/state", state.encode("utf-8", "surrogatepass"))


def _browser(services: Services, cookie: str) -> bytes:
    return services.secrets.mac("cookie/browser", cookie.encode("utf-8", "surrogatepass"))
