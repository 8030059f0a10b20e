"""The arithmetic of restarts."""

from __future__ import annotations

import pytest

from actors.policy import FailureStreak, IntensityWindow, RestartLimits, doubled


def test_the_first_restart_is_at_once_then_the_pauses_double_up_to_the_longest() -> None:
    streak = FailureStreak(RestartLimits(jitter=0.0), lambda: 0.5)
    delays = []
    for _ in range(10):
        assert streak.record(uptime_s=0.0)
        delays.append(streak.delay_s())
    assert delays == pytest.approx([0.0, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0])


@pytest.mark.parametrize(("random", "factor"), [(0.0, 0.8), (0.5, 1.0), (0.999999, 1.2)])
def test_jitter_is_a_fifth_either_way(random: float, factor: float) -> None:
    streak = FailureStreak(RestartLimits(), lambda: random)
    streak.record(0.0)
    streak.record(0.0)
    assert streak.delay_s() == pytest.approx(0.2 * factor, rel=1e-4)


def test_the_eleventh_failure_in_a_row_is_one_too_many() -> None:
    streak = FailureStreak(RestartLimits(), lambda: 0.5)
    assert [streak.record(1.0) for _ in range(11)] == [True] * 10 + [False]


def test_a_minute_of_life_forgives_and_so_does_an_operator() -> None:
    streak = FailureStreak(RestartLimits(), lambda: 0.5)
    for _ in range(9):
        streak.record(59.9)
    assert streak.record(60.0)
    assert streak.failures == 1
    streak.record(0.0)
    streak.reset()
    assert streak.failures == 0


def test_the_window_counts_only_what_is_recent() -> None:
    window = IntensityWindow(RestartLimits(intensity=2, window_s=5.0))
    assert [window.record(now) for now in (0.0, 1.0, 5.5, 6.5)] == [True, True, True, True]
    assert not window.record(6.6)


def test_doubling_is_safe_for_any_number_of_times() -> None:
    assert doubled(1.0, 10**9, 600.0) == 600.0
