"""The main job, end to end, on real parts: the service as a process, a certified OpenID provider, SMTP, Chromium.

The same story on SQLite and on PostgreSQL. After each step the auditor takes the trail home and `countersign verify` is
run on it, anchored by what the institution itself keeps, the receipt of the first mail included once it is there.
"""

from __future__ import annotations

import asyncio
import json
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from demo.parties import AUDITOR, HEAD, LIBRARIAN
from demo.stage import Ports, Stage
from demo.walk import Walk
from tests.fixtures.identity_provider import require_provider
from tests.story.person import CODE, Person

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.idp, pytest.mark.timeout(240)]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    """A stage that nothing runs on yet."""
    require_provider()
    databases = None
    if request.param == "postgresql":
        urls = request.getfixturevalue("postgres_url")
        databases = (urls.app, urls.owner)
    return Stage(tmp_path / "stage", Ports.free(), databases)


@pytest.fixture
def walk(stage: Stage) -> Iterator[Walk]:
    """The parts and the service run; the API's steps and the verification are those of the demo."""
    with ExitStack() as stack:
        walk = Walk(stage, stack)
        for step in walk.steps()[:3]:
            step()
        yield walk


async def test_an_approver_in_a_browser_gives_access_and_takes_it_back(
    walk: Walk, stage: Stage, browser: Browser
) -> None:
    head, librarian, auditor = [await Person.at(browser, stage, login) for login in (HEAD, LIBRARIAN, AUDITOR)]
    trail = Trail(walk, stage, auditor)

    await enrol(head, stage.enrolment_codes()[CODE])
    await trail.verify({"institution.enrolled", "person.bound"})
    await bind(librarian, head)
    await trail.verify({"sign_in.refused", "identity_provider.keys_seen"})

    await asyncio.to_thread(walk.request)
    filed = walk.filed
    await asyncio.to_thread(walk.mail)
    await trail.verify({"request.created", "mail.queued"})

    await review(librarian, walk, filed)
    await approve(librarian, walk)
    seen = await asyncio.to_thread(walk.read)
    assert (seen["status"], seen["ground"], len(seen["decisions"])) == ("active", "approval", 1)
    await trail.verify({"decision.made", "request.approved", "request.activated"})

    assert "good until" in await asyncio.to_thread(walk.mint)
    assert (await asyncio.to_thread(walk.introspection))["active"] is True
    await trail.verify({"token.issued"})

    await head.open(f"/requests/{filed['id']}")
    await head.press("End access now")
    assert "Access has ended" in await head.text()
    assert await asyncio.to_thread(walk.introspection) == {"active": False}
    await trail.verify({"request.revoked"})
    assert {person.login: person.refused for person in (head, librarian, auditor)} == {
        HEAD: [], LIBRARIAN: [], AUDITOR: [],
    }  # fmt: skip


async def enrol(head: Person, code: str) -> None:
    await head.open(f"/enrol/{CODE}")
    await head.sign_in()
    await head.page.get_by_label("Enrolment code").fill("AAAA-BBBB-CCCC-DDDD")
    await head.press("Confirm the enrolment")
    assert "Nothing was confirmed" in await head.text()
    await head.page.get_by_label("Enrolment code").fill(code)
    await head.press("Confirm the enrolment")
    assert "enrolled" in (await head.text()).lower()


async def bind(librarian: Person, head: Person) -> None:
    await librarian.open(f"/sign-in/{CODE}")
    await librarian.sign_in()
    assert "No access was given, and no answer was recorded" in await librarian.text()
    await head.open("/settings/people")
    await head.press("Yes, this is the person")


async def review(librarian: Person, walk: Walk, filed: dict[str, object]) -> None:
    await librarian.open(walk.link)
    assert str(filed["number"]) in await librarian.text()
    assert str(filed["check_code"]) not in await librarian.text()
    await librarian.sign_in("Sign in at your institution")
    assert librarian.path == f"/requests/{filed['id']}"
    assert str(filed["check_code"]) in await librarian.text()
    assert await librarian.page.locator("input[name=decision]:checked").count() == 0


async def approve(librarian: Person, walk: Walk) -> None:
    """An empty answer first, then an approval; the nonce that the provider is asked for is the statement's hash."""
    await librarian.press("Continue")
    assert "There is a problem" in await librarian.text()
    await librarian.page.locator("#approve").check()
    await librarian.press("Continue")
    statement = await librarian.page.locator("#statement").text_content() or ""
    assert json.loads(statement)["request_digest"] == (await asyncio.to_thread(walk.read))["request_digest"]
    nonce = urlsafe_b64encode(sha256(statement.encode()).digest()).rstrip(b"=").decode()
    asked: list[str] = []
    librarian.page.on("request", lambda request: asked.append(request.url))
    await librarian.press("Confirm at")
    await librarian.tell_provider()
    assert [nonce] in [parse_qs(urlsplit(url).query).get("nonce") for url in asked]
    assert "You approved the access" in await librarian.text()


class Trail:
    """The auditor's side: each verification exports anew, and has to find what the step before left."""

    def __init__(self, walk: Walk, stage: Stage, auditor: Person) -> None:
        self.walk, self.stage, self.auditor = walk, stage, auditor
        self.signed_in = False

    async def verify(self, types: set[str]) -> None:
        """Export in the browser: `countersign verify` has to answer 0, and entries of these types to be there."""
        await self.auditor.open("/trail" if self.signed_in else f"/sign-in/{CODE}")
        if not self.signed_in:
            await self.auditor.sign_in()
            await self.auditor.open("/trail")
            self.signed_in = True
        async with self.auditor.page.expect_download() as started:
            await self.auditor.page.locator("form[action='/trail/export'] button").first.click()
        path = self.stage.folder / "bundle.zip"
        await (await started.value).save_as(path)
        report = await asyncio.to_thread(self.walk.verify, path)
        with zipfile.ZipFile(path) as bundle:
            entries = [json.loads(line) for line in bundle.read("data/entries.jsonl").splitlines()]
        assert report["entries"] == len(entries)
        assert types <= {entry["type"] for entry in entries}
