"""An environment that may be scanned: the address of an Alma, and its key as it is kept."""

from __future__ import annotations

from dataclasses import replace

from app.actions.opening import alma_label
from app.actions.services import Services
from app.storage import institutions
from app.storage.institutions import EnvironmentSecrets
from tests.actions.worlds import CODE
from tests.fixtures.alma import Alma


async def let(services: Services, alma: Alma, key: str, place: str) -> None:
    """Let the service read an environment's Alma with this key."""
    sealed = services.secrets.seal(alma_label(CODE, place, alma.base), key.encode())
    async with services.database.begin() as tx:
        kept = {each.environment: each for each in await institutions.environment_secrets(tx, CODE)}
        row = kept.get(place, EnvironmentSecrets(CODE, place, None, None, None))
        await institutions.set_environment_secrets(tx, replace(row, alma_api_base=alma.base, alma_api_key=sealed))
