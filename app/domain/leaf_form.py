"""The catalogue as regular expressions over canonical bytes: one a type, for verifying many entries quickly.

A leaf that matches is canonical and of the catalogue, whatever else it says: the expression spells out every key in its
place, every value in its one spelling; whether its lists are sorted is left to whoever asks. It is narrower than the
catalogue: strings with escapes, integers of 15 digits and more, 29 February, years before 1000 do not match, nor do
types with objects in their data or a rule of their own. What does not match is no finding; `events.entry_from` judges.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from app.domain.catalogue import CATALOGUE, RULES, VERSION, Spec
from app.domain.ids import form_of
from app.domain.kinds import CODE, SHA

_TEXT = r'"[^"\\\x00-\x1f]*"'
_INT = r"(?:0|[1-9][0-9]{0,13})"
_DAY = (
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_STAMP = rf"[1-9][0-9]{{3}}-{_DAY}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{{6}}Z"
_SIMPLE: Mapping[str, str] = {
    "ts": f'"{_STAMP}"',
    "sha": f'"{SHA.pattern}"',
    "code": f'"{CODE.pattern}"',
    "str": _TEXT,
    "bool": "(?:true|false)",
    "int": _INT,
}
_ACTORS: Mapping[str, str] = {"person": "per", "client": "cli", "operator": "opr"}


def _kind(kind: str) -> str | None:
    """The expression of a kind of value; None for one that is left to the full judgement."""
    if kind.endswith("?"):
        inner = _kind(kind[:-1])
        return None if inner is None else f"(?:null|{inner})"
    if kind.startswith("["):
        inner = _kind(kind[1:-1])
        return None if inner is None else rf"\[(?:{inner}(?:,{inner})*)?\]"
    name, _, detail = kind.partition(":")
    if name == "id":
        return f'"{form_of(detail).pattern}"'
    if name == "enum":
        return f'"(?:{"|".join(map(re.escape, detail.split("|")))})"'
    return _SIMPLE.get(kind)


def _actor(kind: str) -> str:
    who = "(?:service|worker)" if kind == "system" else form_of(_ACTORS[kind]).pattern
    return rf'"id":"{who}","kind":"{kind}"'


def _data(spec: Spec) -> str | None:
    fields = {name: _kind(kind) for name, kind in sorted(spec.data.items())}
    if None in fields.values():
        return None
    return ",".join(f'"{name}":{value}' for name, value in fields.items())


@cache
def lists(type_: str) -> tuple[str, ...]:
    """The names of the lists in a type's data."""
    return tuple(name for name, kind in CATALOGUE[type_].data.items() if kind.startswith("["))


@cache
def form(type_: str) -> re.Pattern[bytes] | None:
    """What matches leaves of a type, from their first byte to their last; None where none is matched this way."""
    spec = CATALOGUE.get(type_)
    data = None if spec is None or spec.vendor or type_ in RULES else _data(spec)
    if spec is None or data is None:
        return None
    actor = "|".join(map(_actor, sorted(spec.actors)))
    subject = "(?P=code)" if spec.subject == "code" else form_of(spec.subject).pattern
    private = f'"private":"{SHA.pattern}",' if spec.private else ""
    text = (
        rf'{{"actor":{{(?:{actor})}},"at":"{_STAMP}","data":{{{data}}},"id":"{form_of("evt").pattern}",'
        rf'"index":{_INT},"institution":"(?P<code>{CODE.pattern})",{private}"subject":"{subject}",'
        rf'"type":"{re.escape(type_)}","v":{VERSION}}}'
    )
    return re.compile(text.encode())
