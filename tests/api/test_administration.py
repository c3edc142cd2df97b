"""Administration of institutions by vendor systems: everything of theirs is proposed, nothing is done."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from app.actions import changes, doctor
from app.storage import institutions
from tests.actions.worlds import AUDITOR, CODE, HEAD
from tests.api.conftest import Api, events

BASE = "/v1/institutions"
HERE = f"{BASE}/{CODE}"
NOBODYS = "03NUL_INST"
PROVIDER = {
    "issuer": "https://login.example.org",
    "client_id": "new",
    "client_secret": "a new secret",
    "exclusive": True,
}
ENVIRONMENT = {
    "name": "alma-sandbox",
    "product": "alma",
    "tier": "sandbox",
    "phase": "support",
    "url": "https://exu-sb.alma.vendor.example",
    "gateway_audience": "https://gateway.vendor.example/exu-sb",
}
PERSON = {"email": "new@example.edu", "name": "New Librarian", "roles": ["approver"]}
NEW: dict[str, Any] = {
    "code": "02NUL_INST",
    "name": "Another Library",
    "timezone": "Europe/Vienna",
    "identity_provider": PROVIDER,
    "environments": [ENVIRONMENT],
    "people": [{"email": "head@example.org", "roles": ["approver", "admin"]}],
}

WRONG: list[tuple[str, str, Any, str]] = [
    ("PUT", f"{HERE}/policy", {"max_window_minutes": "60"}, "/max_window_minutes"),
    ("PUT", f"{HERE}/policy", {"max_window_minutes": 4321}, "/max_window_minutes"),
    ("PUT", f"{HERE}/policy", {"max_minutes": 60}, "/max_minutes"),
    ("PUT", f"{HERE}/policy", {"working_hours": [{"day": "mon", "from": "9", "to": "17:00"}]}, "/working_hours"),
    ("PUT", f"{HERE}/identity-provider", PROVIDER | {"issuer": "login.example.org"}, "/issuer"),
    ("PUT", f"{HERE}/identity-provider", PROVIDER | {"issuer": "https://login.vendor.example"}, "/issuer"),
    ("PUT", f"{HERE}/identity-provider", PROVIDER | {"client_secret": None}, "/client_secret"),
    ("PUT", f"{HERE}/identity-provider", PROVIDER | {"client_secret": "env:SECRET"}, "/client_secret"),
    ("PATCH", f"{HERE}/environments/alma-production", {"alma_api_key": "file:secret"}, "/alma_api_key"),
    ("PUT", f"{HERE}/identity-provider", PROVIDER | {"roles": {"g": "admin"}}, "/roles_claim"),
    ("POST", f"{HERE}/environments", ENVIRONMENT | {"phase": "implementation"}, "/implementation_ends"),
    ("POST", f"{HERE}/environments", ENVIRONMENT | {"name": "Alma"}, "/name"),
    ("POST", f"{HERE}/environments", ENVIRONMENT | {"name": "alma-production"}, "/name"),
    ("POST", f"{HERE}/environments", ENVIRONMENT | {"url": "https://exu.esploro.vendor.example"}, "/url"),
    ("PATCH", f"{HERE}/environments/alma-production", {"name": "x"}, "/name"),
    ("POST", f"{HERE}/people", PERSON | {"email": "new"}, "/email"),
    ("POST", f"{HERE}/people", PERSON | {"email": "head@example.edu"}, "/email"),
    ("POST", f"{HERE}/people", PERSON | {"email": "someone@vendor.example"}, "/roles"),
    ("POST", f"{HERE}/people", PERSON | {"roles": ["operator"]}, "/roles/0"),
    ("PATCH", HERE, {"timezone": "Nowhere/Land"}, "/timezone"),
    ("PATCH", HERE, {"notify": ["nobody"]}, "/notify/0"),
    ("POST", BASE, NEW | {"code": "VENDOR"}, "/code"),
    ("POST", BASE, NEW | {"people": [{"email": "a@example.org", "roles": ["auditor"]}]}, "/people"),
    (
        "POST",
        BASE,
        NEW | {"environments": [ENVIRONMENT | {"url": "https://exu.alma.vendor.example"}]},
        "/environments/0/url",
    ),
    ("GET", f"{BASE}?cursor=x", None, "/cursor"),
]


class Admin:
    """A client with the scope `admin`."""

    def __init__(self, calls: Api, token: str) -> None:
        self.http, self.headers = calls.http, {"Authorization": token}

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        sent = {} if body is None else {"json": body}
        return await self.http.request(method, path, headers={**self.headers, **headers}, **sent)


@pytest.fixture
async def admin(enrolled: Api) -> Admin:
    return Admin(enrolled, await enrolled.client("administration", ["admin"], ["*"], []))


async def _change(answer: httpx2.Response) -> str:
    assert answer.status_code == 202, answer.text
    (name,) = answer.json()
    assert name == "change"
    return str(answer.json()["change"])


async def test_everything_asked_of_an_institution_waits_and_is_proposed_once(enrolled: Api, admin: Admin) -> None:
    people = (await admin.call("GET", f"{HERE}/people")).json()["items"]
    person = next(each["id"] for each in people if each["name"] == "Auditor")
    before = await enrolled.world.institution()
    asked: list[tuple[str, str, Any]] = [
        ("PUT", f"{HERE}/policy", {"max_window_minutes": 1440}),
        ("PUT", f"{HERE}/policy", {"max_window_minutes": 60}),
        ("PUT", f"{HERE}/identity-provider", PROVIDER),
        ("POST", f"{HERE}/environments", ENVIRONMENT),
        ("PATCH", f"{HERE}/environments/alma-production", {"gateway_audience": "https://other.example"}),
        ("POST", f"{HERE}/people", PERSON),
        ("PATCH", f"{HERE}/people/{person}", {"roles": ["auditor", "approver"], "products": ["alma"]}),
        ("PATCH", HERE, {"notify": ["vendor@vendor.example"], "name": "Renamed"}),
    ]
    found = [await _change(await admin.call(*each)) for each in asked]
    assert len(set(found)) == len(found)
    assert [await _change(await admin.call(*each)) for each in asked] == found
    after = await enrolled.world.institution()
    assert set(after.changes) == set(found)
    assert (after.policy, after.provider, after.environments, after.people) == (
        before.policy,
        before.provider,
        before.environments,
        before.people,
    )
    listed = (await admin.call("GET", f"{HERE}/changes")).json()["items"]
    assert [each["id"] for each in listed] == sorted(found, reverse=True)
    assert {each["state"] for each in listed} == {"waiting"}
    assert [each["loosens"] for each in reversed(listed)] == [True, False, *[True] * 6]
    assert {each["proposed_by"][:4] for each in listed} == {"cli_"}
    text = str(listed)
    for secret in ("a new secret", "new@example.edu", "vendor@vendor.example"):
        assert secret not in text
    report = await enrolled.world.verify(await enrolled.world.bundle())
    assert (report.exit_code, report.findings) == (0, ())


async def test_an_admin_of_the_institution_applies_what_a_system_proposed(enrolled: Api, admin: Admin) -> None:
    world = enrolled.world
    longer = await _change(await admin.call("PUT", f"{HERE}/policy", {"max_window_minutes": 1440}))
    person = await _change(await admin.call("POST", f"{HERE}/people", PERSON))
    auditor = next(
        each["id"] for each in (await admin.call("GET", f"{HERE}/people")).json()["items"] if each["name"] == "Auditor"
    )
    leaves = await _change(await admin.call("DELETE", f"{HERE}/people/{auditor}"))
    await world.countersign(HEAD, longer)
    await world.countersign(HEAD, person)
    await world.sign_in(AUDITOR)
    await changes.reject(world.services, await world.visitor(HEAD), leaves)
    assert (await admin.call("GET", f"{HERE}/policy")).json()["max_window_minutes"] == 1440
    names = [each["name"] for each in (await admin.call("GET", f"{HERE}/people")).json()["items"]]
    assert "New Librarian" in names
    listed = (await admin.call("GET", f"{HERE}/changes")).json()["items"]
    assert {each["id"]: each["state"] for each in listed} == {longer: "applied", person: "applied", leaves: "rejected"}
    assert (await admin.call("PUT", f"{HERE}/policy", {"max_window_minutes": 1440})).status_code == 200
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())
    assert await doctor.examine(world.services) == []


async def test_no_address_stands_in_what_a_system_reads_of_changes(admin: Admin) -> None:
    await _change(await admin.call("PATCH", HERE, {"notify": ["vendor@vendor.example"]}))
    await _change(await admin.call("POST", f"{HERE}/people", {"email": "new@example.edu", "roles": ["approver"]}))
    listed = await admin.call("GET", f"{HERE}/changes")
    assert {each["title"] for each in listed.json()["items"]} == {"Addresses for notifications", "New person: somebody"}
    assert "@" not in listed.text


async def test_policy_and_provider_are_set_by_their_tags(admin: Admin) -> None:
    for path, body in ((f"{HERE}/policy", {"max_window_minutes": 60}), (f"{HERE}/identity-provider", PROVIDER)):
        answer = await admin.call("GET", path)
        tag = answer.headers["etag"]
        assert tag.startswith('"')
        assert "secret" not in answer.text
        stale = await admin.call("PUT", path, body, **{"If-Match": '"another"'})
        assert (stale.status_code, stale.json()["type"].rpartition("/")[2]) == (412, "stale")
        assert (await admin.call("PUT", path, body, **{"If-Match": f'"x", {tag}'})).status_code == 202
        assert (await admin.call("PUT", path, body)).status_code == 202


async def test_what_is_wrong_is_named_by_field(admin: Admin) -> None:
    for method, path, body, pointer in WRONG:
        answer = await admin.call(method, path, body)
        assert answer.status_code == 422, (path, answer.text)
        assert pointer in {each["pointer"] for each in answer.json()["errors"]}, answer.text


async def test_a_provider_that_serves_one_institution_alone_serves_no_other_alone(enrolled: Api, admin: Admin) -> None:
    issuer = enrolled.world.provider.issuer
    taken = await admin.call("POST", BASE, NEW | {"identity_provider": PROVIDER | {"issuer": issuer}})
    (error,) = taken.json()["errors"]
    assert (taken.status_code, error["pointer"]) == (422, "/identity_provider/exclusive")
    assert "exclusive = false" in error["detail"]
    assert (await admin.call("POST", BASE, NEW)).status_code == 201
    refused = await admin.call("PUT", f"{HERE}/identity-provider", PROVIDER)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/exclusive")
    shared = PROVIDER | {"exclusive": False, "required_claims": {"hd": "example.edu"}}
    assert (await admin.call("PUT", f"{HERE}/identity-provider", shared)).status_code == 202


async def test_an_institution_is_opened_once_and_its_code_is_told_once(enrolled: Api, admin: Admin) -> None:
    key = {"Idempotency-Key": "one"}
    answer = await admin.call("POST", BASE, NEW, **key)
    assert answer.status_code == 201, answer.text
    code = answer.json()["enrolment_code"]
    assert answer.headers["location"].endswith(f"{BASE}/02NUL_INST")
    again = await admin.call("POST", BASE, NEW, **key)
    assert (again.status_code, again.json()["enrolment_code"], again.headers["idempotency-replayed"]) == (
        201,
        code,
        "true",
    )
    twice = await admin.call("POST", BASE, NEW)
    assert (twice.status_code, twice.json()["type"].rpartition("/")[2]) == (409, "institution-exists")
    read = (await admin.call("GET", f"{BASE}/02NUL_INST")).json()
    assert (read["enrolled_at"], "enrolment_code" in read) == (None, False)
    codes = [each["code"] for each in (await admin.call("GET", BASE)).json()["items"]]
    assert codes == [CODE, "02NUL_INST"]
    page = await admin.call("GET", f"{BASE}?limit=1")
    assert page.json()["next_cursor"] is not None
    rest = await admin.call("GET", f"{BASE}?limit=1&cursor={page.json()['next_cursor']}")
    assert [each["code"] for each in rest.json()["items"]] == ["02NUL_INST"]
    assert await doctor.examine(enrolled.world.services) == []


async def test_secrets_of_what_is_enrolled_wait_sealed_until_an_admin_agrees(enrolled: Api, admin: Admin) -> None:
    world, path = enrolled.world, f"{HERE}/environments/alma-production"
    async with world.services.database.read() as tx:
        before, row = await institutions.environment_secrets(tx, CODE), await institutions.read(tx, CODE)
    given = {"gate_key": "a gate key of tests", "alma_api_key": "key of the API"}
    change_id = await _change(await admin.call("PATCH", path, given))
    provider = (await admin.call("GET", f"{HERE}/identity-provider")).json() | {"client_secret": "a wrong secret"}
    await _change(await admin.call("PUT", f"{HERE}/identity-provider", provider))
    async with world.services.database.read() as tx:
        after, kept_row = await institutions.environment_secrets(tx, CODE), await institutions.read(tx, CODE)
    assert row is not None
    assert kept_row is not None
    assert (after, kept_row.client_secret) == (before, row.client_secret)
    await world.countersign(HEAD, change_id)
    async with world.services.database.read() as tx:
        kept = (await institutions.environment_secrets(tx, CODE))[0]
    assert (kept.gate_key is not None, kept.alma_api_key is not None) == (True, True)
    assert (await admin.call("PATCH", path, given)).status_code == 200
    taken = await admin.call("PATCH", f"{HERE}/environments/esploro-sandbox", {"gate_key": "a gate key of tests"})
    assert taken.json()["errors"][0]["pointer"] == "/gate_key"
    await world.countersign(HEAD, await _change(await admin.call("PATCH", path, {"alma_api_key": None})))
    async with world.services.database.read() as tx:
        assert (await institutions.environment_secrets(tx, CODE))[0].alma_api_key is None
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())


async def test_what_no_entry_can_tell_is_no_method(admin: Admin) -> None:
    for path in (HERE, f"{HERE}/environments/alma-production"):
        answer = await admin.call("DELETE", path)
        assert answer.status_code == 405


async def test_what_is_not_the_callers_looks_like_nothing_before_the_scope_is_judged(enrolled: Api) -> None:
    elsewhere = Admin(enrolled, await enrolled.client("elsewhere", ["admin"], ["02NUL_INST"], []))
    reader = Admin(enrolled, await enrolled.client("reader", ["requests:read"], ["*"], []))
    here = Admin(enrolled, await enrolled.client("here", ["admin"], [CODE], []))
    person = (await here.call("GET", f"{HERE}/people")).json()["items"][0]["id"]
    bodies: dict[tuple[str, str], Any] = {
        ("GET", ""): None,
        ("PATCH", ""): {"name": "x"},
        ("GET", "/environments"): None,
        ("POST", "/environments"): ENVIRONMENT,
        ("GET", "/environments/alma-production"): None,
        ("PATCH", "/environments/alma-production"): {"tier": "sandbox"},
        ("GET", "/people"): None,
        ("POST", "/people"): PERSON,
        ("GET", f"/people/{person}"): None,
        ("PATCH", f"/people/{person}"): {"roles": ["admin"]},
        ("DELETE", f"/people/{person}"): None,
        ("GET", "/policy"): None,
        ("PUT", "/policy"): {},
        ("GET", "/identity-provider"): None,
        ("PUT", "/identity-provider"): PROVIDER,
        ("GET", "/changes"): None,
    }
    for (method, path), body in bodies.items():
        told = []
        for who, code in (
            (elsewhere, CODE),
            (elsewhere, "03NUL_INST"),
            (here, "03NUL_INST"),
            (here, "VENDOR"),
            (reader, "%00"),
        ):
            answer = await who.call(method, f"{BASE}/{code}{path}", body)
            assert answer.status_code == 404, (method, path, code)
            told.append({name: value for name, value in answer.json().items() if name != "instance"})
        assert told == [told[0]] * len(told)
        assert (await reader.call(method, f"{HERE}{path}", body)).status_code == 403
        assert (await Admin(enrolled, "").call(method, f"{HERE}{path}", body)).status_code == 401
    for path in ("/environments/nothing", f"/people/{person[:-1]}z", "/people/x"):
        assert (await here.call("GET", f"{HERE}{path}")).status_code == 404
    assert (await here.call("POST", BASE, NEW)).status_code == 404
    assert [each["code"] for each in (await here.call("GET", BASE)).json()["items"]] == [CODE]
    assert (await reader.call("GET", BASE)).status_code == 403
    assert await events(enrolled, "change.proposed") == []
