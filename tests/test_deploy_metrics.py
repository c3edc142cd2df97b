"""What is given to Prometheus and Grafana names metrics and labels that the service tells, in queries that hold."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.actions.measuring import Age, Measured
from app.actions.meters import Meters
from app.actions.problems import STATUS
from app.api.metrics import families
from app.domain.catalogue import CATALOGUE
from app.domain.events import Actor, Entry

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
_NAME = re.compile(r"\b(?:countersign|process)_[a-z_]+\b")
_SELECTED = re.compile(r"\b(countersign_[a-z_]+)\{([^}]*)\}")
_GROUPED = re.compile(r"\bby \(([a-z, ]+)\)")
# Of Prometheus itself, and of the library's process metrics.
_THEIRS = {"up", "le", "job", "instance", "pid"}


def _alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
    return list(group["rules"])


def _panels() -> list[dict[str, Any]]:
    return list(json.loads((DEPLOY / "grafana.json").read_text())["panels"])


def _queries() -> list[str]:
    shown = [target["expr"] for panel in _panels() for target in panel["targets"]]
    return [*(rule["expr"] for rule in _alerts()), *shown]


@cache
def _told() -> dict[str, set[str]]:
    """Every series that the service can tell, with its labels."""
    one = Age(1, 1.0)
    measured = Measured(
        requests={"pending": one}, clock_overdue_s=0, deliveries={"mail": one}, sessions={"open": 1},
        entries={"01EXU_INST": 1}, unpublished_s=0, unwitnessed=one, behind={("w", "waiting"): 1}, rolled_back=0,
    )  # fmt: skip
    told: dict[str, set[str]] = {}
    meters = Meters()
    meters.called("GET", "/", 200, 0.1)
    meters.refused("internal")
    meters.failed("clock")
    by = Actor("person", "per_00000000000000000000000000")
    data = {"verdict": "approve"}
    at = datetime.now(UTC)
    meters.committed([Entry(0, "evt_", at, "01EXU_INST", "decision.made", "req_", by, data, None)])
    for family in [*meters.registry.collect(), *families("0", measured)]:
        for sample in family.samples:
            told.setdefault(sample.name, set()).update(sample.labels)
    for name in ("cpu_seconds_total", "resident_memory_bytes", "open_fds"):
        told[f"process_{name}"] = {"pid"}
    return told


@pytest.mark.parametrize("query", _queries())
def test_every_query_names_metrics_and_labels_that_there_are(query: str) -> None:
    told = _told()
    names = set(_NAME.findall(query))
    assert names <= told.keys()
    labels = {label for name in names for label in told[name]} | _THEIRS
    for name, selectors in _SELECTED.findall(query):
        assert set(re.findall(r"(\w+)(?:=|!)", selectors)) <= told[name] | _THEIRS
    for grouped in _GROUPED.findall(query):
        assert set(grouped.split(", ")) <= labels


def test_every_metric_is_shown_somewhere() -> None:
    shown = " ".join(_queries())
    missing = {name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for name in _told()}
    assert {name for name in missing if name not in shown} == set()


def test_problems_and_types_that_alerts_name_exist() -> None:
    text = (DEPLOY / "alerts.yml").read_text()
    refused = re.findall(r'refusals_total\{problem=~"([^"]+)"', text)
    assert refused
    assert {problem for found in refused for problem in found.split("|")} <= STATUS.keys()
    assert set(re.findall(r'type="([^"]+)"', text)) <= CATALOGUE.keys()


def test_every_alert_is_told_in_the_operators_guide() -> None:
    guide = (ROOT / "docs" / "operate.md").read_text()
    assert [rule["alert"] for rule in _alerts() if f"`{rule['alert']}`" not in guide] == []
    assert all(rule["annotations"]["summary"] and rule["labels"]["severity"] for rule in _alerts())


def test_no_panel_stands_on_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in _panels():
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken
        taken |= cells
    assert len({panel["id"] for panel in _panels()}) == len(_panels())


PROMTOOL = shutil.which("promtool")


def promtool(*words: str | Path) -> str:
    if PROMTOOL is None:
        pytest.skip("no promtool: install Debian's package prometheus")
    done = subprocess.run([PROMTOOL, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_rules_and_the_configuration() -> None:
    assert f"{len(_alerts())} rules found" in promtool("check", "rules", DEPLOY / "alerts.yml")
    promtool("check", "config", "--syntax-only", DEPLOY / "prometheus.yml")


def test_prometheus_takes_every_query_of_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"shown:{n}", "expr": query} for n, query in enumerate(_queries())]
    (tmp_path / "shown.yml").write_text(yaml.safe_dump({"groups": [{"name": "shown", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", "--lint=none", tmp_path / "shown.yml")


def test_alerts_sound_when_they_should_and_are_silent_when_all_is_well() -> None:
    promtool("test", "rules", DEPLOY / "alerts.test.yml")
