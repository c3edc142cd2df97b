"""Whether the sentence that an admin signed is the one that their change has, in some language.

What no trail tells stands as a hole: names of the first people, and which secrets came with the change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

from app.audit.findings import Fault
from app.audit.replay_requests import HOLE, reads
from app.audit.world import Fields, World
from app.domain.catalogue import CATALOGUE
from app.domain.change_text import Around, change_text
from app.domain.events import Entry
from app.domain.proposal import CHANGEABLE, Wanted
from app.domain.sentences import TABLES

_GIVEN, _TAKEN = HOLE, ""
_SECRETS: Mapping[str, tuple[tuple[str, ...], tuple[str | None, ...]]] = {
    "identity_provider.set": (("client_secret", "approval_client_secret"), (None, _GIVEN)),
    "environment.set": (("gate_key", "alma_api_base", "alma_api_key"), (None, _GIVEN, _TAKEN)),
}
"""What may have come with a change of each type: names, and how (null: it did not)."""


def judge_change_text(world: World, entry: Entry, part: Fields | None, text: str) -> None:
    """Raise `Fault` where what was signed says something else than the change, as far as the trail tells.

    Called before the entry takes effect.
    """
    untold = part is None and CATALOGUE[entry.type].private
    if entry.type not in CHANGEABLE or untold or world.name is None or world.notify is None:
        return
    if entry.type == "person.roles_changed" and entry.subject not in world.emails:
        return
    data = {name: value for name, value in entry.data.items() if name not in {"change", "evidence"}}
    wanted = Wanted(entry.type, entry.subject, data, part)
    people = {person: (HOLE, world.emails.get(person, HOLE)) for person in world.institution.people}
    around = Around(world.name, world.notify, people)
    for language, secrets in product(TABLES, _secrets(entry.type)):
        if reads(change_text(world.institution, wanted, around, language, secrets), text):
            return
    raise Fault("text-differs", "the sentence that was signed is not that of this change")


def _secrets(type_: str) -> Iterator[dict[str, str]]:
    names, ways = _SECRETS.get(type_, ((), ()))
    for chosen in product(ways, repeat=len(names)):
        yield {name: way for name, way in zip(names, chosen, strict=True) if way is not None}
