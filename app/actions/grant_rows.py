"""The rows of grants, which the hot path reads, with their MAC."""

from __future__ import annotations

from dataclasses import replace

from app.domain.request import AccessRequest, Grant
from app.storage.grants import GrantRow
from app.storage.requests import RequestRow
from app.tokens.secrets import Secrets

GRANT_LABEL = "row/grant"


def grant_row(secrets: Secrets, row: RequestRow, grant: Grant) -> GrantRow:
    """The row of a request's grant."""
    account = AccessRequest.from_data(row.state).account
    unsealed = GrantRow(
        log=row.log,
        id=grant.id,
        request=row.id,
        environment=row.environment,
        account=account,
        engineer_id=row.engineer_id,
        not_before=grant.not_before,
        not_after=grant.not_after,
        roles=grant.roles,
        ended_at=grant.ended_at,
        ended_because=grant.ended_because,
        mac=b"",
    )
    return replace(unsealed, mac=secrets.mac(GRANT_LABEL, *grant_parts(unsealed)))


def grant_parts(row: GrantRow) -> list[str]:
    """What the MAC of a grant's row covers, in order."""
    ended = "" if row.ended_at is None else row.ended_at.isoformat()
    window = (row.not_before.isoformat(), row.not_after.isoformat(), ended, row.ended_because or "")
    return [row.log, row.id, row.request, row.environment, row.account, row.engineer_id, *window, *row.roles]
