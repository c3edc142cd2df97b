"""Proposals: changes of an institution that wait for one of its admins, whoever proposed them.

What is proposed stands in the private part of `change.proposed`, and is read back from there alone. Secrets that belong
to it are sealed beside it, to the change. Nothing proposed is in force.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.actions.judging import judge
from app.actions.ledger import Ledger, unwrap
from app.actions.soundness import IN_DOUBT
from app.actions.views import private_fields
from app.domain.errors import Refusal, Refused
from app.domain.events import WORKER, Actor, Event
from app.domain.ids import new_id
from app.domain.institution import CHANGE_LIFE, Institution, is_lapsed
from app.domain.languages import told
from app.domain.proposal import Proposal, Wanted
from app.domain.statement import change_input
from app.storage import entries
from app.storage import proposals as rows
from app.storage.database import Transaction
from app.storage.entries import LeafFilter
from app.storage.leaves import Stored
from app.storage.proposals import ProposalRow
from app.tokens.secrets import SealBroken, Secrets
from app.trail import canonical
from app.trail.log import new_salt, private_part

MAX_WAITING = 500
_EVERY = 2**31 - 1
_TOO_MANY = Refusal(
    "too-many-requests",
    told(
        "%(max_waiting)s changes of this institution wait already; its admins have to answer some first.",
        max_waiting=MAX_WAITING,
    ),
    retry_after=3600,
)


class Waiting(dict[str, Proposal]):
    """The proposals of a log that wait, by id."""


async def waiting(tx: Transaction, institution: Institution) -> Waiting:
    """Every proposal that waits and is what the trail commits to; one whose private part is gone is not among them."""
    if not institution.changes:
        return Waiting()
    stored = await entries.find(tx, institution.code, LeafFilter(type="change.proposed"), _EVERY)
    read = (_read(institution, each) for each in stored)
    return Waiting({proposal.id: proposal for proposal in read if proposal is not None})


async def read(tx: Transaction, institution: Institution, row: ProposalRow) -> Proposal:
    """A proposal that waits, from its entry. Raises `Refused` records-in-doubt where that commits to something else."""
    stored = await entries.read_leaves(tx, institution.code, row.idx, row.idx + 1)
    proposal = _read(institution, stored[0]) if stored and stored[0].entry.subject == row.id else None
    if proposal is None:
        raise Refused(IN_DOUBT)
    return proposal


async def propose(
    book: Ledger, actor: Actor, wanted: Wanted, secrets: Mapping[str, str] | None = None, known: Waiting | None = None
) -> str:
    """Gather a proposal; its id. The same one is not made twice, but other `secrets` take the place of those it had.

    `known`: those that wait, where the caller has them; the new one is added. Raises `Refused`: validation,
    already-bound for an address on the list, last-admin, too-many-requests.
    """
    unwrap(await judge(book.tx, book.institution, book.now, wanted))
    known = await waiting(book.tx, book.institution) if known is None else known
    same = _same(known, wanted)
    if same is not None:
        row = await rows.read(book.tx, book.code, same.id)
        there = {} if row is None else open_secrets(book.services.secrets, row)
        if row is not None and secrets and there != {**there, **secrets}:
            sealed = _seal(book.services.secrets, book.code, same.id, {**there, **secrets})
            await rows.keep(book.tx, replace(row, secrets=sealed, tested=None))
        return same.id
    if len(known) >= MAX_WAITING:
        raise Refused(_TOO_MANY)
    proposal = Proposal(new_id("chg", book.now), wanted, None if wanted.private is None else new_salt())
    known[proposal.id] = proposal
    kept = _seal(book.services.secrets, book.code, proposal.id, secrets) if secrets else None
    await rows.add(book.tx, ProposalRow(book.code, proposal.id, book.next_index, book.now + CHANGE_LIFE, secrets=kept))
    data = {"type": wanted.type, "subject": wanted.subject, "data_digest": data_digest(proposal)}
    said = canonical.encode(proposal.to_data()).decode()
    book.add(Event("change.proposed", proposal.id, actor, data, {"change": said}))
    return proposal.id


async def close(book: Ledger, change_id: str, actor: Actor, because: str, reason: str) -> None:
    """Gather the rejection of a change that waits; `because`: admin or lapsed."""
    book.add(Event("change.rejected", change_id, actor, {"because": because}, {"reason": reason}))
    await rows.end(book.tx, book.code, change_id, "lapsed" if because == "lapsed" else "rejected")


async def lapse(book: Ledger) -> int:
    """Gather the lapse of every change that has waited for too long; how many."""
    over = [key for key, change in book.institution.changes.items() if is_lapsed(change, book.now)]
    for change_id in sorted(over):
        await close(book, change_id, WORKER, "lapsed", "")
    return len(over)


def data_digest(proposal: Proposal) -> str:
    """What proposal, countersignature and applied entry all commit to."""
    event = proposal.event(WORKER)
    part = None if event.private is None else private_part(event.private, event.salt or "")
    return canonical.sha(canonical.encode(change_input(event.data, None if part is None else canonical.sha(part))))


async def waits_already(
    secrets: Secrets, tx: Transaction, known: Waiting, code: str, wanted: Wanted, given: Mapping[str, str]
) -> bool:
    """Whether exactly this waits, with these secrets."""
    same = _same(known, wanted)
    row = None if same is None else await rows.read(tx, code, same.id)
    return row is not None and given.items() <= open_secrets(secrets, row).items()


def _same(known: Waiting, wanted: Wanted) -> Proposal | None:
    return next((each for each in known.values() if each.wanted.essence == wanted.essence), None)


def open_secrets(secrets: Secrets, row: ProposalRow) -> dict[str, str]:
    """The secrets that came with a change. Raises `Refused` records-in-doubt for what this service did not seal."""
    if row.secrets is None:
        return {}
    try:
        opened = secrets.open(_label(row.log, row.id), row.secrets)
    except SealBroken as error:
        raise Refused(IN_DOUBT) from error
    found: dict[str, str] = json.loads(opened)
    return found


def _seal(secrets: Secrets, code: str, change_id: str, kept: Mapping[str, str]) -> bytes:
    return secrets.seal(_label(code, change_id), json.dumps(dict(kept), sort_keys=True).encode())


def _label(code: str, change_id: str) -> str:
    return f"change/{code}/{change_id}"


def proposed_in(book: Ledger) -> list[tuple[Proposal, str]]:
    """The proposals that are gathered and not appended yet, each with the id of its actor."""
    gathered = [each for each in book.gathered if each.entry.type == "change.proposed"]
    read = [(_said(each, each.entry.data), each.entry.actor.id) for each in gathered]
    return [(proposal, actor) for proposal, actor in read if proposal is not None]


def _read(institution: Institution, stored: Stored) -> Proposal | None:
    change = institution.changes.get(stored.entry.subject)
    if change is None or stored.private is None or canonical.sha(stored.private) != stored.entry.private:
        return None
    return _said(stored, {"type": change.type, "subject": change.subject, "data_digest": change.data_digest})


def _said(stored: Stored, data: Mapping[str, Any]) -> Proposal | None:
    """The proposal in the private part of an entry, if that is what `data` commits to."""
    said = private_fields(stored).get("change")
    if said is None:
        return None
    try:
        members = canonical.decode_object(said.encode())
        proposal = Proposal.from_data(stored.entry.subject, data["type"], data["subject"], members)
        return proposal if data_digest(proposal) == data["data_digest"] else None
    except (canonical.CanonicalError, ValueError, KeyError):
        return None
