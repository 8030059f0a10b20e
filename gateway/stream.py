"""Open event streams: who waits, for whom, and what wakes them. Holds no events: each stream reads its own.

A hint may be lost or late; a stream reads again at every heartbeat, so a lost hint costs time and never an
event.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.problem import ProblemError

PER_CALLER_MAX = 20
"""Streams one website key or client session may hold open at once."""


class Waiter:
    """One open stream's bell. ``is_closing``: the server stops, so the stream must end."""

    __slots__ = ("_bell", "client_id", "is_closing")

    def __init__(self, client_id: str | None) -> None:
        """A stream of one client's events, or of all."""
        self._bell = asyncio.Event()
        self.client_id = client_id
        self.is_closing = False

    def ring(self) -> None:
        """There may be something to read."""
        self._bell.set()

    async def wait(self, timeout_s: float) -> bool:
        """True when rung, False after ``timeout_s`` of silence."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._bell.wait()
        except TimeoutError:
            return False
        self._bell.clear()
        return True


class StreamHub:
    """All open streams of one server. One event loop; not thread-safe."""

    def __init__(self, streams_max: int) -> None:
        """Allow ``streams_max`` streams at once."""
        self._streams_max = streams_max
        self._waiters: dict[str | None, set[Waiter]] = {}
        self._callers: Counter[str] = Counter()
        self._hint = asyncio.Event()
        self._count = 0
        self.latest = 0

    def __len__(self) -> int:
        """How many streams are open."""
        return self._count

    def ready(self, sequence: int) -> None:
        """Hint: events up to ``sequence`` are committed. Cheap; call it as often as you like."""
        self.latest = max(self.latest, sequence)
        self._hint.set()

    async def hinted(self) -> int:
        """Wait for the next hint; gives the newest sequence known."""
        await self._hint.wait()
        self._hint.clear()
        return self.latest

    def ring(self, client_id: str | None) -> None:
        """Wake the streams an event of ``client_id`` concerns: that client's, and those of all events."""
        for key in {None, client_id}:
            for waiter in self._waiters.get(key, ()):
                waiter.ring()

    def ring_all(self) -> None:
        """Wake every stream: each looks for itself."""
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.ring()

    def close(self) -> None:
        """End every stream soon: the server stops."""
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.is_closing = True
                waiter.ring()

    @contextmanager
    def open(self, caller: str, client_id: str | None) -> Iterator[Waiter]:
        """Register a stream. Raises ProblemError ``unavailable`` or ``too_many_streams`` when full."""
        if self._count >= self._streams_max:
            raise ProblemError(
                "unavailable", "Too many event streams are open.", headers={"Retry-After": "10"}
            )
        if self._callers[caller] >= PER_CALLER_MAX:
            raise ProblemError("too_many_streams", headers={"Retry-After": "10"})
        waiter = Waiter(client_id)
        group = self._waiters.setdefault(client_id, set())
        group.add(waiter)
        self._callers[caller] += 1
        self._count += 1
        try:
            yield waiter
        finally:
            self._count -= 1
            self._callers[caller] -= 1
            if not self._callers[caller]:
                del self._callers[caller]
            group.discard(waiter)
            if not group and self._waiters.get(client_id) is group:
                del self._waiters[client_id]
