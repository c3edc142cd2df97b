"""The command line as operators and auditors meet it: processes of their own, on SQLite."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.domain.user_file import COLUMNS

COMMAND = Path(sys.executable).with_name("countersign")
CODE = "01EXU_INST"
WORLD = """
[vendor]
name = "Ex Libris"
domains = ["vendor.example"]
[vendor.identity_provider]
issuer = "https://login.vendor.example"
client_id = "countersign"
client_secret = "env:VENDOR_OIDC_SECRET"

[[clients]]
id = "support-console"
secret = "the secret of the console"
scopes = ["requests"]
institutions = ["*"]

[[institutions]]
code = "01EXU_INST"
name = "Example University Library"
timezone = "Europe/Vienna"
[institutions.identity_provider]
issuer = "https://login.example.edu"
client_id = "countersign"
client_secret = "secret"
[[institutions.people]]
email = "head@example.edu"
roles = ["admin"]
"""

ENVIRONMENT = """
[[institutions.environments]]
name = "alma-production"
product = "alma"
tier = "production"
phase = "support"
url = "https://nul.alma.vendor.example"
gateway_audience = "https://gateway.vendor.example/nul-alma"
"""


@dataclass(slots=True)
class Shell:
    """A folder of its own, with the settings of development."""

    folder: Path

    def run(self, *words: str | Path, **changes: str) -> subprocess.CompletedProcess[str]:
        command: Sequence[str | Path] = [COMMAND, *words]
        environment = self.variables() | changes
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def variables(self) -> dict[str, str]:
        """The environment of its commands."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
        return kept | {"COUNTERSIGN_DEVELOPMENT": "true", "VENDOR_OIDC_SECRET": "secret", "NO_COLOR": "1"}

    def done(self, *words: str | Path, code: int = 0) -> str:
        """What the command prints; it has to end with this exit code."""
        outcome = self.run(*words)
        assert outcome.returncode == code, outcome.stderr
        return outcome.stdout


