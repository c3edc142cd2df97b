"""The guide for vendor systems does what it says: every command of it is run, in order, against a running service."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from demo.browser import Browser
from demo.parties import CODE, LIBRARIAN, at_provider, sign_in
from demo.parts import find_free_port
from demo.stage import Ports, Stage
from demo.walk import Walk
from tests.fixtures.identity_provider import require_provider
from tests.story.blocks import Shell, parts_of, replaced, shell

GUIDE = Path(__file__).parents[2] / "docs" / "integrate.md"

pytestmark = [pytest.mark.slow, pytest.mark.idp, pytest.mark.timeout(240)]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    require_provider()
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    return Stage(tmp_path / "stage", Ports.free())


@pytest.fixture
def walk(stage: Stage) -> Iterator[Walk]:
    """The demo's parts and service run; the institution is enrolled, and an approver bound."""
    with ExitStack() as stack:
        walk = Walk(stage, stack)
        for step in walk.steps()[:5]:
            step()
        yield walk


def approve(stage: Stage, request_id: str) -> None:
    """What an approver does meanwhile: sign in, approve, countersign."""
    with Browser() as browser:
        page = sign_in(browser, stage, browser.open(f"{stage.base_url}/sign-in/{CODE}"), LIBRARIAN)
        page = browser.open(f"{stage.base_url}/requests/{request_id}")
        page = browser.send(page.form("/answer"), decision="approve", window="full")
        confirm = next(form for form in page.forms("") if "/check/" in form.action)
        page = at_provider(browser, browser.send(confirm), LIBRARIAN)
        assert page.status == 200, page.text


def test_every_command_of_the_guide_for_vendor_systems_does_what_it_says(
    walk: Walk, stage: Stage, tmp_path: Path
) -> None:
    folder = tmp_path / "reader"
    folder.mkdir()
    addresses = {"127.0.0.1:8000": stage.base_url.removeprefix("http://"), "9000": str(find_free_port())}
    told = []
    with shell(folder) as typed:
        people: dict[str, Callable[[], None]] = {
            "an approver approves": lambda: approve(stage, typed.run("echo $ID").strip())
        }
        for part in parts_of(replaced(GUIDE.read_text(), addresses)):
            if part.kind == "person":
                people[part.text]()
            elif part.kind == "python":
                name = part.text.partition("\n")[0].removeprefix("# ")
                (folder / name).write_text(part.text)
            else:
                told.append(typed.run(part.text))
    said = "\n".join(told)
    for words in EXPECTED:
        assert words in said, said


EXPECTED = (
    '"status":"pending"',
    '"status":"active"',
    '"active":true',
    '{"active":false}',
    "request.withdrawn",
    "whsec_",
)


def test_a_shell_that_meets_a_failure_says_what_was_typed(tmp_path: Path) -> None:
    with shell(tmp_path) as typed, pytest.raises(AssertionError, match="no-such-command"):
        _fail(typed)


def _fail(typed: Shell) -> None:
    typed.run("true")
    typed.run("no-such-command --at-all")
