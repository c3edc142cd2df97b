"""Signing out at the provider too: OpenID Connect RP-Initiated Logout 1.0 §2, §3.

What it takes is kept in the session, sealed: whoever writes the database sends nobody elsewhere.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from app.actions.journey import Proof
from app.actions.services import Services
from app.identity import browser as browsers
from app.tokens.secrets import SealBroken

KEY = "farewell"
_LABEL = "session/farewell/"
# Longer ones do not fit into every server's idea of an address; the provider then asks who it is.
_MAX_HINT = 3000


@dataclass(frozen=True, slots=True)
class Farewell:
    """Where a provider ends sessions, and the ID token that says which."""

    endpoint: str
    client_id: str
    id_token: str = field(repr=False)


def keep_farewell(services: Services, person: str, client_id: str, proof: Proof) -> dict[str, str]:
    """What a person's session keeps of it; nothing where the provider ends no sessions."""
    if proof.end_session is None:
        return {}
    told = {"endpoint": proof.end_session, "client_id": client_id, "id_token": proof.id_token}
    return {KEY: b64encode(services.secrets.seal(_LABEL + person, json.dumps(told).encode())).decode()}


def farewell(services: Services, person: str, details: Mapping[str, Any]) -> Farewell | None:
    """What `keep_farewell` kept; nothing where somebody else wrote it, or it is another person's."""
    if KEY not in details:
        return None
    try:
        return Farewell(**json.loads(services.secrets.open(_LABEL + person, b64decode(str(details[KEY])))))
    except (SealBroken, ValueError):
        return None


def farewell_url(services: Services, kept: Farewell) -> str:
    """Where to send the browser; the provider sends it back to our sign-in."""
    asked = {
        "client_id": kept.client_id,
        "post_logout_redirect_uri": services.page("/sign-in"),
        "state": browsers.new_secret(),
    }
    hint = {"id_token_hint": kept.id_token} if len(kept.id_token) <= _MAX_HINT else {}
    return f"{kept.endpoint}{'&' if '?' in kept.endpoint else '?'}{urlencode(hint | asked)}"
