"""Rolling upgrades: the code of before the newest migration answers on the new schema, beside the code of today."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest

from demo.parts import find_free_port, run_part
from tests.api.conftest import ACCESS, CONSOLE, asked, basic
from tests.faults.service import COUNTERSIGN
from tests.fixtures.postgres import DatabaseUrls

ROOT = Path(__file__).parents[2]
WORLD = ROOT / "tests" / "actions" / "world.toml"
START = "import sys; from app.cli import main; sys.argv[0] = 'countersign'; main()"
pytestmark = [pytest.mark.slow, pytest.mark.postgres]


def git(*words: str) -> bytes:
    done = subprocess.run(["git", "-C", ROOT, *words], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("the code of before the newest migration is not here: this is no whole clone")
    return done.stdout


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The code of the commit before the newest migration was added."""
    newest = max(path.name for path in (ROOT / "migrations" / "versions").glob("0*.py"))
    commit = git("log", "--diff-filter=A", "--format=%H", "-1", "--", f"migrations/versions/{newest}").decode().strip()
    if not commit:
        pytest.skip("the newest migration is not committed yet")
    packed = git("archive", "--format=tar", f"{commit}^", "app", "migrations", "alembic.ini")
    folder = tmp_path / "before"
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    assert not (folder / "migrations" / "versions" / newest).exists()
    return folder


@contextmanager
def serving(environ: Mapping[str, str], code: Path | None) -> Iterator[httpx2.Client]:
    """A service of today's code, or of that in a folder."""
    port = find_free_port()
    command: list[str | Path] = [COUNTERSIGN] if code is None else [sys.executable, "-c", START]
    command += ["serve", "--with-worker", f"--port={port}"]
    env = dict(environ) if code is None else {**environ, "PYTHONPATH": str(code)}
    with (
        run_part(command, "running on", env=env, cwd=code),
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as http,
    ):
        yield http


def bearer(http: httpx2.Client) -> dict[str, str]:
    form = {"grant_type": "client_credentials"}
    answer = http.post("/oauth2/token", data=form, headers={"Authorization": basic(*CONSOLE)}).raise_for_status()
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def file_and_mint(filer: httpx2.Client, minter: httpx2.Client) -> tuple[str, str]:
    """A request that is approved at once, filed at one and its token minted at the other: its id, and the token."""
    filed = filer.post(ACCESS, json=asked(), headers=bearer(filer)).raise_for_status().json()
    assert filed["status"] == "active"
    path = f"{ACCESS}/{filed['id']}/token"
    return filed["id"], str(minter.post(path, headers=bearer(minter)).raise_for_status().json()["access_token"])


def test_the_code_of_before_the_newest_migration_serves_beside_todays_on_the_new_schema(
    migrated_url: DatabaseUrls, before: Path, tmp_path: Path
) -> None:
    environ = {name: text for name, text in os.environ.items() if not name.startswith("COUNTERSIGN_")} | {
        "COUNTERSIGN_DEVELOPMENT": "true",
        "COUNTERSIGN_DATABASE_URL": migrated_url.app,
        "COUNTERSIGN_BASE_URL": "http://countersign.test",
        "COUNTERSIGN_KEYS_DIR": str(tmp_path / "keys"),
        "COUNTERSIGN_CHECKPOINT_STORE": str(tmp_path / "heads"),
        "COUNTERSIGN_OBJECT_STORE": str(tmp_path / "objects"),
    }
    world = tmp_path / "world.toml"
    text = WORLD.read_text().replace("$ISSUER", "https://login.example.edu")
    world.write_text(text.replace('"$ENDS"', "2027-03-01"))
    subprocess.run([COUNTERSIGN, "apply", world], env=environ, check=True, capture_output=True)
    with ExitStack() as stack:
        old, new = (stack.enter_context(serving(environ, code)) for code in (before, None))
        assert new.get("/readyz").status_code == 200
        for one, other in ((old, new), (new, old), (old, old)):
            request, token = file_and_mint(one, other)
            for each in (old, new):
                seen = each.post("/oauth2/introspect", data={"token": token}, headers=bearer(each))
                assert "active" in seen.raise_for_status().json()
                assert each.get(f"{ACCESS}/{request}", headers=bearer(each)).json()["status"] == "active"
            done = other.post(f"{ACCESS}/{request}/complete", json={"summary": "Done."}, headers=bearer(other))
            assert done.raise_for_status().json()["status"] == "completed"
            assert one.get(f"{ACCESS}/{request}", headers=bearer(one)).json()["status"] == "completed"
    doctor = subprocess.run([COUNTERSIGN, "doctor"], env=environ, capture_output=True, text=True, check=False)
    assert doctor.returncode == 0, doctor.stdout
