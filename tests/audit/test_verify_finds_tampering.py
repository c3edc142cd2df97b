"""Each dishonest move, one at a time: the verifier names it, and the entry it stands in."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from app.audit.verify import verify_bundle
from app.domain.request import Terms
from tests.audit import (
    moves_approvals,
    moves_changes,
    moves_erasures,
    moves_institution,
    moves_loosened,
    moves_requests,
    moves_sessions,
)
from tests.audit.moves import MOVES, pending, running
from tests.audit.world import AUDITOR, HEAD, SECOND, THIRD, World

REGISTERED = (
    moves_approvals,
    moves_changes,
    moves_erasures,
    moves_institution,
    moves_loosened,
    moves_requests,
    moves_sessions,
)


@pytest.mark.parametrize("name", MOVES)
def test_each_dishonest_move_is_found_where_it_was_made(name: str, tmp_path: Path) -> None:
    code, move = MOVES[name]
    world = World().begin(SECOND, AUDITOR)
    index = move(world)
    report = verify_bundle(world.bundle(tmp_path / "bundle.zip"), **world.anchors)
    found = {(finding.index, finding.code) for finding in report.findings}
    assert report.exit_code == 1
    assert (index, code) in found, report.to_text()
    assert min(each for each, _ in found if each is not None) == index, report.to_text()


def test_the_same_world_without_a_dishonest_move_verifies(tmp_path: Path) -> None:
    world = World(people=(HEAD, SECOND, THIRD, AUDITOR)).begin(SECOND, THIRD, AUDITOR)
    request = running(world)
    world.end(world.session(request, world.token(request)))
    report = verify_bundle(world.bundle(tmp_path / "bundle.zip"), **world.anchors)
    assert (report.exit_code, report.findings) == (0, ()), report.to_text()


def test_terms_narrow_and_the_grant_follows(tmp_path: Path) -> None:
    world = World().begin(SECOND)
    request = pending(world)
    world.approve(request, SECOND, Terms(None, world.now + timedelta(hours=2), 90, ("Fulfillment",)))
    report = verify_bundle(world.bundle(tmp_path / "bundle.zip"), **world.anchors)
    assert report.exit_code == 0, report.to_text()
    assert [(row.ground, row.roles, row.approvers) for row in report.grants] == [
        ("approval", ("Fulfillment",), (SECOND.id,))
    ]
