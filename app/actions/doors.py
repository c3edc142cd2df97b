"""Where an institution's people go to sign in, as far as anybody may know."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.actions.registrations import approval_registration
from app.actions.services import Services
from app.domain.errors import Unavailable
from app.domain.institution import Institution
from app.identity.errors import SignInRefused
from app.storage import institutions

_ORIGIN = re.compile(r"https?://[A-Za-z0-9._\-]+(:\d{1,5})?|https?://\[[0-9A-Fa-f:.]+\](:\d{1,5})?")


@dataclass(frozen=True, slots=True)
class Door:
    """The way in. `origins`: of the provider's issuer and authorization endpoint, for pages that send a form there."""

    code: str
    institution_name: str
    time_zone: str
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
    leads_to = [issuer]
    try:
        registration = approval_registration(services, row, institution)
        leads_to.append((await services.provider.metadata(registration, now)).authorization_endpoint)
    except (SignInRefused, Unavailable):
        pass  # whoever goes there now is told so; the page stands without it
    origins = dict.fromkeys(origin for url in leads_to if (origin := origin_of(url)) is not None)
    return Door(code, row.name, institution.time_zone, urlsplit(issuer).hostname or issuer, tuple(origins))


def origin_of(url: str) -> str | None:
    """The origin of an address, if it can stand in a content policy."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    return origin if _ORIGIN.fullmatch(origin) else None
