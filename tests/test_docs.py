"""What the documents name exists: files, commands, settings, problems, tests; what is drawn from code is as drawn."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from app.actions.problems import STATUS
from app.cli import app as command_line
from app.settings import _TABLE as SETTINGS
from scripts import states

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])
_FENCE = re.compile(r"^```[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")
_PATH = re.compile(r"(?:\.ci|app|bench|demo|docs|migrations|requirements|scripts|tests)/[\w./-]*")
_TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+)")


def _code(page: Path) -> Iterator[str]:
    """What stands as code: each line of a block, without its comment, and each span of the text."""
    text = page.read_text()
    for block in _FENCE.findall(text):
        yield from (line.partition("  #")[0] for line in block.splitlines())
    yield from _SPAN.findall(_FENCE.sub("", text))


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = [link for link in _LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_path_exists(page: Path) -> None:
    paths = {path for code in _code(page) for path in _PATH.findall(code) if code.startswith(path)}
    assert {path for path in paths if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {target for code in _code(page) for target in re.findall(r"\bmake ([a-z]+)", code)}
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_command_and_its_options_exist(page: Path) -> None:
    named = [found for code in _code(page) for found in re.findall(r"\bcountersign ([a-z][^|;#]*)", code)]
    assert [words for words in named if not _is_command(words.split())] == []


def _is_command(words: list[str]) -> bool:
    """Whether the first words are a command, and every option among the rest is one of its own."""
    options = _commands().get(" ".join(words[:2])) or _commands().get(words[0])
    return options is not None and {word.partition("=")[0] for word in words if word.startswith("--")} <= options


@cache
def _commands() -> dict[str, set[str]]:
    """Each command of the command line, with its options."""
    found, waiting = {}, [("", get_command(command_line))]
    while waiting:
        name, command = waiting.pop()
        if isinstance(command, TyperGroup):
            waiting += [(f"{name} {key}".strip(), each) for key, each in command.commands.items()]
        else:
            found[name] = {option for each in command.params for option in [*each.opts, *each.secondary_opts]}
    return found


def test_every_command_is_told() -> None:
    told = {cell for row in _table((DOCS / "operate.md").read_text(), "command") for cell in _SPAN.findall(row[0])}
    assert told >= {f"countersign {name}" for name in _commands()}


def test_every_setting_is_told_and_no_other() -> None:
    table = _table((DOCS / "operate.md").read_text(), "name `COUNTERSIGN_…`")
    told = {name for row in table for name in _SPAN.findall(row[0])}
    assert told == {name.upper() for name in SETTINGS}


def test_every_problem_is_told_with_its_status() -> None:
    rows = _table((DOCS / "integrate.md").read_text(), "status")
    told = [(re.findall(r"\d{3}", row[0]), slug) for row in rows for slug in _SPAN.findall(row[1])]
    assert [(statuses, slug) for statuses, slug in told if str(STATUS.get(slug)) not in statuses] == []


def test_every_problem_that_the_api_may_answer_with_is_told() -> None:
    told = {slug for row in _table((DOCS / "integrate.md").read_text(), "status") for slug in _SPAN.findall(row[1])}
    described = (ROOT / "openapi" / "openapi.yaml").read_text()
    assert set(re.findall(r"/problems/([a-z-]+)", described)) - told == set()


def _table(text: str, head: str) -> list[list[str]]:
    """The cells of the table whose first column is headed so."""
    lines = text.partition(f"\n| {head} |")[2].splitlines()[2:]
    rows = [line for line in lines[: lines.index("")] if line.startswith("| ")]
    assert rows
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def test_the_life_of_a_request_is_drawn_from_its_table() -> None:
    text = (DOCS / "architecture.md").read_text()
    assert states.diagram() in text
    assert states.kept() in text


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_test_that_is_named_exists(page: Path) -> None:
    named = _TEST.findall(page.read_text())
    assert [(path, name) for path, name in named if name not in _tests(path)] == []


def test_each_danger_has_a_test_or_says_that_it_has_none_yet() -> None:
    rows = [line for line in (DOCS / "threat-model.md").read_text().splitlines() if line.startswith("| ")]
    dangers = [row for row in rows if not row.startswith(("| danger", "| ---"))]
    assert len(dangers) > 40
    assert [row for row in dangers if not _TEST.search(row) and "later issue" not in row] == []


@cache
def _tests(path: str) -> frozenset[str]:
    if not (ROOT / path).is_file():
        return frozenset()
    nodes = ast.walk(ast.parse((ROOT / path).read_text()))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_decision_is_listed_under_its_title() -> None:
    index = (DOCS / "decisions" / "README.md").read_text()
    records = sorted((DOCS / "decisions").glob("0*.md"))
    titles = [record.read_text().partition("\n")[0].removeprefix("# ") for record in records]
    lines = [f"| [{record.name[:4]}]({record.name}) | {title} |" for record, title in zip(records, titles, strict=True)]
    assert lines == [line for line in index.splitlines() if line.startswith("| [")]
