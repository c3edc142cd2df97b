"""The vendor's name however it is written, and no ordinary name taken for it."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Callable
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.names import is_vendors, may_be_vendors, same
from app.domain.scan import User, matters

VENDORS = (
    "Ex Libris", "ex libris", "EX LIBRIS", "ExLibris", "exlibris", "EXLIBRIS", "Ex-Libris", "Ex.Libris", "Ex_Libris",
    "Libris, Ex", "LIBRIS EX", "Ex Libris, Support and Development", "Support (Ex Libris)", "Staff,Ex  Libris",
    "Éx Lïbris", "E x L i b r i s", "e.x.l.i.b.r.i.s", "Ex\u00a0Libris", "Ex\u200bLibris", "ExLibris2",
    "Ｅｘ　Ｌｉｂｒｉｓ",
    "Ех Libris", "exlibrissupport", "ExLibrisStaff", "Ex Libris GmbH", "Ex•Libris", "Ex\tLibris", "[Ex Libris]",
)  # fmt: skip
ORDINARY = (
    "Alexander Librist", "Alex Libris", "Rex Libris", "Libris, Alex", "Tex Librist", "Exeter Librisson", "E. X. Libris",
    "Max Libri", "Ex Libri", "Alexis Brisk", "Felix Librizzi", "Ex", "Libris", "", "Exlibrist Maria", "Dexlibris Ltd",
    "Élibris Alex", "Alexlibris Ana", "Vortex Libris", "Maria Ex-Librista",
)  # fmt: skip


@pytest.mark.parametrize("name", VENDORS)
def test_the_vendors_name_is_known_however_it_is_written(name: str) -> None:
    assert may_be_vendors(name)
    assert is_vendors(name)


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_name_is_not_the_vendors(name: str) -> None:
    assert not (may_be_vendors(name) and is_vendors(name))


def test_parts_of_one_user_are_read_together() -> None:
    assert matters(User("u1", first_name="Ex", last_name="Libris"))
    assert matters(User("u2", first_name="Support", last_name="Ex Libris"))
    assert not matters(User("u3", first_name="Alexander", last_name="Librist"))


def test_ten_thousand_ordinary_users_are_no_finding() -> None:
    first = ("Alexander", "Alex", "Rex", "Felix", "Max", "Tex", "Bex", "Ex-Anna", "Élex", "Alexis")
    last = (
        "Librist",
        "Librisson",
        "Libri",
        "Librizzi",
        "Calibrisi",
        "Librist-Exner",
        "Lebris",
        "Elibris",
        "Libres",
        "Brislib",
    )
    names = [(f"{a}{n}" if n % 2 else a, b) for n, (a, b) in enumerate(itertools.product(first, last, repeat=1))] * 100
    assert len(names) == 10_000
    found = [name for name in names if matters(User("u", *name, full_name=" ".join(name)))]
    assert found == []


CASES: tuple[Callable[[str], str], ...] = (str.upper, str.lower, str.swapcase, str.title)
FORMS: tuple[Literal["NFC", "NFD", "NFKC", "NFKD"], ...] = ("NFC", "NFD", "NFKC", "NFKD")


@given(
    st.sampled_from(["Ex Libris", "ExLibris", "Libris, Ex"]),
    st.sampled_from(CASES),
    st.sampled_from(["", " Support", ", Staff", " (Dev.)", " - blocked"]),
    st.sampled_from(FORMS),
)
def test_case_form_and_words_around_it_hide_nothing(
    name: str, case: Callable[[str], str], more: str, form: Literal["NFC", "NFD", "NFKC", "NFKD"]
) -> None:
    assert is_vendors(unicodedata.normalize(form, case(name) + more))


@given(st.text(max_size=40), st.text(max_size=40))
def test_what_is_quick_never_misses_what_is_exact(one: str, other: str) -> None:
    for name in (one, f"{one}Ex Libris{other}", f"{one} libris {other} ex"):
        assert may_be_vendors(name) or not is_vendors(name)


def test_names_are_the_same_but_for_how_they_are_written() -> None:
    assert same("Staff, Ex Libris", "EX LIBRIS STAFF")
    assert same("Ex Libris Staff", "staff ex libris")
    assert not same("Staff, Ex Libris", "Staff, Ex Libris II")
    assert not same("", "Staff, Ex Libris")
