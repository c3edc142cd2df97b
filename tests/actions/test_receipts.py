"""Receipts: every kind of mail that there is carries one, and `countersign verify --receipt` takes it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.actions import drafting, person, requests, session_calls
from app.actions.answers import Answer
from app.actions.checkpoints import verifier_keys
from app.actions.clock import sweep
from app.actions.deliver import deliver
from app.actions.digests import BURST
from app.actions.person import NewPerson
from app.actions.roster_reviews import REVIEW_EVERY, remind
from app.audit.receipts import receipt_of
from app.cli import app as command_line
from app.storage import entries
from tests.actions.advance import give
from tests.actions.test_mails import at
from tests.actions.test_reconciliation import give as reconcile
from tests.actions.test_reconciliation import sign_in
from tests.actions.watching import opened
from tests.actions.worlds import CODE, HEAD, Configure, World
from tests.fixtures.smtp import SmtpSink
from tests.notify.samples import SAMPLES

KINDS = {facts.kind for facts in SAMPLES.values()}


@pytest.fixture
def configure() -> Configure:
    """The deputy is a backup approver; standing approvals are allowed, and over five hours they take two."""
    deputy = 'name = "Deputy Librarian"\nroles = '
    more = "approvals_required = 1\nstanding_approvals_allowed = true\nsecond_approval_over_minutes = 300"

    def configured(text: str) -> str:
        text = text.replace(f'{deputy}["approver"]', f'{deputy}["backup_approver"]')
        return text.replace("approvals_required = 1", more).replace('scopes = ["', 'scopes = ["accounts", "')

    return configured


async def _everything(world: World) -> None:
    """A little of all that mails tell of."""
    head = await world.visitor(HEAD)
    asked = (await world.file()).row.id
    await drafting.answer(world.services, head, asked, Answer("ask", q="Which job?"))
    await requests.message(world.services, world.caller, asked, "The nightly one.", None)
    session = await opened(world)
    await session_calls.end(world.services, world.caller, session, "All was done.")
    await person.add(world.services, head, NewPerson("another@example.edu", "Another", ("approver",), ()))
    for _ in range(BURST + 1):
        await world.file(environment="esploro-sandbox")
    await give(world, HEAD, max_window_minutes=400)
    await reconcile(world, [sign_in(world.now() - timedelta(hours=3), None)])
    for _ in range(2):
        world.skip(timedelta(hours=13))
        await sweep(world.services)
    world.skip(REVIEW_EVERY)
    await remind(world.services)


async def test_every_kind_of_mail_is_a_receipt_for_the_command_line(
    enrolled: World, smtp_sink: SmtpSink, tmp_path: Path
) -> None:
    world = enrolled
    at(world, smtp_sink.port)
    await _everything(world)
    while await deliver(world.services):
        pass
    async with world.services.database.read() as tx:
        queued = await entries.find(tx, CODE, entries.LeafFilter(type="mail.queued"), 1000)
    assert {each.entry.data["kind"] for each in queued} == KINDS
    assert len(smtp_sink.deliveries) == len({each.entry.data["message_id"] for each in queued})
    bundle, (vkey,) = await world.bundle(), await verifier_keys(world.services, CODE)
    arguments = ["verify", str(bundle), "--vkey", vkey]
    for place, each in enumerate(smtp_sink.deliveries):
        (tmp_path / f"{place}.eml").write_bytes(each.content)
        assert receipt_of(each.content)
        arguments += ["--receipt", str(tmp_path / f"{place}.eml")]
    done = CliRunner().invoke(command_line, arguments)
    assert done.exit_code == 3, done.output
    assert "could not be compared" not in done.output
