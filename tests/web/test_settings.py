"""Settings as admins meet them: the overview, changes that wait, policy, sign-in, environments, people, notices."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from app.actions.changes import set_at_once
from app.actions.institutions import apply
from app.actions.operators import operator
from app.actions.wanted import of_policy
from app.actions.world import read_world
from app.audit.evidence import nonce_of
from app.domain.policy import Blackout, Hours, Policy
from tests.actions.worlds import AUDITOR, CODE, DEPUTY, HEAD, LIBRARIAN, TLS, WORLD, another_institution
from tests.identity.evils import EVILS
from tests.identity.malicious_provider import HONEST, MaliciousProvider
from tests.web.reading import judge
from tests.web.site import BASE, Site

ROOMS = ("policy", "sign-in", "environments", "environments/new", "people/new", "notifications")


async def _bad_change(site: Site) -> str:
    """A looser policy, proposed by the head, on its page."""
    site.enter(HEAD)
    looser = Policy(max_window_minutes=1440, second_approval_over_minutes=300)
    change = await set_at_once(site.world.services, await site.world.visitor(HEAD), of_policy(CODE, looser))
    assert change is not None
    await site.open(f"/settings/changes/{change}")
    return change


async def test_a_change_is_read_and_countersigned_with_the_sentence_that_was_shown(site: Site) -> None:
    change = await _bad_change(site)
    outline = judge(site.text)
    statement = outline.text_of("statement")
    assert "longest window from 480 minutes to 1,440 minutes" in site.text
    await site.send(f"/changes/{change}")
    assert f"nonce={nonce_of(statement.encode())}&" in site.answer.headers["location"]
    assert (await site.world.institution()).policy.max_window_minutes == 480
    await site.through_provider(HEAD)
    assert (site.path, site.status) == ("/settings", 200)
    judge(site.text)
    assert (await site.world.institution()).policy.max_window_minutes == 1440
    assert "Nothing waits." in site.text


async def test_a_change_is_rejected_in_one_press_from_the_overview(site: Site) -> None:
    change = await _bad_change(site)
    await site.open("/settings")
    judge(site.text)
    assert "Longest window: 480 minutes to 1,440 minutes" in site.text
    assert site.world.codes[CODE] in site.text
    await site.send(f"/changes/{change}", reject="1")
    assert "Nothing waits." in site.text
    assert (await site.get(f"/settings/changes/{change}")).status_code == 404
    assert (await site.world.institution()).policy == Policy(second_approval_over_minutes=300)


async def test_a_sentence_that_is_stale_is_shown_anew_and_not_signed(site: Site) -> None:
    change = await _bad_change(site)
    form = site.form(f"/changes/{change}")
    shorter = Policy(max_window_minutes=60, second_approval_over_minutes=300)
    await set_at_once(site.world.services, await site.world.visitor(HEAD), of_policy(CODE, shorter))
    answer = await site.post(form)
    assert answer.status_code == 409
    judge(answer.text)
    assert "longest window from 60 minutes to 1,440 minutes" in answer.text


async def test_others_than_admins_see_no_settings_and_change_nothing(site: Site) -> None:
    change = await _bad_change(site)
    paths = [f"/settings/{room}" for room in (*ROOMS, f"changes/{change}", "environments/alma-production")]
    for email in (LIBRARIAN, AUDITOR):
        site.enter(email)
        assert (await site.get("/settings")).headers["location"] == "/settings/sessions"
        for path in paths:
            assert (await site.get(path)).status_code == 404, path
        await site.open("/requests")
        csrf = dict(site.form("/sign-out").fields)["csrf"]
        posts = [path for path in paths if path != "/settings/sign-in"]
        for path in (*posts, "/settings/sign-in/test"):
            data = {
                "csrf": csrf,
                "reject": "1",
                "name": "x",
                "email": "x@example.edu",
                "product": "alma",
                "change": change,
            }
            answer = await site.client.post(path, data=data, headers={"Origin": BASE})
            assert answer.status_code in {404, 422}, path
    assert change in (await site.world.institution()).changes
    site.leave()
    for path in paths:
        assert (await site.get(path)).headers["location"].startswith("/sign-in?next=")


async def test_pages_of_settings_are_well_made_and_their_links_lead_somewhere(site: Site) -> None:
    await _bad_change(site)
    links = set[str]()
    for path in ("", *(f"/{room}" for room in ROOMS), "/environments/alma-production", "/people"):
        await site.open(f"/settings{path}")
        assert site.status == 200, path
        links |= judge(site.text).links
    for link in sorted(
        link for link in links if not link.startswith(("/sign-out", "/static", "/settings/sign-in/test"))
    ):
        assert (await site.get(link)).status_code in {200, 303}, link


async def test_the_policy_is_saved_by_halves_stricter_at_once_and_looser_as_a_change(site: Site) -> None:
    site.enter(HEAD)
    await site.open("/settings/policy")
    await site.send("/settings/policy", approvals_required="2", max_window_minutes="960")
    assert site.path.startswith("/settings/changes/chg_")
    found = (await site.world.institution()).policy
    assert (found.approvals_required, found.max_window_minutes) == (2, 480)
    assert "longest window from 480 minutes to 960 minutes." in site.text
    await site.open("/settings/policy")
    form = site.form("/settings/policy")
    assert form.filled()["approvals_required"] == "2"


async def test_every_rule_of_the_form_is_kept_as_it_was_shown(site: Site) -> None:
    policy = Policy(
        approvals_required=2,
        second_approval_over_minutes=45,
        working_hours=(Hours("mon", 480, 720), Hours("mon", 780, 1020), Hours("tue", 510, 1440)),
        access_hours=(Hours("sun", 0, 60),),
        blackouts=(Blackout("2026-12-23T18:00", "2027-01-04T07:30"),),
        remind_after_minutes=(5, 10),
        escalate_after_minutes=1440,
        acr_values=("https://refeds.org/profile/mfa", "b"),
    )
    site.enter(HEAD)
    for wanted in (policy, Policy()):
        change = await set_at_once(site.world.services, await site.world.visitor(HEAD), of_policy(CODE, wanted))
        if change is not None:
            await site.world.countersign(HEAD, change)
            site.enter(HEAD)
        await site.open("/settings/policy")
        await site.send("/settings/policy")
        assert site.path == "/settings/policy"
        assert (await site.world.institution()).policy == wanted
    assert (await site.world.institution()).changes == {}


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"max_window_minutes": "many"}, "Give a whole number."),
        ({"max_window_minutes": "4321"}, "from 15 to 4320"),
        ({"remind_after_minutes": "5, 5"}, "rising"),
        ({"working_hours.mon.from": "08:00"}, "HH:MM is wanted"),
        ({"blackouts.1.from": "2026-12-23"}, "Give both ends of the range."),
        ({"blackouts.1.from": "</x>", "blackouts.1.to": "x"}, "YYYY-MM-DDTHH:MM is wanted"),
        ({"approvals_required": "0"}, "from 1 to 5"),
    ],
)
async def test_what_a_policy_cannot_be_is_said_at_its_field(site: Site, changes: dict[str, Any], says: str) -> None:
    site.enter(HEAD)
    await site.open("/settings/policy")
    await site.send("/settings/policy", **changes)
    assert site.status == 422
    judge(site.text)
    assert says in site.text
    assert (await site.world.institution()).policy == Policy(second_approval_over_minutes=300)


async def test_an_approver_is_added_by_a_change_and_an_auditor_at_once(site: Site) -> None:
    site.enter(HEAD)
    await site.open("/settings/people/new")
    await site.send("/people/new", name="New Auditor", email="Reader@example.edu", roles="auditor")
    assert site.path == "/settings/people"
    assert "reader@example.edu" in site.text
    assert "Who is told of a new request" in site.text
    await site.open("/settings/people/new")
    await site.send("/people/new", name="New", email="new@example.edu", roles="approver", products="alma")
    assert site.path.startswith("/settings/changes/chg_")
    assert "New (new@example.edu) joins the people of" in site.text
    await site.open("/settings/people/new")
    await site.send("/people/new", name="", email="nothing", roles="approver")
    assert site.status == 422
    judge(site.text)
    await site.open("/settings/people/new")
    await site.send("/people/new", email="someone@vendor.example", roles="approver")
    assert site.status == 422
    assert "Nobody with an address of the vendor" in site.text


async def test_an_environment_is_added_and_changed_by_changes(site: Site) -> None:
    site.enter(HEAD)
    new = {"name": "alma-sandbox", "product": "alma", "tier": "sandbox", "phase": "support"}
    new |= {"url": "https://sb.example.edu", "gateway_audience": "https://gateway.vendor.example/sb"}
    await site.open("/settings/environments/new")
    await site.send("/environments/new", **new)
    assert "has a new environment: alma-sandbox (Alma sandbox) at https://sb.example.edu" in site.text
    await site.open("/settings/environments/alma-production")
    await site.send("/environments/alma-production", gateway_audience="https://other.example")
    assert "Gateway audience" in site.text
    for wrong, says in (
        ({"url": "x"}, "An http"),
        ({"url": "https://other.alma.vendor.example"}, "This address cannot be used"),
        ({"name": "esploro-sandbox"}, "of this name already"),
        ({"phase": "implementation"}, "Give it exactly where phase"),
    ):
        await site.open("/settings/environments/new")
        await site.send("/environments/new", **(new | wrong))
        assert site.status == 422, wrong
        judge(site.text)
        assert says in site.text or "An https" in site.text


async def test_other_addresses_for_notices_wait_and_another_name_counts_at_once(site: Site) -> None:
    site.enter(HEAD)
    await site.open("/settings/notifications")
    await site.send("/notifications", name="Renamed Library")
    assert (site.path, "Renamed Library" in site.text) == ("/settings", True)
    await site.open("/settings/notifications")
    await site.send("/notifications", notify="it@example.edu\nhelp@example.edu")
    assert site.path.startswith("/settings/changes/chg_")
    assert "it@example.edu, help@example.edu" in site.text
    await site.open("/settings/notifications")
    await site.send("/notifications", notify="nobody", timezone="Nowhere")
    assert site.status == 422
    judge(site.text)


async def _through(site: Site, provider: MaliciousProvider, email: str, sub: str) -> None:
    """Sign in at another provider, where a test leads."""
    while site.answer.is_redirect:
        provider.email, provider.sub = email, sub
        async with httpx2.AsyncClient(verify=TLS, trust_env=False) as client:
            back = urlsplit((await client.get(site.answer.headers["location"])).headers["location"])
        await site._follow(await site.client.get(f"{back.path}?{back.query}"))


async def test_another_provider_is_tried_before_it_can_be_countersigned_and_then_counts(site: Site) -> None:
    world = site.world
    site.enter(HEAD)
    with MaliciousProvider(clients={"new": "new secret", "approve": "approval secret"}) as other:
        other.clock = lambda: world.now().timestamp()
        await site.open("/settings/sign-in")
        await site.send("/settings/sign-in", issuer=other.issuer, client_id="new", approval_client_id="approve")
        assert site.status == 422
        judge(site.text)
        assert "belongs to this issuer" in site.text
        values = {"issuer": other.issuer, "client_id": "new", "approval_client_id": "approve"}
        values |= {"client_secret": "new secret", "approval_client_secret": "approval secret"}
        await site.open("/settings/sign-in")
        await site.send("/settings/sign-in", **values)
        change = site.path.rpartition("/")[2]
        judge(site.text)
        assert "secret for signing in from as it is to another, which is not shown" in site.text
        assert not any(secret in site.text for secret in ("new secret", "approval secret"))
        assert "Countersign at" not in site.text
        form = site.form(f"/changes/{change}")
        assert (await site.post(form)).status_code == 409
        await site.send("/sign-in/test")
        judge(site.text)
        await site.send(site.path.rpartition("/settings")[2])
        await _through(site, other, HEAD, "head at the new provider")
        assert site.path == f"/settings/changes/{change}"
        judge(site.text)
        assert "The test sign-in worked" in site.text
        assert "The same in both clients" in site.text
        await site.send(f"/changes/{change}")
        await site.through_provider(HEAD)
        assert site.path == "/sign-in"
        assert (await world.institution()).provider.issuer == other.issuer
        site.leave()
        await site.open(f"/sign-in/{CODE}")
        await site.send(f"/sign-in/{CODE}")
        await _through(site, other, HEAD, "head at the new provider")
        assert site.path == "/requests"
        await site.open("/settings/people")
        assert site.status == 200


@pytest.mark.parametrize(
    "evil, subs, says",
    [
        ("auth_time missing though max_age was sent", ("one", "one"), "id-token-auth-time"),
        ("", ("one", "another"), "nobody could countersign"),
        ("iat old", ("one", "one"), "What came back was refused"),
    ],
)
async def test_what_a_test_finds_is_shown_and_nothing_is_changed(
    site: Site, evil: str, subs: tuple[str, str], says: str
) -> None:
    site.enter(HEAD)
    with MaliciousProvider(clients={"new": "new secret", "approve": "approval secret"}) as other:
        other.clock = lambda: site.world.now().timestamp()
        values = {"issuer": other.issuer, "client_id": "new", "approval_client_id": "approve", "test": "1"}
        values |= {"client_secret": "new secret", "approval_client_secret": "approval secret"}
        await site.open("/settings/sign-in")
        await site.send("/settings/sign-in", **values)
        assert "Test sign-in" in site.text
        await site.send(site.path.rpartition("/settings")[2])
        for leg, sub in enumerate(subs):
            other.evil = EVILS[evil] if evil and leg else HONEST
            if site.answer.is_redirect:
                other.email, other.sub = HEAD, sub
                async with httpx2.AsyncClient(verify=TLS, trust_env=False) as client:
                    back = urlsplit((await client.get(site.answer.headers["location"])).headers["location"])
                await site._follow(await site.client.get(f"{back.path}?{back.query}"))
        assert site.path == "/settings/sign-in"
        judge(site.text)
        assert says in site.text
        assert site.form("/settings/sign-in").filled()["issuer"] == other.issuer
        assert (await site.world.institution()).changes == {}
        await site.send("/settings/sign-in")
        assert "Countersign at" not in site.text
        assert "sign-in-untested" not in site.text


async def test_a_provider_that_serves_another_institution_alone_is_refused_at_its_field(site: Site) -> None:
    issuer, world = "https://login.nul.example", site.world
    other = another_institution("02NUL_INST").replace("other.", "nul.").replace("$ISSUER", issuer)
    other = other.replace('secret = "secret"', 'secret = "secret"\nexclusive = true')
    ends = (world.now() + timedelta(days=200)).date().isoformat()
    text = (WORLD.read_text().replace("$ISSUER", world.provider.issuer) + other).replace('"$ENDS"', ends)
    declared = read_world(text.encode(), environ={}, folder=world.directory, allow_http=True)
    assert not (await apply(world.services, declared, operator(world.services, "tests"))).refused
    site.enter(HEAD)
    await site.open("/settings/sign-in")
    values = {"issuer": issuer, "client_id": "new", "approval_client_id": "", "client_secret": "new secret"}
    await site.send("/settings/sign-in", **values, exclusive="true")
    assert site.status == 422
    judge(site.text)
    assert "another institution has declared that this provider serves it alone" in site.text
    assert 'href="#exclusive"' in site.text
    await site.send("/settings/sign-in", **values, exclusive="false")
    assert site.path.startswith("/settings/changes/")


async def test_other_secrets_of_the_provider_in_force_are_kept_at_once(site: Site) -> None:
    site.enter(HEAD)
    site.world.provider.clients = {**site.world.provider.clients, "countersign": "a newer secret"}
    await site.open("/settings/sign-in")
    await site.send("/settings/sign-in", client_secret="a newer secret")
    assert site.path == "/settings/sign-in"
    assert (await site.world.institution()).changes == {}
    site.leave()
    await site.sign_in(DEPUTY)
    assert site.path == "/requests"


async def test_our_own_key_takes_the_place_of_a_secret_and_the_page_says_so(site: Site) -> None:
    world = site.world
    site.enter(HEAD)
    await site.open("/settings/sign-in")
    judge(site.text)
    assert f"{BASE}/.well-known/client-jwks.json" in site.text
    await site.send("/settings/sign-in", client_secret_key="true")
    assert (site.path, site.status) == ("/settings/sign-in", 200)
    form = site.form("/settings/sign-in").filled()
    assert form["client_secret_key"] == "true"
    assert "approval_client_secret_key" not in form
    site.leave()
    await site.open(f"/sign-in/{CODE}")
    answer = await site.post(site.form(f"/sign-in/{CODE}"))
    assert answer.status_code == 502, "this provider says that it takes no keys"
    site.enter(HEAD)
    await site.open("/settings/sign-in")
    fields = {
        name: value for name, value in site.form("/settings/sign-in").filled().items() if not name.endswith("_key")
    }
    answer = await site.client.post("/settings/sign-in", data=fields, headers={"Origin": BASE})
    assert answer.status_code == 422
    judge(answer.text)
    assert "or let Countersign sign in with its own key" in answer.text
    await site.client.post("/settings/sign-in", data=fields | {"client_secret": "secret"}, headers={"Origin": BASE})
    await site.open("/settings/sign-in")
    assert "client_secret_key" not in site.form("/settings/sign-in").filled()
    assert (await world.institution()).changes == {}
    site.leave()
    await site.sign_in(DEPUTY)
    assert site.path == "/requests"
