"""What an admin does to the roster at once: take away, and never the last admin who can act."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.environment import PRODUCTS
from app.domain.events import Actor, Event
from app.domain.institution import judge_removal, judge_roles, loosens
from app.domain.people import ROLES, Person
from tests.domain.worlds import library, per, person

ROLE_SETS = st.sets(st.sampled_from(ROLES)).map(lambda chosen: tuple(sorted(chosen)))
PRODUCT_SETS = st.sets(st.sampled_from(PRODUCTS)).map(lambda chosen: tuple(sorted(chosen)))


@given(ROLE_SETS, PRODUCT_SETS, ROLE_SETS, PRODUCT_SETS)
def test_what_is_allowed_at_once_only_takes_away_and_never_loosens(
    held: tuple[str, ...], products: tuple[str, ...], roles: tuple[str, ...], chosen: tuple[str, ...]
) -> None:
    state = library(people=[person(1, "admin"), person(2, *held, products=products)])
    refusal = judge_roles(state, per(2), roles, chosen)
    reach, wanted = set(products or PRODUCTS), set(chosen or PRODUCTS)
    may = set(roles) <= set(held) and wanted <= reach and (not products or bool(chosen))
    assert (refusal is None) is may
    data = {"change": None, "roles": list(roles), "products": list(chosen), "source": "roster", "evidence": []}
    event = Event("person.roles_changed", per(2), Actor("person", per(1)), data)
    assert refusal is not None or not loosens(state, event)


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
    assert (judge_roles(state, per(1), ("approver",), ()) is not None) is stays
    assert judge_roles(state, per(1), ("admin",), ("alma",)) is None
