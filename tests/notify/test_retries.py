from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.notify.retries import LIFE, delay, next_attempt
from tests.notify.samples import at


def test_the_wait_doubles_up_to_a_cap() -> None:
    assert [delay(n, 0).total_seconds() for n in (1, 2, 3, 8, 9, 1000)] == [30, 60, 120, 3840, 7200, 7200]


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_jitter_adds_at_most_a_fifth_and_the_wait_never_shrinks(attempt: int, jitter: float) -> None:
    assert delay(attempt, 0) <= delay(attempt, jitter) <= delay(attempt, 0) * 1.2
    assert delay(attempt + 1, 0) >= delay(attempt, 0)


@given(st.floats(0, 1, exclude_max=True))
def test_a_delivery_is_given_up_after_three_days_and_not_before(jitter: float) -> None:
    now, attempt = at(11), 1
    while (then := next_attempt(at(11), now, attempt, jitter)) is not None:
        assert then > now
        now, attempt = then, attempt + 1
    assert LIFE - timedelta(hours=3) < now - at(11) <= LIFE
    assert 30 < attempt < 60
