"""5,000 deposits in one block, 100,000 addresses: how long after the confirming block they are credited.

    python -m tests.benchmarks.bench_deposits

The real watcher, the real reader with its scan of raw blocks, and the real ledger on a database in a file;
only the node is in memory. Every block is full (12,002 outputs); 5,000 of them pay us in the first one.
Time runs from the node's word of a new block until the watcher has it committed.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from actors.address import AddressActor
from actors.clock import SystemClock
from actors.directory import Directory
from actors.ledger import LedgerActor
from actors.messages import GetWatcherStatus, IssueScript, WatcherStatus
from actors.registration import identity_fingerprint, registration
from actors.slot import CoinSlot
from actors.watcher import WatcherActor
from coins.bitcoin.reader import BitcoinReader
from coins.bitcoin.rpc import RpcClient
from coins.family import Coin
from coins.index import WatchIndex
from coins.types import BlockRef, Branch
from config.schema import BitcoinCoinSettings, LedgerSettings
from ledger.commands import ApplyChainDelta, Command, SetAnchor
from ledger.connection import connect
from ledger.dispatch import Result
from ledger.store import SqliteStore
from monitoring.metrics import Metrics
from tests.benchmarks.books import fill, own_of
from tests.benchmarks.node import FIRST_HEIGHT, MemoryNode
from tests.benchmarks.table import Row, row
from tests.fakes.chain import FakeChain
from tests.fakes.coin import FakeDeriver, FakeSpender
from tests.gateway.fake import load_settings
from tests.ledger.books import NOW

CLIENTS, DEPOSITS = 100_000, 5_000
ROUNDS = 3
BAR_S = 2.0
POLL_S = 0.002


class TimedStore(SqliteStore):
    """Remembers how long the last delta took in the ledger's thread."""

    delta_s = 0.0

    def apply_batch(self, commands: Sequence[Command[Any]], now_s: int) -> list[Result]:
        """As it is, with a look at the watch."""
        began = time.perf_counter()
        results = super().apply_batch(commands, now_s)
        if any(isinstance(command, ApplyChainDelta) for command in commands):
            self.delta_s = time.perf_counter() - began
        return results


