from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.settings import DEMO_SECRET_KEY, Settings, SettingsError, load

SECRET = "mM0cQbM1nqjXw6r0m0T3o8Zt5m5z6pXc2yL0aVQx4vU="
PEM = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
PRODUCTION = {
    "COUNTERSIGN_BASE_URL": "https://countersign.example",
    "COUNTERSIGN_LOG_NAME": "countersign.example",
    "COUNTERSIGN_SECRET_KEY": SECRET,
    "COUNTERSIGN_DATABASE_URL": "postgresql://app:hunter22@db/countersign",
    "COUNTERSIGN_KEYS_DIR": "/etc/countersign/keys",
    "COUNTERSIGN_CHECKPOINT_STORE": "s3://heads/countersign",
    "COUNTERSIGN_OBJECT_STORE": "file:///srv/countersign",
    "COUNTERSIGN_SMTP_URL": "smtps://user:hunter22@mail.example:465",
    "COUNTERSIGN_MAIL_FROM": "Countersign <access@countersign.example>",
}
DEVELOPMENT = {"COUNTERSIGN_DEVELOPMENT": "true"}


def problems(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as refused:
        load(environ)
    assert str(refused.value) == "\n".join(refused.value.problems)
    return refused.value.problems


def test_a_whole_production_environment_is_read() -> None:
    settings = load(PRODUCTION | {"PATH": "/bin", "COUNTERSIGN_METRICS_TOKEN": "0123456789abcdef"})
    assert settings == Settings(
        development=False,
        base_url="https://countersign.example",
        log_name="countersign.example",
        secret_key=SECRET.encode(),
        database_url="postgresql://app:hunter22@db/countersign",
        owner_database_url=None,
        keys_dir=Path("/etc/countersign/keys"),
        token_key=None,
        client_key=None,
        trail_keys=None,
        checkpoint_store="s3://heads/countersign",
        object_store="file:///srv/countersign",
        smtp_url="smtps://user:hunter22@mail.example:465",
        mail_from="Countersign <access@countersign.example>",
        bounce_address=None,
        allow_private_networks=False,
        metrics_token="0123456789abcdef",
        requests_per_hour=600,
        calls_per_minute=6000,
        checkpoint_every=600,
        gate_recorder=False,
    )
    assert settings.secure_cookies
    assert settings.cookie_prefix == "__Host-"


def test_development_needs_nothing_but_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load(DEVELOPMENT)
    assert settings.base_url == "http://127.0.0.1:8000"
    assert settings.database_url == "sqlite:///var/countersign.db"
    assert settings.keys_dir == Path("var/keys")
    assert settings.object_store == (tmp_path / "var/objects").as_uri()
    assert not settings.secure_cookies
    assert settings.cookie_prefix == ""
    settings.refuse_outside_development("the demo world")


def test_everything_that_is_missing_is_named_at_once() -> None:
    names = [line.partition(":")[0] for line in problems({})]
    assert sorted(names) == sorted(PRODUCTION.keys() - {"COUNTERSIGN_DATABASE_URL"})


@pytest.mark.parametrize("name", sorted(PRODUCTION.keys() - {"COUNTERSIGN_DATABASE_URL"}))
@pytest.mark.parametrize("empty", [False, True])
def test_each_needed_setting_is_missed_by_name_with_a_remedy(name: str, empty: bool) -> None:
    environ = {key: value for key, value in PRODUCTION.items() if key != name} | ({name: ""} if empty else {})
    (line,) = problems(environ)
    assert line.startswith(f"{name}: is not set; ")


@pytest.mark.parametrize(
    "name,value",
    [
        ("BASE_URL", "http://countersign.example"),
        ("BASE_URL", "countersign.example"),
        ("BASE_URL", "ftp://countersign.example"),
        ("BASE_URL", "https://"),
        ("BASE_URL", "https://countersign.example/path"),
        ("BASE_URL", "https://countersign.example?x"),
        ("BASE_URL", "https://countersign.example#x"),
        ("BASE_URL", "https://user@countersign.example"),
        ("BASE_URL", "https://counter sign.example"),
        ("BASE_URL", "https://countersign.example:99999"),
        ("BASE_URL", "https://[::1"),
        ("LOG_NAME", "https://countersign.example"),
        ("LOG_NAME", "two words"),
        ("LOG_NAME", "a+b"),
        ("LOG_NAME", "countersign.example/"),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "x" * 31),
        ("SECRET_KEY", "x" * 64),
        ("SECRET_KEY", "password" * 8),
        ("SECRET_KEY", "0123456789" * 5),
        ("SECRET_KEY", "abcdefghijklmnopqrstuvwxyz012345"),
        ("SECRET_KEY", DEMO_SECRET_KEY),
        ("DATABASE_URL", "mysql://db/countersign"),
        ("DATABASE_URL", "var/countersign.db"),
        ("OWNER_DATABASE_URL", "sqlite:///var/countersign.db"),
        ("CHECKPOINT_STORE", "ftp://heads"),
        ("OBJECT_STORE", "s3://"),
        ("SMTP_URL", "mail.example:25"),
        ("SMTP_URL", "smtp://"),
        ("MAIL_FROM", "countersign"),
        ("BOUNCE_ADDRESS", "Bounces <bounces@countersign.example>"),
        ("BOUNCE_ADDRESS", "bounces+all@countersign.example"),
        ("BOUNCE_ADDRESS", "b@x\r\nBcc: c@d"),
        ("BOUNCE_ADDRESS", f"{'b' * 21}@countersign.example"),
        ("MAIL_FROM", "a@b\r\nBcc: c@d"),
        ("MAIL_FROM", "A <a@b> <c@d>"),
        ("ALLOW_PRIVATE_NETWORKS", "maybe"),
        ("METRICS_TOKEN", "short"),
        ("REQUESTS_PER_HOUR", "0"),
        ("REQUESTS_PER_HOUR", "-1"),
        ("REQUESTS_PER_HOUR", "many"),
        ("TOKEN_KEY", "AAAA"),
        ("TRAIL_KEYS", "AAAA"),
        ("TRAIL_KEYS", "{}"),
        ("TRAIL_KEYS", "{"),
        ("TRAIL_KEYS", '{"VENDOR": 1}'),
        ("DEVELOPMENT", "perhaps"),
    ],
)
def test_a_bad_setting_is_named_and_its_value_not_repeated(name: str, value: str) -> None:
    lines = [line for line in problems(PRODUCTION | {f"COUNTERSIGN_{name}": value}) if "KEYS_DIR" not in line]
    (line,) = lines
    assert line.startswith(f"COUNTERSIGN_{name}: ")
    if name in {"SECRET_KEY", "METRICS_TOKEN", "DATABASE_URL"}:
        assert value not in line


