"""Long work gives way: what people wait for goes first on the one event loop. Pure.

Reading a full block takes tens of milliseconds, an answer to a client one or two. Between two steps of a
block everything that waits gets its turns of the loop, and the steps rest while answers are being made,
within a bound, which keeps callers from holding up the chain.

An answer also waits for what it cannot interrupt: the step under way, a thread that holds the interpreter,
the node that sends blocks on the same cores. So while callers come at all, catching up takes breath: longer
pauses between steps, blocks fetched one after another, few of them written at once. It then goes at a third
of its pace and is still far faster than any chain; with nobody served it goes as fast as it can.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TURNS = 3  # of the loop between two steps: as many as a request needs until it counts as being served
REST_MAX_S = 0.005  # between two steps of about a millisecond
PRESSED_S = 0.1  # for so long after an answer the next caller is expected
BREATH_S = 0.003  # between two steps while callers come
FETCH_S = 0.02  # between two fetches while callers come
PRESSED_BLOCKS = 8  # written at once while callers come


class Turns:
    """Who is served now, and who has time. ``now_s`` is a clock that only goes forward, in seconds."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._served = 0
        self._served_at: float | None = None
        self._is_quiet = asyncio.Event()
        self._is_quiet.set()
        self._fetching = asyncio.Lock()

    @contextmanager
    def first(self) -> Iterator[None]:
        """Somebody waits for what happens inside."""
        self._served += 1
        self._is_quiet.clear()
        try:
            yield
        finally:
            self._served -= 1
            self._served_at = self._now_s()
            if not self._served:
                self._is_quiet.set()

    @property
    def is_pressed(self) -> bool:
        """Whether callers come: one is served, or was a moment ago."""
        return self._served > 0 or (
            self._served_at is not None and self._now_s() - self._served_at < PRESSED_S
        )

    async def rest(self) -> None:
        """Between two steps of long work: let others have their turns, and rest while somebody is served."""
        for _ in range(TURNS):
            await asyncio.sleep(0)
        if self.is_pressed:
            await asyncio.sleep(BREATH_S)
        if self._served:
            try:
                async with asyncio.timeout(REST_MAX_S):
                    await self._is_quiet.wait()
            except TimeoutError:
                return

    async def fetch(self) -> None:
        """Before a block is fetched: at once, or while callers come one after another."""
        async with self._fetching:
            if self.is_pressed:
                await asyncio.sleep(FETCH_S)

    def at_once(self, blocks: int) -> int:
        """How many of so many blocks may be written in one go now."""
        return min(blocks, PRESSED_BLOCKS) if self.is_pressed else blocks
