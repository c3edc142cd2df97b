"""What is installed is pinned by content, and nothing here says where it has to come from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PACKAGE_LOCK = ROOT / "demo" / "identity-provider" / "package-lock.json"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_requirement_is_one_version_with_hashes_and_no_host(lock: Path) -> None:
    text = lock.read_text()
    lines = text.replace("\\\n", "").splitlines()
    requirements = [line for line in lines if line and not line.lstrip().startswith("#")]
    assert requirements
    pinned = re.compile(r"[\w.\-\[\],]+==[\w.+!]+( ;[^#]*)?( +--hash=sha256:[0-9a-f]{64})+")
    assert [line for line in requirements if not pinned.fullmatch(line)] == []
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text


def test_every_node_package_has_its_hash_and_no_host() -> None:
    packages = json.loads(PACKAGE_LOCK.read_text())["packages"]
    ours = packages.pop("")
    assert ours["dependencies"]
    assert [name for name, package in packages.items() if "integrity" not in package or "resolved" in package] == []
