"""The doors of a cashier under test: a database on the loop, readers, spenders and servers that can fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from coins.errors import CoinError, SignerError
from coins.types import AttemptPlan, Head, SignedTx
from ledger.connection import connect
from ledger.dispatch import Result
from ledger.errors import DomainError, StoreUnavailableError
from ledger.queries import Query
from ledger.reader import READERS
from ledger.snapshot import Snapshot
from ledger.store import SqliteStore
from tests.fakes.chain import FakeChain
from tests.fakes.clock import FakeClock
from tests.fakes.coin import FakeDeriver, FakeReader, FakeSpender

UNAVAILABLE = StoreUnavailableError("the disk is full")


class LoopThread(Executor):
    """Runs what it is given at once: the ledger's thread, without a thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - the one who waits gets it
            future.set_exception(error)
        return future


class FaultyStore(SqliteStore):
    """A store whose next batches fail as they are told, before or after their commit."""

    def __init__(
        self,
        path: Path,
        faults: list[BaseException | str],
        batches: list[int],
        planned: Callable[[str], BaseException | str | None] = lambda _: None,
        **kwargs: Any,
    ) -> None:
        super().__init__(path, **kwargs)
        self.faults = faults
        self.batches = batches
        self.planned = planned

    def apply_batch(self, commands: Any, now_s: int) -> list[Result]:
        self.batches.append(len(commands))
        fault = self.faults.pop(0) if self.faults else None
        for command in commands:
            fault = fault or self.planned(type(command).__name__)
        if isinstance(fault, DomainError):
            return [Result(error=fault) for _ in commands]
        if isinstance(fault, BaseException):
            raise fault
        results = super().apply_batch(commands, now_s)
        if fault == "after commit":
            raise RuntimeError("the answer is lost")
        return results


class LoopReader:
    """The read side on the loop's thread."""

    def __init__(self, path: Path, now_s: Callable[[], int]) -> None:
        self._db = connect(path, read_only=True)
        self._now_s = now_s
        self.fault: BaseException | None = None

    async def answer(self, query: Query[Any]) -> Any:
        if self.fault is not None:
            raise self.fault
        self._db.execute("BEGIN")
        try:
            return READERS[type(query)](Snapshot(self._db, self._now_s()), query)
        finally:
            self._db.execute("ROLLBACK")

    async def answer_quick(self, queries: Sequence[Query[Any]]) -> list[Result]:
        results = []
        for query in queries:
            try:
                results.append(Result(await self.answer(query)))
            except DomainError as refusal:
                results.append(Result(error=refusal))
        return results

    async def close(self) -> None:
        self._db.close()


class DeskReader(FakeReader):
    """A reader whose ``trouble`` is raised by every call, and whose head is waited for on the fake clock."""

    def __init__(self, chain: FakeChain, clock: FakeClock) -> None:
        super().__init__(chain)
        self.clock = clock
        self.trouble: BaseException | None = None
        self.bad_block: tuple[int, BaseException] | None = None
        self.blocks_read: list[int] = []
        self.recalled: set[str] = set()
        self.identified = 0
        self._waiters: list[asyncio.Future[None]] = []

    def _answer(self) -> None:
        if self.trouble is not None:
            raise self.trouble
        super()._answer()

    def recall(self, txids: Collection[str]) -> None:
        self.recalled.update(txids)

    async def identify(self) -> None:
        self.identified += 1
        self._answer()

    async def read_block(self, height: int, block_hash: str, index: Any) -> Any:
        if self.bad_block is not None and self.bad_block[0] == height:
            raise self.bad_block[1]
        self.blocks_read.append(height)
        return await super().read_block(height, block_hash, index)

    async def wait_change(self, after: Head, timeout_s: float) -> None:
        if self.chain.tip.ref.block_hash != after.block_hash:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        timer = self.clock.timer(timeout_s, lambda: None if waiter.done() else waiter.set_result(None))
        try:
            await waiter
        finally:
            timer.cancel()

    def poke(self) -> None:
        """The node tells that something is new."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class DeskSpender(FakeSpender):
    """A spender whose signer can refuse, and which remembers what was signed and sent."""

    def __init__(self, chain: FakeChain) -> None:
        super().__init__(chain)
        self.refusal: SignerError | None = None
        self.signed: list[AttemptPlan] = []
        self.bytes_sent: list[str] = []
        self.crash_on_send: BaseException | None = None

    async def sign(self, plan: AttemptPlan) -> SignedTx:
        self.signed.append(plan)
        if self.refusal is not None:
            raise self.refusal
        return await super().sign(plan)

    async def broadcast(self, signed: SignedTx) -> Any:
        if self.crash_on_send is not None:
            error, self.crash_on_send = self.crash_on_send, None
            raise error
        self.bytes_sent.append(signed.raw)
        return await super().broadcast(signed)


class DeskDeriver(FakeDeriver):
    """A deriver that can be down, as a node's wallet is."""

    trouble: CoinError | None = None
    on_derive: Callable[[], None] | None = None

    async def derive(self, branch: Any, index: int) -> Any:
        if self.on_derive is not None:
            self.on_derive()
        if self.trouble is not None:
            raise self.trouble
        return await super().derive(branch, index)


class QuietServer:
    """A gateway that hears of events and serves nobody."""

    def __init__(self) -> None:
        self.sequences: list[int] = []
        self.news = asyncio.Event()
        self.is_closed = False

    def outbox_ready(self, sequence: int) -> None:
        self.sequences.append(sequence)
        self.news.set()

    async def close(self) -> None:
        self.is_closed = True
