"""A pool of worker processes for one currency. A worker that fails is replaced; nobody waits for it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections import deque
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from coins.bitcoin.download import Door
from coins.bitcoin.outline import Outline, decode
from coins.bitcoin.scan import BlockRules
from coins.bitcoin.worker import FAILED, SIZES
from coins.errors import NodeDataError

logger = logging.getLogger(__name__)

Fetched = tuple[bytes, Outline]
MARGIN_S = 20.0  # for the outline: hundreds of times what the largest block takes
FAILURES_MAX = 5
_ROOT = Path(__file__).resolve().parents[2]


class WorkerError(Exception):
    """A worker ended, was too slow or answered nonsense."""


class Worker:
    """One process and the file that it shares with us."""

    def __init__(self, door: Door, rules: BlockRules) -> None:
        """Nothing is started yet."""
        self._door = door
        self._rules = rules
        self._fd = os.memfd_create("block")
        self.process: asyncio.subprocess.Process | None = None

    async def fetch(self, block_hash: str) -> Fetched | None:
        """A block and its outline, None if it got none. Raises WorkerError."""
        try:
            async with asyncio.timeout(self._door.connect_timeout_s + self._door.timeout_s * 3 + MARGIN_S):
                sizes = await self._ask(block_hash)
            if sizes == FAILED:
                return None
            parts = [os.pread(self._fd, sizes[0], 0), os.pread(self._fd, sizes[1], sizes[0])]
            return parts[0], decode(parts[1])
        except (OSError, asyncio.IncompleteReadError, NodeDataError) as error:
            raise WorkerError(f"{type(error).__name__} {error}") from error

    async def _ask(self, block_hash: str) -> tuple[int, int]:
        if self.process is None:
            self.process = await self._start()
        to, of = self.process.stdin, self.process.stdout
        if to is None or of is None:
            raise WorkerError("no pipes")
        to.write(block_hash.encode("ascii"))
        await to.drain()
        block, outline = SIZES.unpack(await of.readexactly(SIZES.size))
        return block, outline

    async def _start(self) -> asyncio.subprocess.Process:
        """Start the process, without our environment: there may be secrets in it."""
        door, rules = json.dumps(asdict(self._door)), json.dumps(asdict(self._rules))
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "coins.bitcoin.worker", str(self._fd), door, rules,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, pass_fds=(self._fd,),
            cwd=_ROOT, env={"PATH": os.environ.get("PATH", "")},
        )  # fmt: skip

    async def close(self) -> None:
        """End the process and give its memory back."""
        process, self.process = self.process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        os.close(self._fd)


class WorkerPool:
    """At most ``count`` workers, started when they are first needed."""

    def __init__(self, count: int, door: Door | None, rules: BlockRules) -> None:
        """``rules`` are those of the currency's blocks. Without a door there is nothing to do for them."""
        self._count = count
        self._door = door
        self._rules = rules
        self._free: deque[Worker] = deque()
        self._busy: set[Worker] = set()
        self._slots = asyncio.Semaphore(max(1, count))
        self._failures = 0

    @property
    def pids(self) -> list[int]:
        """Process ids of the running workers."""
        found = [worker.process for worker in (*self._free, *self._busy)]
        return [process.pid for process in found if process is not None]

    async def fetch(self, block_hash: str) -> Fetched | None:
        """A block and its outline; None without workers, for a broken block, or when a worker failed.

        After a few failures in a row no worker is asked until :meth:`close`.
        """
        if self._count == 0 or self._door is None or self._failures >= FAILURES_MAX:
            return None
        async with self._slots:
            worker = self._free.pop() if self._free else Worker(self._door, self._rules)
            self._busy.add(worker)
            is_well = False
            try:
                found = await worker.fetch(block_hash)
                is_well, self._failures = True, 0
                return found
            except WorkerError as error:
                self._failures += 1
                logger.warning("a worker that reads blocks failed and is replaced: %s", error)
                return None
            finally:
                self._busy.discard(worker)
                if is_well:
                    self._free.append(worker)
                else:  # also when we were cancelled: it would answer the next one with this one's outline
                    await worker.close()

    async def close(self) -> None:
        """End the workers that are at rest; those at work end with what they do."""
        self._failures = 0
        while self._free:
            await self._free.pop().close()