class House:
    """Ledger, address and watcher actors of one currency over a node in memory."""

    poll_s = POLL_S  # between two looks at how far the watcher is

    def __init__(self, path: Path) -> None:
        """Nothing runs yet."""
        settings = load_settings()
        coin_settings = settings.coins["BTC"]
        if not isinstance(coin_settings, BitcoinCoinSettings) or coin_settings.genesis_hash is None:
            raise AssertionError("BTC on regtest is of the family bitcoin and has a genesis block")
        self.settings, self.coin_settings = settings, coin_settings
        self.node = MemoryNode(coin_settings.genesis_hash)
        self.first_height = FIRST_HEIGHT
        rpc = cast(RpcClient, self.node)
        self.coin = Coin(
            "BTC",
            "bitcoin",
            BitcoinReader(coin_settings, rpc),
            FakeDeriver("BTC"),
            FakeSpender(FakeChain("BTC")),
            WatchIndex(),
        )
        self.store = TimedStore(path, now_s=NOW)
        self.directory = Directory()
        self._refs: list[Any] = []

    async def prepare(self, clients: int) -> None:
        """Register the currency and fill the books."""
        fingerprint = await identity_fingerprint(self.coin_settings, self.coin)
        first = await self.coin.reader.block_ref(self.first_height)
        if not isinstance(first, BlockRef):
            raise AssertionError("the node has its first block")
        self.store.open()
        commands = [registration(self.coin_settings, fingerprint), SetAnchor("BTC", first)]
        for result in self.store.apply_batch(commands, NOW):
            result.unwrap()
        self.store.close()
        fill(self.store.path, "BTC", NOW, clients=clients, postings=2 * clients)

    async def start(self, on_height: Callable[[int], object] = lambda height: None) -> None:
        """Start the actors and wait until the watcher stands at the node's head; told where it stands."""
        clock, metrics, bounds = SystemClock(), Metrics(), self.settings.actors

        async def open_coin(_: object) -> Coin:
            return self.coin

        def open_store() -> SqliteStore:
            self.store.open()
            return self.store

        slot = CoinSlot(self.coin_settings, open_coin)
        ledger = LedgerSettings(path=self.store.path)
        self._up("ledger", LedgerActor.start(open_store, self.directory, clock, ledger, metrics))
        self._up("address:BTC", AddressActor.start(slot, self.directory, clock, bounds))
        # Its inbox is served from the end of its start on, when the coin is open and registered.
        await self.directory.ask("address:BTC", IssueScript(Branch.HOT, "hot"), timeout_s=60)
        self._up("watcher:BTC", WatcherActor.start(slot, self.directory, clock, bounds, metrics))
        await self.until(self.node.height, on_height)

    def _up(self, name: str, ref: Any) -> None:
        self.directory.adopt(name, ref)
        self.directory.up(name, ref)
        self._refs.append(ref)

    async def until(self, height: int, on_height: Callable[[int], object] = lambda height: None) -> None:
        """Wait until the watcher has committed this block."""
        while True:
            status: WatcherStatus = await self.directory.ask("watcher:BTC", GetWatcherStatus(), timeout_s=60)
            on_height(status.height or 0)
            if status.height == height and status.state in ("open", "stalled"):
                return
            await asyncio.sleep(self.poll_s)

    async def take(self, raw: bytes) -> tuple[float, float]:
        """Announce a block; seconds until it is committed, and of these in the ledger."""
        began = time.perf_counter()
        self.node.announce(raw)
        await self.until(self.node.height)
        return time.perf_counter() - began, self.store.delta_s

    def credited(self) -> int:
        """How many deposits of blocks above the first one are credited or final."""
        db = connect(self.store.path, read_only=True)
        try:
            sql = (
                "SELECT count(*) FROM deposit WHERE block_height > ? AND status IN ('credited', 'final')"
                " AND credited_at IS NOT NULL"
            )
            count: int = db.execute(sql, (FIRST_HEIGHT,)).fetchone()[0]
            return count
        finally:
            db.close()

    async def stop(self) -> None:
        """Stop in reverse order."""
        for ref in reversed(self._refs):
            await ref.stop(block=False)


async def measure(
    folder: Path, clients: int, deposits: int, rounds: int
) -> list[tuple[float, float, float, float]]:
    """Per round: seconds for the confirming block and of these in the ledger, the same for the paying one."""
    house = House(folder / "books.sqlite")
    await house.prepare(clients)
    await house.start()
    found = []
    try:
        for number in range(rounds):
            own = [own_of(place).script for place in range(number * deposits, (number + 1) * deposits)]
            paying = await house.take(house.node.prepare(own))
            for _ in range(house.coin_settings.confirmations - 2):
                await house.take(house.node.prepare([]))
            if house.credited() != number * deposits:
                raise AssertionError("deposits were credited too early")
            confirming = await house.take(house.node.prepare([]))
            if house.credited() != (number + 1) * deposits:
                raise AssertionError("not every deposit was credited")
            found.append((*confirming, *paying))
    finally:
        await house.stop()
    return found


def rows() -> list[Row]:
    """The table's rows."""
    with tempfile.TemporaryDirectory(prefix="cashier-bench-") as folder:
        found = asyncio.run(measure(Path(folder), CLIENTS, DEPOSITS, ROUNDS))
    confirming, in_ledger, paying, paying_in_ledger = (
        statistics.median(column) for column in zip(*found, strict=True)
    )
    what = f"{DEPOSITS:,} deposits in one block, {CLIENTS:,} addresses"
    return [
        row(f"{what}: all credited after the confirming block", f"{confirming:.2f} s",
            f"of it in the ledger's commit: {in_ledger:.2f} s", confirming, at_most=BAR_S, unit=" s"),
        row(f"{what}: all shown as pending after their block", f"{paying:.2f} s",
            f"of it in the ledger's commit: {paying_in_ledger:.2f} s", paying),
    ]  # fmt: skip


if __name__ == "__main__":
    for each in rows():
        print(each)
