from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.domain.errors import Refusal
from app.tokens import approval, keys
from app.tokens.clients import Client
from app.tokens.keys import KeyRing
from app.tokens.secrets import Secrets

ISSUER = "https://countersign.example"
AUDIENCE = "https://gateway.vendor.example/exu-alma"
NOW = datetime(2026, 11, 22, 9, 51, 16, 400_000, tzinfo=UTC)
ACCESS = approval.SupportAccess(
    institution="01EXU_INST",
    environment="alma-production",
    account="exl_impl",
    case="06543210",
    roles=("Fulfillment Administrator",),
    request="req_01kjx0000000000000000000aa",
    grant="grt_01kjx0000000000000000000aa",
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    keys.create(tmp_path / "keys")
    return tmp_path / "keys"


@pytest.fixture
def ring(directory: Path) -> KeyRing:
    return KeyRing(directory)


@pytest.fixture
def secrets() -> Secrets:
    return Secrets(b"0123456789abcdef0123456789ABCDEF")


@pytest.fixture
def client(secrets: Secrets) -> Client:
    return Client(
        id="cli_01kjx0000000000000000000aa",
        client_id="support-console",
        name="Support console",
        secret_hashes=(secrets.hash_secret("s3cret"),),
        scopes=frozenset({"requests", "requests:read", "tokens"}),
        institutions=frozenset({"*"}),
        audiences=frozenset({AUDIENCE}),
    )


Mint = Callable[..., approval.Minted]


@pytest.fixture
def mint(ring: KeyRing) -> Mint:
    def mint(**changes: Any) -> approval.Minted:
        arguments: dict[str, Any] = {
            "access": ACCESS,
            "audience": AUDIENCE,
            "engineer": "e1234",
            "client_id": "support-console",
            "not_before": NOW - timedelta(minutes=1),
            "not_after": NOW + timedelta(hours=4),
            "ttl_minutes": 15,
            "now": NOW,
        }
        minted = approval.mint(ring, ISSUER, **(arguments | changes))
        assert not isinstance(minted, Refusal), minted
        return minted

    return mint
