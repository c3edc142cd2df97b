"""Where an institution's people go to sign in, as far as anybody may know."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from app.actions.registrations import approval_registration
from app.actions.services import Services
from app.domain.errors import Unavailable
from app.domain.institution import Institution
from app.identity.errors import SignInRefused
from app.identity.provider import ProviderConfig
from app.storage import institutions

_ORIGIN = re.compile(r"https?://[A-Za-z0-9._\-]+(:\d{1,5})?|https?://\[[0-9A-Fa-f:.]+\](:\d{1,5})?")


@dataclass(frozen=True, slots=True)
class Door:
    """The way in. `origins`: of the provider's issuer and authorization endpoint, for pages that send a form there."""

    code: str
    institution_name: str
    time_zone: str
    locale: str
    provider_host: str
    origins: tuple[str, ...]


async def door(services: Services, code: str) -> Door | None:
    """The way in to an institution, or for the vendor's own people (`VENDOR`); None for an unknown code."""
    async with services.database.read() as tx:
        row = await institutions.read(tx, code)
        now = await tx.now()
    if row is None:
        return None
    institution = Institution.from_data(row.state)
    issuer = institution.provider.issuer
    try:
        origins = await origins_of(services, approval_registration(services, row, institution), now)
    except Unavailable:
        origins = _distinct([issuer])
    return Door(code, row.name, institution.time_zone, institution.locale, urlsplit(issuer).hostname or issuer, origins)


async def origins_of(services: Services, registration: ProviderConfig, now: datetime) -> tuple[str, ...]:
    """The origins of a provider's issuer and authorization endpoint; of the former alone where it does not answer."""
    leads_to = [registration.issuer]
    with suppress(SignInRefused, Unavailable):  # whoever goes there now is told so; the page stands without it
        leads_to.append((await services.provider.metadata(registration, now)).authorization_endpoint)
    return _distinct(leads_to)


async def origins(services: Services, registration: ProviderConfig) -> tuple[str, ...]:
    """Where a form may lead that sends a browser to this registration's provider."""
    async with services.database.read() as tx:
        now = await tx.now()
    return await origins_of(services, registration, now)


def _distinct(urls: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(origin for url in urls if (origin := origin_of(url)) is not None))


def origin_of(url: str) -> str | None:
    """The origin of an address, if it can stand in a content policy."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    return origin if _ORIGIN.fullmatch(origin) else None
