"""An event loop on which no time passes but the one that is waited for: a day lasts as long as its work."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from tests.fakes.clock import FakeClock, FakeTimer


class NothingEverHappensError(Exception):
    """Everything waits and no timer is set: the loop would stand still for ever."""


class JumpingSelector(selectors.SelectSelector):
    """Instead of waiting it tells that the time has passed."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now; never waits."""
        ready = super().select(0)
        if not ready and timeout is None:
            raise NothingEverHappensError("everything waits, and nothing will ever wake it")
        if not ready and timeout:
            self._jump(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Jumps to the next timer as soon as nothing else is left to do. What is meant for threads runs at once,
    so that the order of everything is the same each time."""

    def __init__(self) -> None:
        self._virtual_s = 0.0
        super().__init__(JumpingSelector(self._jump))

    def _jump(self, seconds: float) -> None:
        self._virtual_s += seconds

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual_s

    def run_in_executor(  # type: ignore[override]  # the same, told less exactly
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run it now, on this thread."""
        future: asyncio.Future[Any] = self.create_future()
        try:
            future.set_result(func(*args))
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            future.set_exception(error)
        return future


class LoopClock(FakeClock):
    """The time of the virtual loop, as the clock that is handed to the actors."""

    def __init__(self, loop: asyncio.AbstractEventLoop, start_s: int) -> None:
        """``start_s`` (unix seconds) is when the loop's time was 0."""
        super().__init__(start_s)
        self._loop = loop

    def now_ns(self) -> int:
        """Unix nanoseconds."""
        return self._start_ns + round(self._loop.time() * 1e9)

    def monotonic(self) -> float:
        """Seconds of the loop."""
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        """Return once the loop came so far."""
        await asyncio.sleep(max(0.0, seconds))

    def timer(self, seconds: float, callback: Callable[[], None]) -> FakeTimer:
        """Call ``callback`` when the loop came so far."""
        handle = self._loop.call_later(max(0.0, seconds), callback)
        return LoopTimer(0, 0, callback, handle)

    async def advance(self, seconds: float) -> None:
        """Let so much time pass, with all that happens in it."""
        await asyncio.sleep(seconds)


class LoopTimer(FakeTimer):
    """A timer of the loop."""

    def __init__(self, due_ns: int, order: int, callback: Callable[[], None], handle: asyncio.TimerHandle):
        super().__init__(due_ns, order, callback)
        self._handle = handle

    def cancel(self) -> None:
        """Call it off."""
        self._handle.cancel()


def run_virtually(main: Callable[[], Any]) -> Any:
    """Run a coroutine function on a virtual loop of its own; its result."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())
