"""The clock that is handed to whoever needs time, so that a test or a simulation can turn it by hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A callback that is due later and may still be called off."""

    def cancel(self) -> None:
        """Call it off; harmless when it has run already."""


class Clock(Protocol):
    """Time of day, elapsed time and waiting, in one object."""

    def now_s(self) -> int:
        """Unix time in whole seconds, UTC."""

    def now_ns(self) -> int:
        """Unix time in nanoseconds, UTC."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``."""

    def timer(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` on the running loop after ``seconds``."""


class SystemClock:
    """The machine's clock and the running loop's timers."""

    def now_s(self) -> int:
        """Unix time in whole seconds, UTC."""
        return int(time.time())

    def now_ns(self) -> int:
        """Unix time in nanoseconds, UTC."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``."""
        await asyncio.sleep(seconds)

    def timer(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` on the running loop after ``seconds``."""
        return asyncio.get_running_loop().call_later(seconds, callback)