def test_every_bad_setting_is_named_at_once() -> None:
    bad = {"COUNTERSIGN_BASE_URL": "http://x.example", "COUNTERSIGN_SMTP_URL": "x", "COUNTERSIGN_SECRET_KEY": "x"}
    assert sorted(line.partition(":")[0] for line in problems(PRODUCTION | bad)) == sorted(bad)


def test_a_slash_after_the_base_url_is_taken_off() -> None:
    assert load(PRODUCTION | {"COUNTERSIGN_BASE_URL": "https://a.example:8443/"}).base_url == "https://a.example:8443"


def test_development_with_tls_has_the_same_cookies_as_production() -> None:
    settings = load(DEVELOPMENT | {"COUNTERSIGN_BASE_URL": "https://localhost:8443"})
    assert settings.cookie_prefix == "__Host-"


def test_a_short_secret_key_is_refused_in_development_too() -> None:
    (line,) = problems(DEVELOPMENT | {"COUNTERSIGN_SECRET_KEY": "short"})
    assert "openssl rand" in line


def test_the_demo_refuses_outside_development() -> None:
    with pytest.raises(SettingsError, match="COUNTERSIGN_DEVELOPMENT: the demo world"):
        load(PRODUCTION).refuse_outside_development("the demo world")


@pytest.mark.parametrize("text", ["true", "TRUE", "1", "yes"])
def test_yes_is_said_in_four_ways(text: str) -> None:
    assert load({"COUNTERSIGN_DEVELOPMENT": text}).development
    assert load(PRODUCTION | {"COUNTERSIGN_ALLOW_PRIVATE_NETWORKS": text}).allow_private_networks


