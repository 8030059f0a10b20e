"""Fetches blocks ahead of the one that is being read. Pure but for the loop's tasks.

What is fetched is named by its hash, so it can never be of the wrong chain: a reorganisation only makes
some of it useless. The order in which answers come does not matter either.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")

FIRST_GUESS_BYTES = 2_000_000  # of a block, until one was seen


class ReadAhead(Generic[T]):
    """A bounded window of fetches: at most ``window`` blocks, ``parallel`` of them under way.

    Fetching pauses while what lies here, and what may come of the fetches under way, reaches
    ``bytes_max``; one block is always fetched, however large. ``size_of`` is in bytes.
    """

    def __init__(
        self,
        fetch: Callable[[str], Coroutine[Any, Any, T]],
        size_of: Callable[[T], int],
        *,
        window: int,
        parallel: int,
        bytes_max: int,
    ) -> None:
        """Nothing is fetched before :meth:`plan`."""
        self._fetch = fetch
        self._size_of = size_of
        self._window = window
        self._parallel = parallel
        self._bytes_max = bytes_max
        self._waiting: deque[str] = deque()
        self._tasks: dict[str, asyncio.Task[T]] = {}
        self._sizes: dict[str, int] = {}
        self._largest = FIRST_GUESS_BYTES

    @property
    def held_bytes(self) -> int:
        """Size of what was fetched and not taken yet."""
        return sum(self._sizes.values())

    def plan(self, names: Sequence[str]) -> None:
        """These will be taken next, in this order. Whatever else is here, or failed, is forgotten."""
        wanted = dict.fromkeys(names)
        for name, task in list(self._tasks.items()):
            if name not in wanted or _has_failed(task):
                self._forget(name)
        self._waiting = deque(name for name in wanted if name not in self._tasks)
        self._pump()

    async def take(self, name: str) -> T:
        """The block of this hash, fetched now if it was not planned. Raises what its fetch raised."""
        task = self._tasks.get(name)
        if task is None:
            return await self._fetch(name)
        try:
            return await task
        finally:
            self._forget(name)
            self._pump()

    async def close(self) -> None:
        """Give up everything that is under way."""
        self._waiting.clear()
        tasks = list(self._tasks.values())
        for name in list(self._tasks):
            self._forget(name)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, name: str) -> None:
        self._tasks.pop(name).cancel()
        self._sizes.pop(name, None)

    def _pump(self) -> None:
        """Start as many fetches as the bounds allow."""
        while self._waiting and len(self._tasks) < self._window:
            running = len(self._tasks) - len(self._sizes)
            expected = self.held_bytes + (running + 1) * self._largest
            if self._tasks and (running >= self._parallel or expected > self._bytes_max):
                return
            name = self._waiting.popleft()
            task = self._tasks[name] = asyncio.create_task(self._fetch(name))
            task.add_done_callback(partial(self._arrived, name))

    def _arrived(self, name: str, task: asyncio.Task[T]) -> None:
        """Note the size of what came; a failure is told to whoever takes it."""
        if task.cancelled() or self._tasks.get(name) is not task:
            return
        size = 0 if task.exception() is not None else self._size_of(task.result())
        self._largest = max(self._largest, size)
        self._sizes[name] = size
        if task.exception() is None:
            self._pump()


def _has_failed(task: asyncio.Task[T]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
