"""The child tasks of one actor: concurrency that never touches the actor's state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from actors.frame import Frame, cancelled_by_other, current_frame

if TYPE_CHECKING:
    from actors.runtime import AsyncioActor

CHILD_TASKS_END_S: Final = 5.0
"""How long an ending actor waits for its cancelled child tasks."""


class ChildTasks:
    """Runs tasks beside an actor, reports what escapes them, and ends them with the actor."""

    def __init__(self, actor: AsyncioActor, on_failure: Callable[[BaseException], None]) -> None:
        """No task yet; ``on_failure`` takes what escapes a task."""
        self._actor = actor
        self._on_failure = on_failure
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(
        self, coro: Coroutine[Any, Any, object], name: str, request_id: str | None
    ) -> asyncio.Task[None]:
        """Run ``coro`` as a task called ``name``, on behalf of a request."""
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._run(coro, request_id), name=f"{self._actor.address}/{name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A task cancelled before its first step leaves its coroutine unstarted, which Python reports.
        task.add_done_callback(lambda _: coro.close())
        return task

    async def _run(self, coro: Coroutine[Any, Any, object], request_id: str | None) -> None:
        """Run one child; a cancellation not meant for it is a failure like any other."""
        current_frame.set(Frame(self._actor, is_attached=False, request_id=request_id))
        try:
            await coro
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling() > 0:
                raise
            self._on_failure(cancelled_by_other(error))
        except BaseException as error:  # noqa: BLE001 - a SystemExit here must not end the loop either
            self._on_failure(error)

    async def end(self) -> list[str]:
        """Cancel all and wait; returns the names of those that do not end in time."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if not tasks:
            return []
        _, stuck = await asyncio.wait(tasks, timeout=CHILD_TASKS_END_S)
        return [task.get_name() for task in stuck]
