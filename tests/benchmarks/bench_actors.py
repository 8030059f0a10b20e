"""An ask through the directory, beside the least that could do the same: a task with an asyncio.Queue.

Both run on one loop, their rounds taking turns, and the median of the ratios counts.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar

from actors.directory import Directory
from actors.runtime import AsyncioActor
from ledger.request import Request
from tests.benchmarks.table import Row, row

ROUNDS = 9
ASKS = 4000
MANY = 64
ASK_BAR = 0.4


@dataclass(frozen=True, slots=True)
class Double(Request[int]):
    """Asks for twice the number."""

    receiver: ClassVar[str] = "doubler"
    number: int


class Doubler(AsyncioActor):
    """Answers ``Double``."""

    def on_receive(self, message: Double) -> int:
        """Twice the number."""
        return 2 * message.number


class QueueTask:
    """The same service written by hand: no bound, no deadline, no supervisor, no name."""

    def __init__(self) -> None:
        """Start the task."""
        self._queue: asyncio.Queue[tuple[Double, asyncio.Future[int]]] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self.task = self._loop.create_task(self._serve())

    async def _serve(self) -> None:
        while True:
            message, answer = await self._queue.get()
            answer.set_result(2 * message.number)

    async def ask(self, message: Double) -> int:
        """Ask and wait."""
        answer: asyncio.Future[int] = self._loop.create_future()
        self._queue.put_nowait((message, answer))
        return await answer


async def _rate(ask: Callable[[Double], Awaitable[int]], askers: int) -> float:
    """Asks per second, so many askers at once, each one ask after the other."""

    async def asker() -> None:
        message = Double(21)
        for _ in range(ASKS // askers):
            await ask(message)

    began = time.perf_counter()
    await asyncio.gather(*(asyncio.ensure_future(asker()) for _ in range(askers)))
    return ASKS / (time.perf_counter() - began)


async def _measure(askers: int) -> tuple[float, float, float]:
    """Asks per second of ours and of the other, and the ratio; medians of the rounds."""
    directory = Directory()
    ref = Doubler.start()
    directory.up("doubler", ref)
    by_hand = QueueTask()

    async def through_directory(message: Double) -> int:
        return await directory.ask("doubler", message, timeout_s=30.0)

    rounds = []
    for _ in range(ROUNDS):
        ours, theirs = await _rate(through_directory, askers), await _rate(by_hand.ask, askers)
        rounds.append((ours, theirs, ours / theirs))
    by_hand.task.cancel()
    await ref.stop(block=False)
    ours, theirs, ratio = (statistics.median(column) for column in zip(*rounds, strict=True))
    return ours, theirs, ratio


def rows() -> list[Row]:
    """The rows of the table: asks per second, one asker (which has a bar) and many."""
    table = []
    for askers, bar in ((1, ASK_BAR), (MANY, None)):
        ours, theirs, ratio = asyncio.run(_measure(askers))
        table.append(
            row(
                f"ask through an address, {askers} asker{'s' if askers > 1 else ''}",
                f"{ours:,.0f}/s",
                f"hand-written asyncio.Queue task: {theirs:,.0f}/s",
                ratio,
                at_least=bar,
            )
        )
    return table


if __name__ == "__main__":
    for each in rows():
        print(each)
