"""A new institution by a vendor system: its trail is opened as `apply` opens one, in one transaction.

The entries name an operator, for nobody else opens trails; which one follows from the client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.actions.administration import admit, judge_scope
from app.actions.judging import other_providers
from app.actions.keys import make_trail_key, trail_key_event
from app.actions.ledger import lock
from app.actions.opening import Vendor, environment_secrets, open_trail
from app.actions.operators import operator_behind
from app.actions.services import Services
from app.actions.worldbodies import institution_of
from app.actions.worldforms import NOT_ALONE, url_key
from app.actions.worldspecs import InstitutionSpec
from app.domain.errors import IllegalTransition, Refusal, Refused
from app.domain.events import Event
from app.domain.institution import Institution
from app.domain.kinds import VENDOR
from app.storage import institutions
from app.storage.database import Transaction
from app.storage.leaves import LogExists
from app.tokens.clients import Caller

_EXISTS = Refusal("institution-exists", "An institution of this code is there already. Nothing was changed.")


@dataclass(frozen=True, slots=True)
class Founded:
    """A new institution, and the code that it has to be told by another road."""

    code: str
    enrolment_code: str


async def found(services: Services, caller: Caller, members: Mapping[str, Any]) -> Founded:
    """Open an institution's trail. Raises `Refused`: not-found, insufficient-scope, validation, institution-exists."""
    judge_scope(caller)
    async with services.database.begin() as tx:
        book = await lock(services, tx, VENDOR)
        vendor = book.institution
        spec = institution_of(services, members, vendor.provider.issuer, vendor.vendor_domains)
        admit(caller, spec.code)
        if await institutions.read(tx, spec.code) is not None:
            raise Refused(_EXISTS)
        await _judge_elsewhere(services, tx, spec)
        make_trail_key(services, spec.code)
        operator = operator_behind(services, caller)
        try:
            opened = await open_trail(
                services, tx, spec, Vendor(vendor.vendor_domains, (vendor.provider.issuer,)), operator
            )
        except LogExists:
            raise Refused(_EXISTS) from None
        except IllegalTransition as illegal:
            field, _, detail = str(illegal).partition(": ")
            raise Refused(Refusal.of_field(f"/{field}", detail or str(illegal))) from illegal
        registered = {"code": spec.code, "opened": opened.digest}
        book.add(
            trail_key_event(services, spec.code, opened.book.head.origin, operator),
            Event("institution.registered", VENDOR, operator, registered),
        )
        await book.append()
        return Founded(spec.code, opened.enrolment_code)


async def _judge_elsewhere(services: Services, tx: Transaction, spec: InstitutionSpec) -> None:
    """Raise `Refused` where an environment is at the address, or has the gate key, of one that there is; and where the
    provider is said to serve this one alone, as another says of it.
    """
    rows, provider = await institutions.read_all(tx), spec.provider.provider
    if any(provider.contradicts(each) for each in other_providers(spec.code, rows)):
        raise Refused(Refusal.of_field("/identity_provider/exclusive", NOT_ALONE))
    taken = {url_key(each.url) for row in rows for each in Institution.from_data(row.state).environments.values()}
    for place, each in enumerate(spec.environments):
        if url_key(each.environment.url) in taken:
            detail = "This address cannot be used; give the environment's own."
            raise Refused(Refusal.of_field(f"/environments/{place}/url", detail))
        key = environment_secrets(services.secrets, spec.code, each).gate_key
        if key is not None and await institutions.environment_of_gate_key(tx, key) is not None:
            detail = "Another environment has this key; give each its own."
            raise Refused(Refusal.of_field(f"/environments/{place}/gate_key", detail))
