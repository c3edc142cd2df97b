"""The shape of the house: floors, what each pure room may import, how long files get."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_LINES = 400
PURE_ROOMS = {"domain": set[str](), "trail": {"cryptography", "orjson"}}


def _sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def _imported(source: Path) -> set[str]:
    """The top-level names of everything that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module or "")
    return names


def test_imports_only_go_down() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main()", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("room", PURE_ROOMS)
def test_pure_rooms_import_little_but_the_standard_library(room: str) -> None:
    allowed = PURE_ROOMS[room] | sys.stdlib_module_names
    foreign = {
        f"{source.relative_to(ROOT)}: {name}"
        for source in _sources(f"app/{room}")
        for name in _imported(source)
        if name.partition(".")[0] not in allowed and not name.startswith(f"app.{room}")
    }
    assert foreign == set()


def test_files_stay_short() -> None:
    sources = _sources("app", "demo", "tests")
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_LINES} == {}
