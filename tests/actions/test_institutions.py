"""Applying a world file: whole or not at all, any number of times, on both databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest

from app.actions.clients import add_client, rotate_client
from app.actions.institutions import Applied, apply, plan
from app.actions.keys import rotate_token_keys
from app.actions.operators import operator
from app.actions.world import read_client, read_world
from app.actions.worldspecs import ClientSpec, EnvironmentSpec, InstitutionSpec
from app.actions.worldspecs import World as File
from app.actions.worldtable import WorldError
from app.domain.errors import Refused, Unavailable
from app.domain.institution import Institution
from app.storage import clients, entries, institutions, nodes, roster
from app.storage.leaves import Stored
from app.trail import canonical
from tests.actions.worlds import CODE, WORLD, World

Sizes = dict[str, int]


def file(world: World) -> File:
    """The file that the world was made of."""
    ends = (world.now() + timedelta(days=200)).date().isoformat()
    text = WORLD.read_text().replace("$ISSUER", world.provider.issuer).replace('"$ENDS"', ends)
    return read_world(text.encode(), environ={}, folder=world.directory, allow_http=True)


async def applied(world: World, declared: File) -> Applied:
    return await apply(world.services, declared, operator(world.services, "tests"))


async def sizes(world: World) -> Sizes:
    async with world.services.database.read() as tx:
        return {log: size for log, _, size in await nodes.sizes(tx)}


async def trail(world: World, code: str) -> list[Stored]:
    async with world.services.database.read() as tx:
        return await entries.read_leaves(tx, code, 0, 1000)


async def types(world: World, code: str, start: int = 0) -> list[str]:
    return [each.entry.type for each in (await trail(world, code))[start:]]


def another(world: World, code: str) -> InstitutionSpec:
    """A second institution like the first."""
    spec = file(world).institutions[0]
    environments = tuple(
        EnvironmentSpec(replace(each.environment, url=f"https://{code.lower()}{place}.example"), None, None, None)
        for place, each in enumerate(spec.environments)
    )
    shared = replace(spec.provider, provider=replace(spec.provider.provider, exclusive=False))
    return replace(spec, code=code, path=f"institutions.{code}", environments=environments, provider=shared)


async def test_the_same_file_again_changes_nothing(world: World) -> None:
    before = await sizes(world)
    assert await applied(world, file(world)) == Applied((), (), ())
    assert await sizes(world) == before


async def test_the_first_apply_tells_the_vendors_log_everything(world: World) -> None:
    types_of = await types(world, "VENDOR")
    assert types_of[0] == "trail.opened"
    assert sorted(types_of[1:-1]) == [
        "client.created",
        "institution.registered",
        *["key.added"] * 4,
    ]
    assert types_of[-1] == "configuration.applied"
    stored = await trail(world, "VENDOR")
    assert {each.entry.actor.id for each in stored} == {operator(world.services, "tests").id}
    logs = {each.entry.data["log"] for each in stored if each.entry.type == "key.added"}
    assert logs == {None, CODE, "VENDOR"}
    assert stored[-1].entry.data["digest"] == file(world).digest


async def test_the_enrolment_code_is_of_entry_0_which_names_nobody(world: World) -> None:
    first = (await trail(world, CODE))[0]
    assert world.codes[CODE] == canonical.code(sha256(first.leaf).digest(), 16)
    registered = [each for each in await trail(world, "VENDOR") if each.entry.type == "institution.registered"]
    assert registered[0].entry.data == {"code": CODE, "opened": canonical.sha(first.leaf)}
    for person in file(world).institutions[0].people:
        assert person.email.encode() not in first.leaf
        assert person.name.encode() not in first.leaf
    async with world.services.database.read() as tx:
        row = await institutions.read(tx, CODE)
        people = await roster.people(tx, CODE)
    assert row is not None
    assert not row.enrolled
    assert {person.email for person in people} == {person.email for person in file(world).institutions[0].people}
    assert Institution.from_data(row.state).people.keys() == {person.person for person in people}


async def test_a_dry_run_says_what_would_be_and_changes_nothing(world: World) -> None:
    before = await sizes(world)
    wanted = replace(file(world), institutions=(*file(world).institutions, another(world, "02NUL_INST")))
    outcome = await plan(world.services, wanted)
    assert outcome.created == (("02NUL_INST", None),)
    assert outcome.changed == ("+ institution 02NUL_INST (Example University Library)",)
    assert await sizes(world) == before
    assert (await applied(world, wanted)).changed == outcome.changed


async def test_several_logs_are_opened_in_one_append_each_beside_the_vendors(world: World) -> None:
    before = (await sizes(world))["VENDOR"]
    added = tuple(another(world, code) for code in ("ZZZ_INST", "00A_INST"))
    outcome = await applied(world, replace(file(world), institutions=(*file(world).institutions, *added)))
    assert {code for code, _ in outcome.created} == {"ZZZ_INST", "00A_INST"}
    assert await types(world, "VENDOR", before) == [
        *["key.added", "institution.registered"] * 2,
        "configuration.applied",
    ]
    assert [await types(world, code) for code in ("ZZZ_INST", "00A_INST")] == [["trail.opened"]] * 2


async def test_where_the_trail_says_otherwise_the_institutions_admins_are_asked_once(world: World) -> None:
    before, original = await sizes(world), file(world)
    spec = original.institutions[0]
    changed = replace(
        spec,
        time_zone="Europe/Berlin",
        policy=replace(spec.policy, max_window_minutes=600),
        people=(*spec.people[:-1], replace(spec.people[-1], email="new@example.edu")),
        provider=replace(spec.provider, provider=replace(spec.provider.provider, email_claim="mail")),
    )
    wanted = replace(original, institutions=(changed, another(world, "02NUL_INST")))
    outcome = await plan(world.services, wanted)
    assert await sizes(world) == before
    assert [line.split(":")[0] for line in outcome.changed if line[0] == "?"] == [
        "? institutions[0].timezone",
        "? institutions[0].policy.max_window_minutes",
        "? institutions[0].identity_provider.email_claim",
        "? institutions[0].people.new@example.edu",
        "? institutions[0].people.auditor@example.edu",
    ]
    assert "480 -> 600; proposed: an admin of the institution has to agree" in "".join(outcome.changed)
    assert (await applied(world, wanted)).changed == outcome.changed
    assert await types(world, CODE, before[CODE]) == ["change.proposed"] * 5
    assert (await applied(world, wanted)).changed == ()
    state = await world.institution()
    assert (state.time_zone, state.policy, state.provider.email_claim) == ("Europe/Vienna", spec.policy, "email")
    assert len(state.people) == len(spec.people)


async def test_what_loosens_nothing_and_is_no_persons_the_operator_does_at_once(world: World) -> None:
    before, original = await sizes(world), file(world)
    renamed = replace(original.institutions[0], name="University Library", locale="de")
    outcome = await applied(world, replace(original, institutions=(renamed,)))
    assert outcome.changed[0].startswith("~ institutions[0].locale: ")
    assert await types(world, CODE, before[CODE]) == ["institution.changed"]
    assert (await applied(world, replace(original, institutions=(renamed,)))).changed == ()


async def test_what_no_change_can_bring_about_refuses_the_whole_file(world: World) -> None:
    before, original = await sizes(world), file(world)
    spec = original.institutions[0]
    production, sandbox = spec.environments
    back = replace(production.environment, phase="implementation", implementation_ends="2027-01-01")
    for changed, path in (
        (replace(spec, environments=(production,)), "institutions[0].environments.esploro-sandbox"),
        (replace(spec, environments=(replace(production, environment=back), sandbox)), "institutions[0].environments"),
        (replace(spec, people=(replace(spec.people[0], name="Another"), *spec.people[1:])), "institutions[0].people."),
    ):
        wanted = replace(original, institutions=(changed, another(world, "02NUL_INST")))
        (line,) = (await applied(world, wanted)).refused
        assert line.startswith(path)
    assert await sizes(world) == before


async def test_what_the_vendors_log_pins_is_refused_too(world: World) -> None:
    original = file(world)
    wanted = replace(original, vendor=replace(original.vendor, name="Another"), vendor_domains=("other.example",))
    assert [line.split(":")[0] for line in (await applied(world, wanted)).refused] == ["vendor.domains", "vendor.name"]


async def test_an_environment_belongs_to_one_institution(world: World) -> None:
    original, added = file(world), another(world, "02NUL_INST")
    taken = replace(
        added.environments[0].environment, url=original.institutions[0].environments[0].environment.url + "/"
    )
    added = replace(added, environments=(replace(added.environments[0], environment=taken),))
    outcome = await applied(world, replace(original, institutions=(added,)))
    assert outcome.refused[0].startswith("institutions.02NUL_INST.environments[0].url: ")


async def test_a_provider_serves_one_institution_alone_or_none(world: World) -> None:
    original, added = file(world), another(world, "02NUL_INST")
    alone = replace(added.provider, provider=replace(added.provider.provider, exclusive=True))
    outcome = await applied(world, replace(original, institutions=(replace(added, provider=alone),)))
    assert outcome.refused[0].startswith("institutions.02NUL_INST.identity_provider.exclusive: another institution has")
    assert "exclusive = false" in outcome.refused[0]
    elsewhere = replace(alone, provider=replace(alone.provider, issuer="https://login.example.org"))
    assert (await applied(world, replace(original, institutions=(replace(added, provider=elsewhere),)))).created
    first = original.institutions[0]
    moved = replace(first, provider=replace(elsewhere, provider=replace(elsewhere.provider, approval_client_id=None)))
    (line,) = (await applied(world, replace(original, institutions=(moved,)))).refused
    assert line.startswith("institutions[0].identity_provider")
    assert "exclusive = false" in line
    shared = replace(moved.provider, provider=replace(moved.provider.provider, exclusive=False))
    assert (await applied(world, replace(original, institutions=(replace(moved, provider=shared),)))).refused == ()


async def test_an_implementation_phase_ends_within_540_days(world: World) -> None:
    added, before = another(world, "02NUL_INST"), await sizes(world)
    late = (world.now() + timedelta(days=542)).date().isoformat()
    environment = replace(added.environments[0].environment, phase="implementation", implementation_ends=late)
    added = replace(added, environments=(replace(added.environments[0], environment=environment),))
    with pytest.raises(WorldError, match="implementation_ends: at most 540 days away"):
        await applied(world, replace(file(world), institutions=(added,)))
    assert await sizes(world) == before


async def test_other_secrets_are_sealed_anew_without_a_word_in_the_institutions_trail(world: World) -> None:
    original, before = file(world), await sizes(world)
    spec = original.institutions[0]
    environment = replace(spec.environments[0], gate_key="a gate key of tests", alma_api_key="key of the API")
    changed = replace(
        spec,
        provider=replace(spec.provider, approval_client_secret="another secret"),
        environments=(environment, *spec.environments[1:]),
    )
    outcome = await applied(world, replace(original, institutions=(changed,)))
    assert outcome.changed == (f"~ institution {CODE} ({spec.name}): secrets",)
    assert (await sizes(world))[CODE] == before[CODE]
    assert await types(world, "VENDOR", before["VENDOR"]) == ["configuration.applied"]
    assert (await applied(world, replace(original, institutions=(changed,)))).changed == ()
    async with world.services.database.read() as tx:
        kept = await institutions.environment_secrets(tx, CODE)
    assert b"a gate key of tests" not in b"".join(filter(None, (kept[0].gate_key, kept[0].alma_api_key)))


async def test_other_secrets_of_an_enrolled_institution_wait_for_its_admins(enrolled: World) -> None:
    original = file(enrolled)
    spec = original.institutions[0]
    environment = replace(spec.environments[0], gate_key="a gate key of tests")
    provider = replace(spec.provider, client_secret="another secret")
    changed = replace(spec, provider=provider, environments=(environment, *spec.environments[1:]))
    async with enrolled.services.database.read() as tx:
        before = await institutions.environment_secrets(tx, CODE), await institutions.read(tx, CODE)
    outcome = await applied(enrolled, replace(original, institutions=(changed,)))
    assert [line[0] for line in outcome.changed] == ["?", "?"]
    assert (await applied(enrolled, replace(original, institutions=(changed,)))).changed == ()
    async with enrolled.services.database.read() as tx:
        kept, row = await institutions.environment_secrets(tx, CODE), await institutions.read(tx, CODE)
    assert before[1] is not None
    assert row is not None
    assert (kept, row.client_secret) == (before[0], before[1].client_secret)
    assert sorted(each.type for each in (await enrolled.institution()).changes.values()) == [
        "environment.set",
        "identity_provider.set",
    ]


async def test_a_client_is_created_rotated_and_revoked_as_declared(world: World) -> None:
    original = file(world)
    extra = ClientSpec("gateway", "the first secret of it", ("introspect",), ("*",), ("https://gateway.example",))
    before = (await sizes(world))["VENDOR"]
    await applied(world, replace(original, clients=(*original.clients, extra)))
    await applied(
        world, replace(original, clients=(*original.clients, replace(extra, secret="the second secret of it")))
    )
    async with world.services.database.read() as tx:
        row = await clients.of_client_id(tx, "gateway")
    assert row is not None
    assert world.services.secrets.secret_matches("the second secret of it", row.secrets)
    assert not world.services.secrets.secret_matches("the first secret of it", row.secrets)
    assert (await applied(world, original)).changed == ("- client gateway",)
    assert [each for each in await types(world, "VENDOR", before) if each.startswith("client.")] == [
        "client.created",
        "client.rotated",
        "client.revoked",
    ]
    refused = (await applied(world, replace(original, clients=(*original.clients, extra)))).refused
    assert refused == ("client gateway: was revoked, and stays so; declare it under another id",)


async def test_what_a_client_may_do_is_never_changed(world: World) -> None:
    original = file(world)
    wanted = replace(original, clients=(replace(original.clients[0], scopes=("requests",)),))
    assert "what a client may do is never changed" in (await applied(world, wanted)).refused[0]


async def test_a_client_added_by_hand_is_left_alone_and_may_be_rotated(world: World) -> None:
    services, who = world.services, operator(world.services, "tests")
    spec = read_client("by-hand", "secret of sixteen", ["trail:read"], [CODE], [])
    await add_client(services, who, spec)
    with pytest.raises(Refused):
        await add_client(services, who, spec)
    assert (await applied(world, file(world))).changed == ()
    first = await rotate_client(services, who, "by-hand", keep_old=False)
    second = await rotate_client(services, who, "by-hand", keep_old=True)
    async with services.database.read() as tx:
        row = await clients.of_client_id(tx, "by-hand")
    assert row is not None
    assert [services.secrets.secret_matches(each, row.secrets) for each in (str(spec.secret), first, second)] == [
        False,
        True,
        True,
    ]
    with pytest.raises(Refused):
        await rotate_client(services, who, "nobody", keep_old=False)


async def test_rotated_keys_stand_in_the_vendors_log(world: World) -> None:
    before = (await sizes(world))["VENDOR"]
    done = await rotate_token_keys(world.services, operator(world.services, "tests"))
    told = [each.entry for each in (await trail(world, "VENDOR"))[before:]]
    assert [(entry.type, entry.data["kid"]) for entry in told] == [
        ("key.added", done.added),
        ("key.retired", done.retired),
    ]
    assert (await applied(world, file(world))).changed == ()


async def test_two_applies_at_once_create_one_institution(world: World) -> None:
    wanted = replace(file(world), institutions=(*file(world).institutions, another(world, "02NUL_INST")))
    outcomes = await asyncio.gather(*(applied(world, wanted) for _ in range(4)), return_exceptions=True)
    created = [each.created for each in outcomes if isinstance(each, Applied) and each.created]
    assert len(created) == 1
    assert all(isinstance(each, Applied | Unavailable) for each in outcomes)
    registered = [each for each in await types(world, "VENDOR") if each == "institution.registered"]
    assert len(registered) == 2
