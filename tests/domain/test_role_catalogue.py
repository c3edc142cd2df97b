"""The role catalogue: data with its source; what it does not know has an unknown effect."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.domain.role_catalogue import CATALOGUE, PERSONAL, SOURCE, SOURCE_URL, VERSION, Changes, Sees, effect_of, known


def test_the_catalogue_names_its_source() -> None:
    assert SOURCE_URL.startswith("https://knowledge.exlibrisgroup.com/")
    assert "User Roles" in SOURCE
    assert VERSION[:4].isdigit()
    for roles in CATALOGUE.values():
        for role, effect in roles.items():
            assert role.strip() == role
            assert effect.sees or effect.changes, f"{role} does nothing"


def test_roles_together_tell_what_each_does_and_name_the_unknown() -> None:
    found = known("alma", ("Letter Administrator", "Fulfillment Administrator", "Keeper of the Seal"))
    assert found.personal == (Sees.PATRONS, Sees.LOANS)
    assert found.other == ()
    assert found.changes == (Changes.LOAN_RULES, Changes.LETTERS)
    assert found.unknown == ("Keeper of the Seal",)
    assert known("esploro", ("Letter Administrator",)).unknown == ("Letter Administrator",)


@given(st.lists(st.one_of(st.text(), st.sampled_from(sorted(CATALOGUE["alma"]))), max_size=5))
def test_no_role_gets_an_effect_that_nobody_wrote_down(roles: list[str]) -> None:
    found = known("alma", roles)
    assert set(found.unknown) == {role for role in roles if effect_of("alma", role) is None}
    assert set(found.personal) <= PERSONAL
    assert set(found.sees) == {each for role in roles for each in getattr(effect_of("alma", role), "sees", ())}
