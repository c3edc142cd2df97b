"""What the picture of sign-ins shows beside approved windows: the sign-ins, and days without records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from app.actions.sign_in_view import DayShown
from app.domain.reconciled_days import Given
from app.web.timeline import NARROW, WIDE, Figure, Style, figure


def figures(days: Sequence[DayShown], zone: ZoneInfo) -> list[Figure[DayShown]]:
    """The picture of some days, wide and narrow."""
    style: Style[DayShown] = Style(zone, marks=_marks, void=lambda day: day.given in {Given.NONE, Given.PART})
    return [figure(days, frame, style) for frame in (WIDE, NARROW)]


def _marks(day: DayShown) -> list[tuple[str, datetime]]:
    return [("miss" if each.session is None else "hit", each.at) for each in day.sign_ins]
