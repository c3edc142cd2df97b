"""The journey of a browser to an identity provider and back: sign-ins, countersignatures and engineers at the gate.

The `state` is found by its hash, once, within ten minutes, and only in the browser that left; until then nothing that
comes back is any institution's event. What the provider answers is judged by `identity`; whatever fails there is a
problem with a slug, and the caller records it.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from app.actions.registrations import (
    approval_registration,
    callback,
    keep_registration,
    open_registration,
    sign_in_registration,
)
from app.actions.services import Services
from app.domain.errors import Refusal, Refused
from app.domain.institution import Institution
from app.domain.languages import msg
from app.identity import browser as browsers
from app.identity.errors import ProviderUnavailable, SignInRefused
from app.identity.id_token import Expected, VerifiedIdentity
from app.identity.provider import Departure, ProviderConfig, PublishedKeys
from app.storage import institutions, web_sessions
from app.storage.database import Transaction
from app.storage.institutions import InstitutionRow
from app.storage.web_sessions import SignInFlow
from app.trail import canonical

LIFE = timedelta(minutes=10)
TRIED = "registration"
"""Among a journey's details: the registration it tries, sealed, where that is not the institution's own."""
ASTRAY = Refusal(
    "sign-in-astray",
    msg("This answer belongs to no sign-in that began in this browser. Nothing was recorded; begin again."),
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
class Way:
    """Whose provider a journey leads to, by which of our registrations, and where it comes back.

    `log` is the institution's whose journey it is, `cookie` the label of the MAC that binds it to a browser's cookie,
    `role_claim` what the token has to tell of roles.
    """

    log: str
    registration: ProviderConfig
    redirect_uri: str
    required_claims: Mapping[str, object] = field(default_factory=dict)
    cookie: str = "cookie/browser"
    role_claim: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What the journey is for. `purpose` is `sign-in`, `countersign`, `change`, `test` or `gate`.

    `nonce` null means a random one.
    """

    purpose: str
    details: Mapping[str, Any]
    nonce: str | None = None
    scope: str = "openid email profile"
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """An ID token that was judged and holds, the keys it was judged by, and where the provider ends sessions, if so."""

    id_token: str
    identity: VerifiedIdentity
    keys: PublishedKeys
    end_session: str | None = None


@dataclass(frozen=True, slots=True)
class Arrived:
    """A browser that is back from its own journey: with a proof, or with the slug of what was wrong."""

    purpose: str
    details: Mapping[str, Any]
    outcome: Proof | str


async def depart(
    services: Services, row: InstitutionRow, institution: Institution, plan: Plan, browser: str | None
) -> Begun:
    """Begin a journey to the institution's own provider. As `set_out`."""
    return await set_out(services, _way(services, row, institution, plan.purpose), plan, browser)


async def try_out(
    services: Services,
    code: str,
    registration: ProviderConfig,
    plan: Plan,
    browser: str | None,
    *,
    role_claim: str | None,
) -> Begun:
    """Begin a journey to a provider that is not in force, which comes back like one that is. As `set_out`."""
    details = {**plan.details, TRIED: keep_registration(services, registration)}
    way = Way(code, registration, callback(services, code), role_claim=role_claim)
    return await set_out(services, way, replace(plan, details=details), browser)


