"""The main job through the pages: every step as a browser without scripts makes it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from starlette.responses import Response

from app.actions.reviews import review
from app.audit.evidence import nonce_of
from app.domain.request import Status
from tests.actions.worlds import AUDITOR, CODE, DEPUTY, HEAD, LIBRARIAN, World
from tests.identity.malicious_provider import Evil
from tests.web.reading import judge
from tests.web.site import Site, visit

ROLES = ("Fulfillment Administrator", "Letter Administrator")


async def _status(world: World, request_id: str) -> Status:
    return (await review(world.services, await world.visitor(HEAD), request_id)).status


async def test_from_the_mail_to_a_countersigned_approval_and_back(site: Site) -> None:
    world = site.world
    filed = await world.file(roles=ROLES)
    await site.open(f"/r/{filed.row.short}")
    assert site.status == 200
    for hidden in (filed.row.case_number, "Tier 3 engineer", filed.check_code, "exl_impl", "Nightly"):
        assert hidden not in site.text
    await site.send(f"/sign-in/{CODE}")
    await site.through_provider(LIBRARIAN)
    assert site.path == f"/requests/{filed.row.id}"
    assert filed.check_code in site.text
    await site.send("/answer", decision="approve", window="full", note="Call the systems desk first.")
    outline = judge(site.text)
    assert "/check/" in site.path
    assert "Call the systems desk first." in site.text
    statement = outline.text_of("statement")
    await site.send(site.path)
    assert f"nonce={nonce_of(statement.encode())}&" in site.answer.headers["location"]
    await site.through_provider(LIBRARIAN)
    assert site.path == f"/requests/{filed.row.id}"
    assert "You approved the access" in site.text
    assert await _status(world, filed.row.id) is Status.ACTIVE
    await site.send("/revoke")
    assert "Access has ended" in site.text
    assert await _status(world, filed.row.id) is Status.REVOKED


async def test_a_narrowed_answer_says_so_and_can_be_taken_up_again(site: Site) -> None:
    world = site.world
    filed = await world.file(roles=ROLES, not_before=world.now() + timedelta(hours=2), minutes=480)
    site.enter(LIBRARIAN)
    await site.open(f"/requests/{filed.row.id}")
    start = next(value for name, value in site.form("/answer").fields if name == "from")
    end = next(value for name, value in site.form("/answer").fields if name == "to")
    assert start < end
    form = site.form("/answer")
    answer = await site.post(form, decision="approve", window="own", role=ROLES[1])
    await site.open(answer.headers["location"])
    assert "with fewer roles than asked" in site.text
    back = next(link for link in judge(site.text).links if "?draft=" in link)
    await site.open(back)
    sent = site.form("/answer").fields
    assert ("decision", "approve") in sent
    assert [value for name, value in sent if name == "role"] == [ROLES[1]]


async def test_a_denial_is_recorded_at_once(site: Site) -> None:
    """U3, for a denial."""
    filed = await site.world.file()
    site.enter(DEPUTY)
    await site.open(f"/requests/{filed.row.id}")
    await site.send("/answer", decision="deny", why="Please come back on Friday.")
    assert "You <b>deny</b> this access" in site.text
    assert "statement" not in judge(site.text).ids
    assert await _status(site.world, filed.row.id) is Status.PENDING
    await site.send(site.path)
    assert "You denied the access" in site.text
    assert "Please come back on Friday." in site.text
    assert await _status(site.world, filed.row.id) is Status.DENIED


async def test_a_question_is_sent_at_once_and_decides_nothing(site: Site) -> None:
    filed = await site.world.file()
    site.enter(LIBRARIAN)
    await site.open(f"/requests/{filed.row.id}")
    await site.send("/answer", decision="ask", q="Which letter?\r\nAnd until when?")
    assert site.path == f"/requests/{filed.row.id}"
    assert "Which letter?\nAnd until when?" in site.text
    assert "The request is still open. No access is given." in site.text
    assert await _status(site.world, filed.row.id) is Status.PENDING


async def test_a_second_answer_is_told_that_a_colleague_was_first(site: Site) -> None:
    """U4."""
    world = site.world
    filed = await world.file()
    site.enter(LIBRARIAN)
    await site.open(f"/requests/{filed.row.id}")
    form = site.form("/answer")
    await world.approve(HEAD, filed.row.id)
    site.answer = await site.post(form, decision="deny")
    assert site.status == 409
    assert "A colleague has already answered" in site.text
    assert "This answer of yours was not recorded." in site.text
    await site.send("/revoke")
    assert await _status(world, filed.row.id) is Status.REVOKED


async def test_a_draft_that_is_used_twice_records_nothing_new(site: Site) -> None:
    filed = await site.world.file()
    site.enter(DEPUTY)
    await site.open(f"/requests/{filed.row.id}")
    await site.send("/answer", decision="deny")
    form, path = site.form(site.path), site.path
    await site.send(path)
    site.answer = await site.post(form)
    assert site.status == 410
    assert "Nothing new was recorded" in site.text


async def test_an_empty_answer_leads_to_its_fields_and_keeps_what_was_written(site: Site) -> None:
    """U2."""
    filed = await site.world.file(roles=ROLES)
    site.enter(LIBRARIAN)
    await site.open(f"/requests/{filed.row.id}")
    assert not any(name == "decision" for name, _ in site.form("/answer").fields)
    await site.send("/answer", note="<b>kept</b> & whole")
    assert site.status == 422
    outline = judge(site.text)
    assert "approve" in outline.anchors
    assert "Nothing was recorded yet." in site.text
    assert dict(site.form("/answer").fields)["note"].strip() == "<b>kept</b> & whole"
    assert not any(name == "decision" for name, _ in site.form("/answer").fields)


@pytest.mark.parametrize(
    "answer, anchor",
    [
        ({"decision": "approve", "window": "full", "role": []}, "r1"),
        ({"decision": "approve", "window": ""}, "w-full"),
        ({"decision": "approve", "window": "own", "to": "2020-01-01T00:00:00Z"}, "to"),
        ({"decision": "approve", "window": "own", "from": "soon"}, "from"),
        ({"decision": "approve", "window": "full", "note": "x" * 4001}, "note"),
        ({"decision": "deny", "why": "x" * 4001}, "why"),
        ({"decision": "ask", "q": " "}, "q"),
        ({"decision": ["approve", "deny"]}, "approve"),
    ],
    ids=["roles", "window", "to", "from", "note", "why", "q", "both"],
)
async def test_each_wrong_field_is_named_beside_it(site: Site, answer: dict[str, str], anchor: str) -> None:
    filed = await site.world.file(roles=ROLES)
    site.enter(LIBRARIAN)
    await site.open(f"/requests/{filed.row.id}")
    await site.send("/answer", **answer)
    assert site.status == 422
    outline = judge(site.text)
    assert anchor in outline.anchors
    assert f"e-{anchor}" in outline.ids


async def test_the_first_admin_reads_compares_and_confirms(newcomer: Site) -> None:
    site = newcomer
    await site.open(f"/enrol/{CODE}")
    assert site.path == f"/sign-in/{CODE}"
    await site.send(f"/sign-in/{CODE}")
    await site.through_provider(HEAD)
    assert site.path == f"/enrol/{CODE}"
    assert "countersign-approvals" in site.text
    assert (await site.get("/requests")).headers["location"] == f"/enrol/{CODE}"
    await site.send(f"/enrol/{CODE}", enrolment_code="AAAA-BBBB-CCCC-DDDD")
    assert site.status == 422
    assert "Nothing was confirmed." in site.text
    assert "AAAA-BBBB-CCCC-DDDD" in site.text
    await site.send(f"/enrol/{CODE}", enrolment_code=site.world.codes[CODE].lower())
    assert site.status == 200
    assert "Your library is enrolled" in site.text
    judge(site.text)


async def test_a_first_sign_in_waits_until_an_admin_confirms_it(newcomer: Site) -> None:
    world = newcomer.world
    await newcomer.sign_in(HEAD, f"/enrol/{CODE}")
    await newcomer.send(f"/enrol/{CODE}", enrolment_code=world.codes[CODE])
    async with visit(world) as other:
        await other.sign_in(LIBRARIAN)
        assert other.status == 403
        assert "waits for an admin" in other.text
        assert "no answer was recorded" in other.text
        await newcomer.open("/settings/people")
        assert f"sub-of-{LIBRARIAN}" in newcomer.text
        judge(newcomer.text)
        await newcomer.send("/settings/people", binding="confirm")
        assert newcomer.status == 200
        await other.sign_in(LIBRARIAN)
        assert other.path == "/requests"


async def test_a_refused_first_sign_in_is_gone(newcomer: Site) -> None:
    world = newcomer.world
    await newcomer.sign_in(HEAD, f"/enrol/{CODE}")
    await newcomer.send(f"/enrol/{CODE}", enrolment_code=world.codes[CODE])
    async with visit(world) as other:
        await other.sign_in(LIBRARIAN)
    await newcomer.open("/settings/people")
    await newcomer.send("/settings/people", binding="refuse")
    assert "First sign-in to confirm" not in newcomer.text


async def test_an_auditor_takes_the_trail_home_and_nobody_else_does(site: Site) -> None:
    filed = await site.world.file()
    site.enter(AUDITOR)
    for path, name in (("/trail", f"{CODE}.zip"), (f"/requests/{filed.row.id}", f"{CODE}-{filed.row.id}.zip")):
        await site.open(path)
        answer = await site.post(site.form("/trail/export"), **{"as": "bundle"})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/zip"
        assert name in answer.headers["content-disposition"]
        assert answer.content[:4] == b"PK\x03\x04"
        assert (await site.post(site.form("/trail/export"), **{"as": "xlsx"})).status_code == 422
        rows = await site.post(site.form("/trail/export"), **{"as": "csv"})
        assert rows.headers["content-disposition"] == f'attachment; filename="{name.replace("zip", "csv")}"'
        assert rows.text.splitlines()[-1].startswith('"end",')
    export = site.form("/trail/export")
    site.enter(LIBRARIAN)
    await site.open("/trail")
    assert "/trail/export" not in site.text
    token = dict(site.form("/sign-out").fields)["csrf"]
    answer = await site.post(export, **{"as": "bundle", "csrf": token})
    assert answer.status_code == 403


async def test_signing_out_ends_the_session_for_good(site: Site) -> None:
    site.enter(HEAD)
    await site.open("/requests")
    answer = await site.post(site.form("/sign-out"))
    assert answer.headers["location"] == "/sign-in"
    site.enter(HEAD)
    assert (await site.get("/requests")).headers["location"] == "/sign-in?next=/requests"


async def test_after_the_sign_in_the_browser_is_where_it_wanted_to_be(site: Site) -> None:
    filed = await site.world.file()
    await site.open(f"/requests/{filed.row.id}")
    assert site.path == "/sign-in"
    await site.open(f"/sign-in?institution={CODE.lower()}&next=/requests/{filed.row.id}")
    await site.send(f"/sign-in/{CODE}")
    await site.through_provider(LIBRARIAN)
    assert site.path == f"/requests/{filed.row.id}"


@pytest.mark.parametrize("way", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"])
async def test_nobody_is_sent_elsewhere_after_the_sign_in(site: Site, way: str) -> None:
    await site.open(f"/sign-in/{CODE}")
    await site.send(f"/sign-in/{CODE}", next=way)
    await site.through_provider(LIBRARIAN)
    assert site.path == "/requests"


async def test_a_provider_that_fails_at_the_countersignature_leaves_the_request_open(site: Site) -> None:
    filed = await site.world.file()
    site.enter(LIBRARIAN)
    await site.open(f"/requests/{filed.row.id}")
    await site.send("/answer", decision="approve")
    await site.send(site.path)
    site.world.provider.evil = Evil("", answer=lambda _: Response(status_code=503))
    await site.through_provider(LIBRARIAN)
    assert site.status == 502
    assert "No access was given, and no answer was recorded." in site.text
    assert await _status(site.world, filed.row.id) is Status.PENDING


async def test_a_provider_that_is_down_lets_the_page_stand_and_says_so_at_the_press(site: Site) -> None:
    """U14."""
    site.world.provider.evil = Evil("", discovery=lambda _: Response(status_code=503))
    site.world.skip(timedelta(minutes=11))
    await site.open(f"/sign-in/{CODE}")
    assert site.status == 200
    await site.send(f"/sign-in/{CODE}")
    assert site.status == 502
    assert "No access was given, and no answer was recorded." in site.text


async def test_an_answer_that_belongs_to_no_journey_signs_nobody_in(site: Site) -> None:
    await site.open(f"/callback/{CODE}?state=x&code=y")
    assert site.status == 403
    assert "did not begin here" in site.text
    assert (await site.client.head(f"/callback/{CODE}?state=x&code=y")).status_code == 200


async def test_a_look_at_the_callback_leaves_the_answer_for_its_browser(site: Site) -> None:
    await site.open(f"/sign-in/{CODE}")
    await site.send(f"/sign-in/{CODE}")
    state = site.answer.headers["location"].partition("state=")[2].partition("&")[0]
    assert (await site.client.head(f"/callback/{CODE}?state={state}&code=y")).content == b""
    await site.through_provider(LIBRARIAN)
    assert site.path == "/requests"