VALUES = {"COUNTERSIGN_TOKEN_KEY": PEM, "COUNTERSIGN_TRAIL_KEYS": json.dumps({"VENDOR": PEM})}


def test_keys_come_from_a_directory_or_from_values() -> None:
    without = {name: value for name, value in PRODUCTION.items() if name != "COUNTERSIGN_KEYS_DIR"}
    for environ in (without, DEVELOPMENT):
        settings = load(environ | VALUES)
        assert (settings.keys_dir, settings.token_key, settings.trail_keys) == (None, PEM, {"VENDOR": PEM})


@pytest.mark.parametrize("given", [["TOKEN_KEY"], ["TRAIL_KEYS"], ["TOKEN_KEY", "TRAIL_KEYS", "KEYS_DIR"]])
def test_keys_from_parts_of_both_are_refused(given: list[str]) -> None:
    everything = VALUES | PRODUCTION
    chosen = {f"COUNTERSIGN_{name}": everything[f"COUNTERSIGN_{name}"] for name in given}
    (line,) = problems(DEVELOPMENT | chosen)
    assert line.startswith("COUNTERSIGN_KEYS_DIR: ")


def in_file(path: Path, text: str) -> dict[str, str]:
    path.write_text(text)
    return {"COUNTERSIGN_SETTINGS": str(path)}


def test_a_file_holds_the_same_names_and_the_environment_wins(tmp_path: Path) -> None:
    lines = [f"{name} = {json.dumps(value)}" for name, value in PRODUCTION.items()]
    lines += ["COUNTERSIGN_REQUESTS_PER_HOUR = 7", "COUNTERSIGN_ALLOW_PRIVATE_NETWORKS = true", "# a comment"]
    environ = in_file(tmp_path / "countersign.toml", "\n".join(lines))
    settings = load(environ | {"COUNTERSIGN_LOG_NAME": "other.example"})
    assert settings.base_url == PRODUCTION["COUNTERSIGN_BASE_URL"]
    assert (settings.requests_per_hour, settings.allow_private_networks) == (7, True)
    assert settings.log_name == "other.example"


@pytest.mark.parametrize("text", ["not toml", "COUNTERSIGN_BASE_URL = https://x", "\x00"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    assert problems(in_file(tmp_path / "s.toml", text) | PRODUCTION)[0].startswith("COUNTERSIGN_SETTINGS: ")


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    assert problems(PRODUCTION | {"COUNTERSIGN_SETTINGS": str(tmp_path / "none")})[0].startswith("COUNTERSIGN_SETTINGS")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    assert problems(PRODUCTION | {"COUNTERSIGN_SETTINGS": str(tmp_path / "bytes")})


def test_a_name_in_the_file_that_is_no_setting_is_told(tmp_path: Path) -> None:
    environ = in_file(tmp_path / "s.toml", 'COUNTERSIGN_SMPT_URL = "smtp://x"')
    assert problems(PRODUCTION | environ) == (
        f"COUNTERSIGN_SMPT_URL: is no setting; take it out of {tmp_path / 's.toml'}",
    )


def test_no_secret_is_in_a_repr_or_a_problem(tmp_path: Path) -> None:
    shown = repr(load(PRODUCTION))
    shown += str(
        problems(PRODUCTION | {"COUNTERSIGN_BASE_URL": "http://x", "COUNTERSIGN_SMTP_URL": "x://u:hunter22@m"})
    )
    secrets: list[Any] = [SECRET, "hunter22"]
    assert not any(secret in shown for secret in secrets)