@pytest.fixture
def empty(tmp_path: Path) -> Shell:
    """No database yet."""
    (tmp_path / "world.toml").write_text(WORLD)
    return Shell(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the world was applied."""
    shell = Shell(tmp_path_factory.mktemp("made"))
    (shell.folder / "world.toml").write_text(WORLD)
    shell.done("migrate")
    shell.done("apply", "world.toml")
    return shell.folder


@pytest.fixture
def shell(made: Path, tmp_path: Path) -> Shell:
    """A copy of it."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return Shell(tmp_path)


def test_what_has_no_database_yet_says_what_to_run(empty: Shell) -> None:
    for words in (["apply", "world.toml"], ["serve", "--port", "0"]):
        outcome = empty.run(*words)
        assert (outcome.returncode, outcome.stdout) == (2, "")
        assert "countersign migrate" in outcome.stderr


def test_migrating_twice_is_as_good_as_once(empty: Shell) -> None:
    assert empty.done("migrate") == empty.done("migrate")


def test_a_world_is_shown_applied_and_then_as_declared(empty: Shell) -> None:
    empty.done("migrate")
    planned = empty.done("apply", "world.toml", "--dry-run")
    assert f"+ institution {CODE} (Example University Library)" in planned
    assert "Enrolment code" not in planned
    created = [json.loads(line) for line in empty.done("apply", "world.toml", "--json").splitlines()]
    assert [each["institution"] for each in created] == [CODE]
    assert len(created[0]["enrolment_code"]) == 19
    assert empty.done("apply", "world.toml", "--json") == ""
    assert empty.done("apply", "world.toml") == "Nothing to change.\n"


def test_a_mail_that_came_back_is_piped_in_and_what_cannot_be_tried_is_tried_again(shell: Shell) -> None:
    mail = shell.folder / "away.eml"
    mail.write_text("To: bounces@countersign.example\n\nI am away.\n")
    assert shell.done("bounce", mail) == "no report that a mail was given up; nothing is recorded\n"
    with mail.open() as piped:
        outcome = subprocess.run(
            [COMMAND, "bounce"], cwd=shell.folder, env=shell.variables(), stdin=piped, capture_output=True, check=False
        )
    assert (outcome.returncode, outcome.stdout) == (0, b"no report that a mail was given up; nothing is recorded\n")
    assert shell.run("bounce", mail, COUNTERSIGN_DATABASE_URL="sqlite:///var/none.db").returncode == 75
    assert shell.run("bounce", mail, COUNTERSIGN_SMTP_URL="x").returncode == 75


def test_a_world_that_cannot_be_is_told_line_by_line(empty: Shell) -> None:
    empty.done("migrate")
    (empty.folder / "world.toml").write_text(WORLD.replace("Europe/Vienna", "Vienna").replace('"admin"', '"boss"'))
    outcome = empty.run("apply", "world.toml")
    assert outcome.returncode == 2
    lines = outcome.stderr.splitlines()
    assert lines[0].startswith("countersign: world.toml: institutions[0].timezone: ")
    assert lines[1].startswith("countersign: world.toml: institutions[0].people[0].roles[0]: ")
    assert empty.run("apply", "not-there.toml").returncode == 2


def test_what_an_institution_alone_may_change_is_proposed_once(shell: Shell) -> None:
    (shell.folder / "world.toml").write_text(WORLD.replace("Europe/Vienna", "Europe/Berlin"))
    for _ in range(2):  # shown, and nothing done
        assert shell.done("apply", "world.toml", "--dry-run").startswith("? institution")
    assert shell.done("apply", "world.toml").startswith("? institution")
    again = shell.done("apply", "world.toml")
    assert not again.startswith("? ")


def test_a_trail_is_exported_and_verified_offline(shell: Shell) -> None:
    shell.done("export", CODE, "--out", "bundle.zip")
    text = shell.done("verify", "bundle.zip", code=3)
    assert "Consistent, not anchored" in text
    vkeys = shell.done("keys", "list")
    assert [line.split("+")[0].rpartition("/")[2] for line in vkeys.splitlines()] == [CODE, "VENDOR"]
    (shell.folder / "vkeys").write_text(vkeys)
    report = json.loads(shell.done("verify", "bundle.zip", "--vkey", "vkeys", "--json", code=3))
    assert (report["verified"], report["findings"], report["entries"]) == (True, [], 2)
    assert not any("--vkey" in reason for reason in report["missing"])
    wrong = json.loads(shell.done("verify", "bundle.zip", "--enrolment", "AAAA-AAAA-AAAA-AAAA", "--json", code=1))
    assert [each["code"] for each in wrong["findings"]] == ["enrolment"]
    assert not list(shell.folder.glob("*.part"))


def test_a_trail_is_exported_as_rows(shell: Shell) -> None:
    shell.done("export", CODE, "--out", "all.jsonl", "--format", "jsonl")
    *entries, end = map(json.loads, (shell.folder / "all.jsonl").read_text().splitlines())
    assert [each["entry"]["type"] for each in entries] == ["trail.opened", "trail.exported"]
    assert (end["end"], end["entries"]) == (True, 2)
    shell.done("export", CODE, "--out", "some.csv", "--format", "csv", "--from", "1", "--to", "2")
    assert len((shell.folder / "some.csv").read_text().splitlines()) == 3
    for wrong in (["--format", "xlsx"], ["--from", "1"], ["--format", "csv", "--from", "99"]):
        assert shell.run("export", CODE, "--out", "none", *wrong).returncode == 1
    assert not (shell.folder / "none").exists()
    assert shell.run("export", CODE).returncode == 2


def test_the_population_of_a_trail_is_counted_without_an_export(shell: Shell) -> None:
    counts = json.loads(shell.done("export", CODE, "--population"))
    assert (counts["institution"], counts["size"], counts["by"]) == (CODE, 1, {})
    assert (counts["entries"]["trail.opened"], counts["entries"]["request.created"]) == (1, 0)
    assert counts["first_at"] == counts["last_at"]
    shell.done("export", CODE, "--out", "all.csv", "--format", "csv")
    counts = json.loads(shell.done("export", CODE, "--population"))
    assert (counts["size"], counts["by"]) == (2, {"trail.exported": {"csv": 1}})
    assert shell.run("export", "NOBODY", "--population").returncode == 1


def test_a_changed_bundle_fails_and_what_is_none_cannot_be_read(shell: Shell) -> None:
    shell.done("export", CODE, "--out", "bundle.zip")
    bundle = shell.folder / "bundle.zip"
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.write_bytes(data)
    assert shell.run("verify", "bundle.zip").returncode in {1, 2}
    bundle.write_bytes(b"no zip")
    assert "cannot be read" in shell.done("verify", "bundle.zip", code=2)
    (shell.folder / "keys.json").write_text("[]")
    assert shell.run("verify", "bundle.zip", "--idp-jwks", "keys.json").returncode == 2


def test_verifying_needs_no_settings(shell: Shell) -> None:
    shell.done("export", CODE, "--out", "bundle.zip")
    assert shell.run("verify", "bundle.zip", COUNTERSIGN_DEVELOPMENT="").returncode == 3


def test_a_checkpoint_is_a_note_of_the_trail(shell: Shell) -> None:
    lines = shell.done("checkpoint", CODE).splitlines()
    assert lines[:2] == [f"countersign.localhost/{CODE}", "1"]
    assert lines[4].startswith(f"— countersign.localhost/{CODE} ")
    assert shell.run("checkpoint", "NOBODY").returncode == 1


def test_keys_are_made_rotated_and_listed(empty: Shell) -> None:
    assert empty.run("keys", "list", "--tokens").returncode == 2
    assert "first keys" in empty.run("keys", "rotate").stderr
    empty.done("migrate")
    before = dict(line.split()[::-1] for line in empty.done("keys", "list", "--tokens").splitlines())
    done = json.loads(empty.done("keys", "rotate", "--json"))
    assert (done["current"], done["retired"]) == (before["next"], before["current"])
    client_keys = dict(line.split()[::-1] for line in empty.done("keys", "list", "--client").splitlines())
    assert not set(client_keys.values()) & set(before.values())
    done = json.loads(empty.done("keys", "rotate", "--client", "--json"))
    assert (done["current"], done["retired"]) == (client_keys["next"], client_keys["current"])


def test_clients_are_added_and_rotated_by_hand(shell: Shell) -> None:
    added = json.loads(shell.done("client", "add", "auditor", "--scope", "trail:read", "--institution", CODE, "--json"))
    assert added["client_secret"].startswith("cs_")
    assert shell.done("client", "rotate", "auditor") not in {"", added["client_secret"] + "\n"}
    assert shell.run("client", "rotate", "nobody").returncode == 1
    assert shell.run("client", "add", "auditor", "--scope", "trail:read", "--institution", CODE).returncode == 1
    wrong = shell.run("client", "add", "other", "--scope", "everything", "--institution", CODE)
    assert wrong.returncode == 2
    assert "scopes[0]: one of accounts" in wrong.stderr


def test_webhooks_are_listed(shell: Shell) -> None:
    assert shell.done("webhooks", "--json") == ""


def test_users_are_scanned_from_a_file(shell: Shell) -> None:
    world = (shell.folder / "world.toml").read_text()
    other = (
        world[world.index("[[institutions]]") :].replace("01EXU_INST", "01NUL_INST").replace("login.ex", "login2.ex")
    )
    (shell.folder / "world.toml").write_text(world + other + ENVIRONMENT)
    shell.done("apply", "world.toml")
    users = shell.folder / "users.csv"
    users.write_text(f"{','.join(COLUMNS)}\nexl_impl,,,Staff Ex Libris,,,,\nx1,Ex,Libris,,,,,\nbroken\n")
    told = json.loads(shell.done("accounts", "scan", "01NUL_INST", "alma-production", users, "--json"))
    assert (told["users"], len(told["opened"]), told["broken_rows"][0][0]) == (2, 1, 4)
    (shell.folder / "users.json").write_text('{"user": [')
    outcome = shell.run("accounts", "scan", "01NUL_INST", "alma-production", shell.folder / "users.json")
    assert (outcome.returncode, "cut off" in outcome.stderr) == (1, True)
    assert shell.run("accounts", "scan", "01NUL_INST", "nowhere", users).returncode == 1
    assert shell.done("doctor") == "Every tree, trail and table agrees.\n"


def test_the_doctor_agrees(shell: Shell) -> None:
    assert shell.done("doctor") == "Every tree, trail and table agrees.\n"
    assert shell.done("doctor", "--json") == ""


@pytest.mark.parametrize("setting, value", [
    ("BASE_URL", "https://user:password@countersign"),
    ("CHECKPOINT_STORE", "gs://bucket"),
    ("DEVELOPMENT", "false"),
])  # fmt: skip
def test_serving_with_a_bad_setting_says_which_before_anything_is_bound(empty: Shell, setting: str, value: str) -> None:
    outcome = empty.run("serve", **{f"COUNTERSIGN_{setting}": value})
    assert outcome.returncode == 2
    named = "BASE_URL" if setting == "DEVELOPMENT" else setting
    assert f"countersign: COUNTERSIGN_{named}: " in outcome.stderr
    assert value not in outcome.stderr or len(value) < 6


def test_serving_without_keys_says_so(shell: Shell) -> None:
    for path in (shell.folder / "var" / "keys").glob("token-*"):
        path.unlink()
    outcome = shell.run("doctor")
    assert outcome.returncode == 2
    assert "COUNTERSIGN_KEYS_DIR" in outcome.stderr
    assert "keys rotate" in outcome.stderr


def test_every_command_says_what_it_does() -> None:
    listed = CliRunner().invoke(app, ["--help"]).output
    for name in "serve worker migrate apply verify export checkpoint doctor demo keys client accounts".split():
        assert f" {name} " in listed
        assert len(CliRunner().invoke(app, [name, "--help"]).output) > 200


def test_a_log_that_lost_signed_entries_is_succeeded_once_the_operator_says_its_code(shell: Shell) -> None:
    shell.done("checkpoint", CODE)
    refused = shell.run("checkpoint", "succeed", CODE, "--confirm", CODE)
    assert refused.returncode == 1
    assert "nothing to succeed" in refused.stderr
    (kept,) = (shell.folder / "var/checkpoints").glob(f"*{CODE}.json")
    signed = json.loads(kept.read_text())
    kept.write_text(json.dumps({**signed, "size": signed["size"] + 5}))  # as after an older backup
    unsure = shell.run("checkpoint", "succeed", CODE, "--confirm", "01OTHER")
    assert unsure.returncode == 1
    assert "5 entries that were signed are given up for good" in unsure.stderr
    assert "nothing was changed" in unsure.stderr
    told = shell.done("checkpoint", "succeed", CODE, "--confirm", CODE)
    assert f"/{CODE}/2 continues " in told
    assert f"Enrolment code of {CODE}: " in told
    assert shell.done("checkpoint", CODE).startswith(f"countersign.localhost/{CODE}/2\n1\n")
    assert f"countersign.localhost/{CODE}/2+" in shell.done("keys", "list")
    assert "agrees" in shell.done("doctor")
    assert shell.run("checkpoint", "succeed").returncode == 2
