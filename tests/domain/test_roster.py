"""The roster: what gives somebody more is told from what takes away, and the last admin who can act stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.environment import PRODUCTS
from app.domain.events import Actor, Event
from app.domain.institution import judge_removal, loosens
from app.domain.people import DECIDING_ROLES, ROLES, Person
from tests.domain.worlds import library, per, person

ROLE_SETS = st.sets(st.sampled_from(ROLES)).map(lambda chosen: tuple(sorted(chosen)))
PRODUCT_SETS = st.sets(st.sampled_from(PRODUCTS)).map(lambda chosen: tuple(sorted(chosen)))


@given(ROLE_SETS, PRODUCT_SETS, ROLE_SETS, PRODUCT_SETS)
def test_other_roles_loosen_exactly_when_somebody_may_decide_or_keep_more(
    held: tuple[str, ...], products: tuple[str, ...], roles: tuple[str, ...], chosen: tuple[str, ...]
) -> None:
    state = library(people=[person(1, "admin"), person(2, *held, products=products)])
    data = {"change": None, "roles": list(roles), "products": list(chosen), "source": "roster", "evidence": []}
    event = Event("person.roles_changed", per(2), Actor("person", per(1)), data)
    guarded = DECIDING_ROLES | {"admin"}
    wider = bool(products) and not set(chosen or (*PRODUCTS, "")) <= set(products)
    more = not guarded.intersection(roles) <= set(held) or (wider and bool(DECIDING_ROLES.intersection(roles)))
    assert loosens(state, event) is more


@pytest.mark.parametrize(
    "other, stays",
    [
        (person(2, "approver"), True),
        (person(2, "admin", bindings=()), True),
        (person(2, "admin", removed=True), True),
        (person(2, "admin"), False),
    ],
    ids=["no admin", "never signed in", "removed", "another"],
)
def test_the_last_admin_who_can_act_stays(other: Person, stays: bool) -> None:
    state = library(people=[person(1, "approver", "admin"), other])
    assert (judge_removal(state, per(1)) is not None) is stays
