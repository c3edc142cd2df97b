"""Image, compose file, units and scripts of `deploy/`: linted; commands, settings and files that they name exist."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import compose_spec
import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from typer.testing import CliRunner

from app.cli import app as command_line
from app.cli.running import GRACE_S
from app.settings import _TABLE, PREFIX, load
from scripts.sbom import LOCK, sbom

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = ROOT / "compose.yaml"
UNITS = sorted(DEPLOY.glob("*.service"))
SECRET = "mM0cQbM1nqjXw6r0m0T3o8Zt5m5z6pXc2yL0aVQx4vU="


def accepts(words: list[str]) -> None:
    """The command line knows this command with these options; it is not run, because it is asked for its help."""
    done = CliRunner().invoke(command_line, [*words, "--help"])
    assert done.exit_code == 0, done.output


def known(environ: str) -> dict[str, str]:
    """The lines of an environment file, every name of which is a setting."""
    lines = [line for line in environ.splitlines() if line and not line.startswith("#")]
    values = dict(line.split("=", 1) for line in lines)
    assert {name.removeprefix(PREFIX).lower() for name in values} <= _TABLE.keys()
    return values


# -- the image ---------------------------------------------------------------------------------------------------------


def test_the_image_is_linted() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_starts_a_command_that_there_is_without_root_and_watches_a_page_that_there_is() -> None:
    stage = DOCKERFILE.rpartition("\nFROM ")[2]
    (command,) = re.findall(r"^CMD (\[.*\])$", stage, re.MULTILINE)
    accepts(json.loads(command))
    assert re.findall(r"^USER (.*)$", stage, re.MULTILINE) == re.findall(r"--uid (\d+)", stage)
    assert json.loads(command)[-1] in re.findall(r"^EXPOSE (\d+)$", stage, re.MULTILINE)
    assert "/healthz" in re.findall(r"HEALTHCHECK[^\n]*\n[^\n]*", stage)[0]
    assert "pip uninstall --yes" in stage


def test_the_image_is_given_every_file_that_it_runs_from_and_no_other() -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    given = [line.removeprefix("!") for line in rules if line.startswith("!")]
    assert rules[1] == "*"
    assert [path for path in given if not (ROOT / path).exists()] == []
    wanted = re.findall(r"(?:requirements|scripts)/[\w.]+", DOCKERFILE)
    assert [path for path in wanted if not any(path.startswith(each) for each in given)] == []


def test_what_the_image_is_made_of_is_told_whole_and_the_same_each_time() -> None:
    text = LOCK.read_text()
    document = sbom(text, "0.1.0")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document)) is None
    assert document == sbom(text, "0.1.0")
    pinned = set(re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==", text, re.MULTILINE))
    components = {each["name"]: each for each in document["components"]}
    assert components.keys() == pinned
    assert sum(len(each["hashes"]) for each in components.values()) == text.count("--hash=sha256:")
    needs = {each["ref"]: each["dependsOn"] for each in document["dependencies"]}
    assert components["starlette"]["purl"] in needs[components["fastapi"]["purl"]]
    asked = (ROOT / "requirements" / "runtime.in").read_text().splitlines()
    named = {re.sub(r"\[.*", "", line) for line in asked if line and not line.startswith("#")}
    (ours,) = [ref for ref in needs if "countersign" in ref]
    direct = {ref.partition("pkg:pypi/")[2].partition("@")[0].replace("_", "-") for ref in needs[ours]}
    assert {name.replace("_", "-") for name in named} == direct


# -- compose -----------------------------------------------------------------------------------------------------------


@cache
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
    return found


def test_the_compose_file_is_one() -> None:
    text = COMPOSE.read_text()
    made = compose_spec.PyCompose.from_yaml(yaml.safe_dump(yaml.safe_load(text)))
    made.validate()
    made.validate_volumes()
    assert sorted(made.service_names()) == ["db-1", "db-2", "gate", "migrate", "serve-1", "serve-2", "worker"]


def test_each_service_runs_a_command_that_there_is_as_the_image_allows() -> None:
    ours = {name: each for name, each in services().items() if each["image"] == "countersign"}
    assert ours.keys() == {"migrate", "serve-1", "serve-2", "worker"}
    for each in ours.values():
        accepts(each["command"])
        assert each["read_only"]
        assert each["cap_drop"] == ["ALL"]
        assert "/tmp" in each["tmpfs"]
        assert known("".join(f"{name}={value}\n" for name, value in each.get("environment", {}).items())) is not None
    assert int(ours["serve-1"]["stop_grace_period"].removesuffix("s")) > GRACE_S
    (folder,) = re.findall(r"^VOLUME (\S+)$", DOCKERFILE, re.MULTILINE)
    assert ours["worker"]["volumes"] == [f"state:{folder}"]


def test_every_file_that_compose_mounts_exists_and_every_neighbour_is_a_service() -> None:
    for each in services().values():
        files = [volume.split(":")[0] for volume in each.get("volumes", []) if volume.startswith("./")]
        assert [path for path in files if not (ROOT / path).exists() and path != "./deploy/gate"] == []
        assert set(each.get("depends_on", [])) <= services().keys()
    gate = services()["gate"]["environment"]
    assert {address.partition(":")[0] for address in gate["SERVICES"].split()} <= services().keys()


def test_the_example_of_settings_is_taken_once_its_secrets_are_filled_in() -> None:
    values = known((DEPLOY / "countersign.env.example").read_text())
    (folder,) = re.findall(r"^VOLUME (\S+)$", DOCKERFILE, re.MULTILINE)
    assert all(folder in values[PREFIX + name] for name in ("KEYS_DIR", "CHECKPOINT_STORE", "OBJECT_STORE"))
    filled = values | {PREFIX + "SECRET_KEY": SECRET, PREFIX + "METRICS_TOKEN": "0123456789abcdef"}
    settings = load(filled)
    assert not settings.development
    assert settings.database_url.partition("@")[2].partition("/")[0] in services()


def test_the_gate_of_compose_is_the_documented_one_with_its_addresses(tmp_path: Path) -> None:
    environ = {"SERVICES": "serve-1:8000 serve-2:8000", "ENVIRONMENT": "alma.internal:8443", "PATH": os.environ["PATH"]}
    script, pattern = DEPLOY / "gate.sh", ROOT / "docs" / "nginx.conf"
    made = subprocess.run(["sh", script, pattern], env=environ, capture_output=True, text=True, check=True).stdout
    before, after = pattern.read_text().splitlines(), made.splitlines()
    changed = [new.strip() for old, new in zip(before, after, strict=True) if old != new]
    assert [" ".join(line.partition("#")[0].split()) for line in changed] == [
        "server serve-1:8000; server serve-2:8000;",
        "server alma.internal:8443;",
        "ssl_certificate /etc/nginx/gate/gate.crt;",
        "ssl_certificate_key /etc/nginx/gate/gate.key;",
        "include /etc/nginx/gate/gate-key.conf;",
    ]


def test_scripts_are_ones() -> None:
    for script in (DEPLOY / "gate.sh", *(DEPLOY / "postgres").glob("*.sh")):
        subprocess.run(["sh", "-n", script], check=True)
        assert os.access(script, os.X_OK)


# -- systemd -----------------------------------------------------------------------------------------------------------


def _systemd(*words: str | Path) -> str:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze: install Debian's package systemd")
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, ""), done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_one_starts_a_command_that_there_is_and_is_hardened(unit: Path, tmp_path: Path) -> None:
    text = unit.read_text()
    (start,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    program, *words = shlex.split(start)
    accepts(words)
    assert program.startswith("/opt/countersign/")
    here = tmp_path / unit.name
    here.write_text(text.replace("/opt/countersign", str(ROOT)).replace(start, f"{sys.executable} -V"))
    _systemd("verify", "--man=no", here)
    _systemd("security", "--offline=true", "--no-pager", "--threshold=15", here)


def test_the_units_are_the_service_and_its_worker() -> None:
    assert [unit.name for unit in UNITS] == ["countersign-worker.service", "countersign.service"]
    assert "--without-worker" in UNITS[1].read_text()
    assert "RestartPreventExitStatus=2" in UNITS[0].read_text()
