"""The catalogue is the contract's table; its two doors let nothing else in."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.domain import ids
from app.domain.errors import CatalogueError
from app.domain.events import CATALOGUE, SERVICE, Actor, Event, check, entry_from
from app.domain.kinds import check_of
from app.domain.policy import Policy
from app.domain.times import stamp
from tests.domain.worlds import CLIENT, CODE, NOW, PERSONAL, PRODUCTION, PROVIDER, SHA, ask, per

TABLE = (Path(__file__).parent / "data" / "catalogue.md").read_text()
REQ = ids.encode("req", 1)


def _fields(cell: str) -> dict[str, str]:
    """`name:kind` of a cell; `name?:…` is not used, `continues:{…}?` is one kind."""
    found = {}
    for token in re.findall(r"`([^`]*)`", re.sub(r"\([^)]*\)", "", cell)):
        if token.startswith("continues:"):
            found["continues"] = "continues?"
        elif token != "{}":
            name, kind = token.replace("\\|", "|").split(":", 1)
            found[name] = re.sub(r"^id\?:(\w+)$", r"id:\1?", kind)
    return found


def _rows() -> dict[str, dict[str, Any]]:
    rows = {}
    for line in TABLE.splitlines()[2:]:
        kind, subject, actor, data, private = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
        rows[kind.strip("`")] = {
            "subject": subject.strip("`").rstrip("_"),
            "actors": set(re.sub(r"\(.*\)", "", actor).replace(",", " ").split()),
            "data": _fields(data),
            "private": _fields(private),
            "vendor": "VENDOR:" in data,
        }
    return rows


def test_the_catalogue_is_the_contracts_table() -> None:
    ours = {
        kind: {
            "subject": spec.subject,
            "actors": set(spec.actors),
            "data": dict(spec.data),
            "private": dict(spec.private),
            "vendor": spec.vendor,
        }
        for kind, spec in CATALOGUE.items()
    }
    assert ours == _rows()
    assert len(ours) == 77


def _created() -> Event:
    data = {**ask().to_data(), "decide_by": stamp(NOW), "number": "2026-0001"}
    return Event("request.created", REQ, CLIENT, data, PERSONAL)


def _object(**changes: Any) -> dict[str, Any]:
    event = _created()
    made = {
        "actor": {"id": event.actor.id, "kind": event.actor.kind},
        "at": stamp(NOW),
        "data": dict(event.data),
        "id": ids.encode("evt", 1),
        "index": 3,
        "institution": CODE,
        "private": SHA,
        "subject": REQ,
        "type": "request.created",
        "v": 1,
    }
    return {**made, **changes}


def test_an_entry_is_read_as_it_stands() -> None:
    found = entry_from(_object())
    assert (found.index, found.at, found.actor, found.private) == (3, NOW, CLIENT, SHA)
    check(_created())


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"v": True},
        {"index": -1},
        {"index": True},
        {"index": 2**53},
        {"id": REQ},
        {"at": "2026-11-17T09:00:00Z"},
        {"at": "2026-02-30T09:00:00.000000Z"},
        {"at": 5},
        {"institution": "exu"},
        {"institution": None},
        {"private": None},
        {"private": SHA.upper()},
        {"subject": per(1)},
        {"subject": 3},
        {"type": "request.invented"},
        {"type": None},
        {"actor": {"id": per(1), "kind": "person"}},
        {"actor": {"id": per(1), "kind": "client"}},
        {"actor": {"id": "service", "kind": "root"}},
        {"actor": {"id": "service", "kind": "system", "name": "x"}},
        {"actor": None},
        {"data": None},
        {"extra": 1},
    ],
)
def test_a_changed_field_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(CatalogueError):
        entry_from(_object(**changes))


@pytest.mark.parametrize("name", sorted(_object()))
def test_a_missing_field_is_refused(name: str) -> None:
    found = _object()
    del found[name]
    with pytest.raises(CatalogueError):
        entry_from(found)


@pytest.mark.parametrize(
    "changes",
    [
        {"minutes": -1},
        {"minutes": 2**53},
        {"minutes": 1.0},
        {"minutes": True},
        {"escalated": 1},
        {"not_before": "2026-11-17"},
        {"decide_by": None},
        {"roles": ["b", "a"]},
        {"roles": ["a", "a"]},
        {"roles": "a"},
        {"roles": [1, 2]},
        {"engineer": REQ},
        {"extends": ""},
        {"unknown": 1},
    ],
)
def test_changed_data_is_refused_by_name(changes: dict[str, Any]) -> None:
    event = _created()
    with pytest.raises(CatalogueError, match=f"^request.created: data.*{next(iter(changes))}"):
        check(replace(event, data={**event.data, **changes}))


@pytest.mark.parametrize("private", [None, {}, {**PERSONAL, "reason": None}, {**PERSONAL, "more": "x"}])
def test_private_fields_are_exactly_those_listed(private: Any) -> None:
    with pytest.raises(CatalogueError, match="private"):
        check(replace(_created(), private=private))


def test_an_event_without_private_fields_has_no_private_part() -> None:
    elapsed = Event("request.elapsed", REQ, SERVICE, {"effective_at": stamp(NOW)})
    check(elapsed)
    with pytest.raises(CatalogueError, match="private"):
        check(replace(elapsed, private={}))


def test_the_vendors_events_stand_in_its_log_alone_and_codes_name_their_log() -> None:
    data = {"code": CODE, "opened": SHA}
    found = _object(type="institution.registered", data=data, actor={"id": ids.encode("opr", 1), "kind": "operator"})
    del found["private"]
    assert entry_from({**found, "institution": "VENDOR", "subject": "VENDOR"}).data == data
    with pytest.raises(CatalogueError, match="vendor's log"):
        entry_from({**found, "subject": CODE})
    with pytest.raises(CatalogueError, match="subject"):
        entry_from({**found, "institution": "VENDOR", "subject": CODE})


def _decision(**changes: Any) -> Event:
    data = {"decision": ids.encode("dec", 1), "verdict": "approve", "terms": ask().terms.to_data(), "evidence": [SHA]}
    return Event("decision.made", REQ, Actor("person", per(1)), {**data, **changes}, {"comment": ""})


def test_terms_and_evidence_stand_with_an_approval_alone() -> None:
    check(_decision())
    check(_decision(verdict="deny", terms=None, evidence=[]))
    wrong: dict[str, Any]
    for wrong in ({"terms": None}, {"evidence": []}, {"verdict": "deny"}, {"verdict": "deny", "terms": None}):
        with pytest.raises(CatalogueError):
            check(_decision(**wrong))


def test_every_kind_of_the_catalogue_compiles() -> None:
    kinds = {kind for spec in CATALOGUE.values() for kind in (*spec.data.values(), *spec.private.values())}
    for kind in kinds:
        with pytest.raises(ValueError):
            check_of(kind)(object())


@pytest.mark.parametrize(
    "kind, good, bad",
    [
        ("policy", Policy().to_data(), {**Policy().to_data(), "approvals_required": 0}),
        ("provider", PROVIDER.to_data(), {**PROVIDER.to_data(), "exclusive": 1}),
        ("environment", PRODUCTION.to_data(), {**PRODUCTION.to_data(), "phase": "retired"}),
        ("terms", ask().terms.to_data(), {**ask().terms.to_data(), "minutes": "1"}),
        ("[code]", ["*"], ["*", "A"]),
        ("code", "VENDOR", "*"),
        ("enum:a|b", "a", "c"),
        ("enum:a|b", "b", ["a"]),
        ("continues?", {"origin": "o", "size": 1, "root": SHA}, {"origin": "o", "size": 1, "root": "x"}),
        ("[environment]", [PRODUCTION.to_data()], [None]),
    ],
)
def test_objects_and_lists_are_strict(kind: str, good: Any, bad: Any) -> None:
    check_of(kind)(good)
    with pytest.raises(ValueError):
        check_of(kind)(bad)
