"""The page of figures: a month day by day, and the year month by month, each as a picture and as a table."""

from __future__ import annotations

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from starlette.responses import Response

from app.actions.figures import Figures, Month, figures
from app.web.call import CallDep
from app.web.charts import NARROW, WIDE, Chart, calendar, chart, hours
from app.web.guard import SignedIn
from app.web.page_route import GET, pages
from app.web.pictures import day_of
from app.web.times import Times

router = pages()
_ASKED = (("ses", "given"), ("den", "denied"), ("none", "lapsed"), ("pend", "waiting"))


@router.api_route("/requests/figures", methods=GET)
async def shown(call: CallDep, visitor: SignedIn, month: str = "") -> Response:
    """The month that `month` (`YYYY-MM`) names, or the present one, and its year."""
    found = await figures(call.services, visitor, day_of(f"{month}-01"))
    zone = ZoneInfo(visitor.time_zone)
    first = found.month[0].day
    values = {
        "f": found,
        "times": Times(zone, found.now),
        "calendars": [calendar(found.month, sheet, _today(found, zone)) for sheet in (WIDE, NARROW)],
        "asked": _both([[(kind, getattr(each, name)) for kind, name in _ASKED] for each in found.year], stacked=True),
        "answered": _both([[("win", _hours(each))] for each in found.year], stacked=True),
        "spent": _both([[("win", hours(each.approved)), ("ses", hours(each.used))] for each in found.year]),
        "hours": hours,
        "active": [each for each in found.month if each.windows],
        "before": f"{first - timedelta(days=1):%Y-%m}",
        "after": f"{first + timedelta(days=31):%Y-%m}",
        "year_before": f"{first.year - 1}-{first:%m}",
        "year_after": f"{first.year + 1}-{first:%m}",
    }
    return call.page("figures.html", values, visitor=visitor)


def _both(groups: list[list[tuple[str, float]]], *, stacked: bool = False) -> list[Chart]:
    return [chart(groups, sheet, stacked=stacked) for sheet in (WIDE, NARROW)]


def _hours(month: Month) -> float:
    return 0 if month.answered is None else hours(month.answered)


def _today(found: Figures, zone: ZoneInfo) -> int | None:
    today: date = found.now.astimezone(zone).date()
    return next((n for n, each in enumerate(found.month) if each.day == today), None)
