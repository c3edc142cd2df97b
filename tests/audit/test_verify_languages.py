"""A sentence counts in every language that has a table, and says in each exactly what was given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.audit.verify import verify_bundle
from app.domain.events import Event
from app.domain.policy import Policy
from app.domain.sentences import TABLES
from tests.audit.moves import pending
from tests.audit.world import CODE, HEAD, OPERATOR, World


@pytest.mark.parametrize("language", sorted(TABLES))
def test_sentences_of_every_language_are_verified(language: str, tmp_path: Path) -> None:
    world = World().begin()
    world.language = language
    world.approve(pending(world))
    world.change(Event("policy.set", CODE, OPERATOR, {"policy": Policy(token_ttl_minutes=60).to_data()}))
    report = verify_bundle(world.write(tmp_path / "b.zip", world.export()), **world.anchors)
    assert report.exit_code == 0, report.to_text()


@pytest.mark.parametrize("language", sorted(TABLES))
def test_a_sentence_that_gives_more_is_found_in_every_language(language: str, tmp_path: Path) -> None:
    world = World().begin()
    world.language = language
    request = pending(world)
    asked = world.requests[request].asked
    less = world.statement(request, HEAD, replace(asked, minutes=asked.minutes - 1))["text"]
    signed = world.countersign(world.statement(request, HEAD, asked, text=less), HEAD.sub)
    entry = world.approve(request, evidence=signed)[0]
    report = verify_bundle(world.write(tmp_path / "b.zip", world.export()), **world.anchors)
    assert (entry.index, "text-differs") in {(each.index, each.code) for each in report.findings}
