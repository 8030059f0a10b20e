"""A clock that moves only when a test moves it."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

SETTLE_ROUNDS = 60
"""Turns of the loop that are enough for every chain of messages in our tests to come to rest."""


async def settle() -> None:
    """Let everything that can run now, run."""
    for _ in range(SETTLE_ROUNDS):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object], rounds: int = 5000) -> None:
    """Let the loop turn until ``condition`` holds; fails after ``rounds`` turns."""
    for _ in range(rounds):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError(f"still not true after {rounds} turns of the loop")


@dataclass(order=True)
class FakeTimer:
    """A callback due at a moment of the fake clock."""

    due_ns: int
    order: int
    callback: Callable[[], None] = field(compare=False)
    is_cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        """Call it off."""
        self.is_cancelled = True


class FakeClock:
    """Stands still until ``advance()``."""

    def __init__(self, start_s: int = 1_750_000_000) -> None:
        """Start at ``start_s`` (unix seconds)."""
        self._start_ns = start_s * 1_000_000_000
        self._now_ns = 0
        self._timers: list[FakeTimer] = []
        self._order = itertools.count()

    def now_s(self) -> int:
        """Unix seconds."""
        return self.now_ns() // 1_000_000_000

    def now_ns(self) -> int:
        """Unix nanoseconds."""
        return self._start_ns + self._now_ns

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._now_ns / 1e9

    def set_by(self, seconds: int) -> None:
        """Set the time of day on or back; what was waited for stays as far away as it was."""
        self._start_ns += seconds * 1_000_000_000

    async def sleep(self, seconds: float) -> None:
        """Return once the clock was advanced by ``seconds``."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.timer(seconds, lambda: None if over.done() else over.set_result(None))
        try:
            await over
        finally:
            timer.cancel()

    def timer(self, seconds: float, callback: Callable[[], None]) -> FakeTimer:
        """Call ``callback`` when the clock was advanced by ``seconds``."""
        timer = FakeTimer(self._now_ns + round(max(0.0, seconds) * 1e9), next(self._order), callback)
        heapq.heappush(self._timers, timer)
        return timer

    def pending(self) -> list[float]:
        """In how many seconds each timer is due, soonest first."""
        return sorted((timer.due_ns - self._now_ns) / 1e9 for timer in self._timers if not timer.is_cancelled)

    async def advance(self, seconds: float) -> None:
        """Move on by ``seconds``, firing what falls due, in order, and letting its consequences happen."""
        goal_ns = self._now_ns + round(seconds * 1e9)
        await settle()
        while self._timers and self._timers[0].due_ns <= goal_ns:
            timer = heapq.heappop(self._timers)
            if timer.is_cancelled:
                continue
            self._now_ns = max(self._now_ns, timer.due_ns)
            timer.callback()
            await settle()
        self._now_ns = goal_ns
