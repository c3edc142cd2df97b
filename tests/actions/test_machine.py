"""The running service and the pure domain, step by step: they never say different things, and the bundle verifies.

In full (`make test-long`) 10,000 steps on each of three seeds. A life of an institution lasts so many steps, because
people leave faster than they join, and little would be given after more.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.domain.institution import Institution
from app.storage import institutions, nodes, roster
from tests.actions.machine import Machine, Model
from tests.actions.machine_rules import Rules
from tests.actions.worlds import AUDITOR, CODE, DEPUTY, LIBRARIAN, World, run_world
from tests.api.conftest import calling
from tests.counts import times

LIFE = times(170, 250)
STEPS = times(170, 10_000)
BACKUP = "backup@example.edu"


def _configure(chosen: random.Random) -> str:
    """A policy by chance, and a backup approver of one product."""
    return "\n".join(
        [
            f"approvals_required = {chosen.choice((1, 1, 2))}",
            "standing_approvals_allowed = true",
            *([] if chosen.random() < 0.5 else ["second_approval_over_minutes = 120"]),
            *([] if chosen.random() < 0.5 else [f"decide_within_minutes = {chosen.choice((60, 240))}"]),
            *([] if chosen.random() < 0.6 else ['working_hours = [{day="mon",from="08:00",to="17:00"}]']),
        ]
    )


_PEOPLE = f"""
[[institutions.people]]
email = "{BACKUP}"
name = "Backup"
roles = ["backup_approver"]
products = ["alma"]
"""


async def _model(world: World) -> tuple[Model, dict[str, str]]:
    async with world.services.database.read() as tx:
        row = await institutions.read(tx, CODE)
        people = await roster.people(tx, CODE)
        _, edge = await nodes.snapshot(tx, CODE)
    assert row is not None
    return Model(Institution.from_data(row.state), edge.size), {each.email: each.person for each in people}


async def _life(seed: str, steps: int, directory: Path) -> Counter[str]:
    """One institution's life; what was done."""
    chosen = random.Random(seed)
    policy = _configure(chosen)
    url = f"sqlite:///{directory}/countersign.db"

    def configure(text: str) -> str:
        """The console may switch environments to support."""
        return text.replace("approvals_required = 1", policy).replace('scopes = ["', 'scopes = ["admin", "') + _PEOPLE

    async with run_world(url, None, directory, configure) as world:
        # A second ahead: the clock of a log never stands behind its last entry.
        world.frozen = datetime.now(UTC).replace(microsecond=0) + timedelta(
            seconds=1, microseconds=chosen.randint(0, 999_999)
        )
        for email in (BACKUP, LIBRARIAN, DEPUTY, AUDITOR):
            await world.sign_in(email)
        await world.enrol()
        model, ids = await _model(world)
        machine = Machine(world, chosen, model)
        async with calling(world) as calls:
            try:
                await Rules(machine, calls, ids).run(steps)
            except Exception as error:
                error.add_note(f"seed {seed}, step {machine.steps}")
                raise
        report = await world.verify(await world.bundle())
        assert (report.exit_code, report.findings) == (0, ()), seed
        return Counter(machine.done)


@pytest.mark.timeout(times(300, 7200))
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_service_never_diverges_from_the_rules(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done, life = Counter[str](), 0
    while sum(done.values()) < STEPS:
        directory = tmp_path / f"{life}"
        directory.mkdir()
        done += await _life(f"{seed}/{life}", min(LIFE, STEPS - sum(done.values())), directory)
        life += 1
    assert sum(done.values()) >= STEPS
    assert {"file: done", "approve: done", "time: done", "introspect: done", "want: done"} <= done.keys()
    with capsys.disabled():
        sys.stdout.write("\n" + json.dumps({"seed": seed, "lives": life, **dict(sorted(done.items()))}) + "\n")
