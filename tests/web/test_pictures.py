"""The week of windows and sessions, the month, and the figures of the year: pictures, and the tables beside them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from app.actions import session_calls
from app.actions.figures import figures
from app.actions.windows import Day, WindowShown
from app.domain.policy import Hours
from app.domain.reconciled_days import day_span
from app.domain.window import Span
from app.web.charts import NARROW, WIDE, calendar, chart
from app.web.timeline import WIDE as WEEK
from app.web.timeline import Style, figure
from tests.actions.vendors import VENDOR_AUDITOR, run_vendor_world, vendor_signs_in
from tests.actions.watching import opened
from tests.actions.worlds import HEAD, LIBRARIAN, World
from tests.web.reading import judge
from tests.web.site import Site, visit

VIENNA = ZoneInfo("Europe/Vienna")
NOON = datetime(2096, 11, 14, 11, tzinfo=UTC)
"""Later than any day on which this runs: a log does not go back."""


async def _worked(world: World) -> str:
    """A request approved at noon for four hours, used for half an hour, and ended after one."""
    world.frozen = NOON
    await world.enrol()
    request = (await world.file()).row.id
    world.skip(timedelta(minutes=10))
    await world.approve(LIBRARIAN, request)
    session = await opened(world, request)
    world.skip(timedelta(minutes=1))
    await session_calls.end(world.services, world.caller, session, "Done.")
    world.skip(timedelta(minutes=1))
    return request


async def test_the_week_shows_windows_and_sessions_in_picture_and_table(world: World) -> None:
    request = await _worked(world)
    waiting = (await world.file()).row
    async with visit(world) as site:
        site.enter(HEAD)
        await site.open("/requests")
        judge(site.text)
        for kind in ("win", "ses", "pend"):
            assert f'<rect class="{kind}"' in site.text
        table = _table(site.text, "Windows and sessions as a table")
        assert f'/requests/{request}"' in table
        assert "12:10 to 16:10" in table
        assert "12:10 to 12:11" in table
        assert f"{waiting.number}" in table
        assert "None yet. Asked: 12:12 to 16:12" in table
        await site.send("/revoke")
        await site.open("/requests")
        assert "ended early at 12:12" in _table(site.text, "Windows and sessions as a table")
        assert 'class="cut"' in site.text
        await site.open(f"/requests?week={date(2096, 11, 5)}")
        assert "No window lies in these days." in site.text
        assert "Mon 5 Nov 2096" in site.text
        for nonsense in ("x", "9999-99-99", "0001-01-01", "2026-11"):
            await site.open(f"/requests?week={nonsense}")
            assert (site.status, "This week" in site.text) == (200, True)


async def test_the_figures_count_what_was_asked_answered_and_used(world: World) -> None:
    await _worked(world)
    await world.deny(HEAD, (await world.file()).row.id)
    await world.file()
    world.skip(timedelta(hours=5))
    await world.sign_in(HEAD)
    found = await figures(world.services, await world.visitor(HEAD), None)
    november = found.year[10]
    assert (november.asked, november.given, november.denied, november.lapsed, november.waiting) == (3, 1, 1, 0, 1)
    assert november.answered == timedelta(minutes=5), "the median of ten minutes and none"
    assert november.approved == timedelta(hours=4)
    assert november.used == timedelta(minutes=1)
    assert sum((day.approved for day in found.month), timedelta()) == november.approved
    assert sum((day.used for day in found.month), timedelta()) == november.used
    assert [month.asked for month in found.year if month is not november] == [0] * 11
    async with visit(world) as site:
        site.enter(HEAD)
        await site.open("/requests/figures")
        judge(site.text)
        assert "November 2096" in site.text
        assert "<td>5 min</td>" in _table(site.text, "Time to answer as a table")
        assert '<td class="n">3</td>' in _table(site.text, "Requests as a table")
        assert '<td class="n">4</td>' in _table(site.text, "The month as a table")
        await site.open("/requests/figures?month=2095-03")
        judge(site.text)
        assert "March 2095" in site.text
        assert "No window lies in this month." in site.text
        await site.open("/requests/figures?month=x")
        assert "November 2096" in site.text


async def test_the_vendors_people_have_no_figures(tmp_path: Path) -> None:
    async with run_vendor_world(f"sqlite:///{tmp_path}/countersign.db", None, tmp_path) as (world, vendors):
        await vendor_signs_in(world, vendors, VENDOR_AUDITOR)
        async with visit(world) as site:
            site.enter(VENDOR_AUDITOR)
            assert (await site.get("/requests/figures")).status_code == 404


def test_windows_that_overlap_get_lanes_and_keep_their_sessions() -> None:
    day = day_span(date(2026, 11, 18), VIENNA)
    noon, hour = day.start + timedelta(hours=12), timedelta(hours=1)
    one = WindowShown("2026-0001", "req_1", "e", "win", Span(noon, noon + 4 * hour), None, (Span(noon, noon + hour),))
    two = WindowShown("2026-0002", "req_2", "e", "win", Span(noon + hour, noon + 2 * hour), noon + 2 * hour, ())
    three = WindowShown("2026-0003", "req_3", "e", "pend", Span(noon + 4 * hour, day.end), None, ())
    style: Style[Day] = Style(VIENNA, now=noon, hours=(Hours("wed", 8 * 60, 17 * 60),))
    (row,) = figure([Day(date(2026, 11, 18), day, (one, two, three))], WEEK, style).rows
    boxes = {(box.kind, box.label): box for box in row.boxes}
    assert boxes["win", "0001"].y == boxes["pend", "0003"].y < boxes["win", "0002"].y
    session = boxes["ses", ""]
    first = boxes["win", "0001"]
    assert first.y < session.y < session.y + session.height < first.y + first.height
    assert row.now == WEEK.x(12)
    assert boxes["work", ""].x == WEEK.x(8)
    assert boxes["work", ""].height == row.height == 2 * WEEK.lane
    assert boxes["pend", "0003"].x + boxes["pend", "0003"].width == WEEK.x(24)


def test_bars_stay_in_their_picture() -> None:
    for sheet in (WIDE, NARROW):
        for most in (0.0, 0.3, 1, 7, 99, 12_345):
            for stacked in (True, False):
                made = chart([[("win", most), ("ses", most / 3)]] * 12, sheet, stacked=stacked)
                assert all(bar.y >= 0 and bar.y + bar.height <= made.base + 0.5 for bar in made.bars)
                assert all(bar.x >= 0 and bar.x + bar.width <= sheet.width for bar in made.bars)
                assert 2 <= len(made.lines) <= 6


async def test_a_month_begins_at_its_weekday(world: World) -> None:
    await world.enrol()
    found = await figures(world.services, await world.visitor(HEAD), date(2026, 3, 1))
    made = calendar(found.month, WIDE, None)
    assert len(made.cells) == 31
    assert made.cells[0].x > made.cells[1].x, "1 March 2026 is a Sunday"
    assert made.cells[1].y > made.cells[0].y
    longest = found.month[28]
    assert longest.span.length == timedelta(hours=23), "the clock is set forward"


async def test_the_review_tells_what_roles_can_do_and_names_the_unknown(site: Site) -> None:
    """U16."""
    roles = ("Fulfillment Administrator", "<b>Keeper</b>")
    filed = await site.world.file(roles=roles)
    site.enter(HEAD)
    await site.open(f"/requests/{filed.row.id}")
    judge(site.text)
    assert re.search(r"Can see personal data:</b> patrons’ names", site.text)
    assert re.search(r"Can change:</b> loan rules", site.text)
    assert re.search(r"Unknown effect:</b> <bdi class=\"wrap-all\">&lt;b&gt;Keeper", site.text)
    assert "Unknown effect." in site.text
    assert "version 2026-11" in site.text
    whole = await site.world.file(roles=())
    await site.open(f"/requests/{whole.row.id}")
    assert "Unknown effect:</b> the account is used with every role that it has." in site.text


def _table(page: str, label: str) -> str:
    begins = page.index("<table", page.index(f'aria-label="{label}"'))
    return page[begins : page.index("</table>", begins)]
