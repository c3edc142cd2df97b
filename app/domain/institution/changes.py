"""What loosens an institution's protection and so needs a countersignature (`product.md`, `events.md` *Changes*)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from app.domain.errors import require
from app.domain.events import Entry, Event
from app.domain.institution.state import Change, Institution, admins
from app.domain.people import DECIDING_ROLES
from app.domain.policy import Policy, tightens

GUARDED_ROLES = DECIDING_ROLES | {"admin"}
CHANGE_LIFE = timedelta(days=30)
"""A proposal that no admin has answered by then lapses."""


def is_lapsed(change: Change, now: datetime) -> bool:
    """Whether a change has waited for too long to be applied, whether its lapse has been recorded or not."""
    return now - change.at >= CHANGE_LIFE


def waits_for_another(institution: Institution, change: Change, person_id: str) -> bool:
    """Whether somebody else than this person has to countersign what loosens: they proposed it, or it is about them.

    So where there are two admins or more (bound or not), or were when it was proposed: who removes the others is not
    alone with what waits.
    """
    several = change.several or len(admins(institution)) > 1
    return several and person_id in {change.proposer, change.subject}


def loosens(institution: Institution, event: Event | Entry, *, notify_changed: bool = False) -> bool:
    """Whether the event, met in this state, loosens. `notify_changed`: in `institution.changed`, they are private."""
    judge = _LOOSENS.get(event.type)
    return (notify_changed and event.type == "institution.changed") or (
        judge is not None and judge(institution, event.subject, event.data)
    )


def authorised(institution: Institution, entry: Entry) -> None:
    """Raise `IllegalTransition` unless what loosens is countersigned, and the change it names waits and fits.

    With two admins or more (bound or not) what loosens was proposed, by another than who applies it, and gives that
    one nothing.
    """
    change_id, loose, several = entry.data.get("change"), loosens(institution, entry), len(admins(institution)) > 1
    require(not loose or bool(entry.data["evidence"]), "evidence: what loosens is countersigned")
    require(
        not (loose and several) or change_id is not None, "change: with several admins what loosens is proposed first"
    )
    if change_id is None:
        return
    change = institution.changes.get(change_id)
    require(change is not None, "change: does not wait")
    if change is not None:
        require((change.type, change.subject) == (entry.type, entry.subject), "change: proposes something else")
        alone = waits_for_another(institution, change, entry.actor.id)
        require(not (loose and alone), "actor: another admin than who proposed it or whom it is about")


def _always(_: Institution, __: str, ___: Mapping[str, Any]) -> bool:
    return True


def _policy(institution: Institution, _: str, data: Mapping[str, Any]) -> bool:
    return not tightens(institution.policy, Policy.from_data(data["policy"]))


def _added(_: Institution, __: str, data: Mapping[str, Any]) -> bool:
    return not GUARDED_ROLES.isdisjoint(data["roles"])


def _roles(institution: Institution, person_id: str, data: Mapping[str, Any]) -> bool:
    """Whether a guarded role is gained, or one that is kept reaches products that it did not."""
    person = institution.people.get(person_id)
    if data["source"] == "claim" or person is None:
        return False
    gained = GUARDED_ROLES.intersection(data["roles"]).difference(person.roles)
    wider = bool(person.products) and (not data["products"] or not set(data["products"]) <= set(person.products))
    return bool(gained) or (wider and not DECIDING_ROLES.isdisjoint({*data["roles"], *person.claimed}))


def _changed(institution: Institution, _: str, data: Mapping[str, Any]) -> bool:
    return bool(data["time_zone"] != institution.time_zone)


def _erased(_: Institution, __: str, data: Mapping[str, Any]) -> bool:
    return bool(data["because"] != "retention")


_LOOSENS: Mapping[str, Callable[[Institution, str, Mapping[str, Any]], bool]] = MappingProxyType(
    {
        "identity_provider.set": _always,
        "environment.set": _always,
        "policy.set": _policy,
        "institution.changed": _changed,
        "person.added": _added,
        "person.roles_changed": _roles,
        "private.erased": _erased,
        "evidence.erased": _erased,
    }
)
