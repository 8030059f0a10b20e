"""A pool of worker processes for one currency. A worker that fails is replaced; nobody waits for it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from coins.bitcoin.download import Door
from coins.bitcoin.outline import Outline, decode
from coins.bitcoin.scan import BlockRules
from coins.bitcoin.worker import FAILED, SIZES, question
from coins.errors import NodeDataError

logger = logging.getLogger(__name__)

Fetched = tuple[bytes, Outline]
MARGIN_S = 20.0  # for the outline: hundreds of times what the largest block takes
FAILURES_MAX = 5
DEPTH = 4
_ROOT = Path(__file__).resolve().parents[2]


class WorkerError(Exception):
    """A worker ended, was too slow or answered nonsense."""


class Worker:
    """One process and the files that it shares with us. Answers come in the order of the questions."""

    def __init__(self, door: Door, rules: BlockRules) -> None:
        """Nothing is started yet."""
        self._door = door
        self._rules = rules
        self._fds = [os.memfd_create("block") for _ in range(DEPTH)]
        self._questions = 0
        self._turn = asyncio.Lock()  # those who wait get it in the order in which they asked for it
        self.process: asyncio.subprocess.Process | None = None
        self.under_way = 0
        self.is_closed = False

    async def fetch(self, block_hash: str, forms: Collection[bytes]) -> Fetched | None:
        """A block and its outline, None if it got none. Raises WorkerError.

        At most DEPTH at a time. After an error, or when it was cancelled, only :meth:`close` may follow.
        """
        try:
            async with asyncio.timeout(self._door.connect_timeout_s + self._door.timeout_s * 3 + MARGIN_S):
                return await self._ask(block_hash, forms)
        except (OSError, asyncio.IncompleteReadError, NodeDataError) as error:
            raise WorkerError(f"{type(error).__name__} {error}") from error

    async def _ask(self, block_hash: str, forms: Collection[bytes]) -> Fetched | None:
        process = self.process or await self._started()
        if process is None or process.stdin is None or process.stdout is None:
            raise WorkerError("it is closed")
        # No pause from here to the lock: questions and those who wait for their answers have one order.
        process.stdin.write(question(block_hash, forms))
        fd = self._fds[self._questions % DEPTH]
        self._questions += 1
        async with self._turn:
            sizes = SIZES.unpack(await process.stdout.readexactly(SIZES.size))
            if self.is_closed:
                raise WorkerError("it was closed")
            if sizes == FAILED:
                return None
            return os.pread(fd, sizes[0], 0), decode(os.pread(fd, sizes[1], sizes[0]))

    async def _started(self) -> asyncio.subprocess.Process | None:
        """The process, started by whoever comes first; None when it was closed in the meantime."""
        async with self._turn:
            if self.process is None and not self.is_closed:
                self.process = await self._start()
        return None if self.is_closed else self.process

    async def _start(self) -> asyncio.subprocess.Process:
        """Start the process, without our environment: there may be secrets in it."""
        door, rules = json.dumps(asdict(self._door)), json.dumps(asdict(self._rules))
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "coins.bitcoin.worker", ",".join(map(str, self._fds)), door, rules,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, pass_fds=self._fds,
            cwd=_ROOT, env={"PATH": os.environ.get("PATH", "")},
        )  # fmt: skip

    async def close(self) -> None:
        """End the process and give its memory back; whoever waits for an answer gets a WorkerError."""
        self.is_closed = True
        process, self.process = self.process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        while self._fds:
            os.close(self._fds.pop())


class WorkerPool:
    """At most ``count`` workers, started when they are first needed."""

    def __init__(self, count: int, door: Door | None, rules: BlockRules) -> None:
        """``rules`` are those of the currency's blocks. Without a door there is nothing to do for them."""
        self._count = count
        self._door = door
        self._rules = rules
        self._workers: list[Worker] = []
        self._slots = asyncio.Semaphore(max(1, count * DEPTH))
        self._failures = 0

    @property
    def pids(self) -> list[int]:
        """Process ids of the running workers."""
        found = [worker.process for worker in self._workers]
        return [process.pid for process in found if process is not None]

    async def fetch(self, block_hash: str, forms: Collection[bytes] = ()) -> Fetched | None:
        """A block and its outline, searched for these forms of scripts.

        None without workers, for a broken block, or when a worker failed. After a few failures in a row
        no worker is asked until :meth:`close`.
        """
        if self._count == 0 or self._door is None or self._failures >= FAILURES_MAX:
            return None
        async with self._slots:
            worker = self._least_busy(self._door)
            worker.under_way += 1
            is_well = False
            try:
                found = await worker.fetch(block_hash, forms)
                is_well, self._failures = True, 0
                return found
            except WorkerError as error:
                self._failures += 1
                logger.warning("a worker that reads blocks failed and is replaced: %s", error)
                return None
            finally:
                worker.under_way -= 1
                if not is_well:  # also when we were cancelled: it would answer the next one with this one's
                    await self._end(worker)

    def _least_busy(self, door: Door) -> Worker:
        """The worker with the fewest questions, a new one while there may be more."""
        found = min(self._workers, key=lambda worker: worker.under_way, default=None)
        if found is None or (found.under_way and len(self._workers) < self._count):
            found = Worker(door, self._rules)
            self._workers.append(found)
        return found

    async def _end(self, worker: Worker) -> None:
        if worker in self._workers:
            self._workers.remove(worker)
        await worker.close()

    async def close(self) -> None:
        """End the workers that are at rest; those at work end with what they do."""
        self._failures = 0
        for worker in [each for each in self._workers if not each.under_way]:
            await self._end(worker)
