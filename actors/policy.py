"""When a supervisor restarts, how long it waits first, and when it gives up. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestartLimits:
    """The bounds of one supervisor's patience; all durations in seconds.

    More than ``intensity`` restarts within ``window_s``, or more than ``failures_in_a_row`` of one child,
    and it gives up. The first restart is at once, the next after ``backoff_base_s``, then double, at most
    ``backoff_max_s``, each up to ``jitter`` (a share) more or less. A child that stayed up for
    ``reset_after_s`` begins anew.
    """

    intensity: int = 10
    window_s: float = 10.0
    failures_in_a_row: int = 10
    backoff_base_s: float = 0.2
    backoff_max_s: float = 30.0
    jitter: float = 0.2
    reset_after_s: float = 60.0


class IntensityWindow:
    """Counts the restarts of all children of one supervisor."""

    def __init__(self, limits: RestartLimits) -> None:
        """No restart yet."""
        self._limits = limits
        self._at: deque[float] = deque()

    def record(self, now: float) -> bool:
        """Count a restart at ``now`` (monotonic seconds); False when that is one too many."""
        self._at.append(now)
        while now - self._at[0] > self._limits.window_s:
            self._at.popleft()
        return len(self._at) <= self._limits.intensity


class FailureStreak:
    """Counts the failures in a row of one child.

    The cap exists because back-off slows a crash loop down below any intensity.
    """

    def __init__(self, limits: RestartLimits, random: Callable[[], float]) -> None:
        """No failure yet; ``random`` gives numbers in [0, 1)."""
        self._limits = limits
        self._random = random
        self.failures = 0

    def record(self, uptime_s: float) -> bool:
        """Count a failure after ``uptime_s`` of life; False when that is one too many."""
        if uptime_s >= self._limits.reset_after_s:
            self.failures = 0
        self.failures += 1
        return self.failures <= self._limits.failures_in_a_row

    def reset(self) -> None:
        """Begin anew, at an operator's word."""
        self.failures = 0

    def delay_s(self) -> float:
        """How long to wait before the restart that answers the last failure."""
        if self.failures <= 1:
            return 0.0
        limits = self._limits
        plain = doubled(limits.backoff_base_s, self.failures - 2, limits.backoff_max_s)
        return plain * (1 + limits.jitter * (2 * self._random() - 1))


def doubled(base: float, times: int, at_most: float) -> float:
    """``base`` doubled ``times`` times, at most ``at_most``; safe for any number of times."""
    return min(base * 2.0 ** min(times, 64), at_most)