async def set_out(services: Services, way: Way, plan: Plan, browser: str | None) -> Begun:
    """Begin a journey, bound to the browser's cookie (a new one where it has none).

    Raises `Unavailable`, also for a provider whose description of itself does not fit.
    """
    cookie = browser or browsers.new_secret()
    departure = Departure(
        redirect_uri=way.redirect_uri,
        state=browsers.new_secret(),
        nonce=plan.nonce or browsers.new_secret(),
        code_verifier=browsers.new_secret(),
        scope=plan.scope,
        max_age=plan.max_age,
        acr_values=plan.acr_values,
        role_claim=way.role_claim,
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
        bound = _mac(services, way.cookie, cookie)
        flow = SignInFlow(_state(services, departure.state), way.log, bound, details, now)
        await web_sessions.begin_flow(tx, replace(flow, details={**details, "mac": _flow_mac(services, flow)}))
    try:
        url = await services.provider.authorization_url(way.registration, departure, now)
    except SignInRefused as refused:
        raise ProviderUnavailable(f"The provider's description of itself does not fit: {refused.problem}.") from refused
    return Begun(url, cookie)


async def arrive(services: Services, code: str, parameters: Sequence[tuple[str, str]], browser: str | None) -> Arrived:
    """What a callback brings. Raises `Refused` sign-in-astray for a journey that is not this browser's."""
    async with services.database.begin() as tx:
        flow = await take(services, tx, parameters, "cookie/browser", browser)
        now = await tx.now()
        row = await institutions.read(tx, code)
    if flow is None or row is None or not is_own(services, flow, code, "cookie/browser", browser, now):
        raise Refused(ASTRAY)
    way = _way(services, row, Institution.from_data(row.state), flow.details["purpose"])
    if way_kept := flow.details["details"].get(TRIED):
        way = replace(way, registration=open_registration(services, way_kept), required_claims={})
    return Arrived(flow.details["purpose"], flow.details["details"], await prove(services, way, flow, parameters, now))


async def take(
    services: Services, tx: Transaction, parameters: Sequence[tuple[str, str]], label: str, browser: str | None
) -> SignInFlow | None:
    """The journey that these parameters end, taken away: it ends once, and only in the browser of the cookie that it
    is bound to. In any other it goes on. Whether it holds is not known yet (`is_own`).
    """
    states = [value for name, value in parameters if name == "state"]
    if len(states) != 1 or browser is None:
        return None
    return await web_sessions.take_flow(tx, _state(services, states[0]), _mac(services, label, browser))


def is_own(services: Services, flow: SignInFlow, log: str, label: str, browser: str | None, now: datetime) -> bool:
    """Whether it began in the browser of this cookie, for this log, not too long ago, and is as it was begun."""
    if flow.details.get("mac") != _flow_mac(services, flow):
        return False
    bound = browser is not None and hmac.compare_digest(flow.browser, _mac(services, label, browser))
    return bound and flow.log == log and now - flow.created_at <= LIFE


async def prove(
    services: Services, way: Way, flow: SignInFlow, parameters: Sequence[tuple[str, str]], now: datetime
) -> Proof | str:
    """Who signed in, or the slug of what was wrong."""
    try:
        return await _proof(services, way, flow.details, parameters, now)
    except SignInRefused as refused:
        return refused.problem
    except ProviderUnavailable:
        return "provider-unavailable"


async def _proof(
    services: Services, way: Way, details: Mapping[str, Any], parameters: Sequence[tuple[str, str]], now: datetime
) -> Proof:
    registration = way.registration
    metadata = await services.provider.metadata(registration, now)
    state = next(value for name, value in parameters if name == "state")
    code = browsers.callback_code(parameters, state=state, issuer=registration.issuer, iss_required=metadata.sends_iss)
    answer = await services.provider.exchange(registration, code, way.redirect_uri, details["verifier"], now)
    expected = Expected(
        issuer=registration.issuer,
        audience=registration.client_id,
        nonce=details["nonce"],
        now=now,
        max_age=details["max_age"],
        acr_values=tuple(details["acr_values"]),
        required_claims=way.required_claims,
        access_token=answer.access_token,
        code=code,
    )
    identity, keys = await services.provider.identify(registration, answer.id_token, expected)
    return Proof(answer.id_token, identity, keys, metadata.end_session_endpoint)


def _way(services: Services, row: InstitutionRow, institution: Institution, purpose: str) -> Way:
    """To the institution's own provider, and back to the callback."""
    choose = approval_registration if purpose in {"countersign", "change"} else sign_in_registration
    required = institution.provider.required_claims if purpose == "sign-in" else {}
    return Way(
        log=row.code,
        registration=choose(services, row, institution),
        redirect_uri=callback(services, row.code),
        required_claims=required,
        role_claim=institution.provider.roles_claim,
    )


def _state(services: Services, state: str) -> bytes:
    return _mac(services, "cookie/state", state)


def _mac(services: Services, label: str, secret: str) -> bytes:
    return services.secrets.mac(label, secret.encode("utf-8", "surrogatepass"))


def _flow_mac(services: Services, flow: SignInFlow) -> str:
    """What keeps whoever writes the database from changing what a journey asks for, or is about."""
    kept = {name: value for name, value in flow.details.items() if name != "mac"}
    return services.secrets.mac("row/flow", flow.log, flow.state, canonical.encode(kept)).hex()
