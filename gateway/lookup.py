"""Many callers with the same question: one answer for all, and never an older one than they asked for.

A caller who comes while a lookup is under way does not take that one's answer (it may be from before a
revocation) but shares the next, which begins after it came. So a token revoked before a request arrived is
always found revoked, however busy its owner is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

R = TypeVar("R")


class Lookups:
    """Lookups under way, by name. One event loop; not thread-safe."""

    def __init__(self) -> None:
        """Nothing is under way."""
        self._next: dict[str, asyncio.Future[Any] | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def get(self, name: str, look: Callable[[], Awaitable[R]]) -> R:
        """The answer of a ``look`` that begins now or later; all that share it raise what it raises.

        Looks of the same ``name`` must ask for the same.
        """
        if name in self._next:
            shared = self._next[name]
            if shared is None:
                shared = self._next[name] = asyncio.get_running_loop().create_future()
            answer: R = await asyncio.shield(shared)
            return answer
        self._next[name] = None
        try:
            return await look()
        finally:
            self._go_on(name, look)

    def _go_on(self, name: str, look: Callable[[], Awaitable[Any]]) -> None:
        """A lookup ended: begin the one that was waited for, if any."""
        shared = self._next.pop(name)
        if shared is not None:
            self._next[name] = None
            task = asyncio.create_task(self._look_for(name, look, shared))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _look_for(
        self, name: str, look: Callable[[], Awaitable[Any]], shared: asyncio.Future[Any]
    ) -> None:
        """One lookup for all who wait on ``shared``."""
        try:
            shared.set_result(await look())
        except Exception as error:  # noqa: BLE001  theirs to handle, each in its own request
            shared.set_exception(error)
            shared.exception()  # seen: nobody may be left to look at it
        finally:
            if not shared.done():
                shared.cancel()
            self._go_on(name, look)
