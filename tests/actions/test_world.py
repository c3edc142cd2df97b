"""World files, good and bad: every error names the key path and the remedy, and none quotes a secret."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from app.actions.world import read_world
from app.actions.worldspecs import World
from app.actions.worldtable import WorldError
from app.domain.policy import Policy
from app.domain.provider import Provider
from app.trail.cosignature import CosignerKey
from app.trail.note import VerifierKey

GOOD = """
[vendor]
name = "Ex Libris"
domains = ["vendor.example", "exlibris.example"]
[vendor.identity_provider]
issuer = "https://login.vendor.example"
client_id = "countersign"
client_secret = "env:VENDOR_OIDC_SECRET"
[[vendor.people]]
email = "Auditor@vendor.example"
roles = ["vendor_auditor"]

[[clients]]
id = "support-console"
secret = "file:console.secret"
scopes = ["requests", "tokens", "requests:read"]
institutions = ["*"]

[[institutions]]
code = "01EXU_INST"
name = "Example University Library"
timezone = "Europe/Vienna"
[institutions.identity_provider]
issuer = "https://login.example.edu"
client_id = "countersign"
client_secret = "as it stands"
[[institutions.environments]]
name = "alma-production"
product = "alma"
tier = "production"
phase = "support"
url = "https://exu.alma.vendor.example"
gateway_audience = "https://gateway.vendor.example/exu-alma"
[[institutions.environments]]
name = "esploro"
product = "esploro"
tier = "sandbox"
phase = "implementation"
implementation_ends = 2027-03-01
url = "https://exu.esploro.vendor.example"
gateway_audience = "https://gateway.vendor.example/exu-esploro"
[[institutions.people]]
email = "head@example.edu"
roles = ["admin", "approver"]
products = ["esploro", "alma"]
"""


def read(text: str, tmp_path: Path) -> World:
    (tmp_path / "console.secret").write_text("the secret of the console\n")
    environ = {"VENDOR_OIDC_SECRET": "the secret of the vendor"}
    return read_world(text.encode(), environ=environ, folder=tmp_path, allow_http=False)


def problems(text: str, tmp_path: Path) -> tuple[str, ...]:
    with pytest.raises(WorldError) as caught:
        read(text, tmp_path)
    return caught.value.problems


def test_a_file_with_little_in_it_has_defaults_for_the_rest(tmp_path: Path) -> None:
    world = read(GOOD, tmp_path)
    institution = world.institutions[0]
    assert world.vendor_domains == ("exlibris.example", "vendor.example")
    assert world.vendor.people[0].email == "auditor@vendor.example"
    assert world.vendor.provider.client_secret == "the secret of the vendor"
    assert world.clients[0].secret == "the secret of the console"
    assert world.clients[0].scopes == ("requests", "requests:read", "tokens")
    assert world.clients[0].audiences == ()
    assert institution.locale == "en"
    assert institution.notify == ()
    assert institution.policy == Policy()
    assert institution.provider.provider == Provider(
        "https://login.example.edu", "countersign", None, False, {}, "email", None, {}
    )
    assert institution.environments[1].environment.last_day == date(2027, 3, 1)
    assert (institution.people[0].name, institution.people[0].products) == ("head@example.edu", ("alma", "esploro"))


def test_the_digest_is_of_the_exact_bytes(tmp_path: Path) -> None:
    assert read(GOOD, tmp_path).digest != read(GOOD + "\n", tmp_path).digest


def test_no_secret_shows_when_a_world_is_printed(tmp_path: Path) -> None:
    shown = repr(read(GOOD, tmp_path))
    assert "the secret of" not in shown
    assert "as it stands" not in shown


VKEY = CosignerKey("witness.example/w1", bytes(31) + b"\1").vkey
KEY_OF_A_LOG = VerifierKey("log.example", bytes(32)).vkey
A_WITNESS = f'[[witnesses]]\nurl = "https://witness.example"\nvkey = "{VKEY}"\n'
BAD: list[tuple[str, str, str]] = [
    ('name = "Ex Libris"\n', "", "vendor.name: is missing"),
    ("[vendor]\n", "[vendor]\nnotify = []\n", "vendor.notify: is not known here"),
    ("[vendor]\n", '[extra]\na = "b"\n[vendor]\n', "extra: is not known here"),
    ("[vendor]\n", f"{A_WITNESS.replace('https', 'ftp')}[vendor]\n", "witnesses[0].url: an https URL"),
    ("[vendor]\n", f"{A_WITNESS}{A_WITNESS}[vendor]\n", "witnesses: two have the same vkey"),
    ("[vendor]\n", f"{A_WITNESS.replace(VKEY, KEY_OF_A_LOG)}[vendor]\n", "witnesses[0].vkey: the key of a wit"),
    ('domains = ["vendor.example", "exlibris.example"]', 'domains = "vendor.example"', "vendor.domains: a list"),
    ('"exlibris.example"', '"Exlibris Example"', "vendor.domains[1]: a domain"),
    ("env:VENDOR_OIDC_SECRET", "env:NOT_THERE", "vendor.identity_provider.client_secret: the environment has no NOT_"),
    ("file:console.secret", "file:not.there", "clients[0].secret: "),
    ("file:console.secret", "short", "clients[0].secret: at least 16 characters"),
    ('id = "support-console"', 'id = "Support Console"', "clients[0].id: small letters"),
    ('"requests:read"', '"requests:write"', "clients[0].scopes[2]: one of accounts, admin"),
    ('institutions = ["*"]', 'institutions = ["*", "01EXU_INST"]', 'clients[0].institutions: give ["*"]'),
    ('institutions = ["*"]', 'institutions = ["*"]\njwks = {}', "clients[0].jwks: a JWK set"),
    ('code = "01EXU_INST"', 'code = "VENDOR"', "institutions[0].code: 3 to 40 capitals"),
    ('code = "01EXU_INST"', 'code = "exu"', "institutions[0].code: 3 to 40 capitals"),
    ('code = "01EXU_INST"', 'code = "01"', "institutions[0].code: 3 to 40 capitals"),
    ('code = "01EXU_INST"', "code = 1", "institutions[0].code: a string is wanted"),
    ('timezone = "Europe/Vienna"', 'timezone = "Vienna"', "institutions[0].timezone: a zone of the IANA database"),
    ("Europe/Vienna", "../../etc/passwd", "institutions[0].timezone: a zone of the IANA database"),
    ('name = "Example University Library"', 'name = "a\\u0007b"', "institutions[0].name: 1 to 200 characters"),
    ('timezone = "Eu', 'locale = "english"\ntimezone = "Eu', "institutions[0].locale: a language"),
    ('timezone = "Eu', 'notify = ["nobody"]\ntimezone = "Eu', "institutions[0].notify[0]: an e-mail address"),
    ("https://login.example.edu", "http://login.example.edu", "institutions[0].identity_provider.issuer: an https URL"),
    ("https://login.example.edu", "https://u:p@login.example.edu", "institutions[0].identity_provider.issuer: an"),
    ("https://login.example.edu", "https://login.vendor.example", "identity_provider.issuer: it is the vendor's"),
    ('"as it stands"', '""', "institutions[0].identity_provider.client_secret: at least 1 characters"),
    ('"as it stands"', '"x"\napproval_client_id = "a"', "identity_provider.approval_client_secret: is missing"),
    ('"as it stands"', '"x"\napproval_client_secret = "a"', "identity_provider.approval_client_secret: there is no"),
    ('"as it stands"', '"x"\nroles_claim = "groups"', "identity_provider.roles_claim: give it together with roles"),
    ('"as it stands"', '"x"\nroles = { a = "admin" }', "identity_provider.roles_claim: give it together with roles"),
    ('"as it stands"', '"x"\nroles_claim = "g"\nroles = { a = "operator" }', "identity_provider.roles.a: one of"),
    ('"as it stands"', '"x"\nexclusive = "yes"', "identity_provider.exclusive: true or false"),
    ('"as it stands"', '"x"\nrequired_claims = { tid = 1 }', "identity_provider.required_claims: a table of strings"),
    ('product = "alma"', 'product = "voyager"', "institutions[0].environments[0].product: one of alma"),
    ('tier = "production"', 'tier = "prod"', "institutions[0].environments[0].tier: one of production, sandbox"),
    ('phase = "support"', 'phase = "done"', "institutions[0].environments[0].phase: one of implementation, support"),
    ("implementation_ends = 2027-03-01\n", "", "environments[1].implementation_ends: give it exactly where phase"),
    ("= 2027-03-01", '= "2027-03-01"', "environments[1].implementation_ends: a date without quotes"),
    ("= 2027-03-01", "= 2027-03-01T00:00:00", "environments[1].implementation_ends: a date without quotes"),
    ('phase = "support"', 'phase = "support"\nimplementation_ends = 2027-03-01', "environments[0].implementation_ends"),
    ('phase = "support"', 'phase = "support"\ngate_key = "x"', "environments[0].gate_key: at least 16 characters"),
    ("https://exu.esploro", "https://EXU.alma", "institutions: two have the same environment's url https://exu.alma"),
    ('name = "esploro"', 'name = "alma-production"', "institutions[0].environments: two have the same name"),
    ('name = "esploro"', 'name = "Esploro!"', "institutions[0].environments[1].name: small letters"),
    ('["admin", "approver"]', '["approver"]', 'institutions[0].people: give one the role "admin"'),
    ('["admin", "approver"]', '["vendor_auditor"]', "institutions[0].people[0].roles[0]: one of approver"),
    ('["vendor_auditor"]', '["approver"]', "vendor.people[0].roles[0]: one of vendor_auditor, operator"),
    ("head@example.edu", "head@eu.vendor.example", "institutions[0].people[0].roles: nobody"),
    ("head@example.edu", "head at example.edu", "institutions[0].people[0].email: an e-mail address"),
    ('products = ["esploro", "alma"]', 'products = ["voyager"]', "institutions[0].people[0].products[0]: one of alma"),
    ("[[institutions.people]]", "[institutions.people]", "institutions[0].people: tables are wanted"),
]  # fmt: skip


@pytest.mark.parametrize("old, new, wanted", BAD, ids=[wanted[:60] for _, _, wanted in BAD])
def test_what_is_wrong_is_named_by_its_path_and_with_the_remedy(
    old: str, new: str, wanted: str, tmp_path: Path
) -> None:
    assert old in GOOD
    found = problems(GOOD.replace(old, new, 1), tmp_path)
    assert len(found) == 1, found
    assert wanted in found[0]


POLICIES: list[tuple[dict[str, Any], str]] = [
    ({"approvals_required": 6}, "institutions[0].policy.approvals_required: from 1 to 5"),
    ({"approvals_required": True}, "institutions[0].policy.approvals_required: int is wanted"),
    ({"max_window": 60}, "institutions[0].policy.max_window: is not known here"),
    ({"remind_after_minutes": [60, 30]}, "institutions[0].policy.remind_after_minutes: up to 5 numbers"),
    ({"retention_years": 0.5}, "institutions[0].policy.retention_years: int is wanted"),
]


@pytest.mark.parametrize("policy, wanted", POLICIES, ids=[wanted for _, wanted in POLICIES])
def test_a_policy_out_of_bounds_is_refused(policy: dict[str, Any], wanted: str, tmp_path: Path) -> None:
    lines = "".join(f"{name} = {str(value).lower()}\n" for name, value in policy.items())
    text = GOOD.replace(
        "[[institutions.environments]]", f"[institutions.policy]\n{lines}[[institutions.environments]]", 1
    )
    tomllib.loads(text)
    found = problems(text, tmp_path)
    assert len(found) == 1, found
    assert wanted in found[0]


def test_a_policy_may_have_hours_and_blackouts(tmp_path: Path) -> None:
    policy = """[institutions.policy]
