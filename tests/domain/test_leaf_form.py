"""The quick road and the full one agree: what matches the form of its type is an entry, and the same one."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.catalogue import CATALOGUE
from app.domain.errors import CatalogueError
from app.domain.events import entry_from, entry_of_form
from app.domain.ids import encode
from app.domain.leaf_form import form
from tests.counts import times

AT = "2026-11-22T09:51:16.123456Z"
SHA = "sha256:" + "0a" * 32
_VALUES: dict[str, list[Any]] = {
    "ts": [AT, "2028-02-29T00:00:00.000000Z", "2026-02-29T00:00:00.000000Z", "2026-11-22T24:00:00.000000Z", "", 1],
    "sha": [SHA, SHA.upper(), "sha256:"],
    "str": ["", "plain", 'a "quote"', "back\\slash", "line\n", "\x7f", "ü", "\u2028", "😀", None],
    "bool": [True, False, 0],
    "int": [0, 7, -1, 2**53 - 1, 2**53, 10**14, 1.0, True],
    "code": ["01EXU_INST", "lower"],
}


def _values(kind: str) -> list[Any]:
    if kind.endswith("?"):
        return [*_values(kind[:-1]), None]
    if kind.startswith("["):
        items = _values(kind[1:-1])
        return [[], items[:1], sorted({str(each) for each in items}), [items[0], items[0]], None]
    name, _, detail = kind.partition(":")
    if name == "id":
        return [encode(detail, 1), encode("evt", 1), f"{detail}_" + "z" * 26]
    if name == "enum":
        return [*detail.split("|"), "other"]
    return _VALUES.get(kind, [{}])


def _actors() -> list[dict[str, str]]:
    known = {"person": "per", "client": "cli", "operator": "opr"}
    actors = [{"id": encode(prefix, 1), "kind": kind} for kind, prefix in known.items()]
    return [*actors, {"id": "service", "kind": "system"}, {"id": "worker", "kind": "person"}]


@st.composite
def leaves(draw: st.DrawFn) -> bytes:
    """Leaves of every type, mostly as they should be, some wrong in one place or in their bytes."""
    type_ = draw(st.sampled_from(sorted(CATALOGUE)))
    spec, odd = CATALOGUE[type_], draw(st.integers(0, 3)) == 0

    def pick(values: list[Any]) -> Any:
        return draw(st.sampled_from(values)) if odd else values[0]

    actor = next(each for each in _actors() if each["kind"] in spec.actors)
    entry: dict[str, Any] = {
        "actor": pick([actor, *_actors()]),
        "at": pick(_VALUES["ts"]),
        "data": {name: pick(_values(kind)) for name, kind in spec.data.items()},
        "id": pick([encode("evt", 1), "evt_1"]),
        "index": pick(_VALUES["int"]),
        "institution": "01EXU_INST",
        "subject": pick(["01EXU_INST", "VENDOR"] if spec.subject == "code" else _values(f"id:{spec.subject}")),
        "type": type_,
        "v": pick([1, 2]),
    }
    if spec.private or pick([False, True]):
        entry["private"] = pick(_VALUES["sha"])
    return orjson.dumps(entry, option=orjson.OPT_SORT_KEYS)


def _mangled(leaf: bytes, place: int, byte: int) -> bytes:
    place %= len(leaf)
    return leaf[:place] + bytes([byte]) + leaf[place + 1 :]


def _agree(leaf: bytes) -> bool:
    """Whether the quick road took the leaf; where it did, the full one gives the same, and the bytes are canonical."""
    try:
        found = orjson.loads(leaf)
    except orjson.JSONDecodeError:
        return False
    quick = entry_of_form(found, leaf) if isinstance(found, dict) else None
    if quick is None:
        return False
    assert orjson.dumps(found, option=orjson.OPT_SORT_KEYS) == leaf
    assert entry_from(found) == quick
    return True


@given(leaves(), st.integers(0), st.integers(0, 255))
@settings(max_examples=times(300, 5000), deadline=None)
def test_what_matches_is_what_the_catalogue_allows(leaf: bytes, place: int, byte: int) -> None:
    _agree(leaf)
    _agree(_mangled(leaf, place, byte))


@pytest.mark.parametrize("type_", sorted(type_ for type_ in CATALOGUE if form(type_) is not None))
def test_a_plain_leaf_of_the_type_takes_the_quick_road(type_: str) -> None:
    spec = CATALOGUE[type_]
    actor = next(each for each in _actors() if each["kind"] in spec.actors)
    data = {name: _values(kind)[0] for name, kind in spec.data.items()}
    subject = "01EXU_INST" if spec.subject == "code" else encode(spec.subject, 1)
    entry = {"actor": actor, "at": AT, "data": data, "id": encode("evt", 1), "index": 3, "institution": "01EXU_INST"}
    entry |= {"subject": subject, "type": type_, "v": 1} | ({"private": SHA} if spec.private else {})
    assert _agree(orjson.dumps(entry, option=orjson.OPT_SORT_KEYS))


def test_most_types_have_a_form_and_those_without_are_judged_in_full() -> None:
    without = {type_ for type_, spec in CATALOGUE.items() if not spec.vendor and form(type_) is None}
    assert without == {
        *("trail.opened", "identity_provider.set", "environment.set", "policy.set", "person.added", "decision.made"),
        *("request.approved", "private.erased", "evidence.erased"),
    }
    with pytest.raises(CatalogueError):
        entry_from({"type": "unknown"})
    assert form("unknown") is None
