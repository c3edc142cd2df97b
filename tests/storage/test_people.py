"""Institutions, the roster, clients and browsers."""

from __future__ import annotations

from dataclasses import replace

from app.domain.ids import new_id
from app.storage import clients, institutions, roster, web_sessions
from app.storage.database import Database
from tests.storage.worlds import CODE, ORIGIN, at

INSTITUTION = institutions.InstitutionRow(
    CODE, "Example", ("a@example.edu",), ORIGIN, {"code": CODE}, b"sealed", None, enrolled=False
)
HEAD = roster.RosterRow(CODE, new_id("per", at(0)), "Head of Systems", "head@example.edu")
DEPUTY = roster.RosterRow(CODE, new_id("per", at(1)), "Deputy", "deputy@example.edu")
CLIENT = clients.ClientRow(
    new_id("cli", at()), "support-console", "Console", ("hash",), None, None, ("requests",), ("*",), ()
)


async def test_institution_and_its_secrets_are_written_and_read(database: Database) -> None:
    secrets = institutions.EnvironmentSecrets(CODE, "alma-production", b"gate", None, None)
    async with database.begin() as tx:
        await institutions.add(tx, INSTITUTION)
        await institutions.save(tx, replace(INSTITUTION, enrolled=True, state={"code": CODE, "keys_seen": {}}))
        await institutions.set_environment_secrets(tx, secrets)
        await institutions.set_environment_secrets(tx, replace(secrets, alma_api_key=b"sealed"))
    async with database.read() as tx:
        found = await institutions.read(tx, CODE)
        assert found == replace(INSTITUTION, enrolled=True, state={"code": CODE, "keys_seen": {}})
        assert await institutions.read(tx, "OTHER") is None
        assert await institutions.codes(tx) == (CODE,)
        assert await institutions.read_all(tx) == [found]
        assert await institutions.read_all(tx, ["OTHER"]) == []
        assert await institutions.environment_secrets(tx, CODE) == [replace(secrets, alma_api_key=b"sealed")]
        assert (await institutions.environment_of_gate_key(tx, b"gate")) is not None
        assert await institutions.environment_of_gate_key(tx, b"other") is None


async def test_address_and_account_belong_to_one_person_of_an_institution(database: Database) -> None:
    async with database.begin() as tx:
        await institutions.add(tx, INSTITUTION)
        assert await roster.add(tx, HEAD)
        assert await roster.add(tx, DEPUTY)
        assert not await roster.add(tx, replace(HEAD, person=new_id("per", at(2))))
        assert await roster.bind(tx, CODE, HEAD.person, "https://idp", "s1")
        assert await roster.bind(tx, CODE, HEAD.person, "https://idp", "s1")
        assert not await roster.bind(tx, CODE, DEPUTY.person, "https://idp", "s1")
        assert await roster.bind(tx, CODE, DEPUTY.person, "https://other", "s1")
        assert await roster.of_email(tx, CODE, "Head@Example.edu") == replace(HEAD, iss="https://idp", sub="s1")
        assert [row.person for row in await roster.people(tx, CODE)] == [HEAD.person, DEPUTY.person]


async def test_removed_person_keeps_name_and_account_until_another_has_it(database: Database) -> None:
    again = replace(HEAD, person=new_id("per", at(2)))
    async with database.begin() as tx:
        await institutions.add(tx, INSTITUTION)
        await roster.add(tx, HEAD)
        await roster.bind(tx, CODE, HEAD.person, "https://idp", "s1")
        await roster.remove(tx, CODE, HEAD.person)
        assert await roster.read(tx, CODE, HEAD.person) == replace(HEAD, iss="https://idp", sub="s1", removed=True)
        for sub, email, gone in (("s1", "other", True), ("s2", HEAD.email, True), ("s2", "other", False)):
            assert await roster.was_removed(tx, CODE, "https://idp", sub, email) == gone
        assert await roster.of_email(tx, CODE, HEAD.email) is None
        assert await roster.of_account(tx, CODE, "https://idp", "s1") is None
        assert await roster.add(tx, again)
        assert await roster.bind(tx, CODE, again.person, "https://idp", "s1")
        assert await roster.read(tx, CODE, HEAD.person) == replace(HEAD, removed=True)
        assert not await roster.bind(tx, CODE, HEAD.person, "https://idp", "s2")


async def test_waiting_binding_is_taken_once(database: Database) -> None:
    first = roster.PendingBinding(CODE, HEAD.person, "https://idp", "s1", None, "sha256:0", b"{}", at())
    second = replace(first, sub="s2")
    async with database.begin() as tx:
        await institutions.add(tx, INSTITUTION)
        await roster.set_pending(tx, first)
        await roster.set_pending(tx, second)
        assert await roster.pending(tx, CODE) == [second]
        assert await roster.take_pending(tx, CODE, HEAD.person) == second
        assert await roster.take_pending(tx, CODE, HEAD.person) is None


async def test_client_is_found_by_the_name_it_signs_in_with(database: Database) -> None:
    async with database.begin() as tx:
        assert await clients.add(tx, CLIENT)
        assert not await clients.add(tx, replace(CLIENT, id=new_id("cli", at(1))))
        await clients.save(tx, replace(CLIENT, secrets=("new", "hash"), jwks={"keys": []}))
        found = await clients.of_client_id(tx, "support-console")
        assert found == await clients.read(tx, CLIENT.id) == replace(CLIENT, secrets=("new", "hash"), jwks={"keys": []})
        assert await clients.of_client_id(tx, "unknown") is None
        assert await clients.read_all(tx) == [found]


async def test_sign_in_under_way_comes_back_once_in_its_own_browser(database: Database) -> None:
    flow = web_sessions.SignInFlow(b"state", CODE, b"browser", {"nonce": "n"}, at())
    async with database.begin() as tx:
        await web_sessions.begin_flow(tx, flow)
    async with database.begin() as tx:
        assert await web_sessions.take_flow(tx, b"state", b"another browser") is None
    async with database.begin() as tx:
        assert await web_sessions.take_flow(tx, b"state", b"browser") == flow
    async with database.begin() as tx:
        assert await web_sessions.take_flow(tx, b"state", b"browser") is None


async def test_sessions_end_alone_by_person_by_account_and_by_age(database: Database) -> None:
    def session(n: int, sid: str | None = None) -> web_sessions.WebSessionRow:
        token = bytes([n])
        return web_sessions.WebSessionRow(token, CODE, HEAD.person, "i", "s", sid, {}, at(), at(), at(60 + n))

    async with database.begin() as tx:
        for each in (session(1), session(2, "one"), session(3, "two"), session(4)):
            await web_sessions.add(tx, each)
        await web_sessions.touch(tx, b"\x01", at(5))
        assert await web_sessions.read(tx, b"\x01") == replace(session(1), seen_at=at(5))
        assert await web_sessions.end(tx, b"\x01")
        assert not await web_sessions.end(tx, b"\x01")
        assert await web_sessions.end_of_account(tx, CODE, "i", None, None) == []
        assert await web_sessions.end_of_account(tx, CODE, "i", "s", "one") == [session(2, "one")]
        assert await web_sessions.logs_with_over(tx, at(62), at(-1)) == ()
        assert await web_sessions.logs_with_over(tx, at(63), at(-1)) == (CODE,)
        assert await web_sessions.end_over(tx, CODE, at(63), at(-1)) == [session(3, "two")]
        assert await web_sessions.read(tx, b"\x03") is None
        assert await web_sessions.end_of_person(tx, CODE, HEAD.person) == 1
