"""How an institution's trail changes it, who may, and what needs a countersignature."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain import ids, institution
from app.domain.errors import IllegalTransition
from app.domain.events import SERVICE, Actor, Event
from app.domain.institution import Institution, eligible, is_vendor_address, loosens, needs_confirmation
from app.domain.people import Person
from app.domain.policy import Policy
from tests.domain.worlds import (
    CLIENT,
    CODE,
    ISSUER,
    NOW,
    OPERATOR,
    PRODUCTION,
    PROVIDER,
    SANDBOX,
    SHA,
    entry,
    happen,
    library,
    per,
    person,
)

ADMIN = Actor("person", per(1))
OTHER_ADMIN = Actor("person", per(9))
CHANGE = ids.encode("chg", 1)
NEW = {
    "change": None,
    "roles": ["auditor"],
    "products": [],
    "email_domain": "example.edu",
    "email_digest": SHA,
    "evidence": [],
}
PRIVATE = {"name": "x", "emails": "{}", "salts": "{}", "notify": "x"}


def opening(**changes: Any) -> Event:
    data = {
        "origin": "countersign.example/" + CODE,
        "locale": "en",
        "time_zone": "Europe/Vienna",
        "vendor_domains": ["vendor.example"],
        "vendor_issuers": ["https://login.vendor.example"],
        "identity_provider": PROVIDER.to_data(),
        "environments": [PRODUCTION.to_data(), SANDBOX.to_data()],
        "people": [
            {
                "person": per(1),
                "roles": ["admin", "approver"],
                "products": [],
                "email_domain": "example.edu",
                "email_digest": SHA,
            }
        ],
        "policy": Policy().to_data(),
        "continues": None,
    }
    return Event("trail.opened", CODE, OPERATOR, {**data, **changes}, PRIVATE)


def opened(**changes: Any) -> Institution:
    return institution.opened(entry(opening(**changes), 0, NOW))


def proposed(state: Institution, type_: str, subject: str = CODE, by: Actor = CLIENT) -> Institution:
    return happen(state, "change.proposed", CHANGE, by, {"type": type_, "subject": subject, "data_digest": SHA})


def bound(number: int, **changes: Any) -> dict[str, Any]:
    return {"iss": ISSUER, "sub_digest": SHA, "confirmed_by": None, "evidence": [SHA], **changes}


def test_a_new_institution_enrols_and_then_has_an_approver() -> None:
    state = opened()
    assert not eligible(state, per(1), "alma")
    state = happen(state, "person.bound", per(1), SERVICE, bound(1))
    state = happen(state, "institution.enrolled", CODE, ADMIN, {"enrolment_code": "X", "evidence": [SHA]})
    assert (state.enrolled_at, eligible(state, per(1), "alma")) == (NOW, True)
    assert Institution.from_data(state.to_data()) == state
    with pytest.raises(IllegalTransition, match="already"):
        happen(state, "institution.enrolled", CODE, ADMIN, {"enrolment_code": "X", "evidence": [SHA]})


@pytest.mark.parametrize(
    "changes",
    [
        {"time_zone": "Europe/Nowhere"},
        {"time_zone": "../etc/passwd"},
        {"environments": [PRODUCTION.to_data(), PRODUCTION.to_data()]},
        {"environments": [PRODUCTION.to_data(), replace(PRODUCTION, environment="other").to_data()]},
        {"environments": [replace(SANDBOX, implementation_ends="2028-05-11").to_data()]},
        {"people": [opening().data["people"][0]] * 2},
    ],
)
def test_what_cannot_begin_is_illegal(changes: dict[str, Any]) -> None:
    with pytest.raises(IllegalTransition):
        opened(**changes)


def test_a_trail_begins_once_at_index_0() -> None:
    with pytest.raises(IllegalTransition):
        institution.opened(entry(opening(), 1, NOW))
    with pytest.raises(IllegalTransition):
        institution.evolve(opened(), entry(opening(), 1, NOW))


def test_540_days_of_implementation_are_the_most() -> None:
    last = (NOW + timedelta(days=540)).date().isoformat()
    assert opened(environments=[replace(SANDBOX, implementation_ends=last).to_data()]).environments


@pytest.mark.parametrize(
    "domain, vendor",
    [
        ("vendor.example", True),
        ("mail.Vendor.Example.", True),
        ("notvendor.example", False),
        ("vendor.example.edu", False),
        ("example", False),
    ],
)
def test_a_vendor_address_is_at_or_below_a_vendor_domain(domain: str, vendor: bool) -> None:
    assert is_vendor_address(domain, ("vendor.example",)) is vendor


def test_through_the_vendors_provider_nobody_is_an_approver() -> None:
    state = library(vendor_issuers=(ISSUER,))
    assert not eligible(state, per(1), "alma")


def test_products_limit_an_approver() -> None:
    state = library(people=[person(1, "approver", products=("esploro",))])
    assert [eligible(state, per(1), product) for product in ("esploro", "alma")] == [True, False]


def test_a_switch_to_support_is_one_way() -> None:
    switch = {"environment": SANDBOX.environment}
    state = happen(library(), "environment.switched_to_support", CODE, CLIENT, switch)
    assert state.environments[SANDBOX.environment].phase == "support"
    with pytest.raises(IllegalTransition, match="phase"):
        happen(state, "environment.switched_to_support", CODE, CLIENT, switch)
    back = {"change": CHANGE, "environment": SANDBOX.to_data(), "evidence": [SHA]}
    with pytest.raises(IllegalTransition, match="goes back"):
        happen(proposed(state, "environment.set"), "environment.set", CODE, ADMIN, back)


def policy_event(policy: Policy, change: str | None = None, *, signed: bool = False) -> dict[str, Any]:
    return {"change": change, "policy": policy.to_data(), "evidence": [SHA] if signed else []}


def test_tightening_takes_effect_by_one_admin_at_once() -> None:
    stricter = Policy(approvals_required=2)
    assert happen(library(), "policy.set", CODE, ADMIN, policy_event(stricter)).policy == stricter


def test_loosening_needs_a_countersignature() -> None:
    looser = Policy(max_window_minutes=1440)
    with pytest.raises(IllegalTransition, match="countersigned"):
        happen(library(), "policy.set", CODE, ADMIN, policy_event(looser))
    assert happen(library(), "policy.set", CODE, ADMIN, policy_event(looser, signed=True)).policy == looser


def test_with_two_admins_another_than_the_proposer_countersigns() -> None:
    """The second admin counts though she is not bound."""
    second = person(9, "admin", bindings=())
    state = library(people=[person(1, "admin"), second])
    looser = Policy(max_window_minutes=1440)
    with pytest.raises(IllegalTransition, match="proposed first"):
        happen(state, "policy.set", CODE, ADMIN, policy_event(looser, signed=True))
    own = proposed(state, "policy.set", by=ADMIN)
    with pytest.raises(IllegalTransition, match="another admin"):
        happen(own, "policy.set", CODE, ADMIN, policy_event(looser, CHANGE, signed=True))
    state = proposed(state, "policy.set")
    with pytest.raises(IllegalTransition, match="does not wait"):
        happen(state, "policy.set", CODE, ADMIN, policy_event(looser, ids.encode("chg", 2), signed=True))
    done = happen(state, "policy.set", CODE, ADMIN, policy_event(looser, CHANGE, signed=True))
    assert (done.policy, done.changes) == (looser, {})


def test_a_change_applies_only_what_it_proposed() -> None:
    state = proposed(library(), "environment.set")
    with pytest.raises(IllegalTransition, match="something else"):
        happen(state, "policy.set", CODE, ADMIN, policy_event(Policy(approvals_required=2), CHANGE))


def test_a_rejected_change_is_gone() -> None:
    state = proposed(library(), "policy.set")
    with pytest.raises(IllegalTransition, match="because"):
        happen(state, "change.rejected", CHANGE, SERVICE, {"because": "admin"})
    state = happen(state, "change.rejected", CHANGE, SERVICE, {"because": "lapsed"})
    assert state.changes == {}
    with pytest.raises(IllegalTransition, match="does not wait"):
        happen(state, "change.rejected", CHANGE, ADMIN, {"because": "admin"})


@pytest.mark.parametrize(
    "type_, subject, data",
    [
        ("policy.set", CODE, policy_event(Policy())),
        ("person.added", per(5), NEW),
        ("person.removed", per(3), {}),
        ("environment.switched_to_support", CODE, {"environment": SANDBOX.environment}),
        ("roster.reviewed", CODE, {"people": 3}),
        ("stop_codes.made", CODE, {"count": 10}),
    ],
)
def test_only_a_bound_admin_of_the_provider_in_force_may(type_: str, subject: str, data: dict[str, Any]) -> None:
    state = library()
    happen(state, type_, subject, ADMIN, data)
    moved = replace(state, provider=replace(state.provider, issuer="https://new.example.edu"))
    for before, actor in ((state, Actor("person", per(2))), (moved, ADMIN), (state, Actor("person", per(77)))):
        with pytest.raises(IllegalTransition, match="admin"):
            happen(before, type_, subject, actor, data)


def test_people_come_and_go() -> None:
    state = happen(library(), "person.added", per(5), ADMIN, NEW)
    assert state.people[per(5)].roles == ("auditor",)
    with pytest.raises(IllegalTransition, match="already"):
        happen(state, "person.added", per(5), ADMIN, NEW)
    state = happen(state, "person.away_set", per(5), CLIENT, {"from": None, "to": None})
    state = happen(state, "person.removed", per(5), ADMIN, {})
    assert state.people[per(5)].removed
    for type_, data in (("person.removed", {}), ("person.bound", bound(5))):
        with pytest.raises(IllegalTransition, match="roster"):
            happen(state, type_, per(5), SERVICE if type_ == "person.bound" else ADMIN, data)


@pytest.mark.parametrize("actor", [SERVICE, OPERATOR, CLIENT])
def test_after_enrolment_a_person_alone_removes(actor: Actor) -> None:
    with pytest.raises(IllegalTransition, match="enrolment"):
        happen(library(), "person.removed", per(3), actor, {})
    assert happen(library(enrolled_at=None), "person.removed", per(3), actor, {}).people[per(3)].removed


def test_a_new_approver_is_countersigned_and_confirmed_by_an_admin() -> None:
    approver = {**NEW, "roles": ["approver"]}
    with pytest.raises(IllegalTransition, match="countersigned"):
        happen(library(), "person.added", per(5), ADMIN, approver)
    state = happen(library(), "person.added", per(5), ADMIN, {**approver, "evidence": [SHA]})
    assert needs_confirmation(state, per(5))
    with pytest.raises(IllegalTransition, match="admin is wanted"):
        happen(state, "person.bound", per(5), SERVICE, bound(5))
    for actor, confirmed_by in ((ADMIN, per(5)), (Actor("person", per(2)), per(2)), (SERVICE, per(1)), (ADMIN, per(2))):
        with pytest.raises(IllegalTransition, match="acting admin"):
            happen(state, "person.bound", per(5), actor, bound(5, confirmed_by=confirmed_by))
    state = happen(state, "person.bound", per(5), ADMIN, bound(5, confirmed_by=per(1)))
    assert eligible(state, per(5), "alma")
    with pytest.raises(IllegalTransition, match="already"):
        happen(state, "person.bound", per(5), ADMIN, bound(5, confirmed_by=per(1)))


def test_a_binding_elsewhere_is_illegal() -> None:
    state = happen(library(), "person.added", per(5), ADMIN, NEW)
    with pytest.raises(IllegalTransition, match="in force"):
        happen(state, "person.bound", per(5), SERVICE, bound(5, iss="https://elsewhere.example"))


CLAIMS = replace(PROVIDER, roles_claim="groups", roles={"alma-approvers": "approver"})
CLAIMED = {"change": None, "roles": ["approver"], "products": [], "source": "claim", "evidence": [SHA]}


def test_the_system_adds_people_without_roles_and_sets_those_of_the_claim() -> None:
    with pytest.raises(IllegalTransition, match="no roles"):
        happen(library(), "person.added", per(5), SERVICE, {**NEW, "roles": []})
    state = happen(library(provider=CLAIMS), "person.added", per(5), SERVICE, {**NEW, "roles": []})
    state = happen(state, "person.bound", per(5), SERVICE, bound(5))
    state = happen(state, "person.roles_changed", per(5), SERVICE, CLAIMED)
    assert (state.people[per(5)].source, eligible(state, per(5), "alma")) == ("claim", True)
    wrong: dict[str, Any]
    for wrong in ({"roles": ["admin"]}, {"evidence": []}, {"source": "roster"}):
        with pytest.raises(IllegalTransition):
            happen(state, "person.roles_changed", per(5), SERVICE, {**CLAIMED, **wrong})
    with pytest.raises(IllegalTransition, match="actor"):
        happen(state, "person.roles_changed", per(5), ADMIN, CLAIMED)


def test_the_vendors_domains_only_grow() -> None:
    more = {"vendor_domains": ["vendor.example", "vendor.test"], "vendor_issuers": ["https://login.vendor.example"]}
    assert happen(library(), "vendor.changed", CODE, OPERATOR, more).vendor_domains[1] == "vendor.test"
    with pytest.raises(IllegalTransition, match="grow"):
        happen(library(), "vendor.changed", CODE, OPERATOR, {**more, "vendor_domains": ["vendor.test"]})


def test_keys_seen_add_up_by_issuer() -> None:
    state = library()
    for thumbprints in (["a", "b"], ["c"]):
        data = {"issuer": ISSUER, "thumbprints": thumbprints, "evidence": [SHA]}
        state = happen(state, "identity_provider.keys_seen", CODE, SERVICE, data)
    assert state.keys_seen == {ISSUER: frozenset("abc")}
    assert Institution.from_data(state.to_data()) == state


def test_a_new_provider_leaves_everyone_unbound() -> None:
    other = replace(PROVIDER, issuer="https://new.example.edu")
    data = {"change": CHANGE, "identity_provider": other.to_data(), "evidence": [SHA]}
    state = happen(proposed(library(), "identity_provider.set"), "identity_provider.set", CODE, ADMIN, data)
    assert not any(eligible(state, number, "alma") for number in state.people)
    again = happen(state, "person.bound", per(1), SERVICE, bound(1, iss=other.issuer))
    assert eligible(again, per(1), "alma")


def _roles(**changes: Any) -> dict[str, Any]:
    made = {"change": None, "roles": ["approver"], "products": [], "source": "roster", "evidence": []}
    return {**made, **changes}


LIMITED: Person = person(2, "approver", products=("alma",))


@pytest.mark.parametrize(
    "type_, subject, data, loose",
    [
        ("person.roles_changed", per(1), _roles(), False),  # the admin role is left out
        ("person.roles_changed", per(1), _roles(roles=["admin", "approver", "auditor"]), False),
        ("person.roles_changed", per(3), _roles(), True),  # backup approver to approver
        ("person.roles_changed", per(2), _roles(products=["alma"]), False),
        ("person.roles_changed", per(2), _roles(), True),  # all products
        ("person.roles_changed", per(2), _roles(products=["alma", "leganto"]), True),
        ("person.roles_changed", per(2), _roles(roles=["auditor"]), False),
        ("person.roles_changed", per(3), _roles(roles=["admin"], source="claim"), False),
        ("person.added", per(5), {**NEW, "roles": ["backup_approver"]}, True),
        ("person.added", per(5), {**NEW, "roles": ["admin"]}, True),
        ("person.added", per(5), NEW, False),
        ("person.removed", per(2), {}, False),
        ("institution.changed", CODE, {"locale": "de", "time_zone": "Europe/Vienna"}, False),
        ("institution.changed", CODE, {"locale": "en", "time_zone": "UTC"}, True),
        ("private.erased", CODE, {"because": "retention"}, False),
        ("evidence.erased", CODE, {"because": "order"}, True),
        ("identity_provider.set", CODE, {}, True),
        ("environment.set", CODE, {}, True),
        ("vendor.changed", CODE, {}, False),
    ],
)
def test_what_loosens(type_: str, subject: str, data: dict[str, Any], loose: bool) -> None:
    state = library(people=[person(1, "approver", "admin"), LIMITED, person(3, "backup_approver")])
    assert loosens(state, Event(type_, subject, ADMIN, data)) is loose


def test_another_notification_address_loosens() -> None:
    changed = Event("institution.changed", CODE, ADMIN, {"locale": "en", "time_zone": "Europe/Vienna"})
    assert loosens(library(), changed, notify_changed=True)


def test_an_entry_of_another_institution_is_illegal_and_a_foreign_matter_changes_nothing() -> None:
    state = library()
    sent = Event("log.observed", CODE, SERVICE, {"origin": "o", "size": 1, "root": SHA})
    assert institution.evolve(state, entry(sent, 5, NOW)) is state
    with pytest.raises(IllegalTransition):
        institution.evolve(replace(state, code="02EXU_INST"), entry(sent, 5, NOW))


@pytest.mark.parametrize(
    "changes",
    [
        {"product": "aleph"},
        {"tier": "staging"},
        {"phase": "retired"},
        {"implementation_ends": "2027-03-01"},
        {"phase": "implementation"},
        {"phase": "implementation", "implementation_ends": "20270301"},
        {"phase": "implementation", "implementation_ends": "2027-02-30"},
    ],
)
def test_an_environment_is_valid_or_does_not_exist(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        replace(PRODUCTION, **changes)
