"""Token buckets: how many requests a key, a session or an IP address may make. No clock of its own. Pure."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """``per_s`` requests per second in the long run, ``burst`` at once."""

    per_s: float
    burst: int


class RateLimiter:
    """Buckets by name, at most ``entries_max``: the one unused for longest is forgotten first."""

    def __init__(self, entries_max: int) -> None:
        """Start with every bucket full."""
        self._entries_max = entries_max
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, name: str, rate: Rate, now: float) -> float:
        """Seconds until ``name`` may make a request, 0 when it may now. Takes nothing."""
        level = self._level(name, rate, now)
        return 0.0 if level >= 1.0 else (1.0 - level) / rate.per_s

    def take(self, name: str, rate: Rate, now: float) -> float:
        """Take one request of ``name`` if it may make one; gives what `wait_s` gives."""
        level = self._level(name, rate, now)
        if level < 1.0:
            return (1.0 - level) / rate.per_s
        self._buckets[name] = (level - 1.0, now)
        self._buckets.move_to_end(name)
        if len(self._buckets) > self._entries_max:
            self._buckets.popitem(last=False)
        return 0.0

    def _level(self, name: str, rate: Rate, now: float) -> float:
        """What is in the bucket at ``now`` (monotonic seconds)."""
        level, at = self._buckets.get(name, (float(rate.burst), now))
        return min(float(rate.burst), level + max(0.0, now - at) * rate.per_s)
