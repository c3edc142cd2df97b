"""Pages that record themselves through real nginx, and the recording played to the institution's people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.storage import recordings
from app.storage.database import Database
from app.storage.recordings import PartRow
from demo.parties import LIBRARIAN
from demo.stage import Ports, Stage
from demo.walk import Walk
from tests.fixtures.identity_provider import require_provider
from tests.fixtures.nginx import require_nginx
from tests.fixtures.postgres import DatabaseUrls
from tests.gate.engineer import Engineer
from tests.gate.test_story import ENGINEER
from tests.story.person import CODE, Person
from tests.web.site import complaints

if TYPE_CHECKING:
    from playwright.async_api import Browser, Response

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.idp, pytest.mark.postgres, pytest.mark.timeout(240)]
SECRET = "patron 4711 owes money"


@pytest.fixture
def walk(postgres_url: DatabaseUrls, tmp_path: Path) -> Iterator[Walk]:
    """A token is minted, the gateway runs, and its pages record themselves."""
    require_provider()
    require_nginx()
    stage = Stage(tmp_path / "stage", Ports.free(), (postgres_url.app, postgres_url.owner), recorder=True)
    with ExitStack() as stack:
        walk = Walk(stage, stack)
        for step in walk.until_minted():
            step()
        for part in stage.start_gateway(stack):
            part.wait()
        yield walk


async def test_a_page_records_itself_and_is_played_with_what_was_typed_masked(
    walk: Walk, browser: Browser, postgres_url: DatabaseUrls
) -> None:
    stage = walk.stage
    engineer = await Engineer.at(browser, stage, ENGINEER, scripts=True)
    await engineer.open("/jobs")
    await engineer.enter(walk.token)
    said = complaints(engineer.page)
    await engineer.open("/jobs")
    async with engineer.page.expect_response(_holds_what_was_typed, timeout=60_000) as sent:
        await engineer.page.locator("input[name=job]").fill(SECRET)
    assert (await sent.value).status == 204
    assert said == []
    session, parts = await _parts(postgres_url.app)
    assert [part.n for part in parts] == list(range(1, len(parts) + 1))
    assert {part.content_type for part in parts} == {"application/vnd.countersign.rrweb+json"}

    librarian = await Person.at(browser, stage, LIBRARIAN, scripts=True)
    await librarian.open(f"/sign-in/{CODE}")
    await librarian.sign_in()
    page, shown = librarian.page, complaints(librarian.page)
    await librarian.open(f"/sessions/{session}")
    assert "Proved at sign-in." in await librarian.text()
    assert "The gate" in await page.locator("#live-coverage").inner_text()
    assert f"{len(parts)} parts" in await librarian.text()
    await page.get_by_role("link", name="Replay").click()
    await page.get_by_role("button", name=f"Play part {len(parts)}").click()
    replayed = page.frame_locator("#stage iframe")
    await replayed.get_by_role("heading", name="Alma, /jobs").wait_for()
    await page.get_by_text("The part is over.").wait_for()
    typed = await replayed.locator("input[name=job]").input_value()
    assert set(typed) == {"*"}
    assert len(typed) == len(SECRET)
    assert [each for each in shown if "sandbox" not in each] == []
    for n in range(1, len(parts) + 1):
        answer = await page.request.get(f"{stage.base_url}/sessions/{session}/recording/{n}")
        assert SECRET not in await answer.text()


def _holds_what_was_typed(answer: Response) -> bool:
    return answer.url.endswith("/countersign/gate/recording") and "*" * len(SECRET) in (answer.request.post_data or "")


async def _parts(url: str) -> tuple[str, list[PartRow]]:
    database = Database(url, pool_size=1)
    try:
        async with database.read() as tx:
            session = str((await tx.connection.exec_driver_sql("SELECT id FROM sessions")).scalar_one())
            return session, await recordings.of_session(tx, CODE, session)
    finally:
        await database.close()
