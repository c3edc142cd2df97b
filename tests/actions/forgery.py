"""An approval made up from nothing, by somebody who can write every row and lacks the service's secret key alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from joserfc import jwt

from app.audit.evidence import countersignature_blob, input_blob, nonce_of
from app.domain.events import SERVICE, Event
from app.domain.ids import new_id
from app.domain.institution import Institution
from app.domain.request import AccessRequest, Terms, created, decide, evolve
from app.identity.id_token import thumbprint
from app.storage import entries, institutions, leaves, objects, tables
from app.trail import canonical
from tests.actions.attacks import read_row
from tests.actions.worlds import CODE, HEAD, World
from tests.identity.malicious_provider import key


async def a_forged_story(world: World) -> str:
    """Everything that the trail would tell of an approval, made up by somebody who can write every row.

    Their own signing key is among the provider's, as far as the log says; the sign-in, the statement and the outcome
    follow all the rules. What they lack is the service's secret key.
    """
    request = (await world.file()).row.id
    draft = await read_row(world, tables.drafts, {"id": await world.draft(HEAD, request)})
    who, own = await world.visitor(HEAD), key("ES256", "forged")
    jwk = own.as_dict(private=False)
    async with world.services.database.begin() as tx:
        head = await leaves.lock(tx, CODE)
        keys = input_blob("application/jwk-set+json", json.dumps({"keys": [jwk]}).encode())
        now = int(head.at.timestamp())
        claims = {"iss": who.iss, "sub": who.sub, "aud": "countersign-approvals", "nonce": nonce_of(draft["statement"])}
        times = {"iat": now, "exp": now + 300, "auth_time": now}
        token = jwt.encode({"alg": "ES256", "kid": "forged"}, claims | times, own)
        vote = countersignature_blob(canonical.decode_object(draft["statement"]), token, jwk)
        names = [canonical.sha(blob) for blob in (keys, vote)]
        for name, blob in zip(names, (keys, vote), strict=True):
            assert await objects.put(tx, objects.EvidenceRow(CODE, name, blob))
        seen = {"issuer": who.iss, "thumbprints": [thumbprint(jwk)], "evidence": names[:1]}
        row, institution = (await read_row(world, tables.requests, {"id": request})), await institutions.read(tx, CODE)
        assert institution is not None
        events = decide(
            AccessRequest.from_data(row["state"]), Institution.from_data(institution.state), who.person, "approve",
            Terms.from_data(draft["details"]["terms"]), now=head.at, index=head.size + 1,
            grant_id=new_id("grt", head.at), decision_id=new_id("dec", head.at), evidence=names[1:], comment="",
        )  # fmt: skip
        assert isinstance(events, list)
        salted = [
            replace(each, private={"comment": draft["details"]["comment"]}) if each.private else each for each in events
        ]
        await leaves.append(tx, head, [Event("identity_provider.keys_seen", CODE, SERVICE, seen), *salted])
        await _fold(world, tx, request)
    return request


async def _fold(world: World, tx: Any, request: str) -> None:
    """Write the rows that follow from the log, all but their MACs."""
    own = [each for each in await entries.entries_of(tx, CODE, request) if each.entry.subject == request]
    state = created(own[0].entry, canonical.sha(own[0].leaf))
    for each in own[1:]:
        state = evolve(state, each.entry)
    table, grant = tables.requests, state.grant
    assert grant is not None
    row = sa.update(table).where(table.c.id == request).values(state=state.to_data(), status=state.status.value)
    await tx.connection.execute(row)
    await tx.connection.execute(
        sa.insert(tables.grants).values(
            log=CODE, id=grant.id, request=request, environment=state.environment, account=state.account,
            engineer_id="e1234", not_before=grant.not_before, not_after=grant.not_after, roles=grant.roles,
            mac=b"m" * 32,
        )
    )  # fmt: skip
    seen = [each for each in await entries.read_leaves(tx, CODE, 0, 1 << 31) if each.entry.type.endswith("keys_seen")]
    institution = await institutions.read(tx, CODE)
    assert institution is not None
    folded = Institution.from_data(institution.state)
    prints = frozenset(print_ for each in seen for print_ in each.entry.data["thumbprints"])
    folded = replace(folded, keys_seen={folded.provider.issuer: prints})
    await institutions.save(tx, replace(institution, state=folded.to_data()))