access_hours = [{ day = "mon", from = "08:00", to = "18:00" }]
blackouts = [{ from = "2026-12-24T00:00", to = "2026-12-27T00:00" }]
[[institutions.environments]]"""
    world = read(GOOD.replace("[[institutions.environments]]", policy, 1), tmp_path)
    assert world.institutions[0].policy.access_hours[0].start == 8 * 60
    assert world.institutions[0].policy.blackouts[0].start == "2026-12-24T00:00"


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    text = (
        GOOD.replace('"Europe/Vienna"', '"Vienna"')
        .replace('tier = "sandbox"', "")
        .replace("[vendor]", "[vendor]\nx = 1")
    )
    found = problems(text, tmp_path)
    assert [each.partition(":")[0] for each in found] == [
        "vendor.x",
        "institutions[0].timezone",
        "institutions[0].environments[1].tier",
    ]


def test_two_of_a_kind_are_refused(tmp_path: Path) -> None:
    institution = GOOD[GOOD.index("[[institutions]]") :]
    other = institution.replace("exu.", "nul.").replace("https://login.example.edu", "https://login.nul.example")
    assert problems(GOOD + other, tmp_path) == ("institutions: two have the same code 01EXU_INST; give each its own",)
    client = GOOD[GOOD.index("[[clients]]") : GOOD.index("[[institutions]]")]
    assert problems(GOOD + client, tmp_path) == ("clients: two have the same id support-console; give each its own",)


def test_one_provider_serves_one_institution_alone(tmp_path: Path) -> None:
    institution = GOOD[GOOD.index("[[institutions]]") :].replace("exu.", "nul.").replace("01EXU_INST", "01NUL_INST")
    alone = ("[institutions.identity_provider]\n", "[institutions.identity_provider]\nexclusive = true\n")
    assert len(read(GOOD + institution.replace(*alone), tmp_path).institutions) == 2
    (problem,) = problems((GOOD + institution).replace(*alone), tmp_path)
    assert problem.startswith("institutions[1].identity_provider.exclusive: another institution has declared")
    assert "exclusive = false" in problem


def test_one_gate_key_opens_one_environment_and_is_not_shown(tmp_path: Path) -> None:
    text = GOOD.replace("gateway_audience", 'gate_key = "gate key of sixteen"\ngateway_audience')
    assert problems(text, tmp_path) == ("institutions: two have the same gate_key; give each its own",)


@pytest.mark.parametrize("text", ["[vendor", "\x00", "a = 1\na = 2", "vendor = 1"])
def test_what_is_no_world_at_all_is_refused_too(text: str, tmp_path: Path) -> None:
    assert problems(text, tmp_path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="not TOML"):
        read_world(b"\xff\xfe", environ={}, folder=tmp_path, allow_http=False)
