"""Kills the cashier at random moments and starts it again, as long as the story goes on."""

from __future__ import annotations

import asyncio
import random

from tests.demo.stage import Stage

PAUSE_S = (0.5, 4.0)


class Killer:
    """kill -9 after a random pause, start again at once, and so on until ``finish``."""

    def __init__(self, stage: Stage, rng: random.Random) -> None:
        """``rng`` is seeded, so that a run can be told by its seed (the timing of the machine is not)."""
        self._stage = stage
        self._rng = rng
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._kills = 0

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(self._rng.uniform(*PAUSE_S)):
                    await self._stopping.wait()
            except TimeoutError:
                await asyncio.to_thread(self._stage.kill)
                self._kills += 1
                self._stage.spawn()
                # Killed again before it serves, now and then: a start must bear that too.
                if self._rng.random() < 0.7:
                    await self._stage.until_ready()

    async def finish(self) -> int:
        """Stop killing; the cashier runs when this returns. The number of kills."""
        self._stopping.set()
        if self._task is not None:
            task, self._task = self._task, None
            await task
            await self._stage.until_ready()
        return self._kills
